//! One turn at a time, each message once, and a cancel that says which turn it means.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

mod http_support;
mod session_support;

use greenroom_tests::openai::Answer;
use greenroom_tests::{ScriptedProvider, When};
use http_support::{Api, Greenroom, chats_asked, scripted, until};
use serde_json::{Value, json};
use session_support::{at, bad, conflict, error, not_found, text, types};

/// Answers "first" with a beginning and no end, and all else with "yes".
async fn stalling() -> ScriptedProvider {
    let first = Answer::text(["no end", "never"]).stall_after(1).stream().when(When::body_contains("first")).always();
    let yes = Answer::text(["yes"]).stream();
    let second = yes.clone().when(When::body_contains("second")).always();
    scripted([second, first, yes.always()]).await
}

/// Says "first", and waits until its answer has begun.
async fn begun(api: &Api) -> Value {
    api.create("s").await;
    let sent = api.say("s", "first").await;
    let from = format!("?from={}", sent["next"]);
    api.tail("s", &from).await.until("text").await;
    sent
}

async fn cancel(api: &Api, turn: &Value) -> Value {
    api.posted(&at("s", "/cancel"), &json!({"turn": turn})).await
}

#[tokio::test]
async fn a_message_waits_for_the_turn_before_it_or_is_refused() {
    let lab = stalling().await;
    let greenroom = Greenroom::before(&lab).await;
    let api = &greenroom.api;
    let first = begun(api).await;
    assert_eq!(first["turn"], 1);
    let refused = api.post(&at("s", "/messages"), &json!({"text": "second", "busy": "refuse"})).await;
    assert_eq!(error(&refused), conflict());
    let second = api.posted(&at("s", "/messages"), &json!({"text": "second", "busy": "queue"})).await;
    let third = api.say("s", "third").await;
    assert_eq!((&second["turn"], &third["turn"]), (&json!(2), &json!(3)));
    let info = api.info("s").await;
    assert_eq!((&info["state"], &info["turn"], &info["queued"]), (&json!("running"), &json!(1), &json!([2, 3])));
    let mut tail = api.tail("s", &format!("?from={}", second["position"])).await;
    let queued = tail.next().await.unwrap().json();
    assert_eq!(
        (&queued["type"], &queued["queued"], &queued["turn"]),
        (&json!("message.user"), &json!(true), &json!(2))
    );

    let waiting = cancel(api, &third["turn"]).await;
    assert_eq!(waiting, json!({"turn": 3, "state": "cancelled"}));
    assert_eq!(cancel(api, &first["turn"]).await["state"], "cancelled");
    let rest = tail.until_turn_ends(&second["turn"]).await;
    assert_eq!(text(&rest), "yes");
    let ends: Vec<(String, Value)> = rest
        .iter()
        .filter(|event| event.json()["type"].as_str().unwrap().starts_with("turn."))
        .map(|event| (event.event.clone().unwrap(), event.json()["turn"].clone()))
        .collect();
    let want = [("turn.cancelled", 3), ("turn.cancelled", 1), ("turn.started", 2), ("turn.finished", 2)];
    assert_eq!(ends, want.map(|(kind, turn)| (kind.to_owned(), json!(turn))));
    until(&lab, |stats| stats.route(http_support::CHAT).cancelled == 1).await;
    assert_eq!(chats_asked(&lab).len(), 2, "nothing is asked for what was cancelled as it waited");
}

#[tokio::test]
async fn a_cancel_may_come_twice_and_names_a_turn() {
    let lab = stalling().await;
    let greenroom = Greenroom::before(&lab).await;
    let api = &greenroom.api;
    let first = begun(api).await;
    assert_eq!(cancel(api, &first["turn"]).await["state"], "cancelled");
    api.tail("s", "").await.until_turn_ends(&first["turn"]).await;
    for _ in 0..2 {
        assert_eq!(cancel(api, &first["turn"]).await, json!({"turn": 1, "state": "ended"}));
    }
    let events = api.there("s", "").await;
    assert_eq!(text(&events), "no end", "what was said stays");
    assert_eq!(types(&events).iter().filter(|kind| *kind == "turn.cancelled").count(), 1);
    for turn in [0, 2, u64::MAX] {
        let none = api.post(&at("s", "/cancel"), &json!({"turn": turn})).await;
        assert_eq!(error(&none), not_found(), "{turn}");
    }
    assert_eq!(text(&api.turn("s", "second").await), "yes");
}

