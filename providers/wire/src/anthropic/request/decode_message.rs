//! A client's messages.

use serde_json::{Map, Value};

use super::decode_block::{Holder, read_said, read_text};
use crate::{
    chat::{Message, Part, Role, ToolCallKind, Wire},
    error::ChatError,
    reader::{array, object, rest, string, take, wrong},
};

/// Reads `system`: a text or text blocks.
pub(super) fn read_system(system: Value) -> Result<Message, ChatError> {
    let mut holder = Holder::new(Role::System);
    for (index, block) in blocks("system", system)?.into_iter().enumerate() {
        let at = format!("system.{index}");
        let block = object(&at, block)?;
        match block.get("type").and_then(Value::as_str) {
            Some("text") => read_text(&mut holder, &at, block)?,
            _ => return Err(wrong(&format!("{at}.type"), format!("'{at}.type' must be 'text'"))),
        }
    }
    Ok(holder.message)
}

/// Reads the messages; one with results of tools and more besides becomes two.
pub(super) fn read_messages(read: &mut Vec<Message>, messages: Vec<Value>) -> Result<(), ChatError> {
    for (index, message) in messages.into_iter().enumerate() {
        let at = format!("messages.{index}");
        let mut map = object(&at, message)?;
        let role = string(&format!("{at}.role"), take(&mut map, &at, "role")?)?;
        let content = take(&mut map, &at, "content")?;
        let content = blocks(&format!("{at}.content"), content)?;
        let at_content = format!("{at}.content");
        match role.as_str() {
            "user" => read_user(read, &at_content, content, map)?,
            "assistant" => {
                let mut holder = Holder::new(Role::Assistant);
                for (index, block) in content.into_iter().enumerate() {
                    let at = format!("{at_content}.{index}");
                    read_assistant(&mut holder, &at, object(&at, block)?)?;
                }
                read.push(holder.finish(map));
            }
            "system" => {
                let mut holder = Holder::new(Role::System);
                for (index, block) in content.into_iter().enumerate() {
                    let at = format!("{at_content}.{index}");
                    read_said(&mut holder, &at, object(&at, block)?)?;
                }
                read.push(holder.finish(map));
            }
            _ => return Err(wrong(&format!("{at}.role"), format!("'{at}.role' must be 'user' or 'assistant'"))),
        }
    }
    Ok(())
}

/// Content as blocks; a text is one.
fn blocks(at: &str, content: Value) -> Result<Vec<Value>, ChatError> {
    match content {
        Value::String(text) => {
            let block = [("type".to_owned(), Value::from("text")), ("text".to_owned(), Value::from(text))];
            Ok(vec![Value::Object(Map::from_iter(block))])
        }
        Value::Array(blocks) => Ok(blocks),
        other => array(at, other).map_err(|_| wrong(at, format!("'{at}' must be a string or an array"))),
    }
}

fn read_user(
    read: &mut Vec<Message>,
    at: &str,
    content: Vec<Value>,
    rest_of_message: Map<String, Value>,
) -> Result<(), ChatError> {
    let (mut results, mut said) = (Holder::new(Role::Tool), Holder::new(Role::User));
    for (index, block) in content.into_iter().enumerate() {
        let at = format!("{at}.{index}");
        let block = object(&at, block)?;
        match block.get("type").and_then(Value::as_str) {
            Some("tool_result") => read_result(&mut results, &at, block)?,
            _ => read_said(&mut said, &at, block)?,
        }
    }
    let only_results = !results.message.parts.is_empty() && said.is_empty();
    if only_results {
        read.push(results.finish(rest_of_message));
        return Ok(());
    }
    if !results.message.parts.is_empty() {
        read.push(results.message);
    }
    read.push(said.finish(rest_of_message));
    Ok(())
}

fn read_result(holder: &mut Holder, at: &str, mut map: Map<String, Value>) -> Result<(), ChatError> {
    map.shift_remove("type");
    let id = string(&format!("{at}.tool_use_id"), take(&mut map, at, "tool_use_id")?)?;
    let place = holder.place();
    let error = match map.shift_remove("is_error") {
        None | Some(Value::Null) => false,
        Some(value) => crate::reader::boolean(&format!("{at}.is_error"), &value)?,
    };
    // What is inside has places of its own, below the result's.
    let mut inside = Holder::within(Role::Tool, format!("{place}/content"));
    match map.shift_remove("content") {
        None | Some(Value::Null) => {}
        Some(Value::String(text)) if text.is_empty() => {}
        Some(content) => {
            for (index, block) in blocks(&format!("{at}.content"), content)?.into_iter().enumerate() {
                let at = format!("{at}.content.{index}");
                read_said(&mut inside, &at, object(&at, block)?)?;
            }
        }
    }
    let (parts, extras) = inside.into_nested();
    holder.message.extra.extend(extras);
    holder.add(Part::ToolResult { id, parts, error }, map);
    Ok(())
}

fn read_assistant(holder: &mut Holder, at: &str, mut map: Map<String, Value>) -> Result<(), ChatError> {
    let kind = match map.get("type") {
        Some(Value::String(kind)) => kind.clone(),
        _ => string(&format!("{at}.type"), take(&mut map, at, "type")?)?,
    };
    match kind.as_str() {
        "text" => return read_text(holder, at, map),
        "tool_use" => {
            map.shift_remove("type");
            let id = string(&format!("{at}.id"), take(&mut map, at, "id")?)?;
            let name = string(&format!("{at}.name"), take(&mut map, at, "name")?)?;
            let input = object(&format!("{at}.input"), take(&mut map, at, "input")?)?;
            let arguments = Value::Object(input).to_string();
            holder.add(Part::ToolCall { id, name, arguments, kind: ToolCallKind::Function }, map);
        }
        _ => {
            if let (true, Some(Value::String(text))) = (kind == "thinking", map.get("thinking"))
                && !text.is_empty()
            {
                holder.message.parts.push(Part::Thinking { text: text.clone() });
            }
            // Nobody signed it: another wire's thinking, as it is served to clients of this one.
            let signed = |map: &Map<String, Value>| map.get("signature").is_some_and(|signature| signature != "");
            if kind == "thinking" && !signed(&map) {
                return Ok(());
            }
            // The client does not say who said it.
            let data = Value::Object(map);
            holder.add(Part::Opaque { provider: String::new(), model: String::new(), data }, Map::new());
        }
    }
    Ok(())
}

impl Holder {
    /// The message, with what it has besides its content.
    fn finish(mut self, map: Map<String, Value>) -> Message {
        rest(Wire::Anthropic, &mut self.message.extra, "", map);
        self.message
    }
}
