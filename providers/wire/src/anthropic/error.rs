//! Errors, from Anthropic's types (and Google's, on Vertex) to the kinds of the one policy.

use std::time::Duration;

use serde_json::Value;

use crate::{
    error::{ChatError, ErrorKind},
    error_response::{ErrorResponse, fit_to_show, not_json, retry_after},
};

/// What an error body says: `{type: "error", error: {type, message}}`, the same without its outer type (413), Google's
/// `{error: {code, status, message, details}}` alone or in a list, or a flat `{message}`.
#[derive(Debug, Default)]
struct Shape {
    message: String,
    /// Anthropic's type, Google's status, or another's code.
    code: Option<String>,
    /// Google's more exact reasons (`API_KEY_INVALID`), of which there may be several.
    reasons: Vec<String>,
    retry_delay: Option<Duration>,
}

/// Reads a response that is an error.
///
/// The provider's own type counts first, then the status, then its words where they are the only sign. A body that
/// cannot be read is an error of its status. A hint on when to retry counts here and nowhere else: Anthropic sends
/// `retry-after` with successful answers, too.
pub fn decode_error(response: &ErrorResponse<'_>) -> ChatError {
    let body = response.body.trim_ascii();
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let (mut error, delay) = match serde_json::from_slice::<Value>(body) {
        Ok(json @ (Value::Object(_) | Value::Array(_))) => {
            let shape = Shape::read(&json);
            (from_shape(&shape, Some(response.status)), shape.retry_delay)
        }
        _ => {
            let mut error = not_json(body, response.status);
            if response.status >= 300 {
                error.kind = by_words(&error.message.to_ascii_lowercase(), response.status)
                    .unwrap_or_else(|| by_status(response.status));
            }
            (error, None)
        }
    };
    error.details.status = Some(response.status);
    if response.status >= 300 {
        let words = String::from_utf8_lossy(&body[..body.len().min(4096)]);
        error.details.retry_after = retry_after(response, &words).or(delay);
        error.details.should_retry = response.should_retry();
    }
    error
}

/// An error that a stream says after it began, for which there is no status.
pub(crate) fn decode_error_event(body: &Value) -> ChatError {
    from_shape(&Shape::read(body), None)
}

impl Shape {
    fn read(body: &Value) -> Self {
        let body = body.get(0).unwrap_or(body);
        let error = match body.get("error") {
            Some(error @ Value::Object(_)) => error,
            Some(Value::String(text)) => return Self { message: text.clone(), ..Self::default() },
            _ => body,
        };
        let text = |key: &str| error.get(key)?.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        let details = error.get("details").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let seconds = |text: &str| text.strip_suffix('s')?.parse::<f64>().ok();
        let delay = details.iter().find_map(|detail| seconds(detail.get("retryDelay")?.as_str()?));
        Self {
            message: text("message").or_else(|| text("Message")).unwrap_or_default(),
            code: text("type").filter(|kind| kind != "error").or_else(|| text("status")).or_else(|| text("code")),
            reasons: details.iter().filter_map(|detail| Some(detail.get("reason")?.as_str()?.to_owned())).collect(),
            retry_delay: delay.and_then(|delay| Duration::try_from_secs_f64(delay).ok()),
        }
    }
}

fn from_shape(shape: &Shape, status: Option<u16>) -> ChatError {
    let mut message = fit_to_show(&shape.message);
    if message.is_empty() {
        message = match (&shape.code, status) {
            (Some(code), _) => fit_to_show(&format!("the provider answered with {code}")),
            (None, Some(status)) => format!("the provider answered with status {status}"),
            (None, None) => "the provider ended the answer with an error".into(),
        };
    }
    let mut error = ChatError::new(classify(shape, status), message);
    error.details.code = shape.code.as_deref().map(fit_to_show);
    error.details.status = status;
    error
}

