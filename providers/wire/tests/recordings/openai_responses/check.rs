//! Answers, whole and in pieces, against the independent reading.

use std::collections::BTreeMap;

use greenroom_wire::{
    ChatError, ChatEvent, ChatRequest, FinishReason, Message, Part, StreamDecoder, StreamState, Usage,
    chat::{Extra, Role, ToolCallKind, Wire},
    fold::{Folded, fold},
    openai_responses::{Dialect, OpenaiResponsesDecoder, ToolNames, decode_answer, encode_request},
};
use serde_json::{Value, json};

use super::{
    errors,
    reading::{Reading, read_stream, read_whole},
    served,
};
use crate::load::Recording;

/// How many cuts in two a large body is tried with; a small one is cut at every byte.
const CUTS: usize = 512;

/// What only repeats the request.
const REPEATED: &[&str] = &[
    "id",
    "object",
    "model",
    "status",
    "output",
    "usage",
    "error",
    "incomplete_details",
    "instructions",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "text",
    "reasoning",
    "temperature",
    "top_p",
    "top_logprobs",
    "frequency_penalty",
    "presence_penalty",
    "max_output_tokens",
    "max_tool_calls",
    "previous_response_id",
    "prompt",
    "prompt_cache_key",
    "prompt_cache_retention",
    "prompt_cache_options",
    "store",
    "truncation",
    "background",
    "metadata",
    "user",
    "safety_identifier",
    "output_text",
];

struct Outcome {
    events: Vec<ChatEvent>,
    error: Option<ChatError>,
    skipped: u64,
}

pub(super) fn check(recording: &Recording) -> Result<(), String> {
    let text = recording.text();
    let start = text.trim_start();
    if !["data:", "event:", ":"].iter().any(|word| start.starts_with(word)) {
        let outcome = match decode_answer(&recording.body, &ToolNames::default()) {
            Ok(events) => Outcome { events, error: None, skipped: 0 },
            Err(error) => Outcome { events: Vec::new(), error: Some(error), skipped: 0 },
        };
        return compare(&outcome, &read_whole(&text), None);
    }
    let body = &recording.body;
    let whole = decode([&body[..]])?;
    compare(&whole, &read_stream(&text), Some(&text))?;
    equal("skipped", &whole.skipped, &0)?;
    let same = |outcome: Outcome, how: &str| match merged(&outcome.events) == merged(&whole.events)
        && outcome.error.as_ref().map(|error| error.kind) == whole.error.as_ref().map(|error| error.kind)
    {
        true => Ok(()),
        false => Err(format!("{how}, it reads otherwise")),
    };
    same(decode(body.chunks(1))?, "byte by byte")?;
    for at in (1..body.len()).step_by(body.len().div_ceil(CUTS).max(1)) {
        let (one, two) = body.split_at(at);
        same(decode([one, two])?, &format!("cut at {at}"))?;
    }
    if let Some(lengths) = &recording.chunks {
        let mut rest = &body[..];
        let mut pieces = Vec::new();
        for length in lengths {
            let (piece, after) = rest.split_at((*length).min(rest.len()));
            pieces.push(piece);
            rest = after;
        }
        pieces.push(rest);
        same(decode(pieces)?, "in the network's pieces")?;
    }
    Ok(())
}

fn decode<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<Outcome, String> {
    let mut decoder = OpenaiResponsesDecoder::new(ToolNames::default());
    let mut events = Vec::new();
    for piece in pieces {
        decoder.handle_bytes(piece);
        events.extend(std::iter::from_fn(|| decoder.poll_event()));
    }
    decoder.handle_end();
    events.extend(std::iter::from_fn(|| decoder.poll_event()));
    match decoder.state() {
        StreamState::Failed(error) => Ok(Outcome { events, error: Some(error.clone()), skipped: decoder.skipped() }),
        StreamState::Done => Ok(Outcome { events, error: None, skipped: decoder.skipped() }),
        state => Err(format!("after the end the state is {state:?}")),
    }
}

fn merged(events: &[ChatEvent]) -> Vec<ChatEvent> {
    let mut merged: Vec<ChatEvent> = Vec::new();
    for event in events {
        match (merged.last_mut(), event) {
            (Some(ChatEvent::Text { delta }), ChatEvent::Text { delta: more })
            | (Some(ChatEvent::Thinking { delta }), ChatEvent::Thinking { delta: more })
            | (Some(ChatEvent::Refusal { delta }), ChatEvent::Refusal { delta: more }) => delta.push_str(more),
            (Some(ChatEvent::ToolCallArgs { index, delta }), ChatEvent::ToolCallArgs { index: other, delta: more })
                if index == other =>
            {
                delta.push_str(more)
            }
            _ => merged.push(event.clone()),
        }
    }
    merged
}

