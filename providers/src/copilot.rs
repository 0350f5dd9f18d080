//! GitHub Copilot, which asks many models in OpenAI's languages, each in that which it is listed with.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures::future::BoxFuture;
use greenroom_wire::{
    ChatError, ChatRequest, Embeddings, ErrorKind, Part, Role,
    copilot::{CopilotModel, decode_models, enabled_policy},
    openai_chat::{Dialect, decode_copilot_error},
};
use reqwest::{
    Method,
    header::{HeaderMap, HeaderValue},
};
use url::Url;

use crate::{
    Capabilities, ChatCall, Credential, EmbedCall, Modalities, ModelInfo, Provider, Sink,
    embeddings::within,
    endpoint::Endpoint,
    openai_chat::{self, Asked},
    openai_responses,
    transport::Transport,
};

/// Who asks, in the words of an editor, which is what Copilot takes everybody for; and the version of its interface that is
/// spoken. Nobody else's name is here.
pub const OWN_HEADERS: [(&str, &str); 3] = [
    ("editor-version", concat!("greenroom/", env!("CARGO_PKG_VERSION"))),
    ("editor-plugin-version", concat!("greenroom/", env!("CARGO_PKG_VERSION"))),
    ("x-github-api-version", "2025-05-01"),
];
/// Most texts of one request for embeddings; the smallest bound of a listed model.
const MOST_TEXTS: usize = 256;
/// How long the list of models is waited for once a model was refused.
const LIST_WAIT: Duration = Duration::from_secs(10);

const CHAT: &str = "chat/completions";
const RESPONSES: &str = "responses";

/// Copilot, at GitHub or at an Enterprise's.
#[derive(Debug)]
pub struct Copilot {
    endpoint: Endpoint,
    responses: Option<bool>,
    enable_models: bool,
}

/// What it is made of.
#[derive(Debug)]
pub struct CopilotArgs {
    /// The pool of connections.
    pub transport: Arc<Transport>,
    /// Its address, for tokens that are not for another; see [`copilot_base`](crate::auth::copilot_base).
    pub base: Url,
    /// Headers for every request, which go before [`OWN_HEADERS`]; `Copilot-Integration-Id` may be among them.
    pub headers: BTreeMap<String, String>,
    /// Whether it is spoken to in the Responses API, or else in chat completions; `None` leaves it to the model.
    pub responses: Option<bool>,
    /// Whether a model whose terms the account has not accepted is enabled when it is first asked.
    pub enable_models: bool,
}

impl Copilot {
    /// Copilot.
    ///
    /// # Errors
    /// `Config`: a header that can't be one.
    pub fn new(args: CopilotArgs) -> Result<Self, ChatError> {
        let CopilotArgs { transport, base, headers, responses, enable_models } = args;
        let mut endpoint = Endpoint::new(transport, base, &headers)?;
        for (name, value) in OWN_HEADERS {
            endpoint = endpoint.with_default(name, value);
        }
        Ok(Self { endpoint, responses, enable_models })
    }

    /// Whether a call is made in the Responses API: as was configured, else as the model is known to be asked.
    fn in_responses(&self, call: &ChatCall<'_>) -> bool {
        self.responses.or(call.info.responses_only).unwrap_or_else(|| call.model.contains("codex"))
    }

    async fn answer(&self, call: ChatCall<'_>, in_responses: bool, sink: &mut dyn Sink) -> Result<(), ChatError> {
        let headers = headers_of(call.request);
        let at =
            |path| Asked { headers: &headers, error: Some(decode_copilot_error), ..Asked::plain(&self.endpoint, path) };
        let outcome = match in_responses {
            true => openai_responses::chat(at(RESPONSES), call, sink).await,
            false => openai_chat::chat(at(CHAT), &Dialect::COPILOT, call, sink).await,
        };
        outcome.map_err(|error| of_token(error, call.credential))
    }

    async fn seek_answer(&self, call: ChatCall<'_>, sink: &mut dyn Sink) -> Result<(), ChatError> {
        let in_responses = self.in_responses(&call);
        let refused = match self.answer(call, in_responses, sink).await {
            Err(error) if is_of_model(&error) => error,
            outcome => return outcome,
        };
        // A refused model is looked up, since the refusal does not say why. What can't be looked up changes nothing.
        let listed = tokio::time::timeout(LIST_WAIT, self.listed(call.credential)).await;
        let Some(model) = listed.ok().and_then(Result::ok).and_then(|all| find(all, call.model)) else {
            return Err(refused);
        };
        if let Some(policy) = model.policy.as_ref().filter(|policy| !policy.enabled) {
            if !self.enable_models {
                return Err(not_enabled(refused, policy.terms.as_deref()));
            }
            self.enable(call).await?;
            return self.answer(call, in_responses, sink).await;
        }
        match (self.responses, in_responses_of(&model)) {
            (None, Some(listed)) if listed != in_responses => self.answer(call, listed, sink).await,
            _ => Err(refused),
        }
    }

    /// Accepts the terms of the model on behalf of the account, as was configured.
    async fn enable(&self, call: ChatCall<'_>) -> Result<(), ChatError> {
        tracing::info!(provider = call.provider, model = call.model, "accepting the terms of a model, as configured");
        let path = format!("models/{}/policy", call.model);
        let request = self.endpoint.bearer(Method::POST, &path, call.credential)?;
        let request = request.header("content-type", "application/json").body(enabled_policy());
        self.endpoint.fetch(request, call.credential, &decode_copilot_error).await.map(drop).map_err(|error| {
            let hint = "accept the model's terms at https://github.com/settings/copilot, or have the organization's owner do it";
            error.with_hint(hint)
        })
    }

