//! The common chat language, answer side: what any model says, as it says it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::chat::{Extra, ToolCallKind};

/// One thing that a model says while it answers.
///
/// An answer is `Started`, then content, then `Usage` (where it is told), and `Finished` as the very last. Deltas are
/// never empty. How a provider cut its deltas means nothing: neighbours of the same kind and index may be merged.
#[derive(Debug, Clone, PartialEq)]
pub enum ChatEvent {
    /// The provider has begun. Once, and first.
    Started {
        /// The provider's id of the answer; empty where it gives none.
        id: String,
        /// The model that answers, in the provider's words; empty where it does not say.
        model: String,
    },
    /// More text.
    Text {
        /// The text.
        delta: String,
    },
    /// More of a refusal, where the wire keeps it apart from text.
    Refusal {
        /// The words.
        delta: String,
    },
    /// More thinking, in the clear.
    Thinking {
        /// The thinking.
        delta: String,
    },
    /// A tool call begins.
    ToolCallStarted {
        /// Its own index in this answer, from 0 in the order of beginning, however the provider numbers it.
        index: u32,
        /// The call's id; made up where the provider gives none. Unique in this answer.
        id: String,
        /// The tool.
        name: String,
        /// Which kind of tool.
        kind: ToolCallKind,
    },
    /// More of a tool call's arguments, as text.
    ToolCallArgs {
        /// The call's index.
        index: u32,
        /// The fragment.
        delta: String,
    },
    /// A tool call is whole: no more arguments follow.
    ToolCallDone {
        /// The call's index.
        index: u32,
    },
    /// What the provider needs back verbatim on a later turn, at this place among the parts.
    Opaque {
        /// What it said.
        data: Value,
    },
    /// A source of what was said.
    Citation {
        /// The citation in the provider's words.
        json: Value,
    },
    /// A picture or sound that the model made.
    Media {
        /// Its MIME type.
        media_type: String,
        /// Its bytes in standard base64.
        data: String,
    },
    /// What this language has no word for.
    Extra(Extra),
    /// What the answer has used so far. A later one replaces an earlier one; they are never added.
    Usage(Usage),
    /// The answer is complete. Once, and last.
    Finished {
        /// Why it ended.
        reason: FinishReason,
    },
}

impl ChatEvent {
    /// The words that it adds, if it adds any: text, thinking, a refusal, or arguments of a call.
    pub fn delta(&self) -> Option<&str> {
        match self {
            Self::Text { delta }
            | Self::Thinking { delta }
            | Self::Refusal { delta }
            | Self::ToolCallArgs { delta, .. } => Some(delta),
            _ => None,
        }
    }

    /// Whether this is something that the model said: what ends the wait for the first token. `Started`, usage and
    /// extras are not.
    pub fn is_content(&self) -> bool {
        match self {
            Self::Text { .. }
            | Self::Refusal { .. }
            | Self::Thinking { .. }
            | Self::ToolCallStarted { .. }
            | Self::ToolCallArgs { .. }
            | Self::ToolCallDone { .. }
            | Self::Opaque { .. }
            | Self::Citation { .. }
            | Self::Media { .. } => true,
            Self::Started { .. } | Self::Extra(_) | Self::Usage(_) | Self::Finished { .. } => false,
        }
    }
}

/// Tokens of one answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// Prompt tokens that were neither read from nor written to a cache.
    pub input: u64,
    /// Tokens of the answer, reasoning included.
    pub output: u64,
    /// Of the output: tokens of reasoning.
    pub reasoning: u64,
    /// Prompt tokens read from a cache.
    pub cache_read: u64,
    /// Prompt tokens written to a cache for five minutes, or for the provider's only time.
    pub cache_write_5m: u64,
    /// Prompt tokens written to a cache for an hour.
    pub cache_write_1h: u64,
    /// How often each tool of the provider's own ran.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub server_tools: BTreeMap<String, u64>,
    /// What it cost, in parts of a US dollar, of which there are 1,000,000,000,000: as the provider says itself, else what follows
    /// from its price, where somebody who knows that put it here. `None` is not known, and not nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<u64>,
}

impl Usage {
    /// Whether nothing is counted.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// All tokens of the prompt, cached or not.
    pub fn input_total(&self) -> u64 {
        let cached = [self.cache_read, self.cache_write_5m, self.cache_write_1h];
        cached.into_iter().fold(self.input, u64::saturating_add)
    }
}

/// Why an answer ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FinishReason {
    /// The model was done, or met a stop text.
    Stop,
    /// The bound on tokens, or the window, was reached.
    Length,
    /// Tools are to be called.
    ToolCalls,
    /// The provider's filter ended it.
    ContentFilter,
    /// The model refused.
    Refusal,
    /// The provider paused a long turn; sending the answer back goes on with it.
    Pause,
    /// Another reason, in the provider's word.
    Other(String),
}
