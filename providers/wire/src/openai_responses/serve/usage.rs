//! Token counts, in this wire's form.

use serde_json::{Value, json};

use crate::{event::Usage, openai_chat::insert_at};

/// The counts, with what only extras say of them, by the pointer below `usage`.
pub(super) fn usage_object(usage: &Usage, extras: &[(String, Value)]) -> Value {
    let input = usage.input_total();
    let written = usage.cache_write_5m + usage.cache_write_1h;
    let mut object = json!({
        "input_tokens": input,
        "input_tokens_details": {"cached_tokens": usage.cache_read, "cache_write_tokens": written},
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": input + usage.output,
    });
    for (path, value) in extras {
        insert_at(&mut object, path, value.clone());
    }
    object
}
