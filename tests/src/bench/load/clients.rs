//! Many clients at once, and what is seen of the measured process meanwhile.

use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::{sleep, sleep_until};

use super::{Connection, Question, Wrong};
use crate::answer::TOKEN;
use crate::process::{cpu, machine_busy, memory};

/// Between the opening of the last held stream and the window in which they are measured.
const SETTLE: Duration = Duration::from_millis(500);

/// Who is watched while clients are under way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    /// What is measured.
    pub(crate) measured: u32,
    /// The mock provider behind it, if there is one.
    pub(crate) mock: Option<u32>,
}

/// What was seen over a window of time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    /// Answers that ended within it.
    pub(crate) answers: f64,
    /// Tokens' worth of text that came within it.
    pub(crate) tokens: f64,
    /// How long it was, in seconds.
    pub(crate) seconds: f64,
    /// CPU time of what was measured, in seconds.
    pub(crate) cpu: f64,
    /// CPU time of other programs on the machine, in seconds; how much the figures are to be trusted.
    pub(crate) others: f64,
}

/// Streams held open together.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Held {
    /// What they did in the window.
    pub(crate) load: Load,
    /// How many were open at the end of it.
    pub(crate) open: usize,
    /// Resident memory of what was measured at the end of it, in bytes.
    pub(crate) memory: u64,
}

#[derive(Default)]
struct Counts {
    answers: AtomicUsize,
    bytes: AtomicUsize,
    open: AtomicUsize,
    stop: AtomicBool,
}

struct Before {
    at: Instant,
    answers: usize,
    bytes: usize,
    cpu: Duration,
    ours: Duration,
    machine: Duration,
}

impl Seen {
    fn begin(&self, counts: &Counts) -> Before {
        Before {
            at: Instant::now(),
            answers: counts.answers.load(Relaxed),
            bytes: counts.bytes.load(Relaxed),
            cpu: cpu(self.measured),
            ours: self.ours(),
            machine: machine_busy(),
        }
    }

    fn end(&self, counts: &Counts, before: &Before) -> Load {
        let cpu = cpu(self.measured).saturating_sub(before.cpu);
        let ours = self.ours().saturating_sub(before.ours) + cpu;
        let tokens = (counts.bytes.load(Relaxed) - before.bytes) as f64 / TOKEN as f64;
        Load {
            answers: (counts.answers.load(Relaxed) - before.answers) as f64,
            tokens,
            seconds: before.at.elapsed().as_secs_f64(),
            cpu: cpu.as_secs_f64(),
            others: machine_busy().saturating_sub(before.machine).saturating_sub(ours).as_secs_f64(),
        }
    }

    fn ours(&self) -> Duration {
        cpu(process::id()) + self.mock.map_or(Duration::ZERO, cpu)
    }
}

/// `clients` ask one question after another for `warm_up` and then for `window`, which is measured.
pub(crate) async fn saturate(
    question: Question,
    clients: usize,
    warm_up: Duration,
    window: Duration,
    seen: Seen,
) -> Result<Load, Wrong> {
    let question = Arc::new(question);
    let counts = Arc::<Counts>::default();
    let mut tasks = JoinSet::new();
    for _ in 0..clients {
        let (question, counts) = (Arc::clone(&question), Arc::clone(&counts));
        tasks.spawn(async move {
            let mut connection = Connection::open(&question).await?;
            while !counts.stop.load(Relaxed) {
                connection.ask(&question, |bytes| _ = counts.bytes.fetch_add(bytes, Relaxed)).await?;
                counts.answers.fetch_add(1, Relaxed);
            }
            Ok(())
        });
    }
    sleep(warm_up).await;
    let before = seen.begin(&counts);
    sleep(window).await;
    let load = seen.end(&counts, &before);
    counts.stop.store(true, Relaxed);
    all(tasks).await?;
    Ok(load)
}

/// `streams` are opened over `ramp`, and measured for `window` while all are open. Their answers must be long enough
/// for that; they are read to their end.
pub(crate) async fn hold(
    question: Question,
    streams: usize,
    ramp: Duration,
    window: Duration,
    seen: Seen,
) -> Result<Held, Wrong> {
    let question = Arc::new(question);
    let counts = Arc::<Counts>::default();
    let start = tokio::time::Instant::now();
    let mut tasks = JoinSet::new();
    for index in 0..streams {
        let (question, counts) = (Arc::clone(&question), Arc::clone(&counts));
        tasks.spawn(async move {
            sleep_until(start + ramp.mul_f64(index as f64 / streams as f64)).await;
            let mut connection = Connection::open(&question).await?;
            let mut first = true;
            let seen = |bytes| {
                counts.bytes.fetch_add(bytes, Relaxed);
                if std::mem::take(&mut first) {
                    counts.open.fetch_add(1, Relaxed);
                }
            };
            let asked = connection.ask(&question, seen).await;
            if !first {
                counts.open.fetch_sub(1, Relaxed);
            }
            asked.map(drop)
        });
    }
    sleep_until(start + ramp + SETTLE).await;
    let before = seen.begin(&counts);
    sleep(window).await;
    let load = seen.end(&counts, &before);
    let held = Held { load, open: counts.open.load(Relaxed), memory: memory(seen.measured).unwrap_or(0) };
    all(tasks).await?;
    Ok(held)
}

/// One client asks `count` times, with a pause before each. Gives how long each first token took.
pub(crate) async fn time_first_tokens(
    question: Question,
    count: usize,
    pause: Duration,
) -> Result<Vec<Duration>, Wrong> {
    let mut connection = Connection::open(&question).await?;
    // The first is slower everywhere: connections are made, memory is touched.
    connection.ask(&question, drop).await?;
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        sleep(pause).await;
        times.push(connection.ask(&question, drop).await?);
    }
    Ok(times)
}

async fn all(mut tasks: JoinSet<Result<(), Wrong>>) -> Result<(), Wrong> {
    while let Some(ended) = tasks.join_next().await {
        ended.expect("a client does not panic")?;
    }
    Ok(())
}
