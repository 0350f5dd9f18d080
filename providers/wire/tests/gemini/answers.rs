//! Whole answers.

use greenroom_wire::{
    ErrorKind, FinishReason,
    gemini::{ToolNames, decode_answer},
};
use serde_json::{Value, json};

use crate::harness::*;

fn answer(parts: Value) -> Value {
    let mut answer = end("STOP");
    answer["candidates"][0]["content"]["parts"] = parts;
    answer
}

fn read_whole(body: &[u8]) -> Result<Vec<greenroom_wire::ChatEvent>, greenroom_wire::ChatError> {
    decode_answer(body, &ToolNames::default())
}

#[test]
fn an_answer_is_the_events_of_its_stream() {
    let body = answer(json!([{"text": "hm", "thought": true}, {"text": "x"}]));
    let want = [started(), thinking("hm"), text("x"), usage(5, 2), stopped()];
    assert_eq!(read_whole(body.to_string().as_bytes()).unwrap(), want);
    assert_eq!(read_whole(format!("\n {body:#}\n").as_bytes()).unwrap(), want);
    let called = answer(json!([{"functionCall": {"id": "c", "name": "f", "args": {"a": 1}}}]));
    let events = read_whole(called.to_string().as_bytes()).unwrap();
    assert_eq!(events[1..4], call(0, "c", "f", "{\"a\":1}"));
    assert_eq!(events.last(), Some(&finished(FinishReason::ToolCalls)));
}

#[test]
fn a_whole_answer_needs_no_reason() {
    let mut body = answer(json!([{"text": "x"}]));
    body["candidates"][0]["finishReason"] = Value::Null;
    assert_eq!(read_whole(body.to_string().as_bytes()).unwrap().last(), Some(&stopped()));
}

#[test]
fn a_stream_is_read_in_either_form() {
    let chunks = [said("x"), said("y"), end("STOP")];
    let want = [started(), text("xy"), usage(5, 2), stopped()];
    assert_eq!(merged(read_whole(&array(&chunks)).unwrap()), want);
    assert_eq!(merged(read_whole(&sse(&chunks)).unwrap()), want);
    assert_eq!(read_whole(&array(&chunks[..2])).unwrap_err().kind, ErrorKind::Protocol);
}

#[test]
fn what_is_no_whole_answer_fails() {
    let kind = |body: &[u8]| read_whole(body).unwrap_err().kind;
    for body in [
        &b"<!doctype html>"[..],
        b"hello",
        b"",
        b"{}",
        b"[]",
        b"{\"candidates\":[]}",
        b"{\"candidates\":[{\"content\":",
        b"{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"\xff\"}]}}]}",
    ] {
        assert_eq!(kind(body), ErrorKind::Protocol, "{:?}", String::from_utf8_lossy(body));
    }
    assert_eq!(kind(b"{\"error\":{\"code\":503,\"status\":\"UNAVAILABLE\"}}"), ErrorKind::Overloaded);
    assert_eq!(kind(b"{\"promptFeedback\":{\"blockReason\":\"OTHER\"}}"), ErrorKind::ContentFilter);
    assert_eq!(kind(end("MALFORMED_FUNCTION_CALL").to_string().as_bytes()), ErrorKind::Server);
}
