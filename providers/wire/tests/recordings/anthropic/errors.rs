//! Errors, against a table of their own.

use std::time::{Duration, SystemTime};

use greenroom_wire::{
    ErrorKind,
    anthropic::{ErrorResponse, decode_error},
};
use serde_json::Value;

use crate::load::Recording;

pub(super) fn check(recording: &Recording) -> Result<(), String> {
    let header = |name: &str| recording.header(name);
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_790_000_000);
    let error = decode_error(&ErrorResponse { status: recording.status, header: &header, body: &recording.body, now });
    let json: Value = serde_json::from_slice(&recording.body).unwrap_or(Value::Null);
    let want = kind(recording.status, &json);
    if error.kind != want {
        return Err(format!("error kind: got {}, want {want}", error.kind));
    }
    if error.details.status != Some(recording.status) {
        return Err("the status is lost".into());
    }
    let seconds = recording.header("retry-after").and_then(|value| value.trim().parse::<f64>().ok());
    if let Some(seconds) = seconds
        && error.details.retry_after != Some(Duration::from_secs_f64(seconds))
    {
        return Err(format!("retry after: got {:?}, want {seconds} s", error.details.retry_after));
    }
    let want = recording.header("x-should-retry").map(|value| value == "true");
    if error.details.should_retry != want {
        return Err("x-should-retry is lost".into());
    }
    let message = &error.message;
    if message.trim().is_empty() || message.chars().count() > 501 || message.contains("<html") {
        return Err(format!("the message is not fit to show: {message:?}"));
    }
    let said = json["error"]["message"].as_str().or_else(|| json["message"].as_str()).unwrap_or_default();
    let first = said.split_whitespace().take(4).collect::<Vec<_>>().join(" ");
    if !message.contains(&first) {
        return Err(format!("the provider's words are lost: {message:?}"));
    }
    Ok(())
}

/// An error inside a stream, for which there is no status but what its type would have had.
pub(super) fn kind_in_stream(error: &Value) -> ErrorKind {
    let status = match error["type"].as_str() {
        Some("invalid_request_error") => 400,
        Some("api_error") => 500,
        _ => 0,
    };
    kind(status, &serde_json::json!({"error": error}))
}

fn kind(status: u16, json: &Value) -> ErrorKind {
    let error = if json["error"].is_object() { &json["error"] } else { json };
    let words = error["message"].as_str().unwrap_or_default().to_lowercase();
    let says = |text: &str| words.contains(text);
    match (status, error["type"].as_str().unwrap_or_default()) {
        (413, _) => ErrorKind::ContextOverflow,
        (400, _) if says("prompt is too long") || says("exceed context limit") => ErrorKind::ContextOverflow,
        (400, _) if says("credit balance is too low") => ErrorKind::Billing,
        (400, _) if says("content filtering policy") => ErrorKind::ContentFilter,
        (_, "authentication_error") | (401, _) => ErrorKind::Auth,
        (_, "billing_error") | (402, _) => ErrorKind::Billing,
        (_, "permission_error") | (403, _) => ErrorKind::Permission,
        (_, "not_found_error") | (404, _) => ErrorKind::NotFound,
        (_, "rate_limit_error") | (429, _) => ErrorKind::RateLimited,
        (_, "overloaded_error") | (529 | 503, _) => ErrorKind::Overloaded,
        (_, "timeout_error") | (504 | 408, _) => ErrorKind::Timeout,
        (500.., _) => ErrorKind::Server,
        (400.., _) => ErrorKind::InvalidRequest,
        _ => ErrorKind::Protocol,
    }
}
