//! Parts of messages and results as a provider reads them.

use crate::{
    chat::{MediaSource, Part},
    encode::words::plain_text,
    extras::Extras,
    json::{put_comma, put_escaped, put_key, put_str},
};

/// Where a part stands: its extras, and the pointer to the list that it is in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) extras: Extras<'a>,
    pub(super) at: &'a str,
}

impl Place<'_> {
    pub(super) const NONE: Place<'static> = Place { extras: Extras::none(), at: "" };

    /// The end of the element `next`: what only extras say of it.
    fn end(self, out: &mut Vec<u8>, next: usize) {
        if !self.extras.is_empty() {
            self.extras.put_keys(out, &format!("{}/{next}", self.at), &["type"]);
        }
        out.push(b'}');
    }
}

/// Whether this wire can say a part as input.
pub(super) fn can_say(part: &Part) -> bool {
    plain_text(part).is_some() || matches!(part, Part::Image { .. } | Part::Document { .. })
}

/// Writes a part of input as the element `next` of its list, if this wire [can say](can_say) it.
pub(super) fn put_part(out: &mut Vec<u8>, part: &Part, place: Place<'_>, next: usize) {
    match part {
        Part::Text { text } | Part::Refusal { text } => put_text(out, text, place, next),
        Part::Image { source, detail } => {
            put_comma(out);
            out.extend_from_slice(b"{\"type\":\"input_image\"");
            put_source(out, source, "image_url", "image_url");
            if let Some(detail) = detail {
                put_key(out, "detail");
                put_str(out, detail);
            }
            place.end(out, next);
        }
        Part::Document { source, name } => {
            put_comma(out);
            out.extend_from_slice(b"{\"type\":\"input_file\"");
            if let Some(name) = name {
                put_key(out, "filename");
                put_str(out, name);
            }
            put_source(out, source, "file_data", "file_url");
            place.end(out, next);
        }
        _ => {}
    }
}

pub(super) fn put_text(out: &mut Vec<u8>, text: &str, place: Place<'_>, next: usize) {
    put_comma(out);
    out.extend_from_slice(b"{\"type\":\"input_text\",\"text\":");
    put_str(out, text);
    place.end(out, next);
}

fn put_source(out: &mut Vec<u8>, source: &MediaSource, data_key: &str, url_key: &str) {
    match source {
        MediaSource::Base64 { media_type, data } => {
            put_key(out, data_key);
            out.extend_from_slice(b"\"data:");
            put_escaped(out, media_type);
            out.extend_from_slice(b";base64,");
            put_escaped(out, data);
            out.push(b'"');
        }
        MediaSource::Url { url } => {
            put_key(out, url_key);
            put_str(out, url);
        }
        MediaSource::File { id } => {
            put_key(out, "file_id");
            put_str(out, id);
        }
    }
}
