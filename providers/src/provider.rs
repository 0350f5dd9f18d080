//! What greenroom asks of a model provider.

use std::{ops::ControlFlow, time::Duration};

use futures::future::BoxFuture;
use greenroom_wire::{
    ChatError, ChatEvent, ChatRequest, EmbedRequest, Embeddings, ErrorKind, RateLimits, ollama::PullProgress,
};

use crate::{Credential, Deadlines, batch::Batches, catalog::Date, cost::Price};

/// A model provider: an address and a language. It holds no mutable state; what changes (marks, limits, the choice of
/// profile) belongs to the actor that owns it.
pub trait Provider: Send + Sync + 'static {
    /// The kind in the configuration's words ("openai-compatible").
    fn kind(&self) -> &'static str;

    /// What it can do at all. A model of it may do less.
    fn capabilities(&self) -> Capabilities;

    /// Whether prompt tokens that are read from the provider's cache count against its limits of tokens. Anthropic's don't.
    fn counts_cached(&self) -> bool {
        true
    }

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

    /// Whether it answers and this credential lets in, as far as that can be known without paying for an answer: by
    /// default it lists its models.
    ///
    /// # Errors
    /// Why it doesn't; `NotFound` without a status where only an answer could tell.
    fn health<'a>(&'a self, credential: &'a Credential) -> BoxFuture<'a, Result<Health, ChatError>> {
        Box::pin(async move { Ok(Health { models: Some(self.models(credential).await?.len()) }) })
    }

    /// What there is to know of one model, where that takes a question of its own.
    ///
    /// # Errors
    /// Why it isn't told; [`unsupported`] where the provider has no such question.
    fn describe<'a>(&'a self, _: &'a str, _: &'a Credential) -> BoxFuture<'a, Result<ModelInfo, ChatError>> {
        Box::pin(async { Err(unsupported(self.kind(), "describe a model")) })
    }

    /// Makes texts into vectors, one for each.
    ///
    /// # Errors
    /// Why there are none; [`unsupported`] where the provider makes no embeddings.
    fn embed<'a>(&'a self, _: EmbedCall<'a>) -> BoxFuture<'a, Result<Embeddings, ChatError>> {
        Box::pin(async { Err(unsupported(self.kind(), "make embeddings")) })
    }

    /// Has the provider fetch a model, and tells `sink` how far that has come. Nothing more is read from the provider
    /// before the sink has taken what came.
    ///
    /// Dropping the future cancels; what was fetched so far is the provider's to keep.
    ///
    /// # Errors
    /// Why the model isn't there; [`unsupported`] where the provider fetches none; `Cancelled` if the sink asked to stop.
    fn pull<'a>(&'a self, _: PullCall<'a>, _: &'a mut dyn PullSink) -> BoxFuture<'a, Result<(), ChatError>> {
        Box::pin(async { Err(unsupported(self.kind(), "fetch models")) })
    }

    /// How it takes batches, with this credential; `None` where it takes none.
    fn batches(&self, _: &Credential) -> Option<&dyn Batches> {
        None
    }

    /// How many tokens the prompt of this call has, as the provider counts them.
    ///
    /// # Errors
    /// Why they can't be counted; [`unsupported`] where the provider has no way to.
    fn count_tokens<'a>(&'a self, _: ChatCall<'a>) -> BoxFuture<'a, Result<u64, ChatError>> {
        Box::pin(async { Err(unsupported(self.kind(), "count tokens")) })
    }
}

/// What a provider answers to a question that it has no way to ask. It is an invalid request: nothing is wrong with the
/// provider, the profile or the model, so nothing must be marked for it.
pub fn unsupported(kind: &str, what: &str) -> ChatError {
    ChatError::new(ErrorKind::InvalidRequest, format!("a provider of the kind \"{kind}\" can't {what}"))
}

/// What a provider that answers says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Health {
    /// How many models it lists, where it was asked that.
    pub models: Option<usize>,
}

/// Texts to be made vectors.
#[derive(Debug, Clone, Copy)]
pub struct EmbedCall<'a> {
    /// The texts; its `model` is ignored in favour of the next field.
    pub request: &'a EmbedRequest,
    /// The provider's own id of the model.
    pub model: &'a str,
    /// The profile's credential.
    pub credential: &'a Credential,
    /// How long it may take in all.
    pub limit: Duration,
}

/// A model to be fetched.
#[derive(Debug, Clone, Copy)]
pub struct PullCall<'a> {
    /// The provider's own id of it.
    pub model: &'a str,
    /// The profile's credential.
    pub credential: &'a Credential,
    /// How long nothing may come.
    pub idle: Duration,
}

/// Who is told how far a pull has come.
pub trait PullSink: Send {
    /// Takes the next step; the pull waits until it is done with it. `Break` asks the pull to stop.
    fn take(&mut self, progress: PullProgress) -> BoxFuture<'_, ControlFlow<()>>;
}

/// One attempt at an answer.
#[derive(Debug, Clone, Copy)]
pub struct ChatCall<'a> {
    /// What is asked; its `model` is ignored in favour of the next field.
    pub request: &'a ChatRequest,
    /// The provider's own id of the model.
    pub model: &'a str,
    /// What is known of the model.
    pub info: &'a ModelInfo,
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

    /// Takes what the response's headers say is left of the provider's limits, before the first event; never called where
    /// they say nothing.
    fn handle_limits(&mut self, _: &RateLimits) {}
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
    /// It is spoken to in OpenAI's Responses API where a request has tools that only that knows; `None` leaves it to the
    /// model ([`ModelInfo::responses_only`]).
    pub responses: Option<bool>,
}