fn classify(shape: &Shape, status: Option<u16>) -> ErrorKind {
    // Under status 200 the body's own type is the only sign.
    let status = status.filter(|status| *status >= 300);
    // What is too large is so whoever says it: the edge in front of the API answers with types of its own.
    if status == Some(413) {
        return ErrorKind::ContextOverflow;
    }
    let code = shape.code.as_deref().unwrap_or_default();
    let words = shape.message.to_ascii_lowercase();
    let kind = shape.reasons.iter().find_map(|reason| by_reason(reason));
    let generic = matches!(code, "invalid_request_error" | "INVALID_ARGUMENT" | "FAILED_PRECONDITION" | "");
    kind.or_else(|| by_words(&words, status.unwrap_or(400)).filter(|_| generic || status == Some(429)))
        .or_else(|| by_code(code))
        .unwrap_or_else(|| match (code, status) {
            (_, Some(status)) => by_status(status),
            ("invalid_request_error", None) => ErrorKind::InvalidRequest,
            ("api_error", None) => ErrorKind::Server,
            (_, None) => by_words(&words, 400).unwrap_or(ErrorKind::Protocol),
        })
}

/// Types that say what it is. What is not here (`invalid_request_error`, `api_error`) says less than the status.
fn by_code(code: &str) -> Option<ErrorKind> {
    Some(match code {
        "authentication_error" | "UNAUTHENTICATED" => ErrorKind::Auth,
        "billing_error" => ErrorKind::Billing,
        "permission_error" | "PERMISSION_DENIED" => ErrorKind::Permission,
        "not_found_error" | "NOT_FOUND" | "DeploymentNotFound" => ErrorKind::NotFound,
        "request_too_large" => ErrorKind::ContextOverflow,
        "rate_limit_error" | "RESOURCE_EXHAUSTED" => ErrorKind::RateLimited,
        "overloaded_error" | "UNAVAILABLE" => ErrorKind::Overloaded,
        "timeout_error" | "DEADLINE_EXCEEDED" => ErrorKind::Timeout,
        "CANCELLED" => ErrorKind::Cancelled,
        "INTERNAL" | "UNKNOWN" => ErrorKind::Server,
        "INVALID_ARGUMENT" | "FAILED_PRECONDITION" | "OUT_OF_RANGE" => ErrorKind::InvalidRequest,
        _ => return None,
    })
}

/// Google's reasons, where they say more than its status.
fn by_reason(reason: &str) -> Option<ErrorKind> {
    Some(match reason {
        "API_KEY_INVALID" | "ACCESS_TOKEN_EXPIRED" => ErrorKind::Auth,
        "BILLING_DISABLED" => ErrorKind::Billing,
        "CONSUMER_SUSPENDED" => ErrorKind::AuthPermanent,
        _ => return None,
    })
}

/// What only its words tell apart from a request that is wrong.
fn by_words(message: &str, status: u16) -> Option<ErrorKind> {
    const TOO_LONG: [&str; 6] = [
        "prompt is too long",
        "exceed context limit",
        "input is too long for requested model",
        "exceeds the maximum number of tokens allowed",
        "maximum context length",
        "request exceeds the maximum size",
    ];
    let says = |words: &[&str]| words.iter().any(|words| message.contains(words));
    if status == 429 {
        return message.starts_with("request too large").then_some(ErrorKind::ContextOverflow);
    }
    if !matches!(status, 400 | 403 | 422) {
        return None;
    }
    if says(&TOO_LONG) {
        Some(ErrorKind::ContextOverflow)
    } else if says(&["credit balance is too low", "reached your specified api usage limits"]) {
        Some(ErrorKind::Billing)
    } else if says(&["organization has been disabled"]) {
        Some(ErrorKind::AuthPermanent)
    } else if says(&["content filtering policy"]) {
        Some(ErrorKind::ContentFilter)
    } else {
        None
    }
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
        500.. => ErrorKind::Server,
        400..=499 => ErrorKind::InvalidRequest,
        _ => ErrorKind::Protocol,
    }
}
