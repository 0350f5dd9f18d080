//! Requests, in both directions.

mod decode;
mod decode_block;
mod decode_message;
mod dialect;
mod encode;
mod encode_block;
mod encode_message;
pub(crate) mod thinking;
mod tools;

pub use decode::{ServedRequest, decode_request};
pub(crate) use encode_block::put_input;
pub(crate) use tools::put_schema;

pub use dialect::{Dialect, ThinkingForm};
pub use encode::{encode_count, encode_request};

use crate::{
    chat::{Extra, Wire},
    encode::LeftOut,
    extras::Extras,
};

/// The extras of a list that belong on this wire.
fn own(list: &[Extra]) -> Extras<'_> {
    Extras::new(Wire::Anthropic, list)
}

fn report_foreign(at: &str, extras: &[Extra], left_out: &mut Vec<LeftOut>) {
    crate::encode::report_foreign(Wire::Anthropic, at, extras, left_out);
}

/// Whether opaque data may go: to whoever said it; and where that is not known (a client's history), if it is a block of
/// this wire.
fn is_own(origin: (&str, &str), provider: &str, model: &str) -> bool {
    matches!(origin, ("", _)) || origin == (provider, model)
}
