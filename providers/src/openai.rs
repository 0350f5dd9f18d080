//! OpenAI, and every server that is compatible with its chat completions or its Responses API.

use std::{collections::BTreeMap, sync::Arc};

use futures::future::BoxFuture;
use greenroom_wire::{
    ChatError, ChatRequest, Embeddings, ErrorKind,
    chat::Wire,
    openai_chat::{Dialect, ModelEntry, decode_error, decode_models},
};
use reqwest::Method;
use url::Url;

use crate::{
    Capabilities, ChatCall, Credential, EmbedCall, ModelInfo, Provider, Sink,
    batch::Batches,
    embeddings::within,
    endpoint::Endpoint,
    openai_chat::{self, Asked},
    openai_responses,
    provider::unsupported,
    transport::Transport,
};

/// Where OpenAI's own API is.
pub const OPENAI_BASE: &str = "https://api.openai.com/v1";

/// Where a ChatGPT subscription is asked.
pub const CHATGPT_BASE: &str = "https://chatgpt.com/backend-api/codex";

/// The kind of provider that OpenAI itself is.
const OFFICIAL: &str = "openai";

/// Most texts of one request for embeddings that OpenAI takes.
pub(crate) const MOST_TEXTS: usize = 2048;

/// One server of these wires.
#[derive(Debug)]
pub struct OpenAi {
    pub(crate) kind: &'static str,
    pub(crate) endpoint: Endpoint,
    pub(crate) dialect: Dialect,
    /// Whether it is spoken to in the Responses API; `None` leaves it to the model.
    responses: Option<bool>,
}

/// What a server is made of.
#[derive(Debug)]
pub struct OpenAiArgs {
    /// The pool of connections.
    pub transport: Arc<Transport>,
    /// Its address up to and including the version, such as `https://api.openai.com/v1`.
    pub base: Url,
    /// Headers for every request, beyond those of the wire.
    pub headers: BTreeMap<String, String>,
}

impl OpenAi {
    /// OpenAI itself, or what stands in for it at another address.
    ///
    /// # Errors
    /// `Config`: a header that can't be one.
    pub fn official(args: OpenAiArgs) -> Result<Self, ChatError> {
        Self::new(OFFICIAL, args)
    }

    /// A server that is compatible.
    ///
    /// # Errors
    /// `Config`: a header that can't be one.
    pub fn compatible(args: OpenAiArgs) -> Result<Self, ChatError> {
        Self::new("openai-compatible", args)
    }

    fn new(kind: &'static str, args: OpenAiArgs) -> Result<Self, ChatError> {
        let dialect = dialect(&args.base);
        let endpoint = Endpoint::new(args.transport, args.base, &args.headers)?;
        Ok(Self { kind, endpoint, dialect, responses: None })
    }

    /// The same, spoken to in one of its languages whatever the model: the Responses API, or else chat completions.
    #[must_use]
    pub fn with_responses(self, responses: bool) -> Self {
        Self { responses: Some(responses), ..self }
    }

    fn is_official(&self) -> bool {
        self.kind == OFFICIAL
    }

    /// Whether this call is made in the Responses API: as was configured, else where nothing else is served, or where the
    /// request is one of that API.
    fn in_responses(&self, call: &ChatCall<'_>) -> bool {
        self.is_for_responses(call.request, call.info, call.credential)
    }

    /// The same of a request that is made with others.
    pub(crate) fn is_for_responses(&self, request: &ChatRequest, info: &ModelInfo, credential: &Credential) -> bool {
        let by_model = || info.responses_only == Some(true);
        let base = self.endpoint.base(credential);
        self.responses.unwrap_or_else(|| {
            by_model() || self.is_official() && is_of_responses(request, base) || openai_responses::is_chatgpt(base)
        })
    }

    async fn list(&self, credential: &Credential) -> Result<Vec<ModelInfo>, ChatError> {
        if openai_responses::is_chatgpt(self.endpoint.base(credential)) {
            return Err(ChatError::new(ErrorKind::NotFound, "ChatGPT lists no models"));
        }
        let request = self.endpoint.bearer(Method::GET, "models", credential)?;
        let body = self.endpoint.fetch(request, credential, &decode_error).await?;
        Ok(decode_models(&body)?.into_iter().map(info).collect())
    }
}

/// Whether a request is to be made in the Responses API. OpenAI itself serves both, so that what a client of that API says
/// arrives as it was said; what stands in for it may serve one, and is asked there only for what the other has no word for.
fn is_of_responses(request: &ChatRequest, base: &Url) -> bool {
    match base.host_str() {
        Some("api.openai.com") => request.was_said_on(Wire::OpenaiResponses),
        _ => request.wants(Wire::OpenaiResponses),
    }
}

