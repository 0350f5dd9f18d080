//! Feeding the decoder, and short words for what goes in and comes out.

use greenroom_wire::{
    ChatError, ChatEvent, ChatRequest, ErrorKind, FinishReason, Message, Part, StreamDecoder, StreamState, Usage,
    anthropic::{AnthropicDecoder, Dialect, Encoded, ToolNames, encode_request},
    chat::{Extra, Role, ToolCallKind, Wire},
};
use serde_json::{Value, json};

pub(crate) type Outcome = (Vec<ChatEvent>, Option<ChatError>, u64);

/// A stream of these events, named as the API names them.
pub(crate) fn sse(events: &[Value]) -> Vec<u8> {
    let line = |event: &Value| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap_or_default());
    events.iter().flat_map(|event| line(event).into_bytes()).collect()
}

pub(crate) fn start() -> Value {
    json!({"type": "message_start", "message": {"id": "msg_1", "type": "message", "role": "assistant", "model": "m",
        "content": [], "stop_reason": null, "stop_sequence": null, "usage": {"input_tokens": 5, "output_tokens": 1}}})
}

pub(crate) fn begin(index: u32, block: Value) -> Value {
    json!({"type": "content_block_start", "index": index, "content_block": block})
}

pub(crate) fn delta(index: u32, delta: Value) -> Value {
    json!({"type": "content_block_delta", "index": index, "delta": delta})
}

pub(crate) fn stop(index: u32) -> Value {
    json!({"type": "content_block_stop", "index": index})
}

pub(crate) fn end(reason: &str) -> Value {
    json!({"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": null},
        "usage": {"output_tokens": 7}})
}

pub(crate) fn over() -> Value {
    json!({"type": "message_stop"})
}

/// A block of this text, whole.
pub(crate) fn text_block(index: u32, text: &str) -> Vec<Value> {
    vec![
        begin(index, json!({"type": "text", "text": ""})),
        delta(index, json!({"type": "text_delta", "text": text})),
        stop(index),
    ]
}

/// A whole stream of these blocks.
pub(crate) fn answer(blocks: impl IntoIterator<Item = Value>, reason: &str) -> Vec<Value> {
    [start()].into_iter().chain(blocks).chain([end(reason), over()]).collect()
}

pub(crate) fn decode<'a>(names: &ToolNames, pieces: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
    let mut decoder = AnthropicDecoder::new(names.clone());
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
    (merged(events), error, decoder.skipped())
}

/// Reads a stream whole, cut in two at every byte, and byte by byte, and checks that it is always the same.
pub(crate) fn read_of(stream: &[u8]) -> Outcome {
    let names = ToolNames::default();
    let whole = decode(&names, [stream]);
    let same = |outcome: Outcome, how: &str| {
        assert_eq!(outcome.0, whole.0, "{how}");
        assert_eq!(outcome.1.map(|error| error.kind), whole.1.as_ref().map(|error| error.kind), "{how}");
        assert_eq!(outcome.2, whole.2, "{how}");
    };
    for at in 1..stream.len() {
        let (one, two) = stream.split_at(at);
        same(decode(&names, [one, two]), &format!("cut at {at}"));
    }
    same(decode(&names, stream.chunks(1)), "byte by byte");
    whole
}

/// The events of a stream that succeeds, between `Started` and its usage.
pub(crate) fn read(events: &[Value]) -> Vec<ChatEvent> {
    let (events, error, _) = read_of(&sse(events));
    assert!(error.is_none(), "{error:?}");
    events
}

/// What stands between `Started` and the usage of a stream that succeeds.
pub(crate) fn read_content(blocks: impl IntoIterator<Item = Value>, reason: &str) -> Vec<ChatEvent> {
    let mut events = read(&answer(blocks, reason));
    assert_eq!(events.remove(0), started());
    events.truncate(events.len() - 2);
    events
}

/// The kind of failure of a stream that fails, and what came before it.
pub(crate) fn fails(stream: &[u8]) -> (ErrorKind, Vec<ChatEvent>) {
    let (events, error, _) = read_of(stream);
    (error.expect("the stream fails").kind, events)
}

/// With neighbouring deltas merged, and without counts that are replaced by later ones.
pub(crate) fn merged(events: Vec<ChatEvent>) -> Vec<ChatEvent> {
    let is_count = |event: &ChatEvent| matches!(event, ChatEvent::Usage(_));
    let last = events.iter().rposition(is_count);
    let mut merged: Vec<ChatEvent> = Vec::new();
    for (at, event) in events.into_iter().enumerate() {
        if is_count(&event) && Some(at) != last {
            continue;
        }
        match (merged.last_mut(), &event) {
            (Some(ChatEvent::Text { delta }), ChatEvent::Text { delta: more })
            | (Some(ChatEvent::Thinking { delta }), ChatEvent::Thinking { delta: more }) => delta.push_str(more),
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
    ChatEvent::Started { id: "msg_1".into(), model: "m".into() }
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
    ChatEvent::Extra(Extra { wire: Wire::Anthropic, path: path.into(), json })
}

pub(crate) fn usage(input: u64, output: u64) -> ChatEvent {
    ChatEvent::Usage(Usage { input, output, ..Usage::default() })
}

pub(crate) fn finished(reason: FinishReason) -> ChatEvent {
    ChatEvent::Finished { reason }
}

/// A call of the tool `f`.
pub(crate) fn tool_call(id: &str, arguments: &str) -> Part {
    Part::ToolCall { id: id.into(), name: "f".into(), arguments: arguments.into(), kind: ToolCallKind::Function }
}

pub(crate) fn tool_result(id: &str, text: &str) -> Part {
    Part::ToolResult { id: id.into(), parts: vec![Part::text(text)], error: false }
}

pub(crate) fn says(role: Role, parts: impl Into<Vec<Part>>) -> Message {
    Message::new(role, parts.into())
}

/// A block of the provider `p` and the model `m`.
pub(crate) fn block(data: Value) -> Part {
    Part::Opaque { provider: "p".into(), model: "m".into(), data }
}

pub(crate) fn encoded(request: &ChatRequest) -> Encoded {
    encode_request(request, "p", "m", &Dialect::of_model("claude-sonnet-4-5"))
}

pub(crate) fn body_of(encoded: &Encoded) -> Value {
    serde_json::from_slice(&encoded.body).expect("a body is JSON")
}

/// The messages that are sent for these, and what was left out.
pub(crate) fn sent(messages: impl Into<Vec<Message>>) -> (Value, Vec<String>) {
    let encoded = encoded(&ChatRequest { messages: messages.into(), ..ChatRequest::default() });
    (body_of(&encoded)["messages"].clone(), left_out(&encoded))
}

pub(crate) fn left_out(encoded: &Encoded) -> Vec<String> {
    encoded.left_out.iter().map(|left| left.at.clone()).collect()
}
