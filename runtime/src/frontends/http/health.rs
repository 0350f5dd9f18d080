//! How the server is.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode, response::Response};
use serde_json::json;

use super::{errors::json_response, site::App};

/// The process lives.
pub(super) async fn alive() -> Response {
    json_response(StatusCode::OK, r#"{"status":"alive"}"#)
}

/// Whether it can answer, and what is down if not. A store that can't keep anything is told of and is no reason to send
/// nobody here any more: answers need none.
pub(super) async fn ready(State(app): State<Arc<App>>) -> Response {
    let store = app.runtime.store();
    match app.runtime.ready() {
        Ok(()) => {
            let mut body = json!({"status": "ready", "store": store.state});
            if let Some(reason) = store.reason {
                body["reason"] = reason.into();
            }
            json_response(StatusCode::OK, body.to_string())
        }
        Err(error) => {
            let body = json!({"status": "down", "reason": error.message}).to_string();
            json_response(StatusCode::SERVICE_UNAVAILABLE, body)
        }
    }
}