/// What a server takes, guessed from its address: the kind says nothing of it, since `OPENAI_BASE_URL` may name any.
fn dialect(base: &Url) -> Dialect {
    match base.host_str().unwrap_or_default() {
        "api.openai.com" => Dialect::OPENAI,
        "openrouter.ai" => Dialect::OPENROUTER,
        "api.mistral.ai" => Dialect::MISTRAL,
        "api.deepseek.com" | "api.moonshot.ai" | "api.z.ai" => Dialect::REASONING_CONTENT,
        _ => Dialect::COMPATIBLE,
    }
}

pub(crate) fn info(entry: ModelEntry) -> ModelInfo {
    ModelInfo { name: entry.name, context: entry.context, max_output: entry.max_output, ..ModelInfo::named(entry.id) }
}

impl Provider for OpenAi {
    fn kind(&self) -> &'static str {
        self.kind
    }

    fn capabilities(&self) -> Capabilities {
        let local = self.endpoint.is_local();
        let audio = self.responses != Some(true);
        let responses = self.responses.or(self.is_official().then_some(true));
        Capabilities { tools: true, images: true, documents: true, audio, json_schema: true, local, responses }
    }

    fn chat<'a>(&'a self, call: ChatCall<'a>, sink: &'a mut dyn Sink) -> BoxFuture<'a, Result<(), ChatError>> {
        Box::pin(async move {
            if self.in_responses(&call) {
                return openai_responses::chat(Asked::plain(&self.endpoint, "responses"), call, sink).await;
            }
            openai_chat::chat(Asked::plain(&self.endpoint, "chat/completions"), &self.dialect, call, sink).await
        })
    }

    fn models<'a>(&'a self, credential: &'a Credential) -> BoxFuture<'a, Result<Vec<ModelInfo>, ChatError>> {
        Box::pin(self.list(credential))
    }

    fn count_tokens<'a>(&'a self, call: ChatCall<'a>) -> BoxFuture<'a, Result<u64, ChatError>> {
        let is_chatgpt = openai_responses::is_chatgpt(self.endpoint.base(call.credential));
        if !self.is_official() || is_chatgpt {
            return Box::pin(async { Err(unsupported(self.kind, "count tokens")) });
        }
        Box::pin(openai_responses::count(self.kind, &self.endpoint, call))
    }

    fn batches(&self, credential: &Credential) -> Option<&dyn Batches> {
        // A subscription has no batches.
        (!openai_responses::is_chatgpt(self.endpoint.base(credential))).then_some(self)
    }

    fn embed<'a>(&'a self, call: EmbedCall<'a>) -> BoxFuture<'a, Result<Embeddings, ChatError>> {
        let asked = Asked::plain(&self.endpoint, "embeddings");
        Box::pin(within(call.limit, openai_chat::embed(asked, MOST_TEXTS, call)))
    }
}

#[cfg(test)]
mod tests {
    use greenroom_wire::chat::{Extra, Tool};

    use super::*;

    #[test]
    fn a_request_of_the_responses_api_is_made_in_it_where_that_can_be() {
        let wire = Wire::OpenaiResponses;
        let plain = ChatRequest::default();
        let extra = Extra { wire, path: "/store".into(), json: false.into() };
        let said = ChatRequest { extra: vec![extra], ..ChatRequest::default() };
        let tool = Tool::Native { wire, json: serde_json::Value::Null };
        let wants = ChatRequest { tools: vec![tool], ..ChatRequest::default() };
        let of = |request, base: &str| is_of_responses(request, &base.parse().expect("it is an address"));
        assert_eq!([&plain, &said, &wants].map(|request| of(request, OPENAI_BASE)), [false, true, true]);
        assert_eq!([&plain, &said, &wants].map(|request| of(request, "http://127.0.0.1/v1")), [false, false, true]);
    }

    #[test]
    fn an_address_says_what_a_server_takes() {
        let of = |base: &str| dialect(&base.parse().expect("it is an address"));
        assert_eq!(of(OPENAI_BASE), Dialect::OPENAI);
        assert_eq!(of("https://openrouter.ai/api/v1"), Dialect::OPENROUTER);
        assert_eq!(of("https://api.mistral.ai/v1"), Dialect::MISTRAL);
        assert_eq!(of("https://api.deepseek.com/v1"), Dialect::REASONING_CONTENT);
        assert_eq!(of("http://127.0.0.1:8080/v1"), Dialect::COMPATIBLE);
    }
}
