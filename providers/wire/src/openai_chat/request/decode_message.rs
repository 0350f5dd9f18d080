//! A client's messages.

use std::collections::VecDeque;

use serde_json::{Map, Value, json};

use super::{
    decode_part::{read_part, read_text_part},
    reader::{array, extra, object, rest, string, take, take_string, wrong},
};
use crate::{
    chat::{Message, Part, Role, ToolCallKind},
    error::ChatError,
};

pub(super) fn read_messages(messages: Vec<Value>) -> Result<Vec<Message>, ChatError> {
    // Calls of the legacy `function_call` have no ids; their results come in order.
    let mut legacy = VecDeque::new();
    messages
        .into_iter()
        .enumerate()
        .map(|(index, message)| {
            let at = format!("messages[{index}]");
            let mut map = object(&at, message)?;
            let role = string(&format!("{at}.role"), take(&mut map, &at, "role")?)?;
            match role.as_str() {
                "system" => read_said(Role::System, &at, map),
                "developer" => read_said(Role::Developer, &at, map),
                "user" => read_said(Role::User, &at, map),
                "assistant" => read_assistant(&at, map, &mut legacy),
                "tool" => {
                    let id = string(&format!("{at}.tool_call_id"), take(&mut map, &at, "tool_call_id")?)?;
                    read_result(&at, map, id)
                }
                "function" => {
                    let id = legacy.pop_front().unwrap_or_else(|| format!("call_function_{index}"));
                    map.shift_remove("name");
                    read_result(&at, map, id)
                }
                _ => Err(wrong(
                    &format!("{at}.role"),
                    format!("'{at}.role' must be 'system', 'developer', 'user', 'assistant' or 'tool'"),
                )),
            }
        })
        .collect()
}

/// A message of someone who does not call tools.
fn read_said(role: Role, at: &str, mut map: Map<String, Value>) -> Result<Message, ChatError> {
    let mut message = Message::new(role, Vec::new());
    message.name = take_string(&mut map, at, "name")?;
    let content = take(&mut map, at, "content")?;
    read_content(&mut message, at, content)?;
    rest(&mut message.extra, "", map);
    Ok(message)
}

/// Reads `content` into the message's parts. A part that is not known is an extra in its place.
fn read_content(message: &mut Message, at: &str, content: Value) -> Result<(), ChatError> {
    let parts = match content {
        Value::String(text) => {
            message.parts.push(Part::Text { text });
            return Ok(());
        }
        Value::Null => return Ok(()),
        Value::Array(parts) => parts,
        other => {
            let at = format!("{at}.content");
            return string(&at, other)
                .map(drop)
                .map_err(|_| wrong(&at, format!("'{at}' must be a string or an array")));
        }
    };
    for (index, part) in parts.into_iter().enumerate() {
        let at = format!("{at}.content[{index}]");
        let place = format!("/content/{index}");
        read_part(message, &at, &place, object(&at, part)?)?;
    }
    Ok(())
}

fn read_assistant(at: &str, mut map: Map<String, Value>, legacy: &mut VecDeque<String>) -> Result<Message, ChatError> {
    let mut message = Message::new(Role::Assistant, Vec::new());
    message.name = take_string(&mut map, at, "name")?;
    read_thinking(&mut message, &mut map);
    let content = map.shift_remove("content").unwrap_or(Value::Null);
    let refusal = take_string(&mut map, at, "refusal")?;
    let calls = map.shift_remove("tool_calls").filter(|calls| !calls.is_null());
    let function = map.shift_remove("function_call").filter(|call| !call.is_null());
    // Beside calls an empty text is the same as none.
    if !(content == "" && (calls.is_some() || function.is_some() || refusal.is_some())) {
        read_content(&mut message, at, content)?;
    }
    message.parts.extend(refusal.map(|text| Part::Refusal { text }));
    if let Some(calls) = calls {
        for (index, call) in array(&format!("{at}.tool_calls"), calls)?.into_iter().enumerate() {
            read_call(&mut message, &format!("{at}.tool_calls[{index}]"), &format!("/tool_calls/{index}"), call)?;
        }
    }
    if let Some(call) = function {
        let at = format!("{at}.function_call");
        let mut call = object(&at, call)?;
        let id = format!("call_function_{}", at.trim_matches(|c: char| !c.is_ascii_digit()));
        legacy.push_back(id.clone());
        message.parts.push(Part::ToolCall {
            id,
            name: string(&format!("{at}.name"), take(&mut call, &at, "name")?)?,
            arguments: take_string(&mut call, &at, "arguments")?.unwrap_or_default(),
            kind: ToolCallKind::Function,
        });
    }
    if map.get("audio").is_some_and(Value::is_null) {
        map.shift_remove("audio");
    }
    rest(&mut message.extra, "", map);
    Ok(message)
}

