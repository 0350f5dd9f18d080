//! The shapes of events, messages and blocks.

use serde::Deserialize;
use serde_json::value::RawValue;

pub(super) use crate::object::Str;
use crate::object::object;

object! {
    /// An event of a stream, by whichever of its fields it has.
    Event {
        kind = "type": Str<'a>,
        index: u32,
        message: Head<'a>,
        content_block: &'a RawValue,
        delta: Delta<'a>,
        usage: &'a RawValue,
        error: &'a RawValue,
    } ignore []
}

object! {
    /// A message: at the start of a stream without content, or whole.
    Head {
        kind = "type": Str<'a>,
        id: Str<'a>,
        model: Str<'a>,
        content: Vec<&'a RawValue>,
        stop_reason: Str<'a>,
        usage: &'a RawValue,
        error: &'a RawValue,
    } ignore ["role"]
}

object! {
    /// What an event adds to a block, or to the message.
    Delta {
        kind = "type": Str<'a>,
        text: Str<'a>,
        thinking: Str<'a>,
        partial_json: Str<'a>,
        signature: Str<'a>,
        citation: &'a RawValue,
        stop_reason: Str<'a>,
    } ignore []
}

object! {
    /// A block that this wire's words are known for.
    Block {
        kind = "type": Str<'a>,
        id: Str<'a>,
        name: Str<'a>,
        text: Str<'a>,
        thinking: Str<'a>,
        signature: Str<'a>,
        input: &'a RawValue,
        citations: Vec<&'a RawValue>,
    } ignore []
}

/// What an object says that it is.
#[derive(Debug, Deserialize)]
pub(super) struct Tag<'a> {
    #[serde(borrow, default, rename = "type")]
    pub(super) kind: Option<Str<'a>>,
    #[serde(borrow, default)]
    pub(super) delta: Option<&'a RawValue>,
}

impl<'a> Tag<'a> {
    /// The `type` of an object; none where it is not one or says none.
    pub(super) fn of(json: &'a str) -> Option<Self> {
        serde_json::from_str(json).ok()
    }

    pub(super) fn kind(&self) -> &str {
        Str::filled(&self.kind).unwrap_or_default()
    }
}
