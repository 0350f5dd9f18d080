//! Azure OpenAI and Microsoft Foundry: OpenAI's wires, at the address of a resource. What is asked for as a model is the
//! name of a deployment there.

mod dialect;
mod place;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use futures::future::BoxFuture;
use greenroom_wire::{
    ChatError, Embeddings, ErrorKind,
    openai_chat::{decode_error, decode_models},
    openai_responses,
};
use reqwest::{Client, RequestBuilder, header::HeaderValue};
use secrecy::ExposeSecret as _;
use serde::Deserialize;
use url::Url;

use self::{
    dialect::dialect,
    place::{Method, Surface, place},
};
use crate::{
    Capabilities, ChatCall, Credential, EmbedCall, ModelInfo, Provider, Sink,
    embeddings::within,
    endpoint::Endpoint,
    openai::{self, MOST_TEXTS},
    openai_chat::{self, Asked},
    openai_responses as responses,
    transport::Transport,
};

/// One resource.
#[derive(Debug)]
pub struct Azure {
    endpoint: Endpoint,
    surface: Surface,
    /// Whether it is spoken to in the Responses API; `None` leaves it to the model.
    responses: Option<bool>,
}

/// What a resource is made of.
#[derive(Debug)]
pub struct AzureArgs {
    /// The pool of connections.
    pub transport: Arc<Transport>,
    /// Its address, such as `https://mine.openai.azure.com`, with or without `/openai/v1` behind it; with `/models` it is
    /// the interface for models of other makers.
    pub base: Url,
    /// The date of the interface that names deployments in its paths ("2024-10-21"); without, it is the newer one, which
    /// has no dates.
    pub api_version: Option<String>,
    /// Headers for every request, beyond those of the wire.
    pub headers: BTreeMap<String, String>,
}

impl Azure {
    /// A resource.
    ///
    /// # Errors
    /// `Config`: a header that can't be one, or an address that can't have a path.
    pub fn new(args: AzureArgs) -> Result<Self, ChatError> {
        let (base, surface) = place(args.base, args.api_version.as_deref())?;
        Ok(Self { endpoint: Endpoint::new(args.transport, base, &args.headers)?, surface, responses: None })
    }

    /// The same, spoken to in one of its languages whatever the model: the Responses API, or else chat completions.
    #[must_use]
    pub fn with_responses(self, responses: bool) -> Self {
        Self { responses: Some(responses), ..self }
    }

    /// A request that is signed: a key goes in Azure's own header, a token of Entra's as a bearer token.
    fn request(
        &self,
        credential: &Credential,
        make: impl FnOnce(Client, Url) -> RequestBuilder,
        path: &str,
    ) -> Result<RequestBuilder, ChatError> {
        let versioned = |client: Client, mut url: Url| {
            if let Some(version) = self.surface.version() {
                url.query_pairs_mut().append_pair("api-version", version);
            }
            make(client, url)
        };
        let request = self.endpoint.request(versioned, path, credential)?;
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
        Ok(request.header("api-key", key))
    }

    async fn list(&self, credential: &Credential) -> Result<Vec<ModelInfo>, ChatError> {
        let path = self.surface.path(Method::Models, "")?;
        let request = self.request(credential, |client, url| client.get(url), &path)?;
        let body = self.endpoint.fetch(request, credential, &decode_error).await.map_err(hinted)?;
        let uses = uses(&body);
        let mut models = decode_models(&body)?;
        models.retain(|model| uses.get(&model.id).is_none_or(|uses| uses.chat_completion || uses.embeddings));
        // The first one is the default, which has to be one that chats.
        models.sort_by_key(|model| uses.get(&model.id).is_some_and(|uses| !uses.chat_completion));
        Ok(models.into_iter().map(openai::info).collect())
    }
}

/// What a base model can be deployed for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Uses {
    chat_completion: bool,
    embeddings: bool,
}

/// What the models of a list can be deployed for, where it says so.
fn uses(body: &[u8]) -> HashMap<String, Uses> {
    #[derive(Deserialize)]
    struct Listed {
        id: String,
        capabilities: Uses,
    }
    #[derive(Deserialize)]
    struct List {
        data: Vec<serde_json::Value>,
    }
    let list = serde_json::from_slice::<List>(body).map(|list| list.data).unwrap_or_default();
    let listed = list.into_iter().filter_map(|one| serde_json::from_value::<Listed>(one).ok());
    listed.map(|one| (one.id, one.capabilities)).collect()
}

