//! Errors of a response.

use std::time::{Duration, SystemTime};

use greenroom_wire::{
    ChatError, ErrorKind,
    gemini::{ErrorResponse, decode_error},
};
use serde_json::{Value, json};

fn error_with(status: u16, body: &str, headers: &[(&str, &str)]) -> ChatError {
    let header = |name: &str| headers.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
    decode_error(&ErrorResponse { status, header: &header, body: body.as_bytes(), now: SystemTime::UNIX_EPOCH })
}

fn error(code: u16, status: &str, message: &str, details: Value) -> ChatError {
    let body = json!({"error": {"code": code, "message": message, "status": status, "details": details}});
    error_with(code, &body.to_string(), &[])
}

fn info(reason: &str) -> Value {
    json!([{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "domain": "googleapis.com"}])
}

#[test]
fn statuses_reasons_and_words_have_their_kinds() {
    let long = "The input token count (1250074) exceeds the maximum number of tokens allowed (1048576).";
    for (code, status, message, details, kind) in [
        (400, "INVALID_ARGUMENT", "API key not valid.", info("API_KEY_INVALID"), ErrorKind::Auth),
        (400, "INVALID_ARGUMENT", "API key expired. Please renew it.", json!([]), ErrorKind::Auth),
        (400, "INVALID_ARGUMENT", long, json!([]), ErrorKind::ContextOverflow),
        (400, "INVALID_ARGUMENT", "Please use a valid role: user, model.", json!([]), ErrorKind::InvalidRequest),
        (
            400,
            "FAILED_PRECONDITION",
            "User location is not supported for the API use.",
            json!([]),
            ErrorKind::Permission,
        ),
        (400, "FAILED_PRECONDITION", "Please enable billing on your project.", json!([]), ErrorKind::Billing),
        (401, "UNAUTHENTICATED", "API keys are not supported.", info("CREDENTIALS_MISSING"), ErrorKind::Auth),
        (403, "PERMISSION_DENIED", "It has not been used before.", info("SERVICE_DISABLED"), ErrorKind::Permission),
        (403, "PERMISSION_DENIED", "You lack it.", info("IAM_PERMISSION_DENIED"), ErrorKind::Permission),
        (403, "PERMISSION_DENIED", "Method doesn't allow unregistered callers.", json!([]), ErrorKind::Auth),
        (403, "PERMISSION_DENIED", "Your API key was reported as leaked.", json!([]), ErrorKind::AuthPermanent),
        (403, "PERMISSION_DENIED", "Consumer suspended.", info("CONSUMER_SUSPENDED"), ErrorKind::AuthPermanent),
        (403, "PERMISSION_DENIED", "Billing is off.", info("BILLING_DISABLED"), ErrorKind::Billing),
        (
            403,
            "PERMISSION_DENIED",
            "CachedContent not found (or permission denied)",
            json!([]),
            ErrorKind::InvalidRequest,
        ),
        (404, "NOT_FOUND", "models/x is not found.", json!([]), ErrorKind::NotFound),
        (413, "", "large", json!([]), ErrorKind::ContextOverflow),
        (429, "RESOURCE_EXHAUSTED", "Resource exhausted.", info("RATE_LIMIT_EXCEEDED"), ErrorKind::RateLimited),
        (499, "CANCELLED", "The operation was cancelled.", json!([]), ErrorKind::Cancelled),
        (500, "INTERNAL", "An internal error has occurred.", json!([]), ErrorKind::Server),
        (500, "UNKNOWN", "Unknown.", json!([]), ErrorKind::Server),
        (503, "UNAVAILABLE", "The model is overloaded.", json!([]), ErrorKind::Overloaded),
        (504, "DEADLINE_EXCEEDED", "Deadline expired.", json!([]), ErrorKind::Timeout),
    ] {
        let error = error(code, status, message, details);
        assert_eq!((error.kind, error.details.status), (kind, Some(code)), "{code} {message}");
        let first = message.split_whitespace().next().unwrap();
        assert!(error.message.starts_with(first), "{error}");
    }
}

#[test]
fn a_quota_of_the_day_is_another_than_one_of_the_minute() {
    let used_up = |quota: &str, delay: &str| {
        let details = json!([
            {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaId": quota}]},
            {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay},
        ]);
        let error =
            error(429, "RESOURCE_EXHAUSTED", "You exceeded your current quota. Please retry in 7.25s.", details);
        (error.kind, error.details.retry_after)
    };
    let seconds = |seconds| Some(Duration::from_secs_f64(seconds));
    assert_eq!(
        used_up("GenerateRequestsPerMinutePerProject-FreeTier", "41.5s"),
        (ErrorKind::RateLimited, seconds(41.5))
    );
    assert_eq!(used_up("GenerateRequestsPerDayPerProjectPerModel-FreeTier", "3s"), (ErrorKind::Billing, seconds(3.0)));
    assert_eq!(used_up("PerMinute", "soon"), (ErrorKind::RateLimited, seconds(7.25)), "its words are the next hint");
    let body = json!({"error": {"code": 429, "message": "slow down", "status": "RESOURCE_EXHAUSTED"}}).to_string();
    let error = error_with(429, &body, &[("retry-after", "9")]);
    assert_eq!(error.details.retry_after, seconds(9.0));
}

#[test]
fn codes_and_hints_are_kept() {
    let disabled = error(403, "PERMISSION_DENIED", "Not used before.", info("SERVICE_DISABLED"));
    assert_eq!(disabled.details.code.as_deref(), Some("SERVICE_DISABLED"));
    assert!(disabled.details.hint.unwrap().contains("enable the API"));
    let plain = error(503, "UNAVAILABLE", "", json!([]));
    assert_eq!(
        (plain.details.code.as_deref(), &*plain.message),
        (Some("UNAVAILABLE"), "the provider answered with UNAVAILABLE")
    );
}

#[test]
fn other_forms_are_read_as_well() {
    let list = error_with(429, r#"[{"error":{"code":429,"message":"no","status":"RESOURCE_EXHAUSTED"}}]"#, &[]);
    assert_eq!((list.kind, list.message.as_str()), (ErrorKind::RateLimited, "no"));
    let event =
        error_with(400, "data: {\"error\":{\"code\":400,\"message\":\"no\",\"status\":\"INVALID_ARGUMENT\"}}\n\n", &[]);
    assert_eq!((event.kind, event.message.as_str()), (ErrorKind::InvalidRequest, "no"));
    let page = error_with(404, "<!DOCTYPE html><html>secret</html>", &[]);
    assert!(page.kind == ErrorKind::NotFound && !page.message.contains("secret"), "{page}");
    let empty = error_with(500, "", &[]);
    assert!(empty.kind == ErrorKind::Server && empty.message.contains("500"), "{empty}");
    assert_eq!(error_with(502, "{\"error\":\"upstream\"}", &[]).kind, ErrorKind::Server);
    assert_eq!(error_with(200, r#"{"error":{"code":503,"status":"UNAVAILABLE"}}"#, &[]).kind, ErrorKind::Overloaded);
    let key = error_with(400, r#"{"error":{"message":"key AIzaSyA0123456789 is wrong"}}"#, &[]);
    assert!(!key.message.contains("0123456789"), "{key}");
}
