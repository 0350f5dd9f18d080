//! `POST /v1/messages/count_tokens`.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{HeaderValue, StatusCode},
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

/// Says how many tokens a prompt has: by the model's own vocabulary or as its provider counts them, else an estimate, which
/// `x-greenroom-estimated` says, and `x-greenroom-estimate-error` by what share of itself it may be wrong.
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
            if let Some(error) = counted.error {
                headers.insert("x-greenroom-estimated", HeaderValue::from_static("true"));
                if let Ok(error) = HeaderValue::try_from(format!("{error:.2}")) {
                    headers.insert("x-greenroom-estimate-error", error);
                }
            }
            response
        }
        Err(error) => asked.failed(&error),
    }
}
