//! Items of a client's input.

use serde_json::{Map, Value, json};

use super::decode_part::read_parts;
use crate::{
    chat::{Extra, Message, Part, Role, ToolCallKind, Wire},
    error::ChatError,
    reader::{object, rest, string, take, take_string, wrong},
};

/// Makes messages of items. All that the model said one after the other becomes one message.
pub(super) struct Reader<'m> {
    messages: &'m mut Vec<Message>,
    /// What the model said since anyone else did.
    answer: Vec<Part>,
}

impl<'m> Reader<'m> {
    pub(super) fn new(messages: &'m mut Vec<Message>) -> Self {
        Self { messages, answer: Vec::new() }
    }

    pub(super) fn end(&mut self) {
        if !self.answer.is_empty() {
            self.messages.push(Message::new(Role::Assistant, std::mem::take(&mut self.answer)));
        }
    }

    pub(super) fn read(&mut self, at: &str, map: Map<String, Value>) -> Result<(), ChatError> {
        let kind = match map.get("type") {
            None | Some(Value::Null) if map.contains_key("role") => "message",
            Some(Value::String(kind)) => kind,
            // A reference to an item that the provider keeps.
            None | Some(Value::Null) if map.contains_key("id") => "item_reference",
            _ => return Err(wrong(&format!("{at}.type"), format!("missing required parameter: '{at}.type'"))),
        };
        match kind {
            "message" => self.read_message(at, map),
            "function_call" => self.read_call(at, map, ToolCallKind::Function),
            "custom_tool_call" => self.read_call(at, map, ToolCallKind::Custom),
            "function_call_output" => self.read_result(at, map, ToolCallKind::Function),
            "custom_tool_call_output" => self.read_result(at, map, ToolCallKind::Custom),
            "reasoning" => {
                let texts = |key: &str| {
                    let parts = map.get(key).and_then(Value::as_array).into_iter().flatten();
                    parts.filter_map(|part| part.get("text")?.as_str()).collect::<Vec<_>>().join("\n\n")
                };
                let thought = [texts("summary"), texts("content")].into_iter().find(|text| !text.is_empty());
                self.answer.extend(thought.map(|text| Part::Thinking { text }));
                self.keep("item", map);
                Ok(())
            }
            _ => {
                self.keep("item", map);
                Ok(())
            }
        }
    }

    /// Keeps what only this wire can say. The client does not say who said it.
    fn keep(&mut self, key: &str, map: Map<String, Value>) {
        let data = json!({ key: map });
        self.answer.push(Part::Opaque { provider: String::new(), model: String::new(), data });
    }

    fn read_message(&mut self, at: &str, mut map: Map<String, Value>) -> Result<(), ChatError> {
        let role = match map.get("role") {
            Some(Value::String(role)) => role.clone(),
            _ => string(&format!("{at}.role"), take(&mut map, at, "role")?)?,
        };
        let role = match role.as_str() {
            "system" => Role::System,
            "developer" => Role::Developer,
            "user" => Role::User,
            "assistant" => return self.read_answer(at, map),
            _ => {
                let param = format!("{at}.role");
                let what = format!("'{param}' must be 'system', 'developer', 'user' or 'assistant'");
                return Err(wrong(&param, what));
            }
        };
        self.end();
        let mut message = Message::new(role, Vec::new());
        map.shift_remove("role");
        map.shift_remove("type");
        let content = take(&mut map, at, "content")?;
        message.parts = read_parts(&format!("{at}.content"), "/content", content, &mut message.extra)?;
        rest(Wire::OpenaiResponses, &mut message.extra, "", map);
        self.messages.push(message);
        Ok(())
    }

    /// A message of the model's. One with parts that are not known is kept whole.
    fn read_answer(&mut self, at: &str, mut map: Map<String, Value>) -> Result<(), ChatError> {
        let content = match map.get("content") {
            None | Some(Value::Null) => take(&mut map, at, "content")?,
            Some(content) => content.clone(),
        };
        let (mut parts, mut beside) = (Vec::new(), Vec::new());
        match content {
            Value::Array(list) => {
                for (index, part) in list.into_iter().enumerate() {
                    let at = format!("{at}.content[{index}]");
                    let mut part = object(&at, part)?;
                    let said = match part.get("type").and_then(Value::as_str) {
                        Some("output_text" | "input_text" | "text") => {
                            Part::Text { text: string(&format!("{at}.text"), take(&mut part, &at, "text")?)? }
                        }
                        Some("refusal") => {
                            Part::Refusal { text: string(&format!("{at}.refusal"), take(&mut part, &at, "refusal")?)? }
                        }
                        _ => {
                            self.keep("item", map);
                            return Ok(());
                        }
                    };
                    part.shift_remove("type");
                    // Lists of nothing stand in every part, and say nothing.
                    part.retain(|_, json| !json.is_null() && *json != json!([]));
                    parts.push(said);
                    beside.push(Value::Object(part));
                }
            }
            other => parts.extend(read_parts(&format!("{at}.content"), "/content", other, &mut Vec::new())?),
        }
        for key in ["type", "role", "content"] {
            map.shift_remove(key);
        }
        if beside.iter().any(|part| *part != json!({})) {
            map.insert("content".into(), beside.into());
        }
        // One message ends where the next one begins.
        if matches!(self.answer.last(), Some(Part::Text { .. } | Part::Refusal { .. })) {
            self.keep("message", Map::new());
        }
        self.answer.extend(parts);
        if !map.is_empty() {
            self.keep("message", map);
        }
        Ok(())
    }

    fn read_call(&mut self, at: &str, mut map: Map<String, Value>, kind: ToolCallKind) -> Result<(), ChatError> {
        let id = string(&format!("{at}.call_id"), take(&mut map, at, "call_id")?)?;
        let name = string(&format!("{at}.name"), take(&mut map, at, "name")?)?;
        let key = if kind.is_function() { "arguments" } else { "input" };
        let arguments = take_string(&mut map, at, key)?.unwrap_or_default();
        self.answer.push(Part::ToolCall { id: id.clone(), name, arguments, kind });
        map.shift_remove("type");
        if !map.is_empty() {
            map.shift_insert(0, "call_id".into(), id.into());
            self.keep("call", map);
        }
        Ok(())
    }

    fn read_result(&mut self, at: &str, mut map: Map<String, Value>, kind: ToolCallKind) -> Result<(), ChatError> {
        self.end();
        let mut message = Message::new(Role::Tool, Vec::new());
        let id = string(&format!("{at}.call_id"), take(&mut map, at, "call_id")?)?;
        let parts = match map.shift_remove("output") {
            None | Some(Value::Null) => Vec::new(),
            Some(output) => read_parts(&format!("{at}.output"), "/output", output, &mut message.extra)?,
        };
        message.parts.push(Part::ToolResult { id, parts, error: false });
        let named = map.shift_remove("type");
        if let (ToolCallKind::Custom, Some(json)) = (kind, named) {
            message.extra.push(Extra { wire: Wire::OpenaiResponses, path: "/type".into(), json });
        }
        rest(Wire::OpenaiResponses, &mut message.extra, "", map);
        self.messages.push(message);
        Ok(())
    }
}
