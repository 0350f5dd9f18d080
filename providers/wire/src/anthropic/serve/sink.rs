//! Where the blocks of an answer go: into a stream, or into a whole message.

use serde_json::{Map, Value, json};

use crate::json::{put_escaped, put_value};

/// What a block grows by.
#[derive(Debug, Clone, Copy)]
pub(super) enum Delta<'a> {
    Text(&'a str),
    Thinking(&'a str),
    Signature(&'a str),
    Citation(&'a Value),
    /// More of the JSON of a call's input.
    Input(&'a str),
    /// The fields of a compaction.
    Compaction(&'a Map<String, Value>),
}

/// Takes blocks one after another: each begins, grows and ends before the next one does.
pub(super) trait Sink {
    fn begin(&mut self, block: Value);
    fn add(&mut self, delta: Delta<'_>);
    fn end(&mut self);
}

/// Writes blocks as events.
#[derive(Debug)]
pub(super) struct Events<'a> {
    pub(super) out: &'a mut Vec<u8>,
    /// How many blocks have ended.
    pub(super) ended: &'a mut u32,
}

impl Events<'_> {
    fn head(&mut self, name: &str) {
        put_head(self.out, name);
        self.out.extend_from_slice(b",\"index\":");
        put_value(self.out, self.ended);
    }

    /// The hot path: no allocation but the buffer's own growth.
    fn delta(&mut self, kind: &str, key: &str, text: &str) {
        self.head("content_block_delta");
        for part in [",\"delta\":{\"type\":\"", kind, "\",\"", key, "\":\""] {
            self.out.extend_from_slice(part.as_bytes());
        }
        put_escaped(self.out, text);
        self.out.extend_from_slice(b"\"}}\n\n");
    }
}

impl Sink for Events<'_> {
    fn begin(&mut self, block: Value) {
        self.head("content_block_start");
        self.out.extend_from_slice(b",\"content_block\":");
        put_value(self.out, &block);
        self.out.extend_from_slice(b"}\n\n");
    }

    fn add(&mut self, delta: Delta<'_>) {
        let object = match delta {
            Delta::Text(text) => return self.delta("text_delta", "text", text),
            Delta::Thinking(text) => return self.delta("thinking_delta", "thinking", text),
            Delta::Signature(text) => return self.delta("signature_delta", "signature", text),
            Delta::Input(text) => return self.delta("input_json_delta", "partial_json", text),
            Delta::Citation(citation) => json!({"type": "citations_delta", "citation": citation}),
            Delta::Compaction(fields) => {
                let kind = ("type".to_owned(), Value::from("compaction_delta"));
                [kind].into_iter().chain(fields.clone()).collect()
            }
        };
        self.head("content_block_delta");
        self.out.extend_from_slice(b",\"delta\":");
        put_value(self.out, &object);
        self.out.extend_from_slice(b"}\n\n");
    }

    fn end(&mut self) {
        self.head("content_block_stop");
        self.out.extend_from_slice(b"}\n\n");
        *self.ended += 1;
    }
}

/// Begins an event: its name, and its data up to and with the type.
pub(super) fn put_head(out: &mut Vec<u8>, name: &str) {
    for part in ["event: ", name, "\ndata: {\"type\":\"", name, "\""] {
        out.extend_from_slice(part.as_bytes());
    }
}

/// Gathers blocks as they stand in a whole message.
#[derive(Debug, Default)]
pub(super) struct Content {
    pub(super) blocks: Vec<Value>,
    /// The JSON of the input of the call that is open.
    input: String,
}

impl Content {
    fn append(&mut self, key: &str, more: &str) {
        match self.blocks.last_mut().and_then(|block| block.get_mut(key)) {
            Some(Value::String(text)) => text.push_str(more),
            _ => debug_assert!(false, "a block begins with the texts that grow"),
        }
    }
}

impl Sink for Content {
    fn begin(&mut self, block: Value) {
        self.blocks.push(block);
    }

    fn add(&mut self, delta: Delta<'_>) {
        match delta {
            Delta::Text(text) => self.append("text", text),
            Delta::Thinking(text) => self.append("thinking", text),
            Delta::Signature(text) => self.append("signature", text),
            Delta::Input(text) => self.input.push_str(text),
            Delta::Citation(citation) => {
                if let Some(Value::Object(block)) = self.blocks.last_mut()
                    && let Value::Array(list) = block.entry("citations").or_insert_with(|| json!([]))
                {
                    list.push(citation.clone());
                }
            }
            Delta::Compaction(fields) => {
                if let Some(Value::Object(block)) = self.blocks.last_mut() {
                    block.extend(fields.clone());
                }
            }
        }
    }

    fn end(&mut self) {
        let input = std::mem::take(&mut self.input);
        if !input.is_empty()
            && let Some(block) = self.blocks.last_mut()
        {
            block["input"] = whole_input(&input);
        }
    }
}

/// The input of a call, which is an object on this wire; a text that is none stands in one, as
/// [`encode_request`](crate::anthropic::encode_request) writes it, so that nothing of it is lost.
pub(super) fn whole_input(text: &str) -> Value {
    match serde_json::from_str(text) {
        Ok(object @ Value::Object(_)) => object,
        Ok(Value::Null) => json!({}),
        _ if text.trim().is_empty() => json!({}),
        _ => json!({"arguments": text}),
    }
}
