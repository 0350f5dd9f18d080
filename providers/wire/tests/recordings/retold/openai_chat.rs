//! OpenAI's chat completions.

use greenroom_wire::openai_chat::{OpenaiChatDecoder, StreamWriter};
use serde_json::{Value, json};

use super::{Steps, read};
use crate::load::Recording;

/// A recorded stream, told again.
pub(super) fn told(recording: &Recording) -> Option<String> {
    let (id, model, events) = read(OpenaiChatDecoder::new(recording.choices()), recording)?;
    // Of some requests only what was asked in words was kept.
    let legacy = recording.text().contains("\"function_call\":{");
    let mut writer = StreamWriter::new(id, 7, model).include_usage(true).legacy_functions(legacy);
    let mut out = Vec::new();
    events.iter().for_each(|event| writer.write(event, &mut out));
    String::from_utf8(out).ok()
}

/// What chunks say, one thing after another: servers put several into one chunk, or none.
pub(super) fn said(chunks: Steps) -> Steps {
    let mut said = Steps::new();
    for chunk in chunks {
        let Some(fields) = chunk.as_object() else {
            said.push(chunk);
            continue;
        };
        for (key, value) in fields.iter().filter(|(key, _)| *key != "choices") {
            said.push(json!({"of": "chunk", "key": key, "is": value}));
        }
        for choice in chunk["choices"].as_array().into_iter().flatten() {
            let number = choice["index"].as_u64().unwrap_or(0);
            of_delta(number, &choice["delta"], &mut said);
            // An old form of a chunk of text.
            if let Some(text) = choice["text"].as_str() {
                said.push(json!({"of": number, "key": "content", "said": text}));
            }
            for (key, value) in choice.as_object().into_iter().flatten() {
                if !["index", "delta", "text"].contains(&key.as_str()) {
                    said.push(json!({"of": number, "key": key, "is": value}));
                }
            }
        }
    }
    said
}

fn of_delta(choice: u64, delta: &Value, said: &mut Steps) {
    // The fields of an object have no order: what is thought and signed comes before what is said, and calls come last.
    let place = |key: &str| match key {
        "content" | "refusal" => 1,
        "tool_calls" | "function_call" => 2,
        _ => 0,
    };
    let mut fields: Vec<_> = delta.as_object().into_iter().flatten().collect();
    fields.sort_by_key(|(key, _)| place(key));
    for (key, value) in fields {
        match value {
            Value::String(text) if key != "role" => said.push(json!({"of": choice, "key": key, "said": text})),
            Value::Array(calls) if key == "tool_calls" => {
                for call in calls {
                    of_call(choice, call, said);
                }
            }
            Value::Object(call) if key == "function_call" => {
                for (key, value) in call {
                    let key = format!("function_call.{key}");
                    match value {
                        Value::String(text) => said.push(json!({"of": choice, "key": key, "said": text})),
                        value => said.push(json!({"of": choice, "key": key, "is": value})),
                    }
                }
            }
            value => said.push(json!({"of": choice, "key": key, "is": value})),
        }
    }
}

fn of_call(choice: u64, call: &Value, said: &mut Steps) {
    let at = call["index"].clone();
    let id = call["id"].as_str().filter(|id| !id.is_empty());
    let of = if call["custom"].is_object() { &call["custom"] } else { &call["function"] };
    if let Some(name) = of["name"].as_str().filter(|name| !name.is_empty()) {
        said.push(json!({"of": choice, "key": "call", "at": at, "id": id, "name": name}));
    }
    for key in ["arguments", "input"] {
        if let Some(text) = of[key].as_str() {
            said.push(json!({"of": choice, "key": key, "at": at, "said": text}));
        }
    }
    for (key, value) in call.as_object().into_iter().flatten() {
        if !["index", "id", "type", "function", "custom"].contains(&key.as_str()) {
            said.push(json!({"of": choice, "key": format!("call.{key}"), "at": at, "is": value}));
        }
    }
}
