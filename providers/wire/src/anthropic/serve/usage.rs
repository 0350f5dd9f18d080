//! Counts of tokens, as a client reads them.

use serde_json::{Map, Value, json};

use crate::event::Usage;

/// This wire's form of the counts, with what only extras say of them.
pub(super) fn usage_object(usage: &Usage, extras: &Map<String, Value>) -> Value {
    let mut object = json!({
        "input_tokens": usage.input,
        "cache_creation_input_tokens": usage.cache_write_5m + usage.cache_write_1h,
        "cache_read_input_tokens": usage.cache_read,
        "cache_creation": {
            "ephemeral_5m_input_tokens": usage.cache_write_5m,
            "ephemeral_1h_input_tokens": usage.cache_write_1h,
        },
        "output_tokens": usage.output,
    });
    let Value::Object(map) = &mut object else { return object };
    if usage.reasoning > 0 {
        map.insert("output_tokens_details".into(), json!({"thinking_tokens": usage.reasoning}));
    }
    if !usage.server_tools.is_empty() {
        let counts = usage.server_tools.iter().map(|(name, count)| (format!("{name}_requests"), (*count).into()));
        map.insert("server_tool_use".into(), Value::Object(counts.collect()));
    }
    for (key, json) in extras {
        match (map.get_mut(key), json) {
            (None, json) => drop(map.insert(key.clone(), json.clone())),
            (Some(Value::Object(known)), Value::Object(more)) => {
                for (key, json) in more {
                    known.entry(key).or_insert_with(|| json.clone());
                }
            }
            (Some(_), _) => {}
        }
    }
    object
}
