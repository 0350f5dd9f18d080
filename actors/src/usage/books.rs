//! What is to be written: attempts that were opened and closed, and sums. Pure.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::SystemTime,
};

use serde::{Deserialize, Serialize};

use super::{
    attempt::Opened,
    entry::{ENTRIES, Ended, began_at},
    row::{Asker, UsageKey},
    sum::Sum,
};
use crate::store::{Amounts, Batch, StoreError, Table};

/// Attempts that are open, by id.
pub(super) static OPEN: Table<u64, Expected> = Table::new("usage.open");
/// The ledger of closed ones.
pub(super) const SUMS: &str = "usage";
/// The ledger of what sessions have cost.
pub(super) const SESSIONS: &str = "usage.session";
/// The one amount in it.
pub(super) const COST: &str = "cost";

/// An attempt as the store has it while it is open: under which key which amounts are booked if nobody closes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Expected {
    pub(super) key: String,
    pub(super) amounts: Amounts,
    /// Missing where an earlier version wrote it.
    #[serde(default, with = "began_at")]
    pub(super) began: Option<SystemTime>,
}

/// Entries that wait for the disk at most, some hundred bytes each: a disk that takes nothing for hours must not fill memory.
/// What they amount to is in the sums all the same.
pub(super) const MOST_ENTRIES: usize = 10_000;

/// Changes that are not on disk yet. They grow by the attempts that are open and by the keys that are in use, and up to
/// [`MOST_ENTRIES`], not by time. They are made into what the store takes only as they are written, which most attempts are over before.
#[derive(Debug, Default)]
pub(super) struct Books {
    /// Opened, and neither closed nor written.
    pub(super) opened: BTreeMap<u64, Arc<Opened>>,
    /// Closed, while they are on disk as open or about to be.
    pub(super) closed: BTreeSet<u64>,
    pub(super) sums: BTreeMap<UsageKey, Sum>,
    /// Sums of what earlier processes left open.
    pub(super) left: BTreeMap<String, Amounts>,
    pub(super) entries: Vec<Ended>,
    /// How many entries are not kept, since there were too many that waited.
    pub(super) unkept: u64,
}

impl Books {
    /// An attempt is opened.
    pub(super) fn handle_open(&mut self, id: u64, opened: Arc<Opened>) {
        self.opened.insert(id, opened);
    }

    /// An attempt is closed, and this is booked for it.
    pub(super) fn handle_close(&mut self, key: &UsageKey, sum: &Sum, ended: Ended) {
        self.handle_never_sent(ended.id);
        self.book(key, sum, ended);
    }

    /// This is booked for an attempt that never was open here.
    pub(super) fn book(&mut self, key: &UsageKey, sum: &Sum, ended: Ended) {
        self.add(key, sum);
        self.keep(ended);
    }

    fn keep(&mut self, ended: Ended) {
        if self.entries.len() < MOST_ENTRIES { self.entries.push(ended) } else { self.unkept += 1 }
    }

    fn add(&mut self, key: &UsageKey, sum: &Sum) {
        match self.sums.get_mut(key) {
            Some(sums) => sums.add(sum),
            None => {
                self.sums.insert(key.clone(), *sum);
            }
        }
    }

    /// An attempt was not sent after all.
    pub(super) fn handle_never_sent(&mut self, id: u64) {
        if self.opened.remove(&id).is_none() {
            self.closed.insert(id);
        }
    }

    /// An earlier process has left an attempt open.
    pub(super) fn handle_left_open(&mut self, id: u64, expected: Expected) {
        self.closed.insert(id);
        let Expected { key, amounts, began } = expected;
        add(self.left.entry(key.clone()).or_default(), &amounts);
        if let Some(began) = began {
            self.keep(Ended::lost(id, began, key, amounts));
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        // Where there are entries there are sums.
        self.opened.is_empty() && self.closed.is_empty() && self.sums.is_empty() && self.left.is_empty()
    }

    /// Takes everything, to be written.
    pub(super) fn take(&mut self) -> Self {
        std::mem::take(self)
    }

    /// What was taken could not be written, and is to be written with what has come since.
    pub(super) fn give_back(&mut self, taken: Self) {
        for (id, opened) in taken.opened {
            // One that was closed meanwhile never gets to the disk.
            if !self.closed.remove(&id) {
                self.opened.insert(id, opened);
            }
        }
        self.closed.extend(taken.closed);
        for (key, sum) in &taken.sums {
            self.add(key, sum);
        }
        for (key, amounts) in taken.left {
            add(self.left.entry(key).or_default(), &amounts);
        }
        self.unkept += taken.unkept;
        let since = std::mem::replace(&mut self.entries, taken.entries);
        since.into_iter().for_each(|ended| self.keep(ended));
    }

    /// The same as one change of the store.
    ///
    /// # Errors
    /// A name is too long for it.
    pub(super) fn batch(&self) -> Result<Batch, StoreError> {
        let mut batch = Batch::default();
        self.add_to(&mut batch)?;
        Ok(batch)
    }

    /// The same with other changes.
    ///
    /// # Errors
    /// A name is too long for the store.
    pub(super) fn add_to(&self, batch: &mut Batch) -> Result<(), StoreError> {
        for (id, opened) in &self.opened {
            batch.put(&OPEN, id, &opened.expected())?;
        }
        self.closed.iter().for_each(|id| batch.remove(&OPEN, id));
        for (key, sum) in &self.sums {
            batch.add(SUMS, &key.text(), sum.amounts());
            add_session(batch, key, sum);
        }
        for (text, amounts) in &self.left {
            batch.add(SUMS, text, amounts.clone());
            if let Some(key) = UsageKey::parse(text) {
                add_session(batch, &key, &Sum::read(amounts));
            }
        }
        for ended in &self.entries {
            batch.put(&ENTRIES, &ended.place(), &ended.kept)?;
        }
        Ok(())
    }
}

fn add_session(batch: &mut Batch, key: &UsageKey, sum: &Sum) {
    let cost = i64::try_from(sum.cost().parts()).unwrap_or(i64::MAX);
    if let Asker::Session { id, .. } = &key.asker
        && cost > 0
    {
        batch.add(SESSIONS, id, Amounts::from([(COST.to_owned(), cost)]));
    }
}

fn add(sums: &mut Amounts, amounts: &Amounts) {
    for (what, amount) in amounts {
        let sum = sums.entry(what.clone()).or_default();
        *sum = sum.saturating_add(*amount);
    }
}
