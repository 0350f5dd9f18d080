//! A client's request.

use serde_json::{Map, Value};

use super::decode_item::Reader;
use crate::{
    chat::{ChatRequest, Extra, Message, ResponseFormat, Role, Tool, ToolChoice, Wire},
    error::{ChatError, ErrorKind},
    extras::pointer,
    openai_responses::serve::Echo,
    reader::{array, boolean, count, number, object, rest, string, take, take_string, wrong},
};

/// What a client asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct ServedRequest {
    /// The request itself.
    pub request: ChatRequest,
    /// Whether it is to be answered as a stream.
    pub stream: bool,
    /// Whether its answer is to be kept, in the client's words: where it has none, it expects so.
    pub store: Option<bool>,
    /// Whether its first message is its instructions, which are of this request alone where others go on with its answer.
    pub has_instructions: bool,
    /// What its answer repeats of it.
    pub echo: Echo,
}

/// Reads a client's request. What has no word in the chat language is kept as [`Extra`]s.
///
/// # Errors
///
/// The body is not such a request (`InvalidRequest`): the message says why and where, and `details.param` names the
/// parameter in OpenAI's notation, `input[0].content[1].text`.
pub fn decode_request(body: &[u8]) -> Result<ServedRequest, ChatError> {
    let json: Value = serde_json::from_slice(body).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        ChatError::new(ErrorKind::InvalidRequest, format!("the body is not valid JSON: line {line}, column {column}"))
    })?;
    let Value::Object(mut map) = json else {
        return Err(ChatError::new(ErrorKind::InvalidRequest, "the body must be a JSON object"));
    };
    let echo = Echo::of(&map);
    let mut request = ChatRequest::default();
    // A prompt that the provider keeps names a model and has input of its own.
    let has_prompt = map.get("prompt").is_some_and(Value::is_object);
    if !has_prompt || map.get("model").is_some_and(|model| !model.is_null()) {
        request.model = string("model", take(&mut map, "", "model")?)?;
    }
    if let Some(instructions) = map.shift_remove("instructions").filter(|text| !text.is_null()) {
        request.messages.push(Message::text(Role::System, string("instructions", instructions)?));
    }
    let has_instructions = !request.messages.is_empty();
    match map.shift_remove("input") {
        None | Some(Value::Null) => {}
        Some(Value::String(text)) => request.messages.push(Message::user(text)),
        Some(input) => {
            let mut reader = Reader::new(&mut request.messages);
            for (index, item) in array("input", input)?.into_iter().enumerate() {
                let at = format!("input[{index}]");
                reader.read(&at, object(&at, item)?)?;
            }
            reader.end();
        }
    }
    let store = map.get("store").and_then(Value::as_bool);
    // What is not said means on this wire that the answer is kept, and in the chat language that it is not.
    if map.get("store").is_none_or(Value::is_null) {
        map.shift_remove("store");
        request.extra.push(extra("/store", Value::Bool(true)));
    }
    let mut stream = false;
    for (key, value) in map {
        // Null is the default of every parameter that has a word here.
        if value.is_null() && KNOWN.contains(&key.as_str()) {
            continue;
        }
        match key.as_str() {
            "stream" => stream = boolean(&key, &value)?,
            _ => read_field(&mut request, &key, value)?,
        }
    }
    Ok(ServedRequest { request, stream, store, has_instructions, echo })
}

const KNOWN: &[&str] = &[
    "stream",
    "max_output_tokens",
    "temperature",
    "top_p",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "text",
    "reasoning",
    "metadata",
];

fn extra(path: &str, json: Value) -> Extra {
    Extra { wire: Wire::OpenaiResponses, path: path.to_owned(), json }
}

