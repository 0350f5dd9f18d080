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
    chat::{ChatRequest, Extra, Wire},
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

/// Where the extra of a request stands that lists the features it asks for, which this wire has in its header
/// `anthropic-beta`.
pub const BETAS: &str = "/anthropic_beta";

/// The features that a request asks for, for the header of the request that is sent. No body names them.
pub fn betas(request: &ChatRequest) -> impl Iterator<Item = &str> {
    let lists = request.extra.iter().filter(|extra| extra.wire == Wire::Anthropic && extra.path == BETAS);
    lists.filter_map(|extra| extra.json.as_array()).flatten().filter_map(serde_json::Value::as_str)
}
