//! Limits of requests, tokens and concurrency: governor's cells in a store of our own, so that a request which passes
//! one limit and not the next gives back what it took.

use std::{
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use governor::{
    Quota, RateLimiter,
    clock::{Clock, MonotonicClock},
    middleware::NoOpMiddleware,
    nanos::Nanos,
    state::{NotKeyed, StateStore},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

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

/// A governor limiter whose one cell can be read and written.
struct Bucket {
    limiter: RateLimiter<NotKeyed, Cell, MonotonicClock, NoOpMiddleware<<MonotonicClock as Clock>::Instant>>,
    cell: Cell,
    burst: NonZeroU32,
}

impl Bucket {
    fn per_minute(count: NonZeroU32) -> Self {
        let quota = Quota::per_minute(count);
        let cell = Cell::default();
        let limiter = RateLimiter::new(quota, cell.clone(), MonotonicClock);
        Self { limiter, cell, burst: quota.burst_size() }
    }

    /// Takes `count`, or says after how long it can be. More than the bucket holds waits for a full one.
    fn take(&self, count: NonZeroU32) -> Result<(), Duration> {
        match self.limiter.check_n(count.min(self.burst)) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(not_until)) => Err(not_until.wait_time_from(MonotonicClock.now())),
            Err(_) => unreachable!("no more than the burst is asked for"),
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
