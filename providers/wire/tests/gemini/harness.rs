//! Feeding the decoder, and short words for what comes out.

use greenroom_wire::{
    ChatError, ChatEvent, ChatRequest, ErrorKind, FinishReason, Message, StreamDecoder, StreamState, Usage,
    chat::{Extra, ToolCallKind, Wire},
    gemini::{Dialect, GeminiDecoder, ToolNames, encode_request},
};
use serde_json::{Value, json};

pub(crate) type Outcome = (Vec<ChatEvent>, Option<ChatError>);

/// A stream of these chunks, as the API sends it.
pub(crate) fn sse(chunks: &[Value]) -> Vec<u8> {
    chunks.iter().flat_map(|chunk| format!("data: {chunk}\r\n\r\n").into_bytes()).collect()
}

/// The same as the array that comes where events were not asked for.
pub(crate) fn array(chunks: &[Value]) -> Vec<u8> {
    let written: Vec<_> = chunks.iter().map(|chunk| format!("{chunk:#}\n")).collect();
    format!("[{}]", written.join(",\r\n")).into_bytes()
}

/// A chunk with these parts.
pub(crate) fn chunk(parts: Value) -> Value {
    json!({"candidates": [{"content": {"parts": parts, "role": "model"}, "index": 0}],
        "modelVersion": "m", "responseId": "r"})
}

pub(crate) fn said(text: &str) -> Value {
    chunk(json!([{"text": text}]))
}

/// The last chunk, with a count of its tokens.
pub(crate) fn end(reason: &str) -> Value {
    json!({"candidates": [{"content": {"parts": [], "role": "model"}, "finishReason": reason, "index": 0}],
        "usageMetadata": {"promptTokenCount": 5, "candidatesTokenCount": 2, "totalTokenCount": 7},
        "modelVersion": "m", "responseId": "r"})
}

pub(crate) fn decode<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
    let mut decoder = GeminiDecoder::new(ToolNames::default());
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

/// The events of a stream that succeeds, in either of its forms.
pub(crate) fn read(chunks: &[Value]) -> Vec<ChatEvent> {
    let (events, error) = read_bytes(&sse(chunks));
    assert!(error.is_none(), "{error:?}");
    assert_eq!(decode([&array(chunks)[..]]).0, events, "as an array");
    events
}

/// The failure of a stream, and what came before it.
pub(crate) fn fails(stream: &[u8]) -> (ErrorKind, Vec<ChatEvent>) {
    let (events, error) = read_bytes(stream);
    (error.expect("the stream fails").kind, events)
}

/// With neighbouring deltas merged.
pub(crate) fn merged(events: Vec<ChatEvent>) -> Vec<ChatEvent> {
    let is_count = |event: &ChatEvent| matches!(event, ChatEvent::Usage(_));
    let last = events.iter().rposition(is_count);
    let mut merged: Vec<ChatEvent> = Vec::new();
    for (at, event) in events.into_iter().enumerate() {
        // A later count replaces an earlier one.
        if is_count(&event) && Some(at) != last {
            continue;
        }
        match (merged.last_mut(), &event) {
            (Some(ChatEvent::Text { delta }), ChatEvent::Text { delta: more })
            | (Some(ChatEvent::Thinking { delta }), ChatEvent::Thinking { delta: more }) => delta.push_str(more),
            _ => merged.push(event),
        }
    }
    merged
}

pub(crate) fn started() -> ChatEvent {
    ChatEvent::Started { id: "r".into(), model: "m".into() }
}

pub(crate) fn text(delta: &str) -> ChatEvent {
    ChatEvent::Text { delta: delta.into() }
}

pub(crate) fn thinking(delta: &str) -> ChatEvent {
    ChatEvent::Thinking { delta: delta.into() }
}

pub(crate) fn opaque(data: Value) -> ChatEvent {
    ChatEvent::Opaque { data }
}

/// A whole call.
pub(crate) fn call(index: u32, id: &str, name: &str, arguments: &str) -> Vec<ChatEvent> {
    vec![
        ChatEvent::ToolCallStarted { index, id: id.into(), name: name.into(), kind: ToolCallKind::Function },
        ChatEvent::ToolCallArgs { index, delta: arguments.into() },
        ChatEvent::ToolCallDone { index },
    ]
}

pub(crate) fn extra(path: &str, json: Value) -> ChatEvent {
    ChatEvent::Extra(Extra { wire: Wire::Gemini, path: path.into(), json })
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

/// The body for a model, and the places of what was left out of it.
pub(crate) fn encode_for(model: &str, request: &ChatRequest) -> (Value, Vec<String>) {
    let encoded = encode_request(request, "p", "m", &Dialect::of_model(model));
    let left_out = encoded.left_out.into_iter().map(|left| left.at).collect();
    (serde_json::from_slice(&encoded.body).unwrap(), left_out)
}

pub(crate) fn encode(request: &ChatRequest) -> (Value, Vec<String>) {
    encode_for("gemini-2.5-flash", request)
}

pub(crate) fn encode_messages(model: &str, messages: Vec<Message>) -> (Value, Vec<String>) {
    let (mut body, left_out) = encode_for(model, &ChatRequest { messages, ..ChatRequest::default() });
    (body["contents"].take(), left_out)
}
