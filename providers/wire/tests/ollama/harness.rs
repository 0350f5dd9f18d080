//! Feeding the decoder, and short words for what comes out.

use greenroom_wire::{
    ChatError, ChatEvent, ErrorKind, FinishReason, StreamDecoder, StreamState, Usage,
    chat::{Extra, ToolCallKind, Wire},
    ollama::OllamaDecoder,
};
use serde_json::{Value, json};

pub(crate) type Outcome = (Vec<ChatEvent>, Option<ChatError>);

/// A stream of these lines.
pub(crate) fn ndjson(lines: &[Value]) -> Vec<u8> {
    lines.iter().flat_map(|line| format!("{line}\n").into_bytes()).collect()
}

/// A line with this message.
pub(crate) fn line(mut message: Value) -> Value {
    message["role"] = "assistant".into();
    json!({"model": "m", "created_at": "2026-01-02T03:04:05.6Z", "message": message, "done": false})
}

/// The last line, with a count of its tokens.
pub(crate) fn done(reason: &str) -> Value {
    json!({"model": "m", "created_at": "2026-01-02T03:04:06Z", "message": {"role": "assistant", "content": ""},
        "done": true, "done_reason": reason, "prompt_eval_count": 5, "eval_count": 2})
}

pub(crate) fn decode<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
    let mut decoder = OllamaDecoder::new();
    let mut events = Vec::new();
    for piece in pieces {
        decoder.handle_bytes(piece);
        events.extend(std::iter::from_fn(|| decoder.poll_event()));
    }
    decoder.handle_end();
    events.extend(std::iter::from_fn(|| decoder.poll_event()));
    let error = match decoder.state() {
        StreamState::Failed(error) => Some(error.clone()),
        StreamState::Done => None,
        state => panic!("after the end a decoder is done or failed, not {state:?}"),
    };
    (merged(events), error)
}

/// Reads a stream whole, cut in two at every byte, and byte by byte, and checks that it is always the same.
pub(crate) fn read_bytes(stream: &[u8]) -> Outcome {
    let whole = decode([stream]);
    let same = |outcome: Outcome, how: &str| {
        assert_eq!(outcome.0, whole.0, "{how}");
        assert_eq!(outcome.1.map(|error| error.kind), whole.1.as_ref().map(|error| error.kind), "{how}");
    };
    for at in 1..stream.len() {
        let (one, two) = stream.split_at(at);
        same(decode([one, two]), &format!("cut at {at}"));
    }
    same(decode(stream.chunks(1)), "byte by byte");
    whole
}

/// The events of a stream that succeeds.
pub(crate) fn read(lines: &[Value]) -> Vec<ChatEvent> {
    let (events, error) = read_bytes(&ndjson(lines));
    assert!(error.is_none(), "{error:?}");
    events
}

/// The kind of failure of a stream that fails, and what came before it.
pub(crate) fn fails(stream: &[u8]) -> (ErrorKind, Vec<ChatEvent>) {
    let (events, error) = read_bytes(stream);
    (error.expect("the stream fails").kind, events)
}

/// With neighbouring deltas merged.
pub(crate) fn merged(events: Vec<ChatEvent>) -> Vec<ChatEvent> {
    let mut merged: Vec<ChatEvent> = Vec::new();
    for event in events {
        match (merged.last_mut(), &event) {
            (Some(ChatEvent::Text { delta }), ChatEvent::Text { delta: more })
            | (Some(ChatEvent::Thinking { delta }), ChatEvent::Thinking { delta: more }) => delta.push_str(more),
            _ => merged.push(event),
        }
    }
    merged
}

pub(crate) fn started() -> ChatEvent {
    ChatEvent::Started { id: String::new(), model: "m".into() }
}

pub(crate) fn text(delta: &str) -> ChatEvent {
    ChatEvent::Text { delta: delta.into() }
}

pub(crate) fn thinking(delta: &str) -> ChatEvent {
    ChatEvent::Thinking { delta: delta.into() }
}

/// A whole call.
pub(crate) fn call(index: u32, id: &str, name: &str, arguments: &str) -> Vec<ChatEvent> {
    let mut events =
        vec![ChatEvent::ToolCallStarted { index, id: id.into(), name: name.into(), kind: ToolCallKind::Function }];
    if !arguments.is_empty() {
        events.push(ChatEvent::ToolCallArgs { index, delta: arguments.into() });
    }
    events.push(ChatEvent::ToolCallDone { index });
    events
}

pub(crate) fn extra(path: &str, json: Value) -> ChatEvent {
    ChatEvent::Extra(Extra { wire: Wire::Ollama, path: path.into(), json })
}

pub(crate) fn usage(input: u64, output: u64) -> ChatEvent {
    ChatEvent::Usage(Usage { input, output, ..Usage::default() })
}

pub(crate) fn finished(reason: FinishReason) -> ChatEvent {
    ChatEvent::Finished { reason }
}

pub(crate) fn stopped() -> ChatEvent {
    finished(FinishReason::Stop)
}
