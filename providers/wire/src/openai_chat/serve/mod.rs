//! Answers, as a client reads them.

mod chunk_extras;
mod error_body;
mod whole;
mod writer;

pub use error_body::error_body;
pub(crate) use error_body::error_object;
pub use whole::whole_answer;
pub use writer::StreamWriter;

use serde_json::{Map, Value, json};

use crate::event::{FinishReason, Usage};

/// OpenAI's word for why an answer ended.
pub(super) fn finish_word(reason: &FinishReason, refused: bool, legacy_functions: bool) -> &str {
    match reason {
        FinishReason::Stop | FinishReason::Pause => "stop",
        // A refusal in words ends like any other answer; without them, the client must see why there is nothing.
        FinishReason::Refusal if refused => "stop",
        FinishReason::Refusal | FinishReason::ContentFilter => "content_filter",
        FinishReason::Length => "length",
        FinishReason::ToolCalls if legacy_functions => "function_call",
        FinishReason::ToolCalls => "tool_calls",
        FinishReason::Other(word) => word,
    }
}

/// OpenAI's form of the counts, with what only extras say of them.
pub(super) fn usage_object(usage: &Usage, extras: &[(String, Value)]) -> Value {
    let prompt = usage.input_total();
    let written = usage.cache_write_5m + usage.cache_write_1h;
    let mut of_prompt = Map::from_iter([("cached_tokens".to_owned(), json!(usage.cache_read))]);
    if written > 0 {
        of_prompt.insert("cache_write_tokens".into(), json!(written));
    }
    let mut object = json!({
        "prompt_tokens": prompt,
        "completion_tokens": usage.output,
        "total_tokens": prompt + usage.output,
        "prompt_tokens_details": of_prompt,
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning},
    });
    for (path, value) in extras {
        insert_at(&mut object, path, value.clone());
    }
    object
}

/// Puts a value at a JSON pointer below an object, unless something stands there.
pub(crate) fn insert_at(object: &mut Value, path: &str, value: Value) {
    let mut at = object;
    let mut keys = path.split('/').skip(1).peekable();
    while let Some(key) = keys.next() {
        let Some(map) = at.as_object_mut() else { return };
        let key = key.replace("~1", "/").replace("~0", "~");
        if keys.peek().is_none() {
            map.entry(key).or_insert(value);
            return;
        }
        at = map.entry(key).or_insert_with(|| json!({}));
    }
}

/// What of opaque data a client of this wire can send back.
fn opaque_for_client(data: &Value) -> impl Iterator<Item = (&str, &Value)> {
    ["reasoning_details", "reasoning_opaque"].into_iter().filter_map(|key| Some((key, data.get(key)?)))
}

/// A picture that the model made, in OpenRouter's form.
fn image(media_type: &str, data: &str) -> Value {
    json!({"type": "image_url", "image_url": {"url": format!("data:{media_type};base64,{data}")}})
}
