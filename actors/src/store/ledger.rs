//! Ledgers: sums of integers by key, so that they are exact.

use std::collections::BTreeMap;

use super::{Store, StoreError, table::Table, tx::Tx};

/// By ledger and key.
static SUMS: Table<(String, String), Amounts> = Table::new("ledger");

/// Amounts by what they are of.
pub type Amounts = BTreeMap<String, i64>;

pub(super) fn add(tx: &mut Tx<'_>, ledger: &str, key: &str, amounts: &Amounts) -> Result<(), StoreError> {
    let place = (ledger.to_owned(), key.to_owned());
    let mut sums = tx.get(&SUMS, &place)?.unwrap_or_default();
    for (what, amount) in amounts {
        let sum = sums.entry(what.clone()).or_default();
        *sum = sum.checked_add(*amount).ok_or(StoreError::Overflow)?;
    }
    tx.put(&SUMS, &place, &sums)
}

impl Store {
    /// Adds to the sums of a key.
    ///
    /// # Errors
    /// Nothing is added, or it isn't sure that it lasts.
    pub async fn add(&self, ledger: &str, key: &str, amounts: Amounts) -> Result<(), StoreError> {
        let (ledger, key) = (ledger.to_owned(), key.to_owned());
        self.write(move |tx| add(tx, &ledger, &key, &amounts)).await
    }

    /// The sums of one key; none if nothing was added to it.
    ///
    /// # Errors
    /// The store can't be read.
    pub async fn sums_of(&self, ledger: &str, key: &str) -> Result<Amounts, StoreError> {
        Ok(self.get(&SUMS, &(ledger.to_owned(), key.to_owned())).await?.unwrap_or_default())
    }

    /// Forgets the sums of one key.
    ///
    /// # Errors
    /// They stay, or it isn't sure that they are gone for good.
    pub async fn forget_sums(&self, ledger: &str, key: &str) -> Result<(), StoreError> {
        self.remove(&SUMS, &(ledger.to_owned(), key.to_owned())).await
    }

    /// The sums of every key, in the order of the keys.
    ///
    /// # Errors
    /// The store can't be read.
    pub async fn sums(&self, ledger: &str) -> Result<Vec<(String, Amounts)>, StoreError> {
        let sums = self.scan_settled(&SUMS, &ledger.to_owned()).await?;
        Ok(sums.into_iter().map(|((_, key), amounts)| (key, amounts)).collect())
    }
}
