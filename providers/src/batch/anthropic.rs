//! Anthropic's Message Batches.

use bytes::Bytes;
use futures::{future::BoxFuture, stream::BoxStream};
use greenroom_wire::{
    ChatError, ChatRequest, ErrorKind,
    anthropic::{betas, decode_error, encode_request},
    batch::{Asked, BatchForm, BatchStatus, decode_anthropic_batch, decode_anthropic_batches},
    encode::Encoded,
};
use reqwest::{Client, RequestBuilder};
use url::Url;

use super::{ASK_LIMIT, BatchCall, BatchItem, BatchLimits, Batches, SEND_LIMIT, lines_of};
use crate::{
    ChatCall, Credential, Deadlines, ModelInfo,
    anthropic::{Anthropic, dialect},
    embeddings::within,
};

const BATCHES: &str = "messages/batches";
/// Most different models of one batch; the API has no bound, but what is kept of it has.
const MOST_MODELS: usize = 100;
/// How much the clocks of this machine and of the provider may differ, in seconds.
const CLOCKS: u64 = 300;

impl Anthropic {
    async fn one(&self, request: RequestBuilder, credential: &Credential) -> Result<BatchStatus, ChatError> {
        let body = within(ASK_LIMIT, self.endpoint.fetch(request, credential, &decode_error)).await?;
        decode_anthropic_batch(&body)
    }
}

fn get(client: Client, url: Url) -> RequestBuilder {
    client.get(url)
}

fn post(client: Client, url: Url) -> RequestBuilder {
    client.post(url)
}

impl Batches for Anthropic {
    fn limits(&self) -> BatchLimits {
        BatchLimits { requests: 100_000, bytes: 256 << 20, models: MOST_MODELS }
    }

    fn form(&self, asked: &Asked, _: &ModelInfo, _: &Credential) -> Result<BatchForm, ChatError> {
        match asked {
            Asked::Chat(_) => Ok(BatchForm::AnthropicMessages),
            Asked::Vectors(_) => Err(ChatError::new(ErrorKind::InvalidRequest, "Anthropic makes no embeddings")),
        }
    }

    fn encode(&self, _: BatchForm, item: BatchItem<'_>) -> (Encoded, Vec<String>) {
        let BatchItem { asked, info, provider, credential } = item;
        let empty = ChatRequest::default();
        let request = match asked {
            Asked::Chat(request) => request,
            // No form is given for it.
            Asked::Vectors(_) => &empty,
        };
        let deadlines = Deadlines { first_content: ASK_LIMIT, idle: ASK_LIMIT, silent: ASK_LIMIT, finish: ASK_LIMIT };
        let call = ChatCall { request, model: &info.id, info, provider, credential, deadlines: &deadlines };
        let encoded = encode_request(request, provider, &info.id, &dialect(call));
        (encoded, betas(request).map(str::to_owned).collect())
    }

    fn upload<'a>(&'a self, _: BatchCall<'a>) -> BoxFuture<'a, Result<Option<String>, ChatError>> {
        Box::pin(async { Ok(None) })
    }

    fn find_upload<'a>(&'a self, _: BatchCall<'a>) -> BoxFuture<'a, Result<Option<String>, ChatError>> {
        Box::pin(async { Ok(None) })
    }

    fn create<'a>(&'a self, call: BatchCall<'a>, _: Option<&'a str>) -> BoxFuture<'a, Result<BatchStatus, ChatError>> {
        Box::pin(async move {
            let request = self.request(call.credential, post, BATCHES)?;
            let request = request.headers(self.with_betas(call.features.iter().map(String::as_str)));
            let request = call.body.send(request.header("content-type", "application/json"), Vec::new(), Vec::new());
            let body = within(SEND_LIMIT, self.endpoint.fetch(request, call.credential, &decode_error)).await?;
            decode_anthropic_batch(&body)
        })
    }

    fn find<'a>(&'a self, call: BatchCall<'a>) -> BoxFuture<'a, Result<Vec<BatchStatus>, ChatError>> {
        Box::pin(async move {
            let newest = |client: Client, mut url: Url| {
                url.query_pairs_mut().append_pair("limit", "100");
                client.get(url)
            };
            let request = self.request(call.credential, newest, BATCHES)?;
            let body = within(ASK_LIMIT, self.endpoint.fetch(request, call.credential, &decode_error)).await?;
            let mut found = decode_anthropic_batches(&body)?;
            found.retain(|batch| {
                let is_since = batch.created.is_none_or(|at| at.saturating_add(CLOCKS) >= call.since);
                is_since && batch.counts.total == call.requests
            });
            Ok(found)
        })
    }

    fn status<'a>(&'a self, id: &'a str, credential: &'a Credential) -> BoxFuture<'a, Result<BatchStatus, ChatError>> {
        Box::pin(async move { self.one(self.request(credential, get, &format!("{BATCHES}/{id}"))?, credential).await })
    }

    fn cancel<'a>(&'a self, id: &'a str, credential: &'a Credential) -> BoxFuture<'a, Result<BatchStatus, ChatError>> {
        Box::pin(async move {
            self.one(self.request(credential, post, &format!("{BATCHES}/{id}/cancel"))?, credential).await
        })
    }

    fn parts(&self, _: &BatchStatus) -> usize {
        1
    }

    fn results<'a>(
        &'a self,
        status: &'a BatchStatus,
        _: usize,
        credential: &'a Credential,
    ) -> BoxFuture<'a, Result<BoxStream<'static, Result<Bytes, ChatError>>, ChatError>> {
        Box::pin(async move {
            // Not at the address that the batch names: the key goes to the configured one alone.
            let request = self.request(credential, get, &format!("{BATCHES}/{}/results", status.id))?;
            lines_of(&self.endpoint, request, credential, &decode_error).await
        })
    }
}