fn compare(Outcome { events, error, .. }: &Outcome, reading: &Reading, stream: Option<&str>) -> Result<(), String> {
    let folded = fold(events.iter().cloned(), "p", "m");
    match (&reading.error, error) {
        (Some(said), Some(error)) => return equal("error kind", &error.kind, &errors::kind_in_stream(said)),
        (Some(_), None) => return Err("an error in the stream was passed over".into()),
        (None, Some(error)) => return Err(format!("failed: {error}")),
        (None, None) => {
            complete(events, &folded, reading)?;
            served::check(events, reading, stream)?;
        }
    }
    said(&folded, events, reading)?;
    goes_back(&folded, reading)
}

fn count(events: &[ChatEvent], test: fn(&ChatEvent) -> bool) -> usize {
    events.iter().filter(|event| test(event)).count()
}

/// The order that every complete answer has, and what ends it.
fn complete(events: &[ChatEvent], folded: &Folded, reading: &Reading) -> Result<(), String> {
    equal("Started", &count(events, |event| matches!(event, ChatEvent::Started { .. })), &1)?;
    equal("Finished", &count(events, |event| matches!(event, ChatEvent::Finished { .. })), &1)?;
    if !matches!(events.first(), Some(ChatEvent::Started { .. }))
        || !matches!(events.last(), Some(ChatEvent::Finished { .. }))
    {
        return Err("Started is not first, or Finished not last".into());
    }
    let calls = count(events, |event| matches!(event, ChatEvent::ToolCallStarted { .. }));
    equal("ToolCallDone", &count(events, |event| matches!(event, ChatEvent::ToolCallDone { .. })), &calls)?;
    if events.iter().filter_map(ChatEvent::delta).any(str::is_empty) {
        return Err("a delta is empty".into());
    }
    let response = &reading.response;
    let why = response["incomplete_details"]["reason"].as_str();
    let want = match (response["status"].as_str(), why) {
        (Some("incomplete"), Some("max_output_tokens")) => FinishReason::Length,
        (Some("incomplete"), Some("content_filter")) => FinishReason::ContentFilter,
        (Some("completed"), _) if calls > 0 => FinishReason::ToolCalls,
        (Some("completed"), _) if !reading.spoken[1].is_empty() => FinishReason::Refusal,
        (Some("completed"), _) => FinishReason::Stop,
        other => return Err(format!("an end that this test does not know: {other:?}")),
    };
    equal("finish reason", &folded.finish, &Some(want))?;
    equal("usage", &folded.usage, &usage(&response["usage"], reading.items()))?;
    equal("id", &folded.id, &reading.id)?;
    equal("model", &folded.model.as_str(), &response["model"].as_str().unwrap_or_default())?;
    let fields = response.as_object().into_iter().flatten();
    let fields = fields.filter(|(key, value)| !value.is_null() && !REPEATED.contains(&key.as_str()));
    let keys = fields.map(|(key, _)| key).chain(&reading.beside);
    for key in keys {
        if !folded.extra.iter().any(|extra| extra.path == format!("/{key}")) {
            return Err(format!("the field {key:?} is lost"));
        }
    }
    for (key, value) in response["usage"].as_object().into_iter().flatten().filter(|(_, value)| !value.is_null()) {
        let counted = key.ends_with("_tokens") || key.ends_with("_tokens_details");
        let kept = folded.extra.iter().find(|extra| extra.path == format!("/usage/{key}"));
        if !counted && kept.is_none_or(|extra| extra.json != *value) {
            return Err(format!("the count {key:?} is lost"));
        }
    }
    Ok(())
}

fn said(folded: &Folded, events: &[ChatEvent], reading: &Reading) -> Result<(), String> {
    let all = |pick: fn(&Part) -> Option<&str>| folded.message.parts.iter().filter_map(pick).collect::<String>();
    let spoken = [
        all(|part| if let Part::Text { text } = part { Some(text) } else { None }),
        all(|part| if let Part::Refusal { text } = part { Some(text) } else { None }),
        all(|part| if let Part::Thinking { text } = part { Some(text) } else { None }),
    ];
    equal("text, refusal, thinking", &spoken, &reading.spoken)?;
    let calls = folded.message.parts.iter().filter_map(|part| match part {
        Part::ToolCall { id, name, arguments, kind } => Some(
            [id, name, arguments]
                .map(|text| json!(text))
                .into_iter()
                .chain([json!(*kind == ToolCallKind::Custom)])
                .collect::<Value>(),
        ),
        _ => None,
    });
    let want = reading.items().iter().filter_map(|item| {
        let custom = item["type"] == "custom_tool_call";
        let arguments = &item[if custom { "input" } else { "arguments" }];
        let is_call = custom || item["type"] == "function_call";
        is_call.then(|| json!([item["call_id"], item["name"], arguments, custom]))
    });
    equal("tool calls", &calls.collect::<Vec<_>>(), &want.collect())?;
    equal("citations", &folded.citations.len(), &reading.annotations)?;
    let logprobs =
        events.iter().filter(|event| matches!(event, ChatEvent::Extra(extra) if extra.path.ends_with("/logprobs")));
    equal("logprobs", &logprobs.count(), &reading.logprobs)
}

