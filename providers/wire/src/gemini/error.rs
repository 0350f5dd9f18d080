//! Errors, from Google's statuses and details to the kinds of the one policy.

use std::time::Duration;

use serde_json::Value;

use crate::{
    error::{ChatError, ErrorKind},
    error_response::{ErrorResponse, fit_to_show, not_json, retry_after, span},
};

/// What an error body says: `{error: {code, message, status, details}}`, alone or in a list.
#[derive(Debug, Default)]
struct Shape {
    message: String,
    /// The name of the status (`RESOURCE_EXHAUSTED`).
    status: Option<String>,
    /// The HTTP status, where there is none but this.
    code: Option<u16>,
    /// More exact reasons (`ErrorInfo`).
    reasons: Vec<String>,
    /// Which quotas were used up (`QuotaFailure`).
    quotas: Vec<String>,
    /// When to come again (`RetryInfo`).
    delay: Option<Duration>,
}

/// Reads a response that is an error, whatever content type it has.
///
/// Its reasons count first, then words where they are the only sign, then the name of its status, then the HTTP status. A
/// body that cannot be read is an error of its status.
pub fn decode_error(response: &ErrorResponse<'_>) -> ChatError {
    let body = response.body.trim_ascii();
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let body = body.strip_prefix(b"data:").map_or(body, <[u8]>::trim_ascii);
    let (mut error, delay) = match serde_json::from_slice::<Value>(body) {
        Ok(json @ (Value::Object(_) | Value::Array(_))) => {
            let shape = Shape::read(&json);
            (from_shape(&shape, Some(response.status)), shape.delay)
        }
        _ => {
            let mut error = not_json(body, response.status);
            if response.status >= 300 {
                error.kind = by_status(response.status);
            }
            (error, None)
        }
    };
    error.details.status = Some(response.status);
    if response.status >= 300 {
        let words = String::from_utf8_lossy(&body[..body.len().min(4096)]);
        let header = retry_after(response, "");
        error.details.retry_after = header.or(delay).or_else(|| retry_after(response, &words));
        error.details.should_retry = response.should_retry();
    }
    error
}

/// An error that a stream says after it began, for which there is no status but the one within it.
pub(super) fn decode_error_chunk(body: &Value) -> ChatError {
    let shape = Shape::read(body);
    let mut error = from_shape(&shape, shape.code);
    error.details.retry_after = shape.delay;
    error
}

impl Shape {
    fn read(body: &Value) -> Self {
        let body = body.get(0).unwrap_or(body);
        let error = match body.get("error") {
            Some(error @ Value::Object(_)) => error,
            Some(Value::String(text)) => return Self { message: text.clone(), ..Self::default() },
            _ => body,
        };
        let text = |of: &Value, key: &str| of.get(key)?.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        let details = error.get("details").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let violations = details.iter().filter_map(|detail| detail.get("violations")?.as_array()).flatten();
        let code = error.get("code").and_then(Value::as_u64).and_then(|code| u16::try_from(code).ok());
        Self {
            message: text(error, "message").unwrap_or_default(),
            status: text(error, "status"),
            code: code.filter(|code| (400..600).contains(code)),
            reasons: details.iter().filter_map(|detail| text(detail, "reason")).collect(),
            quotas: violations.filter_map(|violation| text(violation, "quotaId")).collect(),
            delay: details.iter().find_map(|detail| span(detail.get("retryDelay")?.as_str()?)),
        }
    }
}

fn from_shape(shape: &Shape, status: Option<u16>) -> ChatError {
    let mut message = fit_to_show(&shape.message);
    if message.is_empty() {
        message = match (&shape.status, status) {
            (Some(name), _) => fit_to_show(&format!("the provider answered with {name}")),
            (None, Some(status)) => format!("the provider answered with status {status}"),
            (None, None) => "the provider ended the answer with an error".into(),
        };
    }
    let mut error = ChatError::new(classify(shape, status), message);
    error.details.code = shape.reasons.first().or(shape.status.as_ref()).map(|code| fit_to_show(code));
    error.details.status = status;
    if shape.reasons.iter().any(|reason| reason == "SERVICE_DISABLED") {
        error = error.with_hint("enable the API for the key's project in Google's console");
    }
    error
}

