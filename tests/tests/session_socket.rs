//! A session through a WebSocket: the same events, what a client says in frames, and how it ends.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

mod http_support;
#[path = "http_support/local.rs"]
mod local;
mod session_support;

use std::time::{Duration, Instant};

use futures::{SinkExt as _, StreamExt as _};
use greenroom_tests::When;
use greenroom_tests::openai::Answer;
use http_support::{Greenroom, LIMIT, provider, scripted};
use local::Local;
use serde_json::{Value, json};
use session_support::{SESSIONS, at, bad, error, logged, merged, not_found};
use tokio::io::AsyncReadExt as _;
use tokio_tungstenite::tungstenite::{Bytes, Message};

const MOST: usize = 16 << 20;

/// The events among frames, as server-sent events have them.
fn events(frames: &[Value]) -> Vec<Value> {
    let told = ["synced", "reset", "reply"];
    let events = frames.iter().filter(|frame| told.iter().all(|kind| frame["type"] != *kind)).cloned();
    let without_cursor = events.map(|mut event| {
        let cursor = event.as_object_mut().unwrap().shift_remove("cursor").unwrap();
        let next = cursor.as_str().unwrap().split_once('-').unwrap().1.parse::<u64>().unwrap();
        assert_eq!(event["next"], next);
        event
    });
    without_cursor.collect()
}

#[tokio::test]
async fn a_socket_has_the_events_of_the_stream_and_takes_messages() {
    let lab = scripted([Answer::text(["Hel", "lo ", "😀"]).pace(Duration::from_millis(20)).stream().always()]).await;
    let greenroom = Greenroom::before(&lab).await;
    let api = &greenroom.api;
    api.create("s").await;
    let mut socket = api.socket("s", "").await;
    let mut frames = socket.until("synced").await;
    let message = json!({"type": "message", "text": "hi", "idempotency_key": "k", "ref": {"any": [1]}});
    socket.send(&message).await;
    frames.extend(socket.until_so(|frame| frame["type"] == "turn.finished").await);
    let reply = frames.iter().find(|frame| frame["type"] == "reply").unwrap();
    assert_eq!((&reply["ref"], &reply["ok"]["turn"]), (&json!({"any": [1]}), &json!(1)), "{reply}");
    let want = merged(logged(&api.there("s", "").await));
    assert_eq!(merged(events(&frames)), want);

    let again = socket.replied(&message).await;
    assert_eq!(again["ok"], reply["ok"], "it is the same message");
    let late = socket.replied(&json!({"type": "message", "text": "late", "at": 1, "ref": 2})).await;
    let cursor = api.info("s").await["cursor"].clone();
    assert_eq!((&late["ref"], &late["error"]["cursor"], &late["ok"]), (&json!(2), &cursor, &Value::Null), "{late}");
    let ended = socket.replied(&json!({"type": "cancel", "turn": 1})).await;
    assert_eq!(ended, json!({"type": "reply", "ok": {"turn": 1, "state": "ended"}}));

    for seen in 0..frames.len() {
        let Some(cursor) = frames[seen]["cursor"].as_str() else { continue };
        let mut back = api.socket("s", &format!("?from={cursor}")).await;
        let rest = back.until("synced").await;
        let both = events(&frames[..=seen]).into_iter().chain(events(&rest));
        assert_eq!(merged(both), want, "after {cursor}");
    }
    let mut lost = api.socket("s", "?from=99-1").await;
    let first = lost.next().await.unwrap();
    assert_eq!(first["type"], "reset");
    assert_eq!(merged(events(&lost.until("synced").await)), want);
}