fn read_field(request: &mut ChatRequest, key: &str, value: Value) -> Result<(), ChatError> {
    match key {
        "max_output_tokens" => request.max_tokens = Some(count(key, &value)?),
        "temperature" => request.temperature = Some(number(key, &value)?),
        "top_p" => request.top_p = Some(number(key, &value)?),
        "parallel_tool_calls" => request.parallel_tool_calls = Some(boolean(key, &value)?),
        "metadata" => request.metadata = object(key, value)?,
        "tools" => {
            for (index, tool) in array("tools", value)?.into_iter().enumerate() {
                let at = format!("tools[{index}]");
                request.tools.push(read_tool(&at, object(&at, tool)?)?);
            }
        }
        "tool_choice" => request.tool_choice = Some(read_tool_choice(value)?),
        "text" => {
            let mut text = object(key, value)?;
            if let Some(format) = text.shift_remove("format").filter(|format| !format.is_null()) {
                request.response_format = read_format(object("text.format", format)?, &mut request.extra)?;
            }
            rest(Wire::OpenaiResponses, &mut request.extra, "/text", text);
        }
        "reasoning" => {
            let mut wish = object(key, value)?;
            if let Some(effort) = take_string(&mut wish, key, "effort")? {
                request.thinking.get_or_insert_default().effort = Some(effort);
            }
            rest(Wire::OpenaiResponses, &mut request.extra, "/reasoning", wish);
        }
        _ => request.extra.push(extra(&format!("/{}", pointer(key)), value)),
    }
    Ok(())
}

pub(in crate::openai_responses) fn read_tool(at: &str, mut map: Map<String, Value>) -> Result<Tool, ChatError> {
    let kind = match map.get("type") {
        Some(Value::String(kind)) => kind.clone(),
        _ => string(&format!("{at}.type"), take(&mut map, at, "type")?)?,
    };
    // One in the form of chat completions, which some servers take here too.
    let nests = map.get("function").is_some_and(Value::is_object);
    if kind != "function" || nests {
        return Ok(Tool::Native { wire: Wire::OpenaiResponses, json: Value::Object(map) });
    }
    map.shift_remove("type");
    let name = string(&format!("{at}.name"), take(&mut map, at, "name")?)?;
    let description = take_string(&mut map, at, "description")?;
    let parameters = map.shift_remove("parameters").filter(|value| !value.is_null());
    if let Some(schema) = parameters.as_ref().filter(|schema| !schema.is_object() && !schema.is_boolean()) {
        object(&format!("{at}.parameters"), schema.clone())?;
    }
    let mut extras = Vec::new();
    let strict = match map.shift_remove("strict") {
        // Which means true on this wire, as far as the schema allows, and nothing in the chat language.
        None | Some(Value::Null) => {
            extras.push(extra("/strict", Value::Null));
            None
        }
        Some(value) => Some(boolean(&format!("{at}.strict"), &value)?),
    };
    rest(Wire::OpenaiResponses, &mut extras, "", map);
    Ok(Tool::Function { name, description, parameters, strict, extra: extras })
}

fn read_tool_choice(value: Value) -> Result<ToolChoice, ChatError> {
    match value {
        Value::String(word) => match word.as_str() {
            "auto" => Ok(ToolChoice::Auto),
            "none" => Ok(ToolChoice::None),
            "required" => Ok(ToolChoice::Required),
            _ => Err(wrong("tool_choice", "'tool_choice' must be 'none', 'auto', 'required' or an object")),
        },
        Value::Object(map) => {
            match (map.get("type").and_then(Value::as_str), map.get("name").and_then(Value::as_str)) {
                (Some("function"), Some(name)) if map.len() == 2 => Ok(ToolChoice::Function { name: name.to_owned() }),
                _ => Ok(ToolChoice::Native { wire: Wire::OpenaiResponses, json: Value::Object(map) }),
            }
        }
        other => string("tool_choice", other).map(|_| ToolChoice::Auto),
    }
}

fn read_format(mut format: Map<String, Value>, extras: &mut Vec<Extra>) -> Result<Option<ResponseFormat>, ChatError> {
    let at = "text.format";
    let kind = string("text.format.type", take(&mut format, at, "type")?)?;
    let read = match kind.as_str() {
        "text" => ResponseFormat::Text,
        "json_object" => ResponseFormat::JsonObject,
        "json_schema" => ResponseFormat::JsonSchema {
            name: string("text.format.name", take(&mut format, at, "name")?)?,
            description: take_string(&mut format, at, "description")?,
            schema: format.shift_remove("schema").filter(|value| !value.is_null()),
            strict: match format.shift_remove("strict") {
                None | Some(Value::Null) => None,
                Some(value) => Some(boolean("text.format.strict", &value)?),
            },
        },
        _ => {
            // A form that only some servers know (a grammar).
            format.insert("type".into(), Value::String(kind));
            extras.push(extra("/text/format", Value::Object(format)));
            return Ok(None);
        }
    };
    rest(Wire::OpenaiResponses, extras, "/text/format", format);
    Ok(Some(read))
}
