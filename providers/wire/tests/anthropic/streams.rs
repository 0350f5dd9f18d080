//! Streams: each block and event, and each way to end.

use greenroom_wire::{
    ChatEvent, ErrorKind, FinishReason, StreamDecoder, Usage,
    anthropic::{AnthropicDecoder, Dialect, ToolNames, encode_request},
    chat::{ChatRequest, Tool},
};
use serde_json::json;

use crate::harness::*;

#[test]
fn a_text_has_a_start_usage_and_an_end() {
    let events = read(&answer(text_block(0, "Hé"), "end_turn"));
    assert_eq!(events, [started(), text("Hé"), usage(5, 7), finished(FinishReason::Stop)]);
}

#[test]
fn thinking_is_said_and_kept_whole() {
    let blocks = [
        begin(0, json!({"type": "thinking", "thinking": "", "signature": ""})),
        delta(0, json!({"type": "thinking_delta", "thinking": "h"})),
        json!({"type": "ping"}),
        delta(0, json!({"type": "thinking_delta", "thinking": "m"})),
        delta(0, json!({"type": "signature_delta", "signature": "si"})),
        delta(0, json!({"type": "signature_delta", "signature": "g"})),
        stop(0),
        begin(1, json!({"type": "thinking", "thinking": "", "signature": ""})),
        delta(1, json!({"type": "signature_delta", "signature": "s2"})),
        stop(1),
        begin(2, json!({"type": "redacted_thinking", "data": "xx"})),
        stop(2),
        begin(3, json!({"type": "thinking", "thinking": "loud"})),
        stop(3),
    ];
    let want = [
        thinking("hm"),
        opaque(json!({"type": "thinking", "thinking": "hm", "signature": "sig"})),
        opaque(json!({"type": "thinking", "thinking": "", "signature": "s2"})),
        opaque(json!({"type": "redacted_thinking", "data": "xx"})),
        thinking("loud"),
    ];
    assert_eq!(read_content(blocks, "end_turn"), want);
}

#[test]
fn calls_have_their_own_numbers_and_any_form_of_arguments() {
    let json_delta = |index, text: &str| delta(index, json!({"type": "input_json_delta", "partial_json": text}));
    let use_of = |id: &str, input| json!({"type": "tool_use", "id": id, "name": "f", "input": input});
    let blocks = [
        begin(4, use_of("a", json!({}))),
        json_delta(4, ""),
        json_delta(4, "{\"x\": "),
        json_delta(4, "1}"),
        stop(4),
        // No arguments: nothing but an empty delta, or not even that.
        begin(5, use_of("b", json!({}))),
        json_delta(5, ""),
        stop(5),
        begin(6, use_of("c", json!({}))),
        stop(6),
        // Whole at the start, which counts if no delta follows.
        begin(7, use_of("d", json!({"y": 2}))),
        json_delta(7, ""),
        stop(7),
        begin(8, use_of("e", json!({"y": 2}))),
        json_delta(8, "{\"z\":3}"),
        stop(8),
    ];
    let want = [
        [call(0, "a", "f"), args(0, "{\"x\": 1}"), called(0)].to_vec(),
        [call(1, "b", "f"), called(1), call(2, "c", "f"), called(2)].to_vec(),
        [call(3, "d", "f"), args(3, "{\"y\":2}"), called(3)].to_vec(),
        [call(4, "e", "f"), args(4, "{\"z\":3}"), called(4)].to_vec(),
    ];
    assert_eq!(read_content(blocks, "tool_use"), want.concat());
}

#[test]
fn calls_without_an_id_of_their_own_get_one() {
    let block = |id| json!({"type": "tool_use", "id": id, "name": "f", "input": {}});
    let blocks = [begin(0, block("a")), stop(0), begin(1, block("a")), stop(1), begin(2, block("")), stop(2)];
    let events = read_content(blocks, "tool_use");
    assert_eq!(events[0], call(0, "a", "f"));
    assert_eq!((&events[2], &events[4]), (&call(1, "toolu_msg1_1", "f"), &call(2, "toolu_msg1_2", "f")));
}

#[test]
fn who_called_goes_back_where_it_was_a_program() {
    let caller = json!({"type": "code_execution_20260120", "tool_id": "s"});
    let block = |caller| json!({"type": "tool_use", "id": "a", "name": "f", "input": {}, "caller": caller});
    let events = read_content([begin(2, block(caller.clone())), stop(2)], "tool_use");
    assert_eq!(events, [call(0, "a", "f"), opaque(json!({"tool_call": 0, "caller": caller})), called(0)]);
    let direct = json!({"type": "direct"});
    let events = read_content([begin(2, block(direct.clone())), stop(2)], "tool_use");
    assert_eq!(events, [call(0, "a", "f"), extra("/content/2/caller", direct), called(0)]);
}

