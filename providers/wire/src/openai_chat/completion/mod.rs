//! OpenAI's text completions (`POST /v1/completions`), as clients of old speak it, towards a client alone: each text is
//! asked for as one message of a chat, whoever answers, since hardly a model is left that is not one of chats.

mod request;
mod texts;
mod writer;

pub use request::{ServedCompletion, decode_completion};
pub use texts::whole_completion;
pub use writer::CompletionWriter;
