//! Errors as HTTP tells them: a status, and a JSON body in OpenAI's shape, in Anthropic's, or in our own below `/api`.

use std::time::Duration;

use axum::{
    body::Body,
    http::{
        HeaderMap, HeaderValue, Request, StatusCode,
        header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE},
    },
    response::{IntoResponse, Response},
};
use greenroom_wire::{ChatError, ErrorKind, anthropic, openai_chat};
use serde_json::json;

use super::site::RequestId;
use crate::event::Failure;

/// A request that is refused before anything is asked of a provider.
#[derive(Debug)]
pub(in crate::frontends) struct Refusal {
    status: StatusCode,
    kind: &'static str,
    code: &'static str,
    message: String,
    /// Seconds until it is worth to be asked again.
    retry_after: Option<u64>,
}

impl Refusal {
    /// A refusal; `kind` and `code` are words of OpenAI's where it has one, and `message` says what to do, too.
    pub(super) fn new(status: StatusCode, kind: &'static str, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, kind, code, message: message.into(), retry_after: None }
    }

    /// A request that came sooner than its client may ask again.
    pub(super) fn too_often(wait: Duration) -> Self {
        let seconds = whole_seconds(wait);
        let message = format!("this client asks more often than it may; ask again in {seconds} s");
        let refusal = Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limit_error", "rate_limit_exceeded", message);
        Self { retry_after: Some(seconds), ..refusal }
    }

    /// The response to this request, in the words of whoever asks so.
    pub(super) fn told<B>(self, request: &Request<B>) -> Response {
        let path = request.uri().path();
        let is_at = |root: &str| path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        if is_at("/api") || is_at("/mcp") {
            self.told_by_api()
        } else if is_at("/v1/messages") || is_at("/messages") || is_of_anthropic(request.headers()) {
            self.told_to_anthropic(RequestId::of(request))
        } else {
            self.into_response()
        }
    }

    /// The same for clients of Anthropic's.
    pub(super) fn told_to_anthropic(self, id: Option<&RequestId>) -> Response {
        let kind = anthropic::error_type(self.status.as_u16());
        self.with_body(anthropic::error_json(kind, &self.message, id.map(RequestId::as_str)))
    }

    /// The same in the words of our own API.
    pub(super) fn told_by_api(self) -> Response {
        let kind = match self.status {
            StatusCode::UNAUTHORIZED => ErrorKind::Auth,
            StatusCode::FORBIDDEN => ErrorKind::Permission,
            StatusCode::NOT_FOUND => ErrorKind::NotFound,
            StatusCode::REQUEST_TIMEOUT => ErrorKind::Timeout,
            StatusCode::TOO_MANY_REQUESTS => ErrorKind::RateLimited,
            StatusCode::SERVICE_UNAVAILABLE => ErrorKind::Overloaded,
            status if status.is_server_error() => ErrorKind::Server,
            _ => ErrorKind::InvalidRequest,
        };
        let mut error = json!({"kind": kind, "message": self.message});
        if let Some(seconds) = self.retry_after {
            error["retry_after"] = seconds.into();
        }
        self.with_body(json!({"error": error}))
    }

    fn with_body(&self, body: serde_json::Value) -> Response {
        let mut response = json_response(self.status, body.to_string());
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        response
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Self { kind, code, message, .. } = &self;
        let body = json!({"error": {"message": message, "type": kind, "param": null, "code": code}});
        self.with_body(body)
    }
}

/// Rounded up: asked a moment too early, one would be refused again.
pub(in crate::frontends) fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

/// A response of JSON.
pub(super) fn json_response(status: StatusCode, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// The response to a request that could not be answered.
pub(super) fn failed(error: &ChatError) -> Response {
    failed_with(error, openai_chat::error_body(error))
}

/// The same for clients of Anthropic's.
pub(super) fn failed_to_anthropic(error: &ChatError, id: Option<&RequestId>) -> Response {
    failed_with(error, anthropic::error_body(error, id.map(RequestId::as_str)))
}

/// The same in our own API.
pub(super) fn failed_in_api(error: &ChatError) -> Response {
    let (status, _) = openai_chat::error_body(error);
    failed_with(error, (status, json!({"error": Failure::from(error)}).to_string().into_bytes()))
}

/// Whether a request is of a client of Anthropic's: its libraries name the version of the API in each.
pub(super) fn is_of_anthropic(headers: &HeaderMap) -> bool {
    headers.contains_key("anthropic-version")
}

fn failed_with(error: &ChatError, (status, body): (u16, Vec<u8>)) -> Response {
    let status = StatusCode::from_u16(status).expect("every kind of error has a status of HTTP");
    let mut response = json_response(status, body);
    retry_headers(error, response.headers_mut());
    if let Some(origin) = &error.details.origin {
        say_way(&origin.provider, &origin.model, attempts(error), response.headers_mut());
    } else if let attempts @ 1.. = error.details.attempts.len() {
        response.headers_mut().insert("x-greenroom-attempts", attempts.into());
    }
    response
}

fn attempts(error: &ChatError) -> u32 {
    u32::try_from(error.details.attempts.len()).unwrap_or(u32::MAX).max(1)
}

/// When, and whether, OpenAI's clients and Anthropic's are to try again.
fn retry_headers(error: &ChatError, headers: &mut HeaderMap) {
    if let Some(wait) = error.details.retry_after {
        headers.insert(RETRY_AFTER, whole_seconds(wait).into());
    }
    // Clients take every 429 and 5xx for something that passes; these don't.
    if matches!(error.kind, ErrorKind::Billing | ErrorKind::Config) {
        headers.insert("x-should-retry", HeaderValue::from_static("false"));
    }
}

/// Says who answered, or was asked last, and how many attempts were made.
pub(super) fn say_way(provider: &str, model: &str, attempts: u32, headers: &mut HeaderMap) {
    for (name, value) in [("x-greenroom-provider", provider), ("x-greenroom-model", model)] {
        // An id with control characters is left out.
        if let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) {
            headers.insert(name, value);
        }
    }
    headers.insert("x-greenroom-attempts", attempts.into());
}
