//! Whole answers.

use greenroom_wire::{
    ErrorKind, FinishReason,
    openai_responses::{ToolNames, decode_answer},
};
use serde_json::{Value, json};

use crate::harness::*;

fn decode_of(response: &Value) -> Result<Vec<greenroom_wire::ChatEvent>, greenroom_wire::ChatError> {
    let events = decode_answer(response.to_string().as_bytes(), &ToolNames::default())?;
    Ok(events.into_iter().filter(|event| !is_head(event)).collect())
}

fn response(status: &str, output: Value) -> Value {
    json!({"id": "resp_1", "object": "response", "model": "m", "status": status, "error": null,
        "incomplete_details": null, "output": output, "usage": usage_said()})
}

#[test]
fn a_whole_answer_says_what_a_stream_would() {
    let reasoning = json!({"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}]});
    let said = message_item("msg_1", json!([output_text("hi")]));
    let events = decode_of(&response("completed", json!([reasoning, said, call_item(0, "{}")]))).unwrap();
    assert_eq!(
        events,
        [
            started(),
            thinking("hm"),
            opaque(json!({"item": reasoning})),
            text("hi"),
            message_fields("msg_1"),
            call(0, "call_0", "f"),
            args(0, "{}"),
            called(0),
            call_fields(0),
            usage(5, 7),
            finished(FinishReason::ToolCalls),
        ]
    );
}

#[test]
fn white_space_keeps_connections_alive() {
    let body = format!("\n         \n\u{feff}{}\n", response("completed", json!([])));
    let body = body.replace("\n\u{feff}", "\u{feff}");
    let events = decode_answer(body.trim_start().as_bytes(), &ToolNames::default()).unwrap();
    assert_eq!(events, [started(), usage(5, 7), finished(FinishReason::Stop)]);
}

#[test]
fn an_answer_may_be_cut_by_its_bound() {
    let mut cut = response("incomplete", json!([message_item("msg_1", json!([output_text("hi")]))]));
    cut["incomplete_details"] = json!({"reason": "max_output_tokens"});
    let events = decode_of(&cut).unwrap();
    assert_eq!(events.last(), Some(&finished(FinishReason::Length)));
}

#[test]
fn what_is_no_answer_is_an_error() {
    let kind = |response: &Value| decode_of(response).unwrap_err().kind;
    let mut failed = response("failed", json!([]));
    failed["error"] = json!({"code": "server_error", "message": "sorry"});
    assert_eq!(kind(&failed), ErrorKind::Server);
    failed["error"] = json!({"code": "rate_limit_exceeded", "message": "slowly"});
    assert_eq!(kind(&failed), ErrorKind::RateLimited);
    assert_eq!(kind(&response("failed", json!([]))), ErrorKind::Server);
    assert_eq!(kind(&response("cancelled", json!([]))), ErrorKind::Cancelled);
    assert_eq!(kind(&response("queued", json!([]))), ErrorKind::Protocol);
    assert_eq!(kind(&json!({"error": {"code": "invalid_api_key", "message": "no"}})), ErrorKind::Auth);
    assert_eq!(kind(&json!({"hello": 1})), ErrorKind::Protocol);
    assert_eq!(kind(&json!({"output": 7})), ErrorKind::Protocol);
    for body in [&b"<html>"[..], b"", b"{\"output\":", b"{\"output\":\"\xff\"}"] {
        assert_eq!(decode_answer(body, &ToolNames::default()).unwrap_err().kind, ErrorKind::Protocol);
    }
}
