//! What is to be written: attempts that were opened and closed, and sums. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::attempt::Expected;
use crate::store::{Amounts, Batch, StoreError, Table};

/// Attempts that are open, by id.
pub(super) static OPEN: Table<u64, Expected> = Table::new("usage.open");
/// The ledger of closed ones.
pub(super) const SUMS: &str = "usage";

/// Changes that are not on disk yet. They grow by the attempts that are open and by the keys that are in use, not by time.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Books {
    /// Opened, and neither closed nor written.
    pub(super) opened: BTreeMap<u64, Expected>,
    /// Closed, while they are on disk as open or about to be.
    pub(super) closed: BTreeSet<u64>,
    pub(super) sums: BTreeMap<String, Amounts>,
}

impl Books {
    /// An attempt is opened.
    pub(super) fn handle_open(&mut self, id: u64, expected: Expected) {
        self.opened.insert(id, expected);
    }

    /// An attempt is closed, and these amounts are booked for it.
    pub(super) fn handle_close(&mut self, id: u64, key: String, amounts: &Amounts) {
        self.handle_never_sent(id);
        add(self.sums.entry(key).or_default(), amounts);
    }

    /// An attempt was not sent after all.
    pub(super) fn handle_never_sent(&mut self, id: u64) {
        if self.opened.remove(&id).is_none() {
            self.closed.insert(id);
        }
    }

    /// An earlier process has left an attempt open.
    pub(super) fn handle_left_open(&mut self, id: u64, expected: Expected) {
        self.handle_close(id, expected.key, &expected.amounts);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.opened.is_empty() && self.closed.is_empty() && self.sums.is_empty()
    }

    /// Takes everything, to be written.
    pub(super) fn take(&mut self) -> Self {
        std::mem::take(self)
    }

    /// What was taken could not be written, and is to be written with what has come since.
    pub(super) fn give_back(&mut self, taken: Self) {
        for (id, expected) in taken.opened {
            // One that was closed meanwhile never gets to the disk.
            if !self.closed.remove(&id) {
                self.opened.insert(id, expected);
            }
        }
        self.closed.extend(taken.closed);
        for (key, amounts) in taken.sums {
            add(self.sums.entry(key).or_default(), &amounts);
        }
    }

    /// The same as one change of the store.
    ///
    /// # Errors
    /// A name is too long for it.
    pub(super) fn batch(&self) -> Result<Batch, StoreError> {
        let mut batch = Batch::default();
        for (id, expected) in &self.opened {
            batch.put(&OPEN, id, expected)?;
        }
        self.closed.iter().for_each(|id| batch.remove(&OPEN, id));
        for (key, amounts) in &self.sums {
            batch.add(SUMS, key, amounts.clone());
        }
        Ok(batch)
    }
}

fn add(sums: &mut Amounts, amounts: &Amounts) {
    for (what, amount) in amounts {
        let sum = sums.entry(what.clone()).or_default();
        *sum = sum.saturating_add(*amount);
    }
}