fn classify(shape: &Shape, status: Option<u16>) -> ErrorKind {
    // Under status 200 the body's own is the only sign.
    let status = status.filter(|status| *status >= 300).or(shape.code);
    // What is too large is so whoever says it: the edge in front of the API answers with pages of its own.
    if status == Some(413) {
        return ErrorKind::ContextOverflow;
    }
    let name = shape.status.as_deref().unwrap_or_default();
    let by_words = by_words(&shape.message.to_ascii_lowercase(), name, status);
    let used_up = name == "RESOURCE_EXHAUSTED" || status == Some(429);
    if used_up && shape.quotas.iter().any(|quota| quota.contains("PerDay")) {
        return ErrorKind::Billing;
    }
    let by_reason = shape.reasons.iter().find_map(|reason| by_reason(reason));
    let by_name = by_reason.or(by_words).or_else(|| by_name(name));
    by_name.or_else(|| status.map(by_status)).unwrap_or(match name {
        "" => ErrorKind::Protocol,
        _ => ErrorKind::Server,
    })
}

/// Reasons that say more than the status.
fn by_reason(reason: &str) -> Option<ErrorKind> {
    Some(match reason {
        "API_KEY_INVALID" | "ACCESS_TOKEN_EXPIRED" | "CREDENTIALS_MISSING" => ErrorKind::Auth,
        "CONSUMER_SUSPENDED" | "ACCOUNT_STATE_INVALID" => ErrorKind::AuthPermanent,
        "BILLING_DISABLED" => ErrorKind::Billing,
        _ => return None,
    })
}

/// What only its words tell apart.
fn by_words(message: &str, name: &str, status: Option<u16>) -> Option<ErrorKind> {
    let says = |words: &str| message.contains(words);
    let is = |of: &str, number| name == of || (name.is_empty() && status == Some(number));
    if is("INVALID_ARGUMENT", 400) {
        return match () {
            () if says("exceeds the maximum number of tokens allowed") => Some(ErrorKind::ContextOverflow),
            () if says("request payload size exceeds") => Some(ErrorKind::ContextOverflow),
            () if says("api key not valid") || says("api key expired") => Some(ErrorKind::Auth),
            () => None,
        };
    }
    if name == "FAILED_PRECONDITION" {
        return match () {
            () if says("location is not supported") => Some(ErrorKind::Permission),
            () if says("billing") => Some(ErrorKind::Billing),
            () => None,
        };
    }
    if is("PERMISSION_DENIED", 403) {
        return match () {
            () if says("unregistered callers") => Some(ErrorKind::Auth),
            () if says("reported as leaked") => Some(ErrorKind::AuthPermanent),
            // A cache that is gone is the request's fault, and no sign of what the key may do.
            () if says("cachedcontent not found") => Some(ErrorKind::InvalidRequest),
            () => None,
        };
    }
    None
}

fn by_name(name: &str) -> Option<ErrorKind> {
    Some(match name {
        "UNAUTHENTICATED" => ErrorKind::Auth,
        "PERMISSION_DENIED" => ErrorKind::Permission,
        "NOT_FOUND" => ErrorKind::NotFound,
        "RESOURCE_EXHAUSTED" => ErrorKind::RateLimited,
        "UNAVAILABLE" => ErrorKind::Overloaded,
        "DEADLINE_EXCEEDED" => ErrorKind::Timeout,
        "CANCELLED" => ErrorKind::Cancelled,
        "INTERNAL" | "UNKNOWN" | "DATA_LOSS" | "ABORTED" => ErrorKind::Server,
        "INVALID_ARGUMENT" | "FAILED_PRECONDITION" | "OUT_OF_RANGE" | "UNIMPLEMENTED" => ErrorKind::InvalidRequest,
        _ => return None,
    })
}

fn by_status(status: u16) -> ErrorKind {
    match status {
        401 => ErrorKind::Auth,
        402 => ErrorKind::Billing,
        403 => ErrorKind::Permission,
        404 => ErrorKind::NotFound,
        408 | 504 | 524 => ErrorKind::Timeout,
        413 => ErrorKind::ContextOverflow,
        424 | 503 | 529 => ErrorKind::Overloaded,
        429 => ErrorKind::RateLimited,
        499 => ErrorKind::Cancelled,
        501 => ErrorKind::InvalidRequest,
        500.. => ErrorKind::Server,
        400..=499 => ErrorKind::InvalidRequest,
        _ => ErrorKind::Protocol,
    }
}
