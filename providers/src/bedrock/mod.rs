//! Amazon Bedrock, by AWS's SDK.
//!
//! The SDK signs, finds the address and takes the answer out of its frames. What is sent is written by
//! [`greenroom_wire::bedrock`] and put in the place of the SDK's own body before it is signed: the SDK's type of JSON is a
//! hash map, which would say the schemas of tools in another order in each process, so that no prompt cache would hit.
//! The network is reached through the transport of all providers (`connector`), and nothing is tried twice and nothing
//! timed but by this crate.

mod client;
mod connector;
mod drive;
mod embed;
mod error;
mod events;
mod frames;
mod list;

use std::{collections::BTreeMap, sync::Arc};

use futures::future::BoxFuture;
use greenroom_wire::{
    ChatError, Embeddings, ErrorKind,
    bedrock::{Dialect, base_model, encode_count, encode_request},
};
use url::Url;

use crate::{
    Capabilities, ChatCall, Credential, EmbedCall, ModelInfo, Provider, Sink,
    embeddings::within,
    endpoint::Endpoint,
    exchange::{counted, log_left_out},
    transport::Transport,
};
use client::Clients;

/// What stands for the address of a region's own endpoint, which the SDK finds.
const OWN_BASE: &str = "https://bedrock-runtime.amazonaws.com";

/// Bedrock in one region, or what stands in for it at another address.
#[derive(Debug)]
pub struct Bedrock {
    endpoint: Endpoint,
    clients: Clients,
}

/// What it is made of.
#[derive(Debug)]
pub struct BedrockArgs {
    /// The pool of connections.
    pub transport: Arc<Transport>,
    /// Its address, where it isn't that of the region.
    pub base: Option<Url>,
    /// The region, such as `us-east-1`; `None` leaves it to the AWS profile.
    pub region: Option<String>,
    /// The AWS profile that the SDK's own chain of credentials and the region are read from, where it isn't the default.
    pub profile: Option<String>,
    /// Headers for every request, beyond those of the wire.
    pub headers: BTreeMap<String, String>,
}

impl Bedrock {
    /// Makes it; nothing is read and nobody is asked before the first request.
    ///
    /// # Errors
    /// `Config`: a header that can't be one.
    pub fn new(args: BedrockArgs) -> Result<Self, ChatError> {
        let BedrockArgs { transport, base, region, profile, headers } = args;
        let own = OWN_BASE.parse().expect("it is an address");
        let endpoint = Endpoint::new(transport, base.clone().unwrap_or(own), &headers)?;
        Ok(Self { endpoint, clients: Clients::new(base, region, profile) })
    }

    async fn count(&self, call: ChatCall<'_>) -> Result<u64, ChatError> {
        let encoded = encode_count(call.request, call.provider, call.model, &dialect(call));
        log_left_out(call.provider, &encoded.left_out);
        let asked = async {
            let (client, _) = self.clients.whole(&self.endpoint, call.credential).await?;
            let request = client.count_tokens().model_id(base_model(call.model)).customize();
            let counted = request.mutate_request(self.sent(encoded.body)?).send().await;
            counted.map_err(error::of_request)
        };
        let tokens = counted(&self.endpoint, call, asked).await?;
        u64::try_from(tokens.input_tokens)
            .map_err(|_| ChatError::new(ErrorKind::Protocol, "the provider answered with no count"))
    }
}

/// What the model takes: by what is known of it, and else by its id.
fn dialect(call: ChatCall<'_>) -> Dialect {
    let by_id = Dialect::of_model(call.model).with_max_output(call.info.max_output);
    match call.info.reasoning {
        Some(false) => by_id.without_thinking(),
        _ => by_id,
    }
}

impl Provider for Bedrock {
    fn kind(&self) -> &'static str {
        "bedrock"
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
            let encoded = encode_request(call.request, call.provider, call.model, &dialect(call));
            log_left_out(call.provider, &encoded.left_out);
            let outcome = self.answer(call, encoded.body, encoded.names, sink).await;
            outcome.map_err(|error| self.endpoint.scrub(error, call.credential, Some(call.request)))
        })
    }

    fn models<'a>(&'a self, credential: &'a Credential) -> BoxFuture<'a, Result<Vec<ModelInfo>, ChatError>> {
        Box::pin(
            async move { self.list(credential).await.map_err(|error| self.endpoint.scrub(error, credential, None)) },
        )
    }

    fn embed<'a>(&'a self, call: EmbedCall<'a>) -> BoxFuture<'a, Result<Embeddings, ChatError>> {
        Box::pin(within(call.limit, self.make_embeddings(call)))
    }

    fn count_tokens<'a>(&'a self, call: ChatCall<'a>) -> BoxFuture<'a, Result<u64, ChatError>> {
        Box::pin(self.count(call))
    }
}
