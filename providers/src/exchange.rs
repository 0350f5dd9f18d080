//! What an exchange with a provider has in common, whatever it is written in.

use std::future::Future;

use greenroom_wire::{ChatError, ErrorKind, LeftOut};
use reqwest::RequestBuilder;

use crate::{
    ChatCall, Sink,
    drive::{self, DecodeError, Language},
    endpoint::Endpoint,
};

/// With the headers of a request whose answer is streamed as server-sent events.
pub(crate) fn streamed(request: RequestBuilder) -> RequestBuilder {
    request.header("content-type", "application/json").header("accept", "text/event-stream")
}

/// Sends a request whose answer goes to `sink` as it comes.
///
/// # Errors
/// Why the attempt failed, without what is nobody else's; what had come before it is in `sink`.
pub(crate) async fn chat(
    endpoint: &Endpoint,
    request: RequestBuilder,
    language: Language<'_>,
    call: ChatCall<'_>,
    sink: &mut dyn Sink,
) -> Result<(), ChatError> {
    let outcome = drive::chat(request, language, call.deadlines, sink).await;
    outcome.map_err(|error| endpoint.scrub(error, call.credential, Some(call.request)))
}

/// Sends a request that asks how many tokens a prompt has, and gives the body of the response.
///
/// # Errors
/// Why they are not counted, without what is nobody else's.
pub(crate) async fn count(
    endpoint: &Endpoint,
    request: RequestBuilder,
    body: Vec<u8>,
    call: ChatCall<'_>,
    error: &DecodeError<'_>,
) -> Result<Vec<u8>, ChatError> {
    let request = request.header("content-type", "application/json").body(body);
    counted(endpoint, call, endpoint.fetch(request, call.credential, error)).await
}

/// The same by a request that is sent in another way.
///
/// # Errors
/// As [`count`].
pub(crate) async fn counted<T>(
    endpoint: &Endpoint,
    call: ChatCall<'_>,
    asked: impl Future<Output = Result<T, ChatError>>,
) -> Result<T, ChatError> {
    tokio::time::timeout(call.deadlines.first_content, asked)
        .await
        .map_err(|_| ChatError::new(ErrorKind::Timeout, "the provider did not count the tokens in time"))?
        .map_err(|error| endpoint.scrub(error, call.credential, Some(call.request)))
}

/// Tells of what a request could not say in the provider's language.
pub(crate) fn log_left_out(provider: &str, left_out: &[LeftOut]) {
    for left_out in left_out {
        tracing::debug!(provider, at = left_out.at, "left out of a request: {}", left_out.what);
    }
}