/// What to do about what is Azure's own.
fn hinted(mut error: ChatError) -> ChatError {
    if error.details.hint.is_some() {
        return error;
    }
    let hint = match (error.kind, error.details.code.as_deref()) {
        (ErrorKind::ContentFilter, _) => {
            "Azure's content filter refused it: say it in other words, or give the deployment another filter in the portal"
        }
        (ErrorKind::NotFound, Some("DeploymentNotFound")) => {
            "ask for the model by the name of its deployment; one that was just made takes some minutes"
        }
        (ErrorKind::NotFound, Some("404")) => "check base_url, api_version, and that the deployment is there",
        (ErrorKind::Permission, _) => "check the network rules of the resource, and the role of who asks",
        _ => return error,
    };
    error.details.hint = Some(hint.to_owned());
    error
}

impl Provider for Azure {
    fn kind(&self) -> &'static str {
        "azure"
    }

    fn capabilities(&self) -> Capabilities {
        let local = self.endpoint.is_local();
        let audio = self.responses != Some(true);
        let responses = self.responses;
        Capabilities { tools: true, images: true, documents: true, audio, json_schema: true, local, responses }
    }

    fn chat<'a>(&'a self, call: ChatCall<'a>, sink: &'a mut dyn Sink) -> BoxFuture<'a, Result<(), ChatError>> {
        Box::pin(async move {
            let in_responses = self.responses.unwrap_or(call.info.responses_only == Some(true));
            let method = if in_responses { Method::Responses } else { Method::Chat };
            let path = self.surface.path(method, call.model)?;
            let request = self.request(call.credential, |client, url| client.post(url), &path)?;
            let asked = Asked::plain(&self.endpoint, &path);
            let outcome = if in_responses {
                let dialect = responses::of_model(openai_responses::Dialect::OPENAI, call.model, call.info);
                responses::send(asked, request, &dialect, call, sink).await
            } else {
                openai_chat::send(asked, request, &dialect(&self.surface, call.model), call, sink).await
            };
            outcome.map_err(hinted)
        })
    }

    fn models<'a>(&'a self, credential: &'a Credential) -> BoxFuture<'a, Result<Vec<ModelInfo>, ChatError>> {
        Box::pin(self.list(credential))
    }

    fn embed<'a>(&'a self, call: EmbedCall<'a>) -> BoxFuture<'a, Result<Embeddings, ChatError>> {
        Box::pin(within(call.limit, async move {
            let path = self.surface.path(Method::Embeddings, call.model)?;
            let request = || self.request(call.credential, |client, url| client.post(url), &path);
            let asked = Asked::plain(&self.endpoint, &path);
            openai_chat::send_embed(asked, request, MOST_TEXTS, call).await.map_err(hinted)
        }))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::AccessToken;

    fn request(credential: &Credential, version: Option<&str>) -> reqwest::Request {
        let transport = Arc::new(Transport::new(Duration::from_secs(1)));
        let base = "http://127.0.0.1:9/openai/v1".parse().unwrap();
        let api_version = version.map(str::to_owned);
        let azure = Azure::new(AzureArgs { transport, base, api_version, headers: BTreeMap::new() }).unwrap();
        let path = azure.surface.path(Method::Chat, "my model?").unwrap();
        azure.request(credential, |client, url| client.post(url), &path).unwrap().build().unwrap()
    }

    #[test]
    fn a_key_goes_as_azures_own_header_and_a_token_as_a_bearer_token() {
        let by_key = request(&Credential::Key("a-key-4711".into()), None);
        assert_eq!(by_key.url().as_str(), "http://127.0.0.1:9/openai/v1/chat/completions");
        assert_eq!(by_key.headers()["api-key"], "a-key-4711");
        assert!(by_key.headers()["api-key"].is_sensitive() && !by_key.headers().contains_key("authorization"));
        let token = AccessToken { token: "a-token-4711".into(), account: None, base: None };
        let by_token = request(&Credential::Token(token), Some("2024-10-21"));
        assert_eq!(by_token.headers()["authorization"], "Bearer a-token-4711");
        assert!(by_token.headers()["authorization"].is_sensitive() && !by_token.headers().contains_key("api-key"));
        let path = "http://127.0.0.1:9/openai/deployments/my%20model%3F/chat/completions?api-version=2024-10-21";
        assert_eq!(by_token.url().as_str(), path);
    }

    #[test]
    fn what_a_model_can_be_deployed_for_is_read_where_it_is_told() {
        let body =
            br#"{"data":[{"id":"a","capabilities":{"embeddings":true}},{"id":"b"},{"id":"c","capabilities":3},7]}"#;
        let uses = uses(body);
        assert!(uses.len() == 1 && uses["a"].embeddings && !uses["a"].chat_completion);
        assert!(super::uses(b"<html>").is_empty());
    }
}
