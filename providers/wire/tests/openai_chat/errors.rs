//! Errors, before and inside a stream.

use std::time::{Duration, SystemTime};

use greenroom_wire::{
    ChatError, ErrorKind,
    openai_chat::{ErrorResponse, decode_error, error_body},
};
use serde_json::{Value, json};

use crate::harness::*;

fn read_error(status: u16, headers: &[(&str, &str)], body: &[u8]) -> ChatError {
    let header = |name: &str| headers.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
    decode_error(&ErrorResponse { status, header: &header, body, now: SystemTime::UNIX_EPOCH })
}

fn kind(status: u16, body: Value) -> ErrorKind {
    read_error(status, &[], body.to_string().as_bytes()).kind
}

fn coded(code: &str) -> Value {
    json!({"error": {"message": "words", "type": "invalid_request_error", "param": null, "code": code}})
}

fn said(message: &str) -> Value {
    json!({"error": {"message": message, "type": "invalid_request_error", "param": null, "code": null}})
}

#[test]
fn codes_win_over_statuses() {
    for (status, code, want) in [
        (400, "context_length_exceeded", ErrorKind::ContextOverflow),
        (400, "string_above_max_length", ErrorKind::ContextOverflow),
        (400, "unsupported_parameter", ErrorKind::InvalidRequest),
        (400, "integer_above_max_value", ErrorKind::InvalidRequest),
        (400, "content_policy_violation", ErrorKind::ContentFilter),
        (400, "content_filter", ErrorKind::ContentFilter),
        (400, "model_not_found", ErrorKind::NotFound),
        (400, "model_not_supported", ErrorKind::NotFound),
        (403, "unsupported_country_region_territory", ErrorKind::Permission),
        (404, "DeploymentNotFound", ErrorKind::NotFound),
        (429, "rate_limit_exceeded", ErrorKind::RateLimited),
        (429, "RateLimitReached", ErrorKind::RateLimited),
        (403, "user_model_rate_limited:gpt", ErrorKind::RateLimited),
        (429, "insufficient_quota", ErrorKind::Billing),
        (429, "billing_hard_limit_reached", ErrorKind::Billing),
        (402, "quota_exceeded", ErrorKind::Billing),
        (401, "account_deactivated", ErrorKind::AuthPermanent),
        (500, "slow_down", ErrorKind::Overloaded),
    ] {
        assert_eq!(kind(status, coded(code)), want, "{code}");
    }
}

#[test]
fn every_status_has_its_kind() {
    for (status, want) in [
        (400, ErrorKind::InvalidRequest),
        (401, ErrorKind::Auth),
        (402, ErrorKind::Billing),
        (403, ErrorKind::Permission),
        (404, ErrorKind::NotFound),
        (408, ErrorKind::Timeout),
        (413, ErrorKind::ContextOverflow),
        (422, ErrorKind::InvalidRequest),
        (424, ErrorKind::Overloaded),
        (429, ErrorKind::RateLimited),
        (466, ErrorKind::InvalidRequest),
        (499, ErrorKind::Cancelled),
        (500, ErrorKind::Server),
        (501, ErrorKind::InvalidRequest),
        (502, ErrorKind::Server),
        (503, ErrorKind::Overloaded),
        (504, ErrorKind::Timeout),
        (529, ErrorKind::Overloaded),
    ] {
        assert_eq!(kind(status, said("words")), want, "{status}");
        assert_eq!(read_error(status, &[], b"").kind, want, "{status}, empty");
        assert_eq!(read_error(status, &[], b"<html>gone</html>").kind, want, "{status}, a page");
        assert_eq!(read_error(status, &[], b"plain words").kind, want, "{status}, text");
    }
}

#[test]
fn words_decide_where_nothing_else_does() {
    for (status, message, want) in [
        (400, "This model's maximum context length is 8 tokens. However, you requested 9", ErrorKind::ContextOverflow),
        (400, "Your input exceeds the context window of this model", ErrorKind::ContextOverflow),
        (400, "the request exceeds the available context size, try increasing it", ErrorKind::ContextOverflow),
        (400, "prompt too long; exceeded max context length by 4 tokens", ErrorKind::ContextOverflow),
        (400, "a/b is not a valid model ID", ErrorKind::NotFound),
        (
            500,
            "input (4002 tokens) is too large to process. increase the physical batch size",
            ErrorKind::ContextOverflow,
        ),
        (500, "image input is not supported - hint: you may need to provide the mmproj", ErrorKind::InvalidRequest),
        (500, "error: cannot make GET request", ErrorKind::InvalidRequest),
        (500, "tools param requires --jinja flag", ErrorKind::InvalidRequest),
        (429, "Request too large for gpt on tokens per min (TPM): Limit 3, Requested 4.", ErrorKind::ContextOverflow),
        (403, "You are not allowed to sample from this model", ErrorKind::Permission),
    ] {
        assert_eq!(kind(status, said(message)), want, "{message}");
    }
    let both = json!({"error": {"message": "Request too large for gpt: Limit 3", "type": "tokens", "code": "rate_limit_exceeded"}});
    assert_eq!(kind(429, both), ErrorKind::ContextOverflow);
}

