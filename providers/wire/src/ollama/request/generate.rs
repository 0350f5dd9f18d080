//! `/api/generate`: one prompt instead of a conversation.

use serde_json::{Map, Value};

use super::decode::{ServedRequest, body_of, read_fields};
use crate::{
    chat::{ChatRequest, MediaSource, Message, Part, Role},
    error::ChatError,
    ollama::media::media_type,
    reader::{array, string, take},
};

/// Reads the body of `/api/generate` as a conversation of its system text and its prompt. What only a prompt without
/// messages can have (`template`, `context`, `raw`, `suffix`) is kept as [`Extra`](crate::chat::Extra)s, where it is not
/// the default.
///
/// # Errors
///
/// As of [`decode_request`](super::decode_request).
pub fn decode_generate_request(body: &[u8]) -> Result<ServedRequest, ChatError> {
    let mut map = body_of(body)?;
    let mut request = ChatRequest { model: string("model", take(&mut map, "", "model")?)?, ..ChatRequest::default() };
    if let Some(system) = take_text(&mut map, "system")? {
        request.messages.push(Message::text(Role::System, system));
    }
    let mut asked = Vec::new();
    asked.extend(take_text(&mut map, "prompt")?.map(Part::text));
    if let Some(images) = map.shift_remove("images").filter(|images| !images.is_null()) {
        for (index, image) in array("images", images)?.into_iter().enumerate() {
            let data = string(&format!("images[{index}]"), image)?;
            let media_type = media_type(&data).to_owned();
            asked.push(Part::Image { source: MediaSource::Base64 { media_type, data }, detail: None });
        }
    }
    // Without a prompt the model is only loaded.
    if !asked.is_empty() {
        request.messages.push(Message::new(Role::User, asked));
    }
    let is_default = |value: &Value| match value {
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Bool(value) => !value,
        _ => false,
    };
    map.retain(|key, value| !(matches!(key.as_str(), "template" | "context" | "raw" | "suffix") && is_default(value)));
    let stream = read_fields(&mut request, map)?;
    Ok(ServedRequest { request, stream })
}

fn take_text(map: &mut Map<String, Value>, key: &str) -> Result<Option<String>, ChatError> {
    let text = map.shift_remove(key).filter(|text| !text.is_null()).map(|text| string(key, text)).transpose()?;
    Ok(text.filter(|text| !text.is_empty()))
}
