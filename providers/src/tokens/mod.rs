//! How many tokens a prompt has, without asking anybody: exact where the vocabulary and the frame of a message are published,
//! else an estimate that says by how much it may be wrong. Pure, but not cheap: not for async threads.

mod family;
mod picture;
mod tally;
mod tools;
pub mod vocabulary;

use greenroom_wire::{ChatRequest, EmbedInput, EmbedRequest};

use family::Family;
use tally::Tally;

/// A count of a prompt's tokens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TokenCount {
    /// How many.
    pub tokens: u64,
    /// By what share of itself it may be wrong, either way; `None` if it is exact. One and more says that little is known: of
    /// tools of the provider's own, and of what a request only refers to.
    pub error: Option<f64>,
}

impl TokenCount {
    /// A count that is so to the token.
    pub fn exact(tokens: u64) -> Self {
        Self { tokens, error: None }
    }
}

/// How many tokens a prompt has for a model, by its provider's id.
pub fn count(model: &str, request: &ChatRequest) -> TokenCount {
    let family = Family::of(model);
    let mut tally = Tally::new(&family);
    tally.request(request);
    tally.sum()
}

/// How many tokens texts have that are to be made vectors. What is given as tokens is that many, whatever the model.
pub fn count_texts(model: &str, request: &EmbedRequest) -> TokenCount {
    let family = Family::of(model);
    let mut tally = Tally::new(&family);
    for input in &request.input {
        match input {
            EmbedInput::Text(text) => tally.text(text),
            EmbedInput::Tokens(tokens) => tally.known(tokens.len() as u64),
        }
    }
    tally.sum()
}

/// Whether [`count`] will be exact but for a word of absurd length; says so at once, without counting.
pub fn counts_exactly(model: &str, request: &ChatRequest) -> bool {
    Family::of(model).is_exact(request)
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
