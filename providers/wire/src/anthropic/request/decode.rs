//! A client's request.

use serde_json::{Map, Value};

use super::decode_message::{read_messages, read_system};
use crate::{
    chat::{ChatRequest, Extra, ResponseFormat, ThinkingRequest, Tool, ToolChoice, Wire},
    error::{ChatError, ErrorKind},
    extras::pointer,
    reader::{array, boolean, count, number, object, string, take, take_string, wrong},
};

/// What a client asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct ServedRequest {
    /// The request itself.
    pub request: ChatRequest,
    /// Whether it is to be answered as a stream.
    pub stream: bool,
}

/// The name of a schema, of which this wire has none and others want one.
const SCHEMA: &str = "answer";

/// Reads a client's request, or one that counts tokens. What has no word in the chat language is kept as [`Extra`]s.
///
/// # Errors
///
/// The body is not such a request (`InvalidRequest`): the message says why and where, and `details.param` names the
/// parameter in Anthropic's notation, `messages.0.content.1.text`.
pub fn decode_request(body: &[u8]) -> Result<ServedRequest, ChatError> {
    let json: Value = serde_json::from_slice(body).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        ChatError::new(ErrorKind::InvalidRequest, format!("the body is not valid JSON: line {line}, column {column}"))
    })?;
    let Value::Object(mut map) = json else {
        return Err(ChatError::new(ErrorKind::InvalidRequest, "the body must be a JSON object"));
    };
    let mut request = ChatRequest { model: string("model", take(&mut map, "", "model")?)?, ..ChatRequest::default() };
    let messages = array("messages", take(&mut map, "", "messages")?)?;
    if messages.is_empty() {
        return Err(wrong("messages", "'messages' must not be empty"));
    }
    if let Some(system) = map.shift_remove("system").filter(|system| !system.is_null()) {
        request.messages.push(read_system(system)?);
    }
    read_messages(&mut request.messages, messages)?;
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
    keep_effort_without_thinking(&mut request);
    Ok(ServedRequest { request, stream })
}

const KNOWN: &[&str] = &[
    "stream",
    "max_tokens",
    "temperature",
    "top_p",
    "stop_sequences",
    "tools",
    "tool_choice",
    "thinking",
    "output_config",
    "output_format",
    "metadata",
];

fn extra(path: String, json: Value) -> Extra {
    Extra { wire: Wire::Anthropic, path, json }
}

fn rest(extras: &mut Vec<Extra>, at: &str, map: Map<String, Value>) {
    crate::reader::rest(Wire::Anthropic, extras, at, map);
}

fn read_field(request: &mut ChatRequest, key: &str, value: Value) -> Result<(), ChatError> {
    match key {
        "max_tokens" => request.max_tokens = Some(count(key, &value)?),
        "temperature" => request.temperature = Some(number(key, &value)?),
        "top_p" => request.top_p = Some(number(key, &value)?),
        "stop_sequences" => {
            let each = array(key, value)?.into_iter().enumerate();
            request.stop =
                each.map(|(index, text)| string(&format!("{key}.{index}"), text)).collect::<Result<_, _>>()?;
        }
        "tools" => {
            for (index, tool) in array(key, value)?.into_iter().enumerate() {
                request.tools.push(read_tool(&format!("tools.{index}"), tool)?);
            }
        }
        "tool_choice" => read_tool_choice(request, value)?,
        "thinking" => read_thinking(request, value)?,
        "output_config" => {
            let mut config = object(key, value)?;
            if let Some(effort) = take_string(&mut config, key, "effort")? {
                request.thinking.get_or_insert_default().effort = Some(effort);
            }
            if let Some(format) = config.shift_remove("format").filter(|format| !format.is_null()) {
                read_format(request, "/output_config/format", format)?;
            }
            rest(&mut request.extra, "/output_config", config);
        }
        // The same, as it was first called.
        "output_format" if request.response_format.is_none() => read_format(request, "/output_config/format", value)?,
        "metadata" => {
            let mut labels = object(key, value)?;
            if let Some(user) = labels.shift_remove("user_id").filter(|user| !user.is_null()) {
                request.metadata.insert("user_id".into(), user);
            }
            rest(&mut request.extra, "/metadata", labels);
        }
        _ => request.extra.push(extra(format!("/{}", pointer(key)), value)),
    }
    Ok(())
}

