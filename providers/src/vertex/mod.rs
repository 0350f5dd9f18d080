//! Vertex AI: models of Google's in Gemini's wire, of Anthropic's in its own, and of others in OpenAI's.

mod embed;
mod place;

use std::{collections::BTreeMap, sync::Arc};

use futures::{StreamExt as _, future::BoxFuture, stream};
use greenroom_wire::{
    ChatError, Embeddings, ErrorKind, anthropic as anthropic_wire,
    gemini::{Dialect, decode_embeddings, decode_error, decode_publisher_models, encode_embed_content, encode_predict},
    openai_chat::Dialect as ChatDialect,
};
use reqwest::{Client, RequestBuilder, header::HeaderValue};
use secrecy::ExposeSecret as _;
use url::Url;

pub use self::place::{GLOBAL, vertex_base};
use self::{
    embed::Form,
    place::{Owner, Place},
};
use crate::{
    Capabilities, ChatCall, Credential, EmbedCall, ModelInfo, Provider, Sink, anthropic,
    embeddings::{counted, join, within},
    endpoint::Endpoint,
    gemini,
    openai_chat::{self, Asked},
    scrub::hide_input,
    transport::Transport,
};

/// The version of the interface of Google's own models, where the address names none.
const GOOGLE_VERSION: &str = "v1beta1";
/// The same of others' models.
const VERSION: &str = "v1";
/// Most models on a page.
const PAGE: &str = "200";
/// Most pages of models that are asked for.
const MOST_PAGES: usize = 20;
/// Requests for embeddings that are under way at a time, where one takes few texts.
const AT_ONCE: usize = 8;

/// A project's models in a region.
#[derive(Debug)]
pub struct Vertex {
    endpoint: Endpoint,
    place: Place,
    /// Whether the user's own headers say whose quota it is.
    says_quota: bool,
}

/// What a request says whose quota it uses.
const QUOTA_PROJECT: &str = "x-goog-user-project";

/// What it is made of.
#[derive(Debug)]
pub struct VertexArgs {
    /// The pool of connections.
    pub transport: Arc<Transport>,
    /// Its address, with or without a version at its end; [`vertex_base`] knows that of a region.
    pub base: Url,
    /// The project; without, keys are sent that have one of their own (the express mode).
    pub project: Option<String>,
    /// The region, such as [`GLOBAL`].
    pub region: String,
    /// Headers for every request, beyond those of the wires.
    pub headers: BTreeMap<String, String>,
}

impl Vertex {
    /// A project's models in a region.
    ///
    /// # Errors
    /// `Config`: a header that can't be one.
    pub fn new(args: VertexArgs) -> Result<Self, ChatError> {
        let says_quota = args.headers.keys().any(|name| name.eq_ignore_ascii_case(QUOTA_PROJECT));
        let endpoint = Endpoint::new(args.transport, args.base, &args.headers)?;
        Ok(Self { endpoint, place: Place { project: args.project, region: args.region }, says_quota })
    }

    fn request(
        &self,
        credential: &Credential,
        make: impl FnOnce(Client, Url) -> RequestBuilder,
        (version, path): (&str, &str),
    ) -> Result<RequestBuilder, ChatError> {
        let path = gemini::versioned(self.endpoint.base(credential), version, path);
        let request = self.endpoint.request(make, &path, credential)?;
        let key = match credential {
            Credential::None => return Ok(request),
            Credential::Token(_) if self.place.project.is_none() => {
                return Err(ChatError::new(ErrorKind::Config, "Vertex wants to be told the project")
                    .with_hint("set project = \"…\"; `gcloud config get project` says it"));
            }
            Credential::Token(token) => {
                let request = request.bearer_auth(token.token.expose_secret());
                let quota = token.account.as_ref().filter(|_| !self.says_quota);
                return Ok(match quota.and_then(|project| HeaderValue::from_str(project).ok()) {
                    Some(project) => request.header(QUOTA_PROJECT, project),
                    None => request,
                });
            }
            Credential::Key(key) => key.expose_secret(),
        };
        if !self.is_api_key(key) {
            return Ok(request.bearer_auth(key));
        }
        let mut key = HeaderValue::from_str(key).map_err(|_| {
            ChatError::new(ErrorKind::Config, "the key has characters that can't be sent")
                .with_hint("check that the key was copied whole and without line ends")
        })?;
        key.set_sensitive(true);
        Ok(request.header("x-goog-api-key", key))
    }

    /// Whether a key is one of an API, in contrast to a token that was given outright. Without a project nothing else lets
    /// in; with one it is told by how Google's keys begin.
    fn is_api_key(&self, key: &str) -> bool {
        self.place.project.is_none() || key.starts_with("AIza") || key.starts_with("AQ.")
    }

    fn post(&self, credential: &Credential, version: &str, path: &str) -> Result<RequestBuilder, ChatError> {
        self.request(credential, |client, url| client.post(url), (version, path))
    }

    async fn list(&self, credential: &Credential) -> Result<Vec<ModelInfo>, ChatError> {
        let mut models = self.published("google", credential).await?;
        models.retain(|id| id.starts_with("gemini-") || id.contains("embedding"));
        // The first one is the default, which has to be one that chats.
        models.sort_by_key(|id| id.contains("embedding"));
        if self.place.project.is_some() {
            match self.published("anthropic", credential).await {
                Ok(claude) => models.extend(claude.into_iter().filter(|id| id.starts_with("claude"))),
                Err(error) => tracing::debug!("Vertex does not list models of Anthropic's: {error}"),
            }
        }
        Ok(models.into_iter().map(ModelInfo::named).collect())
    }

