//! Requests of clients.

use greenroom_wire::{
    ChatError, ErrorKind, Part,
    anthropic::{ServedRequest, decode_request},
    chat::{CacheMark, MediaSource, ResponseFormat, Role, ThinkingRequest, Tool, ToolChoice, Wire},
    openai_chat,
};
use serde_json::{Value, json};

use crate::harness::*;

fn served(body: Value) -> ServedRequest {
    decode_request(body.to_string().as_bytes()).unwrap()
}

fn refused(body: Value) -> ChatError {
    let error = decode_request(body.to_string().as_bytes()).unwrap_err();
    assert_eq!(error.kind, ErrorKind::InvalidRequest);
    error
}

/// A body of this conversation.
fn with(messages: Value, more: Value) -> Value {
    let mut body = json!({"model": "m", "max_tokens": 9, "messages": messages});
    body.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
    body
}

#[test]
fn every_field_is_read() {
    let read = served(with(
        json!([{"role": "user", "content": "hi"}]),
        json!({"stream": true, "temperature": 0.5, "top_p": 0.9, "top_k": 5, "stop_sequences": ["x"],
            "system": [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
            "thinking": {"type": "enabled", "budget_tokens": 2000, "display": "summarized"},
            "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": {"type": "object"}}},
            "metadata": {"user_id": "u"}, "service_tier": "auto",
            "tool_choice": {"type": "tool", "name": "f", "disable_parallel_tool_use": true},
            "tools": [{"name": "f", "description": "d", "input_schema": {"type": "object"}, "strict": true,
                "cache_control": {"type": "ephemeral"}}, {"type": "web_search_20250305", "name": "web_search"}]}),
    ));
    assert!(read.stream);
    let request = read.request;
    assert_eq!((request.model.as_str(), request.max_tokens), ("m", Some(9)));
    assert_eq!(
        (request.temperature, request.top_p, request.stop.as_slice()),
        (Some(0.5), Some(0.9), &["x".into()][..])
    );
    assert_eq!((request.messages[0].role, request.messages[1].role), (Role::System, Role::User));
    assert_eq!(request.messages[0].cache, [CacheMark { part: 0, ttl: Some("1h".into()) }]);
    let thinking = ThinkingRequest { enabled: Some(true), budget: Some(2000), effort: Some("low".into()) };
    assert_eq!(request.thinking, Some(thinking));
    assert!(matches!(request.response_format, Some(ResponseFormat::JsonSchema { schema: Some(_), .. })));
    assert_eq!(request.tool_choice, Some(ToolChoice::Function { name: "f".into() }));
    assert_eq!((request.parallel_tool_calls, &request.metadata["user_id"]), (Some(false), &json!("u")));
    assert!(
        matches!(&request.tools[0], Tool::Function { strict: Some(true), extra, .. } if extra[0].path == "/cache_control")
    );
    assert!(matches!(&request.tools[1], Tool::Native { wire: Wire::Anthropic, .. }));
    let paths: Vec<_> = request.extra.iter().map(|extra| extra.path.as_str()).collect();
    assert_eq!(paths, ["/top_k", "/thinking/display", "/service_tier"]);
}

#[test]
fn messages_become_parts() {
    let read = served(with(
        json!([
            {"role": "user", "content": [{"type": "text", "text": "hi"},
                {"type": "image", "source": {"type": "url", "url": "u"}}]},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "hm", "signature": "s"},
                {"type": "redacted_thinking", "data": "d"},
                {"type": "text", "text": "x"},
                {"type": "tool_use", "id": "a", "name": "f", "input": {"z": 1, "a": 2}}]},
            {"role": "user", "content": [
                {"type": "text", "text": "and"},
                {"type": "tool_result", "tool_use_id": "a", "is_error": true, "content": [{"type": "text", "text": "1"}],
                    "cache_control": {"type": "ephemeral"}}]},
        ]),
        json!({}),
    ));
    let parts: Vec<_> = read.request.messages.iter().map(|message| (message.role, message.parts.clone())).collect();
    let unknown = |data| Part::Opaque { provider: String::new(), model: String::new(), data };
    let image = Part::Image { source: MediaSource::Url { url: "u".into() }, detail: None };
    let want = [
        (Role::User, vec![Part::text("hi"), image]),
        (
            Role::Assistant,
            vec![
                Part::Thinking { text: "hm".into() },
                unknown(json!({"type": "thinking", "thinking": "hm", "signature": "s"})),
                unknown(json!({"type": "redacted_thinking", "data": "d"})),
                Part::text("x"),
                tool_call("a", "{\"z\":1,\"a\":2}"),
            ],
        ),
        (Role::Tool, vec![Part::ToolResult { id: "a".into(), parts: vec![Part::text("1")], error: true }]),
        (Role::User, vec![Part::text("and")]),
    ];
    assert_eq!(parts, want);
    assert_eq!(read.request.messages[2].cache, [CacheMark { part: 0, ttl: None }]);
}

