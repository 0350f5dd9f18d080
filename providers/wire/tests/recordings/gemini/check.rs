//! Answers, whole and in pieces, against the independent reading.

use greenroom_wire::{
    ChatError, ChatEvent, ChatRequest, ErrorKind, FinishReason, Message, Part, StreamDecoder, StreamState, Usage,
    chat::Role,
    fold::{Folded, fold},
    gemini::{Dialect, GeminiDecoder, ToolNames, decode_answer, encode_request},
};
use serde_json::{Value, json};

use super::{
    equal, errors,
    reading::{Reading, read},
};
use crate::load::Recording;

/// How many cuts in two a large body is tried with; a small one is cut at every byte.
const CUTS: usize = 512;

type Outcome = (Vec<ChatEvent>, Option<ChatError>);

pub(super) fn check(recording: &Recording) -> Result<(), String> {
    let body = &recording.body;
    let text = recording.text();
    let reading = read(&text);
    let whole = match decode_answer(body, &ToolNames::default()) {
        Ok(events) => (events, None),
        Err(error) => (Vec::new(), Some(error)),
    };
    compare(&whole, &reading)?;
    if text.trim_start().starts_with('{') && reading.finish.is_none() && reading.blocked.is_none() {
        // A whole answer without a reason is complete, and a stream is not.
        return Ok(());
    }
    let stream = decode([&body[..]]);
    compare(&stream, &reading)?;
    let same = |outcome: Outcome, how: &str| match merged(&outcome.0) == merged(&stream.0)
        && outcome.1.as_ref().map(|error| error.kind) == stream.1.as_ref().map(|error| error.kind)
    {
        true => Ok(()),
        false => Err(format!("{how}, it reads otherwise")),
    };
    same(decode(body.chunks(1)), "byte by byte")?;
    for at in (1..body.len()).step_by(body.len().div_ceil(CUTS).max(1)) {
        let (one, two) = body.split_at(at);
        same(decode([one, two]), &format!("cut at {at}"))?;
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
        same(decode(pieces), "in the network's pieces")?;
    }
    Ok(())
}

fn decode<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
    let mut decoder = GeminiDecoder::new(ToolNames::default());
    let mut events = Vec::new();
    for piece in pieces {
        decoder.handle_bytes(piece);
        events.extend(std::iter::from_fn(|| decoder.poll_event()));
    }
    decoder.handle_end();
    events.extend(std::iter::from_fn(|| decoder.poll_event()));
    match decoder.state() {
        StreamState::Failed(error) => (events, Some(error.clone())),
        StreamState::Done => (events, None),
        state => panic!("after the end a decoder is done or failed, not {state:?}"),
    }
}

fn merged(events: &[ChatEvent]) -> Vec<ChatEvent> {
    let mut merged: Vec<ChatEvent> = Vec::new();
    for event in events {
        match (merged.last_mut(), event) {
            (Some(ChatEvent::Text { delta }), ChatEvent::Text { delta: more })
            | (Some(ChatEvent::Thinking { delta }), ChatEvent::Thinking { delta: more }) => delta.push_str(more),
            _ => merged.push(event.clone()),
        }
    }
    merged
}

const FILTERS: &[&str] = &[
    "SAFETY",
    "RECITATION",
    "BLOCKLIST",
    "PROHIBITED_CONTENT",
    "SPII",
    "IMAGE_SAFETY",
    "IMAGE_PROHIBITED_CONTENT",
    "IMAGE_RECITATION",
    "MODEL_ARMOR",
    "LANGUAGE",
];
const FAILURES: &[&str] = &[
    "MALFORMED_FUNCTION_CALL",
    "UNEXPECTED_TOOL_CALL",
    "OTHER",
    "TOO_MANY_TOOL_CALLS",
    "MISSING_THOUGHT_SIGNATURE",
    "MALFORMED_RESPONSE",
];

/// The word of a finish reason, which some recordings have as a number.
fn word(reason: &Value) -> String {
    match reason.as_u64() {
        Some(number @ 0..=5) => {
            let words = ["FINISH_REASON_UNSPECIFIED", "STOP", "MAX_TOKENS", "SAFETY", "RECITATION", "OTHER"];
            words[number as usize].to_owned()
        }
        Some(6..=8) => "BLOCKLIST".into(),
        Some(number) => number.to_string(),
        None => reason.as_str().unwrap_or_default().to_owned(),
    }
}

