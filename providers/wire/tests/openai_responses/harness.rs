//! Feeding the decoder, and short words for what goes in and comes out.

use greenroom_wire::{
    ChatError, ChatEvent, ChatRequest, ErrorKind, FinishReason, Message, Part, StreamDecoder, StreamState, Usage,
    chat::{Extra, Role, ToolCallKind, Wire},
    openai_responses::{Dialect, Encoded, OpenaiResponsesDecoder, ToolNames, encode_request},
};
use serde_json::{Value, json};

pub(crate) type Outcome = (Vec<ChatEvent>, Option<ChatError>, u64);

/// A stream of these events, named as the API names them.
pub(crate) fn sse(events: &[Value]) -> Vec<u8> {
    let line = |event: &Value| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap_or_default());
    events.iter().flat_map(|event| line(event).into_bytes()).collect()
}

pub(crate) fn created() -> Value {
    json!({"type": "response.created", "sequence_number": 0, "response": {"id": "resp_1", "object": "response",
        "status": "in_progress", "model": "m", "output": [], "usage": null, "instructions": "brief", "tools": [],
        "error": null, "incomplete_details": null}})
}

pub(crate) fn usage_said() -> Value {
    json!({"input_tokens": 5, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": 7,
        "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 12})
}

/// The end of an answer whose items were said before.
pub(crate) fn completed() -> Value {
    json!({"type": "response.completed", "response": {"id": "resp_1", "status": "completed", "model": "m", "output": [],
        "usage": usage_said()}})
}

pub(crate) fn incomplete(reason: &str) -> Value {
    json!({"type": "response.incomplete", "response": {"id": "resp_1", "status": "incomplete", "model": "m",
        "incomplete_details": {"reason": reason}, "output": [], "usage": usage_said()}})
}

pub(crate) fn added(index: u32, item: Value) -> Value {
    json!({"type": "response.output_item.added", "output_index": index, "item": item})
}

pub(crate) fn done(index: u32, item: Value) -> Value {
    json!({"type": "response.output_item.done", "output_index": index, "item": item})
}

/// An event of an item, with fields of its own.
pub(crate) fn of_item(kind: &str, index: u32, fields: Value) -> Value {
    let mut event = json!({"type": format!("response.{kind}"), "output_index": index, "item_id": "odd"});
    event.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    event
}

pub(crate) fn text_delta(index: u32, text: &str) -> Value {
    of_item("output_text.delta", index, json!({"content_index": 0, "delta": text, "logprobs": [], "obfuscation": "x"}))
}

pub(crate) fn output_text(text: &str) -> Value {
    json!({"type": "output_text", "text": text, "annotations": [], "logprobs": []})
}

pub(crate) fn message_item(id: &str, content: Value) -> Value {
    json!({"id": id, "type": "message", "status": "completed", "role": "assistant", "content": content})
}

/// A message of this text, as a stream says it.
pub(crate) fn message(index: u32, id: &str, text: &str) -> Vec<Value> {
    let part = output_text("");
    vec![
        added(index, message_item(id, json!([]))),
        of_item("content_part.added", index, json!({"content_index": 0, "part": part})),
        text_delta(index, text),
        of_item("output_text.done", index, json!({"content_index": 0, "text": text})),
        of_item("content_part.done", index, json!({"content_index": 0, "part": output_text(text)})),
        done(index, message_item(id, json!([output_text(text)]))),
    ]
}

pub(crate) fn call_item(number: u32, arguments: &str) -> Value {
    json!({"id": format!("fc_{number}"), "type": "function_call", "status": "completed", "arguments": arguments,
        "call_id": format!("call_{number}"), "name": "f"})
}

/// The start of the call `number`, and a piece of its arguments.
pub(crate) fn call_begins(index: u32, number: u32, piece: &str) -> Vec<Value> {
    vec![added(index, call_item(number, "")), of_item("function_call_arguments.delta", index, json!({"delta": piece}))]
}

/// A whole stream of these events.
pub(crate) fn answer(events: impl IntoIterator<Item = Value>) -> Vec<Value> {
    [created()].into_iter().chain(events).chain([completed()]).collect()
}

/// Whether an event only says how an item begins.
pub(crate) fn is_head(event: &ChatEvent) -> bool {
    let ChatEvent::Extra(extra) = event else { return false };
    extra.path.strip_prefix("/output/").is_some_and(|index| !index.contains('/'))
}

/// Without how items of the provider's own tools begin, and how far they have come: what they are in the end is said as well.
pub(crate) fn without_progress(events: Vec<ChatEvent>) -> Vec<ChatEvent> {
    let is_progress = |event: &ChatEvent| match event {
        ChatEvent::Extra(extra) => {
            let kind = extra.json["type"].as_str().unwrap_or_default();
            let is_said = ["message", "reasoning", "function_call", "custom_tool_call"].contains(&kind);
            let of_item = extra.path.strip_prefix("/output/").unwrap_or("no item");
            extra.path.ends_with("/events") || (of_item.parse::<u32>().is_ok() && !is_said)
        }
        _ => false,
    };
    events.into_iter().filter(|event| !is_progress(event)).collect()
}

/// Reads a stream; how its items begin is left out, of which there are tests of its own.
pub(crate) fn decode<'a>(names: &ToolNames, pieces: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
    let (events, error, skipped) = decode_all(names, pieces);
    (merged(events.into_iter().filter(|event| !is_head(event)).collect()), error, skipped)
}

pub(crate) fn decode_all<'a>(names: &ToolNames, pieces: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
    let mut decoder = OpenaiResponsesDecoder::new(names.clone());
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

/// The events of a stream that succeeds.
pub(crate) fn read(events: &[Value]) -> Vec<ChatEvent> {
    let (events, error, skipped) = read_of(&sse(events));
    assert!(error.is_none(), "{error:?}");
    assert_eq!(skipped, 0);
    events
}

/// What stands between `Started` and the usage of a stream that succeeds, and why it ended.
pub(crate) fn read_content(events: impl IntoIterator<Item = Value>) -> (Vec<ChatEvent>, FinishReason) {
    let mut events = read(&answer(events));
    assert_eq!(events.remove(0), started());
    let Some(ChatEvent::Finished { reason }) = events.pop() else { panic!("an answer ends with its reason") };
    assert_eq!(events.pop(), Some(usage(5, 7)));
    (events, reason)
}

/// The kind of failure of a stream that fails, and what came before it.
pub(crate) fn fails(stream: &[u8]) -> (ErrorKind, Vec<ChatEvent>) {
    let (events, error, _) = read_of(stream);
    (error.expect("the stream fails").kind, events)
}

/// With neighbouring deltas merged.
pub(crate) fn merged(events: Vec<ChatEvent>) -> Vec<ChatEvent> {
    let mut merged: Vec<ChatEvent> = Vec::new();
    for event in events {
        match (merged.last_mut(), &event) {
            (Some(ChatEvent::Text { delta }), ChatEvent::Text { delta: more })
            | (Some(ChatEvent::Refusal { delta }), ChatEvent::Refusal { delta: more })
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
    ChatEvent::Started { id: "resp_1".into(), model: "m".into() }
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

/// What goes back with the call `number`.
pub(crate) fn call_fields(number: u32) -> ChatEvent {
    opaque(json!({"call": {"call_id": format!("call_{number}"), "id": format!("fc_{number}"), "status": "completed"}}))
}

/// What goes back with a message.
pub(crate) fn message_fields(id: &str) -> ChatEvent {
    opaque(json!({"message": {"id": id, "status": "completed"}}))
}

pub(crate) fn opaque(data: Value) -> ChatEvent {
    ChatEvent::Opaque { data }
}

pub(crate) fn extra(path: &str, json: Value) -> ChatEvent {
    ChatEvent::Extra(Extra { wire: Wire::OpenaiResponses, path: path.into(), json })
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

/// What the provider `p` said with the model `m`.
pub(crate) fn own(data: Value) -> Part {
    Part::Opaque { provider: "p".into(), model: "m".into(), data }
}

pub(crate) fn encoded(request: &ChatRequest) -> Encoded {
    encode_request(request, "p", "m", &Dialect::OPENAI)
}

pub(crate) fn body_of(encoded: &Encoded) -> Value {
    serde_json::from_slice(&encoded.body).expect("a body is JSON")
}

/// The items that are sent for these messages, and what was left out.
pub(crate) fn sent(messages: impl Into<Vec<Message>>) -> (Value, Vec<String>) {
    let encoded = encoded(&ChatRequest { messages: messages.into(), ..ChatRequest::default() });
    (body_of(&encoded)["input"].clone(), left_out(&encoded))
}

pub(crate) fn left_out(encoded: &Encoded) -> Vec<String> {
    encoded.left_out.iter().map(|left| left.at.clone()).collect()
}