#[tokio::test]
async fn tools_are_claimed_and_given_through_a_socket() {
    let done = Answer::text(["done"]).stream().when(When::body_contains("sun-42")).always();
    let lab = scripted([done, Answer::new().tool_call("call-1", "look", ["{}"]).stream().always()]).await;
    let greenroom = Greenroom::before(&lab).await;
    let tools = json!([{"type": "function", "name": "look"}]);
    greenroom.api.posted(SESSIONS, &json!({"id": "s", "tools": tools})).await;
    let mut socket = greenroom.api.socket("s", "").await;
    socket.send(&json!({"type": "message", "parts": [{"type": "text", "text": "look"}]})).await;
    socket.until("turn.waiting").await;
    let mine = socket.replied(&json!({"type": "tool_claim", "id": "call-1"})).await["ok"].clone();
    let mut other = greenroom.api.socket("s", "").await;
    let held = other.replied(&json!({"type": "tool_claim", "id": "call-1"})).await["error"].clone();
    assert!(held["retry_after"].as_u64().is_some_and(|wait| wait <= 60), "{held}");
    let none = other.replied(&json!({"type": "tool_result", "id": "call-2", "text": "x"})).await["error"].clone();
    assert_eq!(none["kind"], "not_found");
    let result = json!({"type": "tool_result", "id": "call-1", "text": "sun-42", "claim": mine["claim"]});
    socket.send(&result).await;
    let frames = socket.until_so(|frame| frame["type"] == "turn.finished").await;
    assert!(frames.iter().any(|frame| frame["type"] == "text" && frame["delta"] == "done"), "{frames:#?}");
    assert!(frames.iter().any(|frame| frame["type"] == "reply" && frame["ok"]["turn"] == 1), "{frames:#?}");
}

