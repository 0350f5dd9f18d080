//! Answers, whole and in pieces, against the independent reading.

use std::collections::BTreeMap;

use greenroom_wire::{
    ChatError, ChatEvent, ChatRequest, FinishReason, Message, Part, StreamDecoder, StreamState, Usage,
    anthropic::{AnthropicDecoder, Dialect, ToolNames, decode_answer, encode_request},
    chat::Role,
    fold::{Folded, fold},
};
use serde_json::{Value, json};

use super::{
    errors,
    reading::{Reading, is_known, read_stream, read_whole},
    served,
};
use crate::load::Recording;

/// How many cuts in two a large body is tried with; a small one is cut at every byte.
const CUTS: usize = 512;

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
        return compare(&outcome, &read_whole(&text));
    }
    let body = &recording.body;
    let whole = decode([&body[..]])?;
    let reading = read_stream(&text);
    compare(&whole, &reading)?;
    equal("skipped", &whole.skipped, &reading.unknown)?;
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
    let mut decoder = AnthropicDecoder::new(ToolNames::default());
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
            | (Some(ChatEvent::Thinking { delta }), ChatEvent::Thinking { delta: more }) => delta.push_str(more),
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

fn compare(Outcome { events, error, .. }: &Outcome, reading: &Reading) -> Result<(), String> {
    let folded = fold(events.iter().cloned(), "p", "m");
    let word = reading.message["stop_reason"].as_str();
    match (&reading.error, error) {
        (Some(said), Some(error)) => equal("error kind", &error.kind, &errors::kind_in_stream(said))?,
        (Some(_), None) => return Err("an error in the stream was passed over".into()),
        // Without its end marker, an answer is whole only if it said why it ended.
        (None, Some(error)) if !reading.ended && word.is_none() => {
            equal("error kind", &error.kind, &greenroom_wire::ErrorKind::Protocol)?;
        }
        (None, Some(error)) => return Err(format!("failed: {error}")),
        (None, None) if !reading.ended && word.is_none() => return Err("a cut answer was taken for a whole one".into()),
        (None, None) => {
            complete(events, &folded, reading)?;
            served::check(events, reading)?;
        }
    }
    said(&folded, reading, error.is_none())
}

/// The order that every complete answer has, and what ends it.
fn complete(events: &[ChatEvent], folded: &Folded, reading: &Reading) -> Result<(), String> {
    let count = |test: fn(&ChatEvent) -> bool| events.iter().filter(|event| test(event)).count();
    equal("Started", &count(|event| matches!(event, ChatEvent::Started { .. })), &1)?;
    equal("Finished", &count(|event| matches!(event, ChatEvent::Finished { .. })), &1)?;
    if !matches!(events.first(), Some(ChatEvent::Started { .. }))
        || !matches!(events.last(), Some(ChatEvent::Finished { .. }))
    {
        return Err("Started is not first, or Finished not last".into());
    }
    let calls = count(|event| matches!(event, ChatEvent::ToolCallStarted { .. }));
    equal("ToolCallDone", &count(|event| matches!(event, ChatEvent::ToolCallDone { .. })), &calls)?;
    let empty = |event: &ChatEvent| match event {
        ChatEvent::Text { delta } | ChatEvent::Thinking { delta } => delta.is_empty(),
        ChatEvent::ToolCallArgs { delta, .. } => delta.is_empty(),
        _ => false,
    };
    if events.iter().any(empty) {
        return Err("a delta is empty".into());
    }
    let want = match reading.message["stop_reason"].as_str() {
        Some("end_turn" | "stop_sequence") | None if calls > 0 => FinishReason::ToolCalls,
        Some("end_turn" | "stop_sequence") | None => FinishReason::Stop,
        Some("max_tokens" | "model_context_window_exceeded") => FinishReason::Length,
        Some("tool_use") => FinishReason::ToolCalls,
        Some("pause_turn") => FinishReason::Pause,
        Some("refusal") => FinishReason::Refusal,
        Some(other) => FinishReason::Other(other.to_owned()),
    };
    equal("finish reason", &folded.finish, &Some(want))?;
    equal("usage", &folded.usage, &usage(&reading.message["usage"]))?;
    let message = &reading.message;
    equal("id", &folded.id.as_str(), &message["id"].as_str().unwrap_or_default())?;
    equal("model", &folded.model.as_str(), &message["model"].as_str().unwrap_or_default())?;
    for (key, value) in message.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null()) {
        let known = ["id", "type", "role", "model", "content", "stop_reason", "usage"].contains(&key.as_str());
        let kept = folded.extra.iter().rev().find(|extra| extra.path == format!("/{key}"));
        if !known && kept.is_none_or(|extra| extra.json != *value) {
            return Err(format!("the field {key:?} is lost"));
        }
    }
    for (key, value) in message["usage"].as_object().into_iter().flatten().filter(|(_, value)| !value.is_null()) {
        let counted = key.ends_with("_tokens") || ["cache_creation", "server_tool_use"].contains(&key.as_str());
        let counted = counted || key == "output_tokens_details" && value.as_object().is_some_and(|map| map.len() == 1);
        if !counted && !folded.extra.iter().any(|extra| extra.path == format!("/usage/{key}")) {
            return Err(format!("the count {key:?} is lost"));
        }
    }
    goes_back(folded, reading)
}

