//! Parts of contents as a provider reads them.

use serde_json::value::RawValue;

use super::dialect::Dialect;
use crate::{
    chat::{MediaSource, Part, ToolCallKind},
    encode::{LeftOut, report_detail},
    extras::Extras,
    json::{put_key, put_str, put_value},
};

/// Where a part stands: its extras, and the pointer to it in its message.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) extras: Extras<'a>,
    pub(super) at: &'a str,
}

/// A place that nothing else is said of.
pub(super) const NOTHING: Place<'_> = Place { extras: Extras::none(), at: "" };

impl Place<'_> {
    /// Puts the fields that only extras say, but for those that were written.
    pub(super) fn put_rest(self, out: &mut Vec<u8>, inside: &str, written: &[&str]) {
        if !self.extras.is_empty() {
            self.extras.put_keys(out, &format!("{}{inside}", self.at), written);
        }
    }

    /// The end of a part: what only extras say.
    pub(super) fn end(self, out: &mut Vec<u8>, written: &[&str]) {
        self.put_rest(out, "", written);
        out.push(b'}');
    }
}

pub(super) fn put_text(out: &mut Vec<u8>, text: &str, place: Place<'_>) {
    out.extend_from_slice(b"{\"text\":");
    put_str(out, text);
    place.end(out, &["text"]);
}

/// Writes a text, a picture, a document or a sound, and reports what of it cannot be said.
///
/// # Errors
///
/// Why this wire cannot say it; what was written of it is to be thrown away.
pub(super) fn put_part(
    out: &mut Vec<u8>,
    part: &Part,
    place: Place<'_>,
    dialect: &Dialect,
    at: &str,
    left_out: &mut Vec<LeftOut>,
) -> Result<(), &'static str> {
    put_open(out, part, place, dialect)?;
    place.end(out, &["text", "inlineData", "fileData"]);
    report_losses(part, dialect, at, left_out);
    Ok(())
}

/// Writes a part that the model signed, as [`put_part`] does.
///
/// # Errors
///
/// As of [`put_part`].
pub(super) fn put_signed(
    out: &mut Vec<u8>,
    (part, signature): (&Part, &str),
    place: Place<'_>,
    dialect: &Dialect,
    at: &str,
    left_out: &mut Vec<LeftOut>,
) -> Result<(), &'static str> {
    put_open(out, part, place, dialect)?;
    put_key(out, "thoughtSignature");
    put_str(out, signature);
    place.end(out, &["text", "inlineData", "fileData", "thoughtSignature"]);
    report_losses(part, dialect, at, left_out);
    Ok(())
}

/// Reports what of a part that is said has no word.
fn report_losses(part: &Part, dialect: &Dialect, at: &str, left_out: &mut Vec<LeftOut>) {
    report_detail(at, part, left_out);
    if matches!(part, Part::Document { name: Some(_), .. }) && !dialect.vertex {
        left_out.push(LeftOut { at: format!("{at}.name"), what: "this wire has no word for it" });
    }
}

/// Writes a part and leaves it open.
fn put_open(out: &mut Vec<u8>, part: &Part, place: Place<'_>, dialect: &Dialect) -> Result<(), &'static str> {
    match part {
        Part::Text { text } | Part::Refusal { text } => {
            out.extend_from_slice(b"{\"text\":");
            put_str(out, text);
        }
        Part::Image { source, .. } => put_source(out, source, None, place, dialect)?,
        Part::Audio { source } => put_source(out, source, None, place, dialect)?,
        Part::Document { source, name } => put_source(out, source, name.as_deref(), place, dialect)?,
        Part::ToolCall { .. } | Part::ToolResult { .. } | Part::Thinking { .. } | Part::Opaque { .. } => {
            return Err("a part that has no place here");
        }
    }
    Ok(())
}

fn put_source(
    out: &mut Vec<u8>,
    source: &MediaSource,
    name: Option<&str>,
    place: Place<'_>,
    dialect: &Dialect,
) -> Result<(), &'static str> {
    let name = name.filter(|_| dialect.vertex);
    let put_name = |out: &mut Vec<u8>| {
        if let Some(name) = name {
            put_key(out, "displayName");
            put_str(out, name);
        }
    };
    let uri = match source {
        MediaSource::Base64 { media_type, data } => {
            out.extend_from_slice(b"{\"inlineData\":{\"mimeType\":");
            put_str(out, media_type);
            put_key(out, "data");
            put_str(out, data);
            put_name(out);
            place.put_rest(out, "/inlineData", &["mimeType", "data", "displayName"]);
            out.push(b'}');
            return Ok(());
        }
        MediaSource::Url { url } if dialect.vertex || is_video(url) => url.as_str().into(),
        MediaSource::Url { .. } => return Err("a link, which this provider does not follow"),
        MediaSource::File { id } => file_uri(id).ok_or("a file that was uploaded to another provider")?,
    };
    out.extend_from_slice(b"{\"fileData\":{\"fileUri\":");
    put_str(out, &uri);
    put_name(out);
    let says_type = place.extras.keys_at(&format!("{}/fileData", place.at)).any(|(key, _)| key == "mimeType");
    if let Some(media_type) = media_type(&uri).filter(|_| !says_type) {
        put_key(out, "mimeType");
        put_str(out, media_type);
    }
    place.put_rest(out, "/fileData", &["fileUri", "displayName"]);
    out.push(b'}');
    Ok(())
}

