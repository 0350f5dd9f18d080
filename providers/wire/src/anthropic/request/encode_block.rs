//! Blocks of messages as a provider reads them.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::value::RawValue;

use crate::{
    chat::{CacheMark, MediaSource, Part, ToolCallKind},
    extras::Extras,
    json::{put_key, put_str, put_value},
};

/// Where a block stands: its extras, and the pointer to it in its message.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) extras: Extras<'a>,
    pub(super) at: &'a str,
}

impl Place<'_> {
    /// Puts the fields of the block that only extras say, but for those that were written.
    fn put_rest(self, out: &mut Vec<u8>, inside: &str, written: &[&str]) {
        if !self.extras.is_empty() {
            self.extras.put_keys(out, &format!("{}{inside}", self.at), written);
        }
    }

    /// The end of a block: its cache mark, and what only extras say.
    pub(super) fn end(self, out: &mut Vec<u8>, mark: Option<&CacheMark>, written: &[&str]) {
        if let Some(mark) = mark {
            put_key(out, "cache_control");
            out.extend_from_slice(b"{\"type\":\"ephemeral\"");
            if let Some(ttl) = &mark.ttl {
                put_key(out, "ttl");
                put_str(out, ttl);
            }
            out.push(b'}');
        }
        self.put_rest(out, "", written);
        out.push(b'}');
    }
}

/// Writes a text, a picture or a document.
///
/// # Errors
///
/// Why this wire cannot say it; what was written of it is to be thrown away.
pub(super) fn put_part(
    out: &mut Vec<u8>,
    part: &Part,
    place: Place<'_>,
    mark: Option<&CacheMark>,
) -> Result<(), &'static str> {
    match part {
        Part::Text { text } | Part::Refusal { text } => put_text(out, text, place, mark),
        Part::Image { source, .. } => {
            out.extend_from_slice(b"{\"type\":\"image\",\"source\":");
            put_source(out, source, place);
            place.end(out, mark, &["type", "source"]);
        }
        Part::Document { source, name } => {
            out.extend_from_slice(b"{\"type\":\"document\",\"source\":");
            match source {
                // Only PDFs come in base64 on this wire; a text comes as text.
                MediaSource::Base64 { media_type, data } if media_type == "text/plain" => {
                    let bytes = STANDARD.decode(data).map_err(|_| "a document whose bytes are not base64")?;
                    let text = String::from_utf8(bytes).map_err(|_| "a text document that is not utf-8")?;
                    out.extend_from_slice(b"{\"type\":\"text\",\"media_type\":\"text/plain\",\"data\":");
                    put_str(out, &text);
                    place.put_rest(out, "/source", &[]);
                    out.push(b'}');
                }
                source => put_source(out, source, place),
            }
            if let Some(name) = name {
                put_key(out, "title");
                put_str(out, name);
            }
            place.end(out, mark, &["type", "source", "title"]);
        }
        Part::Audio { .. } => return Err("this wire takes no sound"),
        Part::ToolCall { .. } | Part::ToolResult { .. } | Part::Thinking { .. } | Part::Opaque { .. } => {
            return Err("a part that has no place here");
        }
    }
    Ok(())
}

pub(super) fn put_text(out: &mut Vec<u8>, text: &str, place: Place<'_>, mark: Option<&CacheMark>) {
    out.extend_from_slice(b"{\"type\":\"text\",\"text\":");
    put_str(out, text);
    place.end(out, mark, &["type", "text"]);
}

fn put_source(out: &mut Vec<u8>, source: &MediaSource, place: Place<'_>) {
    out.push(b'{');
    match source {
        MediaSource::Base64 { media_type, data } => {
            put_key(out, "type");
            put_str(out, "base64");
            put_key(out, "media_type");
            put_str(out, media_type);
            put_key(out, "data");
            put_str(out, data);
        }
        MediaSource::Url { url } => {
            put_key(out, "type");
            put_str(out, "url");
            put_key(out, "url");
            put_str(out, url);
        }
        MediaSource::File { id } => {
            put_key(out, "type");
            put_str(out, "file");
            put_key(out, "file_id");
            put_str(out, id);
        }
    }
    place.put_rest(out, "/source", &[]);
    out.push(b'}');
}

/// Writes the arguments of a call, which must be an object on this wire; whether they are written as they were said.
pub(crate) fn put_input(out: &mut Vec<u8>, arguments: &str, kind: ToolCallKind) -> bool {
    let key = match kind {
        // No arguments are an empty object.
        ToolCallKind::Function if arguments.trim().is_empty() => {
            out.extend_from_slice(b"{}");
            return true;
        }
        ToolCallKind::Function => match serde_json::from_str::<&RawValue>(arguments) {
            Ok(raw) if raw.get().starts_with('{') => {
                // As the model wrote them, byte for byte.
                out.extend_from_slice(raw.get().as_bytes());
                return true;
            }
            _ => "arguments",
        },
        ToolCallKind::Custom => "input",
    };
    out.push(b'{');
    put_key(out, key);
    put_value(out, &arguments);
    out.push(b'}');
    false
}
