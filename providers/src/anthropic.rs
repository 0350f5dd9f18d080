//! Anthropic, and whatever serves its messages at another address.

use std::{collections::BTreeMap, sync::Arc};

use futures::future::BoxFuture;
use greenroom_wire::{
    ChatError, ChatRequest, ErrorKind,
    anthropic::{
        AnthropicDecoder, Dialect, ModelEntry, ThinkingForm, betas, decode_answer, decode_count, decode_error,
        decode_models, encode_count, encode_request,
    },
};
use reqwest::{
    Client, RequestBuilder,
    header::{HeaderMap, HeaderValue},
};
use secrecy::ExposeSecret as _;
use url::Url;

use crate::{
    Capabilities, ChatCall, Credential, ModelInfo, Provider, Sink,
    batch::Batches,
    drive::Language,
    endpoint::Endpoint,
    exchange::{self, log_left_out, streamed},
    transport::Transport,
};

/// Where Anthropic's own API is.
pub const ANTHROPIC_BASE: &str = "https://api.anthropic.com";
/// The version of the wire, which every request must name.
const VERSION: &str = "2023-06-01";
/// The header that names the features which a request wants beyond the version.
const BETA: &str = "anthropic-beta";
/// Most models on a page, the API's own bound.
const PAGE: &str = "1000";
/// Most pages of models that are asked for; more than any list has.
const MOST_PAGES: usize = 20;

/// One server of this wire.
#[derive(Debug)]
pub struct Anthropic {
    pub(crate) endpoint: Endpoint,
}

/// What a server is made of.
#[derive(Debug)]
pub struct AnthropicArgs {
    /// The pool of connections.
    pub transport: Arc<Transport>,
    /// Its address, with or without the `v1` at its end, such as `https://api.anthropic.com`.
    pub base: Url,
    /// Headers for every request, beyond those of the wire; `anthropic-version` and `anthropic-beta` may be among them.
    pub headers: BTreeMap<String, String>,
}

impl Anthropic {
    /// Anthropic itself, or what stands in for it at another address.
    ///
    /// # Errors
    /// `Config`: a header that can't be one.
    pub fn new(args: AnthropicArgs) -> Result<Self, ChatError> {
        let endpoint = Endpoint::new(args.transport, args.base, &args.headers)?;
        Ok(Self { endpoint: endpoint.with_default("anthropic-version", VERSION) })
    }

    /// A request to a path below the version, with its credential.
    ///
    /// # Errors
    /// `Config`: the key or the address can't be used.
    pub(crate) fn request(
        &self,
        credential: &Credential,
        make: impl FnOnce(Client, Url) -> RequestBuilder,
        path: &str,
    ) -> Result<RequestBuilder, ChatError> {
        let path = format!("{}{path}", version_path(self.endpoint.base(credential)));
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
        Ok(request.header("x-api-key", key))
    }

    /// The features that are configured, and those that this request asks for; nothing where it asks for none.
    fn betas(&self, request: &ChatRequest) -> HeaderMap {
        self.with_betas(betas(request))
    }

    /// The features that are configured, and these.
    pub(crate) fn with_betas<'a>(&self, asked: impl IntoIterator<Item = &'a str>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let configured = self.endpoint.header(BETA).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let mut names: Vec<&str> = configured.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
        let known = names.len();
        for name in asked {
            // A name that is none could say more headers, or be two.
            let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b',');
            if is_name && !names.contains(&name) {
                names.push(name);
            }
        }
        if names.len() > known
            && let Ok(mut value) = HeaderValue::from_str(&names.join(","))
        {
            value.set_sensitive(true);
            headers.insert(BETA, value);
        }
        headers
    }

    async fn list(&self, credential: &Credential) -> Result<Vec<ModelInfo>, ChatError> {
        let mut models = Vec::new();
        let mut after: Option<String> = None;
        for _ in 0..MOST_PAGES {
            let get = |client: Client, mut url: Url| {
                url.query_pairs_mut().append_pair("limit", PAGE);
                if let Some(after) = &after {
                    url.query_pairs_mut().append_pair("after_id", after);
                }
                client.get(url)
            };
            let body = self.endpoint.fetch(self.request(credential, get, "models")?, credential, &decode_error).await?;
            let page = decode_models(&body)?;
            models.extend(page.models.into_iter().map(info));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        Ok(models)
    }

    async fn count(&self, call: ChatCall<'_>) -> Result<u64, ChatError> {
        let request = self.request(call.credential, |client, url| client.post(url), "messages/count_tokens")?;
        let request = request.headers(self.betas(call.request));
        count(&self.endpoint, request, &dialect(call), call, call.model).await
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
        decoder: &mut AnthropicDecoder::new(names.clone()),
        whole: &|body| decode_answer(body, &names),
        error: &decode_error,
    };
    exchange::chat(endpoint, streamed(request).body(encoded.body), language, call, sink).await
}

/// Asks how many tokens a prompt has, by a request that has its address and its credential; `id` is what the body calls
/// the model.
///
/// # Errors
/// Why they are not counted.
pub(crate) async fn count(
    endpoint: &Endpoint,
    request: RequestBuilder,
    dialect: &Dialect,
    call: ChatCall<'_>,
    id: &str,
) -> Result<u64, ChatError> {
    let encoded = encode_count(call.request, call.provider, id, dialect);
    log_left_out(call.provider, &encoded.left_out);
    decode_count(&exchange::count(endpoint, request, encoded.body, call, &decode_error).await?)
}