#[test]
fn every_shape_is_read() {
    for (status, body, want, words) in [
        (
            400,
            json!({"object": "error", "message": "no such", "type": "invalid_model", "code": "1500"}),
            ErrorKind::NotFound,
            "no such",
        ),
        (
            403,
            json!({"code": "The caller may not", "error": "It is forbidden"}),
            ErrorKind::Permission,
            "It is forbidden",
        ),
        (422, json!({"detail": [{"loc": ["body"], "msg": "too short"}]}), ErrorKind::InvalidRequest, "too short"),
        (404, json!({"detail": "Not Found"}), ErrorKind::NotFound, "Not Found"),
        (400, json!([{"error": {"code": 400, "message": "in a list"}}]), ErrorKind::InvalidRequest, "in a list"),
        (
            400,
            json!({"error": {"code": "x", "innererror": {"code": "ResponsibleAIPolicyViolation"}, "message": "no"}}),
            ErrorKind::ContentFilter,
            "no",
        ),
        (
            400,
            json!({"error": {"type": "exceed_context_size_error", "code": 400, "message": "big", "n_ctx": 1}}),
            ErrorKind::ContextOverflow,
            "big",
        ),
        (
            400,
            json!({"error": {"type": "too_many_prompt_tokens", "message": "big", "code": 400}}),
            ErrorKind::ContextOverflow,
            "big",
        ),
        (400, json!("bare words"), ErrorKind::InvalidRequest, "bare words"),
    ] {
        let error = read_error(status, &[], body.to_string().as_bytes());
        assert_eq!((error.kind, error.message.as_str()), (want, words), "{body}");
    }
    let event = read_error(400, &[], format!("data: {}\n\ndata: [DONE]\n\n", coded("invalid_value")).as_bytes());
    assert_eq!(event.details.code.as_deref(), Some("invalid_value"));
}

#[test]
fn a_gateways_provider_is_heard() {
    let from = |status: u16, raw: &str| json!({"error": {"code": status, "message": "Provider returned error", "metadata": {"raw": raw, "provider_name": "P"}}});
    let error = read_error(400, &[], from(400, &coded("context_length_exceeded").to_string()).to_string().as_bytes());
    assert_eq!((error.kind, error.message.as_str()), (ErrorKind::ContextOverflow, "Provider returned error: words"));
    assert_eq!(kind(403, from(403, "{\"error\":\"Failed check: SAFETY_CHECK\"}")), ErrorKind::ContentFilter);
    assert_eq!(kind(403, from(403, "{\"error\":\"no\"}")), ErrorKind::Permission);
    let reasons = json!({"error": {"code": 403, "message": "flagged", "metadata": {"reasons": ["violence"]}}});
    assert_eq!(kind(403, reasons), ErrorKind::ContentFilter);
    assert_eq!(kind(502, from(502, "not json")), ErrorKind::Overloaded);
    assert_eq!(kind(502, coded("x")), ErrorKind::Server);
}

#[test]
fn copilot_is_known_by_its_header() {
    let copilot = [("x-github-request-id", "1")];
    assert_eq!(read_error(422, &copilot, b"no").kind, ErrorKind::ContentFilter);
    assert_eq!(read_error(424, &copilot, b"no").kind, ErrorKind::Server);
    assert_eq!(read_error(429, &copilot, b"quota exceeded\n").kind, ErrorKind::Billing);
    assert_eq!(read_error(429, &copilot, b"rate limit exceeded").kind, ErrorKind::RateLimited);
    assert_eq!(read_error(421, &copilot, b"").kind, ErrorKind::Auth);
}

#[test]
fn what_else_is_known_is_kept() {
    let body = json!({"error": {"message": "Bad 'x'.", "type": "invalid_request_error", "param": "x", "code": "invalid_value"}});
    let error = read_error(400, &[("x-should-retry", "false"), ("retry-after", "3")], body.to_string().as_bytes());
    let details = &error.details;
    assert_eq!(
        (details.status, details.code.as_deref(), details.param.as_deref()),
        (Some(400), Some("invalid_value"), Some("x"))
    );
    assert_eq!((details.should_retry, details.retry_after), (Some(false), Some(Duration::from_secs(3))));
    let hint = said("Rate limit reached. Please try again in 1m30s.");
    assert_eq!(read_error(429, &[], hint.to_string().as_bytes()).details.retry_after, Some(Duration::from_secs(90)));
    assert_eq!(read_error(400, &[], coded("tool_use_failed").to_string().as_bytes()).details.should_retry, Some(true));
}

