//! Parts of a client's contents.

use serde_json::{Map, Value, json};

use super::{rest, take_any};
use crate::{
    chat::{Extra, MediaSource, Message, Part, Role, ToolCallKind, Wire},
    error::ChatError,
    gemini::goes_back,
    reader::{array, object, string, take, take_string},
};

/// A message in the making, which knows at which position of its parts the next one stands.
#[derive(Debug)]
pub(super) struct Holder {
    pub(super) message: Message,
    /// The pointer to its parts.
    parts: String,
    next: usize,
}

impl Holder {
    pub(super) fn new(role: Role) -> Self {
        Self::within(role, "/parts".into())
    }

    fn within(role: Role, parts: String) -> Self {
        Self { message: Message::new(role, Vec::new()), parts, next: 0 }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.next == 0
    }

    fn place(&self) -> String {
        format!("{}/{}", self.parts, self.next)
    }

    /// Adds a part; `map` is what is left of it.
    pub(super) fn add(&mut self, part: Part, mut map: Map<String, Value>) {
        // That it is no thought is the default.
        if map.get("thought") == Some(&Value::Bool(false)) {
            map.shift_remove("thought");
        }
        let place = self.place();
        rest(&mut self.message.extra, &place, map);
        self.message.parts.push(part);
        self.next += 1;
    }

    /// Adds what goes back only to who said it, which the client does not say.
    fn add_opaque(&mut self, data: Value) {
        self.message.parts.push(Part::Opaque { provider: String::new(), model: String::new(), data });
    }

    /// Keeps a part that nobody has a word for, in its place.
    fn keep(&mut self, map: Map<String, Value>) {
        let path = self.place();
        self.message.extra.push(Extra { wire: Wire::Gemini, path, json: Value::Object(map) });
        self.next += 1;
    }

    /// The message, with what it has besides its parts.
    pub(super) fn finish(mut self, map: Map<String, Value>) -> Message {
        rest(&mut self.message.extra, "", map);
        self.message
    }
}

/// Reads a part of someone else than the model. One that is not known is an extra in its place.
pub(super) fn read_user(holder: &mut Holder, at: &str, mut map: Map<String, Value>) -> Result<(), ChatError> {
    if let Some(text) = take_any(&mut map, "text") {
        let text = string(&format!("{at}.text"), text)?;
        holder.add(Part::Text { text }, map);
        return Ok(());
    }
    match read_media(holder, at, &mut map)? {
        Some(part) => holder.add(part, map),
        None => holder.keep(map),
    }
    Ok(())
}

/// Reads a part of the model's, but for its calls.
pub(super) fn read_model(holder: &mut Holder, at: &str, mut map: Map<String, Value>) -> Result<(), ChatError> {
    let signature = take_any(&mut map, "thoughtSignature");
    let signature = signature.map(|value| string(&format!("{at}.thoughtSignature"), value)).transpose()?;
    let is_thought = map.get("thought") == Some(&Value::Bool(true));
    if let Some(text) = take_any(&mut map, "text") {
        let text = string(&format!("{at}.text"), text)?;
        if !text.is_empty() || signature.is_none() {
            let text = text.clone();
            holder.message.parts.push(if is_thought { Part::Thinking { text } } else { Part::Text { text } });
        }
        map.shift_remove("thought");
        match signature {
            None => {
                let place = holder.place();
                rest(&mut holder.message.extra, &place, map);
            }
            Some(signature) => {
                map.retain(|_, value| !value.is_null());
                map.shift_insert(0, "text".into(), text.into());
                if is_thought {
                    map.insert("thought".into(), true.into());
                }
                map.insert("thoughtSignature".into(), signature.into());
                holder.add_opaque(Value::Object(map));
            }
        }
        holder.next += 1;
        return Ok(());
    }
    if !is_thought && ["inlineData", "inline_data"].iter().any(|key| map.contains_key(*key)) {
        if let Some(part) = read_media(holder, at, &mut map)? {
            holder.add(part, map);
            if let Some(signature) = signature {
                holder.add_opaque(json!({"inlineData": {}, "thoughtSignature": signature}));
            }
        }
        return Ok(());
    }
    let verbatim = signature.is_some() || map.keys().any(|key| goes_back(key));
    if let Some(signature) = signature {
        map.insert("thoughtSignature".into(), signature.into());
    }
    match verbatim {
        true => {
            map.retain(|_, value| !value.is_null());
            if map.get("thought") == Some(&Value::Bool(false)) {
                map.shift_remove("thought");
            }
            holder.add_opaque(Value::Object(map));
            holder.next += 1;
        }
        false => holder.keep(map),
    }
    Ok(())
}

