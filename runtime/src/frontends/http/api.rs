//! greenroom's own API.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode, response::Response};
use serde_json::json;

use super::{errors::json_response, site::App};

/// `GET /api/providers`: how the providers and their profiles are.
pub(super) async fn providers(State(app): State<Arc<App>>) -> Response {
    let providers = app.runtime.providers().await;
    json_response(StatusCode::OK, json!({"providers": providers}).to_string())
}
