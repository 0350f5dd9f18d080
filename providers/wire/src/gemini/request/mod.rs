//! Requests, in both directions.

mod config;
mod decode;
mod decode_config;
mod decode_content;
mod decode_part;
mod decode_tools;
mod dialect;
mod encode;
mod encode_content;
mod encode_part;
mod encode_result;
mod thinking;
mod tools;

use std::borrow::Cow;

use serde_json::{Map, Value};

pub use decode::decode_request;
pub use dialect::{Dialect, ThinkingForm};
pub use encode::{encode_count, encode_request};

use crate::{
    chat::{Extra, Wire},
    encode::LeftOut,
    extras::Extras,
};

/// The extras of a list that belong on this wire.
fn own(list: &[Extra]) -> Extras<'_> {
    Extras::new(Wire::Gemini, list)
}

fn report_foreign(at: &str, extras: &[Extra], left_out: &mut Vec<LeftOut>) {
    crate::encode::report_foreign(Wire::Gemini, at, extras, left_out);
}

/// Whether opaque data may go: to whoever said it; and where that is not known (a client's history), if it is a part of
/// this wire.
fn is_own(origin: (&str, &str), provider: &str, model: &str) -> bool {
    matches!(origin, ("", _)) || origin == (provider, model)
}

/// A model's name as the API has it in bodies.
pub(super) fn resource(model: &str) -> Cow<'_, str> {
    if model.contains('/') { model.into() } else { format!("models/{model}").into() }
}

/// Takes a key out of an object, in camel case or in the snake case that the API takes as well; null is absent.
pub(super) fn take_any(map: &mut Map<String, Value>, key: &str) -> Option<Value> {
    let given = map.shift_remove(key).filter(|value| !value.is_null());
    if !key.contains(|c: char| c.is_ascii_uppercase()) {
        return given;
    }
    let other = map.shift_remove(&snake(key)).filter(|value| !value.is_null());
    given.or(other)
}

fn snake(key: &str) -> String {
    let mut snake = String::with_capacity(key.len() + 4);
    for letter in key.chars() {
        if letter.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}

/// What is left of an object, as extras. Null is the same as nothing everywhere on this wire.
fn rest(extras: &mut Vec<Extra>, at: &str, mut map: Map<String, Value>) {
    map.retain(|_, value| !value.is_null());
    crate::reader::rest(Wire::Gemini, extras, at, map);
}
