//! `POST /v1/messages/count_tokens`.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::StatusCode,
    response::Response,
};
use serde_json::json;

use super::{
    super::{
        errors::{json_response, say_way},
        site::App,
        who::Who,
    },
    asked::Asked,
};

/// Says how many tokens a prompt has: as its provider counts them, else an estimate, which
/// `x-greenroom-estimated` says.
pub(in super::super) async fn count(State(app): State<Arc<App>>, who: Who, request: Request) -> Response {
    let asked = match Asked::read(&app, &who, request).await {
        Ok(asked) => asked,
        Err(response) => return *response,
    };
    match app.runtime.count_tokens(&asked.served.request, &asked.caller).await {
        Ok(counted) => {
            let mut response = json_response(StatusCode::OK, json!({"input_tokens": counted.tokens}).to_string());
            let headers = response.headers_mut();
            say_way(&counted.provider, &counted.model, 1, headers);
            if counted.error.is_some() {
                headers.insert("x-greenroom-estimated", axum::http::HeaderValue::from_static("true"));
            }
            response
        }
        Err(error) => asked.failed(&error),
    }
}
