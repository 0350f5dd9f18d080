//! `/api/clients`: who may come in beside the owner.

use std::{error::Error as _, num::NonZeroU32, sync::Arc};

use axum::{
    Router,
    extract::{Path, Request, State, rejection::PathRejection},
    http::{HeaderValue, StatusCode, header::CACHE_CONTROL},
    response::{IntoResponse as _, Response},
    routing::{delete, get},
};
use secrecy::ExposeSecret as _;
use serde::Deserialize;
use serde_json::json;

use super::{
    body,
    errors::json_response,
    sessions::{ApiError, read},
    site::App,
};
use crate::{Client, ClientError, ErrorKind, NewClient, ShownClient, SpendBudget};

/// The routes of clients, which are the owner's.
pub(super) fn routes() -> Router<Arc<App>> {
    Router::new().route("/api/clients", get(list).post(add)).route("/api/clients/{name}", delete(revoke).patch(change))
}

/// What a new client is asked for with.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Add {
    name: String,
    #[serde(default)]
    models: Option<Vec<String>>,
    #[serde(default)]
    requests_per_minute: Option<NonZeroU32>,
    #[serde(default)]
    budget: Option<SpendBudget>,
}

/// What is changed of a client.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    /// Nothing takes the budget away; left out it would be the same, which nobody means.
    #[serde(deserialize_with = "Option::deserialize")]
    budget: Option<SpendBudget>,
}

/// Clients, with what those have spent who have a budget.
async fn list(State(app): State<Arc<App>>) -> Response {
    let mut clients = Vec::new();
    for client in app.runtime.clients().list() {
        clients.push(shown(&app, client).await);
    }
    json_response(StatusCode::OK, json!({"clients": clients}).to_string())
}

async fn shown(app: &App, client: Client) -> ShownClient {
    let spent_usd = match client.budget {
        // Not known is not nothing.
        Some(_) => app.runtime.spent(&client.name).await.ok().flatten(),
        None => None,
    };
    ShownClient { client, spent_usd }
}

async fn change(
    State(app): State<Arc<App>>,
    name: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, ApiError> {
    let Path(name) = name.map_err(|_| ClientError::NotFound)?;
    let (_, Change { budget }) = read(&app, request).await?;
    let client = app.runtime.clients().set_budget(&name, budget).await?;
    Ok(json_response(StatusCode::OK, json!(shown(&app, client).await).to_string()))
}

async fn add(State(app): State<Arc<App>>, request: Request) -> Result<Response, ApiError> {
    let (_, Add { name, models, requests_per_minute, budget }) = read(&app, request).await?;
    // Whoever writes that down may well mean that it is to ask none.
    if models.as_ref().is_some_and(Vec::is_empty) {
        let hint = "name some, or leave 'models' out for a client that may ask all";
        return Err(ApiError::told(StatusCode::BAD_REQUEST, ErrorKind::InvalidRequest, "'models' names none", hint));
    }
    let new = NewClient { name, models: models.unwrap_or_default(), requests_per_minute, budget };
    let (client, token) = app.runtime.clients().add(new).await?;
    let mut made = json!(client);
    made["token"] = token.expose_secret().into();
    let mut response = json_response(StatusCode::CREATED, made.to_string());
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

async fn revoke(
    State(app): State<Arc<App>>,
    name: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, ApiError> {
    // Nothing in it matters.
    body::discard(request).await;
    // What can't be decoded is nobody's name.
    let Path(name) = name.map_err(|_| ClientError::NotFound)?;
    app.runtime.clients().revoke(&name).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

impl From<ClientError> for ApiError {
    fn from(error: ClientError) -> Self {
        let status = match &error {
            ClientError::BadName | ClientError::Reserved | ClientError::BadModel | ClientError::TooManyModels => {
                StatusCode::BAD_REQUEST
            }
            ClientError::Taken => StatusCode::CONFLICT,
            ClientError::NotFound => StatusCode::NOT_FOUND,
            ClientError::NotKept(_) | ClientError::NotRevoked(_) => StatusCode::INSUFFICIENT_STORAGE,
        };
        let message = match error.source() {
            Some(cause) => format!("{error}: {cause}"),
            None => error.to_string(),
        };
        Self::told(status, error.kind(), message, error.hint())
    }
}
