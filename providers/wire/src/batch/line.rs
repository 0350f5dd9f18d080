//! A line of a person's file: one request.

use serde_json::{Map, Value, json};

use crate::{
    anthropic,
    chat::ChatRequest,
    embed::EmbedRequest,
    error::{ChatError, ErrorKind},
    openai_chat, openai_responses,
    reader::{array, object, string, wrong},
};

/// One request of a batch.
#[derive(Debug, Clone, PartialEq)]
pub struct BatchLine {
    /// The caller's own id, if the line has one.
    pub id: Option<String>,
    /// What is asked.
    pub asked: Asked,
}

/// What a line asks.
#[derive(Debug, Clone, PartialEq)]
pub enum Asked {
    /// For an answer.
    Chat(Box<ChatRequest>),
    /// For vectors.
    Vectors(EmbedRequest),
}

impl Asked {
    /// The model, as the line or its reader names it.
    pub fn model(&self) -> &str {
        match self {
            Self::Chat(request) => &request.model,
            Self::Vectors(request) => &request.model,
        }
    }
}

/// What the short form may have beside its words: parameters of chat completions, under their names there.
const SHORT: &[&str] = &[
    "model",
    "max_tokens",
    "max_completion_tokens",
    "temperature",
    "top_p",
    "stop",
    "response_format",
    "reasoning_effort",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "metadata",
];

/// Reads a line: OpenAI's form of batches (`{custom_id, method, url, body}`), Anthropic's (`{custom_id, params}`), or the
/// short one (`{id?, prompt | messages, system?, max_tokens?, …}`). A `model` goes before the one of the line.
///
/// # Errors
/// It is none of them (`InvalidRequest`); the message says why.
pub fn decode_line(line: &[u8], model: Option<&str>) -> Result<BatchLine, ChatError> {
    let json: Value = serde_json::from_slice(line).map_err(|error| {
        let what = if error.is_eof() { "ends within its JSON" } else { "is not valid JSON" };
        ChatError::new(ErrorKind::InvalidRequest, format!("the line {what}: column {}", error.column()))
    })?;
    let Value::Object(mut map) = json else {
        return Err(ChatError::new(ErrorKind::InvalidRequest, "the line must be a JSON object"));
    };
    let id = take_id(&mut map)?;
    let asked = if map.contains_key("body") {
        of_openai(map, model)?
    } else if let Some(params) = map.shift_remove("params") {
        only(&map, &[])?;
        let body = body(object("params", params)?, model)?;
        Asked::Chat(Box::new(anthropic::decode_request(&body)?.request))
    } else {
        of_short(map, model)?
    };
    Ok(BatchLine { id, asked })
}

fn take_id(map: &mut Map<String, Value>) -> Result<Option<String>, ChatError> {
    let mut id = None;
    for key in ["custom_id", "id"] {
        match map.shift_remove(key) {
            None | Some(Value::Null) => {}
            Some(_) if id.is_some() => return Err(wrong(key, "there are two ids: 'custom_id' and 'id'")),
            Some(Value::Number(number)) => id = Some(number.to_string()),
            Some(value) => id = Some(string(key, value)?),
        }
    }
    Ok(id)
}

fn of_openai(mut map: Map<String, Value>, model: Option<&str>) -> Result<Asked, ChatError> {
    let inner = object("body", map.shift_remove("body").unwrap_or_default())?;
    let url = map.shift_remove("url").ok_or_else(|| wrong("url", "'url' is missing"))?;
    let url = string("url", url)?;
    if let Some(method) = map.shift_remove("method")
        && method != "POST"
    {
        return Err(wrong("method", "'method' must be \"POST\""));
    }
    only(&map, &[])?;
    let body = body(inner, model)?;
    Ok(match url.strip_prefix("/v1").unwrap_or(&url) {
        "/chat/completions" => Asked::Chat(Box::new(openai_chat::decode_request(&body)?.request)),
        "/responses" => Asked::Chat(Box::new(openai_responses::decode_request(&body)?.request)),
        "/embeddings" => Asked::Vectors(openai_chat::decode_embed_request(&body)?.request),
        _ => {
            let message = "'url' must be /v1/chat/completions, /v1/responses or /v1/embeddings";
            return Err(wrong("url", message));
        }
    })
}

fn of_short(mut map: Map<String, Value>, model: Option<&str>) -> Result<Asked, ChatError> {
    let mut messages = Vec::new();
    match map.shift_remove("system") {
        None | Some(Value::Null) => {}
        Some(system) => messages.push(json!({"role": "system", "content": string("system", system)?})),
    }
    match (map.shift_remove("prompt"), map.shift_remove("messages")) {
        (Some(prompt), None) => messages.push(json!({"role": "user", "content": string("prompt", prompt)?})),
        (None, Some(said)) => {
            let said = array("messages", said)?;
            if said.is_empty() {
                return Err(wrong("messages", "'messages' must not be empty"));
            }
            messages.extend(said);
        }
        (Some(_), Some(_)) => return Err(wrong("prompt", "there are both 'prompt' and 'messages'")),
        (None, None) => {
            let message = "the line has no request: it needs 'prompt', 'messages', 'body' with 'url', or 'params'";
            return Err(ChatError::new(ErrorKind::InvalidRequest, message));
        }
    }
    only(&map, SHORT)?;
    map.insert("messages".into(), messages.into());
    Ok(Asked::Chat(Box::new(openai_chat::decode_request(&body(map, model)?)?.request)))
}

/// The body of a request, of the model that is wanted.
fn body(mut map: Map<String, Value>, model: Option<&str>) -> Result<Vec<u8>, ChatError> {
    if let Some(model) = model {
        map.insert("model".into(), model.into());
    }
    if map.get("model").is_none_or(Value::is_null) {
        let error = wrong("model", "no model is named");
        return Err(error.with_hint("name one on each line, or one for all of them (-m)"));
    }
    Ok(serde_json::to_vec(&map).expect("what was read as JSON can be written"))
}

/// What is misspelt is told.
fn only(map: &Map<String, Value>, known: &[&str]) -> Result<(), ChatError> {
    match map.keys().find(|key| !known.contains(&key.as_str())) {
        None => Ok(()),
        Some(key) => Err(wrong(key, format!("the line has a field '{key}', which means nothing here"))),
    }
}
