//! Ollama, through its own API: a local server, one elsewhere, or ollama.com.

use std::{collections::BTreeMap, sync::Arc};

use futures::future::BoxFuture;
use greenroom_wire::{
    ChatError, EmbedRequest, Embeddings, ErrorKind,
    ollama::{
        LocalModel, OllamaDecoder, PullDecoder, PullState, decode_answer, decode_embeddings, decode_error, decode_show,
        decode_tags, encode_embed_request, encode_legacy_embed_request, encode_pull_request, encode_request,
        encode_show_request,
    },
};
use reqwest::{Method, RequestBuilder, Response};
use url::Url;

use crate::{
    Capabilities, ChatCall, Credential, EmbedCall, ModelInfo, Provider, PullCall, PullSink, Sink,
    drive::{ERROR_WAIT, Language, WHOLE_BODY, read_bounded, read_error},
    embeddings::{counted, within},
    endpoint::Endpoint,
    exchange::{self, log_left_out},
    scrub::hide_input,
    transport::{Transport, root_cause, send_failure},
};

/// Where a local server listens.
pub const OLLAMA_BASE: &str = "http://127.0.0.1:11434";

/// One server.
#[derive(Debug)]
pub struct Ollama(Endpoint);

/// What a server is made of.
#[derive(Debug)]
pub struct OllamaArgs {
    /// The pool of connections.
    pub transport: Arc<Transport>,
    /// Its address; an `/api` or `/v1` at the end, which other clients want there, is left out.
    pub base: Url,
    /// Headers for every request, beyond those of the wire.
    pub headers: BTreeMap<String, String>,
}

impl Ollama {
    /// A server.
    ///
    /// # Errors
    /// `Config`: a header that can't be one.
    pub fn new(args: OllamaArgs) -> Result<Self, ChatError> {
        let OllamaArgs { transport, mut base, headers } = args;
        let last = base.path_segments().and_then(|mut path| path.rfind(|one| !one.is_empty()).map(str::to_owned));
        if matches!(last.as_deref(), Some("api" | "v1"))
            && let Ok(mut path) = base.path_segments_mut()
        {
            path.pop_if_empty().pop();
        }
        Ok(Self(Endpoint::new(transport, base, &headers)?))
    }

    fn post(&self, path: &str, credential: &Credential, body: Vec<u8>) -> Result<RequestBuilder, ChatError> {
        let request = self.0.bearer(Method::POST, path, credential)?;
        Ok(request.header("content-type", "application/json").body(body))
    }

    /// Sends a request whose answer is one JSON object, and gives that.
    async fn whole(&self, request: RequestBuilder, credential: &Credential) -> Result<Vec<u8>, ChatError> {
        read_bounded(self.send(request, credential).await?, WHOLE_BODY).await
    }

    /// Sends a request; an answer that is an error is one.
    async fn send(&self, request: RequestBuilder, credential: &Credential) -> Result<Response, ChatError> {
        let response = request.send().await.map_err(|error| self.explain(send_failure(error)))?;
        if response.status().is_success() {
            return Ok(response);
        }
        Err(self.0.scrub(read_error(response, &decode_error, ERROR_WAIT).await, credential, None))
    }

    /// Says what to do where nothing listens: the server is a program of the user's.
    fn explain(&self, error: ChatError) -> ChatError {
        match error.kind {
            ErrorKind::Network if self.0.is_local() => error.with_hint("start the server: `ollama serve`"),
            _ => error,
        }
    }

    async fn list(&self, credential: &Credential) -> Result<Vec<ModelInfo>, ChatError> {
        let request = self.0.bearer(Method::GET, "api/tags", credential)?;
        let mut models = decode_tags(&self.whole(request, credential).await?)?;
        // The first one is the default, which has to be one that chats.
        models.sort_by_key(is_for_embedding);
        Ok(models.into_iter().map(info).collect())
    }

    async fn show(&self, model: &str, credential: &Credential) -> Result<ModelInfo, ChatError> {
        let request = self.post("api/show", credential, encode_show_request(model))?;
        let shown = decode_show(&self.whole(request, credential).await?)?;
        let words = [&shown.family, &shown.parameter_size, &shown.quantization];
        Ok(ModelInfo {
            name: name(words),
            context: shown.num_ctx.or(shown.context),
            tools: shown.can("tools"),
            reasoning: shown.can("thinking"),
            ..ModelInfo::named(model)
        })
    }

    async fn make_embeddings(&self, call: EmbedCall<'_>) -> Result<Embeddings, ChatError> {
        let EmbedCall { request, model, credential, .. } = call;
        let asked = self.post("api/embed", credential, encode_embed_request(request, model)?)?;
        let embeddings = match self.whole(asked, credential).await {
            Ok(body) => decode_embeddings(&body)?,
            // A server that has no such address, which is another thing than one that has no such model.
            Err(error) if error.kind == ErrorKind::NotFound && error.message.contains("page not found") => {
                self.make_old_embeddings(request, model, credential).await?
            }
            Err(error) => return Err(hide_input(error, request)),
        };
        counted(embeddings, request.input.len())
    }

