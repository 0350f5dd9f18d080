//! A stream that is silent says that it is alive, and its status does not wait for ever.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

mod http_support;
#[path = "http_support/local.rs"]
mod local;

use std::time::{Duration, Instant};

use greenroom_tests::openai::{self, Answer};
use http_support::{Api, ask_streamed, events, is_done, last_error, provider, scripted, text};
use local::Local;

const BEAT: Duration = Duration::from_millis(400);
const GRACE: Duration = Duration::from_secs(5);

#[tokio::test]
async fn a_silent_model_is_answered_for_until_it_speaks() {
    let answer = Answer::text(["late"]).first_token_after(4 * BEAT);
    let lab = scripted([answer]).await;
    let local = Local::start(&provider("lab", &lab), BEAT, GRACE).await;
    let mut connection = local.api.begin(&ask_streamed("m1")).await;
    let begun = Instant::now();
    let head = connection.head().await.unwrap();
    assert!(begun.elapsed() >= BEAT * 9 / 10, "{:?}", begun.elapsed());
    assert_eq!(head.status, 200);
    assert_eq!(head.headers.get("content-type"), Some("text/event-stream; charset=utf-8"));
    assert_eq!(head.headers.get("x-greenroom-provider"), None, "nobody is known to answer yet");
    let mut beats = 0;
    let first = loop {
        let event = connection.event().await.unwrap().unwrap();
        if !event.is_comment() {
            break event;
        }
        assert_eq!(event.comments, ["keep-alive"]);
        beats += 1;
    };
    assert!(beats >= 1, "no heartbeat in four of their intervals");
    assert_eq!(first.json()["choices"][0]["delta"]["role"], "assistant");
    let rest = events(&mut connection).await;
    assert_eq!(text(&rest), "late");
    assert!(is_done(&rest));
}

#[tokio::test]
async fn silence_between_tokens_is_told_as_well_and_speech_is_not() {
    // Longer in all than a heartbeat's interval, and far shorter between tokens, even on a busy machine.
    let interval = Duration::from_secs(1);
    let lab = scripted([Answer::text(["a"; 30]).pace(interval / 20)]).await;
    let local = Local::start(&provider("lab", &lab), interval, GRACE).await;
    assert_eq!(beats(&local.api).await, 0, "there was no silence");

    let lab = scripted([Answer::text(["a", "b"]).pace(BEAT * 5 / 2)]).await;
    let local = Local::start(&provider("lab", &lab), BEAT, GRACE).await;
    let beats = beats(&local.api).await;
    assert!(beats >= 1, "no heartbeat in two and a half of their intervals");
}

/// The heartbeats in a stream that ends well.
async fn beats(api: &Api) -> usize {
    let mut connection = api.begin(&ask_streamed("m1")).await;
    assert_eq!(connection.head().await.unwrap().status, 200);
    let (mut beats, mut last) = (0, None);
    while let Some(event) = connection.event().await.unwrap() {
        match event.is_comment() {
            true => beats += 1,
            false => last = event.data,
        }
    }
    assert_eq!(last.as_deref(), Some("[DONE]"));
    beats
}

#[tokio::test]
async fn a_failure_after_a_heartbeat_is_an_event() {
    let refused = openai::error(400, "invalid_request_error", None, "no such thing").delayed(2 * BEAT);
    let lab = scripted([refused]).await;
    let local = Local::start(&provider("lab", &lab), BEAT, GRACE).await;
    let mut connection = local.api.begin(&ask_streamed("m1")).await;
    assert_eq!(connection.head().await.unwrap().status, 200);
    let events = events(&mut connection).await;
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!(last_error(&events)["type"], "invalid_request_error");
}

#[tokio::test]
async fn a_server_that_stops_refuses_what_comes_on_connections_that_are_open() {
    let lab = scripted([Answer::text(["a", "b"]).pace(3 * BEAT)]).await;
    let local = Local::start(&provider("lab", &lab), GRACE, GRACE).await;
    let mut kept = greenroom_tests::client::Connection::open(&local.api.url).await.unwrap();
    kept.send("GET", "/healthz", &[], b"").await.unwrap();
    assert_eq!(kept.response().await.unwrap().status, 200);

    let mut streaming = local.api.begin(&ask_streamed("m1")).await;
    assert_eq!(streaming.head().await.unwrap().status, 200);
    local.stop.cancel();
    while greenroom_tests::client::Connection::open(&local.api.url).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    kept.send("GET", "/healthz", &[], b"").await.unwrap();
    let response = kept.response().await.unwrap();
    assert_eq!((response.status, response.header("connection")), (503, Some("close")));
    assert!(http_support::message(&response).contains("shutting down"));
    assert!(kept.rest().await.1.is_ok(), "the connection is closed in good order");

    let rest = events(&mut streaming).await;
    assert_eq!(text(&rest), "ab");
    assert!(is_done(&rest));
    local.served.await.unwrap().unwrap();
}
