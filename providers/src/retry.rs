//! Waits between attempts: the one use of `backoff`.

use std::time::Duration;

use backoff::{ExponentialBackoff, ExponentialBackoffBuilder, backoff::Backoff as _};
use rand::RngExt as _;

/// The first wait's upper bound.
const FIRST: Duration = Duration::from_millis(250);
/// No wait is longer.
const LONGEST: Duration = Duration::from_secs(30);

/// Exponential waits with full jitter: the n-th is drawn evenly from 0 to 250 ms doubled n times, so that clients
/// which failed together don't come back together.
#[derive(Debug)]
pub struct Waits(ExponentialBackoff);

impl Waits {
    /// Waits that have not begun.
    pub fn new() -> Self {
        Self(
            ExponentialBackoffBuilder::new()
                .with_initial_interval(FIRST)
                .with_multiplier(2.0)
                .with_max_interval(LONGEST)
                .with_randomization_factor(0.0)
                .with_max_elapsed_time(None)
                .build(),
        )
    }

    /// The next wait.
    pub fn next_wait(&mut self) -> Duration {
        let bound = self.0.next_backoff().unwrap_or(LONGEST);
        bound.mul_f64(rand::rng().random::<f64>())
    }

    /// Begins anew.
    pub fn reset(&mut self) {
        self.0.reset();
    }
}

impl Default for Waits {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_their_bound_and_are_jittered() {
        let mut longest = [Duration::ZERO; 12];
        for _ in 0..200 {
            let mut waits = Waits::new();
            for (n, seen) in longest.iter_mut().enumerate() {
                let wait = waits.next_wait();
                assert!(wait <= (FIRST * 2u32.pow(u32::try_from(n).unwrap())).min(LONGEST), "{n}: {wait:?}");
                *seen = (*seen).max(wait);
            }
        }
        assert!(longest[0] > FIRST / 2, "jitter reaches the upper half: {:?}", longest[0]);
        assert!(longest[11] > LONGEST / 2, "later waits are long: {:?}", longest[11]);
    }
}
