//! Anthropic's API.

mod asked;
mod count;
mod messages;
mod models;

pub(super) use count::count;
pub(super) use messages::messages;
pub(super) use models::{model, models};
