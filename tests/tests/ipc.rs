//! `greenroom ipc`: what its actions answer, and how its requests live beside each other.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

mod ipc_support;

use std::collections::BTreeSet;

use greenroom_tests::openai::{self, Answer, CHAT};
use greenroom_tests::{Attempt, Script, ScriptedProvider, When};
use ipc_support::{Ipc, LIMIT, chat, chat_with, error, lab, text};
use serde_json::{Value, json};

/// Models with a window and prices, as the configuration may say them.
const PRICED: &str = "[providers.lab.models.m]\ncontext = 1000\nmax_output = 100\n\
                      cost = { input = 1.0, output = 2.0, cache_read = 0.5 }\n";

async fn answering<A: Into<Attempt>>(answers: impl IntoIterator<Item = A>) -> ScriptedProvider {
    ScriptedProvider::start(Script::new([openai::models(["m", "other"]), openai::chat(answers)])).await
}

fn stalled(text: &str) -> Attempt {
    Answer::text([text, "never"]).stall_after(1).into()
}

#[tokio::test]
async fn a_chat_is_told_line_by_line_and_ends_with_what_it_used() {
    let usage = json!({
        "prompt_tokens": 1000, "completion_tokens": 500, "total_tokens": 1500,
        "prompt_tokens_details": {"cached_tokens": 400},
    });
    let hard = "a\u{2028}b\u{2029}c\u{85}d\n\"é";
    let lab_server = answering([Answer::text(["Hello", hard]).usage_details(usage).stream()]).await;
    let mut ipc = Ipc::alone(lab(&lab_server.url(), PRICED));
    let options = json!({"maxTokens": 50, "temperature": 0.5});
    ipc.send(&chat_with("one", "m", "hi", options)).await;
    let mut lines = Vec::new();
    loop {
        let line = ipc.next_text().await.unwrap();
        assert!(!line.contains(['\u{2028}', '\u{2029}', '\u{85}', '\r']), "{line:?}");
        let value: Value = serde_json::from_str(&line).unwrap();
        assert_eq!((&value["id"], &value["success"], &value["streaming"]), (&json!("one"), &json!(true), &json!(true)));
        let is_last = value["data"]["type"] == "done";
        lines.push(value);
        if is_last {
            break;
        }
    }
    assert_eq!(text(&lines, "content"), format!("Hello{hard}"));
    let done = &lines.last().unwrap()["data"];
    let cost = done["usage"]["cost"].as_f64().unwrap();
    assert!((cost - 0.0018).abs() < 1e-9, "600 at 1, 400 at 0.5, 500 at 2: {done}");
    assert_eq!((&done["usage"]["input_tokens"], &done["usage"]["output_tokens"]), (&json!(1000), &json!(500)));
    assert_eq!(done["finish_reason"], "stop");
    let asked = lab_server.requests().into_iter().find(|request| request.path() == CHAT).unwrap().json();
    assert_eq!((&asked["model"], &asked["temperature"]), (&json!("m"), &json!(0.5)));
    assert!(asked["max_tokens"] == 50 || asked["max_completion_tokens"] == 50, "{asked}");
    ipc.end_input();
    let (code, rest, errors) = ipc.end().await;
    assert_eq!((code, rest.len(), errors.as_str()), (Some(0), 0, ""));
}

#[tokio::test]
async fn models_are_listed_by_the_names_that_they_can_be_asked_by() {
    let lab_server = answering([Answer::text(["hi"]).stream().always()]).await;
    let aliases = format!("{PRICED}[models.aliases]\nsmart = \"lab/m\"\n");
    let mut ipc = Ipc::alone(lab(&lab_server.url(), &aliases));
    // By the provider's name, and by its kind, which it alone is of.
    for (id, provider) in [(1, "lab"), (2, "openai-compatible")] {
        ipc.send(&json!({"id": id, "action": "list_models", "provider": provider})).await;
        let cost = json!({"input": 1.0, "output": 2.0});
        let first = json!({"id": "m", "name": null, "context_length": 1000, "max_output": 100, "cost": cost});
        let line = ipc.next().await;
        assert_eq!(line["data"][0], first, "{line}");
        assert_eq!((&line["data"][1]["id"], &line["data"][1]["cost"]["input"]), (&json!("other"), &Value::Null));
    }
    ipc.send(&json!({"action": "list_models"})).await;
    let line = ipc.next().await;
    assert!(line.get("id").is_none() && line.get("streaming").is_none(), "{line}");
    assert_eq!(line["data"][1]["id"], "lab/other", "{line}");
    // An alias, and a full name, need no provider.
    for model in ["smart", "lab/other"] {
        let params = json!({"model": model, "messages": [{"role": "user", "content": "hi"}]});
        ipc.send(&json!({"id": model, "action": "stream_chat", "params": params})).await;
        assert_eq!(text(&ipc.answer(model).await, "content"), "hi");
    }
}

