//! Token counts.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::{
    chat::{Extra, Wire},
    event::Usage,
    extras::pointer,
    told_cost::told_cost,
};

/// Reads a `usage` object: the counts, and what else it says. `server_tools` is how often each tool of the provider's
/// own was seen to run, which this wire does not count.
///
/// Cached tokens are part of `input_tokens` on this wire, and reasoning is part of `output_tokens`, but for servers whose
/// `total_tokens` shows that it is not.
pub(super) fn read_usage(mut usage: Map<String, Value>, server_tools: BTreeMap<String, u64>) -> (Usage, Vec<Extra>) {
    let mut counts = Usage { server_tools, ..Usage::default() };
    let count = |value: Option<Value>| value.as_ref().and_then(number).unwrap_or(0);
    let input = count(usage.shift_remove("input_tokens"));
    let output = count(usage.shift_remove("output_tokens"));
    let total = count(usage.shift_remove("total_tokens"));
    let mut of_input = details(&mut usage, "input_tokens_details");
    let mut of_output = details(&mut usage, "output_tokens_details");
    // What is cached is a part of the input, so that a larger count is wrong.
    counts.cache_read = count(of_input.shift_remove("cached_tokens")).min(input);
    counts.cache_write_5m = count(of_input.shift_remove("cache_write_tokens")).min(input - counts.cache_read);
    counts.input = input - counts.cache_read - counts.cache_write_5m;
    let beside = usage.shift_remove("reasoning_tokens");
    let reasoning = of_output.shift_remove("reasoning_tokens").as_ref().and_then(number);
    counts.reasoning = reasoning.or_else(|| beside.as_ref().and_then(number)).unwrap_or(0);
    let with_reasoning = input.checked_add(output).and_then(|sum| sum.checked_add(counts.reasoning));
    let apart = counts.reasoning > 0 && (counts.reasoning > output || Some(total) == with_reasoning);
    counts.output = if apart { output.saturating_add(counts.reasoning) } else { output };

    counts.cost = told_cost(&usage);

    let mut extras = Vec::new();
    let mut say = |at: &str, map: Map<String, Value>| {
        let said = map.into_iter().filter(|(_, value)| !value.is_null());
        extras.extend(said.map(|(key, json)| Extra {
            wire: Wire::OpenaiResponses,
            path: format!("{at}/{}", pointer(&key)),
            json,
        }));
    };
    say("/usage", usage);
    say("/usage/input_tokens_details", of_input);
    say("/usage/output_tokens_details", of_output);
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
    let float = || value.as_f64().filter(|float| *float >= 0.0).map(|float| float as u64);
    value.as_u64().or_else(float).map(|count| count.min(MOST))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(value: Value) -> (Usage, Vec<Extra>) {
        read_usage(value.as_object().unwrap().clone(), BTreeMap::new())
    }

    #[test]
    fn input_leaves_the_cache_out() {
        let (usage, extras) = read(json!({
            "input_tokens": 100, "output_tokens": 7, "total_tokens": 107, "cost": 0.5, "is_byok": null,
            "input_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 30, "audio_tokens": 2},
            "output_tokens_details": {"reasoning_tokens": 5},
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
        assert_eq!(paths, ["/usage/cost", "/usage/input_tokens_details/audio_tokens"]);
    }

    #[test]
    fn odd_counts_do_no_harm() {
        let (usage, _) = read(json!({"input_tokens": 78, "input_tokens_details": {"cached_tokens": 158}}));
        assert_eq!((usage.input, usage.cache_read, usage.input_total()), (0, 78, 78));
        let (usage, _) = read(json!({"input_tokens": "many", "output_tokens": null, "total_tokens": -4}));
        assert_eq!(usage, Usage::default());
        let most = u64::MAX;
        let (usage, _) = read(json!({"input_tokens": most, "output_tokens": most, "reasoning_tokens": most}));
        assert_eq!((usage.input, usage.output), (1 << 53, 1 << 53));
    }

    #[test]
    fn reasoning_counted_apart_is_added() {
        let counted = json!({"input_tokens": 9, "output_tokens": 3, "reasoning_tokens": 4, "total_tokens": 16});
        let (usage, extras) = read(counted);
        assert_eq!((usage.output, usage.reasoning, extras), (7, 4, vec![]));
    }
}
