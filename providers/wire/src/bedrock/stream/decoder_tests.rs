use serde_json::json;

use super::*;
use crate::{Part, fold::fold};

fn decode(events: impl IntoIterator<Item = ConverseEvent>) -> (Vec<ChatEvent>, StreamState) {
    let mut decoder = ConverseDecoder::new(ToolNames::default(), "req-1");
    events.into_iter().for_each(|event| decoder.handle_event(event));
    let said = std::iter::from_fn(|| decoder.poll_event()).collect();
    (said, decoder.state().clone())
}

fn text(block: i64, text: &str) -> ConverseEvent {
    ConverseEvent::Text { block, text: text.into() }
}

fn call(block: i64, id: &str) -> ConverseEvent {
    ConverseEvent::ToolUse { block, id: id.into(), name: "f".into(), server: false }
}

fn input(block: i64, json: &str) -> ConverseEvent {
    ConverseEvent::ToolInput { block, json: json.into() }
}

fn stop(reason: &str) -> ConverseEvent {
    ConverseEvent::Stopped { reason: reason.into(), fields: None }
}

fn end(block: i64) -> ConverseEvent {
    ConverseEvent::BlockStopped { block }
}

fn usage(counts: TokenCounts) -> ConverseEvent {
    ConverseEvent::Metadata { usage: Some(counts), more: vec![("/metrics/latencyMs", 5.into())] }
}

#[test]
fn an_answer_is_text_then_usage_then_its_end() {
    let counts = TokenCounts { input: 6, output: 3, cache_read: 9, cache_write: 8, cache_write_1h: 2 };
    let (said, state) = decode([
        ConverseEvent::Started,
        text(0, ""),
        text(0, "Hel"),
        text(0, "lo"),
        end(0),
        stop("end_turn"),
        usage(counts),
    ]);
    let usage = Usage { input: 6, output: 3, cache_read: 9, cache_write_5m: 6, cache_write_1h: 2, ..Usage::default() };
    let extra = Extra { wire: Wire::Bedrock, path: "/metrics/latencyMs".into(), json: 5.into() };
    let want = [
        ChatEvent::Started { id: "req-1".into(), model: String::new() },
        ChatEvent::Text { delta: "Hello".into() },
        ChatEvent::Extra(extra),
        ChatEvent::Usage(usage),
        ChatEvent::Finished { reason: FinishReason::Stop },
    ];
    assert_eq!(said, want);
    assert!(matches!(state, StreamState::Done));
}

#[test]
fn calls_side_by_side_keep_their_arguments_apart() {
    let (said, _) = decode([
        call(0, "a"),
        call(3, "a"),
        input(0, "{\"x\":"),
        input(3, "{}"),
        input(0, "1}"),
        end(3),
        end(0),
        call(4, ""),
        stop("tool_use"),
        usage(TokenCounts::default()),
    ]);
    let folded = fold(said, "p", "m");
    let of = |id: &str, arguments: &str| Part::ToolCall {
        id: id.into(),
        name: "f".into(),
        arguments: arguments.into(),
        kind: ToolCallKind::Function,
    };
    let want = [of("a", "{\"x\":1}"), of("tooluse_req-1_1", "{}"), of("tooluse_req-1_2", "")];
    assert_eq!((folded.message.parts.as_slice(), folded.finish), (&want[..], Some(FinishReason::ToolCalls)));
}

#[test]
fn reasoning_goes_back_with_what_it_is_signed_with() {
    let reasoning = |text: &str| ConverseEvent::Reasoning { block: 0, text: text.into() };
    let signature = |text: &str| ConverseEvent::Signature { block: 0, text: text.into() };
    let (said, _) =
        decode([reasoning("hm, "), reasoning("yes"), signature("s1"), signature("s2"), end(0), text(1, "Yes.")]);
    let block = json!({"reasoningContent": {"reasoningText": {"text": "hm, yes", "signature": "s1s2"}}});
    let want = [
        ChatEvent::Started { id: "req-1".into(), model: String::new() },
        ChatEvent::Thinking { delta: "hm, yes".into() },
        ChatEvent::Opaque { data: block },
        ChatEvent::Text { delta: "Yes.".into() },
    ];
    assert_eq!(said, want);
    let (unsigned, _) = decode([reasoning("hm"), end(0)]);
    assert_eq!(unsigned[1..], [ChatEvent::Thinking { delta: "hm".into() }]);
    let redacted = ConverseEvent::Redacted { block: 0, data: "UkVE".into() };
    let (hidden, _) = decode([redacted, end(0)]);
    assert_eq!(hidden[1..], [ChatEvent::Opaque { data: json!({"reasoningContent": {"redactedContent": "UkVE"}}) }]);
}

