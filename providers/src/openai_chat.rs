//! OpenAI's chat completions, at whichever server speaks them.

use greenroom_wire::{
    ChatError, ChatRequest, EmbedRequest, Embeddings, ErrorResponse,
    chat::Wire,
    openai_chat::{
        Dialect, OpenaiChatDecoder, ThinkingForm, decode_answer, decode_embeddings, decode_error, encode_embed_request,
        encode_request,
    },
};
use reqwest::{Method, RequestBuilder, header::HeaderMap};
use serde_json::{Map, Value};

use crate::{
    ChatCall, Credential, EmbedCall, ModelInfo, Sink,
    drive::Language,
    embeddings::{counted, join},
    endpoint::Endpoint,
    exchange::{self, log_left_out, streamed},
    scrub::hide_input,
};

/// Who is asked for answers, and what goes with each request there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) endpoint: &'a Endpoint,
    /// Below the address.
    pub(crate) path: &'a str,
    /// Headers of this request alone.
    pub(crate) headers: &'a HeaderMap,
    /// What stands in the body unless the request says it itself.
    pub(crate) fields: &'a Map<String, Value>,
    /// How its errors are read; by the wire's own way if it is `None`.
    pub(crate) error: Option<fn(&ErrorResponse<'_>) -> ChatError>,
}

impl<'a> Asked<'a> {
    /// A server of which nothing more is wanted.
    pub(crate) fn plain(endpoint: &'a Endpoint, path: &'a str) -> Self {
        static NO_HEADERS: std::sync::LazyLock<HeaderMap> = std::sync::LazyLock::new(HeaderMap::new);
        static NO_FIELDS: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);
        Self { endpoint, path, headers: &NO_HEADERS, fields: &NO_FIELDS, error: None }
    }

    /// The request, with its credential.
    ///
    /// # Errors
    /// As [`Endpoint::request`].
    pub(crate) fn request(&self, credential: &Credential) -> Result<RequestBuilder, ChatError> {
        Ok(self.endpoint.bearer(Method::POST, self.path, credential)?.headers(self.headers.clone()))
    }
}

/// What a server takes once the model is known.
pub(crate) fn of_model(mut dialect: Dialect, info: &ModelInfo) -> Dialect {
    // Such a model refuses a request that says how hard it is to think.
    if info.reasoning == Some(false) {
        dialect.thinking = ThinkingForm::None;
    }
    dialect
}

/// Asks for one answer; see [`Provider::chat`](crate::Provider::chat).
///
/// # Errors
/// Why the attempt failed; what had come before it is in `sink`.
pub(crate) async fn chat(
    asked: Asked<'_>,
    dialect: &Dialect,
    call: ChatCall<'_>,
    sink: &mut dyn Sink,
) -> Result<(), ChatError> {
    send(asked, asked.request(call.credential)?, dialect, call, sink).await
}

/// The same by a request that has its address, its credential and its headers.
///
/// # Errors
/// As [`chat`].
pub(crate) async fn send(
    asked: Asked<'_>,
    request: RequestBuilder,
    dialect: &Dialect,
    call: ChatCall<'_>,
    sink: &mut dyn Sink,
) -> Result<(), ChatError> {
    let dialect = of_model(*dialect, call.info);
    let encoded = encode_request(call.request, call.provider, call.model, &dialect);
    log_left_out(call.provider, &encoded.left_out);
    let encoded = encoded.with_fields(asked.fields, Wire::OpenaiChat, call.request);
    let request = streamed(request);
    let choices = choices(call.request);
    let names = encoded.names;
    let language = Language {
        decoder: &mut OpenaiChatDecoder::new(choices).with_names(names.clone()),
        whole: &|body| decode_answer(body, choices, &names),
        error: &asked.error.unwrap_or(decode_error),
    };
    exchange::chat(asked.endpoint, request.body(encoded.body), language, call, sink).await
}

/// Makes texts into vectors, so many in one request at most; see [`Provider::embed`](crate::Provider::embed).
///
/// # Errors
/// Why there are none.
pub(crate) async fn embed(asked: Asked<'_>, most: usize, call: EmbedCall<'_>) -> Result<Embeddings, ChatError> {
    send_embed(asked, || asked.request(call.credential), most, call).await
}

/// The same by requests that have their address, their credential and their headers.
///
/// # Errors
/// As [`embed`].
pub(crate) async fn send_embed(
    asked: Asked<'_>,
    made: impl Fn() -> Result<RequestBuilder, ChatError>,
    most: usize,
    call: EmbedCall<'_>,
) -> Result<Embeddings, ChatError> {
    let EmbedCall { request, model, credential, .. } = call;
    let error = asked.error.unwrap_or(decode_error);
    let mut all = Embeddings::default();
    for some in request.input.chunks(most) {
        let some = EmbedRequest { input: some.to_vec(), ..request.clone() };
        let sent = made()?.header("content-type", "application/json").body(encode_embed_request(&some, model));
        let fetched = asked.endpoint.fetch(sent, credential, &error).await;
        let made = decode_embeddings(&fetched.map_err(|error| hide_input(error, request))?)?;
        join(&mut all, counted(made, some.input.len())?);
    }
    Ok(all)
}

/// How many answers at once were asked for (`n`), which the chat language has no word for.
fn choices(request: &ChatRequest) -> u32 {
    let n = request.extra.iter().find(|extra| extra.path == "/n").and_then(|extra| extra.json.as_u64());
    n.and_then(|n| u32::try_from(n).ok()).unwrap_or(1).max(1)
}
