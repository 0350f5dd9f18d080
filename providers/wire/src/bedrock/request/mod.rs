//! Requests, as Converse reads them.

mod block;
mod dialect;
mod encode;
mod media;
mod messages;
mod thinking;
mod tools;

pub use dialect::Dialect;
pub use encode::{encode_count, encode_request};

use serde_json::Value;

use crate::{
    chat::{Extra, Part, Wire},
    extras::Extras,
};

/// The extras of a list that belong on this wire.
fn own(list: &[Extra]) -> Extras<'_> {
    Extras::new(Wire::Bedrock, list)
}

/// The block of this wire that a part is kept for, if it may go to this provider and model: to whoever said it, or where
/// that is not known, if it has the form of a block that goes back.
fn own_block<'a>(part: &'a Part, provider: &str, model: &str) -> Option<&'a Value> {
    const GOES_BACK: [&str; 4] = ["reasoningContent", "toolUse", "toolResult", "citationsContent"];
    match part {
        Part::Opaque { provider: by, model: of, data } if by.is_empty() || (by == provider && of == model) => {
            let mut keys = data.as_object()?.iter();
            let (key, inside) = keys.next()?;
            (GOES_BACK.contains(&key.as_str()) && inside.is_object() && keys.next().is_none()).then_some(data)
        }
        _ => None,
    }
}
