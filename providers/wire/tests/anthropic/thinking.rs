//! The wish to think, and thinking that goes back.

use greenroom_wire::{
    ChatRequest, Message, Part,
    anthropic::{Dialect, encode_request},
    chat::{Role, ThinkingRequest, Tool, ToolChoice},
    fold::fold,
};
use serde_json::{Value, json};

use crate::harness::*;

const NOTHING: ThinkingRequest = ThinkingRequest { enabled: None, budget: None, effort: None };

fn wish(enabled: Option<bool>, budget: Option<u64>, effort: Option<&str>) -> ThinkingRequest {
    ThinkingRequest { enabled, budget, effort: effort.map(str::to_owned) }
}

/// What is said of thinking to a model: `thinking`, the effort, `max_tokens`, and what was left out.
fn said(model: &str, thinking: ThinkingRequest, max_tokens: Option<u64>) -> (Value, Value, u64, Vec<String>) {
    let request = ChatRequest { thinking: Some(thinking), max_tokens, ..ChatRequest::default() };
    let encoded = encode_request(&request, "p", model, &Dialect::of_model(model));
    let body = body_of(&encoded);
    let most = body["max_tokens"].as_u64().unwrap();
    (body["thinking"].clone(), body["output_config"]["effort"].clone(), most, left_out(&encoded))
}

#[test]
fn older_models_think_within_a_budget() {
    let model = "claude-sonnet-4-5";
    let budget = |tokens: u64| json!({"type": "enabled", "budget_tokens": tokens});
    assert_eq!(said(model, wish(None, Some(2000), None), Some(4000)), (budget(2000), Value::Null, 4000, vec![]));
    let (thinking, effort, most, left) = said(model, wish(None, None, Some("high")), None);
    assert_eq!((thinking, effort, most), (budget(16_384), Value::Null, 16_384 + 8192));
    assert_eq!(left, ["thinking.effort"]);
    // The least is 1024, and the budget is less than the bound.
    assert_eq!(said(model, wish(None, Some(5), None), Some(4000)).0, budget(1024));
    assert_eq!(said(model, wish(Some(true), Some(9000), None), Some(4000)).0, budget(3999));
    let (thinking, _, most, left) = said(model, wish(Some(true), None, None), Some(1024));
    assert_eq!((thinking, most, left), (Value::Null, 1024, vec!["thinking".to_owned()]));
    assert_eq!(said(model, wish(Some(false), None, None), None).0, json!({"type": "disabled"}));
    assert_eq!(said(model, wish(None, None, Some("none")), None).0, json!({"type": "disabled"}));
    assert_eq!(said(model, NOTHING, None), (Value::Null, Value::Null, 8192, vec![]));
}

#[test]
fn newer_models_set_their_own_budget() {
    let adaptive = json!({"type": "adaptive"});
    let effort = |model: &str| said(model, wish(None, None, Some("high")), None);
    assert_eq!(effort("claude-opus-4-7"), (adaptive.clone(), json!("high"), 8192, vec![]));
    assert_eq!(effort("claude-sonnet-4-6"), (adaptive.clone(), json!("high"), 8192, vec![]));
    let budget = said("claude-opus-4-7", wish(None, Some(5000), None), None);
    assert_eq!(budget, (adaptive.clone(), Value::Null, 8192, vec!["thinking.budget".to_owned()]));
    let either = said("claude-sonnet-4-6", wish(None, Some(5000), None), None);
    assert_eq!(either.0, json!({"type": "enabled", "budget_tokens": 5000}));
    let off = |model: &str| said(model, wish(Some(false), None, None), None);
    assert_eq!(off("claude-opus-4-7").0, json!({"type": "disabled"}));
    assert_eq!(off("claude-fable-5"), (Value::Null, Value::Null, 8192, vec!["thinking.enabled".to_owned()]));
    let none = said("claude-3-5-sonnet-20241022", wish(Some(true), None, None), None);
    assert_eq!((none.0, none.3), (Value::Null, vec!["thinking".to_owned()]));
}

#[test]
fn what_does_not_go_with_thinking_is_left_out() {
    let tool =
        Tool::Function { name: "f".into(), description: None, parameters: None, strict: None, extra: Vec::new() };
    let request = ChatRequest {
        thinking: Some(wish(Some(true), Some(1024), None)),
        temperature: Some(0.2),
        top_p: Some(0.5),
        tools: vec![tool],
        tool_choice: Some(ToolChoice::Required),
        ..ChatRequest::default()
    };
    let encoded = encoded(&request);
    let body = body_of(&encoded);
    assert_eq!((&body["temperature"], &body["top_p"]), (&Value::Null, &Value::Null));
    assert_eq!(body["tool_choice"], json!({"type": "auto"}));
    assert_eq!(left_out(&encoded), ["temperature", "top_p", "tool_choice"]);
    let fine = ChatRequest { temperature: Some(1.0), top_p: Some(0.95), tool_choice: None, ..request };
    let fine = body_of(&crate::harness::encoded(&fine));
    assert_eq!((&fine["temperature"], &fine["top_p"]), (&json!(1), &json!(0.95)));
}

