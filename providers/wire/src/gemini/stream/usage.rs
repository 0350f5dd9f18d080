//! Token counts, which grow from chunk to chunk.

use serde_json::{Map, Value};

use crate::{
    chat::{Extra, Wire},
    event::Usage,
    extras::pointer,
};

/// The counts of one answer: a later one replaces an earlier one of the same name.
#[derive(Debug, Clone, Default)]
pub(super) struct Counts(Map<String, Value>);

impl Counts {
    pub(super) fn take(&mut self, usage: Map<String, Value>) {
        self.0.extend(usage.into_iter().filter(|(_, value)| !value.is_null()));
    }

    /// The counts, if there are any, and what else was said.
    ///
    /// What was read from a cache is part of `promptTokenCount`, and thinking is no part of `candidatesTokenCount`. What
    /// the provider's own tools gave the model to read is a prompt as well, which nothing else counts.
    pub(super) fn read(self) -> (Option<Usage>, Vec<Extra>) {
        let mut said = self.0;
        let mut count = |camel: &str, snake: &str| {
            let value = said.shift_remove(camel).or_else(|| said.shift_remove(snake));
            value.as_ref().and_then(number)
        };
        let prompt = count("promptTokenCount", "prompt_token_count");
        let cached = count("cachedContentTokenCount", "cached_content_token_count");
        let tools = count("toolUsePromptTokenCount", "tool_use_prompt_token_count");
        let said_tokens = count("candidatesTokenCount", "candidates_token_count");
        let thoughts = count("thoughtsTokenCount", "thoughts_token_count");
        let total = count("totalTokenCount", "total_token_count");
        let any = [prompt, cached, tools, said_tokens, thoughts, total].iter().any(Option::is_some);
        let extras = said.into_iter().map(|(key, json)| Extra {
            wire: Wire::Gemini,
            path: format!("/usageMetadata/{}", pointer(&key)),
            json,
        });
        let extras = extras.collect();
        if !any {
            return (None, extras);
        }
        let (prompt, thoughts) = (prompt.unwrap_or(0), thoughts.unwrap_or(0));
        let cache_read = cached.unwrap_or(0).min(prompt);
        let usage = Usage {
            input: prompt - cache_read + tools.unwrap_or(0),
            output: said_tokens.unwrap_or(0) + thoughts,
            reasoning: thoughts,
            cache_read,
            ..Usage::default()
        };
        (Some(usage), extras)
    }
}

/// A count, bounded far from where sums overflow.
pub(in crate::gemini) fn number(value: &Value) -> Option<u64> {
    const MOST: u64 = 1 << 48;
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

    fn read(parts: &[Value]) -> (Option<Usage>, Vec<Extra>) {
        let mut counts = Counts::default();
        parts.iter().for_each(|part| counts.take(part.as_object().unwrap().clone()));
        counts.read()
    }

    #[test]
    fn the_last_count_is_taken_and_none_is_added() {
        let (usage, extras) = read(&[
            json!({"promptTokenCount": 15, "candidatesTokenCount": 14, "thoughtsTokenCount": 742, "serviceTier": "a"}),
            json!({"promptTokenCount": 1015, "candidatesTokenCount": 37, "totalTokenCount": 2564, "thoughtsTokenCount": 742,
                "cachedContentTokenCount": 1000, "toolUsePromptTokenCount": 770, "serviceTier": "b", "odd": null}),
        ]);
        let want = Usage { input: 785, output: 779, reasoning: 742, cache_read: 1000, ..Usage::default() };
        assert_eq!(usage, Some(want));
        let said: Vec<_> = extras.iter().map(|extra| (extra.path.as_str(), &extra.json)).collect();
        assert_eq!(said, [("/usageMetadata/serviceTier", &json!("b"))]);
    }

    #[test]
    fn what_counts_nothing_is_no_usage() {
        let (usage, extras) = read(&[json!({"trafficType": "ON_DEMAND"})]);
        assert_eq!((usage, extras.len()), (None, 1));
        assert_eq!(read(&[json!({"totalTokenCount": 0})]).0, Some(Usage::default()));
    }

    #[test]
    fn odd_counts_do_no_harm() {
        let (usage, _) = read(&[json!({
            "promptTokenCount": 7, "cachedContentTokenCount": u64::MAX, "candidatesTokenCount": -3,
            "thoughtsTokenCount": 1e300, "toolUsePromptTokenCount": "many", "totalTokenCount": [],
        })]);
        let usage = usage.unwrap();
        assert_eq!((usage.input, usage.cache_read, usage.output, usage.reasoning), (0, 7, 1 << 48, 1 << 48));
    }
}