    async fn make_old_embeddings(
        &self,
        request: &EmbedRequest,
        model: &str,
        credential: &Credential,
    ) -> Result<Embeddings, ChatError> {
        let mut all = Embeddings { model: model.to_owned(), ..Embeddings::default() };
        for text in request.texts()? {
            let asked = self.post("api/embeddings", credential, encode_legacy_embed_request(request, model, text))?;
            let body = self.whole(asked, credential).await.map_err(|error| hide_input(error, request))?;
            all.vectors.extend(decode_embeddings(&body)?.vectors);
        }
        Ok(all)
    }

    async fn fetch(&self, call: PullCall<'_>, sink: &mut dyn PullSink) -> Result<(), ChatError> {
        let PullCall { model, credential, idle } = call;
        let asked = self.post("api/pull", credential, encode_pull_request(model))?;
        let mut response = within(idle, self.send(asked, credential)).await?;
        let mut decoder = PullDecoder::new();
        loop {
            match within(idle, async { Ok(response.chunk().await) }).await? {
                Ok(Some(bytes)) => decoder.handle_bytes(&bytes),
                Ok(None) => decoder.handle_end(),
                Err(error) => {
                    let error = error.without_url();
                    let message = format!("the pull was cut: {}", root_cause(&error));
                    return Err(ChatError::new(ErrorKind::Protocol, message).with_source(error));
                }
            }
            while let Some(progress) = decoder.poll() {
                // Nothing more is read before this was taken.
                if sink.take(progress).await.is_break() {
                    return Err(ChatError::new(ErrorKind::Cancelled, "the pull was cancelled"));
                }
            }
            match decoder.state() {
                PullState::Open => {}
                PullState::Done => return Ok(()),
                PullState::Failed(error) => return Err(self.0.scrub(error.clone(), credential, None)),
            }
        }
    }
}

/// Waits for something, but not for ever.
fn is_for_embedding(model: &LocalModel) -> bool {
    let is_encoder = |family: &String| family.contains("bert");
    model.family.as_ref().is_some_and(is_encoder) || model.id.contains("embed")
}

fn info(model: LocalModel) -> ModelInfo {
    let words = [&model.family, &model.parameter_size, &model.quantization];
    ModelInfo { name: name(words), ..ModelInfo::named(model.id) }
}

/// "llama 3.2B Q4_K_M"; there is no other name for people.
fn name(words: [&Option<String>; 3]) -> Option<String> {
    let words: Vec<&str> = words.into_iter().flatten().map(String::as_str).collect();
    (!words.is_empty()).then(|| words.join(" "))
}

impl Provider for Ollama {
    fn kind(&self) -> &'static str {
        "ollama"
    }

    fn capabilities(&self) -> Capabilities {
        let local = self.0.is_local();
        Capabilities {
            tools: true,
            images: true,
            documents: false,
            audio: false,
            json_schema: true,
            local,
            responses: Some(false),
        }
    }

    fn chat<'a>(&'a self, call: ChatCall<'a>, sink: &'a mut dyn Sink) -> BoxFuture<'a, Result<(), ChatError>> {
        Box::pin(async move {
            let encoded = encode_request(call.request, call.model);
            log_left_out(call.provider, &encoded.left_out);
            let request =
                self.post("api/chat", call.credential, encoded.body)?.header("accept", "application/x-ndjson");
            let language = Language { decoder: &mut OllamaDecoder::new(), whole: &decode_answer, error: &decode_error };
            exchange::chat(&self.0, request, language, call, sink).await.map_err(|error| {
                let error = self.explain(error);
                match error.kind {
                    ErrorKind::NotFound => {
                        let hint = format!("fetch it: `greenroom pull {}/{}`", call.provider, call.model);
                        error.with_hint(hint)
                    }
                    _ => error,
                }
            })
        })
    }

    fn models<'a>(&'a self, credential: &'a Credential) -> BoxFuture<'a, Result<Vec<ModelInfo>, ChatError>> {
        Box::pin(self.list(credential))
    }

    fn describe<'a>(
        &'a self,
        model: &'a str,
        credential: &'a Credential,
    ) -> BoxFuture<'a, Result<ModelInfo, ChatError>> {
        Box::pin(self.show(model, credential))
    }

    fn embed<'a>(&'a self, call: EmbedCall<'a>) -> BoxFuture<'a, Result<Embeddings, ChatError>> {
        Box::pin(within(call.limit, self.make_embeddings(call)))
    }

    fn pull<'a>(&'a self, call: PullCall<'a>, sink: &'a mut dyn PullSink) -> BoxFuture<'a, Result<(), ChatError>> {
        Box::pin(self.fetch(call, sink))
    }
}
