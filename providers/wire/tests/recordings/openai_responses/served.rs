//! Recorded answers served again, which must be the recorded responses, said in the same steps.

use greenroom_wire::{
    ChatEvent,
    openai_responses::{Echo, StreamWriter, whole_response},
};
use serde_json::{Value, json};

use super::{
    check::plain,
    reading::{Reading, read_stream, read_whole},
};

/// Serves a complete answer as a stream and whole, and compares what a client makes of each with the recording, which
/// is `body` if it was a stream.
pub(super) fn check(events: &[ChatEvent], recorded: &Reading, body: Option<&str>) -> Result<(), String> {
    let (id, model) = match events.first() {
        Some(ChatEvent::Started { id, model }) => (id.as_str(), model.as_str()),
        _ => return Err("it has no beginning".into()),
    };
    let mut writer = StreamWriter::new(id, 7, model, Echo::default());
    let mut stream = Vec::new();
    events.iter().for_each(|event| writer.write(event, &mut stream));
    let stream = String::from_utf8(stream).map_err(|error| error.to_string())?;
    let whole = String::from_utf8(whole_response(events, id, 7, model, Echo::default())).map_err(|e| e.to_string())?;
    for (how, served) in [("as a stream", read_stream(&stream)), ("whole", read_whole(&whole))] {
        let equal = |what: &str, got: &Value, want: &Value| match got == want {
            true => Ok(()),
            false => Err(format!("served {how}, {what}: got {got}, want {want}")),
        };
        for key in ["status", "incomplete_details"] {
            equal(key, &served.response[key], &recorded.response[key])?;
        }
        for key in ["input_tokens", "output_tokens", "input_tokens_details", "output_tokens_details"] {
            let of = |reading: &Reading| without_nothing(&reading.response["usage"][key]);
            equal(key, &of(&served), &of(recorded))?;
        }
        equal("output", &output(&served), &output(recorded))?;
    }
    match body.and_then(|body| differ(body, &stream)) {
        Some(how) => Err(format!("served in other steps: {how}")),
        None => Ok(()),
    }
}

/// The counts, of which those that are nothing need not be said.
fn without_nothing(counts: &Value) -> Value {
    let is_nothing = |count: &Value| count.is_null() || *count == json!(0);
    match counts {
        Value::Null => json!({}),
        Value::Object(counts) => {
            let counts = counts.iter().filter(|(_, count)| !is_nothing(count));
            counts.map(|(key, count)| (key.clone(), count.clone())).collect()
        }
        count => count.clone(),
    }
}

/// The items, but for messages that say nothing, and without the ids of messages, which are seen by the steps.
fn output(reading: &Reading) -> Value {
    let items = reading.items().iter().filter(|item| !item.is_null() && !is_silent(item));
    let mut items: Vec<_> = items.cloned().map(plain).collect();
    for item in items.iter_mut().filter(|item| item["type"] == "message").filter_map(Value::as_object_mut) {
        item.shift_remove("id");
    }
    items.into()
}

fn is_silent(item: &Value) -> bool {
    let says =
        |part: &Value| ["text", "refusal"].iter().any(|key| part[key].as_str().is_some_and(|text| !text.is_empty()));
    item["type"] == "message" && !item["content"].as_array().is_some_and(|parts| parts.iter().any(says))
}

/// What a stream says in which order: the types of its events with the item's number and id, deltas once. Some servers
/// give an item another id in each event; theirs are compared without. How far a provider's own tool has come is not
/// served, and an item that comes whole begins where it ends.
fn steps(body: &str) -> (Vec<String>, bool) {
    let mut steps: Vec<(String, String, String)> = Vec::new();
    for line in body.split(['\n', '\r']) {
        let Some(data) = line.strip_prefix("data:").map(str::trim).filter(|data| data.starts_with('{')) else {
            continue;
        };
        let event: Value = serde_json::from_str(data).expect("events are JSON");
        let kind = event["type"].as_str().unwrap_or_default();
        let id = event["item_id"].as_str().or(event["item"]["id"].as_str()).unwrap_or_default();
        let step = (kind.to_owned(), event["output_index"].to_string(), id.to_owned());
        let is_progress = kind.contains("_call.") || kind.contains(".mcp_");
        if !is_progress && steps.last() != Some(&step) {
            steps.push(step);
        }
        if ["response.completed", "response.incomplete"].contains(&kind) {
            break;
        }
    }
    let changes = steps
        .iter()
        .any(|(_, index, id)| index != "null" && steps.iter().any(|(_, other, its)| other == index && its != id));
    let is_whole = |index: &str| {
        steps.iter().filter(|step| step.1 == index).all(|step| step.0.starts_with("response.output_item."))
    };
    let said = steps.iter().filter(|(kind, index, _)| kind != "response.output_item.added" || !is_whole(index));
    (said.map(|(kind, index, id)| format!("{kind} {index} {id}")).collect(), changes)
}

/// The steps of two streams, without ids if the first changes them on its way.
fn differ(recorded: &str, served: &str) -> Option<String> {
    let ((want, changes), (got, changed)) = (steps(recorded), steps(served));
    let short = |steps: &[String]| -> Vec<String> {
        let words = |step: &String| step.rsplit_once(' ').map_or_else(String::new, |(words, _)| words.to_owned());
        let mut steps: Vec<_> = if changes { steps.iter().map(words).collect() } else { steps.to_vec() };
        steps.dedup();
        steps
    };
    let (want, got) = (short(&want), short(&got));
    (changed || want != got).then(|| format!("got {got:?}, want {want:?}"))
}
