//! Taking a client's JSON apart; what is not known becomes this wire's extras.

use serde_json::{Map, Value};

use crate::chat::{Extra, Wire};
pub(super) use crate::reader::{array, boolean, count, number, object, string, take, take_string, wrong};

/// What stands at a pointer and has no word in the chat language.
pub(super) fn extra(path: String, json: Value) -> Extra {
    Extra { wire: Wire::OpenaiChat, path, json }
}

/// What is left of an object, as extras.
pub(super) fn rest(extras: &mut Vec<Extra>, at: &str, map: Map<String, Value>) {
    crate::reader::rest(Wire::OpenaiChat, extras, at, map);
}
