//! What greenroom asks of a model provider.

use std::ops::ControlFlow;

use futures::future::BoxFuture;
use greenroom_wire::{ChatError, ChatEvent, ChatRequest};

use crate::{Credential, Deadlines};

/// A model provider: an address and a language. It holds no mutable state; what changes (marks, limits, the choice of
/// profile) belongs to the actor that owns it.
pub trait Provider: Send + Sync + 'static {
    /// The kind in the configuration's words ("openai-compatible").
    fn kind(&self) -> &'static str;

    /// What it can do at all. A model of it may do less.
    fn capabilities(&self) -> Capabilities;

    /// Asks for one answer and hands it to `sink` as it comes; always a stream, whose fold is the whole answer.
    ///
    /// Dropping the future cancels, up to the provider's socket.
    ///
    /// # Errors
    /// Why the attempt failed; what had come before it is in `sink`.
    fn chat<'a>(&'a self, call: ChatCall<'a>, sink: &'a mut dyn Sink) -> BoxFuture<'a, Result<(), ChatError>>;

    /// The models that this credential may use, as far as the provider lists them.
    ///
    /// # Errors
    /// Why they can't be listed; `NotFound` where the provider has no such list.
    fn models<'a>(&'a self, credential: &'a Credential) -> BoxFuture<'a, Result<Vec<ModelInfo>, ChatError>>;
}

/// One attempt at an answer.
#[derive(Debug, Clone, Copy)]
pub struct ChatCall<'a> {
    /// What is asked; its `model` is ignored in favour of the next field.
    pub request: &'a ChatRequest,
    /// The provider's own id of the model.
    pub model: &'a str,
    /// The provider's configured name, under which its opaque parts are kept.
    pub provider: &'a str,
    /// The profile's credential.
    pub credential: &'a Credential,
    /// How long to wait for what.
    pub deadlines: &'a Deadlines,
}

/// Where an answer goes as it comes.
pub trait Sink: Send {
    /// Takes what one read of the connection gave, oldest first, and leaves `events` empty. `Break` asks the provider
    /// to stop: the answer has reached its bound and is complete as far as the taker is concerned.
    fn take(&mut self, events: &mut Vec<ChatEvent>) -> SinkState;
}

/// Whether a sink wants more.
pub type SinkState = ControlFlow<()>;

/// What a provider can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// It can be given tools.
    pub tools: bool,
    /// It can be shown images.
    pub images: bool,
    /// It can be given documents.
    pub documents: bool,
    /// It can be given sound.
    pub audio: bool,
    /// It can hold an answer to a JSON schema.
    pub json_schema: bool,
    /// It runs on the user's own hardware, where a first token may take long.
    pub local: bool,
}

/// A model, as far as it is known. `None` is "not known", never "no".
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ModelInfo {
    /// The provider's own id.
    pub id: String,
    /// A name for people.
    pub name: Option<String>,
    /// The window in tokens, prompt and answer together.
    pub context: Option<u64>,
    /// Most tokens of an answer.
    pub max_output: Option<u64>,
    /// Whether it takes tools.
    pub tools: Option<bool>,
    /// Whether it thinks before it answers.
    pub reasoning: Option<bool>,
    /// Whether it goes on with a trailing assistant message.
    pub prefill: Option<bool>,
    /// What it costs.
    pub price: Option<Price>,
}

impl ModelInfo {
    /// A model of which only the id is known.
    pub fn named(id: impl Into<String>) -> Self {
        Self { id: id.into(), ..Self::default() }
    }

    /// This, with what is unknown filled in from `other`.
    #[must_use]
    pub fn or(self, other: &Self) -> Self {
        Self {
            id: self.id,
            name: self.name.or_else(|| other.name.clone()),
            context: self.context.or(other.context),
            max_output: self.max_output.or(other.max_output),
            tools: self.tools.or(other.tools),
            reasoning: self.reasoning.or(other.reasoning),
            prefill: self.prefill.or(other.prefill),
            price: self.price.or(other.price),
        }
    }
}

/// US dollars per million tokens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Price {
    /// Prompt.
    pub input: f64,
    /// Answer.
    pub output: f64,
    /// Prompt read from a cache.
    pub cache_read: f64,
    /// Prompt written to a cache.
    pub cache_write: f64,
}
