//! What the owner alone can ask, through a [door](super::door): who holds the data directory, and that it hand over.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Request, State},
    http::StatusCode,
    response::Response,
    routing::{get, post},
};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{
    body,
    door::{Door, Holder},
    errors::{Refusal, json_response},
};

#[derive(Debug)]
struct Held {
    holder: Holder,
    hand_over: Option<CancellationToken>,
}

/// The routes of the owner.
pub(super) fn routes(door: &Door) -> Router {
    let held = Held { holder: door.holder.clone(), hand_over: door.hand_over.clone() };
    Router::new().route("/api/holder", get(holder)).route("/api/hand-over", post(hand_over)).with_state(Arc::new(held))
}

/// `GET /api/holder`: who holds the data directory.
async fn holder(State(held): State<Arc<Held>>) -> Response {
    json_response(StatusCode::OK, json!(held.holder).to_string())
}

/// `POST /api/hand-over`: has a holder that is no daemon end in good order, so that a daemon can take its place.
async fn hand_over(State(held): State<Arc<Held>>, request: Request) -> Response {
    // Nothing in it matters.
    body::discard(request).await;
    let Some(asked) = &held.hand_over else {
        let message = "a daemon does not hand over; stop it instead";
        return Refusal::new(StatusCode::CONFLICT, "invalid_request_error", "conflict", message).told_by_api();
    };
    asked.cancel();
    json_response(StatusCode::OK, r#"{"handing_over":true}"#)
}
