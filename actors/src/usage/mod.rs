//! What attempts use and cost, booked so that no answer is lost from the sums: not when its client left, nor when the
//! process was killed.
//!
//! An attempt is *open* from before it is sent until it ends, and is then added to the sums of its day, provider, model,
//! profile and asker. What is open when a process starts was cut off by the end of the one before, and is booked by
//! what it was expected to use. One task writes for all attempts, some fifty milliseconds behind; an attempt that is
//! shorter than that is never written as open.

mod attempt;
mod batch;
mod books;
mod budget;
mod entry;
mod row;
mod sum;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::{Duration, SystemTime},
};

use greenroom_providers::cost::Cost;
use greenroom_wire::{ChatError, ErrorKind};
use tokio::sync::{Notify, watch};

pub(crate) use self::attempt::{Booking, OpenAttempt};
pub use self::batch::BookedLine;
pub(crate) use self::sum::cost_of;
use self::{
    attempt::Opened,
    books::{Books, COST, OPEN, SESSIONS, SUMS},
    budget::Spending,
    entry::Ended,
    sum::Sum,
};
pub use self::{
    budget::{BadBudget, Budgets, Period, SpendBudget},
    entry::{AttemptEntry, AttemptOutcome, AttemptPlace, attempts_of},
    row::{Asker, UsageKey, UsageRow},
};
use crate::store::{Store, StoreError};

/// How long changes are gathered before they are written: a flush costs as much as five answers, and under load there is
/// always something to write.
const GATHER: Duration = Duration::from_millis(50);
/// After a failed write. What is to be written grows by sums and open attempts alone meanwhile.
const RETRY: Duration = Duration::from_secs(2);
/// How long somebody who asks for the sums waits for the disk.
const SETTLE_WAIT: Duration = Duration::from_secs(2);
/// How often attempts are looked for that are too old to be kept.
const FORGET: Duration = Duration::from_secs(60 * 60);

/// The rules of the books.
#[derive(Debug, Clone, Default)]
pub struct UsageRules {
    /// How long each attempt is kept by itself, beside the sums; for ever if it is not said.
    pub keep: Option<Duration>,
    /// What clients may spend.
    pub budgets: Budgets,
}

/// The books of a system. Clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Ledger {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Arc<Notify>,
    /// How many writes have been tried.
    tried: watch::Sender<u64>,
    store: Option<Store>,
    budgets: Budgets,
}

impl Ledger {
    /// Books into this store; nowhere without one. What an earlier process left open is booked as estimated.
    pub(crate) fn start(store: Option<Store>, rules: UsageRules) -> Self {
        let UsageRules { keep, budgets } = rules;
        let shared = Shared {
            state: Mutex::new(State::new(store.is_some())),
            changed: Arc::default(),
            tried: watch::Sender::new(0),
            store: store.clone(),
            budgets,
        };
        let ledger = Self { shared: Arc::new(shared) };
        if let Some(store) = store {
            if let Some(keep) = keep {
                tokio::spawn(forget(Arc::downgrade(&ledger.shared), store.clone(), keep));
            }
            tokio::spawn(write(Arc::downgrade(&ledger.shared), Arc::clone(&ledger.shared.changed), store));
        }
        ledger
    }

    /// An attempt begins.
    pub(crate) fn open(&self, booking: Booking) -> OpenAttempt {
        // Without a store nobody will ask, save whether a budget is spent.
        let is_booked = self.shared.store.is_some() || self.shared.budgets.of(booking.asker.client()).is_some();
        OpenAttempt::new(is_booked.then(|| self.clone()), booking)
    }

    /// Lets an answer be sought that is expected to cost this, unless who asks has a budget that is spent. What it is
    /// expected to cost is set apart until it is over: many at once do not go past a budget that one of them would spend.
    ///
    /// # Errors
    /// The budget is spent, or nobody knows whether it is.
    pub(crate) async fn admit(&self, asker: &Asker, expected: Cost) -> Result<Option<Reserved>, ChatError> {
        let Some(budget) = self.shared.budgets.of(asker.client()) else { return Ok(None) };
        self.know_spending().await?;
        let client = asker.client().to_owned();
        let now = SystemTime::now();
        match &mut self.state().spending {
            Some(spending) => spending.reserve(&client, budget, expected, now)?,
            None => return Err(spending_unknown()),
        }
        Ok(Some(Reserved { shared: Arc::clone(&self.shared), client, expected }))
    }

