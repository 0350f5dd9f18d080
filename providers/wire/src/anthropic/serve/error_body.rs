//! Errors, in Anthropic's shape.

use serde_json::{Value, json};

use crate::{
    error::{ChatError, ErrorKind},
    json::put_value,
};

/// By these words clients know that a conversation has to be shortened: there is no type for it.
const TOO_LONG: &str = "prompt is too long";

/// The status and the body with which a client of this wire is told an error. `request_id` is that of the response's
/// header, where it is known.
///
/// Status and `type` are those by which Anthropic's clients choose their exceptions and whether they try again.
pub fn error_body(error: &ChatError, request_id: Option<&str>) -> (u16, Vec<u8>) {
    let (status, object) = error_object(error, request_id);
    let mut body = Vec::new();
    put_value(&mut body, &object);
    (status, body)
}

pub(super) fn error_object(error: &ChatError, request_id: Option<&str>) -> (u16, Value) {
    let (status, kind) = shape(error.kind);
    let mut message = error.message.clone();
    if error.kind == ErrorKind::ContextOverflow && !message.to_ascii_lowercase().contains(TOO_LONG) {
        message = format!("{TOO_LONG}: {message}");
    }
    if let Some(hint) = &error.details.hint {
        message = format!("{message}; {hint}");
    }
    (status, error_json(kind, &message, request_id))
}

/// An error of this type, in this wire's shape.
pub fn error_json(kind: &str, message: &str, request_id: Option<&str>) -> Value {
    json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": request_id})
}

/// This wire's type of the errors that have a status.
pub fn error_type(status: u16) -> &'static str {
    match status {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        408 | 504 => "timeout_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        503 | 529 => "overloaded_error",
        500.. => "api_error",
        _ => "invalid_request_error",
    }
}

fn shape(kind: ErrorKind) -> (u16, &'static str) {
    let status = match kind {
        ErrorKind::Auth | ErrorKind::AuthPermanent => 401,
        ErrorKind::Billing => 402,
        ErrorKind::Permission => 403,
        ErrorKind::NotFound => 404,
        ErrorKind::RateLimited => 429,
        ErrorKind::Overloaded | ErrorKind::Exhausted => 529,
        ErrorKind::Server | ErrorKind::Config => 500,
        ErrorKind::Network | ErrorKind::Protocol => 502,
        ErrorKind::Timeout => 504,
        ErrorKind::InvalidRequest | ErrorKind::ContextOverflow | ErrorKind::ContentFilter => 400,
        ErrorKind::Cancelled => 499,
    };
    (status, error_type(status))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(error: &ChatError) -> (u16, Value) {
        let (status, body) = error_body(error, Some("req_1"));
        (status, serde_json::from_slice(&body).unwrap())
    }

    #[test]
    fn an_error_says_what_to_do_in_its_message() {
        let error = ChatError::new(ErrorKind::Auth, "the key was refused").with_hint("add another");
        let message = "the key was refused; add another";
        let want = json!({"type": "error", "error": {"type": "authentication_error", "message": message},
            "request_id": "req_1"});
        assert_eq!(told(&error), (401, want));
        let without = error_body(&error, None).1;
        assert_eq!(serde_json::from_slice::<Value>(&without).unwrap()["request_id"], Value::Null);
    }

    #[test]
    fn a_prompt_that_is_too_long_is_known_by_its_words() {
        let message =
            |said: &str| told(&ChatError::new(ErrorKind::ContextOverflow, said)).1["error"]["message"].clone();
        assert_eq!(message("the window is 8 tokens"), "prompt is too long: the window is 8 tokens");
        let said = "prompt is too long: 9 tokens > 8 maximum";
        assert_eq!(message(said), said);
    }
}
