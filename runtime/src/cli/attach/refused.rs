//! What a holder says against a request, told as a command's failure.

use axum::http::StatusCode;
use serde::Deserialize;

use super::client::{Answer, Lost};
use crate::cli::Failure;

#[derive(Debug, Deserialize)]
struct Refused {
    error: RefusedError,
}

#[derive(Debug, Deserialize)]
struct RefusedError {
    message: String,
    #[serde(default)]
    hint: Option<String>,
}

/// The hint where the holder has none.
const UNTOLD: &str = "is it of another version? stop it, or run it again with -vv and see what it says";

/// The answer if it is one; else why not.
pub(crate) async fn accepted(answer: Answer) -> Result<Answer, Failure> {
    if answer.status.is_success() {
        return Ok(answer);
    }
    let status = answer.status;
    let body = answer.whole().await.map_err(|lost| failure(&lost))?;
    Err(match serde_json::from_slice(&body) {
        Ok(Refused { error }) => {
            let untold = match status {
                StatusCode::PAYLOAD_TOO_LARGE => "raise server.max_body in the configuration of the one that answers",
                _ => UNTOLD,
            };
            let hint = error.hint.unwrap_or_else(|| untold.to_owned());
            match status {
                StatusCode::BAD_REQUEST => Failure::usage(error.message, hint),
                _ => Failure::failed(error.message, hint),
            }
        }
        Err(_) => refused(status),
    })
}

/// A request that was refused, by whoever does not say why.
pub(crate) fn refused(status: StatusCode) -> Failure {
    Failure::failed(format!("the greenroom that holds the data directory answers {status}"), UNTOLD)
}

/// A request that got no answer.
pub(crate) fn failure(lost: &Lost) -> Failure {
    let why = match lost {
        Lost::NotTaken(error) => error.to_string(),
        other => other.to_string(),
    };
    Failure::failed(
        format!("the greenroom that holds the data directory does not answer: {why}"),
        "is it still starting, or stopping? try again, or restart it",
    )
}
