//! Limits of requests, tokens and concurrency: governor's cells in a store of our own, so that a request which passes
//! one limit and not the next gives back what it took, and so that what an attempt really used is settled afterwards.
//!
//! A cell is the time at which its bucket is full again, so whatever is given back or taken moves that time. The provider's
//! actor takes; attempts settle in their own tasks, so every change is one atomic step.

use std::{
    num::NonZeroU32,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use governor::{
    Quota, RateLimiter,
    clock::{Clock, MonotonicClock},
    middleware::NoOpMiddleware,
    nanos::Nanos,
    state::{NotKeyed, StateStore},
};
use serde::{Deserialize, Serialize};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{
    args::{ProfileArgs, ProviderArgs},
    pace::Paces,
};
use crate::store::moment;

/// From an empty bucket to a full one.
const REFILL: Duration = Duration::from_secs(60);

/// How much may be asked of a provider, by one profile or by all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// Requests a minute.
    pub requests_per_minute: Option<NonZeroU32>,
    /// Tokens a minute, prompt and answer together.
    pub tokens_per_minute: Option<NonZeroU32>,
    /// Requests at once.
    pub concurrent: Option<NonZeroU32>,
}

/// What outlives an incarnation of a provider's actor: the limiters, since their places are held by attempts that go on,
/// and what the provider said is left.
pub(crate) struct Limiters {
    pub(super) shared: Limiter,
    /// Each profile that there is or was: places never move, since attempts under way hold them.
    seats: RwLock<Vec<Seat>>,
    /// Whether they hold what an earlier process kept.
    pub(super) restored: AtomicBool,
    paces: Mutex<Paces>,
}

/// A profile, as it outlives an incarnation of its provider's actor.
#[derive(Clone)]
pub(super) struct Seat {
    pub(super) profile: ProfileArgs,
    pub(super) limiter: Arc<Limiter>,
    /// Whether it was removed, and only attempts that are under way still know of it.
    pub(super) gone: bool,
}

impl Seat {
    fn new(profile: ProfileArgs) -> Self {
        let limiter = Arc::new(Limiter::new(profile.limits));
        Self { profile, limiter, gone: false }
    }
}

impl Limiters {
    pub(crate) fn new(args: &ProviderArgs) -> Arc<Self> {
        let seats: Vec<Seat> = args.profiles.iter().cloned().map(Seat::new).collect();
        let paces = Mutex::new(Paces::new(seats.len()));
        let seats = RwLock::new(seats);
        Arc::new(Self { shared: Limiter::new(args.shared_limits), seats, restored: AtomicBool::new(false), paces })
    }

    /// Every profile that there is or was, in its place.
    pub(super) fn seats(&self) -> Vec<Seat> {
        self.seats.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts a profile into the place that its name has, or into a new one. What its name has spent stays spent if its
    /// limits are the same.
    pub(super) fn seat(&self, profile: ProfileArgs) {
        let mut seats = self.seats.write().unwrap_or_else(PoisonError::into_inner);
        match seats.iter_mut().find(|seat| seat.profile.id == profile.id) {
            Some(seat) if seat.limiter.limits == profile.limits => {
                (seat.profile, seat.gone) = (profile, false);
            }
            Some(seat) => *seat = Seat::new(profile),
            None => {
                self.paces().add();
                seats.push(Seat::new(profile));
            }
        }
    }

    /// Takes a profile away. Whether there was one.
    pub(super) fn unseat(&self, id: &str) -> bool {
        let mut seats = self.seats.write().unwrap_or_else(PoisonError::into_inner);
        let seat = seats.iter_mut().find(|seat| *seat.profile.id == *id && !seat.gone);
        seat.map(|seat| seat.gone = true).is_some()
    }

    fn limiter(&self, at: usize) -> Arc<Limiter> {
        Arc::clone(&self.seats.read().unwrap_or_else(PoisonError::into_inner)[at].limiter)
    }

    /// What the provider said is left. The lock is held for a few comparisons.
    pub(super) fn paces(&self) -> MutexGuard<'_, Paces> {
        self.paces.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request with this profile that took `estimate` tokens has used so many.
    pub(super) fn settle(&self, at: usize, estimate: u32, used: u32) {
        self.shared.settle(estimate, used);
        self.limiter(at).settle(estimate, used);
    }

    /// A request with this profile that took `estimate` tokens does not go out.
    pub(super) fn give_back(&self, at: usize, estimate: u32) {
        self.shared.give_back(estimate);
        self.limiter(at).give_back(estimate);
    }
}

/// One set of limits at work.
#[derive(Debug)]
pub(super) struct Limiter {
    pub(super) limits: Limits,
    requests: Option<Bucket>,
    tokens: Option<Bucket>,
    slots: Option<Arc<Semaphore>>,
}

/// A place among the concurrent requests, given back when dropped.
pub(super) type Slot = Option<OwnedSemaphorePermit>;

/// Why a request can't go out now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Full {
    /// It can after this.
    For(Duration),
    /// It can when another has ended.
    UntilFreed,
}

