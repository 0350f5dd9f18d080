//! Feeding the decoder, and short words for what comes out.

use greenroom_wire::{
    ChatError, ChatEvent, ErrorKind, FinishReason, StreamDecoder, StreamState, Usage,
    chat::{Extra, ToolCallKind, Wire},
    openai_chat::OpenaiChatDecoder,
};
use serde_json::{Value, json};

pub(crate) type Outcome = (Vec<ChatEvent>, Option<ChatError>);

/// A stream of these chunks, ended by `[DONE]`.
pub(crate) fn sse(chunks: &[Value]) -> Vec<u8> {
    let mut stream = cut(chunks);
    stream.extend_from_slice(b"data: [DONE]\n\n");
    stream
}

/// The same without an end.
pub(crate) fn cut(chunks: &[Value]) -> Vec<u8> {
    chunks.iter().flat_map(|chunk| format!("data: {chunk}\n\n").into_bytes()).collect()
}

/// A chunk with this delta.
pub(crate) fn delta(delta: Value) -> Value {
    json!({"id": "a", "model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": null}]})
}

/// A chunk that ends the answer.
pub(crate) fn end(reason: &str) -> Value {
    json!({"id": "a", "model": "m", "choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
}

pub(crate) fn decode<'a>(choices: u32, pieces: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
    let mut decoder = OpenaiChatDecoder::new(choices);
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
pub(crate) fn read_of(choices: u32, stream: &[u8]) -> Outcome {
    let whole = decode(choices, [stream]);
    let same = |outcome: Outcome, how: &str| {
        assert_eq!(outcome.0, whole.0, "{how}");
        assert_eq!(outcome.1.map(|error| error.kind), whole.1.as_ref().map(|error| error.kind), "{how}");
    };
    for at in 1..stream.len() {
        let (one, two) = stream.split_at(at);
        same(decode(choices, [one, two]), &format!("cut at {at}"));
    }
    same(decode(choices, stream.chunks(1)), "byte by byte");
    whole
}

/// The events of a stream that succeeds.
pub(crate) fn read(chunks: &[Value]) -> Vec<ChatEvent> {
    let (events, error) = read_of(1, &sse(chunks));
    assert!(error.is_none(), "{error:?}");
    events
}

/// The kind of failure of a stream that fails, and what came before it.
pub(crate) fn fails(stream: &[u8]) -> (ErrorKind, Vec<ChatEvent>) {
    let (events, error) = read_of(1, stream);
    (error.expect("the stream fails").kind, events)
}

/// With neighbouring deltas merged.
pub(crate) fn merged(events: Vec<ChatEvent>) -> Vec<ChatEvent> {
    let mut merged: Vec<ChatEvent> = Vec::new();
    for event in events {
        match (merged.last_mut(), &event) {
            (Some(ChatEvent::Text { delta }), ChatEvent::Text { delta: more })
            | (Some(ChatEvent::Thinking { delta }), ChatEvent::Thinking { delta: more })
            | (Some(ChatEvent::Refusal { delta }), ChatEvent::Refusal { delta: more }) => delta.push_str(more),
            (Some(ChatEvent::ToolCallArgs { index, delta }), ChatEvent::ToolCallArgs { index: other, delta: more })
                if index == other =>
            {
                delta.push_str(more)
            }
            _ => merged.push(event),
        }
    }
    merged
}

pub(crate) fn started() -> ChatEvent {
    ChatEvent::Started { id: "a".into(), model: "m".into() }
}

pub(crate) fn text(delta: &str) -> ChatEvent {
    ChatEvent::Text { delta: delta.into() }
}

pub(crate) fn thinking(delta: &str) -> ChatEvent {
    ChatEvent::Thinking { delta: delta.into() }
}

pub(crate) fn call(index: u32, id: &str, name: &str) -> ChatEvent {
    ChatEvent::ToolCallStarted { index, id: id.into(), name: name.into(), kind: ToolCallKind::Function }
}

pub(crate) fn args(index: u32, delta: &str) -> ChatEvent {
    ChatEvent::ToolCallArgs { index, delta: delta.into() }
}

pub(crate) fn called(index: u32) -> ChatEvent {
    ChatEvent::ToolCallDone { index }
}

pub(crate) fn opaque(data: Value) -> ChatEvent {
    ChatEvent::Opaque { data }
}

pub(crate) fn extra(path: &str, json: Value) -> ChatEvent {
    ChatEvent::Extra(Extra { wire: Wire::OpenaiChat, path: path.into(), json })
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
