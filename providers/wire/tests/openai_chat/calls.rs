//! Tool calls, as the many servers cut and number them.

use greenroom_wire::{ChatEvent, ErrorKind, FinishReason, chat::ToolCallKind};
use serde_json::{Value, json};

use crate::harness::*;

fn calls(list: Value) -> Value {
    delta(json!({"tool_calls": list}))
}

/// What a stream of these chunks calls, without its start and its end, which is always for tools.
fn read_calls(mut chunks: Vec<Value>, reason: &str) -> Vec<ChatEvent> {
    chunks.push(end(reason));
    let mut events = read(&chunks);
    assert_eq!(events.remove(0), started());
    assert_eq!(events.pop(), Some(finished(FinishReason::ToolCalls)));
    events
}

#[test]
fn openais_own() {
    let events = read_calls(
        vec![
            calls(json!([{"index": 0, "id": "c0", "type": "function", "function": {"name": "f", "arguments": ""}}])),
            calls(json!([{"index": 0, "function": {"arguments": "{\"a\""}}])),
            calls(json!([{"index": 0, "function": {"arguments": ":1}"}}])),
            calls(json!([{"index": 1, "id": "c1", "type": "function", "function": {"name": "g", "arguments": ""}}])),
            calls(json!([{"index": 1, "function": {"arguments": "{}"}}])),
        ],
        "tool_calls",
    );
    let want = [call(0, "c0", "f"), args(0, "{\"a\":1}"), called(0), call(1, "c1", "g"), args(1, "{}"), called(1)];
    assert_eq!(events, want);
}

#[test]
fn stop_with_calls_is_for_tools_and_no_arguments_are_none() {
    let first = json!([{"index": 0, "id": "c", "function": {"name": "f", "arguments": ""}}]);
    assert_eq!(read_calls(vec![calls(first)], "stop"), [call(0, "c", "f"), called(0)]);
}

#[test]
fn a_call_cut_by_length_is_as_long_as_it_got() {
    let first = json!([{"index": 0, "id": "c", "function": {"name": "f", "arguments": "{\"a"}}]);
    let events = read(&[calls(first), end("length")]);
    assert_eq!(events[1..], [call(0, "c", "f"), args(0, "{\"a"), called(0), finished(FinishReason::Length)]);
}

#[test]
fn sparse_numbers_become_dense() {
    let list = json!([{"index": 3, "id": "c", "function": {"name": "f", "arguments": "{}"}},
        {"index": 7, "id": "d", "function": {"name": "g", "arguments": "{}"}}]);
    let want = [call(0, "c", "f"), args(0, "{}"), called(0), call(1, "d", "g"), args(1, "{}"), called(1)];
    assert_eq!(read_calls(vec![calls(list)], "tool_calls"), want);
}

#[test]
fn without_numbers_an_id_or_a_name_begins_one() {
    let whole = json!([{"id": "c", "function": {"name": "f", "arguments": "{}"}},
        {"id": "d", "function": {"name": "g", "arguments": "{"}}]);
    let want = [call(0, "c", "f"), args(0, "{}"), called(0), call(1, "d", "g"), args(1, "{}"), called(1)];
    let rest = json!([{"function": {"arguments": "}"}}]);
    assert_eq!(read_calls(vec![calls(whole), calls(rest)], "tool_calls"), want);
    let names = json!([{"function": {"name": "f", "arguments": "{}"}}, {"function": {"name": "f", "arguments": "{}"}}]);
    let want = [call(0, "call_a_0", "f"), args(0, "{}"), called(0), call(1, "call_a_1", "f"), args(1, "{}"), called(1)];
    assert_eq!(read_calls(vec![calls(names)], "tool_calls"), want);
}

#[test]
fn one_number_for_all_calls_is_seen_through() {
    let one = |id: &str| json!([{"index": 0, "id": id, "function": {"name": "f", "arguments": "{}"}}]);
    let want = [call(0, "c", "f"), args(0, "{}"), called(0), call(1, "d", "f"), args(1, "{}"), called(1)];
    assert_eq!(read_calls(vec![calls(one("c")), calls(one("d"))], "stop"), want);
    let bare = || json!([{"index": 0, "function": {"name": "f", "arguments": "{}"}}]);
    let want = [call(0, "call_a_0", "f"), args(0, "{}"), called(0), call(1, "call_a_1", "f"), args(1, "{}"), called(1)];
    assert_eq!(read_calls(vec![calls(bare()), calls(bare())], "stop"), want);
}

#[test]
fn ids_and_names_that_are_repeated_begin_nothing() {
    let piece = |arguments: &str| json!([{"index": 0, "id": "c", "function": {"name": "f", "arguments": arguments}}]);
    let want = [call(0, "c", "f"), args(0, "{}"), called(0)];
    assert_eq!(read_calls(vec![calls(piece("{")), calls(piece("}"))], "tool_calls"), want);
    let hollow = json!([{"index": 0, "id": "", "function": {"name": "", "arguments": "}"}}]);
    assert_eq!(read_calls(vec![calls(piece("{")), calls(hollow)], "tool_calls"), want);
}

