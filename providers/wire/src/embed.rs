//! Embeddings in the common language: texts in, vectors out.

use serde::{Deserialize, Serialize};

use crate::{
    chat::Extra,
    error::{ChatError, ErrorKind},
};

/// Texts to be made vectors.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct EmbedRequest {
    /// The model, as its reader names it.
    pub model: String,
    /// What is to be made vectors.
    pub input: Vec<EmbedInput>,
    /// How many numbers each vector is to have; `None` leaves it to the model.
    pub dimensions: Option<u32>,
    /// What this language has no word for.
    pub extra: Vec<Extra>,
}

impl EmbedRequest {
    /// The texts, for a wire that takes nothing else.
    ///
    /// # Errors
    /// `InvalidRequest`: one of them is written as tokens, which only a model of the same vocabulary could read.
    pub fn texts(&self) -> Result<Vec<&str>, ChatError> {
        let texts: Option<Vec<&str>> = self.input.iter().map(EmbedInput::text).collect();
        texts.ok_or_else(|| {
            ChatError::new(ErrorKind::InvalidRequest, "the model's provider takes texts, and no tokens in their place")
        })
    }
}

/// One text to be made a vector.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum EmbedInput {
    /// As it is.
    Text(String),
    /// As the tokens of the model's own vocabulary, as OpenAI's models take it.
    Tokens(Vec<u32>),
}

impl EmbedInput {
    /// The text, if it is one.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Tokens(_) => None,
        }
    }
}

impl From<&str> for EmbedInput {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for EmbedInput {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
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
