//! OpenAI's Responses API, as OpenAI, Azure, Copilot, OpenRouter and others serve it.
//!
//! Towards a provider: [`encode_request`], then [`OpenaiResponsesDecoder`] for a stream, [`decode_answer`] for a whole
//! answer and [`decode_error`] for an error; [`encode_count`] and [`decode_count`] count a prompt's tokens. Towards a
//! client: [`decode_request`], then [`StreamWriter`] or [`whole_response`], and of a request that is kept [`input_items`]; an error before that has the body of chat
//! completions.
//!
//! # What goes back
//!
//! An answer is a list of items. What of them the provider wants to see again, and the chat language has no word for,
//! comes as [`ChatEvent::Opaque`](crate::ChatEvent::Opaque) at its place, and is written back as it was:
//!
//! - `{"item": {…}}`: a whole item. A `reasoning` with what it hides in `encrypted_content`; its summary comes as
//!   thinking first, and is in both, so that what is shown may be cut without breaking what goes back. All that the
//!   provider's own tools were asked and gave, and items of any type that is not known.
//! - `{"message": {…}}`, after the text of a message: its fields but for its content (`id`, `phase`, `status`). Of its
//!   parts only what stands beside their text, under `content`, if anything does.
//! - `{"call": {"call_id": …, …}}`, after a tool call: its fields but for its name and arguments.
//!
//! [`Extra`](crate::chat::Extra)s of an answer stand at paths of the whole response (`/service_tier`, `/usage/cost`,
//! `/output/0/content/0/logprobs`), whichever form the answer had; fields that only repeat the request are left out.
//! Where a message, reasoning or a call begins, `/output/0` says its type, id and phase, and a call's `call_id`: what goes
//! back of it is known only at its end, and clients are told its id before. Extras of a request's message stand at paths of the input item that it is. Where a client left `store` out, which on
//! this wire means that the answer is kept, an extra says so: a request of the chat language asks for the contrary.

mod answer;
pub mod elsewhere;
mod error;
mod request;
mod serve;
mod stream;

pub use answer::decode_answer;
pub use error::decode_error;
pub use request::{Dialect, ServedRequest, decode_request, encode_count, encode_request, input_items};
pub use serve::{Echo, Kept, Status, StreamWriter, whole_response};
pub use stream::OpenaiResponsesDecoder;

pub use crate::{count::decode_count, encode::Encoded, error_response::ErrorResponse, names::ToolNames};
