//! Playing back recorded exchanges.

use std::path::{Path, PathBuf};
use std::{fs, io};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::Value;

use crate::payload::Headers;
use crate::script::{Attempt, Route};

/// Headers that belong to the connection on which the answer was recorded, or that describe its bytes
/// before they were unpacked; a replay makes its own.
const OF_THE_CONNECTION: [&str; 9] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "content-length",
    "content-encoding",
];

/// A recorded exchange that can be played.
#[derive(Debug, Clone)]
pub struct Replay {
    /// What was asked, if that is known.
    pub request: Option<RecordedRequest>,
    /// The answer.
    pub attempt: Attempt,
}

/// The request of a recording.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct RecordedRequest {
    /// The method.
    pub method: String,
    /// The host, if it is known.
    pub host: Option<String>,
    /// Path and query.
    pub path: String,
    /// Without secrets.
    #[serde(default)]
    pub headers: Headers,
    /// Mostly an object; text if the body was no JSON.
    #[serde(default)]
    pub body: Value,
}

/// In which pieces a recorded body is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pieces {
    /// As they came from the network if that was recorded; else at once, with its length.
    AsRecorded,
    /// At once, with its length.
    Whole,
    /// So many bytes at a time.
    Bytes(usize),
}

/// A file that is no recording.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The file cannot be read.
    #[error("cannot read the recording {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file has another form.
    #[error("{path} is not a recording")]
    Form {
        /// The file.
        path: PathBuf,
        /// Where it differs.
        source: serde_json::Error,
    },
    /// `body_base64` is not base64.
    #[error("the body in {path} is not base64")]
    Base64 {
        /// The file.
        path: PathBuf,
        /// Where it differs.
        source: base64::DecodeError,
    },
    /// `chunk_lengths` is not a division of the body.
    #[error("the chunks in {path} do not make up its body")]
    Chunks {
        /// The file.
        path: PathBuf,
    },
}

#[derive(Deserialize)]
struct Recording {
    request: Option<RecordedRequest>,
    response: RecordedResponse,
}

#[derive(Deserialize)]
struct RecordedResponse {
    status: u16,
    headers: Headers,
    body: Option<String>,
    body_base64: Option<String>,
    chunk_lengths: Option<Vec<usize>>,
}

/// Reads a recording: `{request: {method, host, path, headers, body} | null, response: {status, headers,
/// body | body_base64, chunk_lengths?}}`; its body goes out as it came.
///
/// # Errors
/// If the file is not of that form.
pub fn replay(path: impl AsRef<Path>) -> Result<Replay, ReplayError> {
    replay_in(path, Pieces::AsRecorded)
}

/// Reads a recording to be sent in pieces of another size.
///
/// # Errors
/// If the file is not of the form that [`replay`] reads.
///
/// # Panics
/// If `pieces` is of 0 bytes.
pub fn replay_in(path: impl AsRef<Path>, pieces: Pieces) -> Result<Replay, ReplayError> {
    let path = path.as_ref().to_owned();
    let text = fs::read(&path).map_err(|source| ReplayError::Read { path: path.clone(), source })?;
    let recording: Recording =
        serde_json::from_slice(&text).map_err(|source| ReplayError::Form { path: path.clone(), source })?;
    let RecordedResponse { status, headers, body, body_base64, chunk_lengths } = recording.response;
    let body = match body_base64 {
        Some(packed) => STANDARD.decode(packed).map_err(|source| ReplayError::Base64 { path: path.clone(), source })?,
        None => body.unwrap_or_default().into_bytes(),
    };
    let mut attempt = Attempt::new().status(status);
    for (name, value) in &headers.0 {
        if !OF_THE_CONNECTION.iter().any(|own| name.eq_ignore_ascii_case(own)) {
            attempt = attempt.header(name, value);
        }
    }
    attempt = match (pieces, chunk_lengths) {
        (Pieces::AsRecorded, Some(lengths)) => {
            let mut rest = body.as_slice();
            for length in lengths {
                let (piece, after) =
                    rest.split_at_checked(length).ok_or_else(|| ReplayError::Chunks { path: path.clone() })?;
                attempt = attempt.send(piece);
                rest = after;
            }
            if !rest.is_empty() {
                return Err(ReplayError::Chunks { path });
            }
            attempt
        }
        (Pieces::Bytes(bytes), _) => attempt.body(body).in_pieces_of(bytes),
        (Pieces::AsRecorded | Pieces::Whole, _) => attempt.body(body),
    };
    Ok(Replay { request: recording.request, attempt })
}

impl Replay {
    /// A route that gives this answer to requests like the recorded one: same method and path, whatever
    /// the query. Without a recorded request, to all.
    pub fn route(&self) -> Route {
        match &self.request {
            Some(request) => {
                let path = request.path.split_once('?').map_or(request.path.as_str(), |(path, _)| path);
                Route::new(&request.method, path, [self.attempt.clone()])
            }
            None => Route::new("*", "*", [self.attempt.clone()]),
        }
    }
}
