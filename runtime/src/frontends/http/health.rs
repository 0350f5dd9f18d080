//! How the server is.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode, response::Response};
use serde_json::json;

use super::{errors::json_response, site::App};

/// The process lives.
pub(super) async fn alive() -> Response {
    json_response(StatusCode::OK, r#"{"status":"alive"}"#)
}

/// Whether it can answer, and what is down if not.
pub(super) async fn ready(State(app): State<Arc<App>>) -> Response {
    match app.runtime.ready() {
        Ok(()) => json_response(StatusCode::OK, r#"{"status":"ready"}"#),
        Err(error) => {
            let body = json!({"status": "down", "reason": error.message}).to_string();
            json_response(StatusCode::SERVICE_UNAVAILABLE, body)
        }
    }
}
