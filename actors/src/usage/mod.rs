//! What attempts use and cost, booked so that no answer is lost from the sums: not when its client left, nor when the
//! process was killed.
//!
//! An attempt is *open* from before it is sent until it ends, and is then added to the sums of its day, provider, model,
//! profile and asker. What is open when a process starts was cut off by the end of the one before, and is booked by
//! what it was expected to use. One task writes for all attempts, some fifty milliseconds behind; an attempt that is
//! shorter than that is never written as open.

mod attempt;
mod books;
mod row;
mod sum;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use tokio::sync::{Notify, watch};

pub(crate) use self::attempt::{Booking, OpenAttempt};
use self::books::{Books, OPEN, SUMS};
pub use self::row::{Asker, UsageKey, UsageRow};
pub(crate) use self::sum::cost_of;
use crate::store::{Store, StoreError};

/// How long changes are gathered before they are written: a flush costs as much as five answers, and under load there is
/// always something to write.
const GATHER: Duration = Duration::from_millis(50);
/// After a failed write. What is to be written grows by sums and open attempts alone meanwhile.
const RETRY: Duration = Duration::from_secs(2);
/// How long somebody who asks for the sums waits for the disk.
const SETTLE_WAIT: Duration = Duration::from_secs(2);

/// The books of a system. Clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Ledger {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    books: Mutex<Books>,
    changed: Arc<Notify>,
    /// How many writes have been tried.
    tried: watch::Sender<u64>,
    store: Option<Store>,
}

impl Ledger {
    /// Books into this store; nowhere without one. What an earlier process left open is booked as estimated.
    pub(crate) fn start(store: Option<Store>) -> Self {
        let shared = Shared {
            books: Mutex::default(),
            changed: Arc::default(),
            tried: watch::Sender::new(0),
            store: store.clone(),
        };
        let ledger = Self { shared: Arc::new(shared) };
        if let Some(store) = store {
            tokio::spawn(write(Arc::downgrade(&ledger.shared), Arc::clone(&ledger.shared.changed), store));
        }
        ledger
    }

    /// An attempt begins.
    pub(crate) fn open(&self, booking: Booking) -> OpenAttempt {
        // Without a store nobody will ask.
        let ledger = self.shared.store.is_some().then(|| self.clone());
        OpenAttempt::new(ledger, booking)
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        lock(&self.shared)
    }

    /// Waits until everything so far is written, or could not be.
    pub(crate) async fn settle(&self) {
        let mut tried = self.shared.tried.subscribe();
        // One that is under way may have begun before the last change.
        for _ in 0..2 {
            if self.shared.store.is_none() || self.books().is_empty() {
                return;
            }
            tried.mark_unchanged();
            self.shared.changed.notify_one();
            if tokio::time::timeout(SETTLE_WAIT, tried.changed()).await.is_err() {
                return;
            }
        }
    }

    /// The sums so far, attempts that are under way left out.
    ///
    /// # Errors
    /// The store can't be read; or there is none, which is [`StoreError::Closed`].
    pub(crate) async fn rows(&self) -> Result<Vec<UsageRow>, StoreError> {
        self.settle().await;
        let store = self.shared.store.as_ref().ok_or(StoreError::Closed)?;
        rows_of(store).await
    }
}

/// The sums that are kept in a store.
///
/// # Errors
/// It can't be read.
pub async fn rows_of(store: &Store) -> Result<Vec<UsageRow>, StoreError> {
    let sums = store.sums(SUMS).await?;
    Ok(sums.into_iter().filter_map(|(key, amounts)| UsageRow::read(&key, &amounts)).collect())
}

/// Writes the books until nobody has them any more.
async fn write(shared: Weak<Shared>, changed: Arc<Notify>, store: Store) {
    match store.scan(&OPEN).await {
        Ok(left) => {
            let Some(shared) = shared.upgrade() else { return };
            let mut books = lock(&shared);
            left.into_iter().for_each(|(id, open)| books.handle_left_open(id, open));
            drop(books);
            changed.notify_one();
        }
        Err(error) => tracing::error!("what an earlier process left open can't be booked: {error}"),
    }
    loop {
        changed.notified().await;
        tokio::time::sleep(GATHER).await;
        // Not held while it waits: the last owner's leaving ends this.
        let Some(shared) = shared.upgrade() else { return };
        let taken = lock(&shared).take();
        let mut outcome = Ok(());
        if !taken.is_empty() {
            outcome = match taken.batch() {
                Ok(batch) => store.commit(batch).await,
                Err(error) => Err(error),
            };
        }
        if outcome.is_err() {
            lock(&shared).give_back(taken);
        }
        shared.tried.send_modify(|tried| *tried += 1);
        if let Err(error) = outcome {
            tracing::warn!("what answers used is not booked yet: {error}");
            drop(shared);
            tokio::time::sleep(RETRY).await;
            changed.notify_one();
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.changed.notify_one();
    }
}

fn lock(shared: &Shared) -> MutexGuard<'_, Books> {
    shared.books.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
