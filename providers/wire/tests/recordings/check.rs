//! Answers, whole and in pieces, against the independent reading.

use greenroom_wire::{
    ChatError, ChatEvent, FinishReason, Part, StreamDecoder, StreamState, Usage,
    fold::{Folded, fold},
    openai_chat::{OpenaiChatDecoder, ToolNames, decode_answer},
};
use serde_json::Value;

use crate::{
    errors,
    load::Recording,
    reading::{Reading, read},
};

/// How many cuts in two a large body is tried with; a small one is cut at every byte.
const CUTS: usize = 512;

type Outcome = (Vec<ChatEvent>, Option<ChatError>);

pub(crate) fn check(recording: &Recording) -> Result<(), String> {
    let text = recording.text();
    let start = text.trim_start();
    let stream = start.starts_with("data:") || start.starts_with(':') || start.starts_with("event:");
    let reading = read(&text, stream, recording.choices());
    if !stream {
        let outcome = match decode_answer(&recording.body, recording.choices(), &ToolNames::default()) {
            Ok(events) => (events, None),
            Err(error) => (Vec::new(), Some(error)),
        };
        return compare(&outcome, &reading);
    }
    let body = &recording.body;
    let whole = decode(recording, [&body[..]]);
    compare(&whole, &reading)?;
    let same = |outcome: Outcome, how: &str| match merged(&outcome.0) == merged(&whole.0)
        && outcome.1.as_ref().map(|error| error.kind) == whole.1.as_ref().map(|error| error.kind)
    {
        true => Ok(()),
        false => Err(format!("{how}, it reads otherwise")),
    };
    same(decode(recording, body.chunks(1)), "byte by byte")?;
    for at in (1..body.len()).step_by(body.len().div_ceil(CUTS).max(1)) {
        let (one, two) = body.split_at(at);
        same(decode(recording, [one, two]), &format!("cut at {at}"))?;
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
        same(decode(recording, pieces), "in the network's pieces")?;
    }
    Ok(())
}

fn decode<'a>(recording: &Recording, pieces: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
    let mut decoder = OpenaiChatDecoder::new(recording.choices());
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

/// With neighbouring deltas merged.
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

fn compare((events, error): &Outcome, reading: &Reading) -> Result<(), String> {
    let folded = fold(events.iter().cloned(), "p", "m");
    match (&reading.error, error) {
        (Some(said), Some(error)) => {
            let want = errors::kind_in_stream(said);
            equal("error kind", &error.kind, &want)?;
        }
        (None, Some(error)) => return Err(format!("failed: {error}")),
        (Some(_), None) => return Err("an error in the stream was passed over".into()),
        (None, None) => complete(events, &folded, reading)?,
    }
    if error.is_some() && events.is_empty() {
        return Ok(());
    }
    said(&folded, events, reading)
}

/// The order that every complete answer has.
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
        ChatEvent::Text { delta } | ChatEvent::Thinking { delta } | ChatEvent::Refusal { delta } => delta.is_empty(),
        ChatEvent::ToolCallArgs { delta, .. } => delta.is_empty(),
        _ => false,
    };
    if events.iter().any(empty) {
        return Err("a delta is empty".into());
    }
    let word = reading.finish.as_deref().unwrap_or("stop");
    let want = match word {
        "stop" | "eos" if !reading.calls.is_empty() => FinishReason::ToolCalls,
        "stop" | "eos" if !reading.refusal.is_empty() => FinishReason::Refusal,
        "stop" | "eos" => FinishReason::Stop,
        "length" | "model_length" => FinishReason::Length,
        "tool_calls" | "tool_call" | "function_call" => FinishReason::ToolCalls,
        "content_filter" => FinishReason::ContentFilter,
        other => FinishReason::Other(other.to_owned()),
    };
    equal("finish reason", &folded.finish, &Some(want))?;
    equal("usage", &folded.usage, &reading.usage.as_ref().map(usage))
}

