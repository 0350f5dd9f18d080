//! Calls of functions in streams.

use greenroom_wire::{
    ChatRequest, ErrorKind, FinishReason, Message, StreamDecoder,
    chat::Tool,
    gemini::{Dialect, GeminiDecoder, encode_request},
};
use serde_json::{Value, json};

use crate::harness::*;

fn function(call: Value) -> Value {
    json!({"functionCall": call})
}

#[test]
fn calls_come_whole_with_ids_or_without_in_one_chunk_or_several() {
    let args = json!({"z": 1, "a": [2.50]});
    let two =
        json!([function(json!({"id": "c", "name": "f", "args": args})), function(json!({"name": "g", "args": args}))]);
    let again = json!([function(json!({"id": "c", "name": "f"})), function(json!({"name": "f", "args": null}))]);
    let events = read(&[chunk(two), chunk(again), end("STOP")]);
    let text = r#"{"z":1,"a":[2.5]}"#;
    let want = [
        vec![started()],
        call(0, "c", "f", text),
        call(1, "call_r_1", "g", text),
        call(2, "call_r_2", "f", "{}"),
        call(3, "call_r_3", "f", "{}"),
        vec![usage(5, 2), finished(FinishReason::ToolCalls)],
    ];
    assert_eq!(events, want.concat());
}

#[test]
fn arguments_keep_the_models_own_digits() {
    let args = r#"{"n": 12345678901234567890123,	"x":1e2, "s": "a \" b" }"#;
    let part = format!(r#"{{"functionCall":{{"name":"f","args":{args}}}}}"#);
    let raw = format!("data: {{\"candidates\":[{{\"content\":{{\"parts\":[{part}]}}}}]}}\n\n");
    let stream = [raw.as_bytes(), &sse(&[end("STOP")])].concat();
    let want = call(0, "call_0", "f", r#"{"n":12345678901234567890123,"x":1e2,"s":"a \" b"}"#);
    assert_eq!(read_bytes(&stream).0[1..4], want);
}

#[test]
fn arguments_may_come_in_pieces() {
    let piece = |path: &str, text: &str, more: bool| {
        let piece = json!({"jsonPath": path, "stringValue": text, "willContinue": more});
        chunk(json!([function(json!({"partialArgs": [piece], "willContinue": true}))]))
    };
    let begin = |name: &str| function(json!({"name": name, "willContinue": true}));
    let mut signed = begin("f");
    signed["thoughtSignature"] = "s".into();
    let stream = [
        chunk(json!([signed])),
        piece("$.city", "Bos", true),
        piece("$.city", "ton", false),
        chunk(json!([function(json!({}))])),
        // The end of the second is left out, and the third has no pieces.
        chunk(json!([begin("g")])),
        piece("$.a.b", "x", false),
        chunk(json!([function(json!({"name": "h", "args": {}})), {"text": "so"}, function(json!({}))])),
        chunk(json!([begin("i")])),
        end("STOP"),
    ];
    let events = read(&stream);
    let mut first = call(0, "call_r_0", "f", "{\"city\":\"Boston\"}");
    first.insert(1, opaque(json!({"tool_call": 0, "thoughtSignature": "s"})));
    let want = [
        vec![started()],
        first,
        call(1, "call_r_1", "g", "{\"a\":{\"b\":\"x\"}}"),
        call(2, "call_r_2", "h", "{}"),
        vec![text("so")],
        call(3, "call_r_3", "i", "{}"),
        vec![usage(5, 2), finished(FinishReason::ToolCalls)],
    ];
    assert_eq!(events, want.concat());
    let lost = chunk(json!([function(json!({"partialArgs": [{"jsonPath": "$.a", "boolValue": true}]}))]));
    assert_eq!(fails(&sse(&[lost])).0, ErrorKind::Protocol, "a piece belongs to a call");
}

#[test]
fn a_length_that_was_reached_is_told_before_calls() {
    let events = read(&[chunk(json!([function(json!({"name": "f", "args": {}}))])), end("MAX_TOKENS")]);
    assert_eq!(events.last(), Some(&finished(FinishReason::Length)));
}

#[test]
fn a_name_that_was_sent_in_place_of_another_is_read_as_the_other() {
    let tool =
        Tool::Function { name: "look up".into(), description: None, parameters: None, strict: None, extra: Vec::new() };
    let request = ChatRequest { messages: vec![Message::user("x")], tools: vec![tool], ..ChatRequest::default() };
    let encoded = encode_request(&request, "p", "m", &Dialect::of_model("gemini-2.5-flash"));
    let body: Value = serde_json::from_slice(&encoded.body).unwrap();
    assert_eq!(body["tools"][0]["functionDeclarations"][0], json!({"name": "look_up"}));
    let mut decoder = GeminiDecoder::new(encoded.names);
    decoder.handle_bytes(&sse(&[chunk(json!([function(json!({"name": "look_up", "args": {}}))])), end("STOP")]));
    decoder.handle_end();
    let events: Vec<_> = std::iter::from_fn(|| decoder.poll_event()).collect();
    assert_eq!(events[1..4], call(0, "call_r_0", "look up", "{}"));
}
