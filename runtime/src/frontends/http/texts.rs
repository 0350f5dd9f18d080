//! `POST /api/embeddings` and `POST /api/tokens`: what is made of texts without an answer, asked by the commands of those
//! names where a greenroom runs. Programs have `/v1/embeddings` and `/v1/messages/count_tokens`.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Request, State},
    http::StatusCode,
    response::Response,
    routing::post,
};
use greenroom_wire::{ChatRequest, EmbedRequest, Message};
use serde::{Deserialize, Serialize};

use super::{
    errors::{failed_in_api, json_response},
    sessions::{ApiError, read},
    site::App,
    who::Who,
};
use crate::{ChatError, ErrorKind};

/// The routes, which are the owner's.
pub(super) fn routes() -> Router<Arc<App>> {
    Router::new().route("/api/embeddings", post(embed)).route("/api/tokens", post(count))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Embed {
    model: String,
    input: Vec<String>,
    #[serde(default)]
    dimensions: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Count {
    model: String,
    text: String,
}

async fn embed(State(app): State<Arc<App>>, who: Who, request: Request) -> Result<Response, ApiError> {
    let (_, Embed { model, input, dimensions }) = read(&app, request).await?;
    let input = input.into_iter().map(Into::into).collect();
    let asked = EmbedRequest { model, input, dimensions, ..EmbedRequest::default() };
    Ok(told(app.runtime.embed_for(&asked, who.access().client().into()).await))
}

async fn count(State(app): State<Arc<App>>, who: Who, request: Request) -> Result<Response, ApiError> {
    let (_, Count { model, text }) = read(&app, request).await?;
    let asked = ChatRequest { model, messages: vec![Message::user(text)], ..ChatRequest::default() };
    Ok(told(app.runtime.count_tokens(&asked, &who.access().client().into()).await))
}

fn told(made: Result<impl Serialize, ChatError>) -> Response {
    match made {
        // A vector's numbers would be made longer on the way through a `Value`.
        Ok(made) => match serde_json::to_string(&made) {
            Ok(body) => json_response(StatusCode::OK, body),
            Err(error) => failed_in_api(&ChatError::new(ErrorKind::Server, format!("it has no JSON: {error}"))),
        },
        Err(error) => failed_in_api(&error),
    }
}
