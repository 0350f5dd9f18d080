//! Parts of messages as a provider reads them.

use serde_json::Value;

use super::extras::Extras;
use crate::{
    chat::{CacheMark, MediaSource, Part, ToolCallKind},
    json::{put_comma, put_escaped, put_key, put_str, put_value},
};

/// Whether this wire can say a part within `content`.
pub(super) fn can_say(part: &Part) -> bool {
    match part {
        Part::Text { .. } | Part::Refusal { .. } | Part::Document { .. } => true,
        Part::Image { source, .. } => !matches!(source, MediaSource::File { .. }),
        Part::Audio { source } => matches!(source, MediaSource::Base64 { .. }),
        _ => false,
    }
}

/// Writes a part as the element `next` of `content`, if this wire [can say](can_say) it.
pub(super) fn put_part(out: &mut Vec<u8>, part: &Part, extras: Extras<'_>, next: usize, mark: Option<&CacheMark>) {
    if !can_say(part) {
        return;
    }
    let at = |key: &str| if extras.is_empty() { String::new() } else { format!("/content/{next}/{key}") };
    put_comma(out);
    match part {
        Part::Text { text } | Part::Refusal { text } => {
            out.extend_from_slice(b"{\"type\":\"text\",\"text\":");
            put_str(out, text);
        }
        Part::Image { source, detail } => {
            out.extend_from_slice(b"{\"type\":\"image_url\",\"image_url\":{\"url\":");
            put_url(out, source);
            if let Some(detail) = detail {
                put_key(out, "detail");
                put_str(out, detail);
            }
            extras.put_keys(out, &at("image_url"), &[]);
            out.push(b'}');
        }
        Part::Document { source, name } => {
            out.extend_from_slice(b"{\"type\":\"file\",\"file\":{");
            if let Some(name) = name {
                put_key(out, "filename");
                put_str(out, name);
            }
            match source {
                MediaSource::File { id } => {
                    put_key(out, "file_id");
                    put_str(out, id);
                }
                source => {
                    put_key(out, "file_data");
                    put_url(out, source);
                }
            }
            extras.put_keys(out, &at("file"), &[]);
            out.push(b'}');
        }
        Part::Audio { source: MediaSource::Base64 { media_type, data } } => {
            out.extend_from_slice(b"{\"type\":\"input_audio\",\"input_audio\":{\"data\":");
            put_str(out, data);
            put_key(out, "format");
            put_str(out, audio_format(media_type));
            extras.put_keys(out, &at("input_audio"), &[]);
            out.push(b'}');
        }
        _ => return,
    }
    end_part(out, extras, next, mark);
}

/// A text part at a position of `content`.
pub(super) fn put_text(out: &mut Vec<u8>, text: &str, extras: Extras<'_>, next: usize, mark: Option<&CacheMark>) {
    put_comma(out);
    out.extend_from_slice(b"{\"type\":\"text\",\"text\":");
    put_str(out, text);
    end_part(out, extras, next, mark);
}

/// The end of a part's object: its cache mark, and what only extras say.
fn end_part(out: &mut Vec<u8>, extras: Extras<'_>, next: usize, mark: Option<&CacheMark>) {
    if let Some(mark) = mark {
        out.extend_from_slice(b",\"cache_control\":{\"type\":\"ephemeral\"");
        if let Some(ttl) = &mark.ttl {
            put_key(out, "ttl");
            put_str(out, ttl);
        }
        out.push(b'}');
    }
    if !extras.is_empty() {
        extras.put_keys(out, &format!("/content/{next}"), &["type"]);
    }
    out.push(b'}');
}

fn put_url(out: &mut Vec<u8>, source: &MediaSource) {
    match source {
        MediaSource::Url { url } | MediaSource::File { id: url } => put_str(out, url),
        MediaSource::Base64 { media_type, data } => {
            out.extend_from_slice(b"\"data:");
            put_escaped(out, media_type);
            out.extend_from_slice(b";base64,");
            put_escaped(out, data);
            out.push(b'"');
        }
    }
}

/// OpenAI's name of an audio format.
fn audio_format(media_type: &str) -> &str {
    match media_type.strip_prefix("audio/").unwrap_or(media_type) {
        "mpeg" | "mp3" => "mp3",
        "wav" | "x-wav" | "wave" | "vnd.wave" => "wav",
        other => other,
    }
}

/// A tool call of an assistant message, with the id and the name that are sent.
#[derive(Debug, Clone, Copy)]
pub(super) struct SentCall<'a> {
    pub(super) id: &'a str,
    pub(super) name: &'a str,
    pub(super) arguments: &'a str,
    pub(super) kind: ToolCallKind,
    /// What goes back with it to whoever said it.
    pub(super) extra_content: Option<&'a Value>,
}

/// Writes the call `next` of an assistant message.
pub(super) fn put_call(out: &mut Vec<u8>, call: SentCall<'_>, extras: Extras<'_>, next: usize) {
    let SentCall { id, name, arguments, kind, extra_content } = call;
    let at = format!("/tool_calls/{next}");
    let (word, key) = match kind {
        ToolCallKind::Function => ("function", "arguments"),
        ToolCallKind::Custom => ("custom", "input"),
    };
    // No arguments are an empty object for whoever parses them.
    let arguments = if arguments.is_empty() && kind.is_function() { "{}" } else { arguments };
    out.extend_from_slice(b"{\"id\":");
    put_str(out, id);
    put_key(out, "type");
    put_str(out, word);
    put_key(out, word);
    out.extend_from_slice(b"{\"name\":");
    put_str(out, name);
    put_key(out, key);
    put_str(out, arguments);
    extras.put_keys(out, &format!("{at}/{word}"), &[]);
    out.push(b'}');
    if let Some(content) = extra_content {
        put_key(out, "extra_content");
        put_value(out, content);
    }
    extras.put_keys(out, &at, &["id", "type"]);
    out.push(b'}');
}
