//! Token counts, from the many forms to the one.

use serde_json::{Map, Value};

use crate::{
    chat::{Extra, Wire},
    event::Usage,
    told_cost::told_cost,
};

/// Reads a `usage` object: the counts, and what else it says.
///
/// Cached tokens are part of `prompt_tokens` on this wire. Reasoning is part of `completion_tokens`, but for servers
/// whose `total_tokens` shows that it is not (xAI; Gemini through Copilot).
pub(super) fn read_usage(mut usage: Map<String, Value>) -> (Usage, Vec<Extra>) {
    let mut counts = Usage::default();
    let count = |value: Option<Value>| value.as_ref().and_then(number).unwrap_or(0);
    let prompt = count(usage.shift_remove("prompt_tokens"));
    let completion = count(usage.shift_remove("completion_tokens"));
    let total = count(usage.shift_remove("total_tokens"));
    let mut of_prompt = details(&mut usage, "prompt_tokens_details");
    let mut of_completion = details(&mut usage, "completion_tokens_details");
    let cached = of_prompt.shift_remove("cached_tokens").as_ref().and_then(number);
    // Moonshot and DeepSeek say it beside the details.
    let beside = || ["cached_tokens", "prompt_cache_hit_tokens"].iter().find_map(|key| number(usage.get(*key)?));
    // What is cached is a part of the prompt, so that a larger count (Azure says such) is wrong: by `total_tokens` the
    // prompt's is right.
    counts.cache_read = cached.or_else(beside).unwrap_or(0).min(prompt);
    counts.cache_write_5m = count(of_prompt.shift_remove("cache_write_tokens")).min(prompt - counts.cache_read);
    counts.input = prompt - counts.cache_read - counts.cache_write_5m;
    let reasoning = of_completion.shift_remove("reasoning_tokens").as_ref().and_then(number);
    counts.reasoning = reasoning.or_else(|| number(usage.get("reasoning_tokens")?)).unwrap_or(0);
    let apart = counts.reasoning > 0
        && (counts.reasoning > completion
            || Some(total) == prompt.checked_add(completion).and_then(|sum| sum.checked_add(counts.reasoning)));
    counts.output = if apart { completion.saturating_add(counts.reasoning) } else { completion };
    usage.shift_remove("reasoning_tokens");

    counts.cost = told_cost(&usage);

    let mut extras = Vec::new();
    let mut say = |at: &str, map: Map<String, Value>| {
        extras.extend(map.into_iter().filter(|(_, value)| !value.is_null()).map(|(key, json)| Extra {
            wire: Wire::OpenaiChat,
            path: format!("{at}/{}", crate::extras::pointer(&key)),
            json,
        }));
    };
    say("/usage", usage);
    say("/usage/prompt_tokens_details", of_prompt);
    say("/usage/completion_tokens_details", of_completion);
    (counts, extras)
}

fn details(usage: &mut Map<String, Value>, key: &str) -> Map<String, Value> {
    match usage.shift_remove(key) {
        Some(Value::Object(map)) => map,
        _ => Map::new(),
    }
}

/// A count: some servers write a float.
fn number(value: &Value) -> Option<u64> {
    /// Beyond what any answer has, and far from where sums overflow.
    const MOST: u64 = 1 << 53;
    let count = value.as_u64().or_else(|| {
        let float = value.as_f64().filter(|float| *float >= 0.0)?;
        Some(float as u64)
    });
    count.map(|count| count.min(MOST))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(value: Value) -> (Usage, Vec<Extra>) {
        read_usage(value.as_object().unwrap().clone())
    }

    #[test]
    fn input_leaves_the_cache_out() {
        let (usage, extras) = read(json!({
            "prompt_tokens": 100, "completion_tokens": 7, "total_tokens": 107, "cost": 0.5,
            "prompt_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 30, "audio_tokens": 2},
            "completion_tokens_details": {"reasoning_tokens": 5},
        }));
        let want = Usage {
            input: 10,
            output: 7,
            reasoning: 5,
            cache_read: 60,
            cache_write_5m: 30,
            cost: Some(500_000_000_000),
            ..Usage::default()
        };
        assert_eq!(usage, want);
        let paths: Vec<_> = extras.iter().map(|extra| extra.path.as_str()).collect();
        assert_eq!(paths, ["/usage/cost", "/usage/prompt_tokens_details/audio_tokens"]);
    }

    #[test]
    fn odd_counts_do_no_harm() {
        let (usage, _) = read(json!({"prompt_tokens": 78, "prompt_tokens_details": {"cached_tokens": 158}}));
        assert_eq!((usage.input, usage.cache_read, usage.input_total()), (0, 78, 78));
        let written =
            json!({"prompt_tokens": 9, "prompt_tokens_details": {"cached_tokens": 5, "cache_write_tokens": 7}});
        let (usage, _) = read(written);
        assert_eq!((usage.input, usage.cache_read, usage.cache_write_5m), (0, 5, 4));
        let (usage, _) = read(json!({"prompt_tokens": "many", "completion_tokens": null, "total_tokens": -4}));
        assert_eq!(usage, Usage::default());
        let (usage, _) =
            read(json!({"prompt_tokens": u64::MAX, "completion_tokens": u64::MAX, "reasoning_tokens": u64::MAX}));
        assert_eq!((usage.input, usage.output), (1 << 53, 1 << 53));
        let (usage, _) = read(json!({"prompt_tokens": 9, "prompt_cache_hit_tokens": 4, "completion_tokens": 2.0}));
        assert_eq!((usage.input, usage.cache_read, usage.output), (5, 4, 2));
    }

    #[test]
    fn reasoning_counted_apart_is_added() {
        let (usage, _) = read(json!({
            "prompt_tokens": 19581, "completion_tokens": 53, "total_tokens": 19768, "reasoning_tokens": 134,
            "prompt_tokens_details": {"cached_tokens": 17068},
        }));
        assert_eq!((usage.output, usage.reasoning), (187, 134));
    }
}
