//! OpenRouter, which asks whoever serves a model, and tells what each answer cost.

use std::{collections::BTreeMap, sync::Arc};

use futures::future::BoxFuture;
use greenroom_wire::{
    ChatError, Embeddings,
    openai_chat::{Dialect, decode_error},
    openrouter::{ListedModel, ModelPrice, decode_models},
};
use reqwest::Method;
use serde_json::{Map, Value};
use url::Url;

use crate::{
    Capabilities, ChatCall, Credential, EmbedCall, Health, Modalities, ModelInfo, Price, Provider, Sink,
    catalog::Date,
    cost::{MOST_TIERS, Tier, Tiers},
    embeddings::within,
    endpoint::Endpoint,
    openai_chat::{self, Asked},
    openai_responses,
    transport::Transport,
};

/// Where it is.
pub const OPENROUTER_BASE: &str = "https://openrouter.ai/api/v1";
/// Most texts of one request for embeddings.
const MOST_TEXTS: usize = 2048;
/// Most pages of models that are asked for; more than the list has.
const MOST_PAGES: usize = 20;

/// OpenRouter, or what stands in for it at another address.
#[derive(Debug)]
pub struct OpenRouter {
    endpoint: Endpoint,
    routing: Map<String, Value>,
    /// Whether it is spoken to in the Responses API.
    responses: bool,
}

/// What it is made of.
#[derive(Debug)]
pub struct OpenRouterArgs {
    /// The pool of connections.
    pub transport: Arc<Transport>,
    /// Its address up to and including the version.
    pub base: Url,
    /// Headers for every request; `HTTP-Referer` and `X-Title` name the program to it.
    pub headers: BTreeMap<String, String>,
    /// Fields for the body of every request (`provider`, `models`, `plugins`, `transforms`, `route`), where the request
    /// does not say them itself.
    pub routing: Map<String, Value>,
    /// Whether it is spoken to in the Responses API instead of chat completions.
    pub responses: bool,
}

impl OpenRouter {
    /// OpenRouter.
    ///
    /// # Errors
    /// `Config`: a header that can't be one.
    pub fn new(args: OpenRouterArgs) -> Result<Self, ChatError> {
        let OpenRouterArgs { transport, base, headers, routing, responses } = args;
        Ok(Self { endpoint: Endpoint::new(transport, base, &headers)?, routing, responses })
    }

    /// What the key is, which nobody else is told: the list of models is everybody's to read.
    async fn look_up_key(&self, credential: &Credential) -> Result<Health, ChatError> {
        let request = self.endpoint.bearer(Method::GET, "key", credential)?;
        match self.endpoint.fetch(request, credential, &decode_error).await {
            Ok(_) => Ok(Health { models: None }),
            // What stands in for it may know no keys.
            Err(error) if error.details.status == Some(404) => {
                Ok(Health { models: Some(self.list(credential).await?.len()) })
            }
            Err(error) => Err(error),
        }
    }

    async fn list(&self, credential: &Credential) -> Result<Vec<ModelInfo>, ChatError> {
        let mut models = Vec::new();
        let mut query: Option<String> = None;
        for _ in 0..MOST_PAGES {
            let get = |client: reqwest::Client, mut url: Url| {
                url.set_query(query.as_deref());
                client.get(url)
            };
            let request = self.endpoint.request(get, "models", credential)?;
            let request = match credential.expose() {
                Some(key) => request.bearer_auth(key),
                None => request,
            };
            let page = decode_models(&self.endpoint.fetch(request, credential, &decode_error).await?)?;
            models.extend(page.models.into_iter().map(info));
            let before = std::mem::replace(&mut query, page.next);
            if query.is_none() || query == before {
                break;
            }
        }
        Ok(models)
    }
}

fn info(model: ListedModel) -> ModelInfo {
    let modalities = |words: &Option<Vec<String>>| {
        let has = |word: &str| words.as_ref().map(|all| all.iter().any(|one| one == word));
        Modalities { images: has("image"), documents: has("file"), audio: has("audio"), video: has("video") }
    };
    ModelInfo {
        context: model.context,
        max_output: model.max_output,
        takes: modalities(&model.input),
        gives: modalities(&model.output),
        tools: model.takes("tools"),
        json_schema: model.takes("structured_outputs"),
        reasoning: model.takes("reasoning"),
        // That it may answer without thinking does not say when it does.
        reasoning_always: model.reasoning_mandatory.filter(|mandatory| *mandatory),
        sampling_params: model.takes("temperature"),
        deprecated: model.expires.as_deref().and_then(|day| Date::parse(day.get(..10)?)),
        price: model.price.as_ref().map(price),
        name: model.name,
        ..ModelInfo::named(model.id)
    }
}

fn price(price: &ModelPrice) -> Price {
    let tier = |(from, price): &(u64, ModelPrice)| Tier {
        above_tokens: from - 1,
        input: price.input,
        output: price.output,
        cache_read: price.cache_read,
        cache_write: price.cache_write,
        cache_write_1h: price.cache_write_1h,
    };
    let tiers: Vec<Tier> = price.overrides.iter().take(MOST_TIERS).map(tier).collect();
    Price {
        cache_read: price.cache_read,
        cache_write: price.cache_write,
        cache_write_1h: price.cache_write_1h,
        tiers: Tiers::new(&tiers).unwrap_or_default(),
        ..Price::flat(price.input, price.output)
    }
}

impl Provider for OpenRouter {
    fn kind(&self) -> &'static str {
        "openrouter"
    }

    fn health<'a>(&'a self, credential: &'a Credential) -> BoxFuture<'a, Result<Health, ChatError>> {
        Box::pin(self.look_up_key(credential))
    }

    fn capabilities(&self) -> Capabilities {
        let local = self.endpoint.is_local();
        let (audio, responses) = (!self.responses, Some(self.responses));
        Capabilities { tools: true, images: true, documents: true, audio, json_schema: true, local, responses }
    }

    fn chat<'a>(&'a self, call: ChatCall<'a>, sink: &'a mut dyn Sink) -> BoxFuture<'a, Result<(), ChatError>> {
        Box::pin(async move {
            let at = |path| Asked { fields: &self.routing, ..Asked::plain(&self.endpoint, path) };
            match self.responses {
                true => openai_responses::chat(at("responses"), call, sink).await,
                false => openai_chat::chat(at("chat/completions"), &Dialect::OPENROUTER, call, sink).await,
            }
        })
    }

    fn embed<'a>(&'a self, call: EmbedCall<'a>) -> BoxFuture<'a, Result<Embeddings, ChatError>> {
        let asked = Asked::plain(&self.endpoint, "embeddings");
        Box::pin(within(call.limit, openai_chat::embed(asked, MOST_TEXTS, call)))
    }

    fn models<'a>(&'a self, credential: &'a Credential) -> BoxFuture<'a, Result<Vec<ModelInfo>, ChatError>> {
        Box::pin(self.list(credential))
    }
}
