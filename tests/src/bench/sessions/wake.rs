//! How long it takes until a session that lies on disk alone shows what it has.

use std::time::{Duration, Instant};

use greenroom_tests::client::{self, Connection};
use greenroom_tests::harness::{Daemon, Home};

use super::Outcome;
use super::make::{fine, id, stop};
use crate::process::memory;

/// How long sessions stay in memory here.
const AWAKE: Duration = Duration::from_secs(10);
/// After that, until all have left.
const LEFT: Duration = Duration::from_secs(8);
/// A tenth more than is counted: the first ones find everything cold.
const WARM_UP: usize = 10;

/// Times, sorted.
pub(super) struct Times(Vec<Duration>);

impl Times {
    /// So many in a hundred are as quick, in microseconds.
    pub(super) fn at(&self, share: usize) -> f64 {
        let place = (self.0.len() * share / 100).min(self.0.len() - 1);
        self.0[place].as_secs_f64() * 1e6
    }
}

/// What was seen.
pub(super) struct Woken {
    /// From the connection to the first event of a session that is on disk alone, of one that is awake, and to the
    /// answer that one row of the list is.
    pub(super) asleep: Times,
    pub(super) awake: Times,
    pub(super) row: Times,
    /// A hundred rows.
    pub(super) page: Times,
    /// Resident memory, in bytes: before, of each while they are awake, and after they have left.
    pub(super) before: f64,
    pub(super) each: f64,
    pub(super) after: f64,
}

/// Wakes so many of a home's sessions, all over the place.
pub(super) async fn measure(home: &Home, count: u64, samples: usize) -> Outcome<Woken> {
    home.config(&format!("[sessions]\nhibernate_after = \"{}s\"\n", AWAKE.as_secs()));
    let daemon = home.serve(&[]).await;
    let own = || memory(daemon.pid()).unwrap_or(0) as f64;
    let mut times: [Vec<Duration>; 4] = Default::default();
    let (mut at, mut before) = (0, own());
    let warm_up = samples / WARM_UP;
    for sample in 0..samples + warm_up {
        if sample == warm_up {
            times = Default::default();
            before = own();
        }
        // None twice, as long as there are more than are woken.
        at = (at + count * 5 / 8 + 1) % count;
        let session = id(at);
        times[0].push(first_event(&daemon, &session).await?);
        times[1].push(first_event(&daemon, &session).await?);
        times[2].push(listed(&daemon, &session, 1).await?);
        if sample % 10 == 0 {
            times[3].push(listed(&daemon, &session, 100).await?);
        }
    }
    let awake = own();
    tokio::time::sleep(AWAKE + LEFT).await;
    let after = own();
    stop(daemon).await;
    times.iter_mut().for_each(|times| times.sort_unstable());
    let [asleep, awake_times, row, page] = times.map(Times);
    Ok(Woken { asleep, awake: awake_times, row, page, before, each: (awake - before) / samples as f64, after })
}

async fn first_event(daemon: &Daemon, session: &str) -> Outcome<Duration> {
    let authorization = format!("Bearer {}", daemon.token());
    let begun = Instant::now();
    let mut connection = Connection::open(daemon.url()).await?;
    let path = format!("/api/sessions/{session}/events");
    connection.send("GET", &path, &[("authorization", &authorization)], b"").await?;
    let head = connection.head().await?;
    let event = connection.event().await?;
    let took = begun.elapsed();
    if event.is_none_or(|event| event.event.as_deref() != Some("session.created")) {
        return Err(format!("{session} begins otherwise, status {}", head.status).into());
    }
    Ok(took)
}

async fn listed(daemon: &Daemon, after: &str, limit: usize) -> Outcome<Duration> {
    let token = daemon.token();
    let begun = Instant::now();
    let path = format!("/api/sessions?after={after}&limit={limit}");
    fine(client::get(daemon.url(), &path, Some(&token)).await?)?;
    Ok(begun.elapsed())
}
