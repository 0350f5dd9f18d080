//! Requests, in both directions.

mod decode;
mod decode_item;
mod decode_part;
mod dialect;
mod encode;
mod encode_answer;
mod encode_count;
mod encode_input;
mod encode_part;
mod items;
mod tools;

pub(super) use decode::read_tool;
pub use decode::{ServedRequest, decode_request};
pub use dialect::Dialect;
pub use encode::encode_request;
pub use encode_count::encode_count;
pub use items::input_items;

use crate::{
    chat::{Extra, Wire},
    encode::LeftOut,
    extras::Extras,
};

/// The extras of a list that belong on this wire.
fn own(list: &[Extra]) -> Extras<'_> {
    Extras::new(Wire::OpenaiResponses, list)
}

fn report_foreign(at: &str, extras: &[Extra], left_out: &mut Vec<LeftOut>) {
    crate::encode::report_foreign(Wire::OpenaiResponses, at, extras, left_out);
}
