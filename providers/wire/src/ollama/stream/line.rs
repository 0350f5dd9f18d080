//! The shape of a line, read without copying what needs no unescaping. A whole answer has the shape of its last line.

use serde_json::value::RawValue;

use crate::object::{Str, object};

object! {
    /// One line; `response` and `thinking` stand here in answers of `/api/generate`.
    Line {
        model: Str<'a>,
        created_at: Str<'a>,
        message: Said<'a>,
        response: Str<'a>,
        thinking: Str<'a>,
        done: bool,
        done_reason: Str<'a>,
        prompt_eval_count: &'a RawValue,
        prompt_eval_cached_count: &'a RawValue,
        eval_count: &'a RawValue,
        error: &'a RawValue,
    } ignore []
}

object! {
    Said {
        content: Str<'a>,
        thinking: Str<'a>,
        tool_calls: Vec<Call<'a>>,
        images: Vec<Str<'a>>,
    } ignore ["role"]
}

object! {
    /// A tool call, always whole.
    Call { id: Str<'a>, function: Function<'a> } ignore ["type"]
}

object! {
    Function { name: Str<'a>, arguments: &'a RawValue } ignore ["index"]
}
