//! A streamed answer, event by event.

use serde_json::Value;

use super::{
    chunk_extras::{Place, Waiting, place, plain_key, put_waiting},
    error_body::error_object,
    finish_word, image, opaque_for_client, usage_object,
};
use crate::{
    chat::{Extra, ToolCallKind, Wire},
    error::ChatError,
    event::{ChatEvent, FinishReason, Usage},
    json::{put_escaped, put_key, put_str, put_value},
};

/// Writes the events of an answer as the server-sent events of OpenAI chat completions.
///
/// Each event becomes bytes at once, or waits where the wire wants it later. Extras of this wire go back to where they
/// stood: on the chunk that comes next, as the decoder says them just before what they came with.
#[derive(Debug)]
pub struct StreamWriter {
    id: String,
    created: u64,
    model: String,
    include_usage: bool,
    legacy_functions: bool,
    /// How every chunk begins: up to and without the choices.
    head: Vec<u8>,
    /// Texts beside the choices that every chunk repeats (`service_tier`, `system_fingerprint`).
    constants: Vec<(String, String)>,
    waiting: Waiting,
    usage: Option<Usage>,
    usage_extras: Vec<(String, Value)>,
    refused: bool,
    calls: Vec<Call>,
}

/// What is known of a call that was written.
#[derive(Debug, Clone, Copy, Default)]
struct Call {
    kind: ToolCallKind,
    has_arguments: bool,
}

impl StreamWriter {
    /// A writer of an answer with this id, made at this time (seconds since 1970) by this model.
    pub fn new(id: impl Into<String>, created: u64, model: impl Into<String>) -> Self {
        let mut writer = Self {
            id: id.into(),
            created,
            model: model.into(),
            include_usage: false,
            legacy_functions: false,
            head: Vec::new(),
            constants: Vec::new(),
            waiting: Waiting::default(),
            usage: None,
            usage_extras: Vec::new(),
            refused: false,
            calls: Vec::new(),
        };
        writer.make_head();
        writer
    }

    /// Whether the stream ends with usage (`stream_options.include_usage`).
    #[must_use]
    pub fn include_usage(mut self, include: bool) -> Self {
        self.include_usage = include;
        self
    }

    /// Whether tool calls are written as the legacy `function_call`.
    #[must_use]
    pub fn legacy_functions(mut self, legacy: bool) -> Self {
        self.legacy_functions = legacy;
        self
    }

    /// Names the answering model, from the next chunk on.
    pub fn set_model(&mut self, model: &str) {
        if self.model != model {
            model.clone_into(&mut self.model);
            self.make_head();
        }
    }

    /// Names the answer, from the next chunk on.
    pub fn set_id(&mut self, id: &str) {
        if self.id != id {
            id.clone_into(&mut self.id);
            self.make_head();
        }
    }

    fn make_head(&mut self) {
        self.head.clear();
        self.head.extend_from_slice(b"data: {\"id\":");
        put_str(&mut self.head, &self.id);
        self.head.extend_from_slice(b",\"object\":\"chat.completion.chunk\",\"created\":");
        put_value(&mut self.head, &self.created);
        self.head.extend_from_slice(b",\"model\":");
        put_str(&mut self.head, &self.model);
        for (key, text) in &self.constants {
            put_key(&mut self.head, key);
            put_str(&mut self.head, text);
        }
    }

