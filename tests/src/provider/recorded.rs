//! The requests that a scripted provider has seen.

use std::collections::VecDeque;
use std::time::Instant;

use bytes::Bytes;
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::payload::{Headers, Payload};

/// How many requests are kept.
const MOST: usize = 1000;
/// How many bytes of bodies are kept in all, so that requests with images cannot fill the memory.
const MOST_BYTES: usize = 256 * 1024 * 1024;

/// One request, its secrets included: a test has to see which key was used.
#[derive(Debug, Clone, Serialize)]
pub struct Recorded {
    /// Counted from 1 since the start or the last reset.
    pub number: u64,
    /// Which connection brought it, counted from 1 since the start.
    pub connection: u64,
    /// As written.
    pub method: String,
    /// Path and query, as written.
    pub target: String,
    /// In their order.
    pub headers: Headers,
    /// As sent, without its framing. In JSON `{"text": …}` or `{"base64": …}`.
    #[serde(serialize_with = "as_payload")]
    pub body: Bytes,
    /// The route that answered, as its place in [`super::Stats::routes`].
    pub route: Option<usize>,
    /// The attempt that answered, as its place in the route.
    pub attempt: Option<usize>,
    /// When the whole of it had been read.
    #[serde(skip)]
    pub at: Instant,
    /// The same in milliseconds since 1970.
    pub at_unix_ms: u64,
}

fn as_payload<S: Serializer>(body: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
    Payload::from(body.to_vec()).serialize(serializer)
}

impl Recorded {
    /// The path without its query.
    pub fn path(&self) -> &str {
        path_of(&self.target)
    }

    /// The first header of this name, in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)
    }

    /// The token of `Authorization: Bearer`.
    pub fn bearer(&self) -> Option<&str> {
        self.headers.bearer()
    }

    /// The body as JSON; `null` if it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// The path of a request's target.
pub(super) fn path_of(target: &str) -> &str {
    target.split_once('?').map_or(target, |(path, _)| path)
}

/// The last requests, bounded in number and in bytes.
#[derive(Debug, Default)]
pub(super) struct Ring {
    kept: VecDeque<Recorded>,
    bytes: usize,
}

impl Ring {
    pub(super) fn push(&mut self, request: Recorded) {
        self.bytes += request.body.len();
        self.kept.push_back(request);
        while self.kept.len() > MOST || (self.bytes > MOST_BYTES && self.kept.len() > 1) {
            let gone = self.kept.pop_front().map_or(0, |oldest| oldest.body.len());
            self.bytes -= gone;
        }
    }

    pub(super) fn to_vec(&self) -> Vec<Recorded> {
        self.kept.iter().cloned().collect()
    }
}
