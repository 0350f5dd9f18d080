//! A client's request.

use serde_json::{Map, Value};

use super::{
    decode_message::read_messages,
    extras::{extra, rest},
};
use crate::{
    chat::{ChatRequest, ResponseFormat, ThinkingRequest, Tool, Wire},
    error::{ChatError, ErrorKind},
    extras::pointer,
    reader::{array, boolean, number, object, string, take, take_string, wrong},
};

/// What a schema is called that has no name on this wire; other wires want one.
const SCHEMA_NAME: &str = "answer";

/// What a client asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct ServedRequest {
    /// The request itself.
    pub request: ChatRequest,
    /// Whether it is to be answered as a stream, which is the default on this wire.
    pub stream: bool,
}

/// Reads the body of `/api/chat`. What has no word in the chat language is kept as [`Extra`](crate::chat::Extra)s.
///
/// # Errors
///
/// The body is not such a request (`InvalidRequest`): the message says why and where, and `details.param` names the
/// parameter, `messages[0].images[1]`.
pub fn decode_request(body: &[u8]) -> Result<ServedRequest, ChatError> {
    let mut map = body_of(body)?;
    let mut request = ChatRequest { model: string("model", take(&mut map, "", "model")?)?, ..ChatRequest::default() };
    let messages = map.shift_remove("messages").filter(|messages| !messages.is_null());
    request.messages = read_messages(array("messages", messages.unwrap_or_else(|| Value::Array(Vec::new())))?)?;
    let stream = read_fields(&mut request, map)?;
    Ok(ServedRequest { request, stream })
}

pub(super) fn body_of(body: &[u8]) -> Result<Map<String, Value>, ChatError> {
    let json: Value = serde_json::from_slice(body).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        ChatError::new(ErrorKind::InvalidRequest, format!("the body is not valid JSON: line {line}, column {column}"))
    })?;
    match json {
        Value::Object(map) => Ok(map),
        _ => Err(ChatError::new(ErrorKind::InvalidRequest, "the body must be a JSON object")),
    }
}

/// Reads what a chat and a generation have in common; gives whether a stream is wanted.
pub(super) fn read_fields(request: &mut ChatRequest, map: Map<String, Value>) -> Result<bool, ChatError> {
    let mut stream = true;
    // Null is the same as nothing everywhere on this wire.
    for (key, value) in map.into_iter().filter(|(_, value)| !value.is_null()) {
        match key.as_str() {
            "stream" => stream = boolean(&key, &value)?,
            "tools" => {
                for (index, tool) in array(&key, value)?.into_iter().enumerate() {
                    request.tools.push(read_tool(&format!("tools[{index}]"), tool)?);
                }
            }
            "format" => request.response_format = read_format(value)?,
            "think" => request.thinking = Some(read_think(&value)?),
            "options" => read_options(request, object(&key, value)?)?,
            _ => request.extra.push(extra(format!("/{}", pointer(&key)), value)),
        }
    }
    Ok(stream)
}

fn read_tool(at: &str, tool: Value) -> Result<Tool, ChatError> {
    let mut map = object(at, tool)?;
    // Without a type it is a function; there has been no other.
    let function = map.get("type").is_none_or(|kind| kind == "function") && map.contains_key("function");
    if !function {
        return Ok(Tool::Native { wire: Wire::Ollama, json: Value::Object(map) });
    }
    map.shift_remove("type");
    let inside = format!("{at}.function");
    let mut function = object(&inside, take(&mut map, at, "function")?)?;
    let mut extra = Vec::new();
    let tool = Tool::Function {
        name: string(&format!("{inside}.name"), take(&mut function, &inside, "name")?)?,
        description: take_string(&mut function, &inside, "description")?,
        parameters: function.shift_remove("parameters").filter(|value| !value.is_null()),
        strict: match function.shift_remove("strict").filter(|value| !value.is_null()) {
            None => None,
            Some(value) => Some(boolean(&format!("{inside}.strict"), &value)?),
        },
        extra: {
            rest(&mut extra, "/function", function);
            rest(&mut extra, "", map);
            extra
        },
    };
    Ok(tool)
}

fn read_format(value: Value) -> Result<Option<ResponseFormat>, ChatError> {
    match value {
        Value::String(word) if word.is_empty() => Ok(None),
        Value::String(word) if word == "json" => Ok(Some(ResponseFormat::JsonObject)),
        schema @ Value::Object(_) => Ok(Some(ResponseFormat::JsonSchema {
            name: SCHEMA_NAME.to_owned(),
            description: None,
            schema: Some(schema),
            strict: None,
        })),
        _ => Err(wrong("format", "'format' must be 'json' or a JSON schema")),
    }
}

fn read_think(value: &Value) -> Result<ThinkingRequest, ChatError> {
    match value {
        Value::Bool(enabled) => Ok(ThinkingRequest { enabled: Some(*enabled), ..ThinkingRequest::default() }),
        Value::String(effort) => Ok(ThinkingRequest { effort: Some(effort.clone()), ..ThinkingRequest::default() }),
        _ => Err(wrong("think", "'think' must be a boolean or a string")),
    }
}

fn read_options(request: &mut ChatRequest, mut options: Map<String, Value>) -> Result<(), ChatError> {
    let mut take = |key: &str| options.shift_remove(key).filter(|value| !value.is_null());
    if let Some(value) = take("temperature") {
        request.temperature = Some(number("options.temperature", &value)?);
    }
    if let Some(value) = take("top_p") {
        request.top_p = Some(number("options.top_p", &value)?);
    }
    match take("stop") {
        None => {}
        Some(Value::String(text)) => request.stop = vec![text],
        Some(list) => {
            let each = array("options.stop", list)?.into_iter().enumerate();
            request.stop =
                each.map(|(index, text)| string(&format!("options.stop[{index}]"), text)).collect::<Result<_, _>>()?;
        }
    }
    if let Some(value) = take("num_predict") {
        match value.as_u64() {
            Some(most) => request.max_tokens = Some(most),
            // -1 is without a bound, -2 as long as the window has room.
            None if value.is_number() => request.extra.push(extra("/options/num_predict".into(), value)),
            None => drop(number("options.num_predict", &value)?),
        }
    }
    rest(&mut request.extra, "/options", options);
    Ok(())
}
