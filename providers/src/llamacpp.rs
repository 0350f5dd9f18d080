//! A server of llama.cpp's, here or elsewhere, with what it tells of itself beside OpenAI's wire.

use std::{collections::BTreeMap, sync::Arc};

use futures::future::BoxFuture;
use greenroom_wire::{
    ChatError, Embeddings, ErrorKind, Part,
    llamacpp::{decode_prompt, decode_props, decode_tokens, encode_tokenize},
    openai_chat::{Dialect, decode_error, decode_models, encode_request},
};
use reqwest::Method;
use url::Url;

use crate::{
    Capabilities, ChatCall, Credential, EmbedCall, Health, Modalities, ModelInfo, Provider, Sink,
    embeddings::within,
    endpoint::Endpoint,
    openai,
    openai_chat::{self, Asked},
    openai_responses,
    transport::Transport,
};

/// Where a local server listens.
pub const LLAMACPP_BASE: &str = "http://127.0.0.1:8080";
/// Most texts of one request for embeddings. Each is computed on its own, so that more in one would only take longer.
const MOST_TEXTS: usize = 512;

/// One server.
#[derive(Debug)]
pub struct LlamaCpp {
    endpoint: Endpoint,
    /// Whether it is spoken to in the Responses API.
    responses: bool,
}

/// What a server is made of.
#[derive(Debug)]
pub struct LlamaCppArgs {
    /// The pool of connections.
    pub transport: Arc<Transport>,
    /// Its address; a `/v1` at the end, which other clients want there, is left out.
    pub base: Url,
    /// Headers for every request, beyond those of the wire.
    pub headers: BTreeMap<String, String>,
    /// Whether it is spoken to in the Responses API instead of chat completions.
    pub responses: bool,
}

impl LlamaCpp {
    /// A server.
    ///
    /// # Errors
    /// `Config`: a header that can't be one.
    pub fn new(args: LlamaCppArgs) -> Result<Self, ChatError> {
        let LlamaCppArgs { transport, mut base, headers, responses } = args;
        let last = base.path_segments().and_then(|mut path| path.rfind(|one| !one.is_empty()).map(str::to_owned));
        if last.as_deref() == Some("v1")
            && let Ok(mut path) = base.path_segments_mut()
        {
            path.pop_if_empty().pop();
        }
        Ok(Self { endpoint: Endpoint::new(transport, base, &headers)?, responses })
    }

    async fn get(&self, path: &str, credential: &Credential) -> Result<Vec<u8>, ChatError> {
        let request = self.endpoint.bearer(Method::GET, path, credential)?;
        self.endpoint.fetch(request, credential, &decode_error).await
    }

    async fn post(&self, path: &str, body: Vec<u8>, credential: &Credential) -> Result<Vec<u8>, ChatError> {
        let request = self.endpoint.bearer(Method::POST, path, credential)?;
        let request = request.header("content-type", "application/json").body(body);
        self.endpoint.fetch(request, credential, &decode_error).await
    }

    /// The model that is loaded, or those between which a server of several chooses.
    async fn list(&self, credential: &Credential) -> Result<Vec<ModelInfo>, ChatError> {
        let listed = self.get("v1/models", credential).await.map_err(|error| self.explain(error))?;
        let mut models: Vec<ModelInfo> = decode_models(&listed)?.into_iter().map(openai::info).collect();
        // What it was started with is of the one model that it has. Servers may keep it to themselves.
        if let [model] = models.as_mut_slice()
            && let Ok(props) = self.get("props", credential).await.and_then(|body| decode_props(&body))
        {
            let (images, audio, video) = (props.images, props.audio, props.video);
            model.context = props.context.or(model.context);
            model.takes = Modalities { images, audio, video, ..Modalities::default() };
            model.tools = props.tools;
        }
        Ok(models)
    }

    /// Whether its model is loaded, and it lets in: that and its list of models it tells everybody, but not what it was
    /// started with.
    async fn look(&self, credential: &Credential) -> Result<Health, ChatError> {
        self.get("health", credential).await.map_err(|error| self.explain(error))?;
        match self.get("props", credential).await {
            Err(error) if matches!(error.kind, ErrorKind::Auth | ErrorKind::AuthPermanent) => Err(error),
            _ => Ok(Health { models: Some(self.list(credential).await?.len()) }),
        }
    }

    /// The prompt as the server's template makes it, in tokens; of an older server, which has no such address, the texts
    /// alone.
    async fn count(&self, call: ChatCall<'_>) -> Result<u64, ChatError> {
        let body = encode_request(call.request, call.provider, call.model, &Dialect::LLAMACPP).body;
        let scrub = |error| self.explain(self.endpoint.scrub(error, call.credential, Some(call.request)));
        let prompt = match self.post("apply-template", body, call.credential).await {
            Ok(body) => decode_prompt(&body)?,
            Err(error) if error.kind == ErrorKind::NotFound => texts(call),
            Err(error) => return Err(scrub(error)),
        };
        let body = self.post("tokenize", encode_tokenize(&prompt), call.credential).await.map_err(scrub)?;
        decode_tokens(&body)
    }

    /// Says what to do where nothing listens: the server is a program of the user's.
    fn explain(&self, error: ChatError) -> ChatError {
        match error.kind {
            ErrorKind::Network if self.endpoint.is_local() => {
                error.with_hint("start the server: `llama-server -m MODEL.gguf`")
            }
            _ => error,
        }
    }
}

fn texts(call: ChatCall<'_>) -> String {
    let parts = call.request.messages.iter().flat_map(|message| &message.parts);
    let texts = parts.filter_map(|part| match part {
        Part::Text { text } => Some(text.as_str()),
        _ => None,
    });
    texts.collect::<Vec<_>>().join("\n")
}

impl Provider for LlamaCpp {
    fn kind(&self) -> &'static str {
        "llamacpp"
    }

    fn health<'a>(&'a self, credential: &'a Credential) -> BoxFuture<'a, Result<Health, ChatError>> {
        Box::pin(self.look(credential))
    }

    fn capabilities(&self) -> Capabilities {
        let (local, audio) = (self.endpoint.is_local(), !self.responses);
        let responses = Some(self.responses);
        Capabilities { tools: true, images: true, documents: false, audio, json_schema: true, local, responses }
    }

    fn chat<'a>(&'a self, call: ChatCall<'a>, sink: &'a mut dyn Sink) -> BoxFuture<'a, Result<(), ChatError>> {
        Box::pin(async move {
            let at = |path| Asked::plain(&self.endpoint, path);
            let outcome = match self.responses {
                true => openai_responses::chat(at("v1/responses"), call, sink).await,
                false => openai_chat::chat(at("v1/chat/completions"), &Dialect::LLAMACPP, call, sink).await,
            };
            outcome.map_err(|error| self.explain(error))
        })
    }

    fn models<'a>(&'a self, credential: &'a Credential) -> BoxFuture<'a, Result<Vec<ModelInfo>, ChatError>> {
        Box::pin(self.list(credential))
    }

    fn embed<'a>(&'a self, call: EmbedCall<'a>) -> BoxFuture<'a, Result<Embeddings, ChatError>> {
        Box::pin(async move {
            let asked = Asked::plain(&self.endpoint, "v1/embeddings");
            let made = within(call.limit, openai_chat::embed(asked, MOST_TEXTS, call)).await;
            made.map_err(|error| self.explain(error))
        })
    }

    fn count_tokens<'a>(&'a self, call: ChatCall<'a>) -> BoxFuture<'a, Result<u64, ChatError>> {
        Box::pin(within(call.deadlines.first_content, self.count(call)))
    }
}
