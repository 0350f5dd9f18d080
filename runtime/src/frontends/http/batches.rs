//! `/api/batches`: requests that can wait, handed to a provider together.

use std::{error::Error as _, sync::Arc};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Path, Query, Request, State, rejection::PathRejection},
    http::{
        HeaderValue, StatusCode,
        header::{CACHE_CONTROL, CONTENT_TYPE},
    },
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use futures::stream;
use serde::Deserialize;
use serde_json::json;

use super::{body, errors::json_response, sessions::ApiError, site::App};
use crate::{BatchError, BatchResults, ErrorKind};

/// The routes of batches, which are the owner's.
pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/api/batches", get(list).post(submit))
        .route("/api/batches/{id}", get(one))
        .route("/api/batches/{id}/results", get(results))
        .route("/api/batches/{id}/cancel", post(cancel))
}

#[derive(Deserialize)]
struct Submit {
    model: Option<String>,
}

/// `POST /api/batches?model=M`: the body has a request a line. It is looked at as a whole, and handed over behind the answer.
async fn submit(
    State(app): State<Arc<App>>,
    Query(Submit { model }): Query<Submit>,
    request: Request,
) -> Result<Response, ApiError> {
    let lines = body::read(request, app.max_body).await?;
    let batch = app.runtime.batches().submit(lines, model.as_deref()).await?;
    Ok(json_response(StatusCode::ACCEPTED, json!(batch).to_string()))
}

async fn list(State(app): State<Arc<App>>) -> Result<Response, ApiError> {
    let batches = app.runtime.batches().list().await?;
    Ok(json_response(StatusCode::OK, json!({"batches": batches}).to_string()))
}

#[derive(Deserialize)]
struct One {
    /// Whether its provider is asked.
    #[serde(default = "yes")]
    ask: bool,
}

fn yes() -> bool {
    true
}

/// `GET /api/batches/{id}?ask=false`
async fn one(
    State(app): State<Arc<App>>,
    id: Result<Path<String>, PathRejection>,
    Query(One { ask }): Query<One>,
) -> Result<Response, ApiError> {
    let (batches, id) = (app.runtime.batches(), known(id)?);
    let batch = if ask { batches.get(&id).await? } else { batches.known(&id).await? };
    Ok(json_response(StatusCode::OK, json!(batch).to_string()))
}

async fn cancel(
    State(app): State<Arc<App>>,
    id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, ApiError> {
    // Nothing in it matters.
    body::discard(request).await;
    let batch = app.runtime.batches().cancel(&known(id)?).await?;
    Ok(json_response(StatusCode::OK, json!(batch).to_string()))
}

#[derive(Deserialize)]
struct Form {
    #[serde(default)]
    raw: bool,
}

/// `GET /api/batches/{id}/results?raw=true`: a line for each request, read from the provider as the client takes them.
async fn results(
    State(app): State<Arc<App>>,
    id: Result<Path<String>, PathRejection>,
    Query(Form { raw }): Query<Form>,
) -> Result<Response, ApiError> {
    let mut results = app.runtime.batches().results(&known(id)?, raw).await?;
    // What can't be had at all is told by the status.
    let first = results.next().await?;
    let mut response = Body::from_stream(stream::unfold(Lines { first, results }, Lines::next)).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

struct Lines {
    first: Option<Bytes>,
    results: BatchResults,
}

impl Lines {
    /// An error cuts the body off, so that nobody takes it for whole.
    async fn next(mut self) -> Option<(Result<Bytes, BatchError>, Self)> {
        if let Some(first) = self.first.take() {
            return Some((Ok(first), self));
        }
        match self.results.next().await {
            Ok(Some(piece)) => Some((Ok(piece), self)),
            Ok(None) => None,
            Err(fault) => {
                tracing::warn!("the results of a batch break off: {fault}");
                Some((Err(fault), self))
            }
        }
    }
}

/// What can't be decoded is nobody's id.
fn known(id: Result<Path<String>, PathRejection>) -> Result<String, BatchError> {
    id.map(|Path(id)| id).map_err(|_| BatchError::NotFound)
}

impl From<BatchError> for ApiError {
    fn from(error: BatchError) -> Self {
        let status = match &error {
            BatchError::NotFound => StatusCode::NOT_FOUND,
            BatchError::NotEnded { .. } | BatchError::Ended { .. } | BatchError::UnderWay | BatchError::Failed(_) => {
                StatusCode::CONFLICT
            }
            BatchError::NotKept(_) | BatchError::Spool(_) | BatchError::NoStore => StatusCode::INSUFFICIENT_STORAGE,
            BatchError::Unreadable(_) => StatusCode::SERVICE_UNAVAILABLE,
            // Nobody here is wrong: whoever is asked behind it does not do it.
            BatchError::Provider(told) => match told.kind {
                ErrorKind::InvalidRequest if told.details.status.is_none() => StatusCode::BAD_REQUEST,
                _ => StatusCode::BAD_GATEWAY,
            },
            _ => StatusCode::BAD_REQUEST,
        };
        let message = match error.source() {
            Some(cause) => format!("{error}: {cause}"),
            None => error.to_string(),
        };
        Self::told(status, error.kind(), message, error.hint())
    }
}