/// What was said, which also of a failed answer must be right.
fn said(folded: &Folded, events: &[ChatEvent], reading: &Reading) -> Result<(), String> {
    let parts = &folded.message.parts;
    let all = |pick: fn(&Part) -> Option<&str>| parts.iter().filter_map(pick).collect::<String>();
    let text = all(|part| if let Part::Text { text } = part { Some(text) } else { None });
    let thinking = all(|part| if let Part::Thinking { text } = part { Some(text) } else { None });
    let refusal = all(|part| if let Part::Refusal { text } = part { Some(text) } else { None });
    equal("text", &text, &reading.text)?;
    equal("thinking", &thinking, &reading.thinking)?;
    equal("refusal", &refusal, &reading.refusal)?;
    let calls: Vec<_> = parts
        .iter()
        .filter_map(|part| match part {
            Part::ToolCall { id, name, arguments, .. } => Some((id, (name.clone(), arguments.clone()))),
            _ => None,
        })
        .collect();
    equal("tool calls", &calls.iter().map(|(_, call)| call.clone()).collect(), &reading.calls)?;
    for (at, (id, given)) in calls.iter().map(|(id, _)| id).zip(&reading.ids).enumerate() {
        if id.is_empty() || calls[..at].iter().any(|(other, _)| other == id) || !given.is_empty() && *id != given {
            return Err(format!("the id of call {at} is {id:?}, and was {given:?}"));
        }
    }
    equal("citations", &folded.citations.len(), &reading.citations)?;
    if folded.finish.is_none() {
        return Ok(());
    }
    if !events.iter().any(|event| matches!(event, ChatEvent::Started { id, .. } if *id == reading.id))
        && !reading.id.is_empty()
    {
        // An id that came after the answer began cannot be in Started.
        equal("id", &folded.id, &String::new())?;
    }
    equal("model", &folded.model.is_empty(), &reading.model.is_empty())?;
    let opaque: Vec<_> = parts
        .iter()
        .filter_map(|part| if let Part::Opaque { data, .. } = part { Some(data.to_string()) } else { None })
        .collect();
    for signature in &reading.signatures {
        if !opaque.iter().any(|data| data.contains(&Value::from(signature.as_str()).to_string())) {
            return Err("a signature is lost".into());
        }
    }
    for key in &reading.unknown {
        if !folded.extra.iter().any(|extra| extra.path == format!("/{key}")) {
            return Err(format!("the field {key:?} is lost"));
        }
    }
    let count = folded.extra.iter().filter(|extra| extra.path == "/choices/0/logprobs").count();
    equal("logprobs", &count, &reading.logprobs)?;
    for (index, other) in reading.others.iter().enumerate().skip(1) {
        let path = format!("/choices/{index}/delta");
        let of = folded.extra.iter().filter(|extra| extra.path == path);
        equal("another choice", &of.filter_map(|extra| extra.json["content"].as_str()).collect::<String>(), other)?;
    }
    Ok(())
}

/// The counts, by PROTOCOL's rules: cached tokens are part of the prompt, and reasoning of the completion, but where the
/// total shows that it is not.
fn usage(json: &Value) -> Usage {
    let number = |path: &str| json.pointer(path).and_then(Value::as_u64);
    let prompt = number("/prompt_tokens").unwrap_or(0);
    let beside = || number("/prompt_cache_hit_tokens").or_else(|| number("/cached_tokens"));
    // A part of the prompt is no larger than it. Azure has said so twice, and its totals are of the prompt as it is.
    let cache_read = number("/prompt_tokens_details/cached_tokens").or_else(beside).unwrap_or(0).min(prompt);
    let cache_write_5m = number("/prompt_tokens_details/cache_write_tokens").unwrap_or(0).min(prompt - cache_read);
    let reasoning =
        number("/completion_tokens_details/reasoning_tokens").or_else(|| number("/reasoning_tokens")).unwrap_or(0);
    let completion = number("/completion_tokens").unwrap_or(0);
    let apart =
        reasoning > 0 && (number("/total_tokens") == Some(prompt + completion + reasoning) || reasoning > completion);
    Usage {
        input: prompt.saturating_sub(cache_read + cache_write_5m),
        output: completion + if apart { reasoning } else { 0 },
        reasoning,
        cache_read,
        cache_write_5m,
        cost: cost(json),
        ..Usage::default()
    }
}

/// What OpenRouter says that it cost, with the decimal point moved in the text.
fn cost(json: &Value) -> Option<u64> {
    let dollars = json["cost"].as_f64()?;
    format!("{dollars:.12}").replace('.', "").parse().ok()
}

fn equal<T: PartialEq + std::fmt::Debug>(what: &str, got: &T, want: &T) -> Result<(), String> {
    if got == want { Ok(()) } else { Err(format!("{what}: got {got:?}, want {want:?}")) }
}
