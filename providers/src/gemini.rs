//! Google's Gemini API, and whatever serves its wire at another address.

use std::{collections::BTreeMap, sync::Arc};

use futures::future::BoxFuture;
use greenroom_wire::{
    ChatError, EmbedRequest, Embeddings, ErrorKind,
    gemini::{
        Dialect, GeminiDecoder, ModelEntry, ThinkingForm, decode_answer, decode_count, decode_embeddings, decode_error,
        decode_models, encode_count, encode_embed_request, encode_request,
    },
};
use reqwest::{Client, RequestBuilder, header::HeaderValue};
use secrecy::ExposeSecret as _;
use url::Url;

use crate::{
    Capabilities, ChatCall, Credential, EmbedCall, ModelInfo, Provider, Sink,
    drive::Language,
    embeddings::{counted, join, within},
    endpoint::Endpoint,
    exchange::{self, log_left_out, streamed},
    scrub::hide_input,
    transport::Transport,
};

/// Where the Gemini API is.
pub const GEMINI_BASE: &str = "https://generativelanguage.googleapis.com";
/// The version of the API where the address names none.
const VERSION: &str = "v1beta";
/// Most models on a page, the API's own bound.
const PAGE: &str = "1000";
/// Most pages of models that are asked for; more than any list has.
const MOST_PAGES: usize = 20;
/// Most texts that one request makes vectors of, the API's own bound.
const MOST_TEXTS: usize = 100;

/// One server of this wire.
#[derive(Debug)]
pub struct Gemini {
    endpoint: Endpoint,
}

/// What a server is made of.
#[derive(Debug)]
pub struct GeminiArgs {
    /// The pool of connections.
    pub transport: Arc<Transport>,
    /// Its address, with or without the version at its end, such as `https://generativelanguage.googleapis.com`.
    pub base: Url,
    /// Headers for every request, beyond those of the wire.
    pub headers: BTreeMap<String, String>,
}

impl Gemini {
    /// The Gemini API itself, or what stands in for it at another address.
    ///
    /// # Errors
    /// `Config`: a header that can't be one.
    pub fn new(args: GeminiArgs) -> Result<Self, ChatError> {
        Ok(Self { endpoint: Endpoint::new(args.transport, args.base, &args.headers)? })
    }

    fn request(
        &self,
        credential: &Credential,
        make: impl FnOnce(Client, Url) -> RequestBuilder,
        path: &str,
    ) -> Result<RequestBuilder, ChatError> {
        let path = versioned(self.endpoint.base(credential), VERSION, path);
        let request = self.endpoint.request(make, &path, credential)?;
        let key = match credential {
            Credential::None => return Ok(request),
            Credential::Token(token) => return Ok(request.bearer_auth(token.token.expose_secret())),
            Credential::Key(key) => key.expose_secret(),
        };
        let mut key = HeaderValue::from_str(key).map_err(|_| {
            ChatError::new(ErrorKind::Config, "the key has characters that can't be sent")
                .with_hint("check that the key was copied whole and without line ends")
        })?;
        key.set_sensitive(true);
        Ok(request.header("x-goog-api-key", key))
    }

    /// A request to a method of a model, without its body.
    fn post(&self, credential: &Credential, (model, method): (&str, &str)) -> Result<RequestBuilder, ChatError> {
        let streams = method == "streamGenerateContent";
        let post = |client: Client, mut url: Url| {
            if streams {
                url.query_pairs_mut().append_pair("alt", "sse");
            }
            client.post(url)
        };
        self.request(credential, post, &format!("{}:{method}", resource(model)))
    }

    async fn list(&self, credential: &Credential) -> Result<Vec<ModelInfo>, ChatError> {
        let mut models = Vec::new();
        let mut next: Option<String> = None;
        for _ in 0..MOST_PAGES {
            let get = |client: Client, mut url: Url| {
                url.query_pairs_mut().append_pair("pageSize", PAGE);
                if let Some(next) = &next {
                    url.query_pairs_mut().append_pair("pageToken", next);
                }
                client.get(url)
            };
            let body = self.endpoint.fetch(self.request(credential, get, "models")?, credential, &decode_error).await?;
            let page = decode_models(&body)?;
            models.extend(page.models.into_iter().filter(|model| model.chats() || model.embeds()));
            next = page.next;
            if next.is_none() {
                break;
            }
        }
        // The first one is the default, which has to be one that chats.
        models.sort_by_key(|model| !model.chats());
        Ok(models.into_iter().map(info).collect())
    }

    async fn count(&self, call: ChatCall<'_>) -> Result<u64, ChatError> {
        count(&self.endpoint, self.post(call.credential, (call.model, "countTokens"))?, &dialect(call), call).await
    }

    async fn make_embeddings(&self, call: EmbedCall<'_>) -> Result<Embeddings, ChatError> {
        let EmbedCall { request, model, credential, .. } = call;
        let mut all = Embeddings { model: model.to_owned(), ..Embeddings::default() };
        for texts in request.input.chunks(MOST_TEXTS) {
            let some = EmbedRequest { input: texts.to_vec(), ..request.clone() };
            let asked = self.post(credential, (model, "batchEmbedContents"))?;
            let asked = asked.header("content-type", "application/json").body(encode_embed_request(&some, model)?);
            let fetched = self.endpoint.fetch(asked, credential, &decode_error).await;
            let made = decode_embeddings(&fetched.map_err(|error| hide_input(error, request))?)?;
            join(&mut all, counted(made, texts.len())?);
        }
        Ok(all)
    }
}

