//! JSON made of this wire's own words.

use proptest::{collection::vec, prelude::*, sample::select};
use serde_json::Value;

pub(crate) fn words() -> impl Strategy<Value = String> {
    "[a-z\u{e9}\u{1f30a}\u{2028} \\\\\"\n]{0,8}"
}

const KEYS: &[&str] = &[
    "type",
    "response",
    "output",
    "output_index",
    "content_index",
    "summary_index",
    "item",
    "item_id",
    "part",
    "delta",
    "text",
    "refusal",
    "arguments",
    "input",
    "annotation",
    "annotations",
    "logprobs",
    "content",
    "summary",
    "encrypted_content",
    "call_id",
    "id",
    "name",
    "model",
    "status",
    "usage",
    "input_tokens",
    "output_tokens_details",
    "incomplete_details",
    "reason",
    "error",
    "code",
    "message",
    "role",
    "tools",
    "parameters",
    "strict",
    "tool_choice",
    "format",
    "schema",
    "reasoning",
    "effort",
    "image_url",
    "file_id",
    "file_data",
    "store",
    "include",
    "instructions",
    "prompt",
    "metadata",
];

const WORDS: &[&str] = &[
    "",
    "response.created",
    "response.output_item.added",
    "response.output_item.done",
    "response.output_text.delta",
    "response.output_text.done",
    "response.output_text.annotation.added",
    "response.refusal.delta",
    "response.function_call_arguments.delta",
    "response.custom_tool_call_input.done",
    "response.reasoning_summary_text.delta",
    "response.reasoning_text.delta",
    "response.completed",
    "response.incomplete",
    "response.failed",
    "message",
    "reasoning",
    "function_call",
    "function_call_output",
    "custom_tool_call",
    "image_generation_call",
    "item_reference",
    "input_text",
    "output_text",
    "input_image",
    "input_file",
    "user",
    "assistant",
    "system",
    "completed",
    "incomplete",
    "function",
    "json_schema",
    "error",
    "data:image/png;base64,AAAA",
];

/// JSON of this wire's own keys, with anything under them.
pub(crate) fn shapes() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (0..3).prop_map(Value::from),
        // What short decimals read back as is exact; serde_json's fast reading of long ones may be off by the last bit.
        any::<i16>().prop_map(|number| Value::from(f64::from(number) / 8.0)),
        select(WORDS.to_vec()).prop_map(Value::from),
        words().prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 60, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((select(KEYS.to_vec()), inner), 0..8).prop_map(|entries| {
                entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect::<Value>()
            }),
        ]
    })
}
