//! Reasoning of the answer, told as its summary.

use serde_json::{Map, Value};

use super::frames::{Frames, Place};
use crate::json::{put_escaped, put_key, put_str, put_value};

/// Reasoning that has begun. Where its paragraphs end is not known before its end: it is told as one part.
#[derive(Debug)]
pub(super) struct Reasoning {
    pub(super) place: Place,
    text: String,
}

impl Reasoning {
    pub(super) fn begin(place: Place, frames: &mut Frames, out: &mut Vec<u8>) -> Self {
        let reasoning = Self { place, text: String::new() };
        frames.added(reasoning.place.index, out, |out| {
            out.extend_from_slice(b"{\"id\":");
            put_str(out, &reasoning.place.id);
            out.extend_from_slice(b",\"type\":\"reasoning\",\"summary\":[]}");
        });
        frames.put_of("response.reasoning_summary_part.added", &reasoning.place, out, |out| {
            out.extend_from_slice(b",\"summary_index\":0,\"part\":");
            reasoning.put_part(out);
        });
        reasoning
    }

    /// The hot path, as for text.
    pub(super) fn say(&mut self, text: &str, frames: &mut Frames, out: &mut Vec<u8>) {
        self.text.push_str(text);
        frames.put_of("response.reasoning_summary_text.delta", &self.place, out, |out| {
            out.extend_from_slice(b",\"summary_index\":0,\"delta\":\"");
            put_escaped(out, text);
            out.push(b'"');
        });
    }

    /// Ends it; `item` is what the provider says that it is. Gives the item as it stands then.
    pub(super) fn end(
        self,
        item: Option<&Map<String, Value>>,
        frames: &mut Frames,
        out: &mut Vec<u8>,
    ) -> (u32, Vec<u8>) {
        frames.put_of("response.reasoning_summary_text.done", &self.place, out, |out| {
            out.extend_from_slice(b",\"summary_index\":0,\"text\":");
            put_str(out, &self.text);
        });
        frames.put_of("response.reasoning_summary_part.done", &self.place, out, |out| {
            out.extend_from_slice(b",\"summary_index\":0,\"part\":");
            self.put_part(out);
        });
        let mut whole = Vec::new();
        match item {
            Some(item) if item.contains_key("id") => put_value(&mut whole, item),
            Some(item) => {
                let mut item = item.clone();
                item.shift_insert(0, "id".into(), self.place.id.as_str().into());
                put_value(&mut whole, &item);
            }
            None => {
                whole.extend_from_slice(b"{\"id\":");
                put_str(&mut whole, &self.place.id);
                whole.extend_from_slice(b",\"type\":\"reasoning\",\"summary\":[");
                self.put_part(&mut whole);
                whole.extend_from_slice(b"]}");
            }
        }
        frames.done(self.place.index, &whole, out);
        (self.place.index, whole)
    }

    fn put_part(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"type\":\"summary_text\"");
        put_key(out, "text");
        put_str(out, &self.text);
        out.push(b'}');
    }
}
