//! A client's request.

use serde_json::{Map, Value};

use super::{
    decode_message::read_messages,
    reader::{array, boolean, count, extra, number, object, rest, string, take, take_string, wrong},
};
use crate::{
    chat::{ChatRequest, Extra, ResponseFormat, ThinkingRequest, Tool, ToolChoice, Wire},
    error::{ChatError, ErrorKind},
};

/// What a client asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct ServedRequest {
    /// The request itself.
    pub request: ChatRequest,
    /// Whether it is to be answered as a stream.
    pub stream: bool,
    /// Whether the stream is to end with usage.
    pub include_usage: bool,
    /// How many answers are wanted (`n`); kept as an extra of the request too, for a provider of this wire.
    pub choices: u32,
    /// Whether the client speaks of `functions` instead of `tools`, and is to be answered so.
    pub legacy_functions: bool,
}

/// The most answers of one request, as at OpenAI.
const MOST_CHOICES: u64 = 128;

/// Reads a client's request. What has no word in the chat language is kept as [`Extra`]s.
///
/// # Errors
///
/// The body is not such a request (`InvalidRequest`): the message says why and where, and `details.param` names the
/// parameter in OpenAI's notation, `messages[0].content[1].text`.
pub fn decode_request(body: &[u8]) -> Result<ServedRequest, ChatError> {
    let json: Value = serde_json::from_slice(body).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        ChatError::new(ErrorKind::InvalidRequest, format!("the body is not valid JSON: line {line}, column {column}"))
    })?;
    match json {
        Value::Object(map) => decode_object(map),
        _ => Err(ChatError::new(ErrorKind::InvalidRequest, "the body must be a JSON object")),
    }
}

/// Reads what stands in the body of a client's request, as [`decode_request`] does.
///
/// # Errors
///
/// As for [`decode_request`].
pub fn decode_object(mut map: Map<String, Value>) -> Result<ServedRequest, ChatError> {
    let mut request = ChatRequest { model: string("model", take(&mut map, "", "model")?)?, ..ChatRequest::default() };
    let messages = array("messages", take(&mut map, "", "messages")?)?;
    if messages.is_empty() {
        return Err(wrong("messages", "'messages' must not be empty"));
    }
    request.messages = read_messages(messages)?;
    let mut served =
        ServedRequest { request, stream: false, include_usage: false, choices: 1, legacy_functions: false };
    let bounded = map.get("max_completion_tokens").is_some_and(|most| !most.is_null());
    for (key, value) in map {
        // Null is the default of every parameter that has a word here.
        if value.is_null() && KNOWN.contains(&key.as_str()) {
            continue;
        }
        match key.as_str() {
            "stream" => served.stream = boolean(&key, &value)?,
            "stream_options" => read_stream_options(&mut served, value)?,
            "n" => {
                let n = count(&key, &value)?;
                if !(1..=MOST_CHOICES).contains(&n) {
                    return Err(wrong("n", format!("'n' must be between 1 and {MOST_CHOICES}")));
                }
                served.choices = n as u32;
                served.request.extra.push(extra("/n".into(), value));
            }
            // The older name of the same bound.
            "max_tokens" if bounded => {}
            "functions" => {
                served.legacy_functions = true;
                read_functions(&mut served.request, value)?;
            }
            _ => read_field(&mut served.request, &key, value)?,
        }
    }
    Ok(served)
}

const KNOWN: &[&str] = &[
    "stream",
    "stream_options",
    "n",
    "max_tokens",
    "max_completion_tokens",
    "temperature",
    "top_p",
    "stop",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "response_format",
    "reasoning_effort",
    "reasoning",
    "metadata",
    "functions",
    "function_call",
];

fn read_stream_options(served: &mut ServedRequest, value: Value) -> Result<(), ChatError> {
    let mut options = object("stream_options", value)?;
    if let Some(include) = options.shift_remove("include_usage").filter(|value| !value.is_null()) {
        served.include_usage = boolean("stream_options.include_usage", &include)?;
    }
    rest(&mut served.request.extra, "/stream_options", options);
    Ok(())
}

fn read_field(request: &mut ChatRequest, key: &str, value: Value) -> Result<(), ChatError> {
    match key {
        "max_tokens" | "max_completion_tokens" => request.max_tokens = Some(count(key, &value)?),
        "temperature" => request.temperature = Some(number(key, &value)?),
        "top_p" => request.top_p = Some(number(key, &value)?),
        "parallel_tool_calls" => request.parallel_tool_calls = Some(boolean(key, &value)?),
        "metadata" => request.metadata = object(key, value)?,
        "stop" => {
            request.stop = match value {
                Value::String(text) => vec![text],
                list => {
                    let each = array("stop", list)?.into_iter().enumerate();
                    each.map(|(index, text)| string(&format!("stop[{index}]"), text)).collect::<Result<_, _>>()?
                }
            };
        }
        "tools" => {
            for (index, tool) in array("tools", value)?.into_iter().enumerate() {
                request.tools.push(read_tool(&format!("tools[{index}]"), tool)?);
            }
        }
        "tool_choice" => request.tool_choice = Some(read_tool_choice(value)?),
        "function_call" => {
            request.tool_choice = Some(match value {
                Value::Object(mut named) => ToolChoice::Function {
                    name: string("function_call.name", take(&mut named, "function_call", "name")?)?,
                },
                word => read_tool_choice(word).map_err(|mut error| {
                    error.details.param = Some("function_call".into());
                    error
                })?,
            });
        }
        "response_format" => request.response_format = read_response_format(value, &mut request.extra)?,
        "reasoning_effort" => {
            request.thinking.get_or_insert_default().effort = Some(string(key, value)?);
        }
        "reasoning" => {
            let mut wish = object(key, value)?;
            let thinking = request.thinking.get_or_insert_with(ThinkingRequest::default);
            if let Some(effort) = take_string(&mut wish, key, "effort")? {
                thinking.effort = Some(effort);
            }
            if let Some(budget) = wish.shift_remove("max_tokens").filter(|value| !value.is_null()) {
                thinking.budget = Some(count("reasoning.max_tokens", &budget)?);
            }
            if let Some(enabled) = wish.shift_remove("enabled").filter(|value| !value.is_null()) {
                thinking.enabled = Some(boolean("reasoning.enabled", &enabled)?);
            }
            rest(&mut request.extra, "/reasoning", wish);
        }
        _ => request.extra.push(extra(format!("/{}", crate::extras::pointer(key)), value)),
    }
    Ok(())
}

