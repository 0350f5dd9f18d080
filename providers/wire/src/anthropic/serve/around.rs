//! What an answer says around its content.

use serde_json::{Map, Value};

use super::usage::usage_object;
use crate::{
    chat::{Extra, Wire},
    event::{ChatEvent, FinishReason, Usage},
};

/// What was said so far beside the content.
#[derive(Debug, Default)]
pub(super) struct Around {
    /// Fields of the message that nobody has a word for.
    pub(super) fields: Map<String, Value>,
    /// What was told; before that, what the prompt is taken to have.
    pub(super) usage: Usage,
    of_usage: Map<String, Value>,
}

impl Around {
    /// Takes an event if it says nothing of the content; whether it was one.
    pub(super) fn take(&mut self, event: &ChatEvent) -> bool {
        match event {
            ChatEvent::Usage(usage) => usage.clone_into(&mut self.usage),
            ChatEvent::Extra(Extra { wire: Wire::Anthropic, path, json }) => {
                let plain = |key: &str| key.replace("~1", "/").replace("~0", "~");
                let single = |key: &&str| !key.is_empty() && !key.contains('/');
                if path.starts_with("/content/") {
                    return false;
                } else if let Some(key) = path.strip_prefix("/usage/").filter(single) {
                    self.of_usage.insert(plain(key), json.clone());
                } else if let Some(key) = path.strip_prefix('/').filter(single).filter(|key| !OWN.contains(key)) {
                    self.fields.insert(plain(key), json.clone());
                }
            }
            ChatEvent::Extra(_) | ChatEvent::Media { .. } => {}
            _ => return false,
        }
        true
    }

    pub(super) fn usage(&self) -> Value {
        usage_object(&self.usage, &self.of_usage)
    }

    /// This wire's word for why the answer ended, and the stop text that was met.
    pub(super) fn stop(&mut self, reason: &FinishReason, refused: bool) -> (String, Value) {
        let met = self.fields.shift_remove("stop_sequence").unwrap_or_default();
        let word = match reason {
            FinishReason::Stop | FinishReason::Refusal | FinishReason::ContentFilter if refused => "refusal",
            FinishReason::Refusal | FinishReason::ContentFilter => "refusal",
            FinishReason::Stop if met.is_string() => "stop_sequence",
            FinishReason::Stop => "end_turn",
            FinishReason::Length => "max_tokens",
            FinishReason::ToolCalls => "tool_use",
            FinishReason::Pause => "pause_turn",
            FinishReason::Other(word) => word,
        };
        (word.to_owned(), met)
    }
}

/// Fields of a message that are not for extras to say.
const OWN: [&str; 8] = ["id", "type", "role", "model", "content", "stop_reason", "usage", "error"];
