//! Recorded answers served again, which must be the recorded messages.

use greenroom_wire::{
    ChatEvent,
    anthropic::{StreamWriter, ToolNames, decode_answer, whole_answer},
};
use serde_json::{Value, json};

use super::reading::{Reading, read_stream, read_whole};

/// Serves a complete answer as a stream and whole, and compares what a client makes of each with the recording.
pub(super) fn check(events: &[ChatEvent], recorded: &Reading) -> Result<(), String> {
    let (id, model) = match events.first() {
        Some(ChatEvent::Started { id, model }) => (id.as_str(), model.as_str()),
        _ => return Err("it has no beginning".into()),
    };
    let mut writer = StreamWriter::new(id, model);
    let mut stream = Vec::new();
    events.iter().for_each(|event| writer.write(event, &mut stream));
    let streamed = read_stream(std::str::from_utf8(&stream).map_err(|error| error.to_string())?);
    let body = whole_answer(events, id, model, true);
    let whole = read_whole(std::str::from_utf8(&body).map_err(|error| error.to_string())?);
    if !streamed.ended {
        return Err("served as a stream, it does not end".into());
    }
    for (how, served) in [("as a stream", &streamed), ("whole", &whole)] {
        let equal = |what: &str, got: &Value, want: &Value| match got == want {
            true => Ok(()),
            false => Err(format!("served {how}, {what}: got {got}, want {want}")),
        };
        for key in ["id", "model", "stop_sequence", "container", "stop_details"] {
            let unsaid = ["id", "model"].contains(&key) && recorded.message[key].is_null();
            let want = if unsaid { "".into() } else { recorded.message[key].clone() };
            equal(key, &served.message[key], &want)?;
        }
        equal("stop_reason", &served.message["stop_reason"], &stop_reason(recorded))?;
        equal("content", &content(served), &content(recorded))?;
    }
    // A later count replaces an earlier one.
    let counts = |events: &[ChatEvent]| -> Option<ChatEvent> {
        events.iter().rfind(|event| matches!(event, ChatEvent::Usage(_))).cloned()
    };
    let again = decode_answer(&body, &ToolNames::default()).map_err(|error| error.to_string())?;
    // What was not counted is served as zero.
    match counts(events).is_none() || counts(&again) == counts(events) {
        true => Ok(()),
        false => Err(format!("served, usage: got {:?}, want {:?}", counts(&again), counts(events))),
    }
}

/// Two reasons for an answer that is too long are one, and some servers give none.
fn stop_reason(recorded: &Reading) -> Value {
    let calls = recorded.blocks().iter().any(|block| block["type"] == "tool_use");
    match recorded.message["stop_reason"].as_str() {
        Some("model_context_window_exceeded") => "max_tokens".into(),
        Some("end_turn" | "stop_sequence") | None if calls => "tool_use".into(),
        None => "end_turn".into(),
        Some(word) => word.into(),
    }
}

/// The blocks, but for texts that say nothing and fields that are empty.
fn content(reading: &Reading) -> Value {
    let blocks = reading.blocks().iter().zip(&reading.arguments).filter_map(|(block, written)| {
        let mut block = block.clone();
        let object = block.as_object_mut()?;
        if object.get("citations").is_some_and(|list| list.is_null() || *list == json!([])) {
            object.shift_remove("citations");
        }
        // Arguments that were cut are no object in a stream, and stand in one where the answer is whole.
        if !written.is_empty() && serde_json::from_str::<Value>(written).is_err() {
            object.insert("input".into(), json!({"arguments": written}));
        }
        (block["type"] != "text" || block["text"] != "").then_some(block)
    });
    blocks.collect()
}
