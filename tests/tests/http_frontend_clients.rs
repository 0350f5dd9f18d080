//! Clients of each frontend that wait, read slowly or leave: what they are told, what they cost, and what they stop.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

mod anthropic_support;
mod frontend_support;
mod http_support;
#[path = "http_support/local.rs"]
mod local;

use std::fs;
use std::time::Duration;

use anthropic_support::claude;
use frontend_support::{ALL, ANSWERING, EMBEDDINGS, Frontend};
use greenroom_tests::anthropic::{self, COUNT};
use greenroom_tests::client::{Connection, Event};
use greenroom_tests::openai::{self, Answer};
use greenroom_tests::{Attempt, Route, Script, ScriptedProvider};
use http_support::{CHAT, Greenroom, provider, scripted, until};
use local::Local;
use serde_json::{Value, json};

const BEAT: Duration = Duration::from_millis(400);
const GRACE: Duration = Duration::from_secs(5);
/// Bytes of a piece, and how many a provider would send: 200 MiB.
const PIECE: usize = 64 * 1024;
const PIECES: u32 = 3200;
/// The most bytes of an answer, of which each is once in memory.
const BOUND: usize = 4 << 20;
/// Clients at once that stop reading.
const STALLED: usize = 4;
/// What so many may cost: the answer, what is written of it for a connection, and what an allocator keeps of both.
const MOST_GROWTH: usize = STALLED * BOUND * 3;

/// Events that are read as long as this holds of the last.
async fn events_while(connection: &mut Connection, goes_on: impl Fn(&Event) -> bool) -> Vec<Event> {
    let mut events = Vec::new();
    while let Some(event) = connection.event().await.unwrap() {
        let more = goes_on(&event);
        events.push(event);
        if !more {
            break;
        }
    }
    events
}

#[tokio::test]
async fn every_stream_says_that_it_is_alive_and_is_held_back_by_no_proxy() {
    for frontend in ANSWERING {
        let lab = scripted([Answer::text(["late", "r"]).first_token_after(4 * BEAT).pace(3 * BEAT)]).await;
        let local = Local::start(&provider("lab", &lab), BEAT, GRACE).await;
        let mut connection = frontend.begin(&local.api, &frontend.ask("m1", true)).await;
        let head = connection.head().await.unwrap();
        let header = |name| head.headers.get(name);
        assert_eq!((head.status, header("x-accel-buffering")), (200, Some("no")), "{frontend:?}");
        assert_eq!(header("content-type"), Some("text/event-stream; charset=utf-8"), "{frontend:?}");
        assert!(header("cache-control").is_some_and(|value| value.contains("no-cache")), "{frontend:?}");
        assert_eq!(header("x-greenroom-provider"), None, "{frontend:?}: nobody is known to answer yet");
        let events = events_while(&mut connection, |event| !frontend.ends(event)).await;
        let spoke = events.iter().position(|event| !event.is_comment() && !frontend.text(event).is_empty()).unwrap();
        let (before, after) = events.split_at(spoke);
        for (when, events) in [("before the answer", before), ("within it", after)] {
            let beats = events.iter().filter(|event| frontend.is_heartbeat(event)).count();
            assert!(beats >= 1, "{frontend:?}: no heartbeat {when}");
        }
        let said: String =
            events.iter().filter(|event| !event.is_comment()).map(|event| frontend.text(event)).collect();
        assert_eq!(said, "later", "{frontend:?}");
    }
}

