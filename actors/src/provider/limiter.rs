//! Limits of requests, tokens and concurrency: governor's cells in a store of our own, so that a request which passes
//! one limit and not the next gives back what it took.

use std::{
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
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
        let before = self.requests.as_ref().map(Bucket::level);
        if let Some(requests) = &self.requests {
            requests.take(NonZeroU32::MIN).map_err(Full::For)?;
        }
        if let (Some(bucket), Some(tokens)) = (&self.tokens, NonZeroU32::new(tokens)) {
            bucket.take(tokens).map_err(|wait| {
                if let (Some(requests), Some(before)) = (&self.requests, before) {
                    requests.restore(before);
                }
                Full::For(wait)
            })?;
        }
        Ok(slot)
    }

    /// What the cells hold, to give back if another limiter refuses the same request.
    pub(super) fn levels(&self) -> [Option<u64>; 2] {
        [self.requests.as_ref().map(Bucket::level), self.tokens.as_ref().map(Bucket::level)]
    }

    pub(super) fn restore(&self, levels: [Option<u64>; 2]) {
        for (bucket, level) in [&self.requests, &self.tokens].into_iter().zip(levels) {
            if let (Some(bucket), Some(level)) = (bucket, level) {
                bucket.restore(level);
            }
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
        for (bucket, full) in [(&self.requests, record.requests), (&self.tokens, record.tokens)] {
            let debt = full.and_then(|full| full.duration_since(now).ok()).unwrap_or_default() + unkept;
            if let Some(bucket) = bucket {
                bucket.owe(debt);
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

    /// Leaves as much in it as makes it full after `debt`. A clock that was set back makes it empty, not worse.
    fn owe(&self, debt: Duration) {
        if !debt.is_zero() {
            let level = self.began.elapsed() + debt.min(REFILL);
            self.restore(u64::try_from(level.as_nanos()).unwrap_or(u64::MAX));
        }
    }

    fn level(&self) -> u64 {
        self.cell.0.load(Ordering::Relaxed)
    }

    fn restore(&self, level: u64) {
        self.cell.0.store(level, Ordering::Relaxed);
    }
}

impl std::fmt::Debug for Bucket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bucket").field("burst", &self.burst).finish_non_exhaustive()
    }
}

/// The cell: nanoseconds since the limiter began, 0 while it was never used. Only the provider's actor takes from it.
#[derive(Debug, Clone, Default)]
struct Cell(Arc<AtomicU64>);

impl StateStore for Cell {
    type Key = NotKeyed;

    fn measure_and_replace<T, F, E>(&self, _: &NotKeyed, f: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let level = self.0.load(Ordering::Relaxed);
        let (outcome, new) = f((level != 0).then(|| Nanos::from(level)))?;
        self.0.store(new.as_u64().max(1), Ordering::Relaxed);
        Ok(outcome)
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
