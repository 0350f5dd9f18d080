//! The common chat language, request side: what a caller asks of any model.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::encode::allowed::only_narrows;

/// One request for one answer, in words that every provider's encoder understands.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ChatRequest {
    /// The model, as its reader names it: an alias or `provider/model` at a frontend, the provider's own id at a wire.
    pub model: String,
    /// The conversation, oldest first.
    pub messages: Vec<Message>,
    /// What the model may call. Their order is kept, since prompt caches depend on it.
    pub tools: Vec<Tool>,
    /// Whether and what it must call.
    pub tool_choice: Option<ToolChoice>,
    /// Whether several calls may stand in one answer. `None` leaves it to the provider.
    pub parallel_tool_calls: Option<bool>,
    /// Sampling temperature, in the provider's own range.
    pub temperature: Option<f64>,
    /// Nucleus sampling, 0 to 1.
    pub top_p: Option<f64>,
    /// Most tokens that the answer may have, thinking included.
    pub max_tokens: Option<u64>,
    /// Texts at which the answer ends.
    pub stop: Vec<String>,
    /// The form that the answer must have.
    pub response_format: Option<ResponseFormat>,
    /// How much the model thinks before it answers.
    pub thinking: Option<ThinkingRequest>,
    /// The caller's own labels.
    pub metadata: Map<String, Value>,
    /// What this language has no word for; see [`Extra`].
    pub extra: Vec<Extra>,
}

impl ChatRequest {
    /// Whether it was said on this wire, as far as it has words that only that knows.
    pub fn was_said_on(&self, wire: Wire) -> bool {
        self.extra.iter().any(|extra| extra.wire == wire) || self.wants(wire)
    }

    /// Whether it has tools, or a choice between them, that only this wire knows.
    pub fn wants(&self, wire: Wire) -> bool {
        let is_tool = |tool: &Tool| matches!(tool, Tool::Native { wire: own, .. } if *own == wire);
        self.tools.iter().any(is_tool)
            || matches!(&self.tool_choice, Some(ToolChoice::Native { wire: own, json }) if *own == wire && !only_narrows(json))
    }
}

/// A message of the conversation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What is said, in order.
    pub parts: Vec<Part>,
    /// The speaker's name, where several share a role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where a provider is asked to cache the prompt up to and including a part.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cache: Vec<CacheMark>,
    /// What this language has no word for, with paths relative to this message.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extra: Vec<Extra>,
}

impl Message {
    /// A message of these parts and nothing else.
    pub fn new(role: Role, parts: Vec<Part>) -> Self {
        Self { role, parts, name: None, cache: Vec::new(), extra: Vec::new() }
    }

    /// A message of one text.
    pub fn text(role: Role, text: impl Into<String>) -> Self {
        Self::new(role, vec![Part::text(text)])
    }

    /// What the user says.
    pub fn user(text: impl Into<String>) -> Self {
        Self::text(Role::User, text)
    }
}

/// Who speaks in a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Instructions of the operator.
    System,
    /// OpenAI's newer name for instructions; the same as [`Role::System`] on other wires.
    Developer,
    /// The person, or the program, that asks.
    User,
    /// The model.
    Assistant,
    /// Results of tool calls: [`Part::ToolResult`]s only.
    Tool,
}

/// A piece of a message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Part {
    /// Plain text.
    Text {
        /// The text.
        text: String,
    },
    /// The model's words in refusing, where the wire keeps them apart from its text.
    Refusal {
        /// The words.
        text: String,
    },
    /// A picture.
    Image {
        /// Where it is.
        source: MediaSource,
        /// How closely the model should look ("low", "high", "auto").
        #[serde(default, skip_serializing_if = "Option::is_none")]
        detail: Option<String>,
    },
    /// A document, such as a PDF.
    Document {
        /// Where it is.
        source: MediaSource,
        /// Its file name or title.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
    },
    /// A sound.
    Audio {
        /// Where it is.
        source: MediaSource,
    },
    /// The model calls a tool.
    ToolCall {
        /// The call's id, to which its result refers.
        id: String,
        /// The tool.
        name: String,
        /// The arguments as the model wrote them. JSON text for a function, though cut JSON if the answer was cut;
        /// free text for a custom tool. Kept as text so that it goes back byte for byte.
        arguments: String,
        /// Which kind of tool.
        #[serde(default, skip_serializing_if = "ToolCallKind::is_function")]
        kind: ToolCallKind,
    },
    /// What a tool call gave.
    ToolResult {
        /// The call's id.
        id: String,
        /// What it gave: text, images, documents.
        parts: Vec<Part>,
        /// Whether the call failed.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        error: bool,
    },
    /// The model's thinking, in the clear.
    Thinking {
        /// The thinking.
        text: String,
    },
    /// What one provider needs back verbatim on a later turn: signatures, encrypted reasoning. Sent to the same
    /// provider and model only.
    Opaque {
        /// The provider that said it.
        provider: String,
        /// The model that said it.
        model: String,
        /// What it said.
        data: Value,
    },
}