/// What was said, which also of a failed answer must be right.
fn said(folded: &Folded, reading: &Reading, whole: bool) -> Result<(), String> {
    let parts = &folded.message.parts;
    let all = |pick: fn(&Part) -> Option<&str>| parts.iter().filter_map(pick).collect::<String>();
    let text = all(|part| if let Part::Text { text } = part { Some(text) } else { None });
    let thinking = all(|part| if let Part::Thinking { text } = part { Some(text) } else { None });
    equal("text", &text, &reading.text("text", "text"))?;
    equal("thinking", &thinking, &reading.text("thinking", "thinking"))?;
    let calls: Vec<_> = parts
        .iter()
        .filter_map(|part| match part {
            Part::ToolCall { id, name, arguments, .. } => Some((id.clone(), name.clone(), arguments.clone())),
            _ => None,
        })
        .collect();
    let mut want = Vec::new();
    for (block, written) in reading.blocks().iter().zip(&reading.arguments) {
        if block["type"] == "tool_use" {
            let word = |key: &str| block[key].as_str().unwrap_or_default().to_owned();
            // Arguments that came whole stand as they were written, which plain JSON does not keep.
            let whole = written.is_empty() && block["input"] != json!({});
            let arguments = if whole { block["input"].to_string() } else { written.clone() };
            want.push((word("id"), word("name"), arguments));
        }
    }
    let plain = |calls: &[(String, String, String)]| -> Vec<(String, String, Value)> {
        let read = |text: &str| serde_json::from_str(text).unwrap_or_else(|_| Value::from(text));
        calls.iter().map(|(id, name, arguments)| (id.clone(), name.clone(), read(arguments))).collect()
    };
    equal("tool calls", &plain(&calls), &plain(&want))?;
    let cited = reading.blocks().iter().filter(|block| block["type"] == "text");
    let cited: Vec<_> = cited.flat_map(|block| block["citations"].as_array().into_iter().flatten().cloned()).collect();
    if whole {
        equal("citations", &folded.citations, &cited)?;
    }
    Ok(())
}

