//! The shapes of events, responses, items and parts.

use serde::Deserialize;
use serde_json::value::RawValue;

pub(super) use crate::object::Str;
use crate::object::object;

object! {
    /// An event of a stream, by whichever of its fields it has.
    Event {
        kind = "type": Str<'a>,
        output_index: u32,
        content_index: u32,
        summary_index: u32,
        delta: Str<'a>,
        text: Str<'a>,
        refusal: Str<'a>,
        arguments: Str<'a>,
        input: Str<'a>,
        item: &'a RawValue,
        annotation: &'a RawValue,
        logprobs: &'a RawValue,
        response: Response<'a>,
        error: &'a RawValue,
    } ignore ["sequence_number", "item_id", "obfuscation"]
}

object! {
    /// A response, at the start of a stream without its items, or whole. What only repeats the request is ignored.
    Response {
        id: Str<'a>,
        model: Str<'a>,
        status: Str<'a>,
        output: Vec<&'a RawValue>,
        usage: &'a RawValue,
        error: &'a RawValue,
        incomplete_details: Details<'a>,
    } ignore [
        "object", "instructions", "tools", "tool_choice", "parallel_tool_calls", "text", "reasoning", "temperature",
        "top_p", "top_logprobs", "frequency_penalty", "presence_penalty", "max_output_tokens", "max_tool_calls",
        "previous_response_id", "conversation", "prompt", "prompt_cache_key", "prompt_cache_retention",
        "prompt_cache_options", "store", "truncation", "background", "metadata", "user", "safety_identifier",
        // The text of all messages once more, which only some servers write.
        "output_text"
    ]
}

object! {
    Details { reason: Str<'a> } ignore []
}

object! {
    /// A call of one of the caller's tools.
    CallItem {
        kind = "type": Str<'a>,
        call_id: Str<'a>,
        name: Str<'a>,
        arguments: Str<'a>,
        input: Str<'a>,
    } ignore []
}

object! {
    MessageItem { content: Vec<&'a RawValue> } ignore ["type", "role"]
}

object! {
    ReasoningItem { summary: Vec<Part<'a>>, content: Vec<Part<'a>> } ignore []
}

object! {
    ImageItem { result: Str<'a>, output_format: Str<'a> } ignore []
}

object! {
    /// A part of a message, or of what a model thought.
    Part {
        kind = "type": Str<'a>,
        text: Str<'a>,
        refusal: Str<'a>,
        annotations: Vec<&'a RawValue>,
        logprobs: &'a RawValue,
    } ignore []
}

/// What an object says that it is.
#[derive(Debug, Deserialize)]
pub(super) struct Tag<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Option<Str<'a>>,
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

/// By what an item is known from its start on.
#[derive(Debug, Deserialize)]
pub(super) struct Begun<'a> {
    #[serde(borrow, default)]
    pub(super) id: Option<Str<'a>>,
    #[serde(borrow, default)]
    pub(super) phase: Option<Str<'a>>,
}

impl<'a> Begun<'a> {
    /// What an item says of itself; none where that is not in words.
    pub(super) fn of(json: &'a str) -> Option<Self> {
        serde_json::from_str(json).ok()
    }
}
