//! How often a client may ask.

use std::{num::NonZeroU32, time::Duration};

use governor::{
    DefaultDirectRateLimiter, Quota, RateLimiter,
    clock::{Clock as _, DefaultClock},
};

/// Requests a minute. As many may come at once, after a minute without any. It begins anew with each process.
#[derive(Debug)]
pub(super) struct Rate {
    limiter: DefaultDirectRateLimiter,
    clock: DefaultClock,
}

impl Rate {
    pub(super) fn new(requests_per_minute: NonZeroU32) -> Self {
        let clock = DefaultClock::default();
        let limiter = RateLimiter::direct_with_clock(Quota::per_minute(requests_per_minute), clock.clone());
        Self { limiter, clock }
    }

    /// Counts a request. How long it is to wait instead, if it is one too many.
    pub(super) fn count(&self) -> Result<(), Duration> {
        self.limiter.check().map_err(|early| early.wait_time_from(self.clock.now()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_too_many_is_told_when_to_come_back() {
        let rate = Rate::new(NonZeroU32::new(3).unwrap());
        for _ in 0..3 {
            rate.count().unwrap();
        }
        let wait = rate.count().unwrap_err();
        assert!(wait > Duration::from_secs(15) && wait <= Duration::from_secs(20), "{wait:?}");
    }
}
