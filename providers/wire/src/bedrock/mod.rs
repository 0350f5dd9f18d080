//! Amazon Bedrock's Converse, and what of its `InvokeModel` makes embeddings.
//!
//! What goes out is written here as JSON, byte by byte, as on every other wire: keys keep the order that they were given
//! in, which the SDK's own type of JSON, a hash map, does not, and on which prompt caches depend. What comes in has been
//! taken out of its frames by whoever has the connection, and comes here as [`ConverseEvent`]s: [`ConverseDecoder`] makes
//! an answer of them.
//!
//! # What goes back
//!
//! Blocks that the model wants to see again come as [`ChatEvent::Opaque`](crate::ChatEvent::Opaque), in their place, as
//! Converse writes them in a message:
//!
//! - `{"reasoningContent": {"reasoningText": {"text": …, "signature": …}}}`: its text comes as thinking first. Reasoning
//!   without a signature is thinking only, and does not go back.
//! - `{"reasoningContent": {"redactedContent": …}}`: the block alone.
//! - `{"toolUse": {…, "type": "server_tool_use"}}` and `{"toolResult": {…}}`: what a tool of the provider's own was asked,
//!   and gave.

mod answer;
mod count;
mod embed;
mod error;
mod event;
mod models;
mod request;
mod stream;

pub use answer::decode_answer;
pub use count::{base_model, decode_count};
pub use embed::{EmbedForm, decode_embeddings, encode_embed_request};
pub use error::{decode_error, decode_exception};
pub use event::{ConverseEvent, TokenCounts};
pub use models::{ModelEntry, ProfilePage, decode_models, decode_profiles};
pub use request::{Dialect, encode_count, encode_request};
pub use stream::ConverseDecoder;

pub use crate::{encode::Encoded, error_response::ErrorResponse, names::ToolNames};