#[test]
fn the_newest_models_take_no_sampling_parameters() {
    let request = ChatRequest { temperature: Some(1.0), top_p: Some(0.5), ..ChatRequest::default() };
    let encoded = encode_request(&request, "p", "m", &Dialect::of_model("claude-opus-4-7"));
    assert_eq!(left_out(&encoded), ["temperature", "top_p"]);
    let hot = crate::harness::encoded(&ChatRequest { temperature: Some(1.7), ..ChatRequest::default() });
    assert_eq!((body_of(&hot)["temperature"].clone(), left_out(&hot)), (json!(1), vec!["temperature".into()]));
}

#[test]
fn an_answer_goes_back_as_it_came() {
    let thought = json!({"type": "thinking", "thinking": "hm", "signature": "s"});
    let hidden = json!({"type": "thinking", "thinking": "", "signature": "s2"});
    let redacted = json!({"type": "redacted_thinking", "data": "d"});
    let cited = json!({"type": "text", "text": "b", "citations": [{"type": "x", "encrypted_index": "e"}]});
    let server = json!({"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "q"}});
    let result = json!({"type": "web_search_tool_result", "tool_use_id": "s", "content": []});
    let called = json!({"type": "tool_use", "id": "t", "name": "f", "input": {"x": 1}, "caller": {"type": "code"}});
    let blocks = [
        thought,
        hidden,
        redacted,
        json!({"type": "text", "text": "a "}),
        cited,
        server,
        result,
        called.clone(),
        called,
    ];
    let body = json!({"id": "msg_1", "model": "m-20250101", "content": blocks, "stop_reason": "tool_use"});
    let events = greenroom_wire::anthropic::decode_answer(body.to_string().as_bytes(), &Default::default()).unwrap();
    let message = fold(events, "p", "m").message;
    let (sent, left) = sent([Message::user("go"), message.clone()]);
    let mut want = blocks.to_vec();
    // An id can be given once only.
    want[8]["id"] = "toolu_msg1_1".into();
    assert_eq!(sent[1]["content"], Value::from(want));
    assert_eq!(left, [""; 0]);
    // To another model goes what anyone can read.
    let request = ChatRequest { messages: vec![Message::user("go"), message], ..ChatRequest::default() };
    let other = encode_request(&request, "p", "another", &Dialect::of_model("another"));
    let body = body_of(&other);
    let kinds: Vec<_> =
        body["messages"][1]["content"].as_array().unwrap().iter().map(|block| block["type"].clone()).collect();
    assert_eq!(kinds, ["text", "tool_use", "tool_use"]);
    assert_eq!(body["messages"][1]["content"][0]["text"], "a b");
    assert!(!body.to_string().contains("caller") && !body.to_string().contains("signature"));
    assert_eq!(other.left_out.len(), 9, "{:?}", other.left_out);
}

#[test]
fn thinking_kept_in_pieces_is_held_by_its_block() {
    let whole = json!({"type": "thinking", "thinking": "hmm", "signature": "s"});
    let pieces = ["h", "mm"].map(|text| Part::Thinking { text: text.into() });
    let parts = [&pieces[..], &[block(whole.clone()), Part::text("x"), pieces[0].clone()]].concat();
    let (body, left) = sent([Message::user("go"), says(Role::Assistant, parts)]);
    assert_eq!(body[1]["content"], json!([whole, {"type": "text", "text": "x"}]));
    assert_eq!(left, ["messages[1].parts[4]"]);
}

#[test]
fn thinking_with_a_budget_is_not_begun_among_calls() {
    let asked = |answer: Vec<Part>, last: Vec<Message>| {
        let mut messages = vec![Message::user("go"), says(Role::Assistant, answer)];
        messages.extend(last);
        let thinking = Some(wish(Some(true), Some(2000), None));
        let encoded = encoded(&ChatRequest { messages, thinking, ..ChatRequest::default() });
        (body_of(&encoded)["thinking"]["type"].clone(), left_out(&encoded).contains(&"thinking".to_owned()))
    };
    let result = || vec![says(Role::Tool, [tool_result("a", "1")])];
    let signed = || {
        let thought = block(json!({"type": "thinking", "thinking": "hm", "signature": "s"}));
        vec![Part::Thinking { text: "hm".into() }, thought, tool_call("a", "{}")]
    };
    let unsigned = || vec![Part::Thinking { text: "hm".into() }, tool_call("a", "{}")];
    assert_eq!(asked(signed(), result()), (json!("enabled"), false));
    assert_eq!(asked(unsigned(), result()), (Value::Null, true));
    assert_eq!(asked(vec![tool_call("a", "{}")], result()), (Value::Null, true));
    // A new question begins a new turn.
    let then = [result(), vec![Message::text(Role::Assistant, "1"), Message::user("more")]].concat();
    assert_eq!(asked(unsigned(), then), (json!("enabled"), false));
}
