//! Several changes of one caller, made together or not at all.

use serde::Serialize;

use super::{
    Store, StoreError,
    key::Key,
    ledger::{self, Amounts},
    log::{self, Entry},
    rewrite,
    table::Table,
    tx::Tx,
};

/// Changes that are made together or not at all, in the order in which they were added.
#[derive(Debug, Default)]
pub struct Batch(Vec<Change>);

#[derive(Debug)]
enum Change {
    Set(Vec<u8>, Option<Vec<u8>>),
    Append(String, Entry),
    AppendAt(String, u64, Vec<Entry>),
    Add(String, String, Amounts),
}

impl Batch {
    /// Sets the value of a key.
    ///
    /// # Errors
    /// The value is too large.
    pub fn put<K: Key, V: Serialize>(&mut self, table: &Table<K, V>, key: &K, value: &V) -> Result<(), StoreError> {
        let value = table.bytes(value)?;
        self.0.push(Change::Set(table.key(key), Some(value)));
        Ok(())
    }

    /// Removes a key; one that isn't there is fine.
    pub fn remove<K: Key, V>(&mut self, table: &Table<K, V>, key: &K) {
        self.0.push(Change::Set(table.key(key), None));
    }

    /// Appends to a log.
    pub fn append(&mut self, log: &str, entry: Entry) {
        self.0.push(Change::Append(log.to_owned(), entry));
    }

    /// Makes a log end at `position`, whatever it has from there on, and appends these entries there.
    ///
    /// The commit fails with [`StoreError::Misplaced`] unless the log is to end, or an entry of it begins, at `position`.
    pub fn append_at(&mut self, log: &str, position: u64, entries: Vec<Entry>) {
        self.0.push(Change::AppendAt(log.to_owned(), position, entries));
    }

    /// Adds to a ledger.
    pub fn add(&mut self, ledger: &str, key: &str, amounts: Amounts) {
        self.0.push(Change::Add(ledger.to_owned(), key.to_owned(), amounts));
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many changes there are.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    fn run(self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        for change in self.0 {
            match change {
                Change::Set(key, value) => tx.set_bytes(key, value),
                Change::Append(log, entry) => {
                    log::append(tx, &log, &entry)?;
                }
                Change::AppendAt(log, position, entries) => rewrite::append_at(tx, &log, position, &entries)?,
                Change::Add(ledger, key, amounts) => ledger::add(tx, &ledger, &key, &amounts)?,
            }
        }
        Ok(())
    }
}

impl Store {
    /// Makes changes. When this returns `Ok`, they survive what the store's [`Durability`](super::Durability) says.
    ///
    /// # Errors
    /// None of them is made, or it isn't sure that they last.
    pub async fn commit(&self, batch: Batch) -> Result<(), StoreError> {
        self.write(move |tx| batch.run(tx)).await
    }
}
