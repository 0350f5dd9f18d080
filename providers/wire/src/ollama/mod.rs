//! Ollama's own API, as a local server and ollama.com speak it.
//!
//! To ask: [`encode_request`], then [`OllamaDecoder`] for a stream, [`decode_answer`] for a whole answer and
//! [`decode_error`] for an error. [`decode_request`] reads what a client asks.
//!
//! [`Extra`](crate::chat::Extra)s of an answer stand at the paths of a line of its stream (`/total_duration`,
//! `/message/…`), whichever form the answer had.

mod answer;
mod embed;
mod error;
mod media;
mod models;
mod pull;
mod request;
mod stream;

pub use answer::decode_answer;
pub use embed::{decode_embed_request, decode_embeddings, encode_embed_request, encode_legacy_embed_request};
pub use error::decode_error;
pub use models::{LocalModel, ShownModel, decode_show, decode_tags, encode_show_request};
pub use pull::{PullDecoder, PullProgress, PullState, encode_pull_request};
pub use request::{ServedRequest, decode_generate_request, decode_request, encode_request};
pub use stream::OllamaDecoder;