    /// The ids of a publisher's models, whether or not the project may use them: of that there is no list.
    async fn published(&self, publisher: &str, credential: &Credential) -> Result<Vec<String>, ChatError> {
        let path = format!("publishers/{publisher}/models");
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
            let mut request = self.request(credential, get, (GOOGLE_VERSION, &path))?;
            // The list is of no project, so that of who asks has to be said.
            let is_said = self.says_quota || credential.account().is_some();
            if let Some(project) = self.place.project.as_ref().filter(|_| !is_said) {
                request = request.header(QUOTA_PROJECT, project);
            }
            let page = decode_publisher_models(&self.endpoint.fetch(request, credential, &decode_error).await?)?;
            models.extend(page.models.into_iter().map(|model| model.id));
            next = page.next;
            if next.is_none() {
                break;
            }
        }
        Ok(models)
    }

    async fn make_embeddings(&self, call: EmbedCall<'_>) -> Result<Embeddings, ChatError> {
        let EmbedCall { request, model, .. } = call;
        let Owner::Google { id } = Owner::of(model) else {
            let message = "only models of Google's make embeddings at Vertex";
            return Err(ChatError::new(ErrorKind::InvalidRequest, message));
        };
        let form = Form::of(id);
        let one = |texts| -> BoxFuture<'_, _> { Box::pin(self.embed_some(call, (id, form), texts)) };
        let texts = request.texts()?;
        let asked: Vec<_> = form.divide(&texts).into_iter().map(one).collect();
        let mut made = stream::iter(asked).buffered(AT_ONCE);
        let mut all = Embeddings { model: model.to_owned(), ..Embeddings::default() };
        while let Some(some) = made.next().await {
            join(&mut all, some?);
        }
        Ok(all)
    }

    async fn embed_some(
        &self,
        call: EmbedCall<'_>,
        (id, form): (&str, Form),
        texts: &[&str],
    ) -> Result<Embeddings, ChatError> {
        let (method, body) = match (form, texts) {
            (Form::EmbedContent, [text]) => ("embedContent", encode_embed_content(call.request, text)),
            _ => ("predict", encode_predict(call.request, texts)),
        };
        let request = self.post(call.credential, GOOGLE_VERSION, &self.place.google(id, method))?;
        let request = request.header("content-type", "application/json").body(body);
        let fetched = self.endpoint.fetch(request, call.credential, &decode_error).await;
        counted(decode_embeddings(&fetched.map_err(|error| hide_input(error, call.request))?)?, texts.len())
    }
}

/// What Claude takes here.
fn claude(call: ChatCall<'_>) -> anthropic_wire::Dialect {
    anthropic::dialect(call).on_vertex()
}

fn dialect(call: ChatCall<'_>) -> Dialect {
    gemini::dialect(call).on_vertex()
}

impl Provider for Vertex {
    fn kind(&self) -> &'static str {
        "vertex"
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
            match Owner::of(call.model) {
                Owner::Google { id } => {
                    let stream = |client: Client, mut url: Url| {
                        // Without it the answer is one JSON array.
                        url.query_pairs_mut().append_pair("alt", "sse");
                        client.post(url)
                    };
                    let path = self.place.google(id, "streamGenerateContent");
                    let request = self.request(call.credential, stream, (GOOGLE_VERSION, &path))?;
                    gemini::chat(&self.endpoint, request, &dialect(call), call, sink).await
                }
                Owner::Anthropic { id } => {
                    let path = self.place.anthropic(id, "streamRawPredict")?;
                    let request = self.post(call.credential, VERSION, &path)?;
                    anthropic::chat(&self.endpoint, request, &claude(call), call, sink).await
                }
                Owner::Other => {
                    let request = self.post(call.credential, VERSION, &self.place.openapi()?)?;
                    let asked = Asked::plain(&self.endpoint, "");
                    openai_chat::send(asked, request, &ChatDialect::COMPATIBLE, call, sink).await
                }
            }
        })
    }

    fn models<'a>(&'a self, credential: &'a Credential) -> BoxFuture<'a, Result<Vec<ModelInfo>, ChatError>> {
        Box::pin(self.list(credential))
    }

    fn embed<'a>(&'a self, call: EmbedCall<'a>) -> BoxFuture<'a, Result<Embeddings, ChatError>> {
        Box::pin(within(call.limit, self.make_embeddings(call)))
    }

    fn count_tokens<'a>(&'a self, call: ChatCall<'a>) -> BoxFuture<'a, Result<u64, ChatError>> {
        Box::pin(async move {
            match Owner::of(call.model) {
                Owner::Google { id } => {
                    let path = self.place.google(id, "countTokens");
                    let request = self.post(call.credential, GOOGLE_VERSION, &path)?;
                    gemini::count(&self.endpoint, request, &dialect(call), call).await
                }
                Owner::Anthropic { id } => {
                    let path = self.place.anthropic("count-tokens", "rawPredict")?;
                    let request = self.post(call.credential, VERSION, &path)?;
                    // What is asked is a model of its own, so the one whose tokens they are is named in the body.
                    let dialect = anthropic_wire::Dialect { model_in_body: true, ..claude(call) };
                    anthropic::count(&self.endpoint, request, &dialect, call, id).await
                }
                Owner::Other => {
                    let message = "tokens of models of other publishers can't be counted at Vertex";
                    Err(ChatError::new(ErrorKind::InvalidRequest, message))
                }
            }
        })
    }
}
