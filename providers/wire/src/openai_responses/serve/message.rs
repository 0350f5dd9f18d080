//! A message of the answer.

use serde_json::{Map, Value, json};

use super::{
    annotation::annotation,
    frames::{Frames, Place},
};
use crate::json::{put_comma, put_escaped, put_key, put_str, put_value};

/// A message that has begun.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) place: Place,
    phase: Option<String>,
    /// The last one is open.
    parts: Vec<Part>,
}

#[derive(Debug)]
struct Part {
    refuses: bool,
    text: String,
    annotations: Vec<Value>,
    logprobs: Vec<Value>,
}

/// Fields of a message that are written in any case.
const WRITTEN: [&str; 5] = ["id", "type", "status", "role", "content"];

impl Message {
    pub(super) fn begin(place: Place, phase: Option<String>, frames: &mut Frames, out: &mut Vec<u8>) -> Self {
        let message = Self { place, phase, parts: Vec::new() };
        frames.added(message.place.index, out, |out| message.put("in_progress", &Map::new(), out));
        message
    }

    /// The hot path: no allocation but the growth of the buffer and the text.
    pub(super) fn say(&mut self, text: &str, refuses: bool, frames: &mut Frames, out: &mut Vec<u8>) {
        let at = self.part(refuses, frames, out);
        self.parts[at].text.push_str(text);
        let kind = if refuses { "response.refusal.delta" } else { "response.output_text.delta" };
        frames.put_of(kind, &self.place, out, |out| {
            put_index(at, out);
            out.extend_from_slice(b",\"delta\":\"");
            put_escaped(out, text);
            out.push(b'"');
            if !refuses {
                out.extend_from_slice(b",\"logprobs\":[]");
            }
        });
    }

    /// Says how likely the tokens of the text before were: beside no text, as that is on its way already.
    pub(super) fn say_logprobs(&mut self, logprobs: &Value, frames: &mut Frames, out: &mut Vec<u8>) {
        let at = self.part(false, frames, out);
        match logprobs {
            Value::Array(list) => self.parts[at].logprobs.extend(list.iter().cloned()),
            other => self.parts[at].logprobs.push(other.clone()),
        }
        frames.put_of("response.output_text.delta", &self.place, out, |out| {
            put_index(at, out);
            out.extend_from_slice(b",\"delta\":\"\",\"logprobs\":");
            put_value(out, logprobs);
        });
    }

    /// Says where something of the text is from; nothing if that can't be said on this wire.
    pub(super) fn cite(&mut self, citation: &Value, frames: &mut Frames, out: &mut Vec<u8>) {
        let end = self.parts.last().map_or(0, |part| part.text.chars().count());
        let Some(annotation) = annotation(citation, end) else { return };
        let at = self.part(false, frames, out);
        let part = &mut self.parts[at];
        frames.put_of("response.output_text.annotation.added", &self.place, out, |out| {
            put_index(at, out);
            put_key(out, "annotation_index");
            put_value(out, &part.annotations.len());
            put_key(out, "annotation");
            put_value(out, &annotation);
        });
        part.annotations.push(annotation);
    }

    /// The open part, which is one that refuses or does not.
    fn part(&mut self, refuses: bool, frames: &mut Frames, out: &mut Vec<u8>) -> usize {
        match self.parts.last() {
            Some(part) if part.refuses == refuses => return self.parts.len() - 1,
            Some(_) => self.end_part(frames, out),
            None => {}
        }
        let part = Part { refuses, text: String::new(), annotations: Vec::new(), logprobs: Vec::new() };
        let at = self.parts.len();
        frames.put_of("response.content_part.added", &self.place, out, |out| {
            put_index(at, out);
            put_key(out, "part");
            part.put(None, out);
        });
        self.parts.push(part);
        at
    }

    fn end_part(&self, frames: &mut Frames, out: &mut Vec<u8>) {
        let Some(part) = self.parts.last() else { return };
        let at = self.parts.len() - 1;
        let (kind, key) = match part.refuses {
            true => ("response.refusal.done", "refusal"),
            false => ("response.output_text.done", "text"),
        };
        frames.put_of(kind, &self.place, out, |out| {
            put_index(at, out);
            put_key(out, key);
            put_str(out, &part.text);
            if !part.refuses {
                put_key(out, "logprobs");
                put_value(out, &part.logprobs);
            }
        });
        frames.put_of("response.content_part.done", &self.place, out, |out| {
            put_index(at, out);
            put_key(out, "part");
            part.put(None, out);
        });
    }

    /// Ends the message, of which the provider said these fields besides; gives the item as it stands then.
    pub(super) fn end(
        self,
        status: &str,
        fields: &Map<String, Value>,
        frames: &mut Frames,
        out: &mut Vec<u8>,
    ) -> (u32, Vec<u8>) {
        self.end_part(frames, out);
        let status = fields.get("status").and_then(Value::as_str).unwrap_or(status);
        let mut item = Vec::new();
        self.put(status, fields, &mut item);
        frames.done(self.place.index, &item, out);
        (self.place.index, item)
    }

    fn put(&self, status: &str, fields: &Map<String, Value>, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"id\":");
        put_str(out, &self.place.id);
        out.extend_from_slice(b",\"type\":\"message\",\"status\":");
        put_str(out, status);
        out.extend_from_slice(b",\"role\":\"assistant\",\"content\":[");
        // What stands beside the text of each part is known only while there are as many as the provider said.
        let beside = fields.get("content").and_then(Value::as_array);
        let beside = beside.filter(|beside| beside.len() == self.parts.len());
        for (at, part) in self.parts.iter().enumerate() {
            put_comma(out);
            part.put(beside.and_then(|beside| beside[at].as_object()), out);
        }
        out.push(b']');
        if let Some(phase) = self.phase.as_ref().filter(|_| !fields.contains_key("phase")) {
            put_key(out, "phase");
            put_str(out, phase);
        }
        for (key, json) in fields.iter().filter(|(key, _)| !WRITTEN.contains(&key.as_str())) {
            put_key(out, key);
            put_value(out, json);
        }
        out.push(b'}');
    }
}

impl Part {
    fn put(&self, beside: Option<&Map<String, Value>>, out: &mut Vec<u8>) {
        let key = if self.refuses { "refusal" } else { "text" };
        out.extend_from_slice(b"{\"type\":");
        put_str(out, if self.refuses { "refusal" } else { "output_text" });
        put_key(out, key);
        put_str(out, &self.text);
        if !self.refuses {
            put_key(out, "annotations");
            // The citations are all there are, but for what an answer that was cut left out.
            let said = beside.and_then(|beside| beside.get("annotations")).filter(|_| self.annotations.is_empty());
            match said {
                Some(annotations) => put_value(out, annotations),
                None => put_value(out, &self.annotations),
            }
            put_key(out, "logprobs");
            put_value(out, &self.logprobs);
        }
        let written = ["type", "text", "refusal", "annotations", "logprobs"];
        for (key, json) in beside.into_iter().flatten().filter(|(key, _)| !written.contains(&key.as_str())) {
            put_key(out, key);
            put_value(out, json);
        }
        out.push(b'}');
    }
}

/// An item in which a picture was made.
pub(super) fn image_item(id: &str, media_type: &str, data: &str) -> Map<String, Value> {
    let format = media_type.strip_prefix("image/").unwrap_or(media_type);
    let item = json!({
        "id": id, "type": "image_generation_call", "status": "completed", "result": data, "output_format": format,
    });
    match item {
        Value::Object(item) => item,
        _ => Map::new(),
    }
}

fn put_index(at: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"content_index\":");
    put_value(out, &at);
}