#[test]
fn effort_alone_does_not_ask_for_thinking() {
    let read = served(with(json!([{"role": "user", "content": "hi"}]), json!({"output_config": {"effort": "low"}})));
    assert_eq!(read.request.thinking, None);
    let body = body_of(&encoded(&read.request));
    assert_eq!((&body["output_config"], &body["thinking"]), (&json!({"effort": "low"}), &Value::Null));
}

#[test]
fn a_conversation_can_be_sent_to_another_wire() {
    let read = served(with(
        json!([
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm", "signature": "s"},
                {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}, "caller": {"type": "direct"}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "1"},
                {"type": "text", "text": "go on"}]},
        ]),
        json!({"system": "brief", "top_k": 3}),
    ));
    let encoded = openai_chat::encode_request(&read.request, "p", "m", &openai_chat::Dialect::COMPATIBLE);
    let body: Value = serde_json::from_slice(&encoded.body).unwrap();
    let want = json!([
        {"role": "system", "content": "brief"},
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": null, "tool_calls": [
            {"id": "toolu_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "toolu_1", "content": "1"},
        {"role": "user", "content": "go on"},
    ]);
    assert_eq!(body["messages"], want);
    let left: Vec<_> = encoded.left_out.iter().map(|left| left.at.as_str()).collect();
    let want = ["/top_k", "messages[2]/content/1/caller", "messages[2].parts[1]", "messages[2].parts[0]"];
    assert_eq!(left, want);
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    let at = |body: Value| refused(body).details.param.unwrap_or_default();
    let user = |content: Value| json!([{"role": "user", "content": content}]);
    assert_eq!(at(json!({"messages": []})), "model");
    assert_eq!(at(json!({"model": "m"})), "messages");
    assert_eq!(at(with(json!([]), json!({}))), "messages");
    assert_eq!(at(with(json!([{"role": "robot", "content": "x"}]), json!({}))), "messages.0.role");
    assert_eq!(at(with(user(json!(3)), json!({}))), "messages.0.content");
    assert_eq!(at(with(user(json!([{"type": "text"}])), json!({}))), "messages.0.content.0.text");
    assert_eq!(at(with(user(json!([{"type": "image"}])), json!({}))), "messages.0.content.0.source");
    assert_eq!(at(with(user(json!([{"type": "tool_result"}])), json!({}))), "messages.0.content.0.tool_use_id");
    assert_eq!(at(with(user(json!("x")), json!({"max_tokens": "9"}))), "max_tokens");
    assert_eq!(at(with(user(json!("x")), json!({"tools": [{"name": 3}]}))), "tools.0.name");
    assert_eq!(at(with(user(json!("x")), json!({"thinking": {}}))), "thinking.type");
    assert_eq!(at(with(user(json!("x")), json!({"tool_choice": {"type": "tool"}}))), "tool_choice.name");
    assert_eq!(at(with(user(json!("x")), json!({"system": [{"type": "image"}]}))), "system.0.type");
    assert_eq!(decode_request(b"{").unwrap_err().kind, ErrorKind::InvalidRequest);
    assert_eq!(decode_request(b"[]").unwrap_err().kind, ErrorKind::InvalidRequest);
}
