//! The shape of a chunk.
//!
//! A whole answer has the same shape, with `message` in the place of `delta`.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer},
};
use serde_json::{Value, value::RawValue};

pub(super) use crate::object::Str;
use crate::object::object;

/// What a tool is called with: text, though some servers write the object itself.
#[derive(Debug, Default, Clone)]
pub(super) struct Arguments<'a>(pub(super) Str<'a>);

impl<'de: 'a, 'a> Deserialize<'de> for Arguments<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Str<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or an object")
            }
            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Str(Cow::Borrowed(text)))
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Str(Cow::Owned(text.to_owned())))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                let object = Value::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Str(Cow::Owned(object.to_string())))
            }
        }
        from.deserialize_any(Either).map(Arguments)
    }
}

/// Content: text, or Mistral's list of parts.
#[derive(Debug, Clone)]
pub(super) enum Content<'a> {
    Text(Str<'a>),
    Parts(Vec<&'a RawValue>),
}

impl<'de: 'a, 'a> Deserialize<'de> for Content<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Content<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or a list of parts")
            }
            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Content::Text(Str(Cow::Borrowed(text))))
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Content::Text(Str(Cow::Owned(text.to_owned()))))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut parts = Vec::new();
                while let Some(part) = list.next_element()? {
                    parts.push(part);
                }
                Ok(Content::Parts(parts))
            }
        }
        from.deserialize_any(Either)
    }
}

object! {
    /// One chunk of a stream, or one whole answer.
    Chunk {
        id: Str<'a>,
        object: Str<'a>,
        model: Str<'a>,
        choices: Vec<Choice<'a>>,
        usage: &'a RawValue,
        error: &'a RawValue,
    } ignore ["created", "obfuscation", "p"]
}

object! {
    Choice {
        index: u32,
        delta = "delta" | "message": Delta<'a>,
        text: Str<'a>,
        finish_reason: Str<'a>,
        usage: &'a RawValue,
        error: &'a RawValue,
    } ignore []
}

object! {
    Delta {
        content: Content<'a>,
        refusal: Str<'a>,
        reasoning_content: Str<'a>,
        reasoning: Str<'a>,
        reasoning_text: Str<'a>,
        cot_summary: Str<'a>,
        reasoning_details: Vec<&'a RawValue>,
        reasoning_opaque: Str<'a>,
        tool_calls: Vec<CallDelta<'a>>,
        function_call: Box<FunctionDelta<'a>>,
        annotations: &'a RawValue,
        images: Vec<&'a RawValue>,
    } ignore ["role", "padding", "obfuscation", "copilot_annotations"]
}

object! {
    CallDelta {
        index: u32,
        id: Str<'a>,
        kind = "type": Str<'a>,
        function: FunctionDelta<'a>,
        custom: CustomDelta<'a>,
        extra_content: &'a RawValue,
    } ignore []
}

object! {
    FunctionDelta { name: Str<'a>, arguments: Arguments<'a> } ignore []
}

object! {
    CustomDelta { name: Str<'a>, input: Str<'a> } ignore []
}

object! {
    /// A part of Mistral's content lists.
    ContentPart { kind = "type": Str<'a>, text: Str<'a>, thinking: Content<'a> } ignore []
}
