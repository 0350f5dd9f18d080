//! OpenAI's API.

mod chat;
mod completions;
mod embeddings;
mod models;
mod received;
mod responses;

use std::time::{SystemTime, UNIX_EPOCH};

pub(super) use chat::chat;
pub(super) use completions::completions;
pub(super) use embeddings::embeddings;
pub(super) use models::{model, models};
pub(super) use responses::{response_routes, responses};

/// Seconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
