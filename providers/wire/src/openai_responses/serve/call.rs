//! A call of one of the caller's tools.

use serde_json::{Map, Value};

use super::frames::{Frames, Place};
use crate::{
    chat::ToolCallKind,
    json::{put_escaped, put_key, put_str, put_value},
};

/// A call that has begun.
#[derive(Debug)]
pub(super) struct Call {
    /// Its index among the calls.
    pub(super) number: u32,
    pub(super) id: String,
    /// Whether the provider says more of it once it is whole.
    pub(super) has_fields: bool,
    pub(super) place: Place,
    name: String,
    kind: ToolCallKind,
    arguments: String,
}

/// What a call is made of.
pub(super) struct Calling<'a> {
    pub(super) number: u32,
    pub(super) id: &'a str,
    pub(super) name: &'a str,
    pub(super) kind: ToolCallKind,
    pub(super) has_fields: bool,
}

impl Call {
    pub(super) fn begin(calling: &Calling<'_>, place: Place, frames: &mut Frames, out: &mut Vec<u8>) -> Self {
        let call = Self {
            number: calling.number,
            id: calling.id.to_owned(),
            has_fields: calling.has_fields,
            place,
            name: calling.name.to_owned(),
            kind: calling.kind,
            arguments: String::new(),
        };
        frames.added(call.place.index, out, |out| call.put("in_progress", &Map::new(), out));
        call
    }

    /// The hot path, as for text.
    pub(super) fn add(&mut self, text: &str, frames: &mut Frames, out: &mut Vec<u8>) {
        self.arguments.push_str(text);
        let kind = match self.kind {
            ToolCallKind::Function => "response.function_call_arguments.delta",
            ToolCallKind::Custom => "response.custom_tool_call_input.delta",
        };
        frames.put_of(kind, &self.place, out, |out| {
            out.extend_from_slice(b",\"delta\":\"");
            put_escaped(out, text);
            out.push(b'"');
        });
    }

    /// Says the arguments, to which nothing more is added.
    pub(super) fn say_whole(&mut self, frames: &mut Frames, out: &mut Vec<u8>) {
        // No arguments are an empty object for whoever parses them.
        if self.arguments.is_empty() && self.kind.is_function() {
            self.arguments.push_str("{}");
        }
        let (kind, key) = match self.kind {
            ToolCallKind::Function => ("response.function_call_arguments.done", "arguments"),
            ToolCallKind::Custom => ("response.custom_tool_call_input.done", "input"),
        };
        frames.put_of(kind, &self.place, out, |out| {
            if self.kind.is_function() {
                put_key(out, "name");
                put_str(out, &self.name);
            }
            put_key(out, key);
            put_str(out, &self.arguments);
        });
    }

    /// Ends the call, of which the provider said these fields besides; gives the item as it stands then.
    pub(super) fn end(
        self,
        status: &str,
        fields: &Map<String, Value>,
        frames: &mut Frames,
        out: &mut Vec<u8>,
    ) -> (u32, Vec<u8>) {
        let status = fields.get("status").and_then(Value::as_str).unwrap_or(status);
        let mut item = Vec::new();
        self.put(status, fields, &mut item);
        frames.done(self.place.index, &item, out);
        (self.place.index, item)
    }

    fn put(&self, status: &str, fields: &Map<String, Value>, out: &mut Vec<u8>) {
        let (word, key) = match self.kind {
            ToolCallKind::Function => ("function_call", "arguments"),
            ToolCallKind::Custom => ("custom_tool_call", "input"),
        };
        out.extend_from_slice(b"{\"id\":");
        put_str(out, &self.place.id);
        for (key, text) in
            [("type", word), ("status", status), ("call_id", &self.id), ("name", &self.name), (key, &self.arguments)]
        {
            put_key(out, key);
            put_str(out, text);
        }
        let written = ["id", "type", "status", "call_id", "name", key];
        for (key, json) in fields.iter().filter(|(key, _)| !written.contains(&key.as_str())) {
            put_key(out, key);
            put_value(out, json);
        }
        out.push(b'}');
    }
}