    /// Appends what the event is on this wire.
    pub fn write(&mut self, event: &ChatEvent, out: &mut Vec<u8>) {
        match event {
            ChatEvent::Text { delta } => self.text_delta("content", delta, out),
            ChatEvent::Thinking { delta } => self.text_delta("reasoning_content", delta, out),
            ChatEvent::Refusal { delta } => {
                self.refused = true;
                self.text_delta("refusal", delta, out);
            }
            ChatEvent::ToolCallArgs { index, delta } => self.arguments(*index, delta, out),
            ChatEvent::ToolCallStarted { index, id, name, kind } => self.call(*index, id, name, *kind, out),
            ChatEvent::ToolCallDone { index } => self.called(*index, out),
            ChatEvent::Started { .. } => {
                self.delta(out, |out| out.extend_from_slice(b"\"role\":\"assistant\",\"content\":\"\""));
            }
            ChatEvent::Opaque { data } => {
                let mut said = opaque_for_client(data).peekable();
                if said.peek().is_some() {
                    self.delta(out, |out| {
                        for (key, value) in said {
                            put_key(out, key);
                            put_value(out, value);
                        }
                    });
                }
            }
            ChatEvent::Citation { json } => self.delta(out, |out| {
                out.extend_from_slice(b"\"annotations\":[");
                put_value(out, json);
                out.push(b']');
            }),
            ChatEvent::Media { media_type, data } if media_type.starts_with("audio/") => self.delta(out, |out| {
                out.extend_from_slice(b"\"audio\":{\"data\":");
                put_str(out, data);
                out.push(b'}');
            }),
            ChatEvent::Media { media_type, data } => self.delta(out, |out| {
                out.extend_from_slice(b"\"images\":[");
                put_value(out, &image(media_type, data));
                out.push(b']');
            }),
            ChatEvent::Extra(extra) => self.extra(extra, out),
            ChatEvent::Usage(usage) => self.usage = Some(usage.clone()),
            ChatEvent::Finished { reason } => self.finish(reason, out),
        }
    }

    /// Appends an error that came after the stream began. Nothing follows it.
    pub fn write_error(error: &ChatError, out: &mut Vec<u8>) {
        out.extend_from_slice(b"data: ");
        put_value(out, &error_object(error).1);
        out.extend_from_slice(b"\n\n");
    }

    /// Appends a comment, which keeps the connection alive and means nothing.
    pub fn write_heartbeat(out: &mut Vec<u8>) {
        out.extend_from_slice(b": keep-alive\n\n");
    }

    /// The hot path: no allocation but the buffer's own growth.
    fn text_delta(&mut self, key: &str, text: &str, out: &mut Vec<u8>) {
        self.delta(out, |out| {
            out.push(b'"');
            out.extend_from_slice(key.as_bytes());
            out.extend_from_slice(b"\":\"");
            put_escaped(out, text);
            out.push(b'"');
        });
    }

    /// A chunk with one choice, whose delta `put` writes.
    fn delta(&mut self, out: &mut Vec<u8>, put: impl FnOnce(&mut Vec<u8>)) {
        self.begin(out);
        out.extend_from_slice(b",\"choices\":[{\"index\":0,\"delta\":{");
        put(out);
        put_waiting(out, &mut self.waiting.delta);
        out.push(b'}');
        put_waiting(out, &mut self.waiting.choice);
        out.extend_from_slice(b",\"finish_reason\":null}]");
        self.end(out);
    }

