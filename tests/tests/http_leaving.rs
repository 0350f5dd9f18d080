//! A client that leaves cancels what it asked for, up to the provider's socket, within 100 ms.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

mod http_support;

use std::time::{Duration, Instant};

use greenroom_tests::client::Connection;
use greenroom_tests::openai::Answer;
use greenroom_tests::{Attempt, ScriptedProvider};
use http_support::{CHAT, Greenroom, ask, ask_streamed, scripted, text, until};
use serde_json::Value;

const PROMPT: Duration = Duration::from_millis(100);
/// Machines that run tests are busy: the time is met if it is met once in so many measurements.
const MEASUREMENTS: u32 = 3;

/// How a client goes away.
#[derive(Debug, Clone, Copy)]
enum Way {
    Close,
    Reset,
}

impl Way {
    fn leave(self, connection: Connection) {
        match self {
            Self::Close => drop(connection),
            Self::Reset => connection.reset().unwrap(),
        }
    }
}

/// Asks, waits until the provider has begun and the client has read what there is, leaves, and says how long it took
/// until the provider noticed.
async fn leave(lab: &ScriptedProvider, greenroom: &Greenroom, body: &Value, read: &str, way: Way) -> Duration {
    let before = lab.stats().route(CHAT);
    let mut connection = greenroom.api.begin(body).await;
    until(lab, |stats| stats.route(CHAT).open == 1).await;
    if !read.is_empty() {
        assert_eq!(connection.head().await.unwrap().status, 200);
        let mut events = Vec::new();
        while text(&events) != read {
            events.push(connection.event().await.unwrap().unwrap());
        }
    }
    // A moment for the provider's bytes, so that the connection is not left in the midst of its beginning.
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(lab.stats().route(CHAT).open, 1, "the attempt is under way");
    let left = Instant::now();
    way.leave(connection);
    let stats = until(lab, |stats| stats.route(CHAT).cancelled > before.cancelled).await;
    let route = stats.route(CHAT);
    assert_eq!((route.open, route.requests), (0, before.requests + 1), "nothing is asked for anew");
    route.cancels.last().unwrap().at.saturating_duration_since(left)
}

async fn is_noticed(attempt: Attempt, body: Value, read: &str) {
    let lab = scripted([attempt.always()]).await;
    let greenroom = Greenroom::before(&lab).await;
    for way in [Way::Close, Way::Reset] {
        let mut took = Duration::MAX;
        for _ in 0..MEASUREMENTS {
            took = took.min(leave(&lab, &greenroom, &body, read, way).await);
            if took <= PROMPT {
                break;
            }
        }
        assert!(took <= PROMPT, "{way:?}: it took {took:?}");
    }
    // The daemon is as well as before.
    assert_eq!(greenroom.api.get("/healthz").await.status, 200);
}

#[tokio::test]
async fn before_the_provider_answers_at_all() {
    is_noticed(Attempt::silent(), ask_streamed("lab/m1"), "").await;
}

#[tokio::test]
async fn before_the_first_token_of_a_stream() {
    is_noticed(Answer::text(["a"]).stall_after(0).stream(), ask_streamed("lab/m1"), "").await;
}

#[tokio::test]
async fn in_the_midst_of_a_stream() {
    is_noticed(Answer::text(["Hel", "lo", "!"]).stall_after(2).stream(), ask_streamed("lab/m1"), "Hello").await;
}

#[tokio::test]
async fn while_a_whole_answer_is_made() {
    is_noticed(Answer::text(["Hel", "lo", "!"]).stall_after(2).stream(), ask("lab/m1"), "").await;
}

#[tokio::test]
async fn while_a_whole_answer_is_awaited() {
    is_noticed(Attempt::silent(), ask("lab/m1"), "").await;
}

#[tokio::test]
async fn a_client_that_only_reads_slowly_gets_everything() {
    let piece = "x".repeat(50_000);
    let pieces = vec![piece.as_str(); 100];
    let lab = scripted([Answer::text(pieces)]).await;
    let greenroom = Greenroom::before(&lab).await;
    let mut connection = greenroom.api.begin(&ask_streamed("lab/m1")).await;
    connection.head().await.unwrap();
    // Until then nothing more is read, far longer than the sockets between have room for.
    until(&lab, |stats| stats.route(CHAT).completed == 1).await;
    let events = http_support::events(&mut connection).await;
    assert_eq!(text(&events).len(), 100 * piece.len());
    assert!(http_support::is_done(&events));
}
