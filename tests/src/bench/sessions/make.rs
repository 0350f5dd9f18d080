//! Sessions on disk, made by a daemon of what one of its own said.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use greenroom_tests::client::{self, Connection, Response};
use greenroom_tests::harness::{Daemon, Home, Signal};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::Outcome;
use crate::process::memory;

/// Sessions that are made at once: the store writes them in groups.
const AT_ONCE: u64 = 128;
/// What is said in each.
const SAID: &str = "What is a durable session?";
/// A daemon that is told to end has ended by then.
const STOP: Duration = Duration::from_secs(60);
/// How often it is said how far it is.
const SHOWN: u64 = 100_000;

/// What was made.
pub(super) struct Made {
    pub(super) seconds: f64,
    /// Of the log of one session.
    pub(super) log_bytes: f64,
    /// Resident memory of the daemon at the end, in bytes.
    pub(super) memory: f64,
}

/// The id of one of the sessions; they are in the order of their numbers.
pub(super) fn id(number: u64) -> String {
    format!("session-{number:08}")
}

/// Ends a daemon in good order.
pub(super) async fn stop(mut daemon: Daemon) {
    daemon.signal(Signal::TERM);
    daemon.wait(STOP).await;
}

/// What was answered, if it is what was asked for.
pub(super) fn fine(response: Response) -> Outcome<Response> {
    match response.status {
        200..300 => Ok(response),
        status => Err(format!("status {status}: {}", response.text()).into()),
    }
}

/// Makes so many sessions in a home, each of one turn, as the demo answers it.
pub(super) async fn make(home: &Home, count: u64) -> Outcome<Made> {
    // What was imported is shown, and so is awake for a while.
    home.config("[sessions]\nhibernate_after = \"1s\"\n");
    let daemon = home.serve(&[]).await;
    let (url, token) = (daemon.url(), daemon.token());
    let template = json!({"id": "template"});
    fine(client::post_json(url, "/api/sessions", Some(&token), &template).await?)?;
    let said = json!({"text": SAID});
    fine(client::post_json(url, "/api/sessions/template/messages", Some(&token), &said).await?)?;
    let shown = loop {
        let shown: Value = fine(client::get(url, "/api/sessions/template", Some(&token)).await?)?.json();
        if shown["state"] == "idle" {
            break shown;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let lines = fine(client::get(url, "/api/sessions/template/export", Some(&token)).await?)?.body;
    let begun = Instant::now();
    copies(url, &token, count, lines).await?;
    let seconds = begun.elapsed().as_secs_f64();
    let memory = memory(daemon.pid()).unwrap_or(0) as f64;
    stop(daemon).await;
    Ok(Made { seconds, log_bytes: shown["bytes"].as_f64().unwrap_or(f64::NAN), memory })
}

async fn copies(url: &str, token: &str, count: u64, lines: Vec<u8>) -> Outcome<()> {
    let (next, lines) = (Arc::new(AtomicU64::new(0)), Arc::new(lines));
    let mut clients = JoinSet::new();
    for _ in 0..AT_ONCE.min(count) {
        let (next, lines, url) = (Arc::clone(&next), Arc::clone(&lines), url.to_owned());
        let authorization = format!("Bearer {token}");
        clients.spawn(async move {
            let mut connection = Connection::open(&url).await?;
            loop {
                let number = next.fetch_add(1, Relaxed);
                if number >= count {
                    return Ok(None);
                }
                if number.is_multiple_of(SHOWN) && number > 0 {
                    eprintln!("{number}");
                }
                let path = format!("/api/sessions/import?id={}", id(number));
                connection.send("POST", &path, &[("authorization", &authorization)], &lines).await?;
                let response = connection.response().await?;
                if response.status != 201 {
                    return Ok::<_, client::ClientError>(Some(response.text()));
                }
            }
        });
    }
    while let Some(done) = clients.join_next().await {
        if let Some(refused) = done.expect("nothing panics here")? {
            return Err(refused.into());
        }
    }
    Ok(())
}