#[test]
fn tools_of_the_provider_are_not_the_callers_to_run() {
    let server = ConverseEvent::ToolUse { block: 0, id: "s".into(), name: "nova_grounding".into(), server: true };
    let start = json!({"toolUseId": "s", "status": "success"}).as_object().cloned().unwrap();
    let (said, _) = decode([
        server,
        input(0, "{\"q\":1}"),
        end(0),
        ConverseEvent::ToolResult { block: 1, start },
        ConverseEvent::ToolResultContent { block: 1, content: vec![json!({"text": "found"})] },
        end(1),
        stop("end_turn"),
        usage(TokenCounts::default()),
    ]);
    let data: Vec<_> =
        said.iter().filter_map(|e| if let ChatEvent::Opaque { data } = e { Some(data) } else { None }).collect();
    let call =
        json!({"toolUse": {"toolUseId": "s", "name": "nova_grounding", "input": {"q": 1}, "type": "server_tool_use"}});
    let result = json!({"toolResult": {"toolUseId": "s", "status": "success", "content": [{"text": "found"}]}});
    assert_eq!(data, [&call, &result]);
    assert_eq!(said.last(), Some(&ChatEvent::Finished { reason: FinishReason::Stop }));
}

#[test]
fn reasons_are_told_in_the_words_of_the_language() {
    let rows = [
        ("end_turn", FinishReason::Stop),
        ("stop_sequence", FinishReason::Stop),
        ("tool_use", FinishReason::ToolCalls),
        ("max_tokens", FinishReason::Length),
        ("model_context_window_exceeded", FinishReason::Length),
        ("guardrail_intervened", FinishReason::ContentFilter),
        ("content_filtered", FinishReason::ContentFilter),
        ("new", FinishReason::Other("new".into())),
    ];
    for (word, reason) in rows {
        let (said, _) = decode([stop(word), usage(TokenCounts::default())]);
        assert_eq!(said.last(), Some(&ChatEvent::Finished { reason }), "{word}");
    }
    for word in ["malformed_model_output", "malformed_tool_use"] {
        let (_, state) = decode([text(0, "x"), stop(word)]);
        let StreamState::Failed(error) = state else { panic!("{word}") };
        assert_eq!((error.kind, error.details.code.as_deref()), (ErrorKind::Protocol, Some(word)));
    }
}

#[test]
fn an_answer_that_is_cut_is_no_success_and_one_without_its_usage_is() {
    let mut decoder = ConverseDecoder::new(ToolNames::default(), "");
    decoder.handle_event(text(0, "x"));
    decoder.handle_end();
    assert!(matches!(decoder.state(), StreamState::Failed(error) if error.kind == ErrorKind::Protocol));
    let mut decoder = ConverseDecoder::new(ToolNames::default(), "");
    decoder.handle_event(stop("end_turn"));
    assert!(matches!(decoder.state(), StreamState::Finishing));
    decoder.handle_end();
    assert!(matches!(decoder.state(), StreamState::Done));
}

#[test]
fn deltas_that_fit_nowhere_break_the_answer_and_unknown_events_do_not() {
    for events in [vec![input(0, "{}")], vec![text(0, "x"), input(0, "{}")], vec![call(0, "a"), text(0, "x")]] {
        let (_, state) = decode(events);
        assert!(matches!(state, StreamState::Failed(error) if error.kind == ErrorKind::Protocol));
    }
    let (said, state) = decode([ConverseEvent::Unknown]);
    assert!(said.is_empty() && matches!(state, StreamState::Open));
    let (_, state) = decode((0..2000).map(|block| call(block, "a")));
    assert!(matches!(state, StreamState::Failed(_)), "what is open at a time is bounded");
}