#[test]
fn blocks_of_the_providers_own_tools_are_kept_whole() {
    let server = json!({"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}});
    let result = json!({"type": "web_search_tool_result", "tool_use_id": "s", "content": [{"encrypted_content": "e"}]});
    let blocks = [
        begin(0, server),
        delta(0, json!({"type": "input_json_delta", "partial_json": ""})),
        delta(0, json!({"type": "input_json_delta", "partial_json": "{\"query\":"})),
        delta(0, json!({"type": "input_json_delta", "partial_json": "\"q\"}"})),
        stop(0),
        begin(1, result.clone()),
        stop(1),
        begin(2, json!({"type": "compaction", "content": null, "encrypted_content": null})),
        delta(2, json!({"type": "compaction_delta", "content": "sum", "encrypted_content": "e"})),
        stop(2),
    ];
    let want = [
        opaque(json!({"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "q"}})),
        opaque(result),
        opaque(json!({"type": "compaction", "content": "sum", "encrypted_content": "e"})),
    ];
    assert_eq!(read_content(blocks, "pause_turn"), want);
}

#[test]
fn a_call_of_the_providers_own_tool_that_was_cut_is_left_out() {
    let blocks = [
        begin(0, json!({"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}})),
        delta(0, json!({"type": "input_json_delta", "partial_json": "{\"query\":"})),
        stop(0),
    ];
    let (events, error, skipped) = read_of(&sse(&answer(blocks, "max_tokens")));
    assert!(error.is_none());
    assert_eq!((events.len(), skipped), (3, 1));
}

#[test]
fn sources_are_told_and_kept_with_their_text() {
    let source = json!({"type": "web_search_result_location", "encrypted_index": "e"});
    let blocks = [
        text_block(0, "a "),
        vec![
            begin(1, json!({"type": "text", "text": "", "citations": []})),
            delta(1, json!({"type": "citations_delta", "citation": source})),
            delta(1, json!({"type": "text_delta", "text": "b"})),
            stop(1),
        ],
    ];
    let want = [
        text("a "),
        // By this it is known where the first block ended.
        extra("/content/1/type", json!("text")),
        greenroom_wire::ChatEvent::Citation { json: source.clone() },
        text("b"),
        opaque(json!({"type": "text", "text": "b", "citations": [source]})),
    ];
    assert_eq!(read_content(blocks.concat(), "end_turn"), want);
}

#[test]
fn what_is_not_known_is_passed_over_and_counted() {
    let odd = json!({"type": "hologram", "text": {"deep": 1}});
    let blocks = [
        json!({"type": "brand_new", "delta": "odd", "index": "odd"}),
        begin(0, odd.clone()),
        delta(0, json!({"type": "hologram_delta", "text": {"deep": 1}})),
        delta(0, json!({"type": "text_delta", "text": "within it"})),
        stop(0),
        delta(9, json!({"type": "hologram_delta"})),
        json!({"no": "type"}),
    ];
    let (events, error, skipped) = read_of(&sse(&answer([blocks.to_vec(), text_block(1, "x")].concat(), "end_turn")));
    assert!(error.is_none(), "{error:?}");
    assert_eq!(events[1..3], [extra("/content/0", odd), text("x")]);
    assert_eq!(skipped, 5);
}

#[test]
fn deltas_need_no_start_and_blocks_no_end() {
    let events = read(&[
        start(),
        delta(0, json!({"type": "text_delta", "text": "x"})),
        begin(1, json!({"type": "tool_use", "id": "a", "name": "f", "input": {}})),
        end("tool_use"),
        over(),
    ]);
    assert_eq!(events[1..4], [text("x"), call(0, "a", "f"), called(0)]);
}

#[test]
fn each_reason_has_its_word() {
    let reason = |word: &str| read(&answer(text_block(0, "x"), word)).pop();
    for (word, want) in [
        ("end_turn", FinishReason::Stop),
        ("stop_sequence", FinishReason::Stop),
        ("max_tokens", FinishReason::Length),
        ("model_context_window_exceeded", FinishReason::Length),
        ("tool_use", FinishReason::ToolCalls),
        ("pause_turn", FinishReason::Pause),
        ("refusal", FinishReason::Refusal),
        ("tired", FinishReason::Other("tired".into())),
    ] {
        assert_eq!(reason(word), Some(finished(want)), "{word}");
    }
    let calls = [begin(0, json!({"type": "tool_use", "id": "a", "name": "f", "input": {}})), stop(0)];
    assert_eq!(read(&answer(calls, "end_turn")).pop(), Some(finished(FinishReason::ToolCalls)));
}

#[test]
fn what_the_end_says_besides_is_passed_on() {
    let details = json!({"type": "refusal", "category": "cyber"});
    let last = json!({"type": "message_delta", "delta": {"stop_reason": "refusal", "stop_sequence": "x",
        "stop_details": details, "container": null}, "context_management": {"applied_edits": []},
        "usage": {"input_tokens": 9, "output_tokens": 7, "service_tier": "priority", "server_tool_use": {"web_fetch_requests": 2},
            "output_tokens_details": {"thinking_tokens": 3}}});
    let events = read(&[start(), last, over()]);
    let server_tools = [("web_fetch".to_owned(), 2)].into();
    let want = [
        started(),
        extra("/stop_sequence", json!("x")),
        extra("/stop_details", details),
        extra("/context_management", json!({"applied_edits": []})),
        extra("/usage/service_tier", json!("priority")),
        greenroom_wire::ChatEvent::Usage(Usage { input: 9, output: 7, reasoning: 3, server_tools, ..Usage::default() }),
        finished(FinishReason::Refusal),
    ];
    assert_eq!(events, want);
}

#[test]
fn a_start_full_of_nulls_is_a_start() {
    let nulls = json!({"type": "message_start", "message": {"id": null, "model": null, "content": null,
        "usage": {"input_tokens": null, "cache_creation": null, "output_tokens": 1}, "stop_reason": null}});
    let events = read(&[vec![nulls], text_block(0, "x"), vec![end("end_turn"), over()]].concat());
    let unnamed = greenroom_wire::ChatEvent::Started { id: String::new(), model: String::new() };
    assert_eq!(events, [unnamed, text("x"), usage(0, 7), finished(FinishReason::Stop)]);
}

#[test]
fn an_end_marker_alone_ends_an_answer_and_a_reason_alone_does() {
    let events = read(&[vec![start()], text_block(0, "x"), vec![over()]].concat());
    assert_eq!(events[2..], [usage(5, 1), finished(FinishReason::Stop)]);
    let events = read(&[vec![start()], text_block(0, "x"), vec![end("max_tokens")]].concat());
    assert_eq!(events.last(), Some(&finished(FinishReason::Length)));
    let mut stream = sse(&[vec![start()], text_block(0, "x"), vec![end("max_tokens")]].concat());
    stream.extend_from_slice(b"data: [DONE]\n\n");
    assert_eq!(read_of(&stream).0.last(), Some(&finished(FinishReason::Length)));
}

#[test]
fn a_body_that_ends_too_early_is_a_cut() {
    let (kind, events) = fails(&sse(&[vec![start()], text_block(0, "x")].concat()));
    assert_eq!((kind, events), (ErrorKind::Protocol, vec![started(), text("x"), usage(5, 1)]));
    assert_eq!(fails(b"").0, ErrorKind::Protocol);
    assert_eq!(fails(&sse(&[over()])).0, ErrorKind::Protocol);
    let half = [start(), begin(0, json!({"type": "thinking", "thinking": "h", "signature": "s"}))];
    assert!(!fails(&sse(&half)).1.iter().any(|event| matches!(event, greenroom_wire::ChatEvent::Opaque { .. })));
}

#[test]
fn errors_after_the_start_have_their_kind() {
    let kind = |kind: &str, message: &str| {
        let error = json!({"type": "error", "error": {"type": kind, "message": message}});
        fails(&sse(&[vec![start()], text_block(0, "x"), vec![error]].concat()))
    };
    let (overloaded, events) = kind("overloaded_error", "Overloaded");
    assert_eq!((overloaded, &events[1]), (ErrorKind::Overloaded, &text("x")));
    assert_eq!(kind("api_error", "Internal server error").0, ErrorKind::Server);
    assert_eq!(kind("rate_limit_error", "slow").0, ErrorKind::RateLimited);
    assert_eq!(kind("timeout_error", "late").0, ErrorKind::Timeout);
    assert_eq!(kind("invalid_request_error", "no").0, ErrorKind::InvalidRequest);
    assert_eq!(kind("invalid_request_error", "prompt is too long: 9 > 8").0, ErrorKind::ContextOverflow);
    assert_eq!(kind("tired_error", "tired").0, ErrorKind::Protocol);
    assert_eq!(fails(b"event: error\ndata: {\"error\":{\"type\":\"api_error\"}}\n\n").0, ErrorKind::Server);
}

#[test]
fn what_breaks_the_wire_breaks_the_attempt() {
    let broken = |event: serde_json::Value| fails(&sse(&[start(), event])).0;
    assert_eq!(fails(b"data: hello\n\n").0, ErrorKind::Protocol);
    assert_eq!(fails(b"data: \xff\n\n").0, ErrorKind::Protocol);
    assert_eq!(broken(json!({"type": "content_block_start", "index": 0})), ErrorKind::Protocol);
    assert_eq!(broken(begin(0, json!({"type": "tool_use", "id": "a"}))), ErrorKind::Protocol);
    assert_eq!(broken(begin(0, json!({"type": "text", "text": 3}))), ErrorKind::Protocol);
    assert_eq!(broken(delta(0, json!({"type": "text_delta", "text": 3}))), ErrorKind::Protocol);
    assert_eq!(broken(delta(0, json!({"type": "input_json_delta", "partial_json": "{"}))), ErrorKind::Protocol);
    assert_eq!(broken(json!({"type": "message_delta", "usage": 3})), ErrorKind::Protocol);
    let mixed = [start(), begin(0, json!({"type": "thinking"})), delta(0, json!({"type": "text_delta", "text": "x"}))];
    assert_eq!(fails(&sse(&mixed)).0, ErrorKind::Protocol);
}

#[test]
fn tools_are_called_by_the_names_that_the_caller_gave_them() {
    let tool = |name: &str| Tool::Function {
        name: name.into(),
        description: None,
        parameters: None,
        strict: None,
        extra: Vec::new(),
    };
    let request = ChatRequest { tools: vec![tool("a.b"), tool("a_b"), tool("ok")], ..ChatRequest::default() };
    let encoded = encode_request(&request, "p", "m", &Dialect::of_model("m"));
    let body = body_of(&encoded);
    let names: Vec<_> = (0..3).map(|index| body["tools"][index]["name"].clone()).collect();
    assert_eq!(names, ["a_b_2", "a_b", "ok"]);
    for (sent, want) in [("a_b_2", "a.b"), ("a_b", "a_b"), ("ok", "ok")] {
        let block = json!({"type": "tool_use", "id": "c", "name": sent, "input": {}});
        let stream = sse(&answer([begin(0, block), stop(0)], "tool_use"));
        assert_eq!(decode(&encoded.names, [&stream[..]]).0[1], call(0, "c", want));
    }
}

#[test]
fn what_the_start_tells_of_the_prompt_is_said_before_the_content_and_in_all_at_the_end() {
    let mut events = answer(text_block(0, "hi"), "end_turn");
    events[0]["message"]["usage"] = json!({"input_tokens": 5, "cache_read_input_tokens": 70, "cache_creation_input_tokens": 8,
        "cache_creation": {"ephemeral_1h_input_tokens": 8}, "output_tokens": 1, "service_tier": "standard"});
    let mut decoder = AnthropicDecoder::new(ToolNames::default());
    decoder.handle_bytes(&sse(&events));
    let said: Vec<_> = std::iter::from_fn(|| decoder.poll_event()).collect();
    let counted = |output| {
        let usage = Usage { input: 5, cache_read: 70, cache_write_1h: 8, output, ..Usage::default() };
        ChatEvent::Usage(usage)
    };
    let tier = extra("/usage/service_tier", json!("standard"));
    let want = [started(), tier, counted(1), text("hi"), counted(7), finished(FinishReason::Stop)];
    assert_eq!(said, want, "the later count replaces the earlier one, and is not to be added to it");
}

#[test]
fn a_start_that_counts_nothing_says_no_count() {
    let mut events = answer(text_block(0, "hi"), "end_turn");
    events[0]["message"]["usage"] = json!({"input_tokens": 0, "output_tokens": 0});
    let mut decoder = AnthropicDecoder::new(ToolNames::default());
    decoder.handle_bytes(&sse(&events));
    let counts = std::iter::from_fn(|| decoder.poll_event()).filter(|event| matches!(event, ChatEvent::Usage(_)));
    assert_eq!(counts.count(), 1);
}