/// Whether an address is of the one site whose films the Gemini API looks at itself.
fn is_video(url: &str) -> bool {
    let host = url.split_once("://").map_or("", |(_, rest)| rest.split('/').next().unwrap_or_default());
    matches!(host, "www.youtube.com" | "youtube.com" | "m.youtube.com" | "youtu.be")
}

/// The address of a file that was uploaded to this provider, by its name or its address.
fn file_uri(id: &str) -> Option<std::borrow::Cow<'_, str>> {
    if id.starts_with("files/") {
        return Some(format!("https://generativelanguage.googleapis.com/v1beta/{id}").into());
    }
    let is_own = id.starts_with("gs://") || (id.contains("://") && id.contains("generativelanguage.googleapis.com/"));
    is_own.then_some(id.into())
}

/// The type of what an address leads to, by how its name ends.
fn media_type(uri: &str) -> Option<&'static str> {
    let path = uri.split(['?', '#']).next()?;
    let (_, ending) = path.rsplit('/').next()?.rsplit_once('.')?;
    Some(match ending.to_ascii_lowercase().as_str() {
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "gif" => "image/gif",
        "heic" => "image/heic",
        "pdf" => "application/pdf",
        "txt" => "text/plain",
        "wav" => "audio/wav",
        "mp3" => "audio/mp3",
        "flac" => "audio/flac",
        "ogg" => "audio/ogg",
        "mp4" => "video/mp4",
        "mov" => "video/mov",
        "webm" => "video/webm",
        _ => return None,
    })
}

/// Writes the arguments of a call, which must be an object on this wire; whether they are written as they were said.
pub(super) fn put_arguments(out: &mut Vec<u8>, arguments: &str, kind: ToolCallKind) -> bool {
    let key = match kind {
        // No arguments are an empty object.
        ToolCallKind::Function if arguments.trim().is_empty() => {
            out.extend_from_slice(b"{}");
            return true;
        }
        ToolCallKind::Function if put_object(out, arguments) => return true,
        ToolCallKind::Function => "arguments",
        ToolCallKind::Custom => "input",
    };
    out.push(b'{');
    put_key(out, key);
    put_value(out, &arguments);
    out.push(b'}');
    false
}

/// Writes a JSON object as it was written, digit for digit; whether the text is one.
pub(super) fn put_object(out: &mut Vec<u8>, text: &str) -> bool {
    let Ok(raw) = serde_json::from_str::<&RawValue>(text) else { return false };
    if !raw.get().starts_with('{') {
        return false;
    }
    // Line ends of Unicode can only stand in strings, where an escape means the same.
    let safe = raw.get().replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029").replace('\u{85}', "\\u0085");
    out.extend_from_slice(safe.as_bytes());
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_where_the_provider_can_read_them() {
        assert!(is_video("https://www.youtube.com/watch?v=x") && is_video("https://youtu.be/x"));
        assert!(!is_video("https://example.org/www.youtube.com/") && !is_video("youtu.be/x"));
        assert_eq!(file_uri("files/a").unwrap(), "https://generativelanguage.googleapis.com/v1beta/files/a");
        assert_eq!(file_uri("gs://bucket/a.pdf").unwrap(), "gs://bucket/a.pdf");
        assert_eq!(file_uri("file-abc123"), None);
        assert_eq!(media_type("https://example.org/a.b/c.JPG?x=y.png"), Some("image/jpeg"));
        assert_eq!((media_type("https://example.org/a.pdf/c"), media_type("gs://b/x")), (None, None));
    }
}
