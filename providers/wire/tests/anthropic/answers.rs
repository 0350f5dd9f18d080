//! Whole answers.

use greenroom_wire::{
    ChatError, ChatEvent, ErrorKind, FinishReason,
    anthropic::{ToolNames, decode_answer},
};
use serde_json::{Value, json};

use crate::harness::*;

fn read_whole(body: &Value) -> Result<Vec<ChatEvent>, ChatError> {
    decode_answer(body.to_string().as_bytes(), &ToolNames::default())
}

#[test]
fn an_answer_is_the_events_of_its_stream() {
    let source = json!({"type": "char_location", "cited_text": "c"});
    let body = json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "stop_reason": "tool_use",
    "stop_sequence": null, "stop_details": null, "usage": {"input_tokens": 5, "output_tokens": 7}, "content": [
        {"type": "thinking", "thinking": "hm", "signature": "s"},
        {"type": "text", "text": "x", "citations": [source]},
        {"type": "server_tool_use", "id": "s", "name": "n", "input": {"q": 1}},
        {"type": "tool_use", "id": "a", "name": "f", "input": {"z": 1, "a": 2.5}},
        {"type": "tool_use", "id": "b", "name": "f", "input": {}},
    ]});
    let want = [
        started(),
        thinking("hm"),
        opaque(json!({"type": "thinking", "thinking": "hm", "signature": "s"})),
        ChatEvent::Citation { json: source.clone() },
        text("x"),
        opaque(json!({"type": "text", "text": "x", "citations": [source]})),
        opaque(json!({"type": "server_tool_use", "id": "s", "name": "n", "input": {"q": 1}})),
        call(0, "a", "f"),
        args(0, "{\"z\":1,\"a\":2.5}"),
        called(0),
        call(1, "b", "f"),
        called(1),
        usage(5, 7),
        finished(FinishReason::ToolCalls),
    ];
    assert_eq!(read_whole(&body).unwrap(), want);
}

#[test]
fn what_is_no_answer_fails() {
    let kind = |body: &[u8]| decode_answer(body, &ToolNames::default()).unwrap_err().kind;
    let bodies: [&[u8]; 7] = [
        b"<!doctype html><html></html>",
        b"hello",
        b"",
        b"{\"content\":[{\"type\":\"text\",\"text\":\"x",
        b"{}",
        b"{\"content\":3}",
        b"{\"content\":[{\"type\":\"text\",\"text\":\"\xff\"}]}",
    ];
    for body in bodies {
        assert_eq!(kind(body), ErrorKind::Protocol, "{}", String::from_utf8_lossy(body));
    }
    let page = decode_answer(b"<!doctype html><html>secret</html>", &ToolNames::default()).unwrap_err();
    assert!(page.message.contains("HTML") && !page.message.contains("secret"));
}

#[test]
fn an_error_under_status_200_is_an_error() {
    let error = json!({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}});
    assert_eq!(read_whole(&error).unwrap_err().kind, ErrorKind::Overloaded);
    let bare = json!({"error": {"type": "rate_limit_error", "message": "slow"}});
    assert_eq!(read_whole(&bare).unwrap_err().kind, ErrorKind::RateLimited);
}
