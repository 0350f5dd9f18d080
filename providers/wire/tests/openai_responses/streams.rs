//! Streams of answers.

use greenroom_wire::{ChatEvent, ErrorKind, FinishReason, Usage, chat::ToolCallKind, openai_responses::ToolNames};
use serde_json::json;

use crate::harness::*;

#[test]
fn a_plain_answer_is_read() {
    let (events, reason) = read_content(message(0, "msg_1", "Hé\u{2028}llo"));
    assert_eq!(events, [text("Hé\u{2028}llo"), message_fields("msg_1")]);
    assert_eq!(reason, FinishReason::Stop);
}

#[test]
fn how_an_item_begins_is_said_before_what_it_says() {
    let mut said = message(1, "msg_1", "hi");
    said[0]["item"]["phase"] = "commentary".into();
    let thought = json!({"type": "reasoning", "id": "rs_1", "summary": []});
    let events = [&[added(0, thought.clone()), done(0, thought)][..], &said, &call_begins(2, 7, "{}")].concat();
    let (events, error, _) = decode_all(&ToolNames::default(), [&sse(&answer(events))[..]]);
    assert!(error.is_none(), "{error:?}");
    let heads: Vec<_> = events.iter().enumerate().filter(|(_, event)| is_head(event)).collect();
    let want = [
        (1, extra("/output/0", json!({"type": "reasoning", "id": "rs_1"}))),
        (3, extra("/output/1", json!({"type": "message", "id": "msg_1", "phase": "commentary"}))),
        (6, extra("/output/2", json!({"type": "function_call", "id": "fc_7", "call_id": "call_7"}))),
    ];
    assert_eq!(heads, want.iter().map(|(at, event)| (*at, event)).collect::<Vec<_>>());
}

#[test]
fn what_only_repeats_the_request_is_not_said() {
    let end = json!({"type": "response.completed", "copilot_usage": {"total_nano_aiu": 1}, "response": {
        "id": "resp_1", "model": "m", "status": "completed", "object": "response", "instructions": "brief",
        "tools": [{"type": "web_search"}], "temperature": 1.0, "store": false, "service_tier": "default",
        "odd/key": [1], "output": [], "usage": {"input_tokens": 9, "input_tokens_details": {"cached_tokens": 4,
        "cache_write_tokens": 2}, "output_tokens": 7, "output_tokens_details": {"reasoning_tokens": 3}, "cost": 0.5}}});
    let events = read(&[&[created()][..], &message(0, "msg_1", "hi"), &[end]].concat());
    assert_eq!(
        events[3..],
        [
            extra("/service_tier", json!("default")),
            extra("/odd~1key", json!([1])),
            extra("/copilot_usage", json!({"total_nano_aiu": 1})),
            extra("/usage/cost", json!(0.5)),
            ChatEvent::Usage(Usage {
                input: 3,
                output: 7,
                reasoning: 3,
                cache_read: 4,
                cache_write_5m: 2,
                cost: Some(500_000_000_000),
                ..Usage::default()
            }),
            finished(FinishReason::Stop),
        ]
    );
}

#[test]
fn parallel_calls_are_told_apart_by_their_place() {
    let events = [
        call_begins(1, 0, "{\"a\""),
        call_begins(2, 1, "{\"b\""),
        vec![
            of_item("function_call_arguments.delta", 1, json!({"delta": ":1}"})),
            of_item("function_call_arguments.delta", 2, json!({"delta": ":2}"})),
            of_item("function_call_arguments.done", 1, json!({"arguments": "{\"a\":1}"})),
            done(1, call_item(0, "{\"a\":1}")),
            done(2, call_item(1, "{\"b\":2}")),
        ],
    ]
    .concat();
    let (events, reason) = read_content(events);
    assert_eq!(
        events,
        [
            call(0, "call_0", "f"),
            args(0, "{\"a\""),
            call(1, "call_1", "f"),
            args(1, "{\"b\""),
            args(0, ":1}"),
            args(1, ":2}"),
            called(0),
            call_fields(0),
            called(1),
            call_fields(1),
        ]
    );
    assert_eq!(reason, FinishReason::ToolCalls);
}

#[test]
fn arguments_that_come_only_at_the_end_are_said_once() {
    let by_done = vec![
        added(0, call_item(0, "")),
        of_item("function_call_arguments.done", 0, json!({"arguments": "{\"a\":1}"})),
        done(0, call_item(0, "{\"a\":1}")),
    ];
    let by_item = vec![done(0, call_item(0, "{\"a\":1}"))];
    for events in [by_done, by_item] {
        let (events, _) = read_content(events);
        assert_eq!(events, [call(0, "call_0", "f"), args(0, "{\"a\":1}"), called(0), call_fields(0)]);
    }
}

