//! A client's messages.

use serde_json::{Map, Value};

use super::extras::rest;
use crate::{
    chat::{MediaSource, Message, Part, Role, ToolCallKind},
    error::ChatError,
    ollama::media::media_type,
    reader::{array, object, string, take, take_string, wrong},
};

/// A call that has no result yet.
struct Open {
    /// Where it stands: message and part.
    place: (usize, usize),
    id: String,
    name: String,
    /// The client gave it no id.
    nameless: bool,
}

pub(super) fn read_messages(list: Vec<Value>) -> Result<Vec<Message>, ChatError> {
    let mut messages: Vec<Message> = Vec::new();
    let mut open: Vec<Open> = Vec::new();
    for (index, value) in list.into_iter().enumerate() {
        let at = format!("messages[{index}]");
        let mut map = object(&at, value)?;
        let role = string(&format!("{at}.role"), take(&mut map, &at, "role")?)?;
        let message = match role.as_str() {
            "system" => read_said(Role::System, &at, map)?,
            "developer" => read_said(Role::Developer, &at, map)?,
            "user" => read_said(Role::User, &at, map)?,
            "assistant" => read_assistant(&at, index, map, &mut open)?,
            "tool" => {
                let (message, renamed) = read_result(&at, index, map, &mut open)?;
                if let Some(((call, part), new)) = renamed
                    && let Some(Part::ToolCall { id, .. }) = messages[call].parts.get_mut(part)
                {
                    *id = new;
                }
                message
            }
            _ => {
                let at = format!("{at}.role");
                return Err(wrong(&at, format!("'{at}' must be 'system', 'user', 'assistant' or 'tool'")));
            }
        };
        messages.push(message);
    }
    Ok(messages)
}

/// The text and the pictures of a message.
fn read_content(at: &str, map: &mut Map<String, Value>) -> Result<Vec<Part>, ChatError> {
    let mut parts = Vec::new();
    if let Some(text) = take_string(map, at, "content")?.filter(|text| !text.is_empty()) {
        parts.push(Part::Text { text });
    }
    if let Some(images) = map.shift_remove("images").filter(|images| !images.is_null()) {
        for (index, image) in array(&format!("{at}.images"), images)?.into_iter().enumerate() {
            let data = string(&format!("{at}.images[{index}]"), image)?;
            let media_type = media_type(&data).to_owned();
            parts.push(Part::Image { source: MediaSource::Base64 { media_type, data }, detail: None });
        }
    }
    Ok(parts)
}

/// A message of someone who does not call tools.
fn read_said(role: Role, at: &str, mut map: Map<String, Value>) -> Result<Message, ChatError> {
    let mut message = Message::new(role, read_content(at, &mut map)?);
    rest(&mut message.extra, "", map);
    Ok(message)
}

fn read_assistant(
    at: &str,
    index: usize,
    mut map: Map<String, Value>,
    open: &mut Vec<Open>,
) -> Result<Message, ChatError> {
    open.clear();
    let mut message = Message::new(Role::Assistant, Vec::new());
    if let Some(text) = take_string(&mut map, at, "thinking")?.filter(|text| !text.is_empty()) {
        message.parts.push(Part::Thinking { text });
    }
    message.parts.extend(read_content(at, &mut map)?);
    if let Some(calls) = map.shift_remove("tool_calls").filter(|calls| !calls.is_null()) {
        for (number, call) in array(&format!("{at}.tool_calls"), calls)?.into_iter().enumerate() {
            let at = format!("{at}.tool_calls[{number}]");
            let mut call = object(&at, call)?;
            let given = take_string(&mut call, &at, "id")?.filter(|id| !id.is_empty());
            let inside = format!("{at}.function");
            let mut function = object(&inside, take(&mut call, &at, "function")?)?;
            let name = string(&format!("{inside}.name"), take(&mut function, &inside, "name")?)?;
            let arguments = match function.shift_remove("arguments") {
                None | Some(Value::Null) => String::new(),
                // Not this wire's form, but some clients send what they got from another.
                Some(Value::String(text)) => text,
                Some(value) => Value::Object(object(&format!("{inside}.arguments"), value)?).to_string(),
            };
            let nameless = given.is_none();
            let id = given.unwrap_or_else(|| format!("call_{index}_{number}"));
            open.push(Open { place: (index, message.parts.len()), id: id.clone(), name: name.clone(), nameless });
            message.parts.push(Part::ToolCall { id, name, arguments, kind: ToolCallKind::Function });
            // A number that only streams need, and a type that is always the same.
            function.shift_remove("index");
            if call.get("type").is_some_and(|kind| kind == "function") {
                call.shift_remove("type");
            }
            rest(&mut message.extra, &format!("/tool_calls/{number}/function"), function);
            rest(&mut message.extra, &format!("/tool_calls/{number}"), call);
        }
    }
    rest(&mut message.extra, "", map);
    Ok(message)
}

/// A call's place, and the id that it turns out to have.
type Renamed = ((usize, usize), String);

/// A tool's result, which belongs to a call by its id, else by the tool's name, else in order. With it the call that
/// the client gave no id, while it gave one to the result.
fn read_result(
    at: &str,
    index: usize,
    mut map: Map<String, Value>,
    open: &mut Vec<Open>,
) -> Result<(Message, Option<Renamed>), ChatError> {
    let mut message = Message::new(Role::Tool, Vec::new());
    message.name = take_string(&mut map, at, "tool_name")?;
    let given = take_string(&mut map, at, "tool_call_id")?.filter(|id| !id.is_empty());
    let by_id = given.as_ref().and_then(|id| open.iter().position(|call| call.id == *id));
    let may_be = |call: &Open| call.nameless || given.is_none();
    let by_name = || {
        let name = message.name.as_ref()?;
        open.iter().position(|call| may_be(call) && call.name == *name)
    };
    let call = by_id.or_else(by_name).or_else(|| open.iter().position(may_be)).map(|place| open.remove(place));
    let (id, renamed) = match (call, given) {
        (Some(call), Some(given)) if call.id != given => (given.clone(), Some((call.place, given))),
        (Some(call), _) => (call.id, None),
        (None, Some(given)) => (given, None),
        (None, None) => (format!("call_{index}"), None),
    };
    let parts = read_content(at, &mut map)?;
    message.parts.push(Part::ToolResult { id, parts, error: false });
    rest(&mut message.extra, "", map);
    Ok((message, renamed))
}