/// Asks for one answer, by a request that has its address and its credential.
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
    log_left_out(call.provider, &encoded.left_out);
    let names = encoded.names;
    let language = Language {
        decoder: &mut GeminiDecoder::new(names.clone()),
        whole: &|body| decode_answer(body, &names),
        error: &decode_error,
    };
    exchange::chat(endpoint, streamed(request).body(encoded.body), language, call, sink).await
}

/// Asks how many tokens a prompt has, by a request that has its address and its credential.
///
/// # Errors
/// Why they are not counted.
pub(crate) async fn count(
    endpoint: &Endpoint,
    request: RequestBuilder,
    dialect: &Dialect,
    call: ChatCall<'_>,
) -> Result<u64, ChatError> {
    let encoded = encode_count(call.request, call.provider, call.model, dialect);
    log_left_out(call.provider, &encoded.left_out);
    decode_count(&exchange::count(endpoint, request, encoded.body, call, &decode_error).await?)
}

/// A path with a version before it, unless the address ends with one.
pub(crate) fn versioned(base: &Url, version: &str, path: &str) -> String {
    let last = base.path().trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let is_version = last.strip_prefix('v').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    if is_version { path.to_owned() } else { format!("{version}/{path}") }
}

/// A model as it stands in a path; a tuned one has a place of its own.
fn resource(model: &str) -> String {
    if model.contains('/') { model.to_owned() } else { format!("models/{model}") }
}

/// What the model takes: by what is known of it, and else by its id.
pub(crate) fn dialect(call: ChatCall<'_>) -> Dialect {
    let by_id = Dialect::of_model(call.model);
    match call.info.reasoning {
        Some(false) => Dialect { thinking: ThinkingForm::None, ..by_id },
        _ => by_id,
    }
}

/// That a model can think says nothing of whether it will, which is what `reasoning` is of: the catalogue knows.
fn info(entry: ModelEntry) -> ModelInfo {
    ModelInfo { name: entry.name, context: entry.context, max_output: entry.max_output, ..ModelInfo::named(entry.id) }
}

impl Provider for Gemini {
    fn kind(&self) -> &'static str {
        "gemini"
    }

    fn capabilities(&self) -> Capabilities {
        let local = self.endpoint.is_local();
        Capabilities {
            tools: true,
            images: true,
            documents: true,
            audio: true,
            json_schema: true,
            local,
            responses: Some(false),
        }
    }

    fn chat<'a>(&'a self, call: ChatCall<'a>, sink: &'a mut dyn Sink) -> BoxFuture<'a, Result<(), ChatError>> {
        Box::pin(async move {
            let request = self.post(call.credential, (call.model, "streamGenerateContent"))?;
            chat(&self.endpoint, request, &dialect(call), call, sink).await
        })
    }

    fn models<'a>(&'a self, credential: &'a Credential) -> BoxFuture<'a, Result<Vec<ModelInfo>, ChatError>> {
        Box::pin(self.list(credential))
    }

    fn embed<'a>(&'a self, call: EmbedCall<'a>) -> BoxFuture<'a, Result<Embeddings, ChatError>> {
        Box::pin(within(call.limit, self.make_embeddings(call)))
    }

    fn count_tokens<'a>(&'a self, call: ChatCall<'a>) -> BoxFuture<'a, Result<u64, ChatError>> {
        Box::pin(self.count(call))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::AccessToken;

    fn request(credential: &Credential, model: &str) -> reqwest::Request {
        let transport = Arc::new(Transport::new(Duration::from_secs(1)));
        let base = "http://127.0.0.1:9/v1beta/".parse().unwrap();
        let provider = Gemini::new(GeminiArgs { transport, base, headers: BTreeMap::new() }).unwrap();
        provider.post(credential, (model, "streamGenerateContent")).unwrap().build().unwrap()
    }

    #[test]
    fn a_key_goes_as_this_wires_own_header_and_a_token_as_a_bearer_token() {
        let by_key = request(&Credential::Key("a-key-4711".into()), "m");
        assert_eq!(by_key.headers()["x-goog-api-key"], "a-key-4711");
        assert!(by_key.headers()["x-goog-api-key"].is_sensitive() && !by_key.headers().contains_key("authorization"));
        let base = "http://127.0.0.1:8/".parse().ok();
        let token = AccessToken { token: "a-token-4711".into(), account: None, base };
        let by_token = request(&Credential::Token(token), "m");
        assert_eq!(by_token.headers()["authorization"], "Bearer a-token-4711");
        assert!(by_token.headers()["authorization"].is_sensitive());
        assert!(!by_token.headers().contains_key("x-goog-api-key"));
        let path = "http://127.0.0.1:8/v1beta/models/m:streamGenerateContent?alt=sse";
        assert_eq!(by_token.url().as_str(), path, "the version goes by the token's address");
    }

    #[test]
    fn a_model_stands_in_the_path() {
        let path = |model: &str| request(&Credential::None, model).url().as_str().to_owned();
        let base = "http://127.0.0.1:9/v1beta";
        assert_eq!(path("gemini-3-pro"), format!("{base}/models/gemini-3-pro:streamGenerateContent?alt=sse"));
        assert_eq!(path("tunedModels/x"), format!("{base}/tunedModels/x:streamGenerateContent?alt=sse"));
        assert_eq!(path("a?b#c"), format!("{base}/models/a%3Fb%23c:streamGenerateContent?alt=sse"));
    }
}