    async fn listed(&self, credential: &Credential) -> Result<Vec<CopilotModel>, ChatError> {
        let request = self.endpoint.bearer(Method::GET, "models", credential)?;
        let body = self.endpoint.fetch(request, credential, &decode_copilot_error).await;
        decode_models(&body.map_err(|error| of_token(error, credential))?)
    }

    async fn list(&self, credential: &Credential) -> Result<Vec<ModelInfo>, ChatError> {
        let mut models = self.listed(credential).await?;
        // The first one is the default, which has to be one that chats and that the account may ask.
        models.sort_by_key(|model| {
            let refused = model.policy.as_ref().is_some_and(|policy| !policy.enabled);
            (model.kind, refused, !model.offered)
        });
        Ok(models.into_iter().map(info).collect())
    }
}

fn find(models: Vec<CopilotModel>, id: &str) -> Option<CopilotModel> {
    models.into_iter().find(|model| model.id == id)
}

/// Whether a model is asked in the Responses API alone, where that is listed.
fn in_responses_of(model: &CopilotModel) -> Option<bool> {
    let (chat, responses) = (model.is_at("/chat/completions")?, model.is_at("/responses")?);
    (chat || responses).then_some(!chat)
}

fn info(model: CopilotModel) -> ModelInfo {
    ModelInfo {
        responses_only: in_responses_of(&model),
        name: model.name,
        context: model.context,
        max_input: model.max_input,
        max_output: model.max_output,
        takes: Modalities { images: model.images, ..Modalities::default() },
        tools: model.tools,
        json_schema: model.json_schema,
        reasoning: model.reasoning,
        ..ModelInfo::named(model.id)
    }
}

/// A refusal that may be of the model, and not of what was asked.
fn is_of_model(error: &ChatError) -> bool {
    let code = error.details.code.as_deref().unwrap_or_default();
    error.details.status.is_some()
        && (error.kind == ErrorKind::NotFound || code.starts_with("unsupported_api_for_model"))
}

fn not_enabled(refused: ChatError, terms: Option<&str>) -> ChatError {
    let mut error = ChatError::new(ErrorKind::Permission, "the account has not accepted the terms of this model");
    if let Some(terms) = terms.map(str::trim).filter(|terms| !terms.is_empty()) {
        let shown: String = terms.chars().take(300).collect();
        error.message = format!("{}: {shown}", error.message);
    }
    error.details.status = refused.details.status;
    error.details.code.clone_from(&refused.details.code);
    error.with_hint("accept them at https://github.com/settings/copilot, or set enable_models = true for this provider")
}

/// An exchanged token that has ended early is refused by 403 as well as by 401; only a new one shows which it was.
fn of_token(mut error: ChatError, credential: &Credential) -> ChatError {
    let exchanged = matches!(credential, Credential::Token(token) if token.base.is_some());
    if exchanged && error.kind == ErrorKind::Permission && error.details.code.is_none() {
        error.kind = ErrorKind::Auth;
    }
    error
}

/// What Copilot wants to know of a request.
fn headers_of(request: &ChatRequest) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let intent = if request.tools.is_empty() { "conversation-panel" } else { "conversation-agent" };
    headers.insert("openai-intent", HeaderValue::from_static(intent));
    headers.insert("x-initiator", HeaderValue::from_static(initiator(request)));
    if request.messages.iter().flat_map(|message| &message.parts).any(shows_image) {
        headers.insert("copilot-vision-request", HeaderValue::from_static("true"));
    }
    let id = HeaderValue::from_str(&request_id()).expect("hexadecimal digits and dashes can be sent");
    headers.insert("x-request-id", id);
    headers
}

/// Whether a person asks, which is what is billed, or a model goes on after a tool or from an answer that was cut.
fn initiator(request: &ChatRequest) -> &'static str {
    let last = request.messages.last();
    let by_person = last.is_none_or(|message| {
        let is_result = |part: &Part| matches!(part, Part::ToolResult { .. });
        !matches!(message.role, Role::Assistant | Role::Tool) && !message.parts.iter().any(is_result)
    });
    if by_person { "user" } else { "agent" }
}

fn shows_image(part: &Part) -> bool {
    match part {
        Part::Image { .. } => true,
        Part::ToolResult { parts, .. } => parts.iter().any(shows_image),
        _ => false,
    }
}

/// A random UUID (RFC 9562, version 4).
fn request_id() -> String {
    let bits = rand::random::<u128>() & !(0xf << 76) & !(0x3 << 62) | (0x4 << 76) | (0x2 << 62);
    let digits = format!("{bits:032x}");
    [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]].join("-")
}

impl Provider for Copilot {
    fn kind(&self) -> &'static str {
        "copilot"
    }

    fn capabilities(&self) -> Capabilities {
        let local = self.endpoint.is_local();
        let responses = self.responses;
        Capabilities { tools: true, images: true, documents: false, audio: false, json_schema: true, local, responses }
    }

    fn chat<'a>(&'a self, call: ChatCall<'a>, sink: &'a mut dyn Sink) -> BoxFuture<'a, Result<(), ChatError>> {
        Box::pin(self.seek_answer(call, sink))
    }

    fn models<'a>(&'a self, credential: &'a Credential) -> BoxFuture<'a, Result<Vec<ModelInfo>, ChatError>> {
        Box::pin(self.list(credential))
    }

    fn embed<'a>(&'a self, call: EmbedCall<'a>) -> BoxFuture<'a, Result<Embeddings, ChatError>> {
        Box::pin(async move {
            let asked = Asked { error: Some(decode_copilot_error), ..Asked::plain(&self.endpoint, "embeddings") };
            let made = within(call.limit, openai_chat::embed(asked, MOST_TEXTS, call)).await;
            made.map_err(|error| of_token(error, call.credential))
        })
    }
}

#[cfg(test)]
#[path = "copilot_tests.rs"]
mod tests;
