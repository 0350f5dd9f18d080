//! OpenAI's API.

mod calls;
mod chat;
mod models;
mod stream;

pub(super) use chat::chat;
pub(super) use models::{model, models};