/// What stands before a path: the version, unless the address ends with it.
fn version_path(base: &Url) -> &'static str {
    if base.path().trim_end_matches('/').ends_with("/v1") { "" } else { "v1/" }
}

/// What the model takes: by what is known of it, and else by its id.
pub(crate) fn dialect(call: ChatCall<'_>) -> Dialect {
    let (info, by_id) = (call.info, Dialect::of_model(call.model).with_max_output(call.info.max_output));
    // Which form the wish to think has, only the id says.
    let thinking = match (info.reasoning, info.reasoning_always, by_id.thinking) {
        (Some(false), ..) => ThinkingForm::None,
        (_, Some(true), ThinkingForm::Adaptive) => ThinkingForm::Always,
        (_, Some(false), ThinkingForm::Always) => ThinkingForm::Adaptive,
        (.., form) => form,
    };
    Dialect { thinking, sampling: info.sampling_params.unwrap_or(by_id.sampling), ..by_id }
}

/// That a model can think says nothing of whether it will, which is what `reasoning` is of: it does so when asked.
fn info(entry: ModelEntry) -> ModelInfo {
    ModelInfo { name: entry.name, context: entry.context, max_output: entry.max_output, ..ModelInfo::named(entry.id) }
}

impl Provider for Anthropic {
    fn kind(&self) -> &'static str {
        "anthropic"
    }

    fn counts_cached(&self) -> bool {
        false
    }

    fn capabilities(&self) -> Capabilities {
        let local = self.endpoint.is_local();
        Capabilities {
            tools: true,
            images: true,
            documents: true,
            audio: false,
            json_schema: true,
            local,
            responses: Some(false),
        }
    }

    fn chat<'a>(&'a self, call: ChatCall<'a>, sink: &'a mut dyn Sink) -> BoxFuture<'a, Result<(), ChatError>> {
        Box::pin(async move {
            let request = self.request(call.credential, |client, url| client.post(url), "messages")?;
            let request = request.headers(self.betas(call.request));
            chat(&self.endpoint, request, &dialect(call), call, sink).await
        })
    }

    fn models<'a>(&'a self, credential: &'a Credential) -> BoxFuture<'a, Result<Vec<ModelInfo>, ChatError>> {
        Box::pin(self.list(credential))
    }

    fn batches(&self, _: &Credential) -> Option<&dyn Batches> {
        Some(self)
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

    fn request(credential: &Credential) -> reqwest::Request {
        let transport = Arc::new(Transport::new(Duration::from_secs(1)));
        let base = "http://127.0.0.1:9/v1".parse().unwrap();
        let provider = Anthropic::new(AnthropicArgs { transport, base, headers: BTreeMap::new() }).unwrap();
        provider.request(credential, |client, url| client.get(url), "models").unwrap().build().unwrap()
    }

    #[test]
    fn features_that_a_request_asks_for_are_named_beside_those_that_are_configured() {
        let transport = Arc::new(Transport::new(Duration::from_secs(1)));
        let base: Url = "http://127.0.0.1:9".parse().unwrap();
        let value = |configured: Option<&str>, asked: serde_json::Value| {
            let headers = configured.map(|value| (BETA.to_owned(), value.to_owned())).into_iter().collect();
            let args = AnthropicArgs { transport: Arc::clone(&transport), base: base.clone(), headers };
            let provider = Anthropic::new(args).unwrap();
            let wire = greenroom_wire::chat::Wire::Anthropic;
            let path = greenroom_wire::anthropic::BETAS.to_owned();
            let extra = vec![greenroom_wire::chat::Extra { wire, path, json: asked }];
            let request = provider.request(&Credential::None, |client, url| client.post(url), "messages").unwrap();
            let betas = provider.betas(&ChatRequest { extra, ..ChatRequest::default() });
            let request = request.headers(betas).build().unwrap();
            let values = request.headers().get_all(BETA).into_iter().map(|value| value.to_str().unwrap().to_owned());
            values.collect::<Vec<_>>()
        };
        let json = |names: &[&str]| serde_json::Value::from(names.to_vec());
        assert_eq!(value(None, json(&["a-1", "b-2", "a-1"])), ["a-1,b-2"]);
        assert_eq!(value(Some("c-3, a-1"), json(&["a-1", "b-2"])), ["c-3,a-1,b-2"]);
        assert_eq!(value(Some("c-3"), json(&[])), ["c-3"]);
        assert_eq!(value(None, json(&["a\r\nx: y", "a,b", "", "a b"])), [""; 0]);
        assert_eq!(value(None, "a-1".into()), [""; 0]);
    }

    #[test]
    fn a_key_goes_as_this_wires_own_header_and_a_token_as_a_bearer_token() {
        let by_key = request(&Credential::Key("a-key-4711".into()));
        assert_eq!(by_key.headers()["x-api-key"], "a-key-4711");
        assert!(!by_key.headers().contains_key("authorization"));
        let base = "http://127.0.0.1:8/".parse().ok();
        let by_token = request(&Credential::Token(AccessToken { token: "a-token-4711".into(), account: None, base }));
        assert_eq!(by_token.headers()["authorization"], "Bearer a-token-4711");
        assert!(by_token.headers()["authorization"].is_sensitive() && !by_token.headers().contains_key("x-api-key"));
        assert_eq!(by_token.url().as_str(), "http://127.0.0.1:8/v1/models", "the version goes by the token's address");
    }
}
