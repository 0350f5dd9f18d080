//! Google's Gemini, as the Gemini API and Vertex serve it.
//!
//! Towards a provider: [`encode_request`], then [`GeminiDecoder`] for a stream, [`decode_answer`] for a whole answer and
//! [`decode_error`] for an error; [`encode_count`] and [`decode_count`] count a prompt's tokens. [`decode_request`] reads
//! what a client asks. The model, and whether a stream is wanted, stand in the path and not in a body.
//!
//! # What goes back
//!
//! Whatever part the provider wants to see again comes as [`ChatEvent::Opaque`](crate::ChatEvent::Opaque), in its place,
//! and is written back as it was:
//!
//! - A text, or a thought, with a `thoughtSignature`: its text comes first, and then the whole part. The text is in both,
//!   since texts that are said one after another become one, and a signature belongs to its own part of it alone.
//! - A `functionCall` with one: `{"tool_call": 0, "thoughtSignature": "…"}`, by the call's index in its answer.
//! - A picture or a sound with one: `{"inlineData": {}, "thoughtSignature": "…"}`, right after it.
//! - Everything that the provider's own tools say (`executableCode`, `codeExecutionResult`, `toolCall`, …), and any other
//!   part with a signature: the part alone.
//!
//! Thinking without a signature does not go back.
//!
//! [`Extra`](crate::chat::Extra)s of an answer stand at the paths of the whole answer (`/usageMetadata/trafficType`,
//! `/candidates/0/safetyRatings`, `/candidates/1`), whichever form it had.

mod answer;
mod count;
mod embed;
mod embed_vertex;
mod error;
mod models;
mod request;
mod schema;
mod stream;

pub use answer::decode_answer;
pub use count::decode_count;
pub use embed::{decode_embed_request, decode_embeddings, encode_embed_request};
pub use embed_vertex::{decode_predict, encode_embed_content, encode_predict};
pub use error::decode_error;
pub use models::{ModelEntry, ModelPage, decode_models, decode_publisher_models};
pub use request::{Dialect, ThinkingForm, decode_request, encode_count, encode_request};
pub use stream::GeminiDecoder;

pub use crate::{encode::Encoded, error_response::ErrorResponse, names::ToolNames};

/// Whether a part with this key is one of the provider's own tools, or of its files, which goes back as it was.
fn goes_back(key: &str) -> bool {
    matches!(
        key,
        "executableCode"
            | "executable_code"
            | "codeExecutionResult"
            | "code_execution_result"
            | "toolCall"
            | "toolResponse"
            | "tool_response"
            | "fileData"
            | "file_data"
    )
}
