//! What goes back, told apart from what other wires say.

use serde_json::{Map, Value};

/// What of this wire is in an opaque part.
pub(super) enum Own<'a> {
    /// A whole item.
    Item(&'a Map<String, Value>),
    /// The fields of the message that ends.
    Message(&'a Map<String, Value>),
    /// The fields of a call.
    Call(&'a Map<String, Value>),
}

impl<'a> Own<'a> {
    pub(super) fn of(data: &'a Value) -> Option<Self> {
        let data = data.as_object().filter(|data| data.len() == 1)?;
        let (key, json) = data.iter().next()?;
        let map = json.as_object()?;
        match key.as_str() {
            "item" if map.get("type").is_some_and(Value::is_string) => Some(Self::Item(map)),
            "message" => Some(Self::Message(map)),
            "call" => Some(Self::Call(map)),
            _ => None,
        }
    }
}
