//! OpenAI's API.

mod chat;
mod embeddings;
mod models;

pub(super) use chat::chat;
pub(super) use embeddings::embeddings;
pub(super) use models::{model, models};
