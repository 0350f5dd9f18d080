//! What is kept with the turn of a response beside what it asks, so that the response can be told again.

use greenroom_wire::openai_responses::{Echo, Kept, StreamWriter};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::id::ResponseId;

/// What a response is told by, beside its events.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) struct Told {
    /// Seconds since 1970.
    pub(super) created_at: u64,
    /// Whether it was made though nobody waited for it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) background: bool,
    /// Whether it says which conversation it is of.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) conversation: bool,
    /// What it repeats of its request.
    pub(super) echo: Value,
}

/// What a response says from its start on.
#[derive(Debug, Clone)]
pub(super) struct Head {
    pub(super) id: String,
    created: u64,
    /// As it was asked for.
    model: String,
    echo: Echo,
    kept: Kept,
}

impl Head {
    pub(super) fn new(id: &ResponseId, told: &Told, model: &str) -> Self {
        let conversation = told.conversation.then(|| id.session.clone());
        Self {
            id: id.to_string(),
            created: told.created_at,
            model: model.to_owned(),
            echo: Echo::from_value(&told.echo),
            kept: Kept { background: told.background, conversation },
        }
    }

    /// What writes the response. Its model is the one that was asked for until it is known who answers.
    pub(super) fn writer(&self) -> StreamWriter {
        let writer = StreamWriter::new(self.id.as_str(), self.created, self.model.as_str(), self.echo.clone());
        writer.keeping(self.kept.clone())
    }
}