/// Takes a picture, a document or a sound out of a part.
fn read_media(holder: &mut Holder, at: &str, map: &mut Map<String, Value>) -> Result<Option<Part>, ChatError> {
    let place = holder.place();
    if let Some(blob) = take_any(map, "inlineData") {
        let inside = format!("{at}.inlineData");
        let mut blob = object(&inside, blob)?;
        let media_type = string(&format!("{inside}.mimeType"), take_any(&mut blob, "mimeType").unwrap_or_default())?;
        let data = string(&format!("{inside}.data"), take(&mut blob, &inside, "data")?)?;
        let name = take_any(&mut blob, "displayName").and_then(|name| Some(name.as_str()?.to_owned()));
        rest(&mut holder.message.extra, &format!("{place}/inlineData"), blob);
        let kind = media_type.clone();
        return Ok(Some(media(&kind, MediaSource::Base64 { media_type, data }, name)));
    }
    let Some(file) = take_any(map, "fileData") else { return Ok(None) };
    let inside = format!("{at}.fileData");
    let mut file = object(&inside, file)?;
    let uri = string(&format!("{inside}.fileUri"), take_any(&mut file, "fileUri").unwrap_or_default())?;
    let media_type =
        take_any(&mut file, "mimeType").map(|kind| string(&format!("{inside}.mimeType"), kind)).transpose()?;
    let name = take_any(&mut file, "displayName").and_then(|name| Some(name.as_str()?.to_owned()));
    // What was uploaded to this provider nobody else can fetch.
    let is_own = uri.starts_with("gs://") || uri.contains("generativelanguage.googleapis.com/");
    let source = if is_own { MediaSource::File { id: uri } } else { MediaSource::Url { url: uri } };
    let part = media(media_type.as_deref().unwrap_or_default(), source, name);
    if let Some(media_type) = media_type {
        file.insert("mimeType".into(), media_type.into());
    }
    rest(&mut holder.message.extra, &format!("{place}/fileData"), file);
    Ok(Some(part))
}

fn media(media_type: &str, source: MediaSource, name: Option<String>) -> Part {
    match media_type.split('/').next() {
        Some("image") => Part::Image { source, detail: None },
        Some("audio") => Part::Audio { source },
        _ => Part::Document { source, name },
    }
}

/// Reads a call; gives the id that the client gave it, if any, and its name.
pub(super) fn read_call(
    holder: &mut Holder,
    at: &str,
    mut map: Map<String, Value>,
    mut call: Map<String, Value>,
    made_up: &str,
    number: usize,
) -> Result<(Option<String>, String), ChatError> {
    let inside = format!("{at}.functionCall");
    let given = take_string(&mut call, &inside, "id")?.filter(|id| !id.is_empty());
    let name = string(&format!("{inside}.name"), take(&mut call, &inside, "name")?)?;
    let arguments = match take_any(&mut call, "args") {
        None => "{}".to_owned(),
        Some(value) => Value::Object(object(&format!("{inside}.args"), value)?).to_string(),
    };
    let signature = take_any(&mut map, "thoughtSignature");
    let signature = signature.map(|value| string(&format!("{at}.thoughtSignature"), value)).transpose()?;
    let place = holder.place();
    rest(&mut holder.message.extra, &format!("{place}/functionCall"), call);
    let id = given.clone().unwrap_or_else(|| made_up.to_owned());
    holder.add(Part::ToolCall { id, name: name.clone(), arguments, kind: ToolCallKind::Function }, map);
    if let Some(signature) = signature {
        holder.add_opaque(json!({"tool_call": number, "thoughtSignature": signature}));
    }
    Ok((given, name))
}

/// Reads a result; `id_of` finds the id of its call by the given id and the function's name.
pub(super) fn read_result(
    holder: &mut Holder,
    at: &str,
    map: Map<String, Value>,
    mut result: Map<String, Value>,
    id_of: impl FnOnce(Option<&str>, &str) -> String,
) -> Result<(), ChatError> {
    let inside = format!("{at}.functionResponse");
    let given = take_string(&mut result, &inside, "id")?.filter(|id| !id.is_empty());
    let name = take_string(&mut result, &inside, "name")?.unwrap_or_default();
    let response =
        object(&format!("{inside}.response"), take_any(&mut result, "response").unwrap_or_else(|| json!({})))?;
    let (texts, error) = read_response(response);
    let place = holder.place();
    let mut within = Holder::within(Role::Tool, format!("{place}/functionResponse/parts"));
    within.message.parts = texts.into_iter().map(Part::text).collect();
    if let Some(list) = take_any(&mut result, "parts") {
        let at = format!("{inside}.parts");
        for (index, part) in array(&at, list)?.into_iter().enumerate() {
            let at = format!("{at}[{index}]");
            let mut part = object(&at, part)?;
            match read_media(&mut within, &at, &mut part)? {
                Some(media) => within.add(media, part),
                None => within.keep(part),
            }
        }
    }
    holder.message.extra.append(&mut within.message.extra);
    rest(&mut holder.message.extra, &format!("{place}/functionResponse"), result);
    let id = id_of(given.as_deref(), &name);
    holder.add(Part::ToolResult { id, parts: within.message.parts, error }, map);
    Ok(())
}

/// The texts of a response, and whether it is a failure. What is more than a text or several is JSON.
fn read_response(response: Map<String, Value>) -> (Vec<String>, bool) {
    let only = if response.len() == 1 { response.iter().next() } else { None };
    let (texts, error) = match only {
        Some((key, value)) if key == "result" => (texts_of(value), false),
        Some((key, value)) if key == "error" => (texts_of(value), true),
        _ if response.is_empty() => (Some(Vec::new()), false),
        _ => (None, false),
    };
    match texts {
        Some(texts) => (texts, error),
        None => (vec![Value::Object(response).to_string()], false),
    }
}

fn texts_of(value: &Value) -> Option<Vec<String>> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    match value {
        Value::String(text) => Some(vec![text.clone()]),
        Value::Array(list) if list.len() > 1 => list.iter().map(text).collect(),
        _ => None,
    }
}
