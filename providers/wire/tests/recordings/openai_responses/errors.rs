//! Errors, against a table of their own.

use std::time::{Duration, SystemTime};

use greenroom_wire::{
    ErrorKind,
    openai_responses::{ErrorResponse, decode_error},
};
use serde_json::Value;

use crate::load::Recording;

pub(super) fn check(recording: &Recording) -> Result<(), String> {
    let header = |name: &str| recording.header(name);
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_790_000_000);
    let error = decode_error(&ErrorResponse { status: recording.status, header: &header, body: &recording.body, now });
    let json: Value = serde_json::from_slice(&recording.body).unwrap_or(Value::Null);
    let said = if json["error"].is_object() { &json["error"] } else { &json };
    let want = kind(recording.status, said);
    if error.kind != want {
        return Err(format!("error kind: got {}, want {want}", error.kind));
    }
    if error.details.status != Some(recording.status) {
        return Err("the status is lost".into());
    }
    let words = said["message"].as_str().or_else(|| said["detail"].as_str()).unwrap_or_default();
    let first = words.split_whitespace().take(3).collect::<Vec<_>>().join(" ");
    if error.message.trim().is_empty() || !error.message.contains(&first) {
        return Err(format!("the provider's words are lost: {:?}", error.message));
    }
    let code = said["code"].as_str().or_else(|| said["type"].as_str());
    if error.details.code.as_deref() != code {
        return Err(format!("the code: got {:?}, want {code:?}", error.details.code));
    }
    Ok(())
}

/// An error inside a stream, for which there is no status.
pub(super) fn kind_in_stream(error: &Value) -> ErrorKind {
    kind(0, error)
}

fn kind(status: u16, error: &Value) -> ErrorKind {
    let words = error["message"].as_str().unwrap_or_default().to_lowercase();
    match (error["code"].as_str().unwrap_or_default(), status) {
        ("context_length_exceeded" | "string_above_max_length", _) => ErrorKind::ContextOverflow,
        (_, 400) if words.contains("context window") => ErrorKind::ContextOverflow,
        ("content_filter" | "content_policy_violation", _) => ErrorKind::ContentFilter,
        ("invalid_api_key", _) | (_, 401) => ErrorKind::Auth,
        ("insufficient_quota" | "billing_hard_limit_reached" | "credit_balance_exhausted", _) | (_, 402) => {
            ErrorKind::Billing
        }
        ("model_not_found", _) | (_, 404) => ErrorKind::NotFound,
        (_, 403) => ErrorKind::Permission,
        ("rate_limit_exceeded", _) | (_, 429) => ErrorKind::RateLimited,
        ("slow_down", _) | (_, 503) => ErrorKind::Overloaded,
        (_, 408 | 504) => ErrorKind::Timeout,
        ("server_error", _) | (_, 500..) => ErrorKind::Server,
        ("invalid_prompt", 0) | (_, 400..) => ErrorKind::InvalidRequest,
        _ => ErrorKind::Protocol,
    }
}
