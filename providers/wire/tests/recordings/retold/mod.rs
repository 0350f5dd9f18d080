//! Recorded streams told again: what a wire reads of a stream, a frontend of the same wire tells in the same events and
//! order, but for what [`differences`] lists.

mod anthropic;
mod differences;
mod openai_chat;
mod openai_responses;

use std::collections::BTreeSet;

pub(crate) use differences::all as differences;
use greenroom_wire::{ChatEvent, StreamDecoder, StreamState};
use serde_json::Value;

use crate::load::Recording;

/// What a stream says, event by event, as far as nothing but chunking can be otherwise: neighbouring deltas are one.
type Steps = Vec<Value>;

/// The wire of a recorded stream that is told again, and how the second telling differs; `None` if it is no stream of the
/// three wires, or one that does not end well. The differences that were met are added to `met`.
pub(crate) fn check(
    recording: &Recording,
    met: &mut BTreeSet<&'static str>,
) -> Option<(&'static str, Result<(), String>)> {
    let text = recording.text();
    let is_stream = ["data:", "event:", ":"].iter().any(|start| text.trim_start().starts_with(start));
    if recording.status != 200 || !is_stream {
        return None;
    }
    let (wire, told) = match recording.api.as_str() {
        "anthropic-messages" | "azure-anthropic" | "vertex-anthropic" => ("anthropic", anthropic::told(recording)?),
        "openai-chat" | "openai-compat" | "azure-chat" | "copilot-chat" | "openrouter-chat" | "ollama-openai"
        | "llamacpp-chat" => ("openai-chat", openai_chat::told(recording)?),
        "openai-responses" | "azure-responses" | "openrouter-responses" | "copilot-responses" | "chatgpt-codex" => {
            ("openai-responses", openai_responses::told(recording)?)
        }
        _ if recording.path().ends_with("/chat/completions") => ("openai-chat", openai_chat::told(recording)?),
        _ if recording.path().ends_with("/responses") => ("openai-responses", openai_responses::told(recording)?),
        _ => return None,
    };
    Some((wire, compare(wire, recording, [&text, &told], met)))
}

fn compare(
    wire: &str,
    recording: &Recording,
    [recorded, told]: [&str; 2],
    met: &mut BTreeSet<&'static str>,
) -> Result<(), String> {
    let read = |body: &str| match wire {
        "openai-chat" => merged(openai_chat::said(steps(wire, body))),
        _ => merged(steps(wire, body)),
    };
    let (mut want, mut got) = (read(recorded), read(told));
    for (what, alike) in differences::of(wire, &recording.api, &recording.case) {
        let (was, were) = (want.clone(), got.clone());
        (want, got) = (alike(want), alike(got));
        if (&was, &were) != (&want, &got) {
            met.insert(what);
        }
    }
    let (want, got) = (merged(want), merged(got));
    let at = (0..want.len().max(got.len())).find(|at| want.get(*at) != got.get(*at));
    match at {
        None => Ok(()),
        Some(at) => Err(format!(
            "step {at}: got {}, want {}",
            got.get(at).unwrap_or(&Value::Null),
            want.get(at).unwrap_or(&Value::Null)
        )),
    }
}

/// All events of a body.
fn steps(wire: &str, body: &str) -> Steps {
    let data = body.split(['\n', '\r']).filter_map(|line| line.strip_prefix("data:")).map(str::trim);
    let events = data.filter(|data| !data.is_empty()).map(|data| match data {
        "[DONE]" => Value::from("[DONE]"),
        data => serde_json::from_str(data).unwrap_or_else(|error| panic!("{wire}: {error}: {data}")),
    });
    events.collect()
}

/// With neighbours of which the second only goes on with the text of the first as one.
fn merged(steps: Steps) -> Steps {
    let mut merged = Steps::new();
    for step in steps {
        if let Some(last) = merged.last_mut()
            && let Some(one) = joined(last, &step)
        {
            *last = one;
        } else {
            merged.push(step);
        }
    }
    merged
}

/// Where the texts of a delta stand.
const TEXTS: [&str; 6] =
    ["/delta", "/delta/text", "/delta/thinking", "/delta/signature", "/delta/partial_json", "/said"];

fn joined(one: &Value, other: &Value) -> Option<Value> {
    let at = TEXTS.into_iter().find(|at| one.pointer(at).is_some_and(Value::is_string))?;
    let (first, second) = (one.pointer(at)?.as_str()?, other.pointer(at)?.as_str()?);
    let mut joined = one.clone();
    let text = format!("{first}{second}");
    *joined.pointer_mut(at)? = second.into();
    (joined == *other).then(|| {
        let mut joined = one.clone();
        if let Some(place) = joined.pointer_mut(at) {
            *place = text.into();
        }
        joined
    })
}

/// What a decoder reads of a recorded stream; none if it does not end well.
fn read(mut decoder: impl StreamDecoder, recording: &Recording) -> Option<(String, String, Vec<ChatEvent>)> {
    decoder.handle_bytes(&recording.body);
    decoder.handle_end();
    let events: Vec<_> = std::iter::from_fn(|| decoder.poll_event()).collect();
    match (decoder.state(), events.first()) {
        (StreamState::Done, Some(ChatEvent::Started { id, model })) => Some((id.clone(), model.clone(), events)),
        _ => None,
    }
}
