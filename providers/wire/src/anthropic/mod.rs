//! Anthropic's messages, as Anthropic, Azure and Vertex serve them.
//!
//! Towards a provider: [`encode_request`], then [`AnthropicDecoder`] for a stream, [`decode_answer`] for a whole answer
//! and [`decode_error`] for an error; [`encode_count`] and [`decode_count`] count a prompt's tokens. Towards a client:
//! [`decode_request`].
//!
//! # What goes back
//!
//! Whatever block the provider wants to see again comes as [`ChatEvent::Opaque`](crate::ChatEvent::Opaque), whole, in
//! its place, and is written back as it was:
//!
//! - `thinking`: its text comes as thinking first, and then the whole block, text and signature, also where the text is
//!   empty. The text is in both: what is shown may be cut or left out of a history without breaking what is signed. A
//!   block without a signature is thinking only, and does not go back.
//! - `text` with citations: its text, its citations, and then the whole block.
//! - everything that the provider's own tools say (`server_tool_use`, `web_search_tool_result`, …), `redacted_thinking`,
//!   `compaction`, `fallback`: the block alone.
//! - fields of a `tool_use` beyond the usual ones: `{"tool_call": 0, "caller": {…}}`, by the call's index.
//!
//! An encoder that meets such a block takes it in the place of the thinking or text right before it.
//!
//! [`Extra`](crate::chat::Extra)s of an answer stand at paths of the whole message (`/usage/service_tier`,
//! `/stop_sequence`, `/container`, `/content/2/caller`), whichever form the answer had.

mod answer;
mod error;
mod models;
mod request;
mod stream;

pub use answer::decode_answer;
pub use error::decode_error;
pub use models::{ModelEntry, ModelPage, decode_models};
pub use request::{Dialect, ServedRequest, ThinkingForm, decode_request, encode_count, encode_request};
pub use stream::AnthropicDecoder;

pub use crate::{count::decode_count, encode::Encoded, error_response::ErrorResponse, names::ToolNames};
