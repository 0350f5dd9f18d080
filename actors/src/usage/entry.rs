//! Each attempt by itself: when it began, how it ended, and what is booked for it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use greenroom_providers::cost::Cost;
use greenroom_wire::{ErrorKind, Usage};
use serde::{Deserialize, Serialize};

use super::{
    row::{Asker, UsageKey},
    sum::Sum,
};
use crate::store::{Store, StoreError, Table, moment};

/// By when it began, in nanoseconds since 1970, and its id.
pub(super) static ENTRIES: Table<(u64, u64), Kept> = Table::new("usage.attempts");

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttemptOutcome {
    /// It came to its end.
    Finished,
    /// It failed, for this reason.
    Failed(ErrorKind),
    /// It was left before its end: cancelled, its client gone, or another was first.
    Left,
    /// The process ended within it.
    Lost,
}

impl AttemptOutcome {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Finished => "finished",
            Self::Failed(_) => "failed",
            Self::Left => "left",
            Self::Lost => "lost",
        }
    }
}

/// An attempt that has ended.
#[derive(Debug, Clone, PartialEq)]
pub struct AttemptEntry {
    /// Where it is among all, to go on from.
    pub place: AttemptPlace,
    /// When it began.
    pub began: SystemTime,
    /// How long it took; nothing if nobody knows.
    pub took: Duration,
    /// The configured provider.
    pub provider: String,
    /// The provider's id of the model.
    pub model: String,
    /// The auth profile.
    pub profile: String,
    /// Who asked.
    pub asker: Asker,
    /// Whether it was the first attempt at its answer.
    pub is_first: bool,
    /// How it ended.
    pub outcome: AttemptOutcome,
    /// Whether its tokens are estimated.
    pub estimated: bool,
    /// Tokens.
    pub usage: Usage,
    /// What it cost; `None` if its price is not known.
    pub cost: Option<Cost>,
}

/// The place of an attempt among all that are kept, in the order in which they began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttemptPlace(u64, u64);

impl AttemptPlace {
    /// Before every attempt that began at this moment or later, and after the others.
    pub fn before(at: SystemTime) -> Self {
        Self(nanos(at).saturating_sub(1), u64::MAX)
    }

    /// When the attempt began.
    pub fn began(self) -> SystemTime {
        UNIX_EPOCH + Duration::from_nanos(self.0)
    }
}

/// The same as the store has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Kept {
    /// Key and amounts of the ledger, of this attempt alone.
    key: String,
    amounts: crate::store::Amounts,
    outcome: AttemptOutcome,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    millis: Option<u64>,
}

/// An attempt that is to be kept.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Ended {
    pub(super) id: u64,
    pub(super) began: SystemTime,
    pub(super) kept: Kept,
}

impl Ended {
    /// One that ended now.
    pub(super) fn new(id: u64, began: SystemTime, key: &UsageKey, sum: &Sum, outcome: AttemptOutcome) -> Self {
        let took = began.elapsed().unwrap_or_default();
        let millis = Some(u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
        Self { id, began, kept: Kept { key: key.text(), amounts: sum.amounts(), outcome, millis } }
    }

    /// One that was open when its process ended.
    pub(super) fn lost(id: u64, began: SystemTime, key: String, amounts: crate::store::Amounts) -> Self {
        Self { id, began, kept: Kept { key, amounts, outcome: AttemptOutcome::Lost, millis: None } }
    }

    pub(super) fn place(&self) -> (u64, u64) {
        (nanos(self.began), self.id)
    }
}

impl Kept {
    /// `None` for one that a later version wrote in another form.
    fn read(self, (at, id): (u64, u64)) -> Option<AttemptEntry> {
        let UsageKey { day: _, provider, model, profile, asker } = UsageKey::parse(&self.key)?;
        let ([requests, _, estimated, unpriced], cost, usage) = Sum::read(&self.amounts).shown();
        Some(AttemptEntry {
            place: AttemptPlace(at, id),
            began: UNIX_EPOCH + Duration::from_nanos(at),
            took: Duration::from_millis(self.millis.unwrap_or_default()),
            provider,
            model,
            profile,
            asker,
            is_first: requests > 0,
            outcome: self.outcome,
            estimated: estimated > 0,
            usage,
            cost: (unpriced == 0).then_some(cost),
        })
    }
}

fn nanos(at: SystemTime) -> u64 {
    u64::try_from(at.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos()).unwrap_or(u64::MAX)
}

/// Attempts that a store has, in the order in which they began, from the first one after `after` on. With them, where the
/// next ones are sought, if there may be more: about `most` are looked at.
///
/// # Errors
/// It can't be read.
pub async fn attempts_of(
    store: &Store,
    after: Option<AttemptPlace>,
    most: usize,
) -> Result<(Vec<AttemptEntry>, Option<AttemptPlace>), StoreError> {
    let page = store.scan_page(&ENTRIES, after.map(|AttemptPlace(at, id)| (at, id)).as_ref(), most).await?;
    let next = page.last().filter(|_| page.len() == most).map(|((at, id), _)| AttemptPlace(*at, *id));
    Ok((page.into_iter().filter_map(|(place, kept)| kept.read(place)).collect(), next))
}

/// Forgets attempts that began before `bound`; the sums stay. In parts, so that nobody's write waits for long.
///
/// # Errors
/// It can't be read or written; what was forgotten until then stays so.
pub(super) async fn forget(store: &Store, bound: SystemTime) -> Result<u64, StoreError> {
    const PAGE: usize = 512;
    let (bound, mut forgotten) = (nanos(bound), 0);
    loop {
        let page = store.scan_page(&ENTRIES, None, PAGE).await?;
        let old: Vec<(u64, u64)> = page.iter().map(|(place, _)| *place).take_while(|(at, _)| *at < bound).collect();
        let mut batch = crate::store::Batch::default();
        old.iter().for_each(|place| batch.remove(&ENTRIES, place));
        if old.is_empty() {
            return Ok(forgotten);
        }
        store.commit(batch).await?;
        forgotten += u64::try_from(old.len()).unwrap_or(u64::MAX);
    }
}

/// For the moment an attempt began, in what is kept of open ones.
pub(super) use moment::optional as began_at;
