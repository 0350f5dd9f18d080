//! Errors, from the shapes of the many servers to the kinds of the one policy.

mod kind;
mod shape;

use serde_json::Value;

use self::shape::Shape;
pub(super) use crate::error_response::not_json;
use crate::{
    error::ChatError,
    error_response::{ErrorResponse, fit_to_show, retry_after},
};

/// Reads a response that is an error, from OpenAI or any server that is compatible with it.
///
/// The provider's own code counts first, then the status, then its words where they are the only sign. A body that
/// cannot be read is an error of its status.
pub fn decode_error(response: &ErrorResponse<'_>) -> ChatError {
    decode(response, (response.header)("x-github-request-id").is_some())
}

/// The same of GitHub Copilot, some of whose statuses mean something else.
pub fn decode_copilot_error(response: &ErrorResponse<'_>) -> ChatError {
    decode(response, true)
}

fn decode(response: &ErrorResponse<'_>, copilot: bool) -> ChatError {
    let body = response.body.trim_ascii();
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    // Some answer a streamed request with the error as an event, and others with JSON that says it is a stream.
    let body = body.strip_prefix(b"data:").map_or(body, |data| {
        let line = data.split(|byte| matches!(byte, b'\n' | b'\r')).next().unwrap_or_default();
        line.trim_ascii()
    });
    let mut error = match serde_json::from_slice::<Value>(body) {
        Ok(json @ (Value::Object(_) | Value::Array(_) | Value::String(_))) => {
            let mut shape = Shape::read(&json);
            shape.copilot = copilot;
            from_shape(&shape, Some(response.status))
        }
        _ => {
            let mut error = not_json(body, response.status);
            let shape = Shape { copilot, message: error.message.clone(), ..Shape::default() };
            if response.status >= 300 {
                error.kind = kind::classify(&shape, Some(response.status));
            }
            error
        }
    };
    error.details.status = Some(response.status);
    if response.status >= 300 {
        let words = String::from_utf8_lossy(&body[..body.len().min(4096)]);
        error.details.retry_after = retry_after(response, &words);
        error.details.should_retry = response.should_retry().or(error.details.should_retry);
    }
    error
}

/// An error that a stream says after it began: there is no status but what its code may hold.
pub(crate) fn decode_error_event(body: &Value) -> ChatError {
    from_shape(&Shape::read(body), None)
}

fn from_shape(shape: &Shape, status: Option<u16>) -> ChatError {
    let kind = kind::classify(shape, status);
    let mut message = fit_to_show(&shape.message);
    if let Some(upstream) = shape.upstream.as_deref().filter(|upstream| !upstream.message.is_empty()) {
        message = fit_to_show(&format!("{}: {}", shape.message, upstream.message));
    }
    if message.is_empty() {
        message = match (status, &shape.code) {
            (_, Some(code)) => fit_to_show(&format!("the provider answered with {code}")),
            (Some(status), None) => format!("the provider answered with status {status}"),
            (None, None) => "the provider ended the answer with an error".into(),
        };
    }
    let mut error = ChatError::new(kind, message);
    error.details.code = shape.code.clone().or_else(|| shape.kind.clone()).map(|code| fit_to_show(&code));
    error.details.param = shape.param.as_deref().map(fit_to_show);
    error.details.status = status.or(shape.status);
    // The model made a bad call: another attempt can make a good one (Groq).
    error.details.should_retry = (shape.code.as_deref() == Some("tool_use_failed")).then_some(true);
    error
}
