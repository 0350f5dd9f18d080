//! An answer that calls tools waits for their results, and each result is taken once.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

mod http_support;
mod session_support;

use greenroom_tests::openai::Answer;
use greenroom_tests::{ScriptedProvider, When};
use http_support::{Greenroom, chats_asked, scripted};
use serde_json::{Value, json};
use session_support::{SESSIONS, Tail, at, bad, conflict, error, not_found, text};

/// Calls two tools, and answers once both have their results.
async fn calling() -> ScriptedProvider {
    let done = Answer::text(["It is ", "sunny."]).stream().when(When::body_contains("sun-42")).always();
    let calls = Answer::text(["Let me see. "])
        .parallel_tool_calls([("call-1", "look", vec!["{\"at\":", "\"sky\"}"]), ("call-2", "feel", vec!["{}"])]);
    scripted([done, calls.stream().always()]).await
}

/// A session that waits for both results, and a reader of it.
async fn waiting(greenroom: &Greenroom) -> (Value, Tail) {
    let tool = |name: &str| json!({"type": "function", "name": name, "parameters": {"type": "object"}});
    greenroom.api.posted(SESSIONS, &json!({"id": "s", "tools": [tool("look"), tool("feel")]})).await;
    let mut tail = greenroom.api.tail("s", "").await;
    let sent = greenroom.api.say("s", "how is the weather?").await;
    let events = tail.until("turn.waiting").await;
    assert_eq!(events.last().unwrap().json()["ids"], json!(["call-1", "call-2"]));
    (sent["turn"].clone(), tail)
}

#[tokio::test]
async fn an_answer_goes_on_once_every_call_has_its_result() {
    let lab = calling().await;
    let greenroom = Greenroom::before(&lab).await;
    let api = &greenroom.api;
    let (turn, mut tail) = waiting(&greenroom).await;
    let info = api.info("s").await;
    assert_eq!(
        (&info["state"], &info["turn"], &info["waiting"]),
        (&json!("waiting"), &turn, &json!(["call-1", "call-2"]))
    );
    let (claims, results) = (at("s", "/tool_claims"), at("s", "/tool_results"));

    let claim = api.posted(&claims, &json!({"id": "call-1"})).await;
    assert_eq!(claim["id"], "call-1");
    assert!(claim["until"].as_str().unwrap().ends_with('Z'), "{claim}");
    let held = api.post(&claims, &json!({"id": "call-1"})).await;
    assert_eq!(error(&held), conflict());
    let wait: u64 = held.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait) && held.json()["error"]["retry_after"] == wait, "{}", held.text());
    let renewed = api.posted(&claims, &json!({"id": "call-1", "claim": claim["claim"]})).await;
    assert_eq!(renewed["claim"], claim["claim"]);

    let stolen = api.post(&results, &json!({"id": "call-1", "text": "sun-42"})).await;
    assert_eq!(error(&stolen), conflict(), "who has not claimed it does not run it");
    let given = json!({"id": "call-1", "text": "sun-42", "claim": claim["claim"]});
    let taken = api.posted(&results, &given).await;
    assert_eq!(taken["turn"], turn);
    let twice = api.post(&results, &given).await;
    assert_eq!(error(&twice), conflict(), "a result is taken once");
    assert_eq!(chats_asked(&lab).len(), 1, "the other result is awaited");
    assert_eq!(api.info("s").await["waiting"], json!(["call-2"]));

    let parts = json!([{"type": "text", "text": "too hot"}]);
    api.posted(&results, &json!({"id": "call-2", "parts": parts, "error": true})).await;
    let rest = tail.until_turn_ends(&turn).await;
    assert_eq!(text(&rest), "It is sunny.");
    let result = rest.iter().map(|event| event.json()).find(|event| event["id"] == "call-2").unwrap();
    assert_eq!((&result["type"], &result["error"], &result["parts"]), (&json!("tool_result"), &json!(true), &parts));
    assert_eq!(rest.iter().map(|event| event.json()).filter(|event| event["type"] == "tool_result").count(), 2);

    let asked = chats_asked(&lab);
    assert_eq!(asked.len(), 2);
    let said = asked[1].json()["messages"].as_array().unwrap().clone();
    let roles: Vec<&str> = said.iter().map(|message| message["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["user", "assistant", "tool", "tool"]);
    assert_eq!(said[1]["tool_calls"][0]["function"]["arguments"], "{\"at\":\"sky\"}");
    assert_eq!(said[2]["tool_call_id"], "call-1");
    assert_eq!(api.info("s").await["state"], "idle");
}

#[tokio::test]
async fn a_result_that_nobody_awaits_changes_nothing() {
    let lab = calling().await;
    let greenroom = Greenroom::before(&lab).await;
    let api = &greenroom.api;
    let (turn, mut tail) = waiting(&greenroom).await;
    let before = api.info("s").await;
    for rest in ["/tool_results", "/tool_claims"] {
        let mut body = json!({"id": "call-9"});
        if rest == "/tool_results" {
            body["text"] = "x".into();
        }
        assert_eq!(error(&api.post(&at("s", rest), &body).await), not_found(), "{rest}");
    }
    assert_eq!(error(&api.post(&at("s", "/tool_results"), &json!({"id": 1, "text": "x"})).await), bad());
    assert_eq!(api.info("s").await, before);

    let cancelled = api.posted(&at("s", "/cancel"), &json!({"turn": turn})).await;
    assert_eq!(cancelled["state"], "cancelled");
    tail.until_turn_ends(&turn).await;
    let late = api.post(&at("s", "/tool_results"), &json!({"id": "call-1", "text": "late"})).await;
    assert_eq!(error(&late), not_found(), "nobody awaits it any more");
    assert_eq!(api.info("s").await["state"], "idle");

    // A message that comes while a turn waits is the next turn's, and a cancel of the first lets it begin.
    let waiting = api.say("s", "and now?").await["turn"].clone();
    tail.until("turn.waiting").await;
    let queued = api.say("s", "and tomorrow?").await["turn"].clone();
    assert_eq!(api.info("s").await["queued"], json!([queued]));
    api.posted(&at("s", "/cancel"), &json!({"turn": waiting})).await;
    let next = tail.until("turn.waiting").await;
    assert_eq!(next.last().unwrap().json()["turn"], queued);
}
