//! A client's request.

use serde_json::{Map, Value};

use super::{
    decode_config::read_config,
    decode_content::{read_contents, read_instructions},
    decode_tools::{read_choice, read_tools},
    rest, take_any,
};
use crate::{
    chat::ChatRequest,
    error::{ChatError, ErrorKind},
    reader::{array, object, take, wrong},
};

/// Reads the body of `generateContent`, of `streamGenerateContent`, or of a `generateContentRequest` that is counted;
/// `model` is the one in the path. What has no word in the chat language is kept as [`Extra`](crate::chat::Extra)s.
///
/// Keys are taken in camel case and in snake case, as the API does.
///
/// # Errors
///
/// The body is not such a request (`InvalidRequest`): the message says why and where, and `details.param` names the
/// parameter, `contents[0].parts[1].text`.
pub fn decode_request(body: &[u8], model: &str) -> Result<ChatRequest, ChatError> {
    let json: Value = serde_json::from_slice(body).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        ChatError::new(ErrorKind::InvalidRequest, format!("the body is not valid JSON: line {line}, column {column}"))
    })?;
    let Value::Object(mut map) = json else {
        return Err(ChatError::new(ErrorKind::InvalidRequest, "the body must be a JSON object"));
    };
    // Some clients say the model a second time.
    map.shift_remove("model");
    let mut request = ChatRequest { model: model.to_owned(), ..ChatRequest::default() };
    if let Some(said) = take_any(&mut map, "systemInstruction") {
        request.messages.extend(read_instructions(said)?);
    }
    let contents = array("contents", take(&mut map, "", "contents")?)?;
    if contents.is_empty() {
        return Err(wrong("contents", "'contents' must not be empty"));
    }
    read_contents(&mut request.messages, contents)?;
    if let Some(tools) = take_any(&mut map, "tools") {
        read_tools(&mut request, array("tools", tools)?)?;
    }
    if let Some(choice) = take_any(&mut map, "toolConfig") {
        read_choice(&mut request, object("toolConfig", choice)?)?;
    }
    if let Some(config) = take_any(&mut map, "generationConfig") {
        read_config(&mut request, object("generationConfig", config)?)?;
    }
    rest(&mut request.extra, "", known_in_camel(map));
    Ok(request)
}

/// Fields that are kept as they are, under the name that the API's documentation has for them.
fn known_in_camel(mut map: Map<String, Value>) -> Map<String, Value> {
    for key in ["safetySettings", "cachedContent", "serviceTier"] {
        if let Some(value) = take_any(&mut map, key) {
            map.insert(key.into(), value);
        }
    }
    map
}
