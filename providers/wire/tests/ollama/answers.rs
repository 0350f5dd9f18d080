//! Whole answers.

use greenroom_wire::{ErrorKind, FinishReason, ollama::decode_answer};
use serde_json::{Value, json};

use crate::harness::*;

fn answer(message: Value) -> Value {
    let mut answer = done("stop");
    answer["message"] = message;
    answer
}

#[test]
fn an_answer_is_the_events_of_its_stream() {
    let body = answer(json!({"role": "assistant", "content": "x", "thinking": "hm"}));
    let want = [started(), thinking("hm"), text("x"), usage(5, 2), stopped()];
    assert_eq!(decode_answer(body.to_string().as_bytes()).unwrap(), want);
    let pretty = serde_json::to_string_pretty(&body).unwrap();
    assert_eq!(decode_answer(format!("\n {pretty}\n").as_bytes()).unwrap(), want);
}

#[test]
fn calls_make_the_reason() {
    let calls = json!([{"id": "c", "function": {"name": "f", "arguments": {"a": 1}}}]);
    let events = decode_answer(answer(json!({"content": "", "tool_calls": calls})).to_string().as_bytes()).unwrap();
    assert_eq!(events[1..4], call(0, "c", "f", "{\"a\":1}"));
    assert_eq!(events.last(), Some(&finished(FinishReason::ToolCalls)));
}

#[test]
fn a_stream_under_another_type_is_read_as_one() {
    let stream = ndjson(&[line(json!({"content": "x"})), line(json!({"content": "y"})), done("stop")]);
    assert_eq!(merged(decode_answer(&stream).unwrap()), [started(), text("xy"), usage(5, 2), stopped()]);
    let cut = ndjson(&[line(json!({"content": "x"})), line(json!({"content": "y"}))]);
    assert_eq!(decode_answer(&cut).unwrap_err().kind, ErrorKind::Protocol);
}

#[test]
fn what_is_no_whole_answer_fails() {
    let kind = |body: &[u8]| decode_answer(body).unwrap_err().kind;
    for body in [&b"<!doctype html>"[..], b"hello", b"", b"{}", b"[]", b"{\"message\":{\"content\":\"\xff\"}}"] {
        assert_eq!(kind(body), ErrorKind::Protocol);
    }
    assert_eq!(kind(line(json!({"content": "x"})).to_string().as_bytes()), ErrorKind::Protocol, "it is not done");
    assert_eq!(kind(b"{\"error\":\"it broke\"}"), ErrorKind::Server);
    assert_eq!(kind(b"{\"error\":\"model 'x' not found\"}"), ErrorKind::NotFound);
}
