//! Leases: who owns something for now. The clock is an argument.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::{Store, StoreError, moment, table::Table};

static LEASES: Table<String, Lease> = Table::new("lease");

/// A lease that somebody has, or had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// Who.
    pub owner: String,
    /// Until when.
    #[serde(with = "moment")]
    pub until: SystemTime,
    /// Grows each time the lease goes to somebody: what carries a lower one is of an owner that was.
    pub fence: u64,
}

impl Store {
    /// Takes a lease, which is then held until `now + length`. The inner error is the lease that another has. Who holds
    /// it already takes it anew.
    ///
    /// # Errors
    /// The store can't be read or written.
    pub async fn take_lease(
        &self,
        name: &str,
        owner: &str,
        length: Duration,
        now: SystemTime,
    ) -> Result<Result<Lease, Lease>, StoreError> {
        let (name, owner) = (name.to_owned(), owner.to_owned());
        self.write(move |tx| {
            let before = tx.get(&LEASES, &name)?;
            let fence = match before {
                Some(held) if held.until > now && held.owner != owner => return Ok(Err(held)),
                Some(over) => over.fence.checked_add(1).ok_or(StoreError::Overflow)?,
                None => 1,
            };
            let lease = Lease { owner, until: now + length, fence };
            tx.put(&LEASES, &name, &lease)?;
            Ok(Ok(lease))
        })
        .await
    }

    /// Holds a lease until `now + length`; `None` if it is another's by now. One that ran out and that nobody took
    /// can still be renewed.
    ///
    /// # Errors
    /// The store can't be read or written.
    pub async fn renew_lease(
        &self,
        name: &str,
        held: &Lease,
        length: Duration,
        now: SystemTime,
    ) -> Result<Option<Lease>, StoreError> {
        let (name, held) = (name.to_owned(), held.clone());
        self.write(move |tx| {
            let found = tx.get(&LEASES, &name)?;
            let Some(mut lease) = found.filter(|lease| lease.fence == held.fence && lease.owner == held.owner) else {
                return Ok(None);
            };
            lease.until = now + length;
            tx.put(&LEASES, &name, &lease)?;
            Ok(Some(lease))
        })
        .await
    }

    /// Gives a lease back; one that is another's by now stays so. Whether it was given back.
    ///
    /// # Errors
    /// The store can't be read or written.
    pub async fn release_lease(&self, name: &str, held: &Lease) -> Result<bool, StoreError> {
        let (name, held) = (name.to_owned(), held.clone());
        self.write(move |tx| {
            let found = tx.get(&LEASES, &name)?;
            let Some(mut lease) = found.filter(|lease| lease.fence == held.fence && lease.owner == held.owner) else {
                return Ok(false);
            };
            // Its fence has to be remembered.
            lease.until = SystemTime::UNIX_EPOCH;
            tx.put(&LEASES, &name, &lease)?;
            Ok(true)
        })
        .await
    }
}
