//! A streamed answer, event by event.

use serde_json::{Map, json};

use super::{
    around::Around,
    blocks::Blocks,
    error_body::error_object,
    sink::{Events, put_head},
};
use crate::{
    error::ChatError,
    event::{ChatEvent, FinishReason},
    json::{put_key, put_value},
};

/// Writes the events of an answer as the server-sent events of Anthropic's messages.
///
/// Blocks begin and end one after another, as this wire wants it: what other wires say while a call is being made waits
/// for its end. What the provider of this wire wants to see again stands where and as it was; what one of another wire
/// does, as well as pictures and sounds, has no place here and is left out. Thinking that nobody signed is a block whose
/// signature is empty, which [`decode_request`](crate::anthropic::decode_request) knows when it comes back.
#[derive(Debug)]
pub struct StreamWriter {
    /// Id and model, until the message has begun.
    head: Option<(String, String)>,
    blocks: Blocks,
    ended: u32,
    around: Around,
}

impl StreamWriter {
    /// A writer of an answer with this id, made by this model. The message begins with its first content, or its end.
    pub fn new(id: impl Into<String>, model: impl Into<String>) -> Self {
        Self { head: Some((id.into(), model.into())), blocks: Blocks::new(), ended: 0, around: Around::default() }
    }

    /// Whether thinking that its provider did not sign is shown. Who does not ask for thinking expects none.
    #[must_use]
    pub fn unsigned_thinking(mut self, shown: bool) -> Self {
        self.blocks.shows_thinking = shown;
        self
    }

    /// How many tokens the prompt is taken to have until its provider tells: clients show what the beginning of a message
    /// says as the size of their context.
    #[must_use]
    pub fn expects_input(mut self, tokens: u64) -> Self {
        self.around.usage.input = tokens;
        self
    }

    /// Appends what the event is on this wire.
    pub fn write(&mut self, event: &ChatEvent, out: &mut Vec<u8>) {
        match event {
            ChatEvent::Started { .. } => self.blocks.go_on(&mut Events { out, ended: &mut self.ended }),
            ChatEvent::Finished { reason } => self.finish(reason, out),
            event if self.around.take(event) => {}
            event => {
                self.begin(out);
                self.blocks.take(event, &mut Events { out, ended: &mut self.ended });
            }
        }
    }

    /// Appends an error that came after the stream began. Nothing follows it. `request_id` is that of the response's header.
    pub fn write_error(error: &ChatError, request_id: Option<&str>, out: &mut Vec<u8>) {
        out.extend_from_slice(b"event: error\ndata: ");
        put_value(out, &error_object(error, request_id).1);
        out.extend_from_slice(b"\n\n");
    }

    /// Appends an event that keeps the connection alive and means nothing.
    pub fn write_heartbeat(out: &mut Vec<u8>) {
        out.extend_from_slice(b"event: ping\ndata: {\"type\":\"ping\"}\n\n");
    }

    fn begin(&mut self, out: &mut Vec<u8>) {
        let Some((id, model)) = self.head.take() else { return };
        let mut message = json!({
            "id": id, "type": "message", "role": "assistant", "model": model, "content": [], "stop_reason": null,
            "stop_sequence": null, "usage": self.around.usage(),
        });
        for (key, json) in std::mem::take(&mut self.around.fields) {
            match key.as_str() {
                // It is said where the answer ends.
                "stop_sequence" => drop(self.around.fields.insert(key, json)),
                _ => message[key] = json,
            }
        }
        put_head(out, "message_start");
        put_key(out, "message");
        put_value(out, &message);
        out.extend_from_slice(b"}\n\n");
    }

    fn finish(&mut self, reason: &FinishReason, out: &mut Vec<u8>) {
        self.begin(out);
        self.blocks.finish(&mut Events { out, ended: &mut self.ended });
        let (word, met) = self.around.stop(reason, self.blocks.refused);
        let mut delta = Map::from_iter([("stop_reason".into(), word.into()), ("stop_sequence".into(), met)]);
        let mut fields = std::mem::take(&mut self.around.fields);
        let beside = fields.shift_remove("context_management");
        delta.extend(fields);
        put_head(out, "message_delta");
        put_key(out, "delta");
        put_value(out, &delta);
        put_key(out, "usage");
        put_value(out, &self.around.usage());
        if let Some(json) = beside {
            put_key(out, "context_management");
            put_value(out, &json);
        }
        out.extend_from_slice(b"}\n\n");
        put_head(out, "message_stop");
        out.extend_from_slice(b"}\n\n");
    }
}