#[test]
fn a_custom_tool_takes_text() {
    let item = |input: &str| json!({"type": "custom_tool_call", "call_id": "call_0", "name": "g", "input": input});
    let events = vec![
        added(0, item("")),
        of_item("custom_tool_call_input.delta", 0, json!({"delta": "4 + "})),
        of_item("custom_tool_call_input.delta", 0, json!({"delta": "4"})),
        of_item("custom_tool_call_input.done", 0, json!({"input": "4 + 4"})),
        done(0, item("4 + 4")),
    ];
    let (events, reason) = read_content(events);
    let started =
        ChatEvent::ToolCallStarted { index: 0, id: "call_0".into(), name: "g".into(), kind: ToolCallKind::Custom };
    assert_eq!(events, [started, args(0, "4 + 4"), called(0)]);
    assert_eq!(reason, FinishReason::ToolCalls);
}

#[test]
fn calls_have_ids_of_their_own_and_the_names_that_were_asked_for() {
    let item = |id: &str| json!({"type": "function_call", "call_id": id, "name": "f", "arguments": "{}"});
    let events = [done(0, item("same")), done(1, item("same")), done(2, item(""))];
    let (events, _) = read_content(events);
    let ids: Vec<_> = events
        .iter()
        .filter_map(|event| if let ChatEvent::ToolCallStarted { id, .. } = event { Some(id.as_str()) } else { None })
        .collect();
    assert_eq!(ids, ["same", "call_resp1_1", "call_resp1_2"]);
}

#[test]
fn reasoning_is_thought_and_goes_back_whole() {
    let item = |hidden: &str, summary: serde_json::Value| json!({"id": "rs_1", "type": "reasoning", "summary": summary, "encrypted_content": hidden});
    let whole =
        item("final", json!([{"type": "summary_text", "text": "one"}, {"type": "summary_text", "text": "two"}]));
    let delta = |part: u32, text: &str| {
        of_item("reasoning_summary_text.delta", 0, json!({"summary_index": part, "delta": text}))
    };
    let streamed = vec![
        added(0, item("early", json!([]))),
        of_item("reasoning_summary_part.added", 0, json!({"summary_index": 0, "part": {"type": "summary_text"}})),
        delta(0, "o"),
        delta(0, "ne"),
        of_item("reasoning_summary_text.done", 0, json!({"summary_index": 0, "text": "one"})),
        delta(1, "two"),
        done(0, whole.clone()),
    ];
    for events in [streamed, vec![done(0, whole.clone())]] {
        let (events, _) = read_content(events.into_iter().chain(message(1, "msg_1", "hi")));
        let want = [thinking("one\n\ntwo"), opaque(json!({"item": whole})), text("hi"), message_fields("msg_1")];
        assert_eq!(events, want);
    }
}

#[test]
fn reasoning_in_the_clear_is_said_once() {
    let item = json!({"type": "reasoning", "summary": [{"type": "summary_text", "text": "short"}],
        "content": [{"type": "reasoning_text", "text": "long"}]});
    let events = vec![
        added(0, json!({"type": "reasoning", "summary": []})),
        of_item("reasoning_text.delta", 0, json!({"content_index": 0, "delta": "long"})),
        of_item("reasoning_summary_text.delta", 0, json!({"summary_index": 0, "delta": "short"})),
        done(0, item.clone()),
    ];
    let (events, _) = read_content(events);
    assert_eq!(events, [thinking("long"), opaque(json!({"item": item}))]);
}

#[test]
fn items_may_be_made_at_the_same_time() {
    // As OpenRouter does.
    let reasoning = json!({"type": "reasoning", "id": "rs_1", "encrypted_content": "x", "summary": []});
    let events = vec![
        added(0, message_item("msg_1", json!([]))),
        text_delta(0, "a"),
        added(1, json!({"type": "reasoning", "id": "rs_1", "summary": []})),
        text_delta(0, "b"),
        done(0, message_item("msg_1", json!([output_text("ab")]))),
        done(1, reasoning.clone()),
    ];
    let (events, _) = read_content(events);
    assert_eq!(events, [text("ab"), message_fields("msg_1"), opaque(json!({"item": reasoning}))]);
}

