//! Answers to our own clients.

use greenroom_wire::{
    ChatError, ChatEvent, ErrorKind, FinishReason, Usage,
    chat::ToolCallKind,
    openai_chat::{StreamWriter, whole_answer},
};
use serde_json::{Value, json};

use crate::harness::*;

fn write(writer: &mut StreamWriter, events: &[ChatEvent]) -> String {
    let mut out = Vec::new();
    events.iter().for_each(|event| writer.write(event, &mut out));
    String::from_utf8(out).unwrap()
}

fn chunks(stream: &str) -> Vec<Value> {
    let frames = stream.split_terminator("\n\n").filter(|frame| *frame != "data: [DONE]");
    frames.map(|frame| serde_json::from_str(frame.strip_prefix("data: ").unwrap()).unwrap()).collect()
}

#[test]
fn a_stream_is_byte_for_byte_openais() {
    let mut writer = StreamWriter::new("a", 7, "m").include_usage(true);
    let counts = Usage { input: 1, output: 2, reasoning: 1, cache_read: 3, ..Usage::default() };
    let stream = write(&mut writer, &[started(), text("a\"\u{2028}"), ChatEvent::Usage(counts), stopped()]);
    let head = r#"data: {"id":"a","object":"chat.completion.chunk","created":7,"model":"m","#;
    let want = [
        r#""choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}],"usage":null}"#,
        r#""choices":[{"index":0,"delta":{"content":"a\"\u2028"},"finish_reason":null}],"usage":null}"#,
        r#""choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":null}"#,
        concat!(
            r#""choices":[],"usage":{"prompt_tokens":4,"completion_tokens":2,"total_tokens":6,"#,
            r#""prompt_tokens_details":{"cached_tokens":3},"completion_tokens_details":{"reasoning_tokens":1}}}"#
        ),
    ];
    let want: String = want.iter().map(|chunk| format!("{head}{chunk}\n\n")).collect();
    assert_eq!(stream, want + "data: [DONE]\n\n");
}

#[test]
fn usage_is_said_only_to_who_asked() {
    let stream = write(&mut StreamWriter::new("a", 7, "m"), &[started(), text("x"), usage(1, 1), stopped()]);
    assert!(!stream.contains("usage"), "{stream}");
}

#[test]
fn a_call_without_arguments_has_an_empty_object_of_them() {
    let custom = ChatEvent::ToolCallStarted { index: 1, id: "d".into(), name: "g".into(), kind: ToolCallKind::Custom };
    let reason = FinishReason::ToolCalls;
    let events = [started(), call(0, "c", "f"), args(0, ""), called(0), custom, called(1), finished(reason)];
    let arguments = |legacy: bool, pointer: &str| {
        let stream = write(&mut StreamWriter::new("a", 7, "m").legacy_functions(legacy), &events);
        let said =
            chunks(&stream).iter().filter_map(|chunk| chunk.pointer(pointer)?.as_str().map(str::to_owned)).collect();
        let whole = whole_answer(&events, "a", 7, "m", legacy);
        let whole: Value = serde_json::from_slice(&whole).unwrap();
        (said, whole.pointer(&pointer.replace("delta", "message")).cloned())
    };
    let streamed: (String, _) = arguments(false, "/choices/0/delta/tool_calls/0/function/arguments");
    assert_eq!(streamed, ("{}".to_owned(), Some("{}".into())));
    let legacy: (String, _) = arguments(true, "/choices/0/delta/function_call/arguments");
    assert_eq!(legacy, ("{}".to_owned(), Some("{}".into())));
    let input: (String, _) = arguments(false, "/choices/0/delta/tool_calls/0/custom/input");
    assert_eq!(input.0, "", "the text of a custom tool is what it is");
}

#[test]
fn calls_are_named_before_their_arguments() {
    let custom = ChatEvent::ToolCallStarted { index: 1, id: "d".into(), name: "g".into(), kind: ToolCallKind::Custom };
    let events = [
        started(),
        call(0, "c", "f"),
        args(0, "{}"),
        called(0),
        custom,
        args(1, "x"),
        called(1),
        finished(FinishReason::ToolCalls),
    ];
    let said: Vec<_> = chunks(&write(&mut StreamWriter::new("a", 7, "m"), &events))
        .into_iter()
        .map(|mut chunk| chunk["choices"][0]["delta"]["tool_calls"].take())
        .filter(|calls| !calls.is_null())
        .collect();
    assert_eq!(
        said,
        [
            json!([{"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": ""}}]),
            json!([{"index": 0, "function": {"arguments": "{}"}}]),
            json!([{"index": 1, "id": "d", "type": "custom", "custom": {"name": "g", "input": ""}}]),
            json!([{"index": 1, "custom": {"input": "x"}}]),
        ]
    );
}

#[test]
fn legacy_clients_get_functions() {
    let events = [started(), call(0, "c", "f"), args(0, "{}"), called(0), finished(FinishReason::ToolCalls)];
    let stream = write(&mut StreamWriter::new("a", 7, "m").legacy_functions(true), &events);
    let chunks = chunks(&stream);
    assert_eq!(chunks[1]["choices"][0]["delta"], json!({"function_call": {"name": "f", "arguments": ""}}));
    assert_eq!(chunks[2]["choices"][0]["delta"], json!({"function_call": {"arguments": "{}"}}));
    assert_eq!(chunks[3]["choices"][0]["finish_reason"], "function_call");
    let whole: Value = serde_json::from_slice(&whole_answer(&events, "a", 7, "m", true)).unwrap();
    assert_eq!(whole["choices"][0]["message"]["function_call"], json!({"name": "f", "arguments": "{}"}));
    assert_eq!(whole["choices"][0]["finish_reason"], "function_call");
}