impl Limiter {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            requests: limits.requests_per_minute.map(Bucket::per_minute),
            tokens: limits.tokens_per_minute.map(Bucket::per_minute),
            slots: limits.concurrent.map(|most| Arc::new(Semaphore::new(most.get() as usize))),
        }
    }

    /// Takes what one request of about `tokens` needs, or nothing.
    pub(super) fn admit(&self, tokens: u32) -> Result<Slot, Full> {
        let slot = match &self.slots {
            Some(slots) => Some(Arc::clone(slots).try_acquire_owned().map_err(|_| Full::UntilFreed)?),
            None => None,
        };
        if let Some(requests) = &self.requests {
            requests.take(NonZeroU32::MIN).map_err(Full::For)?;
        }
        if let (Some(bucket), Some(tokens)) = (&self.tokens, NonZeroU32::new(tokens)) {
            bucket.take(tokens).map_err(|wait| {
                if let Some(requests) = &self.requests {
                    requests.settle(1, 0);
                }
                Full::For(wait)
            })?;
        }
        Ok(slot)
    }

    /// Gives back what a request of `tokens` took that does not go out.
    pub(super) fn give_back(&self, tokens: u32) {
        if let Some(requests) = &self.requests {
            requests.settle(1, 0);
        }
        self.settle(tokens, 0);
    }

    /// A request that took `estimate` tokens has used so many: the difference is given back, or taken.
    pub(super) fn settle(&self, estimate: u32, used: u32) {
        if let Some(tokens) = &self.tokens {
            tokens.settle(estimate, used);
        }
    }

    /// Requests that are out now, where they are counted.
    pub(super) fn in_flight(&self) -> Option<u32> {
        let most = self.limits.concurrent?.get();
        let free = self.slots.as_ref().map_or(0, |slots| slots.available_permits());
        Some(most - u32::try_from(free).unwrap_or(most).min(most))
    }
}

/// What is kept of a limiter: by the wall clock, when each bucket is full again; nothing where it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LimiterRecord {
    #[serde(default, skip_serializing_if = "Option::is_none", with = "moment::optional")]
    requests: Option<SystemTime>,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "moment::optional")]
    tokens: Option<SystemTime>,
}

impl LimiterRecord {
    /// Whether both buckets are full again.
    pub(super) fn is_forgotten(&self, now: SystemTime) -> bool {
        self.requests.max(self.tokens).is_none_or(|full| full <= now)
    }
}

impl Limiter {
    /// What is to be kept.
    pub(super) fn snapshot(&self, now: SystemTime) -> LimiterRecord {
        let full = |bucket: &Option<Bucket>| Some(now + bucket.as_ref()?.debt()?);
        LimiterRecord { requests: full(&self.requests), tokens: full(&self.tokens) }
    }

    /// Takes up what was kept; what was spent since may be as much as refills in `unkept`.
    pub(super) fn restore_kept(&self, record: &LimiterRecord, now: SystemTime, unkept: Duration) {
        // Only tokens are ever taken beyond an empty bucket.
        let parts = [(&self.requests, record.requests, REFILL), (&self.tokens, record.tokens, 2 * REFILL)];
        for (bucket, full, most) in parts {
            let debt = full.and_then(|full| full.duration_since(now).ok()).unwrap_or_default() + unkept;
            if let Some(bucket) = bucket {
                bucket.owe(debt, most);
            }
        }
    }
}

/// A governor limiter whose one cell can be read and written.
struct Bucket {
    limiter: RateLimiter<NotKeyed, Cell, MonotonicClock, NoOpMiddleware<<MonotonicClock as Clock>::Instant>>,
    cell: Cell,
    burst: NonZeroU32,
    /// What the cell counts from.
    began: Instant,
}

impl Bucket {
    fn per_minute(count: NonZeroU32) -> Self {
        let quota = Quota::per_minute(count);
        let cell = Cell::default();
        let began = Instant::now();
        let limiter = RateLimiter::new(quota, cell.clone(), MonotonicClock);
        Self { limiter, cell, burst: quota.burst_size(), began }
    }