/// Sends the answer back as the next request would, and looks whether it is what the API's own clients send: the items
/// as they were.
fn goes_back(folded: &Folded, reading: &Reading) -> Result<(), String> {
    let results = folded.message.parts.iter().filter_map(|part| match part {
        Part::ToolCall { id, .. } => Some(Part::ToolResult { id: id.clone(), parts: vec![], error: false }),
        _ => None,
    });
    let results = Message::new(Role::Tool, results.collect());
    let messages = vec![folded.message.clone(), results, Message::user("and then?")];
    // Reasoning without what it hides goes back only where the provider keeps it.
    let extra = vec![Extra { wire: Wire::OpenaiResponses, path: "/store".into(), json: true.into() }];
    let request = ChatRequest { messages, extra, ..ChatRequest::default() };
    let encoded = encode_request(&request, "p", "m", &Dialect::COMPATIBLE);
    if let Some(left) = encoded.left_out.first() {
        return Err(format!("sent back, {} is left out: {}", left.at, left.what));
    }
    let body: Value = serde_json::from_slice(&encoded.body).expect("an encoded request is JSON");
    let want: Vec<Value> = reading.items().iter().filter(|item| *item != &Value::Null).cloned().map(plain).collect();
    let sent = body["input"].as_array().cloned().unwrap_or_default();
    let sent: Vec<Value> = sent.into_iter().take(want.len()).map(plain).collect();
    equal("sent back", &sent, &want)
}

/// Without lists of nothing beside a text, and with `{}` for no arguments.
pub(super) fn plain(mut item: Value) -> Value {
    for part in item["content"].as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
        part.retain(|key, json| (key != "logprobs") && *json != json!([]) && !json.is_null());
    }
    if item["type"] == "message" || item["type"] == "function_call" {
        item.as_object_mut().expect("an item is an object").retain(|_, json| !json.is_null());
    }
    if item["arguments"] == "" {
        item["arguments"] = "{}".into();
    }
    // Indexing makes nulls.
    if let Some(item) = item.as_object_mut() {
        item.retain(|key, json| !json.is_null() || !["content", "arguments"].contains(&key.as_str()));
    }
    item
}

/// The counts, by PROTOCOL's rules: cached tokens are part of the input, and reasoning of the output.
fn usage(json: &Value, items: &[Value]) -> Option<Usage> {
    json.as_object()?;
    let number = |path: &str| json.pointer(path).and_then(Value::as_u64).unwrap_or(0);
    let (cache_read, cache_write_5m) =
        (number("/input_tokens_details/cached_tokens"), number("/input_tokens_details/cache_write_tokens"));
    let tools = ["web_search", "file_search", "code_interpreter", "image_generation", "mcp"];
    let ran = |tool: &&str| items.iter().filter(|item| item["type"] == format!("{tool}_call")).count() as u64;
    let server_tools: BTreeMap<_, _> =
        tools.iter().map(|tool| ((*tool).to_owned(), ran(tool))).filter(|(_, count)| *count > 0).collect();
    Some(Usage {
        input: number("/input_tokens") - cache_read - cache_write_5m,
        output: number("/output_tokens"),
        reasoning: number("/output_tokens_details/reasoning_tokens"),
        cache_read,
        cache_write_5m,
        server_tools,
        cost: cost(json),
        ..Usage::default()
    })
}

/// What OpenRouter says that it cost, with the decimal point moved in the text.
fn cost(json: &Value) -> Option<u64> {
    let dollars = json["cost"].as_f64()?;
    format!("{dollars:.12}").replace('.', "").parse().ok()
}

fn equal<T: PartialEq + std::fmt::Debug>(what: &str, got: &T, want: &T) -> Result<(), String> {
    if got == want { Ok(()) } else { Err(format!("{what}: got {got:?}, want {want:?}")) }
}
