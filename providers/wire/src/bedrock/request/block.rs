//! Blocks of messages.

use super::media::{DocumentNames, put_document, put_picture};
use crate::{
    chat::{CacheMark, Part},
    extras::Extras,
    json::{put_key, put_str},
};

/// Where a block stands: its extras, and the pointer to it in its message.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) extras: Extras<'a>,
    pub(super) at: &'a str,
}

impl Place<'_> {
    /// A block that only this encoder says.
    pub(super) const NOTHING: Place<'static> = Place { extras: Extras::none(), at: "" };

    /// Puts the fields inside of the block that only extras say.
    pub(super) fn put_rest(self, out: &mut Vec<u8>, kind: &str, written: &[&str]) {
        if !self.extras.is_empty() {
            self.extras.put_keys(out, &format!("{}/{kind}", self.at), written);
        }
    }
}

/// Writes a text, a picture or a document.
///
/// # Errors
/// Why this wire can't say it; what was written of it is to be thrown away.
pub(super) fn put_part(
    out: &mut Vec<u8>,
    part: &Part,
    place: Place<'_>,
    names: &mut DocumentNames,
) -> Result<(), &'static str> {
    match part {
        Part::Text { text } | Part::Refusal { text } => put_text(out, text),
        Part::Image { source, .. } => {
            out.extend_from_slice(b"{\"image\":{");
            put_picture(out, source)?;
            place.put_rest(out, "image", &["format", "source"]);
            out.extend_from_slice(b"}}");
        }
        Part::Document { source, name } => {
            out.extend_from_slice(b"{\"document\":{");
            put_document(out, source)?;
            put_key(out, "name");
            put_str(out, &names.name(name.as_deref()));
            place.put_rest(out, "document", &["format", "source", "name"]);
            out.extend_from_slice(b"}}");
        }
        Part::Audio { .. } => return Err("this wire takes no sound"),
        Part::ToolCall { .. } | Part::ToolResult { .. } | Part::Thinking { .. } | Part::Opaque { .. } => {
            return Err("a part that has no place here");
        }
    }
    Ok(())
}

pub(super) fn put_text(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(b"{\"text\":");
    put_str(out, text);
    out.push(b'}');
}

/// Writes the point up to which a prompt is to be cached.
pub(super) fn put_cache_point(out: &mut Vec<u8>, mark: &CacheMark, with_ttl: bool) {
    out.extend_from_slice(b"{\"cachePoint\":{\"type\":\"default\"");
    if let Some(ttl) = mark.ttl.as_ref().filter(|_| with_ttl) {
        put_key(out, "ttl");
        put_str(out, ttl);
    }
    out.extend_from_slice(b"}}");
}
