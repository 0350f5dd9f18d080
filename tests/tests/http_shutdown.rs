//! The daemon is told to stop: what is in flight comes to an end that clients can see.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

mod http_support;

use std::time::{Duration, Instant};

use greenroom_tests::client::{Connection, get};
use greenroom_tests::harness::Signal;
use greenroom_tests::openai::Answer;
use http_support::{CHAT, Greenroom, LIMIT, ask, ask_streamed, events, is_done, last_error, provider, refusal};
use http_support::{scripted, text, until};

/// Waits until nobody listens any more.
async fn until_refused(url: &str) {
    let begun = Instant::now();
    while Connection::open(url).await.is_ok() {
        assert!(begun.elapsed() < LIMIT, "new connections are still taken");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn an_answer_within_the_grace_period_is_complete() {
    let lab = scripted([Answer::text(["a"; 8]).pace(Duration::from_millis(200))]).await;
    let mut greenroom = Greenroom::start(&format!("[server]\ngrace = \"30s\"\n{}", provider("lab", &lab))).await;
    let mut streaming = greenroom.api.begin(&ask_streamed("lab/m1")).await;
    assert_eq!(streaming.head().await.unwrap().status, 200);
    let mut whole = greenroom.api.begin(&ask("lab/m1")).await;
    until(&lab, |stats| stats.route(CHAT).open == 2).await;
    greenroom.daemon.signal(Signal::TERM);
    until_refused(&greenroom.api.url).await;
    assert_eq!(lab.stats().route(CHAT).completed, 0, "the answers were not over by then");

    let events = events(&mut streaming).await;
    assert_eq!(text(&events), "aaaaaaaa");
    assert!(is_done(&events));
    let response = whole.response().await.unwrap();
    assert_eq!(response.json()["choices"][0]["message"]["content"], "aaaaaaaa");
    let begun = Instant::now();
    let status = greenroom.daemon.wait(LIMIT).await;
    assert_eq!(status.code(), Some(0), "{}", greenroom.daemon.output());
    assert!(begun.elapsed() < Duration::from_secs(10), "the rest of the grace period is not waited for");
}

#[tokio::test]
async fn an_answer_that_takes_longer_ends_with_an_error_and_never_silently() {
    let lab = scripted([Answer::text(["Hel", "lo", "!"]).stall_after(2)]).await;
    let mut greenroom = Greenroom::start(&format!("[server]\ngrace = \"300ms\"\n{}", provider("lab", &lab))).await;
    let mut streaming = greenroom.api.begin(&ask_streamed("lab/m1")).await;
    assert_eq!(streaming.head().await.unwrap().status, 200);
    let mut whole = greenroom.api.begin(&ask("lab/m1")).await;
    until(&lab, |stats| stats.route(CHAT).open == 2).await;
    greenroom.daemon.signal(Signal::TERM);

    let events = events(&mut streaming).await;
    assert_eq!(text(&events), "Hello");
    assert!(!is_done(&events) && events.iter().all(|event| event.text() != "[DONE]"), "{events:?}");
    let error = last_error(&events);
    assert!(error["message"].as_str().is_some_and(|message| message.contains("shutting down")), "{events:?}");
    let response = whole.response().await.unwrap();
    assert_eq!(refusal(&response), (503, "overloaded_error".to_owned(), "overloaded".to_owned()));
    assert_eq!(greenroom.daemon.wait(LIMIT).await.code(), Some(0), "{}", greenroom.daemon.output());
    until(&lab, |stats| stats.route(CHAT).cancelled == 2).await;
}

#[tokio::test]
async fn an_idle_daemon_stops_at_once_whoever_is_connected() {
    for signal in [Signal::TERM, Signal::INT] {
        let lab = scripted([Answer::text(["a"])]).await;
        let mut greenroom = Greenroom::start(&format!("[server]\ngrace = \"60s\"\n{}", provider("lab", &lab))).await;
        assert_eq!(greenroom.api.chat(&ask("lab/m1")).await.status, 200);
        let mut kept = Connection::open(&greenroom.api.url).await.unwrap();
        kept.send("GET", "/healthz", &[], b"").await.unwrap();
        assert_eq!(kept.response().await.unwrap().status, 200);
        greenroom.daemon.signal(signal);
        assert!(greenroom.daemon.wait(LIMIT).await.success(), "{}", greenroom.daemon.output());
        let (rest, end) = kept.rest().await;
        assert!(rest.is_empty() && end.is_ok(), "{rest:?} {end:?}");
        get(&greenroom.api.url, "/healthz", None).await.unwrap_err();
    }
}

#[tokio::test]
async fn a_client_that_does_not_read_holds_nobody_up() {
    let piece = "x".repeat(100_000);
    let lab = scripted([Answer::text(vec![piece.as_str(); 100])]).await;
    let mut greenroom = Greenroom::start(&format!("[server]\ngrace = \"100ms\"\n{}", provider("lab", &lab))).await;
    let mut deaf = greenroom.api.begin(&ask_streamed("lab/m1")).await;
    assert_eq!(deaf.head().await.unwrap().status, 200);
    until(&lab, |stats| stats.route(CHAT).completed == 1).await;
    greenroom.daemon.signal(Signal::TERM);
    assert_eq!(greenroom.daemon.wait(LIMIT).await.code(), Some(0), "{}", greenroom.daemon.output());
}
