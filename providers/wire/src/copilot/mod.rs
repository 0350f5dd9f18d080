//! What GitHub Copilot says beside the wires that it shares with OpenAI: its list of models.

mod models;

pub use models::{CopilotModel, ModelType, Policy, decode_models, enabled_policy};
