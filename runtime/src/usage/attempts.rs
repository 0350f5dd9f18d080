//! Attempts, one by one.

use std::path::Path;

use greenroom_actors::{Asker, AttemptEntry, AttemptOutcome, AttemptPlace, attempts_of, store::Store};
use greenroom_providers::cost::Cost;
use greenroom_wire::ErrorKind;
use serde::Serialize;

use super::DayRange;
use crate::{StartError, config::Durability, store};

/// How many attempts are read at a time.
pub(crate) const PAGE: usize = 512;

/// An attempt at an answer that has ended.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct UsageAttempt {
    /// When it began, in UTC.
    pub began: String,
    /// How long it took; 0 if the process ended within it.
    pub millis: u64,
    /// The configured provider.
    pub provider: String,
    /// The provider's id of the model.
    pub model: String,
    /// The auth profile.
    pub profile: String,
    /// Who asked.
    pub client: String,
    /// In which session, if in one.
    pub session: Option<String>,
    /// Whether it was the first at its answer.
    pub first: bool,
    /// `finished`, `failed`, `left` (cancelled, its client gone, or another was first) or `lost` (the process ended).
    pub outcome: String,
    /// Why it failed.
    pub error: Option<ErrorKind>,
    /// Prompt tokens, cached ones left out.
    pub input: u64,
    /// Tokens of the answer, reasoning included.
    pub output: u64,
    /// Of the output: reasoning.
    pub reasoning: u64,
    /// Prompt tokens read from caches.
    pub cache_read: u64,
    /// Prompt tokens written to caches.
    pub cache_write: u64,
    /// What it cost, in US dollars; nothing if its price is not known.
    #[serde(rename = "cost_usd")]
    pub cost: Option<Cost>,
    /// Whether its tokens are estimated.
    pub estimated: bool,
}

impl From<AttemptEntry> for UsageAttempt {
    fn from(entry: AttemptEntry) -> Self {
        let client = entry.asker.client().to_owned();
        Self {
            began: humantime::format_rfc3339_millis(entry.began).to_string(),
            millis: u64::try_from(entry.took.as_millis()).unwrap_or(u64::MAX),
            provider: entry.provider,
            model: entry.model,
            profile: entry.profile,
            client,
            session: match entry.asker {
                Asker::Session { id, .. } => Some(id),
                Asker::Client(_) => None,
            },
            first: entry.is_first,
            outcome: entry.outcome.word().to_owned(),
            error: match entry.outcome {
                AttemptOutcome::Failed(kind) => Some(kind),
                _ => None,
            },
            input: entry.usage.input,
            output: entry.usage.output,
            reasoning: entry.usage.reasoning,
            cache_read: entry.usage.cache_read,
            cache_write: entry.usage.cache_write_5m.saturating_add(entry.usage.cache_write_1h),
            cost: entry.cost,
            estimated: entry.estimated,
        }
    }
}

/// Attempts of some days, page by page, in the order in which they began. One that ends while they are read may be missed.
#[derive(Debug, Clone)]
pub struct AttemptPages {
    range: DayRange,
    /// `None` once all were read.
    after: Option<Option<AttemptPlace>>,
}

impl AttemptPages {
    /// All of these days.
    pub fn of(range: DayRange) -> Self {
        Self { after: Some(range.begin()), range }
    }

    /// Where the next page begins; `None` after the last.
    pub(crate) fn place(&self) -> Option<Option<AttemptPlace>> {
        self.after
    }

    /// Of a page that was read there, those that are wanted.
    pub(crate) fn handle_page(&mut self, entries: Vec<AttemptEntry>, next: Option<AttemptPlace>) -> Vec<UsageAttempt> {
        let count = entries.len();
        let wanted: Vec<UsageAttempt> = entries
            .into_iter()
            .take_while(|entry| !self.range.is_before(entry.began))
            .map(UsageAttempt::from)
            .collect();
        self.after = next.filter(|_| wanted.len() == count).map(Some);
        wanted
    }
}

/// Attempts that are kept in the store of a data directory, where no runtime has it open.
#[derive(Debug)]
pub struct AttemptsAtRest {
    store: Option<Store>,
    pages: AttemptPages,
}

impl AttemptsAtRest {
    /// Opens the store, if there is one.
    ///
    /// # Errors
    /// It can't be opened.
    pub async fn open(data_dir: &Path, durability: Durability, range: DayRange) -> Result<Self, StartError> {
        Ok(Self { store: store::open_existing(data_dir, durability).await?, pages: AttemptPages::of(range) })
    }

    /// The next page; `None` after the last.
    ///
    /// # Errors
    /// It can't be read.
    pub async fn next(&mut self) -> Result<Option<Vec<UsageAttempt>>, StartError> {
        let (Some(store), Some(after)) = (&self.store, self.pages.place()) else { return Ok(None) };
        let (entries, next) = attempts_of(store, after, PAGE).await.map_err(StartError::NotKept)?;
        Ok(Some(self.pages.handle_page(entries, next)))
    }

    /// Closes the store.
    ///
    /// # Errors
    /// It can't be closed in order.
    pub async fn close(self) -> Result<(), StartError> {
        match self.store {
            Some(store) => store.close().await.map_err(StartError::NotKept),
            None => Ok(()),
        }
    }
}
