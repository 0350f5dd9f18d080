//! A client's input, as it is listed again.

use serde_json::{Map, Value, json};

use super::{dialect::Dialect, encode::encode_request};
use crate::chat::{ChatRequest, Extra, Message, Role, Wire};

/// The items that messages are, in their order, each with an id: its own, or one that is made up with `tail`.
pub fn input_items(messages: &[Message], tail: &str) -> Vec<Value> {
    // The first text of a system is said elsewhere than among the items, and a result whose call is not among them would
    // be told as a text but where the call is kept.
    let first = Message::text(Role::System, "-");
    let keeps = Extra { wire: Wire::OpenaiResponses, path: "/previous_response_id".into(), json: "-".into() };
    let request = ChatRequest {
        messages: [first].into_iter().chain(messages.iter().cloned()).collect(),
        extra: vec![keeps],
        ..ChatRequest::default()
    };
    let encoded = encode_request(&request, "", "", &Dialect::COMPATIBLE);
    let mut body: Value = serde_json::from_slice(&encoded.body).expect("what is encoded is JSON");
    let Value::Array(items) = body["input"].take() else { return Vec::new() };
    items.into_iter().enumerate().map(|(at, item)| listed(at, item, tail)).collect()
}

fn listed(at: usize, item: Value, tail: &str) -> Value {
    let Value::Object(mut item) = item else { return item };
    let kind = item.get("type").and_then(Value::as_str).unwrap_or("message").to_owned();
    let role = item.get("role").and_then(Value::as_str).unwrap_or_default().to_owned();
    if let Some(Value::String(text)) = item.get("content") {
        let part = match role.as_str() {
            "assistant" => json!({"type": "output_text", "text": text, "annotations": []}),
            _ => json!({"type": "input_text", "text": text}),
        };
        item.insert("content".into(), json!([part]));
    }
    if matches!(kind.as_str(), "message" | "function_call" | "function_call_output") {
        item.entry("status").or_insert("completed".into());
    }
    let prefix = match kind.as_str() {
        "message" => "msg",
        "function_call" => "fc",
        "function_call_output" => "fco",
        "custom_tool_call" => "ctc",
        "custom_tool_call_output" => "ctco",
        "reasoning" => "rs",
        _ => "item",
    };
    let id = item.shift_remove("id").filter(Value::is_string);
    let mut listed = Map::new();
    listed.insert("id".into(), id.unwrap_or_else(|| format!("{prefix}_{tail}i{at:04x}").into()));
    listed.extend(item);
    Value::Object(listed)
}