#[tokio::test]
async fn a_message_that_is_sent_twice_with_a_key_is_there_once() {
    let lab = stalling().await;
    let greenroom = Greenroom::before(&lab).await;
    let api = &greenroom.api;
    api.create("s").await;
    let path = at("s", "/messages");
    let send = async |key: &str, body: Value| {
        api.ask("POST", &path, &[("idempotency-key", key)], body.to_string().as_bytes()).await
    };
    let first = send("key-1", json!({"text": "hello"})).await;
    assert_eq!(first.status, 200, "{}", first.text());
    api.tail("s", "").await.until_turn_ends(&json!(1)).await;
    for _ in 0..3 {
        let again = send("key-1", json!({"text": "hello"})).await;
        assert_eq!((again.status, again.json()), (200, first.json()));
    }
    let same = send("key-1", json!({"parts": [{"type": "text", "text": "hello"}]})).await;
    assert_eq!(same.json(), first.json(), "it is the same message, however it is written");
    assert_eq!(error(&send("key-1", json!({"text": "other"})).await), conflict());
    assert_eq!(send("key-2", json!({"text": "hello"})).await.json()["turn"], 2);
    for key in ["", "x".repeat(256).as_str()] {
        assert_eq!(error(&send(key, json!({"text": "hello"})).await), bad(), "{}", key.len());
    }
    let twice = [("idempotency-key", "a"), ("idempotency-key", "b")];
    let refused = api.ask("POST", &path, &twice, br#"{"text": "hello"}"#).await;
    assert_eq!(error(&refused), bad());
    // At once, as a client that lost its connection in the midst does.
    let body = json!({"text": "at once"});
    let all = futures::future::join_all((0..8).map(|_| send("key-3", body.clone()))).await;
    let turns: Vec<Value> = all.iter().map(|response| response.json()["turn"].clone()).collect();
    assert_eq!(turns, vec![json!(3); 8]);
    let users = api.there("s", "").await;
    assert_eq!(types(&users).iter().filter(|kind| *kind == "message.user").count(), 3);
}

#[tokio::test]
async fn a_message_may_say_what_it_was_written_against() {
    let lab = stalling().await;
    let greenroom = Greenroom::before(&lab).await;
    let api = &greenroom.api;
    api.create("s").await;
    let end = async || api.info("s").await["cursor"].as_str().unwrap().to_owned();
    let path = at("s", "/messages");
    let old = end().await;
    let sent = api.posted(&path, &json!({"text": "hello", "at": old})).await;
    let from = format!("?from={}", sent["position"]);
    api.tail("s", &from).await.until_turn_ends(&sent["turn"]).await;
    let stale = api.post(&path, &json!({"text": "late", "at": old})).await;
    assert_eq!(error(&stale), conflict());
    let now = end().await;
    assert_eq!(stale.json()["error"]["cursor"], now, "it is told where the log ends");
    // A bare position is one of the current epoch, as a text or a number.
    let position: u64 = now.split_once('-').unwrap().1.parse().unwrap();
    let sent = api.posted(&path, &json!({"text": "again", "at": position})).await;
    assert_eq!(sent["position"], position);
    let from = format!("?from={}", sent["position"]);
    api.tail("s", &from).await.until_turn_ends(&sent["turn"]).await;
    // Of many that were written against the same place, one is taken.
    let body = json!({"text": "race", "at": end().await});
    let all = futures::future::join_all((0..6).map(|_| api.post(&path, &body))).await;
    let statuses: Vec<u16> = all.iter().map(|response| response.status).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 409).count(), 5, "{statuses:?}");
}

#[tokio::test]
async fn too_many_that_wait_are_told_to_come_later() {
    let lab = stalling().await;
    let greenroom = Greenroom::before(&lab).await;
    let api = &greenroom.api;
    begun(api).await;
    let body = json!({"text": "more"});
    for sent in 0.. {
        assert!(sent < 10_000, "the queue has no bound");
        let response = api.post(&at("s", "/messages"), &body).await;
        if response.status != 200 {
            assert_eq!(error(&response).0, 429, "{}", response.text());
            break;
        }
    }
}
