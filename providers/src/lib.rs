//! Where model providers live, how they are signed, and how bytes get to the decoder.
//!
//! Every provider over HTTP shares one client ([`transport`]) and one streaming loop ([`drive`]); a provider's own file
//! says only where it is, how a request is made and what its errors mean. Nothing here holds mutable state or knows an
//! actor.

pub mod anthropic;
pub mod auth;
pub mod azure;
pub mod batch;
#[cfg(feature = "bedrock")]
pub mod bedrock;
pub mod catalog;
pub mod copilot;
pub mod cost;
pub mod credential;
pub mod demo;
pub mod drive;
pub mod elsewhere;
mod embeddings;
mod endpoint;
mod exchange;
pub mod gemini;
pub mod llamacpp;
pub mod ollama;
pub mod openai;
mod openai_chat;
mod openai_responses;
pub mod openrouter;
pub mod probe;
pub mod provider;
pub mod retry;
mod scrub;
pub mod terms;
pub mod tokens;
pub mod transport;
pub mod vertex;
pub mod watchdog;

pub use catalog::{Catalog, Facts};
pub use cost::{Cost, Price};
pub use credential::{AccessToken, Credential};
pub use provider::{
    Capabilities, ChatCall, EmbedCall, Health, Modalities, ModelInfo, Provider, PullCall, PullSink, Sink, SinkState,
    unsupported,
};
pub use terms::Terms;
pub use watchdog::Deadlines;