impl Capabilities {
    /// Whether a request with tools that only the Responses API knows reaches this model in that API.
    pub fn speaks_responses(&self, model: &ModelInfo) -> bool {
        self.responses.unwrap_or(model.responses_only == Some(true))
    }
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
    /// Most tokens of a prompt, where that is less than the window.
    pub max_input: Option<u64>,
    /// Most tokens of an answer.
    pub max_output: Option<u64>,
    /// What it takes beside text.
    pub takes: Modalities,
    /// What it gives beside text.
    pub gives: Modalities,
    /// Whether it takes tools.
    pub tools: Option<bool>,
    /// Whether it can hold an answer to a JSON schema.
    pub json_schema: Option<bool>,
    /// Whether it can think before it answers.
    pub reasoning: Option<bool>,
    /// Of a model that can: whether it never answers without (`true`), or thinks only where a request asks for it.
    pub reasoning_always: Option<bool>,
    /// Whether it takes parameters of sampling, such as a temperature.
    pub sampling_params: Option<bool>,
    /// Whether it goes on with a trailing assistant message.
    pub prefill: Option<bool>,
    /// Whether its provider serves it in OpenAI's Responses API alone.
    pub responses_only: Option<bool>,
    /// From when on the provider doesn't serve it any more.
    pub deprecated: Option<Date>,
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
        // Who says that it thinks says when: another's word for when would turn that about.
        let always = if self.reasoning.is_some() { None } else { other.reasoning_always };
        // The same goes for the bound on prompts, which belongs to its window.
        let max_input = if self.context.is_some() { None } else { other.max_input };
        Self {
            id: self.id,
            name: self.name.or_else(|| other.name.clone()),
            context: self.context.or(other.context),
            max_input: self.max_input.or(max_input),
            max_output: self.max_output.or(other.max_output),
            takes: self.takes.or(other.takes),
            gives: self.gives.or(other.gives),
            tools: self.tools.or(other.tools),
            json_schema: self.json_schema.or(other.json_schema),
            reasoning: self.reasoning.or(other.reasoning),
            reasoning_always: self.reasoning_always.or(always),
            sampling_params: self.sampling_params.or(other.sampling_params),
            prefill: self.prefill.or(other.prefill),
            responses_only: self.responses_only.or(other.responses_only),
            deprecated: self.deprecated.or(other.deprecated),
            price: match (self.price, &other.price) {
                (Some(price), Some(other)) => Some(price.or(other)),
                (price, other) => price.or(*other),
            },
        }
    }

    /// Most tokens that a prompt may have, as far as is known.
    pub fn longest_prompt(&self) -> Option<u64> {
        [self.context, self.max_input].into_iter().flatten().min()
    }

    /// Whether the first word of an answer may take as long as thinking does; `asked` is whether the request wants it to
    /// think. One that can think counts, unless it is known to think only when asked.
    pub fn may_think(&self, asked: Option<bool>) -> bool {
        match (self.reasoning, self.reasoning_always) {
            (_, Some(true)) => true,
            (Some(true), Some(false)) => asked == Some(true),
            (reasoning, _) => reasoning == Some(true),
        }
    }
}

/// What a model takes or gives beside text. `None` is "not known".
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Modalities {
    /// Images.
    pub images: Option<bool>,
    /// Documents, such as PDF.
    pub documents: Option<bool>,
    /// Sound.
    pub audio: Option<bool>,
    /// Films.
    pub video: Option<bool>,
}

impl Modalities {
    fn or(self, other: Self) -> Self {
        Self {
            images: self.images.or(other.images),
            documents: self.documents.or(other.documents),
            audio: self.audio.or(other.audio),
            video: self.video.or(other.video),
        }
    }

    /// The names of those that are known to be there ("image", "document", "audio", "video"); `None` if of none it is
    /// known whether it is.
    pub fn known(&self) -> Option<Vec<&'static str>> {
        let all = [(self.images, "image"), (self.documents, "document"), (self.audio, "audio"), (self.video, "video")];
        all.iter()
            .any(|(known, _)| known.is_some())
            .then(|| all.iter().filter(|(known, _)| *known == Some(true)).map(|(_, name)| *name).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_goes_before_what_is_known_and_never_mixes_with_it() {
        let written = ModelInfo { context: Some(8000), reasoning: Some(true), ..ModelInfo::named("m") };
        let known = ModelInfo {
            context: Some(400_000),
            max_input: Some(272_000),
            max_output: Some(128_000),
            reasoning: Some(true),
            reasoning_always: Some(false),
            ..ModelInfo::named("of another name")
        };
        let both = written.clone().or(&known);
        assert_eq!((both.id.as_str(), both.context, both.max_output), ("m", Some(8000), Some(128_000)));
        assert_eq!(both.longest_prompt(), Some(8000));
        assert!(both.may_think(None), "who wrote that it thinks is heeded");
        let filled = ModelInfo::named("m").or(&known);
        assert_eq!(filled.longest_prompt(), Some(272_000));
        assert_eq!((filled.may_think(None), filled.may_think(Some(true))), (false, true));
        assert!(!ModelInfo::named("m").may_think(Some(true)), "nothing is known of it");
    }

    #[test]
    fn modalities_are_named_only_if_something_is_known() {
        assert_eq!(Modalities::default().known(), None);
        assert_eq!(Modalities { images: Some(false), ..Modalities::default() }.known(), Some(vec![]));
        let sees = Modalities { images: Some(true), video: Some(true), ..Modalities::default() };
        assert_eq!(sees.known(), Some(vec!["image", "video"]));
    }
}
