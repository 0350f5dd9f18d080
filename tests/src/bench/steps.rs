//! What is measured of one target in one round.

use std::collections::BTreeMap;
use std::time::Duration;

use super::answer::Plan;
use super::load::{Connection, Held, Load, Question, Wrong, hold, saturate, time_first_tokens};
use super::metric::Metric;
use super::target::Target;

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    /// Clients that ask one question after another.
    pub(crate) clients: usize,
    /// Before such a measurement.
    pub(crate) warm_up: Duration,
    /// Of each measurement.
    pub(crate) window: Duration,
    /// Streams of the measurement of a paced token.
    pub(crate) paced: usize,
    /// Streams of the measurement of memory.
    pub(crate) held: usize,
    /// Over how long they are opened.
    pub(crate) ramp: Duration,
    /// First tokens that are timed.
    pub(crate) first_tokens: usize,
}

impl Size {
    /// Enough for figures, with windows of this length.
    pub(crate) fn full(window: Duration) -> Self {
        Self {
            clients: 32,
            warm_up: Duration::from_secs(1),
            window,
            paced: 100,
            held: 1000,
            ramp: Duration::from_secs(2),
            first_tokens: 300,
        }
    }

    /// Enough to see that everything works.
    pub(crate) fn quick() -> Self {
        Self {
            clients: 32,
            warm_up: Duration::from_millis(200),
            window: Duration::from_millis(500),
            paced: 50,
            held: 100,
            ramp: Duration::from_millis(500),
            first_tokens: 50,
        }
    }
}

/// Tokens of an answer that isn't streamed.
const WHOLE: u32 = 50;
/// Tokens of a stream without delay.
const STREAM: u32 = 200;
/// Between the tokens of paced streams: 20 tokens a second.
const GAP: Duration = Duration::from_millis(50);
/// An answer that is paced only so that its first token is sent alone.
const FIRST: Plan = Plan { tokens: 2, gap: Duration::from_millis(5) };
/// From the start to the reading of idle memory.
const IDLE: Duration = Duration::from_millis(500);

/// Values by what they are of.
pub(crate) type Values = BTreeMap<Metric, f64>;

/// Measures everything.
pub(crate) async fn measure(target: &Target, size: &Size) -> Result<Values, Wrong> {
    let mut values = Values::new();
    memory(target, size, &mut values).await?;
    first_token(target, size, &mut values).await?;
    paced(target, size, &mut values).await?;
    streams(target, size, &mut values).await?;
    requests(target, size, &mut values).await?;
    Ok(values)
}

/// Memory comes first: what the other measurements have used is not all given back.
async fn memory(target: &Target, size: &Size, values: &mut Values) -> Result<(), Wrong> {
    let question = Question::new(target.address(), Plan::fast(WHOLE), true);
    Connection::open(&question).await?.ask(&question, drop).await?;
    tokio::time::sleep(IDLE).await;
    let idle = super::process::memory(target.seen().measured).unwrap_or(0) as f64;
    let held = hold_streams(target, size.held, size).await?;
    let mib = 1024.0 * 1024.0;
    values.insert(Metric::MemoryIdle, idle / mib);
    values.insert(Metric::MemoryHeld, held.memory as f64 / mib);
    values.insert(Metric::MemoryPerStream, (held.memory as f64 - idle) / 1024.0 / held.open as f64);
    note(&held.load, values);
    Ok(())
}

async fn first_token(target: &Target, size: &Size, values: &mut Values) -> Result<(), Wrong> {
    let question = Question::new(target.address(), FIRST, true);
    let mut times = time_first_tokens(question, size.first_tokens, Duration::from_millis(5)).await?;
    times.sort_unstable();
    let at = |share: usize| times[(times.len() * share / 100).min(times.len() - 1)].as_secs_f64() * 1e6;
    values.insert(Metric::FirstTokenP50, at(50));
    values.insert(Metric::FirstTokenP99, at(99));
    Ok(())
}

async fn paced(target: &Target, size: &Size, values: &mut Values) -> Result<(), Wrong> {
    let held = hold_streams(target, size.paced, size).await?;
    values.insert(Metric::CpuPerTokenPaced, held.load.cpu * 1e6 / held.load.tokens);
    note(&held.load, values);
    Ok(())
}

async fn streams(target: &Target, size: &Size, values: &mut Values) -> Result<(), Wrong> {
    let question = Question::new(target.address(), Plan::fast(STREAM), true);
    let load = saturate(question, size.clients, size.warm_up, size.window, target.seen()).await?;
    values.insert(Metric::Tokens, load.tokens / load.seconds);
    values.insert(Metric::CpuPerToken, load.cpu * 1e6 / load.tokens);
    values.insert(Metric::CoreStreams, load.cpu / load.seconds);
    note(&load, values);
    Ok(())
}

async fn requests(target: &Target, size: &Size, values: &mut Values) -> Result<(), Wrong> {
    let question = Question::new(target.address(), Plan::fast(WHOLE), false);
    let load = saturate(question, size.clients, size.warm_up, size.window, target.seen()).await?;
    values.insert(Metric::Requests, load.answers / load.seconds);
    values.insert(Metric::CpuPerRequest, load.cpu * 1e6 / load.answers);
    values.insert(Metric::CoreRequests, load.cpu / load.seconds);
    note(&load, values);
    Ok(())
}

/// Streams that last from the first's start to a second after the window's end.
async fn hold_streams(target: &Target, streams: usize, size: &Size) -> Result<Held, Wrong> {
    let lasts = size.ramp + size.window + Duration::from_millis(1500);
    let tokens = lasts.div_duration_f64(GAP).ceil() as u32;
    let question = Question::new(target.address(), Plan { tokens, gap: GAP }, true);
    hold(question, streams, size.ramp, size.window, target.seen()).await
}

/// Keeps the most that other programs took of a core in any of the measurements.
fn note(load: &Load, values: &mut Values) {
    let others = load.others / load.seconds;
    let most = values.entry(Metric::Others).or_insert(0.0);
    *most = most.max(others);
}
