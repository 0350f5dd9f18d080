//! What OpenRouter says beside the wires that it shares with OpenAI: its list of models.

mod models;

pub use models::{Listed, ListedModel, ModelPrice, decode_models};