fn compare((events, error): &Outcome, reading: &Reading) -> Result<(), String> {
    let word = reading.finish.as_ref().map(word).unwrap_or_default();
    let nothing = reading.parts.is_empty() && word.is_empty();
    match error {
        Some(error) if reading.error.is_some() => {
            let want = errors::kind_in_stream(reading.error.as_ref().unwrap_or(&Value::Null));
            equal("error kind", &error.kind, &want)
        }
        _ if reading.error.is_some() => Err("an error in the stream was passed over".into()),
        Some(error) if reading.blocked.is_some() && nothing => {
            equal("error kind", &error.kind, &ErrorKind::ContentFilter)?;
            equal("code", &error.details.code, &reading.blocked)
        }
        None if reading.blocked.is_some() && nothing => Err("a blocked prompt was taken for an answer".into()),
        Some(error) if FAILURES.contains(&word.as_str()) => {
            equal("error kind", &error.kind, &ErrorKind::Server)?;
            equal("code", &error.details.code.as_deref(), &Some(word.as_str()))
        }
        Some(error) if word.is_empty() => equal("error kind", &error.kind, &ErrorKind::Protocol),
        Some(error) => Err(format!("failed: {error}")),
        None => complete(events, &fold(events.iter().cloned(), "p", "m"), reading, &word),
    }
}

/// The order that every complete answer has, what it says, and what ends it.
fn complete(events: &[ChatEvent], folded: &Folded, reading: &Reading, word: &str) -> Result<(), String> {
    let count = |test: fn(&ChatEvent) -> bool| events.iter().filter(|event| test(event)).count();
    equal("Started", &count(|event| matches!(event, ChatEvent::Started { .. })), &1)?;
    equal("Finished", &count(|event| matches!(event, ChatEvent::Finished { .. })), &1)?;
    if !matches!(events.first(), Some(ChatEvent::Started { .. }))
        || !matches!(events.last(), Some(ChatEvent::Finished { .. }))
    {
        return Err("Started is not first, or Finished not last".into());
    }
    let calls = count(|event| matches!(event, ChatEvent::ToolCallDone { .. }));
    equal("ToolCallDone", &calls, &reading.calls.len())?;
    let is_empty = |event: &ChatEvent| event.delta().is_some_and(str::is_empty);
    if events.iter().any(is_empty) {
        return Err("a delta is empty".into());
    }
    let want = match word {
        word if FILTERS.contains(&word) => FinishReason::ContentFilter,
        "MAX_TOKENS" => FinishReason::Length,
        "STOP" | "" if calls > 0 => FinishReason::ToolCalls,
        "STOP" | "" => FinishReason::Stop,
        other => FinishReason::Other(other.to_owned()),
    };
    equal("finish reason", &folded.finish, &Some(want))?;
    equal("usage", &folded.usage, &usage(reading))?;
    equal("id", &folded.id, &reading.id)?;
    equal("model", &folded.model, &reading.model)?;
    equal("citations", &folded.citations, &reading.citations)?;
    for path in &reading.unknown {
        if !folded.extra.iter().any(|extra| extra.path == *path) {
            return Err(format!("the field {path:?} is lost"));
        }
    }
    for key in reading.usage.keys().filter(|key| !key.ends_with("TokenCount")) {
        if !folded.extra.iter().any(|extra| extra.path == format!("/usageMetadata/{key}")) {
            return Err(format!("the count {key:?} is lost"));
        }
    }
    said(folded, reading)?;
    goes_back(folded, reading)
}

fn said(folded: &Folded, reading: &Reading) -> Result<(), String> {
    let parts = &folded.message.parts;
    let all = |pick: fn(&Part) -> Option<&str>| parts.iter().filter_map(pick).collect::<String>();
    equal("text", &all(|part| if let Part::Text { text } = part { Some(text) } else { None }), &reading.text(false))?;
    let thinking = all(|part| if let Part::Thinking { text } = part { Some(text) } else { None });
    equal("thinking", &thinking, &reading.text(true))?;
    let calls: Vec<_> = parts
        .iter()
        .filter_map(|part| match part {
            Part::ToolCall { id, name, arguments, .. } => Some((id, name, arguments)),
            _ => None,
        })
        .collect();
    equal("calls", &calls.len(), &reading.calls.len())?;
    for (at, ((id, name, arguments), (want_name, given, want))) in calls.iter().zip(&reading.calls).enumerate() {
        equal("name", *name, want_name)?;
        equal("arguments", &serde_json::from_str::<Value>(arguments).unwrap_or_default(), want)?;
        if id.is_empty() || calls[..at].iter().any(|(other, ..)| other == id) || !given.is_empty() && *id != given {
            return Err(format!("the id of call {at} is {id:?}, and was {given:?}"));
        }
    }
    Ok(())
}

