//! Providers that take batches: many requests handed over together, answered within a day.

mod anthropic;
mod openai;

use std::{io, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::{
    StreamExt as _,
    future::BoxFuture,
    stream::{self, BoxStream},
};
use greenroom_wire::{
    ChatError, ErrorKind,
    batch::{Asked, BatchForm, BatchStatus},
    encode::Encoded,
};
use reqwest::{Body, RequestBuilder};

use crate::{
    Credential, ModelInfo,
    drive::{DecodeError, ERROR_WAIT, cut, read_error},
    endpoint::Endpoint,
    transport::send_failure,
};

/// How long a question about a batch may take.
const ASK_LIMIT: Duration = Duration::from_secs(20);
/// How long what is handed over may take, which may be hundreds of megabytes.
const SEND_LIMIT: Duration = Duration::from_secs(30 * 60);
/// How long nothing may come of results.
const RESULT_IDLE: Duration = Duration::from_secs(60);

/// How a provider takes batches. Each of these is asked by a credential, to which its batches belong.
pub trait Batches: Send + Sync {
    /// The most that a batch may be.
    fn limits(&self) -> BatchLimits;

    /// In which form a request goes, by itself.
    ///
    /// # Errors
    /// `InvalidRequest`: batches here have none of its kind.
    fn form(&self, asked: &Asked, info: &ModelInfo, credential: &Credential) -> Result<BatchForm, ChatError>;

    /// Writes the body of a request in this form, which is that of all requests of the batch. `provider` is the configured
    /// name. With it, the features that it asks for by header.
    fn encode(&self, form: BatchForm, item: BatchItem<'_>) -> (Encoded, Vec<String>);

    /// Hands over a file with the requests, where that comes before the batch itself: the provider's id of the file.
    ///
    /// # Errors
    /// Why it is not there.
    fn upload<'a>(&'a self, call: BatchCall<'a>) -> BoxFuture<'a, Result<Option<String>, ChatError>>;

    /// Looks whether a file that may have been handed over is there.
    ///
    /// # Errors
    /// Why that is not known.
    fn find_upload<'a>(&'a self, call: BatchCall<'a>) -> BoxFuture<'a, Result<Option<String>, ChatError>>;

    /// Makes the batch, of the file if there is one.
    ///
    /// # Errors
    /// Why there is none; after `Network`, `Timeout` and `Protocol` there may be one all the same.
    fn create<'a>(
        &'a self,
        call: BatchCall<'a>,
        file: Option<&'a str>,
    ) -> BoxFuture<'a, Result<BatchStatus, ChatError>>;

    /// The batches among the newest that may be the one that was to be made: with its mark, or, where the API has no place
    /// for one, of the same time and number of requests.
    ///
    /// # Errors
    /// Why that is not known.
    fn find<'a>(&'a self, call: BatchCall<'a>) -> BoxFuture<'a, Result<Vec<BatchStatus>, ChatError>>;

    /// How far a batch is.
    ///
    /// # Errors
    /// Why that is not told.
    fn status<'a>(&'a self, id: &'a str, credential: &'a Credential) -> BoxFuture<'a, Result<BatchStatus, ChatError>>;

    /// Has a batch cancelled; what is answered stays.
    ///
    /// # Errors
    /// Why it isn't.
    fn cancel<'a>(&'a self, id: &'a str, credential: &'a Credential) -> BoxFuture<'a, Result<BatchStatus, ChatError>>;

    /// In how many parts there are results of a batch that has ended.
    fn parts(&self, status: &BatchStatus) -> usize;

    /// One part of the results of a batch that has ended, as it comes: lines, in the provider's own order.
    ///
    /// # Errors
    /// Why there is none; and as it comes, why there is no more of it.
    fn results<'a>(
        &'a self,
        status: &'a BatchStatus,
        part: usize,
        credential: &'a Credential,
    ) -> BoxFuture<'a, Result<BoxStream<'static, Result<Bytes, ChatError>>, ChatError>>;
}

/// The most that a batch may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchLimits {
    /// Requests.
    pub requests: u64,
    /// Bytes, as it is sent.
    pub bytes: u64,
    /// Different models.
    pub models: usize,
}

/// A request of a batch.
#[derive(Debug, Clone, Copy)]
pub struct BatchItem<'a> {
    /// What is asked; its model is ignored in favour of the next field.
    pub asked: &'a Asked,
    /// What is known of the model; its id is the provider's own.
    pub info: &'a ModelInfo,
    /// The provider's configured name.
    pub provider: &'a str,
    /// The profile's credential.
    pub credential: &'a Credential,
}

/// A batch that is to be handed over.
#[derive(Debug, Clone, Copy)]
pub struct BatchCall<'a> {
    /// Its form.
    pub form: BatchForm,
    /// Its mark, by which it is known again: letters, digits and `_`.
    pub mark: &'a str,
    /// How many requests it has.
    pub requests: u64,
    /// When it was first tried to hand it over, in seconds since 1970.
    pub since: u64,
    /// The features that its requests ask for by header.
    pub features: &'a [String],
    /// What is sent.
    pub body: &'a BatchBody,
    /// The profile's credential.
    pub credential: &'a Credential,
}

/// Opens what is sent, from its start.
pub type OpenBody = dyn Fn() -> BoxStream<'static, io::Result<Bytes>> + Send + Sync;

/// What is sent, which may be too large to be held.
#[derive(Clone)]
pub struct BatchBody {
    /// Its length in bytes.
    pub length: u64,
    /// Opens it.
    pub open: Arc<OpenBody>,
}

impl std::fmt::Debug for BatchBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BatchBody").field("length", &self.length).finish_non_exhaustive()
    }
}

impl BatchBody {
    /// A request with this body between `head` and `tail`, of a length that is told.
    fn send(&self, request: RequestBuilder, head: Vec<u8>, tail: Vec<u8>) -> RequestBuilder {
        let around = head.len().saturating_add(tail.len());
        let length = self.length.saturating_add(u64::try_from(around).unwrap_or(u64::MAX));
        let part = |bytes: Vec<u8>| stream::once(async move { Ok(Bytes::from(bytes)) });
        let whole = part(head).chain((self.open)()).chain(part(tail));
        request.header("content-length", length).body(Body::wrap_stream(whole))
    }
}

/// The results at an address, as they come.
async fn lines_of(
    endpoint: &Endpoint,
    request: RequestBuilder,
    credential: &Credential,
    decode: &DecodeError<'_>,
) -> Result<BoxStream<'static, Result<Bytes, ChatError>>, ChatError> {
    let silent = || ChatError::new(ErrorKind::Timeout, format!("nothing came for {} s", ASK_LIMIT.as_secs()));
    let sent = tokio::time::timeout(ASK_LIMIT, request.send()).await.map_err(|_| silent())?;
    let response = sent.map_err(send_failure)?;
    if !response.status().is_success() {
        return Err(endpoint.scrub(read_error(response, decode, ERROR_WAIT).await, credential, None));
    }
    let pieces = stream::try_unfold(response, |mut response| async move {
        match tokio::time::timeout(RESULT_IDLE, response.chunk()).await {
            Ok(Ok(Some(bytes))) => Ok(Some((bytes, response))),
            Ok(Ok(None)) => Ok(None),
            Ok(Err(error)) => Err(cut(error)),
            Err(_) => Err(ChatError::new(ErrorKind::Timeout, format!("nothing came for {} s", RESULT_IDLE.as_secs()))),
        }
    });
    Ok(pieces.boxed())
}
