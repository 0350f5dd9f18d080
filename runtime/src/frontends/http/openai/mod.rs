//! OpenAI's API.

mod chat;
mod models;

pub(super) use chat::chat;
pub(super) use models::{model, models};