#[test]
fn messages_are_fit_to_show() {
    let page = read_error(502, &[], b"<!DOCTYPE html><html><body>inside</body></html>");
    assert!(page.message.contains("HTML, not JSON") && !page.message.contains("inside"), "{}", page.message);
    assert_eq!(read_error(200, &[], b"<html></html>").kind, ErrorKind::Protocol);
    let long = read_error(500, &[], said(&"word ".repeat(9999)).to_string().as_bytes());
    assert!(long.message.chars().count() <= 501);
    let key = read_error(401, &[], said("Incorrect API key provided: sk-fake-key. You can").to_string().as_bytes());
    assert_eq!(key.message, "Incorrect API key provided: [key]. You can");
    let cut = read_error(500, &[], b"{\"error\":{\"message\":\"wo");
    assert_eq!((cut.kind, cut.message.contains("not JSON")), (ErrorKind::Server, true));
    assert_eq!(read_error(500, &[], b"\xff\xfe").kind, ErrorKind::Server);
}

#[test]
fn an_error_inside_a_stream_wins() {
    let error = |body: Value| json!({"id": "a", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "error": body});
    for (body, want) in [
        (json!({"code": 502, "message": "Provider returned error"}), ErrorKind::Overloaded),
        (json!({"code": 429, "message": "slow"}), ErrorKind::RateLimited),
        (json!({"type": "server_error", "message": "it broke", "code": null}), ErrorKind::Server),
        (json!({"message": "it broke"}), ErrorKind::Protocol),
        (json!("it broke"), ErrorKind::Protocol),
    ] {
        let stream = sse(&[delta(json!({"content": "x"})), end("tool_calls"), error(body.clone())]);
        let (kind, events) = fails(&stream);
        assert_eq!((kind, events), (want, vec![started(), text("x")]), "{body}");
    }
    let in_choice =
        json!({"choices": [{"index": 0, "error": {"code": 503, "message": "no"}, "finish_reason": "error"}]});
    assert_eq!(fails(&sse(&[in_choice])).0, ErrorKind::Overloaded);
    assert_eq!(fails(&sse(&[end("error")])).0, ErrorKind::Protocol);
    assert_eq!(fails(b"event: error\ndata: {\"message\":\"no\",\"code\":401}\n\n").0, ErrorKind::Auth);
    assert_eq!(fails(b"event: error\ndata: it broke\n\n").0, ErrorKind::Protocol);
    let with_usage =
        json!({"choices": [], "error": {"message": "no"}, "usage": {"prompt_tokens": 3, "completion_tokens": 1}});
    assert_eq!(fails(&sse(&[delta(json!({"content": "x"})), with_usage])).1.last(), Some(&usage(3, 1)));
}

#[test]
fn our_errors_are_what_openais_clients_expect() {
    let body = |error: &ChatError| {
        let (status, body) = error_body(error);
        (status, serde_json::from_slice::<Value>(&body).unwrap()["error"].take())
    };
    for (kind, status, code) in [
        (ErrorKind::Auth, 401, json!("invalid_api_key")),
        (ErrorKind::NotFound, 404, json!("model_not_found")),
        (ErrorKind::RateLimited, 429, json!("rate_limit_exceeded")),
        (ErrorKind::Billing, 429, json!("insufficient_quota")),
        (ErrorKind::ContextOverflow, 400, json!("context_length_exceeded")),
        (ErrorKind::ContentFilter, 400, json!("content_filter")),
        (ErrorKind::InvalidRequest, 400, Value::Null),
        (ErrorKind::Overloaded, 503, json!("overloaded")),
    ] {
        let (got, object) = body(&ChatError::new(kind, "words"));
        assert_eq!((got, &object["code"], &object["message"]), (status, &code, &json!("words")), "{kind}");
        // What we say is what we would read.
        let again = read_error(got, &[], json!({"error": object}).to_string().as_bytes());
        assert_eq!(again.kind, kind);
    }
    let mut error = ChatError::new(ErrorKind::InvalidRequest, "no").with_hint("say it otherwise");
    error.details.param = Some("messages[0]".into());
    let (_, object) = body(&error);
    assert_eq!(
        object,
        json!({"message": "no; say it otherwise", "type": "invalid_request_error", "param": "messages[0]", "code": null})
    );
}
