//! Token counts, in this wire's form.

use serde_json::{Map, Value, json};

use crate::{event::Usage, openai_chat::insert_at};

/// The counts, with what only extras say of them, by the pointer below `usage`.
pub(super) fn usage_object(usage: &Usage, extras: &[(String, Value)]) -> Value {
    let input = usage.input_total();
    let written = usage.cache_write_5m + usage.cache_write_1h;
    let mut of_input = Map::from_iter([("cached_tokens".to_owned(), json!(usage.cache_read))]);
    if written > 0 {
        of_input.insert("cache_write_tokens".into(), json!(written));
    }
    let mut object = json!({
        "input_tokens": input,
        "input_tokens_details": of_input,
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": input + usage.output,
    });
    for (path, value) in extras {
        insert_at(&mut object, path, value.clone());
    }
    object
}
