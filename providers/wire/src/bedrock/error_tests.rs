use std::time::{Duration, SystemTime};

use super::*;
use ErrorKind::*;

fn read(status: u16, code: Option<&str>, body: &str) -> ChatError {
    let header = |name: &str| (name == "x-amzn-errortype").then(|| code.map(str::to_owned)).flatten();
    decode_error(&ErrorResponse { status, header: &header, body: body.as_bytes(), now: SystemTime::UNIX_EPOCH })
}

#[test]
fn types_and_statuses_are_kinds() {
    let rows: &[(u16, Option<&str>, &str, ErrorKind)] = &[
        (400, Some("ValidationException"), "malformed input request", InvalidRequest),
        (400, Some("ValidationException"), "Input is too long for requested model.", ContextOverflow),
        (400, None, "The model returned the following errors: Input Tokens Exceeded", ContextOverflow),
        (400, None, "prompt is too long: 3 tokens > 2 maximum", ContextOverflow),
        (400, Some("ServiceQuotaExceededException"), "quota", Billing),
        (403, Some("AccessDeniedException"), "You don't have access to the model", Permission),
        (403, Some("UnrecognizedClientException:http://internal.amazon.com/coral/"), "invalid token", Auth),
        (403, Some("ExpiredTokenException"), "expired", Auth),
        (403, Some("InvalidSignatureException"), "Signature expired: 2026", Auth),
        (403, Some("MissingAuthenticationToken"), "missing", Auth),
        (403, Some("IncompleteSignature"), "incomplete", Auth),
        (403, None, "no", Permission),
        (401, None, "no", Auth),
        (404, Some("ResourceNotFoundException"), "end of its life", NotFound),
        (408, Some("ModelTimeoutException"), "took too long", Timeout),
        (413, None, "too large", ContextOverflow),
        (424, Some("ModelErrorException"), "failed", Server),
        (424, None, "failed", Server),
        (429, Some("ThrottlingException:http://x/"), "Too many tokens, please wait before trying again.", RateLimited),
        (429, Some("ThrottlingException"), "Too many tokens per day, please wait before trying again.", Billing),
        (429, Some("ModelNotReadyException"), "not ready", Overloaded),
        (429, None, "Too many requests", RateLimited),
        (500, Some("InternalServerException"), "oops", Server),
        (503, Some("ServiceUnavailableException"), "Too many connections", Overloaded),
        (503, None, "busy", Overloaded),
        (502, None, "bad gateway", Server),
    ];
    for (status, code, message, kind) in rows {
        let error = read(*status, *code, &serde_json::json!({ "message": message }).to_string());
        assert_eq!(error.kind, *kind, "{status} {code:?} {message}");
        assert_eq!((error.message.as_str(), error.details.status), (*message, Some(*status)));
    }
}

#[test]
fn exceptions_of_a_stream_are_kinds() {
    let rows: &[(&str, &str, ErrorKind)] = &[
        ("validationException", "Reformat your input", InvalidRequest),
        ("validationException", "Input is too long for requested model.", ContextOverflow),
        ("throttlingException", "Too many requests", RateLimited),
        ("modelStreamErrorException", "failed", Server),
        ("modelTimeoutException", "late", Timeout),
        ("internalServerException", "oops", Server),
        ("serviceUnavailableException", "busy", Overloaded),
        ("somethingNewException", "new", Protocol),
        ("", "new", Protocol),
    ];
    for (code, message, kind) in rows {
        let error = decode_exception(code, serde_json::json!({ "message": message }).to_string().as_bytes());
        assert_eq!((error.kind, error.message.as_str()), (*kind, *message), "{code}");
    }
    assert_eq!(decode_exception("throttlingException", b"\xff{").kind, RateLimited);
    let silent = decode_exception("internalServerException", b"{}");
    assert_eq!(silent.message, "the provider answered with internalServerException");
}

#[test]
fn any_body_is_told_as_far_as_it_goes() {
    assert_eq!(read(403, None, r#"{"Message":"User is not authorized"}"#).message, "User is not authorized");
    assert_eq!(
        read(400, None, r#"{"__type":"com.amazon#ValidationException","message":"x"}"#).details.code.as_deref(),
        Some("ValidationException")
    );
    assert_eq!(read(400, None, r#"{"__type":"com.amazon#ThrottlingException","message":"x"}"#).kind, RateLimited);
    assert_eq!(read(502, None, "<html>").message, "the provider answered with HTML, not JSON (status 502)");
    assert_eq!(read(503, None, "").kind, Overloaded);
    assert_eq!(read(429, None, "[1]").kind, RateLimited);
    assert!(read(403, Some("InvalidSignatureException"), "{}").details.hint.unwrap().contains("clock"));
    let waits = read(429, None, r#"{"message":"try again in 2s"}"#).details.retry_after;
    assert_eq!(waits, Some(Duration::from_secs(2)));
}
