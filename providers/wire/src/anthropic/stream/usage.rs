//! Token counts, which come in two parts.

use serde_json::{Map, Value};

use crate::{
    chat::{Extra, Wire},
    event::Usage,
    extras::pointer,
};

/// The counts of one answer: those of `message_start`, over which those of `message_delta` go, key by key.
#[derive(Debug, Clone, Default)]
pub(super) struct Counts(Map<String, Value>);

impl Counts {
    pub(super) fn take(&mut self, usage: Map<String, Value>) {
        self.0.extend(usage.into_iter().filter(|(_, value)| !value.is_null()));
    }

    /// The counts, and what else was said; none if nothing was.
    ///
    /// Neither reads from nor writes to a cache are part of `input_tokens` on this wire, and thinking is part of
    /// `output_tokens`. Where an answer took several runs (`iterations`), the counts beside them may leave some of those
    /// out, such as that of a compaction: the larger of both counts.
    pub(super) fn read(self) -> Option<(Usage, Vec<Extra>)> {
        if self.0.is_empty() {
            return None;
        }
        let mut said = self.0;
        let mut runs = Usage::default();
        for run in said.get("iterations").and_then(Value::as_array).into_iter().flatten() {
            let run = tokens(&mut run.as_object().cloned().unwrap_or_default());
            runs.input = runs.input.saturating_add(run.input);
            runs.output = runs.output.saturating_add(run.output);
            runs.cache_read = runs.cache_read.saturating_add(run.cache_read);
            runs.cache_write_5m = runs.cache_write_5m.saturating_add(run.cache_write_5m);
            runs.cache_write_1h = runs.cache_write_1h.saturating_add(run.cache_write_1h);
        }
        let whole = tokens(&mut said);
        let mut usage = Usage {
            input: whole.input.max(runs.input),
            output: whole.output.max(runs.output),
            cache_read: whole.cache_read.max(runs.cache_read),
            cache_write_5m: whole.cache_write_5m.max(runs.cache_write_5m),
            cache_write_1h: whole.cache_write_1h.max(runs.cache_write_1h),
            ..Usage::default()
        };
        if let Some(Value::Object(details)) = said.get_mut("output_tokens_details") {
            usage.reasoning = details.shift_remove("thinking_tokens").as_ref().and_then(number).unwrap_or(0);
            if details.is_empty() {
                said.shift_remove("output_tokens_details");
            }
        }
        if let Some(Value::Object(tools)) = said.shift_remove("server_tool_use") {
            let counts = tools.iter().filter_map(|(name, count)| {
                let name = name.strip_suffix("_requests").unwrap_or(name);
                Some((name.to_owned(), number(count).filter(|count| *count > 0)?))
            });
            usage.server_tools = counts.collect();
        }
        let extras = said.into_iter().map(|(key, json)| Extra {
            wire: Wire::Anthropic,
            path: format!("/usage/{}", pointer(&key)),
            json,
        });
        Some((usage, extras.collect()))
    }
}

/// Takes the counts of tokens out of a `usage` object, or out of one of its runs.
fn tokens(said: &mut Map<String, Value>) -> Usage {
    let mut count = |key: &str| said.shift_remove(key).as_ref().and_then(number);
    let (input, output) = (count("input_tokens"), count("output_tokens"));
    let (read, written) = (count("cache_read_input_tokens"), count("cache_creation_input_tokens"));
    let mut by_time = match said.shift_remove("cache_creation") {
        Some(Value::Object(map)) => map,
        _ => Map::new(),
    };
    let mut of = |key: &str| by_time.shift_remove(key).as_ref().and_then(number).unwrap_or(0);
    let (five_minutes, hour) = (of("ephemeral_5m_input_tokens"), of("ephemeral_1h_input_tokens"));
    // The sum may be newer than its parts: only it is said again at the end of a stream.
    let written = written.unwrap_or(five_minutes.saturating_add(hour));
    Usage {
        input: input.unwrap_or(0),
        output: output.unwrap_or(0),
        cache_read: read.unwrap_or(0),
        cache_write_5m: written.saturating_sub(hour),
        cache_write_1h: hour.min(written),
        ..Usage::default()
    }
}

/// A count, bounded far from where sums overflow.
fn number(value: &Value) -> Option<u64> {
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

    fn read(parts: &[Value]) -> (Usage, Vec<Extra>) {
        let mut counts = Counts::default();
        parts.iter().for_each(|part| counts.take(part.as_object().unwrap().clone()));
        counts.read().unwrap()
    }

    #[test]
    fn the_end_of_a_stream_wins_over_its_start() {
        let start = json!({
            "input_tokens": 2, "cache_creation_input_tokens": 3068, "cache_read_input_tokens": 0, "output_tokens": 69,
            "cache_creation": {"ephemeral_5m_input_tokens": 3000, "ephemeral_1h_input_tokens": 68},
            "service_tier": "standard", "inference_geo": null,
        });
        let end = json!({
            "input_tokens": 6, "cache_creation_input_tokens": 3337, "cache_read_input_tokens": 6289, "output_tokens": 198,
            "output_tokens_details": {"thinking_tokens": 12}, "cache_creation": null,
            "server_tool_use": {"web_search_requests": 2, "web_fetch_requests": 0},
        });
        let (usage, extras) = read(&[start, end]);
        let want = Usage {
            cost: None,
            input: 6,
            output: 198,
            reasoning: 12,
            cache_read: 6289,
            cache_write_5m: 3269,
            cache_write_1h: 68,
            server_tools: [("web_search".to_owned(), 2)].into(),
        };
        assert_eq!(usage, want);
        let said: Vec<_> = extras.iter().map(|extra| (extra.path.as_str(), &extra.json)).collect();
        assert_eq!(said, [("/usage/service_tier", &json!("standard"))]);
    }

    #[test]
    fn nulls_keep_what_was_said_before() {
        let (usage, _) = read(&[
            json!({"input_tokens": 5, "output_tokens": 1, "cache_read_input_tokens": 7}),
            json!({"input_tokens": null, "output_tokens": 9, "cache_read_input_tokens": null}),
        ]);
        assert_eq!((usage.input, usage.output, usage.cache_read), (5, 9, 7));
        assert!(Counts::default().read().is_none());
    }

    #[test]
    fn every_run_counts() {
        let (usage, extras) = read(&[json!({
            "input_tokens": 100, "output_tokens": 10, "cache_read_input_tokens": 3,
            "iterations": [
                {"type": "compaction", "input_tokens": 5000, "output_tokens": 300},
                {"type": "message", "input_tokens": 100, "output_tokens": 10,
                    "cache_creation": {"ephemeral_1h_input_tokens": 4}},
            ],
        })]);
        assert_eq!((usage.input, usage.output, usage.cache_read, usage.cache_write_1h), (5100, 310, 3, 4));
        assert_eq!(extras[0].path, "/usage/iterations");
    }

    #[test]
    fn odd_counts_do_no_harm() {
        let (usage, _) = read(&[json!({
            "input_tokens": u64::MAX, "output_tokens": -3, "cache_read_input_tokens": "many",
            "cache_creation_input_tokens": 3, "cache_creation": {"ephemeral_1h_input_tokens": 9},
            "iterations": [3, {"input_tokens": u64::MAX}, {"input_tokens": u64::MAX}],
        })]);
        assert_eq!((usage.input, usage.output, usage.cache_read), (1 << 49, 0, 0));
        assert_eq!((usage.cache_write_5m, usage.cache_write_1h), (0, 3));
    }
}
