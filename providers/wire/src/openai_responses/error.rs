//! Errors, whose shapes and most of whose codes are those of chat completions.

use serde_json::{Map, Value};

use crate::{
    error::{ChatError, ErrorKind},
    error_response::ErrorResponse,
    openai_chat,
};

/// Reads a response that is an error.
///
/// The provider's own code counts first, then the status, then its words where they are the only sign. A body that
/// cannot be read is an error of its status.
pub fn decode_error(response: &ErrorResponse<'_>) -> ChatError {
    let mut error = openai_chat::decode_error(response);
    // Codes of this wire alone that say more than a status.
    if let (ErrorKind::InvalidRequest, Some(kind)) = (error.kind, of_code(&error)) {
        error.kind = kind;
    }
    error
}

/// An error that a stream says after it began: the event `error`, whose fields older servers write beside its type, or
/// the `error` of a response that failed. There is no status but what its code may hold.
pub(super) fn decode_error_event(body: &Value) -> ChatError {
    let body = match body {
        Value::Object(event) if !event.get("error").is_some_and(|error| error.is_object() || error.is_string()) => {
            // The type of the event is not one of an error.
            let is_own =
                |key: &str| matches!(key, "sequence_number" | "error") || (key == "type" && event["type"] == "error");
            let error = event.iter().filter(|(key, _)| !is_own(key));
            Value::Object(error.map(|(key, value)| (key.clone(), value.clone())).collect::<Map<_, _>>())
        }
        other => other.clone(),
    };
    let mut error = openai_chat::decode_error_event(&body);
    if let (ErrorKind::Protocol, Some(kind)) = (error.kind, of_code(&error)) {
        error.kind = kind;
    }
    error
}

/// Codes that only this wire has, or that say in a stream what a status says elsewhere.
fn of_code(error: &ChatError) -> Option<ErrorKind> {
    Some(match error.details.code.as_deref()? {
        "server_error" => ErrorKind::Server,
        "vector_store_timeout" => ErrorKind::Timeout,
        "image_content_policy_violation" | "cyber_policy_violation" => ErrorKind::ContentFilter,
        "invalid_prompt" if is_of_policy(&error.message) => ErrorKind::ContentFilter,
        "invalid_prompt"
        | "bad_request"
        | "empty_image_file"
        | "failed_to_download_image"
        | "unsupported_image_media_type" => ErrorKind::InvalidRequest,
        code if code.starts_with("image_") || code.starts_with("invalid_") => ErrorKind::InvalidRequest,
        _ => return None,
    })
}

/// `invalid_prompt` says both that a prompt is malformed and that it was not allowed.
fn is_of_policy(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    ["policy", "policies", "flagged", "safety"].iter().any(|word| message.contains(word))
}