#[test]
fn the_answering_model_can_be_named_later() {
    let mut writer = StreamWriter::new("a", 7, "m");
    let before = write(&mut writer, &[started()]);
    writer.set_model("n");
    writer.set_id("b");
    let after = write(&mut writer, &[text("x")]);
    assert!(before.contains(r#""id":"a""#) && before.contains(r#""model":"m""#));
    assert!(after.contains(r#""id":"b""#) && after.contains(r#""model":"n""#));
}

#[test]
fn extras_ride_on_the_next_chunk_and_constants_on_all() {
    let events = [
        started(),
        extra("/system_fingerprint", json!("f")),
        extra("/timings", json!({"n": 1})),
        extra("/choices/0/logprobs", json!({"content": [1]})),
        extra("/choices/0/delta/channel", json!("final")),
        text("x"),
        extra("/usage/cost", json!(0.5)),
        extra("/usage/prompt_tokens_details/audio_tokens", json!(4)),
        usage(1, 1),
        stopped(),
    ];
    let chunks = chunks(&write(&mut StreamWriter::new("a", 7, "m").include_usage(true), &events));
    assert_eq!(chunks[0].get("system_fingerprint"), None);
    assert!(chunks[1..].iter().all(|chunk| chunk["system_fingerprint"] == "f"));
    assert_eq!(chunks[1]["timings"], json!({"n": 1}));
    let delta = json!({"content": "x", "channel": "final"});
    let choice = json!({"index": 0, "delta": delta, "logprobs": {"content": [1]}, "finish_reason": null});
    assert_eq!(chunks[1]["choices"][0], choice);
    assert_eq!(
        (&chunks[3]["usage"]["cost"], &chunks[3]["usage"]["prompt_tokens_details"]["audio_tokens"]),
        (&json!(0.5), &json!(4))
    );
}

#[test]
fn extras_of_one_place_do_not_overwrite_each_other() {
    let probs = |number: u32| extra("/choices/0/logprobs", json!({"content": [number]}));
    let chunks =
        chunks(&write(&mut StreamWriter::new("a", 7, "m"), &[started(), probs(1), probs(2), text("x"), stopped()]));
    let said: Vec<_> = chunks.iter().filter_map(|chunk| chunk["choices"][0].get("logprobs")).collect();
    assert_eq!(said, [&json!({"content": [1]}), &json!({"content": [2]})]);
}

#[test]
fn a_refusal_can_be_seen() {
    let word = |events: &[ChatEvent]| {
        let chunks = chunks(&write(&mut StreamWriter::new("a", 7, "m"), events));
        chunks.last().unwrap()["choices"][0]["finish_reason"].clone()
    };
    let no = ChatEvent::Refusal { delta: "No.".into() };
    assert_eq!(word(&[started(), no, finished(FinishReason::Refusal)]), "stop");
    assert_eq!(word(&[started(), finished(FinishReason::Refusal)]), "content_filter");
    assert_eq!(word(&[started(), finished(FinishReason::Pause)]), "stop");
    assert_eq!(word(&[started(), finished(FinishReason::Other("odd".into()))]), "odd");
}

#[test]
fn errors_and_heartbeats_are_events_of_their_own() {
    let mut out = Vec::new();
    StreamWriter::write_heartbeat(&mut out);
    StreamWriter::write_error(&ChatError::new(ErrorKind::Overloaded, "too\u{85}busy"), &mut out);
    let written = String::from_utf8(out.clone()).unwrap();
    let error =
        r#"data: {"error":{"message":"too\u0085busy","type":"overloaded_error","param":null,"code":"overloaded"}}"#;
    assert_eq!(written, format!(": keep-alive\n\n{error}\n\n"));
    assert_eq!(fails(&out).0, ErrorKind::Overloaded, "a client of ours would read it so");
}

#[test]
fn a_whole_answer_has_everything() {
    let source = ChatEvent::Citation { json: json!({"type": "url_citation"}) };
    let details = json!([{"type": "reasoning.text", "text": "hm", "signature": "s"}]);
    let events = [
        started(),
        extra("/service_tier", json!("default")),
        thinking("hm"),
        extra("/choices/0/logprobs", json!({"content": [1]})),
        text("x"),
        extra("/choices/0/logprobs", json!({"content": [2]})),
        text("y"),
        source,
        call(0, "c", "f"),
        args(0, "{\"a\":"),
        args(0, "1}"),
        called(0),
        opaque(json!({"reasoning_details": details})),
        extra("/choices/1/delta", json!({"role": "assistant", "content": "o"})),
        extra("/choices/1/delta", json!({"content": "k"})),
        extra("/choices/1/finish_reason", json!("stop")),
        usage(3, 2),
        finished(FinishReason::ToolCalls),
    ];
    let whole: Value = serde_json::from_slice(&whole_answer(&events, "a", 7, "m", false)).unwrap();
    let want = json!({"id": "a", "object": "chat.completion", "created": 7, "model": "m",
        "choices": [
            {"index": 0, "finish_reason": "tool_calls", "logprobs": {"content": [1, 2]}, "message": {
                "role": "assistant", "content": "xy", "refusal": null, "reasoning_content": "hm",
                "annotations": [{"type": "url_citation"}], "reasoning_details": details,
                "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{\"a\":1}"}}]}},
            {"index": 1, "finish_reason": "stop", "message": {"role": "assistant", "content": "ok"}}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5,
            "prompt_tokens_details": {"cached_tokens": 0}, "completion_tokens_details": {"reasoning_tokens": 0}},
        "service_tier": "default"});
    assert_eq!(whole, want);
}
