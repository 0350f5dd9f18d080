//! Whole answers.

use greenroom_wire::{
    ChatError, ChatEvent, ErrorKind, FinishReason,
    openai_chat::{ToolNames, decode_answer},
};
use serde_json::{Value, json};

use crate::harness::*;

fn answer(message: Value, reason: &str) -> Value {
    json!({"id": "a", "model": "m", "object": "chat.completion", "created": 1,
        "choices": [{"index": 0, "message": message, "logprobs": null, "finish_reason": reason}],
        "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}})
}

fn read_whole(body: &Value) -> Result<Vec<ChatEvent>, ChatError> {
    decode_answer(body.to_string().as_bytes(), 1, &ToolNames::default())
}

#[test]
fn an_answer_is_the_events_of_its_stream() {
    let message = json!({"role": "assistant", "content": "x", "refusal": null, "annotations": [{"type": "url_citation"}],
        "reasoning": "hm", "reasoning_details": [{"type": "reasoning.text", "text": "hm", "signature": "s", "index": 0}]});
    let details =
        json!({"reasoning_details": [{"type": "reasoning.text", "text": "hm", "signature": "s", "index": 0}]});
    let source = ChatEvent::Citation { json: json!({"type": "url_citation"}) };
    let want = [started(), thinking("hm"), text("x"), source, opaque(details), usage(5, 2), stopped()];
    assert_eq!(read_whole(&answer(message, "stop")).unwrap(), want);
}

#[test]
fn calls_need_no_numbers() {
    let calls = json!([{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}},
        {"id": "d", "type": "function", "function": {"name": "f", "arguments": "{}"}}]);
    let events = read_whole(&answer(json!({"content": null, "tool_calls": calls}), "tool_calls")).unwrap();
    let want = [call(0, "c", "f"), args(0, "{}"), called(0), call(1, "d", "f"), args(1, "{}"), called(1)];
    assert_eq!(events[1..7], want);
    let legacy = json!({"content": null, "function_call": {"name": "f", "arguments": "{}"}});
    let events = read_whole(&answer(legacy, "function_call")).unwrap();
    assert_eq!(events[1..4], [call(0, "call_a_0", "f"), args(0, "{}"), called(0)]);
    assert_eq!(events.last(), Some(&finished(FinishReason::ToolCalls)));
}

#[test]
fn white_space_around_it_is_nothing() {
    let body = format!("\n         \n\n   {}\n", answer(json!({"content": "x"}), "stop"));
    assert_eq!(decode_answer(body.as_bytes(), 1, &ToolNames::default()).unwrap()[1], text("x"));
}

#[test]
fn other_choices_are_passed_on_or_merged() {
    let mut body = answer(json!({"content": "x"}), "stop");
    body["choices"]
        .as_array_mut()
        .unwrap()
        .push(json!({"index": 1, "message": {"content": "y"}, "finish_reason": "stop"}));
    assert_eq!(read_whole(&body).unwrap()[1], text("xy"));
    let events = decode_answer(body.to_string().as_bytes(), 2, &ToolNames::default()).unwrap();
    let other = [extra("/choices/1/delta", json!({"content": "y"})), extra("/choices/1/finish_reason", json!("stop"))];
    assert_eq!((&events[1], &events[2..4]), (&text("x"), &other[..]));
}

#[test]
fn what_is_no_answer_fails() {
    let kind = |body: &[u8]| decode_answer(body, 1, &ToolNames::default()).unwrap_err().kind;
    assert_eq!(kind(b"<!doctype html><html></html>"), ErrorKind::Protocol);
    assert_eq!(kind(b"hello"), ErrorKind::Protocol);
    assert_eq!(kind(b""), ErrorKind::Protocol);
    assert_eq!(kind(b"{\"choices\":[{\"message\":{\"content\":\"x"), ErrorKind::Protocol);
    assert_eq!(kind(b"{}"), ErrorKind::Protocol);
    assert_eq!(kind(b"{\"choices\":[]}"), ErrorKind::Protocol);
    assert_eq!(kind(b"{\"choices\":[{\"message\":{\"content\":\"\xff\"}}]}"), ErrorKind::Protocol);
    let page = decode_answer(b"<!doctype html><html>secret</html>", 1, &ToolNames::default()).unwrap_err();
    assert!(page.message.contains("HTML") && !page.message.contains("secret"));
}

#[test]
fn an_error_under_status_200_is_an_error() {
    let kind = |body: Value| read_whole(&body).unwrap_err().kind;
    assert_eq!(kind(json!({"error": {"message": "no", "code": 429}})), ErrorKind::RateLimited);
    assert_eq!(kind(json!({"error": {"message": "no", "code": "invalid_api_key"}})), ErrorKind::Auth);
    assert_eq!(kind(json!({"error": "it broke"})), ErrorKind::Protocol);
    assert_eq!(kind(json!({"object": "error", "message": "no", "code": 404})), ErrorKind::NotFound);
}
