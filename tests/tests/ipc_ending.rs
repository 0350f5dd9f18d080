//! `greenroom ipc`: how it ends, and what becomes of readers who don't read.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

mod ipc_support;

use std::time::{Duration, Instant};

use greenroom_tests::harness::Signal;
use greenroom_tests::openai::{self, Answer, CHAT};
use greenroom_tests::{Attempt, Script, ScriptedProvider, When};
use ipc_support::{Ipc, LIMIT, chat, chat_with, error, lab, text};
use serde_json::{Value, json};

async fn answering<A: Into<Attempt>>(answers: impl IntoIterator<Item = A>) -> ScriptedProvider {
    ScriptedProvider::start(Script::new([openai::models(["m", "other"]), openai::chat(answers)])).await
}

fn stalled(text: &str) -> Attempt {
    Answer::text([text, "never"]).stall_after(1).into()
}

#[tokio::test]
async fn at_the_end_of_the_input_what_is_in_flight_is_answered() {
    let slow = Answer::text(["one ", "two ", "three"]).pace(Duration::from_millis(200)).stream();
    let lab_server = answering([slow]).await;
    let mut ipc = Ipc::alone(lab(&lab_server.url(), ""));
    ipc.send(&chat(1, "count")).await;
    ipc.end_input();
    let (code, lines, errors) = ipc.end().await;
    assert_eq!((code, text(&lines, "content").as_str(), errors.as_str()), (Some(0), "one two three", ""));
    assert_eq!(lines.last().unwrap()["data"]["type"], "done");
}

#[tokio::test]
async fn sigterm_ends_it_at_once_where_nothing_is_in_flight() {
    let lab_server = answering([Answer::text(["hi"]).stream()]).await;
    let mut ipc = Ipc::alone(lab(&lab_server.url(), ""));
    ipc.send(&chat(1, "hi")).await;
    ipc.answer(1).await;
    let begun = Instant::now();
    ipc.signal(Signal::TERM);
    let (code, lines, errors) = ipc.end().await;
    assert_eq!((code, lines.len(), errors.as_str()), (Some(0), 0, ""));
    assert!(begun.elapsed() < Duration::from_secs(5), "it did not wait for what is not there");
}

#[tokio::test]
async fn sigterm_gives_what_is_in_flight_its_time_and_tells_what_is_left() {
    let slow = Answer::text(["one ", "two"]).pace(Duration::from_millis(500)).stream().when(When::model("other"));
    let lab_server = answering([stalled("begun").when(When::model("m")).always(), slow]).await;
    let mut ipc = Ipc::alone(lab(&lab_server.url(), ""));
    ipc.send(&chat("left", "hi")).await;
    ipc.send(&chat("left too", "hi")).await;
    ipc.send(&chat_with("slow", "other", "count", json!({}))).await;
    lab_server.wait_for(|stats| stats.route(CHAT).open == 3, LIMIT).await.unwrap();
    let begun = Instant::now();
    ipc.signal(Signal::TERM);
    let (code, lines, errors) = ipc.end().await;
    assert_eq!((code, errors.as_str()), (Some(0), ""));
    assert!(begun.elapsed() >= Duration::from_secs(5), "they have their time");
    let of = |id: &str| -> Vec<Value> { lines.iter().filter(|line| line["id"] == id).cloned().collect() };
    assert_eq!(
        (text(&of("slow"), "content").as_str(), of("slow").last().unwrap()["data"]["type"].as_str()),
        ("one two", Some("done"))
    );
    for id in ["left", "left too"] {
        let told = of(id);
        let (kind, message) = error(&told);
        assert!(kind == "overloaded" && message.contains("shutting down"), "{told:?}");
    }
    lab_server.wait_for(|stats| stats.route(CHAT).open == 0, LIMIT).await.unwrap();
}

#[tokio::test]
async fn who_closes_the_output_cancels_everything_quietly() {
    let paced = Answer::text(["some ", "more ", "words "]).pace(Duration::from_millis(300)).stream();
    let lab_server = answering([paced.when(When::model("m")), stalled("").when(When::model("other")).always()]).await;
    // Whether something would be written before long, or nothing ever.
    for speaks in [true, false] {
        let mut ipc = Ipc::alone(lab(&lab_server.url(), ""));
        ipc.send(&chat_with("silent", "other", "hi", json!({}))).await;
        if speaks {
            ipc.send(&chat(1, "hi")).await;
            ipc.spoke(1).await;
        }
        lab_server.wait_for(|stats| stats.route(CHAT).open > 0, LIMIT).await.unwrap();
        ipc.close_output();
        let (code, _, errors) = ipc.end().await;
        assert_eq!((code, errors.as_str()), (Some(0), ""));
        lab_server.wait_for(|stats| stats.route(CHAT).open == 0, LIMIT).await.unwrap();
    }
}