#[tokio::test]
async fn a_bad_frame_is_told_and_ends_nothing() {
    let lab = scripted([Answer::text(["yes"]).stream().always()]).await;
    let greenroom = Greenroom::before(&lab).await;
    greenroom.api.create("s").await;
    let mut socket = greenroom.api.socket("s", "").await;
    socket.until("synced").await;
    let frames = [
        ("hello", Value::Null),
        ("", Value::Null),
        ("[1]", Value::Null),
        ("{}", Value::Null),
        (r#"{"type": "massage", "ref": 1}"#, json!(1)),
        (r#"{"type": 7, "ref": "a"}"#, json!("a")),
        (r#"{"type": "message", "ref": 2}"#, json!(2)),
        (r#"{"type": "message", "text": "a", "parts": [], "ref": 3}"#, json!(3)),
        (r#"{"type": "message", "text": "a", "colour": "red", "ref": 4}"#, json!(4)),
        (r#"{"type": "message", "text": "a", "idempotency_key": 7}"#, Value::Null),
        (r#"{"type": "cancel"}"#, Value::Null),
        (r#"{"type": "tool_result", "id": "x"}"#, Value::Null),
    ];
    for (frame, reference) in frames {
        socket.0.send(Message::text(frame)).await.unwrap();
        let reply = socket.next().await.unwrap();
        let error = &reply["error"];
        assert_eq!((&reply["type"], &reply["ref"]), (&json!("reply"), &reference), "{frame}: {reply}");
        assert_eq!(error["kind"], "invalid_request", "{frame}: {reply}");
        assert!(error["message"].is_string() && error["hint"].is_string(), "{frame}: {reply}");
    }
    let reply = socket.replied(&json!({"type": "message", "text": "hi"})).await;
    assert_eq!(reply["ok"]["turn"], 1, "{reply}");
}

#[tokio::test]
async fn each_end_says_why() {
    let lab = scripted([Answer::text(["yes"]).stream().always()]).await;
    let mut greenroom = Greenroom::start(&format!("[server]\ngrace = \"60s\"\n{}", provider("lab", &lab))).await;
    greenroom.api.create("s").await;
    greenroom.api.create("gone").await;
    let api = greenroom.api.clone();
    let open = async |id: &str| {
        let mut socket = api.socket(id, "").await;
        socket.until("synced").await;
        socket
    };
    let reason = |code: u16, reason: &str| (code, reason.to_owned());

    let mut bytes = open("s").await;
    bytes.0.send(Message::binary(vec![1, 2, 3])).await.unwrap();
    assert_eq!(bytes.end().await, reason(1003, "frames are text"));

    // As large as one may be, and no JSON.
    let mut large = open("s").await;
    large.0.send(Message::text("x".repeat(MOST))).await.unwrap();
    assert_eq!(large.next().await.unwrap()["error"]["kind"], "invalid_request");
    // It is told before the last of it was sent, and a client that sends all of it first is told as well.
    let _cut_off = large.0.send(Message::text("x".repeat(MOST + 1))).await;
    assert_eq!(large.end().await, reason(1009, "a frame is 16 MiB at most"));

    let mut left = open("s").await;
    left.0.close(None).await.unwrap();
    let answer = tokio::time::timeout(LIMIT, left.0.next()).await.unwrap();
    assert!(matches!(answer, Some(Ok(Message::Close(_)))), "a peer that says goodbye is answered: {answer:?}");

    let mut removed = open("gone").await;
    assert_eq!(api.ask("DELETE", &at("gone", ""), &[], b"").await.status, 204);
    assert_eq!(removed.end().await, reason(4404, "session removed"));

    let mut there = open("s").await;
    let mut stream = api.tail("s", "").await;
    stream.until("synced").await;
    greenroom.daemon.signal(greenroom_tests::harness::Signal::TERM);
    assert_eq!(there.end().await, reason(1001, "greenroom is shutting down"));
    drop(there);
    assert!(stream.next().await.is_none(), "the stream ends in good order");
    // Whoever reads a session does not use up the grace period.
    let status = greenroom.daemon.wait(Duration::from_secs(45)).await;
    assert_eq!(status.code(), Some(0), "{}", greenroom.daemon.output());
}

#[tokio::test]
async fn pings_go_out_and_who_answers_none_is_let_go() {
    let beat = Duration::from_secs(1);
    let lab = scripted([Answer::text(["yes"]).stream().always()]).await;
    let local = Local::start(&provider("lab", &lab), beat, Duration::from_secs(5)).await;
    local.api.create("s").await;
    let mut alive = local.api.socket("s", "").await;
    alive.until("synced").await;
    let mut deaf = local.api.socket("s", "").await.0.into_inner();
    // The client's library answers pings as long as it is read from.
    let listening = tokio::spawn(async move {
        let waiting = tokio::time::timeout(4 * beat, alive.next()).await;
        assert!(waiting.is_err(), "a client that answers stays: {waiting:?}");
        alive
    });
    let begun = Instant::now();
    let mut bytes = Vec::new();
    tokio::time::timeout(LIMIT, deaf.read_to_end(&mut bytes)).await.unwrap().unwrap();
    let told = [b"\x88\x14\x11\x38".as_slice(), b"no answer to pings"].concat();
    assert!(bytes.ends_with(&told), "{}", String::from_utf8_lossy(&bytes));
    assert!(bytes.windows(2).any(|frame| frame == b"\x89\x00"), "it was pinged");
    assert!(begun.elapsed() >= beat, "it had time to answer");
    let mut alive = listening.await.unwrap();
    assert_eq!(alive.replied(&json!({"type": "message", "text": "hi"})).await["ok"]["turn"], 1);
    // A ping of the client's own is answered, too.
    alive.0.send(Message::Ping(Bytes::from_static(b"me"))).await.unwrap();
    let mut answered = false;
    while !answered {
        let message = tokio::time::timeout(LIMIT, alive.0.next()).await.unwrap().unwrap().unwrap();
        answered = message == Message::Pong(Bytes::from_static(b"me"));
    }
}

#[tokio::test]
async fn what_is_no_opening_or_a_foreign_one_is_refused() {
    let lab = scripted([Answer::text(["yes"])]).await;
    let greenroom = Greenroom::before(&lab).await;
    let api = &greenroom.api;
    api.create("s").await;
    for origin in ["http://evil.example", "null", "https://127.0.0.1:1"] {
        let refused = api.open_socket("s", "", &[("origin", origin)]).await.err().unwrap();
        assert_eq!((refused.status, &refused.json()["error"]["kind"]), (403, &json!("permission")), "{origin}");
    }
    let ours = api.url.clone();
    assert!(api.open_socket("s", "", &[("origin", &ours)]).await.is_ok());
    let host = api.open_socket("s", "", &[("host", "evil.example")]).await.err().unwrap();
    assert_eq!(host.status, 403);
    let wrong = api.open_socket("s", "", &[("authorization", "Bearer wrong")]).await.err().unwrap();
    assert_eq!(wrong.status, 401);
    let none = api.open_socket("nothing", "", &[]).await.err().unwrap();
    assert_eq!(none.status, 404);
    assert_eq!(error(&api.get(&at("nothing", "/events")).await), not_found());
    assert_eq!(error(&api.get(&at("s", "/socket")).await), bad());
    let old = api.open_socket("s", "", &[("sec-websocket-version", "8")]).await.err().unwrap();
    assert_eq!(old.status, 400);
}