fn read_tool(at: &str, tool: Value) -> Result<Tool, ChatError> {
    let mut map = object(at, tool)?;
    let kind = map.get("type").filter(|kind| !kind.is_null());
    if kind.is_some_and(|kind| kind != "custom") {
        return Ok(Tool::Native { wire: Wire::Anthropic, json: Value::Object(map) });
    }
    let name = string(&format!("{at}.name"), take(&mut map, at, "name")?)?;
    let description = take_string(&mut map, at, "description")?;
    let parameters = map.shift_remove("input_schema").filter(|schema| !schema.is_null());
    if let Some(schema) = parameters.as_ref().filter(|schema| !schema.is_object()) {
        object(&format!("{at}.input_schema"), schema.clone())?;
    }
    let strict = match map.shift_remove("strict") {
        None | Some(Value::Null) => None,
        Some(value) => Some(boolean(&format!("{at}.strict"), &value)?),
    };
    let mut extras = Vec::new();
    rest(&mut extras, "", map);
    Ok(Tool::Function { name, description, parameters, strict, extra: extras })
}

fn read_tool_choice(request: &mut ChatRequest, value: Value) -> Result<(), ChatError> {
    const AT: &str = "tool_choice";
    let mut map = object(AT, value)?;
    let kind = map.get("type").cloned();
    let kind = string("tool_choice.type", kind.unwrap_or_else(|| "".into()))?;
    let choice = match kind.as_str() {
        "" => return Err(wrong("tool_choice.type", "missing required parameter: 'tool_choice.type'")),
        "auto" => ToolChoice::Auto,
        "any" => ToolChoice::Required,
        "none" => ToolChoice::None,
        "tool" => ToolChoice::Function { name: string("tool_choice.name", take(&mut map, AT, "name")?)? },
        _ => {
            request.tool_choice = Some(ToolChoice::Native { wire: Wire::Anthropic, json: Value::Object(map) });
            return Ok(());
        }
    };
    request.tool_choice = Some(choice);
    map.shift_remove("type");
    if let Some(one_by_one) = map.shift_remove("disable_parallel_tool_use").filter(|value| !value.is_null()) {
        request.parallel_tool_calls = Some(!boolean("tool_choice.disable_parallel_tool_use", &one_by_one)?);
    }
    rest(&mut request.extra, "/tool_choice", map);
    Ok(())
}

fn read_thinking(request: &mut ChatRequest, value: Value) -> Result<(), ChatError> {
    const AT: &str = "thinking";
    let mut map = object(AT, value)?;
    let enabled = match map.get("type").and_then(Value::as_str) {
        Some("enabled" | "adaptive") => true,
        Some("disabled") => false,
        // A form that is not known goes on as it is.
        Some(_) => {
            request.extra.push(extra("/thinking".into(), Value::Object(map)));
            return Ok(());
        }
        None => {
            let kind = take(&mut map, AT, "type")?;
            return string("thinking.type", kind).map(drop);
        }
    };
    map.shift_remove("type");
    let wish = request.thinking.get_or_insert_with(ThinkingRequest::default);
    wish.enabled = Some(enabled);
    if let Some(budget) = map.shift_remove("budget_tokens").filter(|value| !value.is_null()) {
        wish.budget = Some(count("thinking.budget_tokens", &budget)?);
    }
    rest(&mut request.extra, "/thinking", map);
    Ok(())
}

fn read_format(request: &mut ChatRequest, path: &str, value: Value) -> Result<(), ChatError> {
    let at = "output_config.format";
    let mut format = object(at, value)?;
    if format.get("type").is_none_or(|kind| kind != "json_schema") {
        request.extra.push(extra(path.to_owned(), Value::Object(format)));
        return Ok(());
    }
    format.shift_remove("type");
    let schema = Some(take(&mut format, at, "schema")?);
    request.response_format =
        Some(ResponseFormat::JsonSchema { name: SCHEMA.into(), description: None, schema, strict: None });
    rest(&mut request.extra, path, format);
    Ok(())
}

/// On this wire the effort is of the whole answer, and does not turn thinking on. In the chat language it is of thinking;
/// where that is not asked for, the effort is this wire's own.
fn keep_effort_without_thinking(request: &mut ChatRequest) {
    let Some(ThinkingRequest { enabled: None, effort, .. }) = &mut request.thinking else { return };
    if let Some(effort) = effort.take() {
        request.extra.push(extra("/output_config/effort".into(), effort.into()));
    }
    request.thinking = None;
}
