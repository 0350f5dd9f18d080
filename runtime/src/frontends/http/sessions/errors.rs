//! What our own API tells of an error: `{error: {kind, message, hint?, retry_after?, cursor?}}`.

use std::{error::Error as _, time::SystemTime};

use axum::{
    http::{HeaderValue, StatusCode, header::RETRY_AFTER},
    response::{IntoResponse, Response},
};
use greenroom_wire::json::put_value;
use serde::Serialize;

use super::super::{
    errors::{Refusal, json_response, whole_seconds},
    who::NotAllowed,
};
use crate::{ErrorKind, SessionError};

/// Why a request does nothing, or a frame of a socket.
#[derive(Debug)]
pub(in super::super) enum ApiError {
    /// Told with a status.
    Told { status: StatusCode, told: Box<Told> },
    /// The body could not be read.
    Refused(Refusal),
}

/// What is told of an error.
#[derive(Debug, Serialize)]
pub(in super::super) struct Told {
    kind: ErrorKind,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    /// Seconds until it is worth to be asked again.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<u64>,
    /// Where the log ends, if it has gone on.
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
}

impl ApiError {
    /// An error with what to do about it.
    pub(in super::super) fn told(
        status: StatusCode,
        kind: ErrorKind,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        let (message, hint) = (message.into(), Some(hint.into()));
        Self::Told { status, told: Box::new(Told { kind, message, hint, retry_after: None, cursor: None }) }
    }

    /// The request is not as it has to be.
    pub(super) fn bad(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::told(StatusCode::BAD_REQUEST, ErrorKind::InvalidRequest, message, hint)
    }

    /// A frame of a socket came sooner than its client may send another.
    pub(super) fn too_often(wait: std::time::Duration) -> Self {
        let seconds = whole_seconds(wait);
        let told = Told {
            kind: ErrorKind::RateLimited,
            message: "this client asks more often than it may".to_owned(),
            hint: Some(format!("ask again in {seconds} s")),
            retry_after: Some(seconds),
            cursor: None,
        };
        Self::Told { status: StatusCode::TOO_MANY_REQUESTS, told: Box::new(told) }
    }

    /// What is told, for a reply in a socket, where no body can be refused.
    pub(in super::super) fn into_told(self) -> Option<Box<Told>> {
        match self {
            Self::Told { told, .. } => Some(told),
            Self::Refused(_) => None,
        }
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<NotAllowed> for ApiError {
    fn from(NotAllowed { message, hint }: NotAllowed) -> Self {
        Self::told(StatusCode::FORBIDDEN, ErrorKind::Permission, message, hint)
    }
}

impl From<SessionError> for ApiError {
    fn from(error: SessionError) -> Self {
        let until = match &error {
            SessionError::Held { until } => until.duration_since(SystemTime::now()).ok(),
            _ => None,
        };
        let cursor = match &error {
            SessionError::Stale { end } => Some(end.to_string()),
            _ => None,
        };
        let told = Told {
            kind: error.kind(),
            message: with_cause(&error),
            hint: Some(error.hint().to_owned()),
            retry_after: until.map(whole_seconds),
            cursor,
        };
        Self::Told { status: status(&error), told: Box::new(told) }
    }
}

/// What happened, and why: a disk that does not take a message says so only there.
fn with_cause(error: &SessionError) -> String {
    error.source().map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
}

fn status(error: &SessionError) -> StatusCode {
    match error {
        SessionError::BadId
        | SessionError::Empty
        | SessionError::BadKey
        | SessionError::NoPlace
        | SessionError::BadImport { .. } => StatusCode::BAD_REQUEST,
        SessionError::NotFound | SessionError::NoTurn | SessionError::NoCall => StatusCode::NOT_FOUND,
        SessionError::Taken
        | SessionError::Busy
        | SessionError::KeyConflict
        | SessionError::Stale { .. }
        | SessionError::ResultTaken
        | SessionError::Held { .. } => StatusCode::CONFLICT,
        SessionError::QueueFull => StatusCode::TOO_MANY_REQUESTS,
        SessionError::NotKept(_) => StatusCode::INSUFFICIENT_STORAGE,
        SessionError::Unreadable(_) | SessionError::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        #[derive(Serialize)]
        struct Body {
            error: Box<Told>,
        }
        match self {
            Self::Told { status, told } => {
                let retry_after = told.retry_after;
                let mut body = Vec::new();
                put_value(&mut body, &Body { error: told });
                let mut response = json_response(status, body);
                if let Some(seconds) = retry_after {
                    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
                }
                response
            }
            Self::Refused(refusal) => refusal.told_by_api(),
        }
    }
}
