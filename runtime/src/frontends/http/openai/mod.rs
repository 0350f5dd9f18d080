//! OpenAI's API.

mod calls;
mod chat;
mod embeddings;
mod models;
mod stream;

pub(super) use chat::chat;
pub(super) use embeddings::embeddings;
pub(super) use models::{model, models};
