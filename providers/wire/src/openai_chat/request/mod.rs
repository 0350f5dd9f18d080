//! Requests, in both directions.

mod decode;
mod decode_message;
mod decode_part;
mod dialect;
mod encode;
mod encode_message;
mod encode_part;
mod encode_reasoning;
mod encode_tools;
mod extras;
pub(crate) mod reader;

pub use decode::{ServedRequest, decode_object, decode_request};
pub(super) use decode_part::split_data_url;
pub use dialect::{CallIdForm, Dialect, MaxTokensKey, ThinkingForm};
pub use encode::encode_request;
