//! What it takes to start a daemon on a data directory.

use std::time::{Duration, Instant};

use greenroom_tests::harness::{Home, Signal};

use super::Outcome;
use crate::process::{cpu, memory};

/// After it has said where it listens, what it does by itself at a start is over.
const SETTLED: Duration = Duration::from_secs(3);
/// A daemon that is told to end has ended by then.
const STOP: Duration = Duration::from_secs(30);

/// A start.
pub(super) struct Start {
    /// From the command to the address, the median.
    pub(super) seconds: f64,
    /// CPU time up to when it is at rest, in seconds.
    pub(super) cpu: f64,
    /// Resident memory then, in bytes.
    pub(super) memory: f64,
}

/// Starts it so often; the last one is watched until it is at rest.
pub(super) async fn measure(home: &Home, times: usize) -> Outcome<Start> {
    let mut seconds = Vec::new();
    let mut rest = (0.0, 0.0);
    for time in 1..=times {
        let begun = Instant::now();
        let mut daemon = home.serve(&[]).await;
        seconds.push(begun.elapsed().as_secs_f64());
        if time == times {
            tokio::time::sleep(SETTLED).await;
            rest = (cpu(daemon.pid()).as_secs_f64(), memory(daemon.pid()).unwrap_or(0) as f64);
        }
        daemon.signal(Signal::TERM);
        daemon.wait(STOP).await;
    }
    seconds.sort_by(f64::total_cmp);
    Ok(Start { seconds: seconds[times / 2], cpu: rest.0, memory: rest.1 })
}