fn read_tool(at: &str, tool: Value) -> Result<Tool, ChatError> {
    let mut map = object(at, tool)?;
    match map.get("type").and_then(Value::as_str) {
        Some("function") => {}
        Some(_) => return Ok(Tool::Native { wire: Wire::OpenaiChat, json: Value::Object(map) }),
        None => return Err(wrong(&format!("{at}.type"), format!("missing required parameter: '{at}.type'"))),
    }
    map.shift_remove("type");
    let at = format!("{at}.function");
    let function = take(&mut map, at.trim_end_matches(".function"), "function")?;
    let mut extras = Vec::new();
    let (name, description, parameters, strict) = read_function(&at, object(&at, function)?, "/function", &mut extras)?;
    rest(&mut extras, "", map);
    Ok(Tool::Function { name, description, parameters, strict, extra: extras })
}

type Function = (String, Option<String>, Option<Value>, Option<bool>);

fn read_function(
    at: &str,
    mut function: Map<String, Value>,
    pointer: &str,
    extras: &mut Vec<Extra>,
) -> Result<Function, ChatError> {
    let name = string(&format!("{at}.name"), take(&mut function, at, "name")?)?;
    let description = take_string(&mut function, at, "description")?;
    let parameters = function.shift_remove("parameters").filter(|value| !value.is_null());
    if let Some(schema) = parameters.as_ref().filter(|schema| !schema.is_object() && !schema.is_boolean()) {
        object(&format!("{at}.parameters"), schema.clone())?;
    }
    let strict = match function.shift_remove("strict") {
        None | Some(Value::Null) => None,
        Some(value) => Some(boolean(&format!("{at}.strict"), &value)?),
    };
    rest(extras, pointer, function);
    Ok((name, description, parameters, strict))
}

/// The legacy `functions`: tools without the wrapping.
fn read_functions(request: &mut ChatRequest, value: Value) -> Result<(), ChatError> {
    for (index, function) in array("functions", value)?.into_iter().enumerate() {
        let at = format!("functions[{index}]");
        let mut extras = Vec::new();
        let function = object(&at, function)?;
        let (name, description, parameters, strict) = read_function(&at, function, "/function", &mut extras)?;
        request.tools.push(Tool::Function { name, description, parameters, strict, extra: extras });
    }
    Ok(())
}

fn read_tool_choice(value: Value) -> Result<ToolChoice, ChatError> {
    match value {
        Value::String(word) => match word.as_str() {
            "auto" => Ok(ToolChoice::Auto),
            "none" => Ok(ToolChoice::None),
            // Mistral's word for it.
            "required" | "any" => Ok(ToolChoice::Required),
            _ => Err(wrong("tool_choice", "'tool_choice' must be 'none', 'auto', 'required' or an object")),
        },
        Value::Object(map) => {
            let function = map.get("function").and_then(Value::as_object);
            let name =
                function.filter(|function| map.len() <= 2 && function.len() == 1).and_then(|f| f.get("name")?.as_str());
            match name {
                Some(name) if map.get("type").is_none_or(|kind| kind == "function") => {
                    Ok(ToolChoice::Function { name: name.to_owned() })
                }
                _ => Ok(ToolChoice::Native { wire: Wire::OpenaiChat, json: Value::Object(map) }),
            }
        }
        other => string("tool_choice", other).map(|_| ToolChoice::Auto),
    }
}

fn read_response_format(value: Value, extras: &mut Vec<Extra>) -> Result<Option<ResponseFormat>, ChatError> {
    let mut format = object("response_format", value)?;
    let kind = string("response_format.type", take(&mut format, "response_format", "type")?)?;
    let read = match kind.as_str() {
        "text" => ResponseFormat::Text,
        "json_object" => ResponseFormat::JsonObject,
        "json_schema" => {
            let at = "response_format.json_schema";
            let mut schema = object(at, take(&mut format, "response_format", "json_schema")?)?;
            let read = ResponseFormat::JsonSchema {
                name: string("response_format.json_schema.name", take(&mut schema, at, "name")?)?,
                description: take_string(&mut schema, at, "description")?,
                strict: match schema.shift_remove("strict") {
                    None | Some(Value::Null) => None,
                    Some(value) => Some(boolean("response_format.json_schema.strict", &value)?),
                },
                schema: schema.shift_remove("schema").filter(|value| !value.is_null()),
            };
            rest(extras, "/response_format/json_schema", schema);
            read
        }
        _ => {
            // A form that only some servers know (a grammar, a regex).
            format.insert("type".into(), Value::String(kind));
            extras.push(extra("/response_format".into(), Value::Object(format)));
            return Ok(None);
        }
    };
    rest(extras, "/response_format", format);
    Ok(Some(read))
}