#[tokio::test]
async fn a_reader_who_stalls_makes_nothing_grow() {
    // A gigabyte, which nobody reads; a turn has its bound.
    let delta = "0123456789abcdef".repeat(1024);
    let chunk = openai::data(&json!({"choices": [{"index": 0, "delta": {"content": delta}}]}).to_string());
    let flood = Attempt::new()
        .header("content-type", "text/event-stream")
        .repeat(62_500, Attempt::new().send(chunk))
        .send(openai::data("[DONE]"))
        .always();
    let lab_server = answering([flood]).await;
    let mut ipc = Ipc::alone(lab(&lab_server.url(), ""));
    ipc.send(&chat("flood", "hi")).await;
    // It has as much of the answer as it takes, and has left the provider.
    let is_over = |stats: &greenroom_tests::Stats| stats.route(CHAT).requests > 0 && stats.route(CHAT).open == 0;
    lab_server.wait_for(is_over, LIMIT).await.unwrap();
    let stalled = ipc.most_memory();
    let lines = ipc.answer("flood").await;
    let said = text(&lines, "content");
    assert!(said.len() <= 17 << 20 && said.starts_with(&delta), "{} bytes", said.len());
    assert_eq!(lines.last().unwrap()["data"]["finish_reason"], "length");
    if let Some((stalled, most)) = stalled.zip(ipc.most_memory()) {
        assert!(most < 200, "{stalled} MiB while nobody read, then {most} MiB");
    }
}

#[tokio::test]
async fn a_reader_who_stalls_does_not_keep_it_from_ending() {
    let delta = "0123456789abcdef".repeat(1024);
    let chunk = openai::data(&json!({"choices": [{"index": 0, "delta": {"content": delta}}]}).to_string());
    let flood =
        Attempt::new().header("content-type", "text/event-stream").repeat(1000, Attempt::new().send(chunk)).stall();
    let lab_server = answering([flood]).await;
    let mut ipc = Ipc::alone(lab(&lab_server.url(), ""));
    ipc.send(&chat("flood", "hi")).await;
    lab_server.wait_for(|stats| stats.route(CHAT).open == 1, LIMIT).await.unwrap();
    ipc.signal(Signal::TERM);
    let status = ipc.ended().await;
    assert_eq!(status, Some(0));
    lab_server.wait_for(|stats| stats.route(CHAT).open == 0, LIMIT).await.unwrap();
}

#[tokio::test]
async fn beside_a_daemon_the_daemon_answers() {
    let lab_server = answering([stalled("begun ").always()]).await;
    let home = lab(&lab_server.url(), "");
    let mut daemon = home.serve(&[]).await;
    let mut ipc = Ipc::start(&home);
    ipc.send(&chat(1, "hi")).await;
    ipc.spoke(1).await;
    ipc.send(&json!({"id": 2, "action": "cancel", "params": {"id": 1}})).await;
    assert_eq!(error(&ipc.answer(1).await).0, "cancelled");
    lab_server.wait_for(|stats| stats.route(CHAT).cancelled == 1, LIMIT).await.unwrap();
    assert_eq!(ipc.next().await["data"], true);
    // A request whose holder is killed is told so, and the next one finds another: this process.
    ipc.send(&chat(3, "hi")).await;
    ipc.spoke(3).await;
    daemon.signal(Signal::KILL);
    daemon.wait(LIMIT).await;
    let lines = ipc.answer(3).await;
    assert_eq!(error(&lines).0, "server", "{lines:?}");
    ipc.send(&chat(4, "hi")).await;
    ipc.spoke(4).await;
    ipc.signal(Signal::TERM);
    let (code, lines, _) = ipc.end().await;
    assert_eq!((code, error(&lines).0), (Some(0), "overloaded"));
}

#[tokio::test]
async fn a_daemon_that_starts_takes_over_and_what_is_in_flight_is_answered() {
    let slow = Answer::text(["one ", "two ", "three ", "four"]).pace(Duration::from_millis(400)).stream().always();
    let lab_server = answering([slow]).await;
    let home = lab(&lab_server.url(), "");
    let mut ipc = Ipc::start(&home);
    ipc.send(&chat(1, "count")).await;
    ipc.spoke(1).await;
    let (daemon, first) = tokio::join!(home.serve(&[]), ipc.answer(1));
    assert_eq!(text(&first, "content"), "two three four", "{first:?}");
    ipc.send(&chat(2, "count")).await;
    assert_eq!(text(&ipc.answer(2).await, "content"), "one two three four");
    let answered = home.run(&["usage", "--attempts", "--json"]).await.succeeded();
    assert_eq!(answered.stdout.lines().count(), 2, "both are booked: {answered:?}\n{}", daemon.output());
    ipc.end_input();
    assert_eq!(ipc.end().await.0, Some(0));
}
