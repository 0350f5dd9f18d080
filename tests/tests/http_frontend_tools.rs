//! Tools that a provider runs itself, as clients of its own API see them run, through the built program.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

mod anthropic_support;
mod frontend_support;
mod http_support;

use anthropic_support::claude;
use frontend_support::Frontend;
use greenroom_tests::anthropic::{self, MESSAGES};
use greenroom_tests::client::{Connection, Event};
use greenroom_tests::responses;
use greenroom_tests::{Attempt, Script, ScriptedProvider, openai};
use http_support::{Greenroom, provider};
use serde_json::{Value, json};

/// A stream of these events, each of its name, which then goes no further.
fn stalls_after(events: &[Value]) -> Attempt {
    let start = Attempt::new().status(200).header("content-type", "text/event-stream");
    let send = |attempt: Attempt, event: &Value| {
        attempt.send(format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap()))
    };
    events.iter().fold(start, send).stall()
}

/// Reads up to an event of this name.
async fn until_event(connection: &mut Connection, name: &str) -> Vec<Event> {
    assert_eq!(connection.head().await.unwrap().status, 200);
    let mut events = Vec::new();
    loop {
        let event = connection.event().await.unwrap().unwrap_or_else(|| panic!("no {name} in {events:?}"));
        let is_last = event.event.as_deref() == Some(name);
        events.push(event);
        if is_last {
            return events;
        }
    }
}

fn names(events: &[Event]) -> Vec<&str> {
    events.iter().filter_map(|event| event.event.as_deref()).collect()
}

#[tokio::test]
async fn a_search_of_openais_is_told_while_it_runs() {
    let message = json!({"type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
        "content": [{"type": "output_text", "text": "I look.", "annotations": []}]});
    let search = json!({"type": "web_search_call", "id": "ws_1", "status": "in_progress"});
    let of = |kind: &str, index: u32, more: Value| {
        let mut event = json!({"type": format!("response.{kind}"), "sequence_number": 70, "output_index": index});
        event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        event
    };
    let response = json!({"id": "resp_1", "object": "response", "status": "in_progress", "model": "m", "output": []});
    let delta = json!({"item_id": "msg_1", "content_index": 0, "delta": "I look."});
    let running = stalls_after(&[
        json!({"type": "response.created", "sequence_number": 0, "response": response}),
        of("output_item.added", 0, json!({"item": {"type": "message", "id": "msg_1", "content": []}})),
        of("output_text.delta", 0, delta),
        of("output_item.done", 0, json!({"item": message})),
        of("output_item.added", 1, json!({"item": search})),
        of("web_search_call.in_progress", 1, json!({"item_id": "ws_1"})),
        of("web_search_call.searching", 1, json!({"item_id": "ws_1", "query": "weather"})),
    ]);
    let gpt = ScriptedProvider::start(Script::new([responses::responses([running]), openai::models(["m"])])).await;
    let greenroom = Greenroom::start(&(provider("gpt", &gpt) + "wire = \"responses\"\n")).await;
    let mut connection = Frontend::Responses.begin(&greenroom.api, &Frontend::Responses.ask("gpt/m", true)).await;
    let events = until_event(&mut connection, "response.web_search_call.searching").await;
    let want =
        ["response.output_item.added", "response.web_search_call.in_progress", "response.web_search_call.searching"];
    assert_eq!(names(&events)[events.len() - 3..], want);
    for (number, event) in events.iter().enumerate() {
        assert_eq!(event.json()["sequence_number"], number, "the numbers are ours: {}", event.text());
    }
    let last = events.last().unwrap().json();
    assert_eq!(
        (&last["output_index"], &last["item_id"], &last["query"]),
        (&json!(1), &json!("ws_1"), &json!("weather"))
    );
}

#[tokio::test]
async fn a_search_of_anthropics_is_told_before_what_it_found() {
    let begin =
        |index: u32, block: Value| json!({"type": "content_block_start", "index": index, "content_block": block});
    let input = json!({"type": "input_json_delta", "partial_json": "{\"query\": \"weather\"}"});
    let search = json!({"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}});
    let found = json!({"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [{"type": "web_search_result",
        "title": "t", "url": "https://example.com", "encrypted_content": "abc"}]});
    let start = json!({"type": "message_start", "message": {"id": "msg_1", "type": "message", "role": "assistant", "model": "m",
        "content": [], "stop_reason": null, "stop_sequence": null, "usage": {"input_tokens": 5, "output_tokens": 1}}});
    let asked = [
        start,
        begin(0, search.clone()),
        json!({"type": "content_block_delta", "index": 0, "delta": input}),
        json!({"type": "content_block_stop", "index": 0}),
    ];
    let given = [begin(1, found.clone()), json!({"type": "content_block_stop", "index": 1})];
    let running = stalls_after(&asked);
    let over = stalls_after(&[&asked[..], &given].concat());
    let lab =
        ScriptedProvider::start(Script::new([anthropic::messages([running, over]), anthropic::models(["m"])])).await;
    let greenroom = Greenroom::start(&claude(&lab)).await;
    let body = Frontend::Messages.ask("claude/m", true);

    let mut connection = Frontend::Messages.begin(&greenroom.api, &body).await;
    let events = until_event(&mut connection, "content_block_stop").await;
    assert_eq!(events[1].json()["content_block"], search, "it is told while nothing was found yet");
    let input: String =
        events.iter().filter_map(|event| Some(event.json()["delta"]["partial_json"].as_str()?.to_owned())).collect();
    assert_eq!(serde_json::from_str::<Value>(&input).unwrap(), json!({"query": "weather"}));

    let mut connection = Frontend::Messages.begin(&greenroom.api, &body).await;
    let mut events = until_event(&mut connection, "content_block_stop").await;
    events.extend([connection.event().await.unwrap().unwrap(), connection.event().await.unwrap().unwrap()]);
    let end = &events[events.len() - 2..];
    assert_eq!(names(end), ["content_block_start", "content_block_stop"]);
    assert_eq!((&end[0].json()["index"], &end[0].json()["content_block"]), (&json!(1), &found));
    assert_eq!(lab.stats().route(MESSAGES).requests, 2);
}
