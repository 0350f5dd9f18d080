//! Errors of a response.

use std::time::{Duration, SystemTime};

use greenroom_wire::{ChatError, ErrorKind, ErrorResponse, ollama::decode_error};
use serde_json::json;

fn error_with(status: u16, body: &str, headers: &[(&str, &str)]) -> ChatError {
    let header = |name: &str| headers.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
    decode_error(&ErrorResponse { status, header: &header, body: body.as_bytes(), now: SystemTime::UNIX_EPOCH })
}

fn error(status: u16, words: &str) -> ChatError {
    error_with(status, &json!({"error": words}).to_string(), &[])
}

#[test]
fn words_and_statuses_have_their_kinds() {
    for (status, words, kind) in [
        (400, "registry.ollama.ai/library/x does not support tools", ErrorKind::InvalidRequest),
        (400, "\"x\" does not support thinking", ErrorKind::InvalidRequest),
        (501, "this model does not support embeddings", ErrorKind::InvalidRequest),
        (400, "invalid options: temperature", ErrorKind::InvalidRequest),
        (400, "prompt too long; exceeded max context length by 12 tokens", ErrorKind::ContextOverflow),
        (400, "the input length exceeds the context length", ErrorKind::ContextOverflow),
        (401, "unauthorized", ErrorKind::Auth),
        (402, "payment required", ErrorKind::Billing),
        (403, "this model requires a subscription", ErrorKind::Permission),
        (404, "model 'x' not found", ErrorKind::NotFound),
        (408, "slow", ErrorKind::Timeout),
        (413, "large", ErrorKind::ContextOverflow),
        (429, "you have reached your hourly usage limit", ErrorKind::RateLimited),
        (500, "model requires more system memory (9 GiB) than is available (4 GiB)", ErrorKind::Server),
        (500, "pull model manifest: file does not exist", ErrorKind::NotFound),
        (502, "upstream", ErrorKind::Server),
        (503, "server busy, please try again.  maximum pending requests exceeded", ErrorKind::Overloaded),
        (504, "upstream", ErrorKind::Timeout),
    ] {
        let error = error(status, words);
        assert_eq!((error.kind, error.details.status), (kind, Some(status)), "{words}");
        let first = words.split_whitespace().next().unwrap();
        assert!(error.message.starts_with(first), "{error}");
    }
}

#[test]
fn other_forms_are_read_as_well() {
    assert_eq!(error_with(404, "404 page not found", &[]).kind, ErrorKind::NotFound);
    assert_eq!(error_with(404, "404 page not found", &[]).message, "404 page not found");
    let page = error_with(502, "<html>secret</html>", &[]);
    assert!(page.kind == ErrorKind::Server && !page.message.contains("secret"), "{page}");
    let empty = error_with(500, "", &[]);
    assert!(empty.kind == ErrorKind::Server && empty.message.contains("500"), "{empty}");
    let object = error_with(400, "{\"error\":{\"message\":\"no\",\"type\":\"api_error\",\"code\":null}}", &[]);
    assert_eq!((object.kind, object.message.as_str()), (ErrorKind::InvalidRequest, "no"));
    assert_eq!(object.details.code.as_deref(), Some("api_error"));
    let passed_on = error_with(200, "{\"StatusCode\":402,\"error\":\"pay\"}", &[]);
    assert_eq!(passed_on.kind, ErrorKind::Billing);
    let signed_out = error_with(401, "{\"error\":\"unauthorized\",\"signin_url\":\"https://ollama.com/connect\"}", &[]);
    assert!(signed_out.details.hint.unwrap().contains("ollama signin"));
}

#[test]
fn a_wait_is_read_and_a_key_is_not_shown() {
    let error = error_with(429, "{\"error\":\"key sk-12345678 is over\"}", &[("retry-after", "7")]);
    assert_eq!(error.details.retry_after, Some(Duration::from_secs(7)));
    assert!(!error.message.contains("12345678"), "{error}");
}
