//! A small HTTP/1.1 client for tests that must see what really arrives: chunk by chunk, event by event,
//! and how the connection ended.

mod connection;
mod response;
mod sse;

use std::io;
use std::time::Duration;

pub use self::connection::Connection;
pub use self::response::{Response, get, post_json, request};
pub use self::sse::{Event, Events};
use crate::http1::Malformed;

/// How long any one read or write may take before a test has failed.
pub const LIMIT: Duration = Duration::from_secs(30);

/// What went wrong with an exchange.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The connection broke, or could not be made; a reset by the server is
    /// [`io::ErrorKind::ConnectionReset`].
    #[error("the connection failed")]
    Io(#[from] io::Error),
    /// The server closed in good order before the message was over.
    #[error("the connection was closed within a message")]
    Incomplete,
    /// The bytes are not HTTP.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// Nothing came within the limit.
    #[error("nothing within {0:?}")]
    TimedOut(Duration),
    /// The address is not `http://host:port`.
    #[error("not an http address: {0}")]
    Address(String),
}

impl ClientError {
    /// Whether the server broke the connection (RST).
    pub fn is_reset(&self) -> bool {
        matches!(self, Self::Io(error) if error.kind() == io::ErrorKind::ConnectionReset)
    }

    /// Whether the server closed the connection (FIN) within a message.
    pub fn is_incomplete(&self) -> bool {
        matches!(self, Self::Incomplete)
    }
}
