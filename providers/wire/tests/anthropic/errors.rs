//! Error responses.

use std::time::{Duration, SystemTime};

use greenroom_wire::{
    ChatError, ErrorKind,
    anthropic::{ErrorResponse, decode_error},
};
use serde_json::{Value, json};

fn error_of(status: u16, headers: &[(&str, &str)], body: &[u8]) -> ChatError {
    let header = |name: &str| headers.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
    decode_error(&ErrorResponse { status, header: &header, body, now: SystemTime::UNIX_EPOCH })
}

fn kind(status: u16, kind: &str, message: &str) -> ErrorKind {
    let body = json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"});
    error_of(status, &[], body.to_string().as_bytes()).kind
}

#[test]
fn types_have_their_kinds() {
    use ErrorKind as Kind;
    let table = [
        (400, "invalid_request_error", "no", Kind::InvalidRequest),
        (400, "invalid_request_error", "prompt is too long: 9 tokens > 8 maximum", Kind::ContextOverflow),
        (
            400,
            "invalid_request_error",
            "input length and `max_tokens` exceed context limit: 1 + 2 > 2",
            Kind::ContextOverflow,
        ),
        (400, "invalid_request_error", "Your credit balance is too low to access the API", Kind::Billing),
        (400, "invalid_request_error", "Output blocked by content filtering policy", Kind::ContentFilter),
        (401, "authentication_error", "invalid x-api-key", Kind::Auth),
        (402, "billing_error", "pay", Kind::Billing),
        (403, "permission_error", "no", Kind::Permission),
        (404, "not_found_error", "model: x", Kind::NotFound),
        (413, "request_too_large", "Request exceeds the maximum size", Kind::ContextOverflow),
        (413, "invalid_request_error", "no", Kind::ContextOverflow),
        (429, "rate_limit_error", "Your prompt is too long for this minute", Kind::RateLimited),
        (500, "api_error", "Internal server error", Kind::Server),
        (504, "timeout_error", "late", Kind::Timeout),
        (529, "overloaded_error", "Overloaded", Kind::Overloaded),
        // What is not known, by its status.
        (418, "teapot_error", "short and stout", Kind::InvalidRequest),
        (503, "teapot_error", "short and stout", Kind::Overloaded),
    ];
    for (status, code, message, want) in table {
        assert_eq!(kind(status, code, message), want, "{status} {code}: {message}");
    }
}

#[test]
fn vertex_speaks_as_google_does() {
    let of = |code: u16, status: &str, details: Value| {
        let body = json!([{"error": {"code": code, "message": "no", "status": status, "details": details}}]);
        error_of(code, &[], body.to_string().as_bytes())
    };
    assert_eq!(of(401, "UNAUTHENTICATED", json!([])).kind, ErrorKind::Auth);
    assert_eq!(of(403, "PERMISSION_DENIED", json!([])).kind, ErrorKind::Permission);
    assert_eq!(of(403, "PERMISSION_DENIED", json!([{"reason": "BILLING_DISABLED"}])).kind, ErrorKind::Billing);
    assert_eq!(of(400, "INVALID_ARGUMENT", json!([{"reason": "API_KEY_INVALID"}])).kind, ErrorKind::Auth);
    assert_eq!(of(400, "INVALID_ARGUMENT", json!([])).kind, ErrorKind::InvalidRequest);
    assert_eq!(of(400, "FAILED_PRECONDITION", json!([])).kind, ErrorKind::InvalidRequest);
    assert_eq!(of(404, "NOT_FOUND", json!([])).kind, ErrorKind::NotFound);
    assert_eq!(of(503, "UNAVAILABLE", json!([])).kind, ErrorKind::Overloaded);
    assert_eq!(of(504, "DEADLINE_EXCEEDED", json!([])).kind, ErrorKind::Timeout);
    let limited = of(429, "RESOURCE_EXHAUSTED", json!([{"@type": "x"}, {"retryDelay": "41.5s"}]));
    assert_eq!(limited.kind, ErrorKind::RateLimited);
    assert_eq!(limited.details.retry_after, Some(Duration::from_millis(41_500)));
    assert_eq!(limited.details.code.as_deref(), Some("RESOURCE_EXHAUSTED"));
}

#[test]
fn hints_count_on_errors_only() {
    let headers = [("retry-after", "7"), ("x-should-retry", "true")];
    let limited = error_of(429, &headers, br#"{"error":{"type":"rate_limit_error","message":"slow"}}"#);
    assert_eq!(limited.details.retry_after, Some(Duration::from_secs(7)));
    assert_eq!(limited.details.should_retry, Some(true));
    assert_eq!(error_of(200, &headers, b"{}").details.retry_after, None);
}

#[test]
fn bodies_that_cannot_be_read_are_errors_of_their_status() {
    let page = error_of(502, &[], b"<html>secret</html>");
    assert_eq!(page.kind, ErrorKind::Server);
    assert!(page.message.contains("HTML") && !page.message.contains("secret"));
    assert_eq!(error_of(401, &[], b"").kind, ErrorKind::Auth);
    let plain = error_of(529, &[], b"Overloaded, come back");
    assert_eq!((plain.kind, plain.message.as_str()), (ErrorKind::Overloaded, "Overloaded, come back"));
    assert_eq!(error_of(403, &[], br#"{"message":"gateway says no"}"#).message, "gateway says no");
    assert_eq!(error_of(500, &[], b"{}").message, "the provider answered with status 500");
}

#[test]
fn keys_are_not_shown() {
    let body = br#"{"type":"error","error":{"type":"authentication_error","message":"bad key sk-ant-api03-abcdefgh"}}"#;
    assert_eq!(error_of(401, &[], body).message, "bad key [key]");
}