    /// Takes `count`, or says after how long it can be. More than the bucket holds waits for a full one.
    fn take(&self, count: NonZeroU32) -> Result<(), Duration> {
        match self.limiter.check_n(count.min(self.burst)) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(not_until)) => Err(not_until.wait_time_from(MonotonicClock.now())),
            Err(_) => unreachable!("no more than the burst is asked for"),
        }
    }

    /// How long until it is full; `None` if it is.
    fn debt(&self) -> Option<Duration> {
        let debt = Duration::from_nanos(self.level()).saturating_sub(self.began.elapsed());
        (!debt.is_zero()).then_some(debt)
    }

    /// Leaves as much in it as makes it full after `debt`; no more than `most`, so that a clock that was set back makes it
    /// no worse than it can be.
    fn owe(&self, debt: Duration, most: Duration) {
        if !debt.is_zero() {
            self.cell.0.store(nanos(self.began.elapsed() + debt.min(most)), Ordering::Relaxed);
        }
    }

    /// What took `taken` has used `used`. It is never fuller than full, and never owes more than it holds.
    fn settle(&self, taken: u32, used: u32) {
        let taken = taken.min(self.burst.get());
        if taken == used {
            return;
        }
        let now = nanos(self.began.elapsed());
        let each = nanos(REFILL) / u64::from(self.burst.get());
        let difference = each.saturating_mul(u64::from(taken.abs_diff(used)));
        let _always = self.cell.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |level| {
            Some(if used < taken {
                // A time that has passed is a full bucket, however long ago it became so.
                level.saturating_sub(difference)
            } else {
                let owes_most = now.saturating_add(2 * nanos(REFILL)).max(level);
                level.max(now).saturating_add(difference).min(owes_most)
            })
        });
    }

    fn level(&self) -> u64 {
        self.cell.0.load(Ordering::Relaxed)
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

impl std::fmt::Debug for Bucket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bucket").field("burst", &self.burst).finish_non_exhaustive()
    }
}

/// The cell: nanoseconds since the limiter began, 0 while it was never used.
#[derive(Debug, Clone, Default)]
struct Cell(Arc<AtomicU64>);

impl StateStore for Cell {
    type Key = NotKeyed;

