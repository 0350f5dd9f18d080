//! What a client of this wire reads.

use greenroom_wire::{
    ChatError, ChatEvent, ChatRequest, ErrorKind, FinishReason, Message, Usage,
    anthropic::{Dialect, StreamWriter, decode_request, encode_request, error_body, whole_answer},
    chat::{Extra, Role, ToolCallKind, Wire},
};
use serde_json::{Value, json};

use crate::harness::*;

/// What a stream is as a client's library reads it: each event's name and data.
pub(crate) fn events_of(stream: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(stream).expect("a stream is text");
    let events = text.split_terminator("\n\n").map(|event| {
        let (name, data) = event.split_once('\n').expect("a name and data");
        let json: Value = serde_json::from_str(data.strip_prefix("data: ").expect("data")).expect("data is JSON");
        assert_eq!(name.strip_prefix("event: "), json["type"].as_str(), "an event is named by its type");
        json
    });
    events.collect()
}

/// The message that a client's library makes of a stream, event by event.
pub(crate) fn accumulated(events: &[Value]) -> Value {
    let mut message = Value::Null;
    let mut input = String::new();
    let mut open = None;
    for event in events {
        let index = event["index"].as_u64().unwrap_or_default() as usize;
        match event["type"].as_str().expect("a type") {
            "message_start" => {
                assert!(message.is_null(), "a message begins once");
                message = event["message"].clone();
            }
            "content_block_start" => {
                assert_eq!(open, None, "blocks don't interleave");
                let list = message["content"].as_array_mut().expect("a list");
                assert_eq!(index, list.len(), "blocks are numbered without a gap");
                list.push(event["content_block"].clone());
                open = Some(index);
            }
            "content_block_delta" => {
                assert_eq!(open, Some(index), "a delta is of the open block");
                let (block, delta) = (&mut message["content"][index], &event["delta"]);
                let grow = |block: &mut Value, key: &str| {
                    let text = block[key].as_str().expect("text").to_owned() + delta[key].as_str().expect("text");
                    block[key] = text.into();
                };
                match delta["type"].as_str().expect("a type") {
                    "text_delta" => grow(block, "text"),
                    "thinking_delta" => grow(block, "thinking"),
                    "signature_delta" => {
                        assert_eq!(block["signature"], "", "a signature comes in one piece");
                        block["signature"] = delta["signature"].clone();
                    }
                    "input_json_delta" => input += delta["partial_json"].as_str().expect("text"),
                    "citations_delta" => {
                        let list = block.as_object_mut().expect("a block").entry("citations").or_insert(json!([]));
                        list.as_array_mut().expect("a list").push(delta["citation"].clone());
                    }
                    "compaction_delta" => {
                        for (key, json) in delta.as_object().expect("fields").iter().filter(|(key, _)| *key != "type") {
                            block[key] = json.clone();
                        }
                    }
                    other => panic!("a delta of type {other}"),
                }
            }
            "content_block_stop" => {
                assert_eq!(open.take(), Some(index), "the open block ends");
                let json = std::mem::take(&mut input);
                if !json.is_empty() {
                    let read = serde_json::from_str(&json).ok().filter(Value::is_object);
                    message["content"][index]["input"] = read.unwrap_or_else(|| json!({"arguments": json}));
                }
            }
            "message_delta" => {
                assert_eq!(open, None, "all blocks end first");
                for (key, json) in event["delta"].as_object().expect("fields") {
                    message[key] = json.clone();
                }
                message["usage"] = event["usage"].clone();
                if let Some(json) = event.get("context_management") {
                    message["context_management"] = json.clone();
                }
            }
            "message_stop" | "ping" => {}
            other => panic!("an event of type {other}"),
        }
    }
    message
}

pub(crate) fn streamed(events: &[ChatEvent]) -> Vec<u8> {
    let mut writer = StreamWriter::new("msg_1", "m");
    let mut out = Vec::new();
    events.iter().for_each(|event| writer.write(event, &mut out));
    out
}