/// Whether a part is of a kind that goes back.
fn is_known(part: &Value) -> bool {
    let keys =
        ["text", "functionCall", "executableCode", "codeExecutionResult", "toolCall", "toolResponse", "fileData"];
    let has = |key: &str| !part[key].is_null();
    keys.into_iter().any(has) || has("thoughtSignature") || has("inlineData") && part["thought"] != true
}

/// Sends the answer back as the next request would, and looks whether it is what came, but for thoughts that nobody
/// signed and for texts that stand apart without saying anything different.
fn goes_back(folded: &Folded, reading: &Reading) -> Result<(), String> {
    let results = folded.message.parts.iter().filter_map(|part| match part {
        Part::ToolCall { id, .. } => Some(Part::ToolResult { id: id.clone(), parts: vec![], error: false }),
        _ => None,
    });
    let mut messages = vec![Message::user("hi"), folded.message.clone()];
    messages.push(Message::new(Role::Tool, results.collect()));
    messages.push(Message::user("and then?"));
    let request = ChatRequest { messages, ..ChatRequest::default() };
    let encoded = encode_request(&request, "p", "m", &Dialect::of_model("gemini-2.5-flash"));
    if let Some(left) = encoded.left_out.iter().find(|left| !left.what.contains("did not sign")) {
        return Err(format!("sent back, {} is left out: {}", left.at, left.what));
    }
    let body: Value = serde_json::from_slice(&encoded.body).expect("an encoded request is JSON");
    let mut sent = body["contents"][1]["parts"].as_array().cloned().unwrap_or_default();
    let (mut want, mut calls) = (Vec::<Value>::new(), reading.calls.iter());
    for part in &reading.parts {
        let plain = |part: &Value| part["text"].is_string() && part["thoughtSignature"].is_null();
        if part["functionCall"].is_object() && part["functionCall"]["name"].is_null() || *part == json!({}) {
            continue;
        }
        if plain(part) && (part["thought"] == true || part["text"] == "") || !is_known(part) {
            continue;
        }
        let mut part = part.clone();
        if part["functionCall"].is_object() {
            let (name, id, arguments) = calls.next().expect("each call was read");
            part["functionCall"] = json!({"id": id, "name": name, "args": arguments});
        }
        match want.last_mut() {
            Some(before) if plain(before) && plain(&part) => {
                let text = |part: &Value| part["text"].as_str().unwrap_or_default().to_owned();
                before["text"] = (text(before) + &text(&part)).into();
            }
            _ => want.push(part),
        }
    }
    for (sent, want) in sent.iter_mut().zip(&want) {
        if want["functionCall"]["id"] == "" {
            sent["functionCall"]["id"] = "".into();
        }
    }
    if !want.is_empty() {
        equal("sent back", &sent, &want)?;
    }
    let text = String::from_utf8_lossy(&encoded.body).into_owned();
    match reading.signatures().find(|signature| !text.contains(signature)) {
        Some(_) => Err("a signature is lost".into()),
        None => Ok(()),
    }
}

/// The counts, by PROTOCOL's rules: what was cached is part of the prompt, and thoughts are no part of the candidates.
fn usage(reading: &Reading) -> Option<Usage> {
    let number = |key: &str| reading.usage.get(key).and_then(Value::as_u64);
    if !reading.usage.keys().any(|key| key.ends_with("TokenCount")) {
        return None;
    }
    let (prompt, cache_read) =
        (number("promptTokenCount").unwrap_or(0), number("cachedContentTokenCount").unwrap_or(0));
    let reasoning = number("thoughtsTokenCount").unwrap_or(0);
    let input = prompt - cache_read + number("toolUsePromptTokenCount").unwrap_or(0);
    let output = number("candidatesTokenCount").unwrap_or(0) + reasoning;
    Some(Usage { input, output, reasoning, cache_read, ..Usage::default() })
}
