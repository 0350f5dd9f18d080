//! What model providers say on the wire: pure encoding and decoding.
//!
//! Bytes go in, [`ChatEvent`]s come out; a [`ChatRequest`] goes in, a body comes out. Nothing here knows a socket, a
//! clock or an actor, so everything can be fed recorded traffic, split at every byte.

pub mod anthropic;
pub mod batch;
pub mod bedrock;
mod calls;
pub mod chat;
pub mod copilot;
mod count;
pub mod decode;
pub mod embed;
pub mod encode;
pub mod error;
pub mod error_response;
pub mod event;
mod extras;
pub mod fold;
pub mod frame;
pub mod gemini;
pub mod json;
pub mod llamacpp;
mod names;
mod object;
pub mod ollama;
pub mod openai_chat;
pub mod openai_responses;
pub mod openrouter;
mod queue;
pub mod rate_limits;
mod reader;
mod told_cost;

pub use chat::{ChatRequest, Message, Part, Role};
pub use decode::{StreamDecoder, StreamState};
pub use embed::{EmbedInput, EmbedRequest, Embeddings};
pub use encode::LeftOut;
pub use error::{ChatError, ErrorKind};
pub use error_response::ErrorResponse;
pub use event::{ChatEvent, FinishReason, Usage};
pub use rate_limits::RateLimits;