    fn begin(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.head);
        put_waiting(out, &mut self.waiting.top);
    }

    fn end(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(if self.include_usage { b",\"usage\":null}\n\n" } else { b"}\n\n" });
    }

    fn arguments(&mut self, index: u32, text: &str, out: &mut Vec<u8>) {
        if let Some(call) = self.calls.get_mut(index as usize) {
            call.has_arguments |= !text.is_empty();
        }
        if self.legacy_functions {
            return self.delta(out, |out| {
                out.extend_from_slice(b"\"function_call\":{\"arguments\":\"");
                put_escaped(out, text);
                out.extend_from_slice(b"\"}");
            });
        }
        let kind = self.calls.get(index as usize).copied().unwrap_or_default().kind;
        self.delta(out, |out| {
            out.extend_from_slice(b"\"tool_calls\":[{\"index\":");
            put_value(out, &index);
            out.extend_from_slice(match kind {
                ToolCallKind::Function => b",\"function\":{\"arguments\":\"".as_slice(),
                ToolCallKind::Custom => b",\"custom\":{\"input\":\"",
            });
            put_escaped(out, text);
            out.extend_from_slice(b"\"}}]");
        });
    }

    /// No arguments are an empty object for whoever parses them.
    fn called(&mut self, index: u32, out: &mut Vec<u8>) {
        let silent = |call: &&Call| call.kind.is_function() && !call.has_arguments;
        if self.calls.get(index as usize).filter(silent).is_some() {
            self.arguments(index, "{}", out);
        }
    }

    fn call(&mut self, index: u32, id: &str, name: &str, kind: ToolCallKind, out: &mut Vec<u8>) {
        // Calls are numbered densely, so that the list is no longer than the calls are many.
        if self.calls.len() == index as usize {
            self.calls.push(Call { kind, has_arguments: false });
        }
        let legacy = self.legacy_functions;
        self.delta(out, |out| {
            if legacy {
                out.extend_from_slice(b"\"function_call\":{\"name\":");
                put_str(out, name);
                return out.extend_from_slice(b",\"arguments\":\"\"}");
            }
            let (word, key) = match kind {
                ToolCallKind::Function => ("function", "arguments"),
                ToolCallKind::Custom => ("custom", "input"),
            };
            out.extend_from_slice(b"\"tool_calls\":[{\"index\":");
            put_value(out, &index);
            put_key(out, "id");
            put_str(out, id);
            put_key(out, "type");
            put_str(out, word);
            put_key(out, word);
            out.extend_from_slice(b"{\"name\":");
            put_str(out, name);
            put_key(out, key);
            out.extend_from_slice(b"\"\"}}]");
        });
    }

    fn extra(&mut self, extra: &Extra, out: &mut Vec<u8>) {
        if extra.wire != Wire::OpenaiChat {
            return;
        }
        if self.waiting.collides(extra) {
            self.delta(out, |_| {});
        }
        let value = || extra.json.clone();
        match place(&extra.path) {
            Place::Top(key) => match &extra.json {
                Value::String(text) => {
                    let key = plain_key(key);
                    self.constants.retain(|(other, _)| *other != key);
                    self.constants.push((key, text.clone()));
                    self.make_head();
                }
                json => self.waiting.top.push((plain_key(key), json.clone())),
            },
            Place::Choice(key) => self.waiting.choice.push((plain_key(key), value())),
            Place::Delta(key) => self.waiting.delta.push((plain_key(key), value())),
            Place::Usage(path) => self.usage_extras.push((path.to_owned(), value())),
            Place::Call(index, key) => {
                let key = plain_key(key);
                self.delta(out, |out| {
                    out.extend_from_slice(b"\"tool_calls\":[{\"index\":");
                    put_value(out, &index);
                    put_key(out, &key);
                    put_value(out, &extra.json);
                    out.extend_from_slice(b"}]");
                });
            }
            Place::Other(choice, key) => {
                self.begin(out);
                out.extend_from_slice(b",\"choices\":[{\"index\":");
                put_value(out, &choice);
                for (word, default) in [("delta", "{}"), ("finish_reason", "null")] {
                    if word != key {
                        put_key(out, word);
                        out.extend_from_slice(default.as_bytes());
                    }
                }
                put_key(out, &plain_key(key));
                put_value(out, &extra.json);
                out.extend_from_slice(b"}]");
                self.end(out);
            }
            Place::None => {}
        }
    }

    fn finish(&mut self, reason: &FinishReason, out: &mut Vec<u8>) {
        self.begin(out);
        out.extend_from_slice(b",\"choices\":[{\"index\":0,\"delta\":{");
        put_waiting(out, &mut self.waiting.delta);
        out.push(b'}');
        put_waiting(out, &mut self.waiting.choice);
        put_key(out, "finish_reason");
        put_str(out, finish_word(reason, self.refused, self.legacy_functions));
        out.extend_from_slice(b"}]");
        self.end(out);
        if let Some(usage) = self.usage.take().filter(|_| self.include_usage) {
            self.begin(out);
            out.extend_from_slice(b",\"choices\":[]");
            put_key(out, "usage");
            put_value(out, &usage_object(&usage, &self.usage_extras));
            out.extend_from_slice(b"}\n\n");
        }
        debug_assert!(self.waiting.is_empty(), "every extra rides on a chunk");
        out.extend_from_slice(b"data: [DONE]\n\n");
    }
}