    /// What a client has spent in the time of its budget; `None` if it has none.
    ///
    /// # Errors
    /// It can't be read.
    pub(crate) async fn spent(&self, client: &str) -> Result<Option<Cost>, ChatError> {
        let Some(budget) = self.shared.budgets.of(client) else { return Ok(None) };
        self.know_spending().await?;
        let today = attempt::day(SystemTime::now());
        Ok(self.state().spending.as_ref().map(|spending| spending.spent(client, budget.per, &today)))
    }

    /// What a session's turns have cost.
    ///
    /// # Errors
    /// It can't be read.
    pub(crate) async fn spent_in_session(&self, id: &str) -> Result<Cost, StoreError> {
        self.settle().await;
        let Some(store) = &self.shared.store else { return Err(StoreError::Closed) };
        let on_disk = store.sums_of(SESSIONS, id).await?.get(COST).copied().unwrap_or_default();
        let is_its = |key: &UsageKey| matches!(&key.asker, Asker::Session { id: of, .. } if of == id);
        let state = self.state();
        let waiting = state.books.sums.iter().filter(|(key, _)| is_its(key)).map(|(_, sum)| sum.cost());
        Ok(Cost::from_parts(u128::try_from(on_disk).unwrap_or_default()) + waiting.sum::<Cost>())
    }

    /// Lets a turn of a session begin, unless its budget is spent. A session has one turn at a time.
    ///
    /// # Errors
    /// It is spent, or nobody knows whether it is.
    pub(crate) async fn admit_session(&self, id: &str, budget: SpendBudget) -> Result<(), ChatError> {
        let spent = self.spent_in_session(id).await.map_err(|fault| {
            ChatError::new(ErrorKind::Overloaded, "what this session has spent of its budget can't be read")
                .with_source(fault)
                .with_hint("`greenroom providers status` says how the store is")
        })?;
        if spent < budget.most {
            return Ok(());
        }
        let message = format!("the budget of the session is spent: {spent} of ${budget}");
        let error = ChatError::new(ErrorKind::Billing, message);
        Err(error.with_hint(format!("`greenroom sessions budget {id} AMOUNT` raises it")))
    }

    /// Forgets what a session has cost, since there is none of its name any more.
    pub(crate) async fn forget_session(&self, id: &str) {
        self.settle().await;
        if let Some(store) = &self.shared.store
            && let Err(fault) = store.forget_sums(SESSIONS, id).await
        {
            tracing::warn!("what a session that was removed had cost stays on disk: {fault}");
        }
    }

    /// Waits until it is known what was spent, which the task that writes reads between two writes: so nothing is counted
    /// twice, and nothing left out.
    async fn know_spending(&self) -> Result<(), ChatError> {
        let mut tried = self.shared.tried.subscribe();
        // One that is under way may be past the place where it looks.
        for _ in 0..2 {
            {
                let mut state = self.state();
                if state.spending.is_some() {
                    return Ok(());
                }
                state.wants_spending = true;
            }
            tried.mark_unchanged();
            self.shared.changed.notify_one();
            if tokio::time::timeout(SETTLE_WAIT, tried.changed()).await.is_err() {
                break;
            }
        }
        if self.state().spending.is_some() { Ok(()) } else { Err(spending_unknown()) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.shared)
    }