#[test]
fn the_phase_of_a_message_goes_back() {
    let mut item = message_item("msg_1", json!([output_text("wait")]));
    item["phase"] = "commentary".into();
    let events = [vec![text_delta(0, "wait"), done(0, item)], message(1, "msg_2", "done")].concat();
    let (events, _) = read_content(events);
    let fields = json!({"message": {"id": "msg_1", "status": "completed", "phase": "commentary"}});
    assert_eq!(events, [text("wait"), opaque(fields), text("done"), message_fields("msg_2")]);
}

#[test]
fn sources_are_told_once_and_stand_beside_their_text() {
    let source = |url: &str| json!({"type": "url_citation", "url": url, "start_index": 0, "end_index": 2});
    let part = json!({"type": "output_text", "text": "hi", "annotations": [source("a"), source("b")]});
    let events = vec![
        added(0, message_item("msg_1", json!([]))),
        text_delta(0, "hi"),
        of_item(
            "output_text.annotation.added",
            0,
            json!({"content_index": 0, "annotation_index": 0, "annotation": source("a")}),
        ),
        done(0, message_item("msg_1", json!([part]))),
    ];
    let (events, _) = read_content(events);
    let fields =
        json!({"id": "msg_1", "status": "completed", "content": [{"annotations": [source("a"), source("b")]}]});
    assert_eq!(
        events,
        [
            text("hi"),
            ChatEvent::Citation { json: source("a") },
            ChatEvent::Citation { json: source("b") },
            opaque(json!({"message": fields})),
        ]
    );
}

#[test]
fn a_refusal_is_no_text() {
    let content = json!([{"type": "refusal", "refusal": "I can't."}]);
    let events = vec![
        added(0, message_item("msg_1", json!([]))),
        of_item("refusal.delta", 0, json!({"content_index": 0, "delta": "I can't."})),
        of_item("refusal.done", 0, json!({"content_index": 0, "refusal": "I can't."})),
        done(0, message_item("msg_1", content)),
    ];
    let (events, reason) = read_content(events);
    assert_eq!(events, [ChatEvent::Refusal { delta: "I can't.".into() }, message_fields("msg_1")]);
    assert_eq!(reason, FinishReason::Refusal);
}

#[test]
fn an_empty_refusal_refuses_nothing() {
    let delta = of_item("refusal.delta", 0, json!({"content_index": 0, "delta": ""}));
    let item = message_item("msg_1", json!([{"type": "refusal", "refusal": ""}]));
    assert_eq!(read_content([delta, done(0, item)]), (vec![], FinishReason::Stop));
}

