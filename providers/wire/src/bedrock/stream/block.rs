//! A block of an answer, from its start to its end.

use serde_json::{Map, Value, json};

use crate::{event::ChatEvent, queue::Queue};

/// A block that has begun and not ended. Text and reasoning have no start: their first delta begins them.
#[derive(Debug)]
pub(super) enum Block {
    Text,
    Reasoning {
        text: String,
        signature: String,
        /// In base64; each piece is a block of its own when it goes back.
        redacted: Vec<String>,
    },
    Call {
        index: u32,
    },
    /// A call that the provider carries out itself.
    ServerCall {
        id: String,
        name: String,
        input: String,
    },
    ServerResult {
        start: Map<String, Value>,
        content: Vec<Value>,
    },
}

impl Block {
    /// Reasoning of which nothing was said yet.
    pub(super) fn reasoning() -> Self {
        Self::Reasoning { text: String::new(), signature: String::new(), redacted: Vec::new() }
    }

    /// Ends the block: says what could not be said before. Whether there was nothing that had to be left out.
    pub(super) fn end(self, queue: &mut Queue) -> bool {
        let mut say = |data| queue.push(ChatEvent::Opaque { data });
        match self {
            Self::Text => {}
            Self::Reasoning { text, signature, redacted } => {
                if !signature.is_empty() {
                    say(json!({"reasoningContent": {"reasoningText": {"text": text, "signature": signature}}}));
                }
                redacted.into_iter().for_each(|data| say(json!({"reasoningContent": {"redactedContent": data}})));
            }
            Self::Call { index } => queue.push(ChatEvent::ToolCallDone { index }),
            Self::ServerCall { id, name, input } => {
                let input = match input.trim() {
                    "" => Ok(json!({})),
                    input => serde_json::from_str(input),
                };
                // A call that was cut can't go back, since what it asks for is not JSON.
                let Ok(input) = input else { return false };
                say(json!({"toolUse": {"toolUseId": id, "name": name, "input": input, "type": "server_tool_use"}}));
            }
            Self::ServerResult { mut start, content } => {
                start.insert("content".into(), content.into());
                say(json!({ "toolResult": start }));
            }
        }
        true
    }
}