    fn measure_and_replace<T, F, E>(&self, _: &NotKeyed, f: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let mut level = self.0.load(Ordering::Relaxed);
        loop {
            let (outcome, new) = f((level != 0).then(|| Nanos::from(level)))?;
            let replaced =
                self.0.compare_exchange_weak(level, new.as_u64().max(1), Ordering::Relaxed, Ordering::Relaxed);
            match replaced {
                Ok(_) => return Ok(outcome),
                Err(changed) => level = changed,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limiter(requests: u32, tokens: u32, concurrent: u32) -> Limiter {
        Limiter::new(Limits {
            requests_per_minute: NonZeroU32::new(requests),
            tokens_per_minute: NonZeroU32::new(tokens),
            concurrent: NonZeroU32::new(concurrent),
        })
    }

    #[test]
    fn a_request_that_one_limit_refuses_takes_nothing_of_the_other() {
        let limiter = limiter(2, 100, 0);
        assert!(limiter.admit(90).is_ok());
        for _ in 0..5 {
            assert!(matches!(limiter.admit(90), Err(Full::For(_))));
        }
        assert!(limiter.admit(5).is_ok(), "the second request of two is still there");
        let Err(Full::For(wait)) = limiter.admit(1) else { panic!("two requests a minute are two") };
        assert!(wait > Duration::from_secs(20) && wait <= Duration::from_secs(30), "{wait:?}");
    }

    #[test]
    fn a_request_larger_than_the_bucket_waits_for_a_full_one() {
        let limiter = limiter(0, 100, 0);
        assert!(limiter.admit(1_000_000).is_ok());
        let Err(Full::For(wait)) = limiter.admit(1_000_000) else { panic!("the bucket is empty") };
        assert!(wait > Duration::from_secs(58), "{wait:?}");
    }

    /// How many more requests pass at once.
    fn passes(limiter: &Limiter) -> usize {
        (0..1000).take_while(|_| limiter.admit(0).is_ok()).count()
    }

    #[test]
    fn what_was_spent_stays_spent_in_the_next_process() {
        let (now, minute) = (SystemTime::now(), Duration::from_secs(60));
        let ten = || limiter(10, 0, 0);
        let spent = ten();
        assert_eq!(spent.snapshot(now), LimiterRecord::default(), "a full bucket needs no keeping");
        assert_eq!(passes(&spent), 10);
        let record = spent.snapshot(now);
        let json = serde_json::to_string(&record).unwrap();
        assert_eq!(serde_json::from_str::<LimiterRecord>(&json).unwrap(), record);
        let after = |record: &LimiterRecord, later, unkept| {
            let next = ten();
            next.restore_kept(record, now + later, unkept);
            passes(&next)
        };
        assert_eq!(after(&record, Duration::ZERO, Duration::ZERO), 0);
        assert_eq!(after(&record, Duration::from_secs(13), Duration::ZERO), 2, "one in six seconds");
        assert_eq!(after(&record, Duration::from_secs(13), Duration::from_secs(6)), 1);
        assert_eq!(after(&record, minute, Duration::ZERO), 10);
        assert_eq!(after(&record, minute, Duration::from_millis(250)), 9, "what may have been spent unkept");
        assert_eq!(after(&LimiterRecord::default(), minute, Duration::from_millis(250)), 9);
        // An hour back: the bucket is empty, and full after a minute as ever.
        let next = ten();
        next.restore_kept(&record, now - 60 * minute, Duration::ZERO);
        let Err(Full::For(wait)) = next.admit(0) else { panic!("it is empty") };
        assert!(wait <= Duration::from_secs(6), "{wait:?}");
        assert!(record.is_forgotten(now + minute) && !record.is_forgotten(now + minute / 2));
    }

    /// How long a request of so many tokens would wait.
    fn wait_for(limiter: &Limiter, tokens: u32) -> Duration {
        match limiter.admit(tokens) {
            Err(Full::For(wait)) => wait,
            _ => Duration::ZERO,
        }
    }

    #[test]
    fn what_was_not_used_is_given_back_and_what_was_used_more_is_owed() {
        let seconds = Duration::from_secs;
        // Ten a second.
        let limiter = limiter(0, 600, 0);
        limiter.admit(500).unwrap();
        limiter.settle(500, 100);
        limiter.admit(500).expect("400 came back");
        assert!(wait_for(&limiter, 100) > seconds(9), "and no more than that");
        limiter.settle(500, 1000);
        let wait = wait_for(&limiter, 1);
        assert!(wait > seconds(49) && wait <= seconds(51), "500 too many are 50 s: {wait:?}");
        for _ in 0..5 {
            limiter.settle(1, u32::MAX);
        }
        let wait = wait_for(&limiter, 600);
        assert!(wait > seconds(118) && wait < seconds(121), "a bucketful is owed at most: {wait:?}");
    }

    #[test]
    fn a_bucket_is_never_more_than_full() {
        let limiter = limiter(3, 100, 0);
        limiter.settle(100, 0);
        limiter.admit(10).unwrap();
        for _ in 0..5 {
            limiter.settle(100, 0);
        }
        limiter.admit(100).expect("it is full");
        assert!(wait_for(&limiter, 90) > Duration::from_secs(50), "and not fuller");
        limiter.settle(1_000_000, 0);
        limiter.give_back(100);
        limiter.admit(100).expect("two of three requests were given back to a full bucket");
        assert!(limiter.admit(0).is_ok() && limiter.admit(0).is_err(), "three requests a minute are three");
    }

    #[test]
    fn settling_while_others_take_loses_nothing() {
        let limiter = limiter(0, 1_000_000, 0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..1000 {
                        limiter.admit(200).unwrap();
                        limiter.settle(200, 100);
                    }
                });
            }
        });
        // 400,000 of a million are gone, and what has refilled meanwhile is there again.
        assert!(limiter.admit(599_999).is_ok());
        assert!(wait_for(&limiter, 400_000) > Duration::from_secs(10));
    }

    #[test]
    fn a_debt_outlives_the_process() {
        let now = SystemTime::now();
        let before = limiter(0, 600, 0);
        before.admit(600).unwrap();
        before.settle(600, 900);
        let after = limiter(0, 600, 0);
        after.restore_kept(&before.snapshot(now), now, Duration::ZERO);
        let wait = wait_for(&after, 1);
        assert!(wait > Duration::from_secs(29) && wait < Duration::from_secs(31), "{wait:?}");
    }

    #[test]
    fn a_slot_is_given_back_when_dropped() {
        let limiter = limiter(0, 0, 1);
        let slot = limiter.admit(1).unwrap();
        assert_eq!(limiter.admit(1).unwrap_err(), Full::UntilFreed);
        assert_eq!(limiter.in_flight(), Some(1));
        drop(slot);
        assert!(limiter.admit(1).is_ok());
    }
}
