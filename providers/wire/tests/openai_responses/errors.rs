//! Errors, as responses and inside streams.

use std::time::{Duration, SystemTime};

use greenroom_wire::{
    ErrorKind,
    openai_responses::{ErrorResponse, decode_error},
};
use serde_json::{Value, json};

use crate::harness::*;

fn kind_of(status: u16, body: &Value) -> ErrorKind {
    let header = |_: &str| None;
    let body = body.to_string();
    decode_error(&ErrorResponse { status, header: &header, body: body.as_bytes(), now: SystemTime::UNIX_EPOCH }).kind
}

#[test]
fn codes_tell_kinds() {
    let table = [
        (400, "context_length_exceeded", ErrorKind::ContextOverflow),
        (400, "model_not_found", ErrorKind::NotFound),
        (400, "previous_response_not_found", ErrorKind::InvalidRequest),
        (400, "unsupported_parameter", ErrorKind::InvalidRequest),
        (400, "image_content_policy_violation", ErrorKind::ContentFilter),
        (401, "invalid_api_key", ErrorKind::Auth),
        (429, "insufficient_quota", ErrorKind::Billing),
        (429, "rate_limit_exceeded", ErrorKind::RateLimited),
        (500, "server_error", ErrorKind::Server),
        (503, "slow_down", ErrorKind::Overloaded),
    ];
    for (status, code, kind) in table {
        let body = json!({"error": {"code": code, "message": "x", "param": null, "type": "invalid_request_error"}});
        assert_eq!(kind_of(status, &body), kind, "{code}");
    }
    assert_eq!(kind_of(400, &json!({"detail": "Instructions are required"})), ErrorKind::InvalidRequest);
    let flagged = json!({"error": {"code": "invalid_prompt", "message": "flagged as against our usage policy"}});
    assert_eq!(kind_of(400, &flagged), ErrorKind::ContentFilter);
}

#[test]
fn errors_inside_a_stream_are_classified_by_their_codes() {
    let table = [
        ("rate_limit_exceeded", ErrorKind::RateLimited),
        ("insufficient_quota", ErrorKind::Billing),
        ("server_error", ErrorKind::Server),
        ("context_length_exceeded", ErrorKind::ContextOverflow),
        ("invalid_prompt", ErrorKind::InvalidRequest),
        ("invalid_image_format", ErrorKind::InvalidRequest),
        ("unheard_of", ErrorKind::Protocol),
    ];
    for (code, kind) in table {
        let nested = json!({"type": "error", "sequence_number": 2,
            "error": {"type": code, "code": code, "message": "x", "param": null}});
        let flat = json!({"type": "error", "sequence_number": 2, "code": code, "message": "x", "param": null});
        let failed = json!({"type": "response.failed", "response": {"id": "resp_1", "status": "failed",
            "error": {"code": code, "message": "x"}, "output": [], "usage": null}});
        for event in [nested, flat, failed] {
            let after = text_delta(0, "never");
            let stream = sse(&[created(), text_delta(0, "so far"), event.clone(), after]);
            let (events, error, _) = read_of(&stream);
            let error = error.unwrap();
            assert_eq!((error.kind, error.message.as_str()), (kind, "x"), "{event}");
            assert_eq!(error.details.code.as_deref(), Some(code));
            assert_eq!(events, [started(), text("so far")]);
        }
    }
}

#[test]
fn what_a_failed_answer_used_is_told() {
    let failed = json!({"type": "response.failed", "response": {"status": "failed", "usage": usage_said(),
        "error": {"code": "server_error", "message": "x"}}});
    let (kind, events) = fails(&sse(&[created(), failed]));
    assert_eq!((kind, events), (ErrorKind::Server, vec![started(), usage(5, 7)]));
}

#[test]
fn a_gateways_own_error_counts() {
    let body = json!({"error": {"code": 502, "message": "upstream is down"}});
    let (kind, _) = fails(&sse(&[created(), body]));
    assert_eq!(kind, ErrorKind::Overloaded);
}

#[test]
fn hints_are_heard_and_keys_are_not_shown() {
    let header = |name: &str| (name == "retry-after-ms").then(|| "1500".to_owned());
    let body =
        json!({"error": {"message": "Incorrect API key provided: sk-abcdefghijkl", "code": "rate_limit_exceeded"}});
    let body = body.to_string();
    let response = ErrorResponse { status: 429, header: &header, body: body.as_bytes(), now: SystemTime::UNIX_EPOCH };
    let error = decode_error(&response);
    assert_eq!(error.details.retry_after, Some(Duration::from_millis(1500)));
    assert!(!error.message.contains("abcdefghijkl"), "{error}");
}
