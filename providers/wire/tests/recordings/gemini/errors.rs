//! Errors, against a table of their own.

use std::time::{Duration, SystemTime};

use greenroom_wire::{
    ErrorKind,
    gemini::{ErrorResponse, decode_error},
};
use serde_json::Value;

use super::equal;
use crate::load::Recording;

pub(super) fn check(recording: &Recording) -> Result<(), String> {
    let header = |name: &str| recording.header(name);
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_790_000_000);
    let error = decode_error(&ErrorResponse { status: recording.status, header: &header, body: &recording.body, now });
    let json: Value = serde_json::from_slice(&recording.body).unwrap_or(Value::Null);
    let json = json.get(0).unwrap_or(&json);
    equal("error kind", &error.kind, &kind(recording.status, &json["error"]))?;
    equal("status", &error.details.status, &Some(recording.status))?;
    let details = json["error"]["details"].as_array().into_iter().flatten();
    let delay =
        details.filter_map(|detail| detail["retryDelay"].as_str()?.strip_suffix('s')?.parse::<f64>().ok()).next();
    if let Some(seconds) = delay {
        equal("retry after", &error.details.retry_after, &Some(Duration::from_secs_f64(seconds)))?;
    }
    let message = &error.message;
    if message.trim().is_empty() || message.chars().count() > 501 || message.contains("<html") {
        return Err(format!("the message is not fit to show: {message:?}"));
    }
    let said = json["error"]["message"].as_str().unwrap_or_default();
    let first = said.split_whitespace().take(4).collect::<Vec<_>>().join(" ");
    if !message.contains(&first) {
        return Err(format!("the provider's words are lost: {message:?}"));
    }
    Ok(())
}

/// An error inside a stream, for which there is no status but its own.
pub(super) fn kind_in_stream(error: &Value) -> ErrorKind {
    kind(error["code"].as_u64().unwrap_or(0) as u16, error)
}

fn kind(status: u16, error: &Value) -> ErrorKind {
    let words = error["message"].as_str().unwrap_or_default().to_lowercase();
    let says = |text: &str| words.contains(text);
    let details = error["details"].to_string();
    match (status, error["status"].as_str().unwrap_or_default()) {
        (413, _) => ErrorKind::ContextOverflow,
        (400, _) if details.contains("API_KEY_INVALID") || says("api key not valid") => ErrorKind::Auth,
        (400, _) if says("exceeds the maximum number of tokens") => ErrorKind::ContextOverflow,
        (400, "FAILED_PRECONDITION") if says("location is not supported") => ErrorKind::Permission,
        (400, "FAILED_PRECONDITION") if says("billing") => ErrorKind::Billing,
        (403, _) if details.contains("BILLING_DISABLED") => ErrorKind::Billing,
        (403, _) if details.contains("CONSUMER_SUSPENDED") || says("reported as leaked") => ErrorKind::AuthPermanent,
        (403, _) if says("unregistered callers") => ErrorKind::Auth,
        (403, _) if says("cachedcontent not found") => ErrorKind::InvalidRequest,
        (429, _) if details.contains("PerDay") => ErrorKind::Billing,
        (401, _) => ErrorKind::Auth,
        (403, _) => ErrorKind::Permission,
        (404, _) => ErrorKind::NotFound,
        (429, _) => ErrorKind::RateLimited,
        (499, _) => ErrorKind::Cancelled,
        (503, _) => ErrorKind::Overloaded,
        (504, _) => ErrorKind::Timeout,
        (500.., _) => ErrorKind::Server,
        _ => ErrorKind::InvalidRequest,
    }
}