#[tokio::test]
async fn tokens_are_a_number_and_need_no_model() {
    let lab_server = answering([Answer::text(["hi"]).stream()]).await;
    let mut ipc = Ipc::alone(lab(&lab_server.url(), ""));
    let messages = json!([{"role": "user", "content": "How long is this? ".repeat(20)}]);
    for (id, params) in [(1, json!({"messages": messages, "model": "m"})), (2, json!({"messages": messages}))] {
        ipc.send(&json!({"id": id, "action": "count_tokens", "provider": "lab", "params": params})).await;
        let line = ipc.next().await;
        assert!(line["id"] == id && line["success"] == true, "{line}");
        assert!((50..300).contains(&line["data"].as_u64().unwrap()), "{line}");
    }
}

#[tokio::test]
async fn a_fast_answer_is_not_kept_waiting_by_a_slow_one() {
    let fast = Answer::text(["fast"]).stream().when(When::model("fast")).always();
    let lab_server = answering([stalled("slow").when(When::model("m")), fast]).await;
    let mut ipc = Ipc::alone(lab(&lab_server.url(), ""));
    ipc.send(&chat("slow", "hi")).await;
    ipc.spoke("slow").await;
    for id in 0..20 {
        ipc.send(&chat_with(id, "fast", "hi", json!({}))).await;
    }
    let mut done = BTreeSet::new();
    while done.len() < 20 {
        let line = ipc.next().await;
        assert!(line["success"] == true && line["id"] != "slow", "{line}");
        if line["data"]["type"] == "done" {
            assert!(done.insert(line["id"].as_u64().unwrap()), "{line}");
        }
    }
    ipc.send(&json!({"id": "end", "action": "cancel", "params": {"id": "slow"}})).await;
    assert_eq!(error(&ipc.answer("slow").await).0, "cancelled");
}

