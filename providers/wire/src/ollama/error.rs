//! Errors, from Ollama's few words to the kinds of the one policy.

use serde_json::Value;

use crate::{
    error::{ChatError, ErrorKind},
    error_response::not_json,
    error_response::{ErrorResponse, fit_to_show, retry_after},
};

/// Reads a response that is an error: `{"error": "…"}`, from a local server, from ollama.com through one, or from what
/// stands before it. A body that cannot be read is an error of its status.
pub fn decode_error(response: &ErrorResponse<'_>) -> ChatError {
    let body = response.body.trim_ascii();
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let mut error = match serde_json::from_slice::<Value>(body) {
        Ok(json @ (Value::Object(_) | Value::String(_))) => from_body(&json, Some(response.status)),
        _ => {
            let mut error = not_json(body, response.status);
            if response.status >= 300 {
                error.kind = classify(&error.message, Some(response.status));
            }
            error
        }
    };
    error.details.status = Some(response.status);
    if response.status >= 300 {
        let words = String::from_utf8_lossy(&body[..body.len().min(4096)]);
        error.details.retry_after = retry_after(response, &words);
        error.details.should_retry = response.should_retry();
    }
    error
}

/// An error that a stream says after it began: there is no status but what stands in it.
pub(super) fn decode_error_line(body: &Value) -> ChatError {
    from_body(body, None)
}

fn from_body(body: &Value, status: Option<u16>) -> ChatError {
    let said = body.get("error").unwrap_or(body);
    let message = [said.as_str(), said["message"].as_str(), body["message"].as_str()].into_iter().flatten().next();
    let message = fit_to_show(message.unwrap_or_default());
    // What a local server passes on from ollama.com names the status that it got.
    let inner = ["StatusCode", "status_code", "code"].iter().find_map(|key| {
        let code = body.get(*key).or_else(|| said.get(*key))?.as_u64()?;
        u16::try_from(code).ok().filter(|code| (400..600).contains(code))
    });
    let status = status.filter(|status| *status >= 300).or(inner);
    let kind = classify(&message, status);
    let shown = match (message.is_empty(), status) {
        (false, _) => message,
        (true, Some(status)) => format!("the provider answered with status {status}"),
        (true, None) => "the provider ended the answer with an error".into(),
    };
    let mut error = ChatError::new(kind, shown);
    error.details.status = status;
    error.details.code = said["code"].as_str().or_else(|| said["type"].as_str()).map(fit_to_show);
    if body["signin_url"].is_string() {
        error = error.with_hint("run `ollama signin` where that server runs");
    }
    error
}

/// By its words, where they say more than the status, then by status. Without one it is an error inside a stream,
/// which is the server's failure.
fn classify(message: &str, status: Option<u16>) -> ErrorKind {
    let lower = message.to_ascii_lowercase();
    let says = |words: &str| lower.contains(words);
    let window = ["context length", "context size", "context window"];
    let too_long = says("prompt too long") || says("exceed") && window.iter().any(|words| says(words));
    if too_long && matches!(status, None | Some(400 | 413 | 422 | 500)) {
        return ErrorKind::ContextOverflow;
    }
    // A model that the registry does not have is told of in the stream of a pull, or as 500.
    let unknown = says("model") && says("not found") || says("file does not exist");
    if unknown && matches!(status, None | Some(400 | 404 | 500)) {
        return ErrorKind::NotFound;
    }
    if says("does not support") && matches!(status, None | Some(400 | 500 | 501)) {
        return ErrorKind::InvalidRequest;
    }
    match status {
        None => ErrorKind::Server,
        Some(401 | 421) => ErrorKind::Auth,
        Some(402) => ErrorKind::Billing,
        Some(403) => ErrorKind::Permission,
        Some(404) => ErrorKind::NotFound,
        Some(408 | 504 | 524) => ErrorKind::Timeout,
        Some(413) => ErrorKind::ContextOverflow,
        Some(424 | 503 | 529) => ErrorKind::Overloaded,
        Some(429) => ErrorKind::RateLimited,
        Some(499) => ErrorKind::Cancelled,
        Some(501) => ErrorKind::InvalidRequest,
        Some(500..) => ErrorKind::Server,
        Some(400..=499) => ErrorKind::InvalidRequest,
        Some(_) => ErrorKind::Protocol,
    }
}
