//! Requests, in both directions.

mod decode;
mod decode_message;
mod encode;
mod encode_message;
mod extras;
mod generate;

pub use decode::{ServedRequest, decode_request};
pub use encode::encode_request;
pub(super) use extras::{extra, own_extras};
pub use generate::decode_generate_request;