#[test]
fn the_providers_own_tools_go_back_and_are_counted() {
    let search = json!({"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"query": "q"}});
    let image = json!({"type": "image_generation_call", "id": "ig_1", "result": "AAAA", "output_format": "webp"});
    let odd = json!({"type": "unheard_of", "id": "x", "thing": [1]});
    let events = vec![
        added(0, json!({"type": "web_search_call", "id": "ws_1"})),
        of_item("web_search_call.searching", 0, json!({})),
        done(0, search.clone()),
        of_item("image_generation_call.partial_image", 1, json!({"partial_image_b64": "AA"})),
        done(1, image.clone()),
        done(2, odd.clone()),
    ];
    let events = read(&answer(events));
    let searching = extra("/output/0/events", json!({"type": "response.web_search_call.searching"}));
    assert_eq!(events[1], searching, "how far a tool has come is said of items that have begun");
    let events = without_progress(events);
    assert_eq!(
        events[1..5],
        [
            opaque(json!({"item": search})),
            ChatEvent::Media { media_type: "image/webp".into(), data: "AAAA".into() },
            opaque(json!({"item": image})),
            opaque(json!({"item": odd})),
        ]
    );
    let ChatEvent::Usage(usage) = &events[5] else { panic!("usage is told") };
    let ran: Vec<_> = usage.server_tools.iter().map(|(tool, count)| (tool.as_str(), *count)).collect();
    assert_eq!(ran, [("image_generation", 1), ("web_search", 1)]);
}

#[test]
fn unknown_events_are_skipped_and_counted() {
    let odd = json!({"type": "response.unheard_of.delta", "delta": {"deep": 1}, "output_index": "no"});
    let bare = json!({"hello": 1});
    let stream = sse(&[&[created(), odd, bare][..], &message(0, "msg_1", "hi"), &[completed()]].concat());
    let (events, error, skipped) = read_of(&stream);
    assert!(error.is_none(), "{error:?}");
    assert_eq!((events.len(), skipped), (5, 2));
}

#[test]
fn an_answer_that_ends_early_says_why() {
    for (word, reason) in [
        ("max_output_tokens", FinishReason::Length),
        ("content_filter", FinishReason::ContentFilter),
        ("odd", FinishReason::Other("odd".into())),
    ] {
        let cut = [&[created()][..], &call_begins(0, 0, "{\"a\":"), &[incomplete(word)]].concat();
        let events = read(&cut);
        let want = [started(), call(0, "call_0", "f"), args(0, "{\"a\":"), called(0), usage(5, 7), finished(reason)];
        assert_eq!(events, want);
    }
}

#[test]
fn items_that_only_the_end_says_are_read() {
    let mut end = completed();
    end["response"]["output"] = json!([message_item("msg_1", json!([output_text("hi")])), call_item(0, "{}")]);
    let events = read(&[created(), end]);
    let want = [text("hi"), message_fields("msg_1"), call(0, "call_0", "f"), args(0, "{}"), called(0), call_fields(0)];
    assert_eq!(events[1..7], want);
    assert_eq!(events[8], finished(FinishReason::ToolCalls));
}

#[test]
fn frames_may_have_no_names_and_a_marker_after_them() {
    let lines = |event: &serde_json::Value| format!(": OPENROUTER PROCESSING\n\ndata:{event}\r\n\r\n").into_bytes();
    let events = answer(message(0, "msg_1", "hi"));
    let mut stream: Vec<u8> = events.iter().flat_map(lines).collect();
    stream.extend_from_slice(b"data: [DONE]\n\n");
    assert_eq!(read_of(&stream).0, read(&events));
    // A last event without the blank line after it counts as well.
    let stream = sse(&events);
    assert_eq!(read_of(&stream[..stream.len() - 2]).0, read(&events));
}

#[test]
fn an_answer_that_is_cut_has_failed() {
    let events = answer(message(0, "msg_1", "hi"));
    let (kind, said) = fails(&sse(&events[..4]));
    assert_eq!((kind, said), (ErrorKind::Protocol, vec![started(), text("hi")]));
    let marked = [&sse(&events[..4])[..], b"data: [DONE]\n\n"].concat();
    assert_eq!(fails(&marked).0, ErrorKind::Protocol);
    assert_eq!(fails(b"").0, ErrorKind::Protocol);
}

#[test]
fn broken_events_fail_the_answer() {
    let broken = [
        "{\"type\":\"response.output_text.delta\",\"delta\":",
        "{\"type\":\"response.output_text.delta\",\"delta\":7}",
        "{\"type\":\"response.output_text.delta\",\"output_index\":-1,\"delta\":\"x\"}",
        "{\"type\":\"response.output_item.added\",\"output_index\":0}",
        "{\"type\":\"response.output_item.added\",\"output_index\":0,\"item\":7}",
        "{\"type\":\"response.output_item.done\",\"output_index\":0,\"item\":{\"type\":\"message\",\"content\":7}}",
        "{\"type\":\"response.output_item.added\",\"item\":{\"type\":\"function_call\",\"call_id\":\"c\"}}",
        "{\"type\":\"response.function_call_arguments.delta\",\"output_index\":9,\"delta\":\"{\"}",
        "{\"type\":\"response.completed\"}",
        "{\"type\":\"response.completed\",\"response\":{\"status\":\"completed\",\"usage\":[]}}",
        "[1]",
        "nonsense",
    ];
    for data in broken {
        let stream = [&sse(&[created()])[..], format!("data: {data}\n\n").as_bytes()].concat();
        let (kind, said) = fails(&stream);
        assert_eq!((kind, said), (ErrorKind::Protocol, vec![started()]), "{data}");
    }
    let foreign = [vec![created()], call_begins(0, 0, "{"), vec![text_delta(0, "x")]].concat();
    assert_eq!(fails(&sse(&foreign)).0, ErrorKind::Protocol);
    let other = [vec![created()], call_begins(0, 0, "{"), vec![done(0, message_item("m", json!([])))]].concat();
    assert_eq!(fails(&sse(&other)).0, ErrorKind::Protocol);
}

#[test]
fn bytes_that_are_no_text_fail_the_answer() {
    let mut stream = sse(&[created()]);
    stream.extend_from_slice(b"data: {\"type\":\"response.output_text.delta\",\"delta\":\"\xff\xfe\"}\n\n");
    stream.extend_from_slice(&sse(&[completed()]));
    let (kind, events) = fails(&stream);
    assert_eq!((kind, events), (ErrorKind::Protocol, vec![started()]));
}
