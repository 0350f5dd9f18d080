//! What Converse says in one event of a stream.

use serde_json::{Map, Value};

/// One event of a stream, or what it would have been in an answer that came whole. `block` is the index of the block of
/// content that it belongs to.
#[derive(Debug, Clone, PartialEq)]
pub enum ConverseEvent {
    /// The model begins.
    Started,
    /// A call of a tool begins.
    ToolUse {
        /// The block.
        block: i64,
        /// The call's id.
        id: String,
        /// The tool's name.
        name: String,
        /// Whether the provider runs it itself.
        server: bool,
    },
    /// More of the arguments of a call.
    ToolInput {
        /// The block.
        block: i64,
        /// A piece of JSON text.
        json: String,
    },
    /// What a tool of the provider's own gave begins.
    ToolResult {
        /// The block.
        block: i64,
        /// `toolUseId` and whatever else its start says.
        start: Map<String, Value>,
    },
    /// More of what a tool of the provider's own gave.
    ToolResultContent {
        /// The block.
        block: i64,
        /// Each a `{"text": …}` or a `{"json": …}`.
        content: Vec<Value>,
    },
    /// More text.
    Text {
        /// The block.
        block: i64,
        /// The text.
        text: String,
    },
    /// More reasoning, in the clear.
    Reasoning {
        /// The block.
        block: i64,
        /// The reasoning.
        text: String,
    },
    /// What reasoning is signed with.
    Signature {
        /// The block.
        block: i64,
        /// The signature.
        text: String,
    },
    /// Reasoning that is hidden.
    Redacted {
        /// The block.
        block: i64,
        /// What stands in its place, in base64.
        data: String,
    },
    /// A source of what is said.
    Citation {
        /// The citation as Converse writes it.
        json: Value,
    },
    /// A picture.
    Image {
        /// Its MIME type.
        media_type: String,
        /// Its bytes, in base64.
        data: String,
    },
    /// A block has ended.
    BlockStopped {
        /// The block.
        block: i64,
    },
    /// The model has ended.
    Stopped {
        /// Why, in Converse's word.
        reason: String,
        /// What of the model's own fields was asked for.
        fields: Option<Value>,
    },
    /// What the answer used, and how it was made; the last event of a stream.
    Metadata {
        /// The tokens.
        usage: Option<TokenCounts>,
        /// What else is told: paths in the answer, and what stands there.
        more: Vec<(&'static str, Value)>,
    },
    /// An event, a block or a delta that is not known here.
    Unknown,
}

/// Tokens as Converse counts them: `input` is without what was read from or written to a cache.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TokenCounts {
    /// Of the prompt.
    pub input: u64,
    /// Of the answer.
    pub output: u64,
    /// Read from a cache.
    pub cache_read: u64,
    /// Written to a cache, for however long.
    pub cache_write: u64,
    /// Of these: for an hour.
    pub cache_write_1h: u64,
}