#[test]
fn ids_are_never_the_same() {
    let list = json!([{"index": 0, "id": "c", "function": {"name": "f", "arguments": "{}"}},
        {"index": 1, "id": "c", "function": {"name": "g", "arguments": "{}"}}]);
    let events = read_calls(vec![calls(list)], "tool_calls");
    assert_eq!((&events[0], &events[3]), (&call(0, "c", "f"), &call(1, "call_a_1", "g")));
}

#[test]
fn a_name_may_come_late() {
    let events = read_calls(
        vec![
            calls(json!([{"index": 0, "id": "c"}])),
            calls(json!([{"index": 0, "function": {"arguments": "{"}}])),
            calls(json!([{"index": 0, "function": {"name": "f", "arguments": "}"}}])),
        ],
        "tool_calls",
    );
    assert_eq!(events, [call(0, "c", "f"), args(0, "{}"), called(0)]);
    let nameless = sse(&[calls(json!([{"index": 0, "id": "c"}])), end("tool_calls")]);
    assert_eq!(fails(&nameless).0, ErrorKind::Protocol);
}

#[test]
fn arguments_without_a_call_fail() {
    let stray = sse(&[calls(json!([{"function": {"arguments": "{"}}])), end("tool_calls")]);
    assert_eq!(fails(&stray).0, ErrorKind::Protocol);
    let late = sse(&[
        calls(json!([{"index": 0, "id": "c", "function": {"name": "f", "arguments": "{}"}}])),
        calls(json!([{"index": 1, "id": "d", "function": {"name": "f"}}])),
        calls(json!([{"index": 0, "function": {"arguments": "{"}}])),
        end("tool_calls"),
    ]);
    assert_eq!(fails(&late).0, ErrorKind::Protocol);
    let empty = calls(json!([{"index": 0, "function": {"arguments": ""}}, {}]));
    assert_eq!(read(&[empty, end("stop")]), [started(), stopped()]);
}

#[test]
fn calls_in_turns_do_not_mix() {
    let begin = json!([{"index": 0, "id": "c", "function": {"name": "f", "arguments": ""}},
        {"index": 1, "id": "d", "function": {"name": "g", "arguments": "{\"a\":\"}\\\""}}]);
    let more = |index: u32, arguments: &str| calls(json!([{"index": index, "function": {"arguments": arguments}}]));
    let events = read_calls(vec![calls(begin), more(0, "{"), more(1, "\"}"), more(0, "}")], "tool_calls");
    assert_eq!(
        events,
        [
            call(0, "c", "f"),
            call(1, "d", "g"),
            args(1, "{\"a\":\"}\\\""),
            args(0, "{"),
            args(1, "\"}"),
            args(0, "}"),
            called(0),
            called(1),
        ]
    );
}

#[test]
fn arguments_may_be_an_object() {
    let list = json!([{"index": 0, "id": "c", "function": {"name": "f", "arguments": {"b": 1, "a": [2]}}}]);
    assert_eq!(read_calls(vec![calls(list)], "stop")[1], args(0, "{\"b\":1,\"a\":[2]}"));
}

#[test]
fn custom_tools_take_text() {
    let events = read_calls(
        vec![
            calls(json!([{"index": 0, "id": "c", "type": "custom", "custom": {"name": "f", "input": ""}}])),
            calls(json!([{"index": 0, "custom": {"input": "free text"}}])),
        ],
        "tool_calls",
    );
    let begun = ChatEvent::ToolCallStarted { index: 0, id: "c".into(), name: "f".into(), kind: ToolCallKind::Custom };
    assert_eq!(events, [begun, args(0, "free text"), called(0)]);
}

#[test]
fn the_legacy_function_is_a_call() {
    let piece = |function: Value| delta(json!({"content": null, "role": null, "function_call": function}));
    let events = read_calls(
        vec![
            piece(json!({"name": "f", "arguments": ""})),
            piece(json!({"arguments": "{"})),
            piece(json!({"arguments": "}"})),
        ],
        "function_call",
    );
    assert_eq!(events, [call(0, "call_a_0", "f"), args(0, "{}"), called(0)]);
}

#[test]
fn what_a_call_says_besides_is_kept() {
    let list = json!([{"index": 0, "id": "c", "function": {"name": "f", "arguments": "{}"}, "caller": "x",
        "extra_content": {"google": {"thought_signature": "s"}}}]);
    assert_eq!(
        read_calls(vec![calls(list)], "tool_calls"),
        [
            call(0, "c", "f"),
            args(0, "{}"),
            extra("/choices/0/delta/tool_calls/0/caller", json!("x")),
            opaque(json!({"extra_content": {"google": {"thought_signature": "s"}}, "tool_call": 0})),
            called(0),
        ]
    );
}

#[test]
fn calls_of_merged_choices_do_not_mix() {
    let at = |choice: u32, id: &str| {
        json!({"id": "a", "model": "m", "choices": [{"index": choice, "delta": {"tool_calls":
            [{"index": 0, "id": id, "function": {"name": "f", "arguments": "{}"}}]}}]})
    };
    let text_first =
        json!({"id": "a", "model": "m", "choices": [{"index": 0, "delta": {"content": "x"}, "finish_reason": "stop"}]});
    let events = read(&[text_first, at(1, "c"), at(2, "d"), end("tool_calls")]);
    let want = [text("x"), call(0, "c", "f"), args(0, "{}"), called(0), call(1, "d", "f"), args(1, "{}"), called(1)];
    assert_eq!(events[1..events.len() - 1], want);
}
