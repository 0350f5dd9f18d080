//! What every wire's reading of an HTTP error has in common: the response, its hints on when to retry, and its words
//! made fit to show.

mod hints;
mod words;

use std::time::SystemTime;

pub use hints::retry_after;
pub(crate) use hints::{days, span};
pub(crate) use words::{fit_to_show, not_json};

/// A response that is an error, or should have been an answer and is not.
#[derive(Clone, Copy)]
pub struct ErrorResponse<'a> {
    /// HTTP status.
    pub status: u16,
    /// Looks a header up; the name is given in lower case, and case must not matter.
    pub header: &'a dyn Fn(&str) -> Option<String>,
    /// The body, or as much of it as was read.
    pub body: &'a [u8],
    /// The time now, against which dates are counted.
    pub now: SystemTime,
}

impl std::fmt::Debug for ErrorResponse<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ErrorResponse").field("status", &self.status).finish_non_exhaustive()
    }
}

impl ErrorResponse<'_> {
    /// What the provider says outright on whether a retry can help (`x-should-retry`; OpenAI and Anthropic).
    pub fn should_retry(&self) -> Option<bool> {
        match (self.header)("x-should-retry")?.trim() {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        }
    }
}
