//! Blocks of a client's messages.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value};

use crate::{
    chat::{CacheMark, Extra, MediaSource, Message, Part, Role, Wire},
    error::ChatError,
    reader::{object, rest, string, take, take_string},
};

/// A message in the making, which knows at which position of its content the next block stands.
#[derive(Debug)]
pub(super) struct Holder {
    pub(super) message: Message,
    /// The pointer to its content.
    content: String,
    next: usize,
}

impl Holder {
    pub(super) fn new(role: Role) -> Self {
        Self::within(role, "/content".into())
    }

    /// One whose content stands at this pointer.
    pub(super) fn within(role: Role, content: String) -> Self {
        Self { message: Message::new(role, Vec::new()), content, next: 0 }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.next == 0
    }

    /// The pointer to the next block.
    pub(super) fn place(&self) -> String {
        format!("{}/{}", self.content, self.next)
    }

    /// Adds the part that a block is; `map` is what is left of the block.
    pub(super) fn add(&mut self, part: Part, mut map: Map<String, Value>) {
        let place = self.place();
        if let Some(ttl) = take_mark(&mut map) {
            self.message.cache.push(CacheMark { part: self.message.parts.len(), ttl });
        }
        rest(Wire::Anthropic, &mut self.message.extra, &place, map);
        self.message.parts.push(part);
        self.next += 1;
    }

    /// Keeps a block that nobody has a word for, in its place.
    fn keep(&mut self, map: Map<String, Value>) {
        let path = self.place();
        self.message.extra.push(Extra { wire: Wire::Anthropic, path, json: Value::Object(map) });
        self.next += 1;
    }

    /// The parts of a nested content, and its extras. Parts within a part have no cache marks of their own in the chat
    /// language: they are extras, too.
    pub(super) fn into_nested(self) -> (Vec<Part>, Vec<Extra>) {
        let mut extras = self.message.extra;
        for mark in self.message.cache {
            let mut json = serde_json::json!({"type": "ephemeral"});
            if let Some(ttl) = mark.ttl {
                json["ttl"] = ttl.into();
            }
            let path = format!("{}/{}/cache_control", self.content, mark.part);
            extras.push(Extra { wire: Wire::Anthropic, path, json });
        }
        (self.message.parts, extras)
    }
}

/// Takes a `cache_control` of the known form out of a block.
fn take_mark(map: &mut Map<String, Value>) -> Option<Option<String>> {
    let control = map.get("cache_control")?.as_object()?;
    if control.get("type")? != "ephemeral" || control.keys().any(|key| key != "type" && key != "ttl") {
        return None;
    }
    let ttl = match control.get("ttl") {
        None | Some(Value::Null) => None,
        Some(ttl) => Some(ttl.as_str()?.to_owned()),
    };
    map.shift_remove("cache_control");
    Some(ttl)
}

pub(super) fn read_text(holder: &mut Holder, at: &str, mut map: Map<String, Value>) -> Result<(), ChatError> {
    map.shift_remove("type");
    let text = string(&format!("{at}.text"), take(&mut map, at, "text")?)?;
    holder.add(Part::Text { text }, map);
    Ok(())
}

/// Reads a block of someone else than the model. One that is not known is an extra in its place.
pub(super) fn read_said(holder: &mut Holder, at: &str, mut map: Map<String, Value>) -> Result<(), ChatError> {
    let kind = match map.get("type") {
        Some(Value::String(kind)) => kind.clone(),
        _ => string(&format!("{at}.type"), take(&mut map, at, "type")?)?,
    };
    if kind == "text" {
        return read_text(holder, at, map);
    }
    let source = map.get("source").and_then(Value::as_object).cloned();
    let Some(mut source) = source.filter(|_| matches!(kind.as_str(), "image" | "document")) else {
        if matches!(kind.as_str(), "image" | "document") {
            object(&format!("{at}.source"), take(&mut map, at, "source")?)?;
        }
        holder.keep(map);
        return Ok(());
    };
    let inside = format!("{at}.source");
    let form = string(&format!("{inside}.type"), take(&mut source, &inside, "type")?)?;
    let mut text = |key: &str| -> Result<String, ChatError> {
        string(&format!("{inside}.{key}"), take(&mut source, &inside, key)?)
    };
    let found = match form.as_str() {
        "base64" => MediaSource::Base64 { media_type: text("media_type")?, data: text("data")? },
        "url" => MediaSource::Url { url: text("url")? },
        "file" => MediaSource::File { id: text("file_id")? },
        "text" if kind == "document" && source.get("media_type").is_none_or(|kind| kind == "text/plain") => {
            let data = STANDARD.encode(string(&format!("{inside}.data"), take(&mut source, &inside, "data")?)?);
            source.shift_remove("media_type");
            MediaSource::Base64 { media_type: "text/plain".into(), data }
        }
        _ => {
            holder.keep(map);
            return Ok(());
        }
    };
    map.shift_remove("type");
    map.shift_remove("source");
    let place = holder.place();
    rest(Wire::Anthropic, &mut holder.message.extra, &format!("{place}/source"), source);
    let part = match kind.as_str() {
        "image" => Part::Image { source: found, detail: None },
        _ => Part::Document { source: found, name: take_string(&mut map, at, "title")? },
    };
    holder.add(part, map);
    Ok(())
}
