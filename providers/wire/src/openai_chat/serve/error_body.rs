//! Errors, in OpenAI's shape.

use serde_json::{Value, json};

use crate::{
    error::{ChatError, ErrorKind},
    json::put_value,
};

/// The status and the body with which a client of this wire is told an error.
///
/// Status, `type` and `code` are those by which OpenAI's clients choose their exceptions and whether they try again.
/// Where several attempts were made, `attempts` lists each, oldest first; OpenAI's clients pass over what they don't know.
pub fn error_body(error: &ChatError) -> (u16, Vec<u8>) {
    let (status, object) = error_object(error);
    let mut body = Vec::new();
    put_value(&mut body, &object);
    (status, body)
}

pub(crate) fn error_object(error: &ChatError) -> (u16, Value) {
    let (status, kind, code) = shape(error.kind);
    let own = error.details.code.as_deref().filter(|_| error.kind == ErrorKind::InvalidRequest);
    let message = match &error.details.hint {
        Some(hint) => format!("{}; {hint}", error.message),
        None => error.message.clone(),
    };
    let mut object = json!({"message": message, "type": kind, "param": error.details.param, "code": own.or(code)});
    if !error.details.attempts.is_empty() {
        object["attempts"] = error.details.attempts.iter().map(attempt_object).collect();
    }
    (status, json!({"error": object}))
}

fn attempt_object(attempt: &ChatError) -> Value {
    let details = &attempt.details;
    let origin = details.origin.as_ref();
    json!({
        "provider": origin.map(|origin| &origin.provider),
        "model": origin.map(|origin| &origin.model),
        "kind": attempt.kind,
        "status": details.status,
        "message": attempt.message,
    })
}

fn shape(kind: ErrorKind) -> (u16, &'static str, Option<&'static str>) {
    match kind {
        ErrorKind::Auth => (401, "authentication_error", Some("invalid_api_key")),
        ErrorKind::AuthPermanent => (401, "authentication_error", Some("account_deactivated")),
        ErrorKind::Billing => (429, "insufficient_quota", Some("insufficient_quota")),
        ErrorKind::Permission => (403, "permission_error", Some("permission_denied")),
        ErrorKind::RateLimited => (429, "rate_limit_error", Some("rate_limit_exceeded")),
        ErrorKind::Overloaded => (503, "overloaded_error", Some("overloaded")),
        ErrorKind::Server => (502, "server_error", Some("provider_failed")),
        ErrorKind::Timeout => (504, "timeout_error", Some("timeout")),
        ErrorKind::Network => (502, "server_error", Some("provider_unreachable")),
        ErrorKind::Protocol => (502, "server_error", Some("provider_broke_off")),
        ErrorKind::NotFound => (404, "invalid_request_error", Some("model_not_found")),
        ErrorKind::InvalidRequest => (400, "invalid_request_error", None),
        ErrorKind::ContextOverflow => (400, "invalid_request_error", Some("context_length_exceeded")),
        ErrorKind::ContentFilter => (400, "invalid_request_error", Some("content_filter")),
        ErrorKind::Cancelled => (499, "invalid_request_error", Some("cancelled")),
        ErrorKind::Config => (500, "server_error", Some("configuration")),
        ErrorKind::Exhausted => (503, "server_error", Some("all_providers_failed")),
    }
}