/// The message that is served for these events, the same as a stream and whole.
fn message(events: &[ChatEvent]) -> Value {
    let whole: Value = serde_json::from_slice(&whole_answer(events, "msg_1", "m", true)).unwrap();
    assert_eq!(accumulated(&events_of(&streamed(events))), whole);
    whole
}

fn content(events: &[ChatEvent]) -> Value {
    message(&[&[started()], events, &[finished(FinishReason::Stop)]].concat())["content"].take()
}

#[test]
fn a_stream_has_the_events_that_the_api_has() {
    let events = [
        started(),
        thinking("hm"),
        opaque(json!({"type": "thinking", "thinking": "hm", "signature": "s"})),
        text("Hel"),
        text("lo\u{2028}"),
        call(0, "toolu_1", "f"),
        args(0, "{\"a\":"),
        args(0, "1}"),
        called(0),
        extra("/usage/service_tier", json!("standard")),
        ChatEvent::Usage(Usage {
            input: 5,
            output: 7,
            cache_read: 3,
            cache_write_1h: 2,
            reasoning: 4,
            ..Usage::default()
        }),
        finished(FinishReason::ToolCalls),
    ];
    let stream = streamed(&events);
    assert!(!std::str::from_utf8(&stream).unwrap().contains('\u{2028}'), "no reader of lines takes it for an end");
    let none = json!({"input_tokens": 0, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0}, "output_tokens": 0});
    let usage = json!({"input_tokens": 5, "cache_creation_input_tokens": 2, "cache_read_input_tokens": 3,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 2}, "output_tokens": 7,
        "output_tokens_details": {"thinking_tokens": 4}, "service_tier": "standard"});
    let json_delta = |index, text: &str| delta(index, json!({"type": "input_json_delta", "partial_json": text}));
    let want = [
        json!({"type": "message_start", "message": {"id": "msg_1", "type": "message", "role": "assistant", "model": "m",
            "content": [], "stop_reason": null, "stop_sequence": null, "usage": none}}),
        begin(0, json!({"type": "thinking", "thinking": "", "signature": ""})),
        delta(0, json!({"type": "thinking_delta", "thinking": "hm"})),
        delta(0, json!({"type": "signature_delta", "signature": "s"})),
        stop(0),
        begin(1, json!({"type": "text", "text": ""})),
        delta(1, json!({"type": "text_delta", "text": "Hel"})),
        delta(1, json!({"type": "text_delta", "text": "lo\u{2028}"})),
        stop(1),
        begin(2, json!({"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}})),
        json_delta(2, ""),
        json_delta(2, "{\"a\":"),
        json_delta(2, "1}"),
        stop(2),
        json!({"type": "message_delta", "delta": {"stop_reason": "tool_use", "stop_sequence": null}, "usage": usage}),
        over(),
    ];
    assert_eq!(events_of(&stream), want);
    assert_eq!(message(&events)["usage"], usage);
}

#[test]
fn calls_that_interleave_are_told_one_after_another() {
    let said = [
        call(0, "a", "f"),
        args(0, "{\"x\""),
        call(1, "b", "g"),
        args(1, "{\"y\""),
        args(0, ":1}"),
        text("and "),
        args(1, ":2}"),
        text("so"),
        called(1),
        called(0),
    ];
    let call = |id: &str, name: &str, input: Value| json!({"type": "tool_use", "id": id, "name": name, "input": input});
    let want =
        json!([call("a", "f", json!({"x": 1})), call("b", "g", json!({"y": 2})), {"type": "text", "text": "and so"}]);
    assert_eq!(content(&said), want);
    // One that is cut is over when the answer is.
    let cut = content(&said[..8]);
    assert_eq!((cut[0]["input"].clone(), cut[1]["input"].clone()), (json!({"x": 1}), json!({"y": 2})));
}

#[test]
fn arguments_are_an_object_whatever_the_model_wrote() {
    let input = |pieces: &[&str], kind| {
        let begun = ChatEvent::ToolCallStarted { index: 0, id: "a".into(), name: "f".into(), kind };
        let pieces = pieces.iter().map(|piece| args(0, piece));
        let events: Vec<_> = [begun].into_iter().chain(pieces).chain([called(0)]).collect();
        content(&events)[0]["input"].clone()
    };
    let function = |pieces: &[&str]| input(pieces, ToolCallKind::Function);
    assert_eq!(function(&[]), json!({}));
    assert_eq!(function(&[" ", "\n"]), json!({}));
    assert_eq!(function(&["null"]), json!({}));
    assert_eq!(function(&[" ", " {\"a\"", ":1}"]), json!({"a": 1}));
    assert_eq!(function(&["[1", ",2]"]), json!({"arguments": "[1,2]"}));
    assert_eq!(function(&["rm ", "-rf"]), json!({"arguments": "rm -rf"}));
    assert_eq!(input(&["a\"", "b"], ToolCallKind::Custom), json!({"input": "a\"b"}));
}

#[test]
fn what_the_provider_wants_to_see_again_stands_as_it_was() {
    let search = json!({"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "q"}});
    let found = json!({"type": "web_search_tool_result", "tool_use_id": "s", "content": [{"type": "x"}]});
    let hidden = json!({"type": "redacted_thinking", "data": "d"});
    let summed = json!({"type": "compaction", "content": "c", "encrypted_content": null});
    let cited = json!({"type": "text", "text": "b", "citations": [{"type": "char_location", "cited_text": "t"}]});
    let silent = json!({"type": "thinking", "thinking": "", "signature": "s"});
    let caller = json!({"type": "code_execution_20250825", "tool_id": "s"});
    let events = [
        opaque(summed.clone()),
        opaque(silent.clone()),
        opaque(hidden.clone()),
        opaque(search.clone()),
        opaque(found.clone()),
        text("a"),
        extra("/content/6/type", json!("text")),
        ChatEvent::Citation { json: cited["citations"][0].clone() },
        text("b"),
        opaque(cited.clone()),
        text("c"),
        call(0, "t", "f"),
        opaque(json!({"tool_call": 0, "caller": caller})),
        called(0),
        call(1, "u", "f"),
        extra("/content/9/caller", json!({"type": "direct"})),
        args(1, "{}"),
        called(1),
        extra("/content/10", json!({"type": "hologram", "data": 1})),
        opaque(json!({"reasoning_details": []})),
        opaque(json!({"tool_call": 1, "thoughtSignature": "g"})),
        ChatEvent::Citation { json: json!({"type": "url_citation"}) },
        ChatEvent::Media { media_type: "image/png".into(), data: "AA==".into() },
    ];
    let plain = |text: &str| json!({"type": "text", "text": text});
    let call =
        |id: &str, caller: Value| json!({"type": "tool_use", "id": id, "name": "f", "input": {}, "caller": caller});
    let want = json!([
        summed, silent, hidden, search, found, plain("a"), cited, plain("c"), call("t", caller),
        call("u", json!({"type": "direct"})), {"type": "hologram", "data": 1},
    ]);
    assert_eq!(content(&events), want);
}

#[test]
fn thinking_is_signed_by_whoever_thought_it() {
    let signed = |text: &str| json!({"type": "thinking", "thinking": text, "signature": "s"});
    let unsigned = |text: &str| json!({"type": "thinking", "thinking": text, "signature": ""});
    assert_eq!(content(&[thinking("a"), thinking("b"), opaque(signed("ab"))]), json!([signed("ab")]));
    assert_eq!(content(&[thinking("a"), text("x")]), json!([unsigned("a"), {"type": "text", "text": "x"}]));
    // Another model goes on, and signs what it thought itself.
    assert_eq!(
        content(&[thinking("a"), started(), thinking("b"), opaque(signed("b"))]),
        json!([unsigned("a"), signed("b")])
    );
    // Whoever asked for no thinking is not told any that need not go back.
    let events =
        [started(), thinking("a"), text("x"), thinking("b"), opaque(signed("b")), finished(FinishReason::Stop)];
    let whole: Value = serde_json::from_slice(&whole_answer(&events, "msg_1", "m", false)).unwrap();
    assert_eq!(whole["content"], json!([{"type": "text", "text": "x"}, signed("b")]));
    let mut writer = StreamWriter::new("msg_1", "m").unsigned_thinking(false);
    let mut out = Vec::new();
    events.iter().for_each(|event| writer.write(event, &mut out));
    assert_eq!(accumulated(&events_of(&out)), whole);
}

#[test]
fn unsigned_thinking_that_comes_back_reaches_nobody_as_a_signed_block() {
    let blocks = json!([{"type": "thinking", "thinking": "hm", "signature": ""}, {"type": "thinking", "thinking": "h"},
        {"type": "text", "text": "x"}, {"type": "thinking", "thinking": "ok", "signature": "s"}, {"type": "text", "text": "y"}]);
    let body = json!({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "go"},
        {"role": "assistant", "content": blocks}, {"role": "user", "content": "on"}]});
    let request = decode_request(body.to_string().as_bytes()).unwrap().request;
    let sent = body_of(&encode_request(&request, "p", "m", &Dialect::of_model("m")))["messages"][1]["content"].take();
    assert_eq!(sent, json!([blocks[2], blocks[3], blocks[4]]));
}

#[test]
fn why_an_answer_ended_has_a_word() {
    let word = |events: &[ChatEvent], reason| {
        let events = [&[started()], events, &[finished(reason)]].concat();
        let message = message(&events);
        (message["stop_reason"].clone(), message["stop_sequence"].clone())
    };
    let plain = |reason| word(&[text("a")], reason).0;
    for (reason, want) in [
        (FinishReason::Stop, "end_turn"),
        (FinishReason::Length, "max_tokens"),
        (FinishReason::ToolCalls, "tool_use"),
        (FinishReason::ContentFilter, "refusal"),
        (FinishReason::Refusal, "refusal"),
        (FinishReason::Pause, "pause_turn"),
        (FinishReason::Other("odd".into()), "odd"),
    ] {
        assert_eq!(plain(reason), want);
    }
    let met = extra("/stop_sequence", json!("END"));
    assert_eq!(word(&[met], FinishReason::Stop), (json!("stop_sequence"), json!("END")));
    let refused = ChatEvent::Refusal { delta: "No.".into() };
    assert_eq!(word(std::slice::from_ref(&refused), FinishReason::Stop).0, "refusal");
    assert_eq!(content(&[refused]), json!([{"type": "text", "text": "No."}]));
}

#[test]
fn fields_of_this_wire_go_back_to_their_places() {
    let other = ChatEvent::Extra(Extra { wire: Wire::OpenaiChat, path: "/logprobs".into(), json: json!(1) });
    let events = [
        started(),
        extra("/diagnostics", json!({"a": 1})),
        text("x"),
        other,
        extra("/container", json!({"id": "c"})),
        extra("/context_management", json!({"applied_edits": []})),
        extra("/usage/server_tool_use", json!({"code_requests": 2})),
        extra("/model", json!("forged")),
        ChatEvent::Usage(Usage { server_tools: [("web_search".to_owned(), 2)].into(), ..Usage::default() }),
        finished(FinishReason::Stop),
    ];
    let written = events_of(&streamed(&events));
    assert_eq!(written[0]["message"]["diagnostics"], json!({"a": 1}));
    let end = &written[written.len() - 2];
    assert_eq!(
        (&end["delta"]["container"], &end["context_management"]),
        (&json!({"id": "c"}), &json!({"applied_edits": []}))
    );
    let tools = json!({"web_search_requests": 2, "code_requests": 2});
    assert_eq!(end["usage"]["server_tool_use"], tools);
    let message = message(&events);
    assert_eq!((&message["model"], message.get("logprobs")), (&json!("m"), None));
}

#[test]
fn errors_and_heartbeats_are_events_of_their_own() {
    let mut out = Vec::new();
    StreamWriter::write_heartbeat(&mut out);
    let error = ChatError::new(ErrorKind::Overloaded, "too\u{85}busy");
    StreamWriter::write_error(&error, Some("req_1"), &mut out);
    let events = events_of(&out);
    let want = json!({"type": "error", "error": {"type": "overloaded_error", "message": "too\u{85}busy"},
        "request_id": "req_1"});
    assert_eq!(events, [json!({"type": "ping"}), want]);
    assert_eq!(fails(&out).0, ErrorKind::Overloaded, "a client of ours would read it so");
}

#[test]
fn every_kind_of_error_has_a_status_and_a_type_that_clients_know() {
    for (kind, status, word) in [
        (ErrorKind::Auth, 401, "authentication_error"),
        (ErrorKind::AuthPermanent, 401, "authentication_error"),
        (ErrorKind::Billing, 402, "billing_error"),
        (ErrorKind::Permission, 403, "permission_error"),
        (ErrorKind::NotFound, 404, "not_found_error"),
        (ErrorKind::RateLimited, 429, "rate_limit_error"),
        (ErrorKind::Overloaded, 529, "overloaded_error"),
        (ErrorKind::Exhausted, 529, "overloaded_error"),
        (ErrorKind::Server, 500, "api_error"),
        (ErrorKind::Network, 502, "api_error"),
        (ErrorKind::Protocol, 502, "api_error"),
        (ErrorKind::Timeout, 504, "timeout_error"),
        (ErrorKind::InvalidRequest, 400, "invalid_request_error"),
        (ErrorKind::ContextOverflow, 400, "invalid_request_error"),
        (ErrorKind::ContentFilter, 400, "invalid_request_error"),
        (ErrorKind::Cancelled, 499, "invalid_request_error"),
        (ErrorKind::Config, 500, "api_error"),
    ] {
        let (told, body) = error_body(&ChatError::new(kind, "oops"), None);
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!((told, &body["error"]["type"]), (status, &json!(word)), "{kind}");
    }
}

#[test]
fn the_features_of_a_request_are_not_said_in_its_body() {
    let betas = Extra { wire: Wire::Anthropic, path: "/anthropic_beta".into(), json: json!(["a-1", "b-2"]) };
    let request =
        ChatRequest { messages: vec![Message::text(Role::User, "x")], extra: vec![betas], ..ChatRequest::default() };
    assert_eq!(greenroom_wire::anthropic::betas(&request).collect::<Vec<_>>(), ["a-1", "b-2"]);
    assert_eq!(body_of(&encoded(&request)).get("anthropic_beta"), None);
}

#[test]
fn the_beginning_says_how_long_the_prompt_is_as_far_as_that_is_known() {
    let begun = |known: Option<ChatEvent>| {
        let mut out = Vec::new();
        let mut writer = StreamWriter::new("a", "m").expects_input(40);
        known.iter().chain([&text("x")]).for_each(|event| writer.write(event, &mut out));
        let text = String::from_utf8(out).unwrap();
        let data = text.split('\n').find_map(|line| line.strip_prefix("data: ")).unwrap();
        serde_json::from_str::<Value>(data).unwrap()["message"]["usage"].clone()
    };
    assert_eq!(begun(None)["input_tokens"], 40, "an estimate, where nothing is known");
    let told = ChatEvent::Usage(Usage { input: 5, cache_read: 70, ..Usage::default() });
    let told = begun(Some(told));
    assert_eq!((&told["input_tokens"], &told["cache_read_input_tokens"]), (&json!(5), &json!(70)));
}
