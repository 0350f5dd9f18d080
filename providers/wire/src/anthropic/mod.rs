//! Anthropic's messages, as Anthropic, Azure and Vertex serve them.
//!
//! Towards a provider: [`encode_request`], then [`AnthropicDecoder`] for a stream, [`decode_answer`] for a whole answer
//! and [`decode_error`] for an error; [`encode_count`] and [`decode_count`] count a prompt's tokens. Towards a client:
//! [`decode_request`], then [`StreamWriter`], [`whole_answer`] and [`error_body`], and [`encode_models`] for the list.
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
//! Thinking that no provider of this wire signed is served with an empty signature; where a client sends that back, it is
//! thinking only, so that it never reaches a provider as if it were signed.
//!
//! An encoder that meets such a block takes it in the place of the thinking or text right before it.
//!
//! [`Extra`](crate::chat::Extra)s of an answer stand at paths of the whole message (`/usage/service_tier`,
//! `/stop_sequence`, `/container`, `/content/2/caller`), whichever form the answer had. Where a block begins that could
//! be taken for more of the one before it, `/content/2/type` says so. The features that a client asks for by header
//! (`anthropic-beta`) are an extra of the request at [`BETAS`].

mod answer;
mod error;
mod models;
pub(crate) mod request;
mod serve;
mod stream;

pub use answer::decode_answer;
pub use error::decode_error;
pub(crate) use error::decode_error_event;
pub use models::{ModelEntry, ModelPage, decode_models};
pub use request::{BETAS, Dialect, ServedRequest, ThinkingForm, betas, decode_request, encode_count, encode_request};
pub use serve::{
    PageQuery, ServedModel, StreamWriter, encode_models, error_body, error_json, error_type, field_of_call, model_json,
    whole_answer,
};
pub use stream::AnthropicDecoder;

pub use crate::{count::decode_count, encode::Encoded, error_response::ErrorResponse, names::ToolNames};
