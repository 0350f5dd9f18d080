//! How a response that is kept can fail to be had or made, in OpenAI's words.

use std::error::Error as _;

use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
};
use greenroom_wire::{ChatError, ErrorKind};

use super::super::super::errors::{Refusal, failed};
use crate::SessionError;

/// Why a request does nothing.
#[derive(Debug)]
pub(super) enum Refused {
    /// In the words of an answer that failed.
    Failed(ChatError),
    /// With a status of its own.
    Told(Refusal),
}

impl Refused {
    /// There is no such response, or it is another client's.
    pub(super) fn no_response(id: &str) -> Self {
        // An id that is long or odd is somebody's mistake, and not to be repeated in full.
        let id: String = id.chars().take(64).filter(|character| character.is_ascii_graphic()).collect();
        let message = format!("there is no response \"{id}\"; it may be deleted, or its request said 'store': false");
        Self::Told(Refusal::new(StatusCode::NOT_FOUND, "invalid_request_error", "not_found", message))
    }

    /// The request is not as it has to be.
    pub(super) fn bad(param: &str, message: impl Into<String>, hint: &str) -> Self {
        let mut error = ChatError::new(ErrorKind::InvalidRequest, message).with_hint(hint);
        error.details.param = Some(param.to_owned());
        Self::Failed(error)
    }
}

impl From<ChatError> for Refused {
    fn from(error: ChatError) -> Self {
        Self::Failed(error)
    }
}

impl From<SessionError> for Refused {
    fn from(error: SessionError) -> Self {
        let told = error.source().map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"));
        let message = format!("{told}; {}", error.hint());
        let (status, kind, code, message) = match &error {
            SessionError::NotKept(_) => {
                let message = format!("{message}; with 'store': false it is answered all the same");
                (StatusCode::INSUFFICIENT_STORAGE, "server_error", "storage_unavailable", message)
            }
            SessionError::Unreadable(_) | SessionError::Unavailable(_) => {
                (StatusCode::SERVICE_UNAVAILABLE, "server_error", "storage_unavailable", message)
            }
            SessionError::QueueFull => {
                (StatusCode::TOO_MANY_REQUESTS, "rate_limit_error", "rate_limit_exceeded", message)
            }
            _ => (StatusCode::CONFLICT, "invalid_request_error", "conflict", message),
        };
        Self::Told(Refusal::new(status, kind, code, message))
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        match self {
            Self::Failed(error) => failed(&error),
            Self::Told(refusal) => refusal.into_response(),
        }
    }
}