/// The daemon's memory, in bytes.
fn resident(greenroom: &Greenroom) -> usize {
    let status = fs::read_to_string(format!("/proc/{}/status", greenroom.daemon.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}

/// A provider whose answer is as large as it is let be.
async fn endless() -> ScriptedProvider {
    let chunk = |delta: Value, finish: Value| {
        let choice = json!([{"index": 0, "delta": delta, "finish_reason": finish}]);
        openai::data(
            &json!({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m1", "choices": choice})
                .to_string(),
        )
    };
    let piece = Attempt::new().send(chunk(json!({"content": "Z".repeat(PIECE)}), Value::Null));
    let attempt = Attempt::new().status(200).header("content-type", "text/event-stream").repeat(PIECES, piece);
    scripted([attempt.send(chunk(json!({}), "stop".into())).send(openai::data("[DONE]"))]).await
}

#[tokio::test]
async fn clients_that_stop_reading_cost_bounded_memory() {
    for frontend in ANSWERING {
        let lab = endless().await;
        let config = format!("[sessions]\nmax_turn_bytes = {BOUND}\n{}", provider("lab", &lab));
        let greenroom = Greenroom::start(&config).await;
        let body = frontend.ask("lab/m1", true);
        // What one answer costs that is read is there from the first one on.
        let mut reading = frontend.begin(&greenroom.api, &body).await;
        reading.head().await.unwrap();
        let all = z_in(&mut reading).await;
        // Its text is told once, and of the Responses API five times: by four events at its end as well.
        let times = if frontend == Frontend::Responses { 5 } else { 1 };
        assert_eq!(all, times * BOUND, "{frontend:?}");
        drop(reading);
        let before = resident(&greenroom);

        let mut stalled = Vec::new();
        for _ in 0..STALLED {
            let connection = Connection::open_narrow(&greenroom.api.url, 4096).await.unwrap();
            let mut connection = frontend.send(connection, &greenroom.api, frontend.path(), &body).await;
            assert_eq!(connection.head().await.unwrap().status, 200);
            stalled.push(connection);
        }
        // The provider is left once the answer has its bound, whether anybody reads it or not.
        until(&lab, |stats| stats.route(CHAT).requests == 5 && stats.route(CHAT).open == 0).await;
        let growth = resident(&greenroom).saturating_sub(before);
        assert!(growth < MOST_GROWTH, "{frontend:?}: {} KiB more for {STALLED} clients", growth / 1024);
        // One that reads again has missed nothing.
        assert_eq!(z_in(&mut stalled[0]).await, all, "{frontend:?}");
    }
}

/// How much of an answer comes that has no letter but this one, up to the end of the body.
async fn z_in(connection: &mut Connection) -> usize {
    let mut count = 0;
    while let Some(bytes) = connection.data().await.unwrap() {
        count += bytes.iter().filter(|byte| **byte == b'Z').count();
    }
    count
}

/// Leaves a request that its provider is about to answer, which has to stop it.
async fn leave(
    frontend: Frontend,
    greenroom: &Greenroom,
    lab: &ScriptedProvider,
    path: &str,
    asked: &str,
    body: &Value,
) {
    let connection = Connection::open(&greenroom.api.url).await.unwrap();
    let connection = frontend.send(connection, &greenroom.api, path, body).await;
    until(lab, |stats| stats.route(asked).open == 1).await;
    drop(connection);
    let stats = until(lab, |stats| stats.route(asked).cancelled == 1).await;
    assert_eq!((stats.route(asked).open, stats.route(asked).requests), (0, 1), "{frontend:?}: nothing is asked anew");
}

#[tokio::test]
async fn whoever_leaves_a_whole_answer_stops_its_provider() {
    for frontend in ALL {
        let silent = Attempt::silent().always();
        let routes =
            [openai::chat([silent.clone()]), openai::models(["m1"]), Route::new("POST", EMBEDDINGS, [silent.clone()])];
        let lab = ScriptedProvider::start(Script::new(routes)).await;
        let greenroom = Greenroom::before(&lab).await;
        let asked = if frontend == Frontend::Embeddings { EMBEDDINGS } else { CHAT };
        let body = frontend.ask("lab/m1", false);
        leave(frontend, &greenroom, &lab, frontend.path(), asked, &body).await;
        assert_eq!(greenroom.api.get("/healthz").await.status, 200);
    }
}

#[tokio::test]
async fn whoever_leaves_a_count_of_tokens_stops_its_provider() {
    let silent = Route::new("POST", COUNT, [Attempt::silent().always()]);
    let lab = ScriptedProvider::start(Script::new([silent, anthropic::models(["m"])])).await;
    let greenroom = Greenroom::start(&claude(&lab)).await;
    let body = Frontend::Messages.ask("claude/m", false);
    leave(Frontend::Messages, &greenroom, &lab, COUNT, COUNT, &body).await;
}
