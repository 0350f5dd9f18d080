//! greenroom's own API.

use std::sync::Arc;

use axum::{
    extract::{Path, Query, Request, State},
    http::StatusCode,
    response::Response,
};
use serde::Deserialize;
use serde_json::json;

use super::{body, errors::json_response, site::App};
use crate::{ErrorKind, Reset, ShownListing, event::Failure};

/// `GET /api/providers`: how the providers and their profiles are, and whether what is learnt of them is kept.
pub(super) async fn providers(State(app): State<Arc<App>>) -> Response {
    let providers = app.runtime.providers().await;
    json_response(StatusCode::OK, json!({"providers": providers, "store": app.runtime.store()}).to_string())
}

/// `POST /api/providers/{id}/reset`: clears a provider's marks, for good once this is answered.
pub(super) async fn reset_provider(State(app): State<Arc<App>>, Path(id): Path<String>, request: Request) -> Response {
    // Nothing in it matters.
    body::discard(request).await;
    match app.runtime.reset_provider(&id).await {
        Ok(Reset::Done) => json_response(StatusCode::OK, json!({"provider": id, "kept": true}).to_string()),
        Ok(Reset::NotKept(error)) => {
            let answer = json!({"provider": id, "kept": false, "reason": error.to_string(), "hint": error.hint()});
            json_response(StatusCode::OK, answer.to_string())
        }
        Ok(Reset::Unknown) => unknown_provider(&app, &id),
        Err(down) => error(
            StatusCode::SERVICE_UNAVAILABLE,
            "overloaded",
            &format!("the provider \"{id}\" can't be reset: {down}"),
            "ask again in a moment, or restart greenroom",
        ),
    }
}

/// `POST /api/providers/{id}/test`: whether each of a provider's profiles gets in. That one does not is an answer, no error.
pub(super) async fn test_provider(State(app): State<Arc<App>>, Path(id): Path<String>, request: Request) -> Response {
    // Nothing in it matters.
    body::discard(request).await;
    match app.runtime.test_provider(&id).await {
        Ok(Some(tested)) => json_response(StatusCode::OK, json!(tested).to_string()),
        Ok(None) => unknown_provider(&app, &id),
        Err(down) => error(
            StatusCode::SERVICE_UNAVAILABLE,
            "overloaded",
            &format!("the provider \"{id}\" can't be tested: {down}"),
            "ask again in a moment, or restart greenroom",
        ),
    }
}

/// What `GET /api/models` may be asked with.
#[derive(Deserialize)]
pub(super) struct ModelsQuery {
    provider: Option<String>,
}

/// `GET /api/models?provider=openai`: what can be named, asked of the providers unless they listed it minutes ago.
pub(super) async fn models(State(app): State<Arc<App>>, Query(query): Query<ModelsQuery>) -> Response {
    let listing = match &query.provider {
        None => app.runtime.fresh_models().await,
        Some(provider) if app.runtime.settings().provider(provider).is_none() => {
            return unknown_provider(&app, provider);
        }
        Some(provider) => app.runtime.fresh_models_of(provider).await,
    };
    let shown = ShownListing::from(&listing);
    json_response(StatusCode::OK, json!(shown).to_string())
}

/// What `GET /api/candidates` may be asked with.
#[derive(Deserialize)]
pub(super) struct CandidatesQuery {
    model: String,
}

/// `GET /api/candidates?model=NAME`: which models a name stands for, in the order in which they would be asked.
pub(super) async fn candidates(State(app): State<Arc<App>>, Query(query): Query<CandidatesQuery>) -> Response {
    match app.runtime.candidates(&query.model).await {
        Ok(candidates) => json_response(StatusCode::OK, json!({"candidates": candidates}).to_string()),
        Err(error) => {
            let status = match error.kind {
                ErrorKind::NotFound => StatusCode::NOT_FOUND,
                ErrorKind::Config => StatusCode::CONFLICT,
                _ => StatusCode::SERVICE_UNAVAILABLE,
            };
            json_response(status, json!({"error": Failure::from(&error)}).to_string())
        }
    }
}

fn unknown_provider(app: &App, name: &str) -> Response {
    let settings = app.runtime.settings();
    let known: Vec<&str> = settings.providers.iter().map(|known| known.name.as_str()).collect();
    let hint = format!("there are {}", known.join(", "));
    error(StatusCode::NOT_FOUND, "not_found", &format!("there is no provider \"{name}\""), &hint)
}

fn error(status: StatusCode, kind: &str, message: &str, hint: &str) -> Response {
    json_response(status, json!({"error": {"kind": kind, "message": message, "hint": hint}}).to_string())
}