/// Sends the answer back as the next request would, and looks whether it is what the API's own clients send: the
/// message's content as it was, but for texts that stand apart without saying anything different.
fn goes_back(folded: &Folded, reading: &Reading) -> Result<(), String> {
    let question = Message::user("hi");
    let done = folded.message.parts.iter().filter_map(|part| match part {
        Part::ToolCall { id, .. } => Some(Part::ToolResult { id: id.clone(), parts: vec![], error: false }),
        _ => None,
    });
    let done: Vec<_> = done.collect();
    let mut messages = vec![question, folded.message.clone()];
    if !done.is_empty() {
        messages.push(Message::new(Role::Tool, done));
    }
    messages.push(Message::user("and then?"));
    let request = ChatRequest { messages, ..ChatRequest::default() };
    let encoded = encode_request(&request, "p", "m", &Dialect::of_model("m"));
    if let Some(left) = encoded.left_out.iter().find(|left| !left.what.contains("no JSON object")) {
        return Err(format!("sent back, {} is left out: {}", left.at, left.what));
    }
    let body: Value = serde_json::from_slice(&encoded.body).expect("an encoded request is JSON");
    let sent = body["messages"][1]["content"].as_array().cloned().unwrap_or_default();
    let mut want = Vec::<Value>::new();
    for block in reading.blocks().iter().filter(|block| is_known(block)) {
        let mut block = block.clone();
        let object = block.as_object_mut().expect("a block is an object");
        if object.get("citations").is_some_and(|list| list.is_null() || list == &json!([])) {
            object.shift_remove("citations");
        }
        if object.get("type").is_some_and(|kind| kind == "tool_use")
            && object.get("caller") == Some(&json!({"type": "direct"}))
        {
            object.shift_remove("caller");
        }
        let plain = |block: &Value| block["type"] == "text" && block["citations"].is_null();
        match want.last_mut() {
            _ if plain(&block) && block["text"] == "" => {}
            Some(before) if plain(before) && plain(&block) => {
                let text = |block: &Value| block["text"].as_str().unwrap_or_default().to_owned();
                before["text"] = (text(before) + &text(&block)).into();
            }
            _ => want.push(block),
        }
    }
    if reading.arguments.iter().any(|written| serde_json::from_str::<Value>(written).is_err() && !written.is_empty()) {
        return Ok(());
    }
    equal("sent back", &sent, &want)
}

/// The counts, by PROTOCOL's rules.
fn usage(json: &Value) -> Option<Usage> {
    let counts = json.as_object()?;
    if counts.is_empty() {
        return None;
    }
    let of = |json: &Value| {
        let number = |path: &str| json.pointer(path).and_then(Value::as_u64);
        let hour = number("/cache_creation/ephemeral_1h_input_tokens").unwrap_or(0);
        let five = number("/cache_creation/ephemeral_5m_input_tokens").unwrap_or(0);
        let written = number("/cache_creation_input_tokens").unwrap_or(hour + five);
        let hour = if hour > written { written } else { hour };
        [
            number("/input_tokens").unwrap_or(0),
            number("/output_tokens").unwrap_or(0),
            number("/cache_read_input_tokens").unwrap_or(0),
            written - hour,
            hour,
        ]
    };
    let whole = of(json);
    let mut runs = [0; 5];
    for run in json["iterations"].as_array().into_iter().flatten() {
        for (sum, count) in runs.iter_mut().zip(of(run)) {
            *sum += count;
        }
    }
    let most: Vec<u64> = whole.iter().zip(runs).map(|(one, other)| (*one).max(other)).collect();
    let tools = json["server_tool_use"].as_object().into_iter().flatten();
    let tools: BTreeMap<_, _> = tools
        .filter_map(|(key, count)| Some((key.trim_end_matches("_requests").to_owned(), count.as_u64()?)))
        .filter(|(_, count)| *count > 0)
        .collect();
    Some(Usage {
        cost: None,
        input: most[0],
        output: most[1],
        reasoning: json["output_tokens_details"]["thinking_tokens"].as_u64().unwrap_or(0),
        cache_read: most[2],
        cache_write_5m: most[3],
        cache_write_1h: most[4],
        server_tools: tools,
    })
}

fn equal<T: PartialEq + std::fmt::Debug>(what: &str, got: &T, want: &T) -> Result<(), String> {
    if got == want { Ok(()) } else { Err(format!("{what}: got {got:?}, want {want:?}")) }
}