/// Thinking of an earlier turn, under any of the names that servers gave it. What signs it has no origin here: the
/// client does not say who answered.
fn read_thinking(message: &mut Message, map: &mut Map<String, Value>) {
    let mut thinking = None;
    for key in ["reasoning_content", "reasoning", "reasoning_text"] {
        match map.get(key) {
            Some(Value::String(text)) if thinking.as_ref().is_none_or(|said| said == text) => {
                thinking = Some(text.clone());
                map.shift_remove(key);
            }
            Some(Value::Null) => drop(map.shift_remove(key)),
            _ => {}
        }
    }
    message.parts.extend(thinking.map(|text| Part::Thinking { text }));
    for key in ["reasoning_details", "reasoning_opaque"] {
        if let Some(data) = map.shift_remove(key).filter(|data| !data.is_null()) {
            let data = json!({ key: data });
            message.parts.push(Part::Opaque { provider: String::new(), model: String::new(), data });
        }
    }
}

fn read_call(message: &mut Message, at: &str, place: &str, call: Value) -> Result<(), ChatError> {
    let mut call = object(at, call)?;
    let id = string(&format!("{at}.id"), take(&mut call, at, "id")?)?;
    let kind = match take_string(&mut call, at, "type")?.as_deref() {
        None | Some("function") => ToolCallKind::Function,
        Some("custom") => ToolCallKind::Custom,
        Some(_) => return Err(wrong(&format!("{at}.type"), format!("'{at}.type' must be 'function' or 'custom'"))),
    };
    let (word, key) = match kind {
        ToolCallKind::Function => ("function", "arguments"),
        ToolCallKind::Custom => ("custom", "input"),
    };
    let inside = format!("{at}.{word}");
    let mut body = object(&inside, take(&mut call, at, word)?)?;
    let name = string(&format!("{inside}.name"), take(&mut body, &inside, "name")?)?;
    let arguments = take_string(&mut body, &inside, key)?.unwrap_or_default();
    message.parts.push(Part::ToolCall { id, name, arguments, kind });
    // A number that only streams need.
    call.shift_remove("index");
    rest(&mut message.extra, &format!("{place}/{word}"), body);
    rest(&mut message.extra, place, call);
    Ok(())
}

fn read_result(at: &str, mut map: Map<String, Value>, id: String) -> Result<Message, ChatError> {
    let mut message = Message::new(Role::Tool, Vec::new());
    message.name = take_string(&mut map, at, "name")?;
    let mut parts = Vec::new();
    match map.shift_remove("content") {
        None | Some(Value::Null) => {}
        Some(Value::String(text)) => parts.push(Part::Text { text }),
        Some(list) => {
            // Places are those of the list as it is written again, in which no media stand.
            let mut listed = 0;
            for (index, part) in array(&format!("{at}.content"), list)?.into_iter().enumerate() {
                let at = format!("{at}.content[{index}]");
                let place = format!("/content/{listed}");
                let part = object(&at, part)?;
                match part.get("type").and_then(Value::as_str) {
                    Some("text") => {
                        let (text, mark) = read_text_part(&mut message.extra, &at, &place, part)?;
                        parts.push(text);
                        message.cache.extend(mark.map(|ttl| crate::chat::CacheMark { part: 0, ttl }));
                    }
                    // OpenAI takes none here, other servers do, and agents that know those send them.
                    Some("image_url" | "input_audio" | "file") => {
                        let mut media = Message::new(Role::Tool, Vec::new());
                        read_part(&mut media, &at, &place, part)?;
                        parts.append(&mut media.parts);
                        continue;
                    }
                    _ => message.extra.push(extra(place, Value::Object(part))),
                }
                listed += 1;
            }
        }
    }
    message.parts.push(Part::ToolResult { id, parts, error: false });
    rest(&mut message.extra, "", map);
    Ok(message)
}