#[tokio::test]
async fn an_answer_without_end_starves_no_other() {
    let chunk = openai::data(r#"{"choices":[{"index":0,"delta":{"content":"and so on and so on and so on "}}]}"#);
    let flood = Attempt::new()
        .header("content-type", "text/event-stream")
        .repeat(1_000_000, Attempt::new().send(chunk.repeat(100)))
        .when(When::model("m"));
    let lab_server = answering([flood, Answer::text(["fast"]).stream().when(When::model("fast")).always()]).await;
    let mut ipc = Ipc::alone(lab(&lab_server.url(), "[sessions]\nmax_turn_bytes = \"1GiB\"\n"));
    ipc.send(&chat("flood", "hi")).await;
    ipc.spoke("flood").await;
    for id in 0..5 {
        ipc.send(&chat_with(id, "fast", "hi", json!({}))).await;
        assert_eq!(text(&ipc.answer(id).await, "content"), "fast");
    }
    ipc.send(&json!({"id": "end", "action": "cancel", "params": {"id": "flood"}})).await;
    assert_eq!(error(&ipc.answer("flood").await).0, "cancelled");
    // Nothing more comes of it, before or behind the answer to the cancellation.
    assert_eq!(ipc.next().await, json!({"id": "end", "success": true, "data": true}));
    ipc.end_input();
    assert_eq!(ipc.end().await.1, [Value::Null; 0]);
}

#[tokio::test]
async fn a_cancellation_reaches_the_providers_socket() {
    let lab_server = answering([stalled("begun").always()]).await;
    let mut ipc = Ipc::alone(lab(&lab_server.url(), ""));
    ipc.send(&chat(7, "hi")).await;
    ipc.spoke(7).await;
    ipc.send(&json!({"id": 8, "action": "cancel", "params": {"id": 7}})).await;
    assert_eq!(error(&[ipc.next().await]), ("cancelled", "the request was cancelled"));
    assert_eq!(ipc.next().await, json!({"id": 8, "success": true, "data": true}));
    lab_server.wait_for(|stats| stats.route(CHAT).cancelled == 1, LIMIT).await.unwrap();
    // One that is over, or never was, is as cancelled as it can be; its id is free again.
    ipc.send(&json!({"action": "cancel", "params": {"id": 7}})).await;
    assert_eq!(ipc.next().await, json!({"success": true, "data": true}));
    ipc.send(&chat(7, "again")).await;
    ipc.spoke(7).await;
}

#[tokio::test]
async fn a_request_that_takes_longer_than_it_may_is_told_and_ended() {
    let lab_server = answering([stalled("begun").always()]).await;
    let mut ipc = Ipc::alone(lab(&lab_server.url(), ""));
    let mut request = chat("t", "hi");
    request["timeout"] = json!(2000);
    ipc.send(&request).await;
    let lines = ipc.answer("t").await;
    let (code, message) = error(&lines);
    assert!(code == "timeout" && message.contains("2000 ms"), "{lines:?}");
    lab_server.wait_for(|stats| stats.route(CHAT).cancelled == 1, LIMIT).await.unwrap();
}

#[tokio::test]
async fn a_tool_is_called_whole_and_its_result_goes_back() {
    let calls = Answer::text(["I look."]).tool_call("c1", "look", ["{\"at\":", "\"the door\"}"]).stream();
    let lab_server = answering([calls, Answer::text(["It is red."]).stream()]).await;
    let mut ipc = Ipc::alone(lab(&lab_server.url(), ""));
    let parameters = json!({"type": "object", "properties": {"at": {"type": "string"}}});
    let tools = json!([{"type": "function", "function": {"name": "look", "parameters": parameters}}]);
    ipc.send(&chat_with(1, "m", "which colour?", json!({"tools": tools}))).await;
    let lines = ipc.answer(1).await;
    let told = lines.iter().filter(|line| line["data"]["type"] == "tool_call").collect::<Vec<_>>();
    let call = json!({"id": "c1", "name": "look", "arguments": {"at": "the door"}});
    assert_eq!((told.len(), &told[0]["data"]["tool_call"]), (1, &call), "{lines:?}");
    assert_eq!(lines.last().unwrap()["data"]["finish_reason"], "tool_calls");
    let messages = json!([
        {"role": "user", "content": "which colour?"},
        {"role": "assistant", "content": "I look.", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "red"},
    ]);
    let params = json!({"model": "m", "messages": messages, "options": {"tools": tools}});
    ipc.send(&json!({"id": 2, "action": "stream_chat", "provider": "lab", "params": params})).await;
    assert_eq!(text(&ipc.answer(2).await, "content"), "It is red.");
    let asked = lab_server.requests().into_iter().rfind(|request| request.path() == CHAT).unwrap().json();
    assert_eq!(asked["tools"], tools);
    let sent = &asked["messages"][1]["tool_calls"][0];
    assert_eq!(
        (&sent["function"]["name"], &sent["function"]["arguments"]),
        (&json!("look"), &json!("{\"at\":\"the door\"}"))
    );
    let result = &asked["messages"][2];
    assert_eq!(
        (&result["role"], &result["tool_call_id"], &result["content"]),
        (&json!("tool"), &json!("c1"), &json!("red"))
    );
}

#[tokio::test]
async fn thinking_is_told_to_who_asks_for_it() {
    let lab_server = answering([Answer::new().reasoning(["hm"]).then_text(["yes"]).stream().always()]).await;
    let mut ipc = Ipc::alone(lab(&lab_server.url(), ""));
    for (id, options, thought) in
        [(1, json!({}), ""), (2, json!({"thinking": true}), "hm"), (3, json!({"thinking": false}), "")]
    {
        ipc.send(&chat_with(id, "m", "well?", options)).await;
        let lines = ipc.answer(id).await;
        assert_eq!((text(&lines, "thinking").as_str(), text(&lines, "content").as_str()), (thought, "yes"));
    }
}

#[tokio::test]
async fn what_a_provider_refuses_is_told_by_its_kind() {
    let refusal = openai::error(401, "invalid_request_error", Some("invalid_api_key"), "no such key").always();
    let lab_server = answering([refusal]).await;
    let mut ipc = Ipc::alone(lab(&lab_server.url(), ""));
    ipc.send(&chat(1, "hi")).await;
    let lines = ipc.answer(1).await;
    let (code, _) = error(&lines);
    assert!(lines.len() == 1 && matches!(code, "auth" | "auth_permanent" | "exhausted"), "{lines:?}");
    let cut: Attempt = Answer::text(["some", "words"]).cut_after(1).into();
    lab_server.set_script(Script::new([openai::models(["m"]), openai::chat([cut.always()])]));
    let off = "[failover]\non_interrupt = \"fail\"\n";
    let mut ipc = Ipc::alone(lab(&lab_server.url(), off));
    ipc.send(&chat(1, "hi")).await;
    let lines = ipc.answer(1).await;
    assert_eq!(text(&lines, "content"), "some");
    assert!(!error(&lines).1.is_empty(), "a failure is never a done: {lines:?}");
}

#[tokio::test]
async fn an_id_in_flight_is_nobody_elses_and_so_many_are_in_flight_at_most() {
    let lab_server = answering([Attempt::silent().always()]).await;
    let mut ipc = Ipc::alone(lab(&lab_server.url(), ""));
    ipc.send(&chat("a", "hi")).await;
    for other in [chat("a", "hi"), json!({"id": "a", "action": "cancel", "params": {"id": "a"}})] {
        ipc.send(&other).await;
        let line = ipc.next().await;
        assert_eq!((&line["id"], error(std::slice::from_ref(&line)).0), (&json!("a"), "bad_request"), "{line}");
    }
    for id in 1..1024 {
        ipc.send(&chat(id, "hi")).await;
    }
    ipc.send(&chat("one too many", "hi")).await;
    let line = ipc.next().await;
    assert_eq!(line["id"], "one too many");
    let (code, message) = error(std::slice::from_ref(&line));
    assert!(code == "overloaded" && message.contains("1024"), "{line}");
    ipc.send(&json!({"id": "c", "action": "cancel", "params": {"id": 1}})).await;
    assert_eq!(error(&ipc.answer(1).await).0, "cancelled");
}