impl Part {
    /// A part of plain text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text { text: text.into() }
    }
}

/// Where an image, a document or a sound is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "from", rename_all = "snake_case")]
pub enum MediaSource {
    /// In the request itself.
    Base64 {
        /// Its MIME type.
        media_type: String,
        /// Its bytes, in standard base64.
        data: String,
    },
    /// At an address that the provider can reach.
    Url {
        /// The address.
        url: String,
    },
    /// Uploaded to the provider before.
    File {
        /// The provider's id of it.
        id: String,
    },
}

/// Which kind of tool is called.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolCallKind {
    /// Takes JSON arguments.
    #[default]
    Function,
    /// Takes free text (OpenAI's custom tools).
    Custom,
}

impl ToolCallKind {
    pub(crate) fn is_function(&self) -> bool {
        *self == Self::Function
    }
}

/// What the model may call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Tool {
    /// A function of the caller's.
    Function {
        /// Its name.
        name: String,
        /// What it is for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        description: Option<String>,
        /// JSON Schema of its arguments, keys in the order they were given. `None` means no arguments.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        parameters: Option<Value>,
        /// Whether the provider must hold the arguments to the schema.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        strict: Option<bool>,
        /// What this language has no word for, with paths relative to the tool as the wire writes it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        extra: Vec<Extra>,
    },
    /// A tool that one wire knows (a provider's own web search, a custom tool): sent on that wire, left out on others.
    Native {
        /// The wire that knows it.
        wire: Wire,
        /// The tool as that wire writes it.
        json: Value,
    },
}

/// Whether and what the model must call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ToolChoice {
    /// As it likes.
    Auto,
    /// Nothing.
    None,
    /// At least one tool.
    Required,
    /// This function.
    Function {
        /// Its name.
        name: String,
    },
    /// A choice that only one wire knows.
    Native {
        /// The wire that knows it.
        wire: Wire,
        /// The choice as that wire writes it.
        json: Value,
    },
}

/// The form that an answer must have.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ResponseFormat {
    /// Any text.
    Text,
    /// Any JSON object.
    JsonObject,
    /// JSON of a schema.
    JsonSchema {
        /// The schema's name.
        name: String,
        /// What it is for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        description: Option<String>,
        /// The schema, keys in the order they were given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        schema: Option<Value>,
        /// Whether the provider must hold the answer to it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        strict: Option<bool>,
    },
}

/// How much the model thinks before it answers. Each wire says of it what it can.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ThinkingRequest {
    /// Thinking on or off; `None` leaves it to the provider.
    pub enabled: Option<bool>,
    /// Most tokens to think.
    pub budget: Option<u64>,
    /// The provider's word for how hard ("low", "medium", "high", …).
    pub effort: Option<String>,
}

/// Asks a provider to cache the prompt up to and including a part of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CacheMark {
    /// Index of the part in its message.
    pub part: usize,
    /// How long, in the wire's words ("5m", "1h"); `None` is the provider's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<String>,
}

/// A wire: the language that a provider or a frontend speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Wire {
    /// OpenAI chat completions.
    OpenaiChat,
    /// Ollama's own API.
    Ollama,
    /// Anthropic messages.
    Anthropic,
    /// OpenAI Responses.
    OpenaiResponses,
    /// Google's Gemini.
    Gemini,
    /// Amazon Bedrock's Converse.
    Bedrock,
}

/// What the chat language has no word for: kept as it was, sent on to the same wire, left out on another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Extra {
    /// The wire it was said on.
    pub wire: Wire,
    /// Where it stood: a JSON pointer from the object that holds this.
    pub path: String,
    /// What stood there.
    pub json: Value,
}
