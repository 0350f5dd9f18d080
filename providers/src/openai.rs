//! OpenAI, and every server that is compatible with its chat completions or its Responses API.

use std::{collections::BTreeMap, sync::Arc};

use futures::future::BoxFuture;
use greenroom_wire::{
    ChatError, ChatRequest, EmbedRequest, Embeddings, ErrorKind,
    chat::Wire,
    openai_chat::{
        Dialect, ModelEntry, OpenaiChatDecoder, decode_answer, decode_embeddings, decode_error, decode_models,
        encode_embed_request, encode_request,
    },
};
use reqwest::{Method, RequestBuilder};
use url::Url;

use crate::{
    Capabilities, ChatCall, Credential, EmbedCall, ModelInfo, Provider, Sink,
    drive::{self, Language},
    embeddings::{counted, join, within},
    endpoint::Endpoint,
    openai_responses,
    provider::unsupported,
    scrub::hide_input,
    transport::Transport,
};

/// Where OpenAI's own API is.
pub const OPENAI_BASE: &str = "https://api.openai.com/v1";

/// Where a ChatGPT subscription is asked.
pub const CHATGPT_BASE: &str = "https://chatgpt.com/backend-api/codex";

/// The kind of provider that OpenAI itself is.
const OFFICIAL: &str = "openai";

/// Most texts of one request for embeddings that OpenAI takes.
const MOST_TEXTS: usize = 2048;

/// One server of these wires.
#[derive(Debug)]
pub struct OpenAi {
    kind: &'static str,
    endpoint: Endpoint,
    dialect: Dialect,
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

    /// Whether this call is made in the Responses API: as was configured, else where nothing else is served, or where what
    /// is asked has a word in no other.
    fn in_responses(&self, call: &ChatCall<'_>) -> bool {
        let by_model = || call.info.responses_only == Some(true);
        let by_request = || self.is_official() && call.request.wants(Wire::OpenaiResponses);
        self.responses.unwrap_or_else(|| {
            by_model() || by_request() || openai_responses::is_chatgpt(self.endpoint.base(call.credential))
        })
    }

    async fn make_embeddings(&self, call: EmbedCall<'_>) -> Result<Embeddings, ChatError> {
        embed(&self.endpoint, || self.endpoint.bearer(Method::POST, "embeddings", call.credential), call).await
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

/// Asks for one answer in chat completions, by a request that has its address and its credential.
///
/// # Errors
/// Why the attempt failed; what had come before it is in `sink`.
pub(crate) async fn chat(
    endpoint: &Endpoint,
    request: RequestBuilder,
    dialect: &Dialect,
    call: ChatCall<'_>,
    sink: &mut dyn Sink,
) -> Result<(), ChatError> {
    let encoded = encode_request(call.request, call.provider, call.model, dialect);
    for left_out in &encoded.left_out {
        tracing::debug!(provider = call.provider, at = left_out.at, "left out of a request: {}", left_out.what);
    }
    let request = request.header("content-type", "application/json").header("accept", "text/event-stream");
    let choices = choices(call.request);
    let names = encoded.names;
    let language = Language {
        decoder: &mut OpenaiChatDecoder::new(choices).with_names(names.clone()),
        whole: &|body| decode_answer(body, choices, &names),
        error: &decode_error,
    };
    let outcome = drive::chat(request.body(encoded.body), language, call.deadlines, sink).await;
    outcome.map_err(|error| endpoint.scrub(error, call.credential, Some(call.request)))
}

/// Makes vectors, by requests of which each has its address and its credential.
///
/// # Errors
/// Why there are none.
pub(crate) async fn embed(
    endpoint: &Endpoint,
    request: impl Fn() -> Result<RequestBuilder, ChatError>,
    call: EmbedCall<'_>,
) -> Result<Embeddings, ChatError> {
    let EmbedCall { request: asked, model, credential, .. } = call;
    let mut all = Embeddings::default();
    for some in asked.input.chunks(MOST_TEXTS) {
        let some = EmbedRequest { input: some.to_vec(), ..asked.clone() };
        let request = request()?.header("content-type", "application/json").body(encode_embed_request(&some, model));
        let fetched = endpoint.fetch(request, credential, &decode_error).await;
        let made = decode_embeddings(&fetched.map_err(|error| hide_input(error, asked))?)?;
        join(&mut all, counted(made, some.input.len())?);
    }
    Ok(all)
}

pub(crate) fn info(entry: ModelEntry) -> ModelInfo {
    ModelInfo { name: entry.name, context: entry.context, max_output: entry.max_output, ..ModelInfo::named(entry.id) }
}

/// How many answers at once were asked for (`n`), which the chat language has no word for.
fn choices(request: &ChatRequest) -> u32 {
    let n = request.extra.iter().find(|extra| extra.path == "/n").and_then(|extra| extra.json.as_u64());
    n.and_then(|n| u32::try_from(n).ok()).unwrap_or(1).max(1)
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
        if self.in_responses(&call) {
            return Box::pin(async move {
                let request = self.endpoint.bearer(Method::POST, "responses", call.credential)?;
                let dialect = openai_responses::dialect(self.endpoint.base(call.credential), call.model, call.info);
                openai_responses::chat(&self.endpoint, request, &dialect, call, sink).await
            });
        }
        Box::pin(async move {
            let request = self.endpoint.bearer(Method::POST, "chat/completions", call.credential)?;
            chat(&self.endpoint, request, &self.dialect, call, sink).await
        })
    }

    fn models<'a>(&'a self, credential: &'a Credential) -> BoxFuture<'a, Result<Vec<ModelInfo>, ChatError>> {
        Box::pin(self.list(credential))
    }

    fn count_tokens<'a>(&'a self, call: ChatCall<'a>) -> BoxFuture<'a, Result<u64, ChatError>> {
        let is_chatgpt = openai_responses::is_chatgpt(self.endpoint.base(call.credential));
        if self.kind != "openai" || is_chatgpt {
            return Box::pin(async { Err(unsupported(self.kind, "count tokens")) });
        }
        Box::pin(openai_responses::count(self.kind, &self.endpoint, call))
    }

    fn embed<'a>(&'a self, call: EmbedCall<'a>) -> BoxFuture<'a, Result<Embeddings, ChatError>> {
        Box::pin(within(call.limit, self.make_embeddings(call)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
