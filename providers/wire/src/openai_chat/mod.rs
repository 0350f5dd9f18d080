//! OpenAI's chat completions, as OpenAI and every compatible server speaks it: both sides of it.
//!
//! Towards a provider: [`encode_request`], then [`OpenaiChatDecoder`] for a stream, [`decode_answer`] for a whole
//! answer and [`decode_error`] for an error. Towards a client: [`decode_request`], then [`StreamWriter`],
//! [`whole_answer`] or [`error_body`]. Texts, in place of chats, are asked for by [`decode_completion`] and what is beside it.
//!
//! [`Extra`](crate::chat::Extra)s of an answer stand at paths of the *streamed* form (`/choices/0/delta/…`), whichever
//! form the answer had.

mod answer;
mod completion;
mod embed;
mod error;
mod models;
mod request;
mod serve;
mod stream;

pub use answer::decode_answer;
pub use completion::{CompletionWriter, ServedCompletion, decode_completion, whole_completion};
pub use embed::{ServedEmbed, decode_embed_request, decode_embeddings, embeddings_body, encode_embed_request};
pub(crate) use error::decode_error_event;
pub use error::{decode_copilot_error, decode_error};
pub use models::{ModelEntry, ServedModel, decode_models, encode_models};
pub use request::{
    CallIdForm, Dialect, MaxTokensKey, ServedRequest, ThinkingForm, decode_object, decode_request, encode_request,
};
pub use serve::{StreamWriter, error_body, whole_answer};
pub(crate) use serve::{error_object, insert_at};
pub use stream::OpenaiChatDecoder;

pub use crate::{
    encode::{Encoded, LeftOut},
    error_response::ErrorResponse,
    names::ToolNames,
};
