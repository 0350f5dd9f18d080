//! Embeddings in the common language: texts in, vectors out.

use serde::{Deserialize, Serialize};

use crate::chat::Extra;

/// Texts to be made vectors.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct EmbedRequest {
    /// The model, as its reader names it.
    pub model: String,
    /// The texts.
    pub input: Vec<String>,
    /// How many numbers each vector is to have; `None` leaves it to the model.
    pub dimensions: Option<u32>,
    /// What this language has no word for.
    pub extra: Vec<Extra>,
}

/// The vectors of some texts.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Embeddings {
    /// The model that made them, in the provider's words; empty where it does not say.
    pub model: String,
    /// One for each text, in their order.
    pub vectors: Vec<Vec<f32>>,
    /// The tokens of all texts together, where they were told.
    pub tokens: Option<u64>,
}