    /// Waits until everything so far is written, or could not be.
    pub(crate) async fn settle(&self) {
        let mut tried = self.shared.tried.subscribe();
        // One that is under way may have begun before the last change.
        for _ in 0..2 {
            if self.shared.store.is_none() || self.state().books.is_empty() {
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

    /// Attempts that have ended, as [`attempts_of`] gives them.
    ///
    /// # Errors
    /// As for [`rows`](Self::rows).
    pub(crate) async fn attempts(
        &self,
        after: Option<AttemptPlace>,
        most: usize,
    ) -> Result<(Vec<AttemptEntry>, Option<AttemptPlace>), StoreError> {
        self.settle().await;
        attempts_of(self.shared.store.as_ref().ok_or(StoreError::Closed)?, after, most).await
    }
}

fn spending_unknown() -> ChatError {
    ChatError::new(ErrorKind::Overloaded, "what this client has spent of its budget can't be read")
        .with_hint("`greenroom providers status` says how the store is")
}

/// What an answer is expected to cost, set apart until this is dropped.
#[derive(Debug)]
pub(crate) struct Reserved {
    shared: Arc<Shared>,
    client: String,
    expected: Cost,
}

impl Drop for Reserved {
    fn drop(&mut self) {
        if let Some(spending) = &mut lock(&self.shared).spending {
            spending.release(&self.client, self.expected);
        }
    }
}

/// What is not on disk yet, and what was spent.
#[derive(Debug)]
struct State {
    books: Books,
    /// Whether there is a disk.
    keeps: bool,
    /// Read once somebody has a budget.
    spending: Option<Spending>,
    wants_spending: bool,
}

impl State {
    fn new(keeps: bool) -> Self {
        let spending = (!keeps).then(Spending::default);
        Self { books: Books::default(), keeps, spending, wants_spending: false }
    }

    fn handle_open(&mut self, id: u64, opened: Arc<Opened>) {
        if self.keeps {
            self.books.handle_open(id, opened);
        }
    }

    fn handle_never_sent(&mut self, id: u64) {
        if self.keeps {
            self.books.handle_never_sent(id);
        }
    }

    fn handle_close(&mut self, key: &UsageKey, sum: &Sum, ended: Ended) {
        if let Some(spending) = &mut self.spending {
            spending.add(key.asker.client(), &key.day, sum.cost());
        }
        if self.keeps {
            self.books.handle_close(key, sum, ended);
        }
    }

    /// These sums are on disk, and what is not is added to them.
    fn begin_spending(&mut self, rows: &[UsageRow]) {
        let mut spending = Spending::default();
        let mut add = |key: &UsageKey, cost| spending.add(key.asker.client(), &key.day, cost);
        rows.iter().for_each(|row| add(&row.key, row.cost));
        self.books.sums.iter().for_each(|(key, sum)| add(key, sum.cost()));
        let left = self.books.left.iter().filter_map(|(key, amounts)| UsageRow::read(key, amounts));
        left.for_each(|row| add(&row.key, row.cost));
        (self.spending, self.wants_spending) = (Some(spending), false);
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

/// Forgets each attempt that is too old, for as long as the books are there.
async fn forget(shared: Weak<Shared>, store: Store, keep: Duration) {
    while shared.strong_count() > 0 {
        if let Some(bound) = SystemTime::now().checked_sub(keep) {
            match entry::forget(&store, bound).await {
                Ok(0) => {}
                Ok(forgotten) => tracing::debug!(forgotten, "attempts that are too old to be kept are forgotten"),
                Err(fault) => tracing::warn!("attempts that are too old stay on disk for now: {fault}"),
            }
        }
        tokio::time::sleep(FORGET).await;
    }
}

/// Writes the books until nobody has them any more.
async fn write(shared: Weak<Shared>, changed: Arc<Notify>, store: Store) {
    match store.scan(&OPEN).await {
        Ok(left) => {
            let Some(shared) = shared.upgrade() else { return };
            let mut state = lock(&shared);
            left.into_iter().for_each(|(id, open)| state.books.handle_left_open(id, open));
            drop(state);
            changed.notify_one();
        }
        Err(error) => tracing::error!("what an earlier process left open can't be booked: {error}"),
    }
    loop {
        changed.notified().await;
        tokio::time::sleep(GATHER).await;
        // Not held while it waits: the last owner's leaving ends this.
        let Some(shared) = shared.upgrade() else { return };
        if lock(&shared).wants_spending {
            match rows_of(&store).await {
                Ok(rows) => lock(&shared).begin_spending(&rows),
                Err(error) => tracing::error!("what was spent can't be read: {error}"),
            }
        }
        let taken = lock(&shared).books.take();
        let mut outcome = Ok(());
        if !taken.is_empty() {
            outcome = match taken.batch() {
                Ok(batch) => store.commit(batch).await,
                Err(error) => Err(error),
            };
        }
        match outcome {
            Ok(()) if taken.unkept > 0 => {
                let unkept = taken.unkept;
                tracing::warn!(unkept, "attempts are in the sums alone, since the disk took nothing for too long");
            }
            Ok(()) => {}
            Err(_) => lock(&shared).books.give_back(taken),
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

fn lock(shared: &Shared) -> MutexGuard<'_, State> {
    shared.state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;

#[cfg(test)]
#[path = "attempts_tests.rs"]
mod attempts_tests;
