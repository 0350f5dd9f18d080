//! Errors, from Bedrock's types to the kinds of the one policy.

use serde_json::Value;

use crate::{
    error::{ChatError, ErrorKind},
    error_response::{ErrorResponse, fit_to_show, not_json, retry_after},
};

/// Reads a response that is an error: `{"message": …}` with its type in the header `x-amzn-errortype`, or in the body's
/// `__type` or `code`.
///
/// The type counts first, then the status, then words where only they tell. A body that can't be read is an error of its
/// status.
pub fn decode_error(response: &ErrorResponse<'_>) -> ChatError {
    let body = response.body.trim_ascii();
    let json = serde_json::from_slice::<Value>(body).ok().filter(Value::is_object);
    let text = |key: &str| json.as_ref()?.get(key)?.as_str().filter(|text| !text.is_empty());
    let code = (response.header)("x-amzn-errortype");
    let code = code.as_deref().or_else(|| text("code")).or_else(|| text("__type")).map(name_of);
    let words = ["message", "Message", "errorMessage"].into_iter().find_map(text);
    let mut error = match (&json, words) {
        (None, _) => not_json(body, response.status),
        (Some(_), None) => ChatError::new(ErrorKind::Protocol, default_message(code, Some(response.status))),
        (Some(_), Some(words)) => ChatError::new(ErrorKind::Protocol, fit_to_show(words)),
    };
    if response.status >= 300 {
        error.kind = classify(code, Some(response.status), words.unwrap_or_default());
        let words = String::from_utf8_lossy(&body[..body.len().min(4096)]);
        error.details.retry_after = retry_after(response, &words);
        error.details.should_retry = response.should_retry();
    }
    error.details.status = Some(response.status);
    error.details.code = code.map(fit_to_show);
    hinted(error, code)
}

/// Reads an exception that a stream ends with: its type, and its payload, `{"message": …}` or words alone.
pub fn decode_exception(code: &str, payload: &[u8]) -> ChatError {
    let code = name_of(code);
    let json = serde_json::from_slice::<Value>(payload).ok();
    let words = json.as_ref().and_then(|json| json.get("message").or_else(|| json.get("Message"))?.as_str());
    let lossy = String::from_utf8_lossy(&payload[..payload.len().min(4096)]);
    let words = words.unwrap_or(if json.is_some() { "" } else { &lossy });
    let message = match fit_to_show(words) {
        shown if shown.is_empty() => default_message(Some(code), None),
        shown => shown,
    };
    let mut error = ChatError::new(classify(Some(code), None, words), message);
    error.details.code = Some(fit_to_show(code)).filter(|code| !code.is_empty());
    hinted(error, Some(code))
}

/// The type alone: without its namespace before `#`, and without the address behind `:`.
fn name_of(code: &str) -> &str {
    let code = code.split(':').next().unwrap_or_default();
    code.rsplit('#').next().unwrap_or_default().trim()
}

fn default_message(code: Option<&str>, status: Option<u16>) -> String {
    match (code, status) {
        (Some(code), _) if !code.is_empty() => fit_to_show(&format!("the provider answered with {code}")),
        (_, Some(status)) => format!("the provider answered with status {status}"),
        _ => "the provider ended the answer with an error".to_owned(),
    }
}

/// What can be done about it, where the type says so.
fn hinted(error: ChatError, code: Option<&str>) -> ChatError {
    match code {
        Some("InvalidSignatureException" | "RequestExpired" | "RequestTimeTooSkewed") => {
            error.with_hint("check the secret key, and that this machine's clock is right")
        }
        Some("ExpiredTokenException" | "ExpiredToken") => error.with_hint("log in to AWS again"),
        _ => error,
    }
}

fn classify(code: Option<&str>, status: Option<u16>, words: &str) -> ErrorKind {
    if status == Some(413) {
        return ErrorKind::ContextOverflow;
    }
    let words = words.to_ascii_lowercase();
    let says = |some: &[&str]| some.iter().any(|text| words.contains(text));
    let kind = code.and_then(by_code).unwrap_or_else(|| by_status(status));
    match kind {
        ErrorKind::InvalidRequest if says(&TOO_LONG) => ErrorKind::ContextOverflow,
        // A quota of a day comes as any other throttling.
        ErrorKind::RateLimited if says(&["per day"]) => ErrorKind::Billing,
        kind => kind,
    }
}

/// What only its words tell apart from a request that is wrong.
const TOO_LONG: [&str; 5] = [
    "input is too long",
    "input tokens exceeded",
    "prompt is too long",
    "maximum context length",
    "exceed context limit",
];

/// Types that say what it is; in streams they begin with a small letter.
fn by_code(code: &str) -> Option<ErrorKind> {
    let mut letters = code.chars();
    let code: String = letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect();
    Some(match code.as_str() {
        "ValidationException" | "SerializationException" | "ConflictException" => ErrorKind::InvalidRequest,
        "AccessDeniedException" | "AccessDenied" | "OptInRequired" => ErrorKind::Permission,
        "UnrecognizedClientException"
        | "ExpiredTokenException"
        | "ExpiredToken"
        | "InvalidSignatureException"
        | "SignatureDoesNotMatch"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException"
        | "IncompleteSignature"
        | "IncompleteSignatureException"
        | "InvalidClientTokenId"
        | "RequestExpired"
        | "RequestTimeTooSkewed"
        | "NotAuthorized" => ErrorKind::Auth,
        "ResourceNotFoundException" | "UnknownOperationException" => ErrorKind::NotFound,
        "ModelTimeoutException" => ErrorKind::Timeout,
        "ModelErrorException" | "ModelStreamErrorException" => ErrorKind::Server,
        "InternalServerException" | "InternalFailure" | "InternalServerError" => ErrorKind::Server,
        "ThrottlingException" | "TooManyRequestsException" | "Throttling" => ErrorKind::RateLimited,
        "ServiceQuotaExceededException" => ErrorKind::Billing,
        "ModelNotReadyException" | "ServiceUnavailableException" | "ServiceUnavailable" => ErrorKind::Overloaded,
        _ => return None,
    })
}

/// Without a status, an error that is not known broke the answer off.
fn by_status(status: Option<u16>) -> ErrorKind {
    let Some(status) = status else { return ErrorKind::Protocol };
    match status {
        401 => ErrorKind::Auth,
        402 => ErrorKind::Billing,
        403 => ErrorKind::Permission,
        404 => ErrorKind::NotFound,
        408 | 504 => ErrorKind::Timeout,
        429 => ErrorKind::RateLimited,
        503 | 529 => ErrorKind::Overloaded,
        424 | 500.. => ErrorKind::Server,
        400..=499 => ErrorKind::InvalidRequest,
        _ => ErrorKind::Protocol,
    }
}

#[cfg(test)]
#[path = "error_tests.rs"]
mod tests;
