//! What the texts of an answer have in common, and the answer as a whole.

use serde_json::{Value, json};

use super::super::serve::{finish_word, usage_object};
use crate::{
    chat::{Extra, Wire},
    event::{ChatEvent, FinishReason, Usage},
    json::put_value,
};

/// Writes all texts as the body of an unstreamed response: of each its prompt, if that is to be repeated, and what was
/// said. `id`, `created` (seconds since 1970) and `model` are the answer's.
pub fn whole_completion<'a>(
    texts: impl IntoIterator<Item = (Option<&'a str>, &'a [ChatEvent])>,
    id: &str,
    created: u64,
    model: &str,
) -> Vec<u8> {
    let (mut choices, mut used, mut fingerprint) = (Vec::new(), Used::default(), Value::Null);
    for (prompt, events) in texts {
        let mut text = prompt.unwrap_or_default().to_owned();
        let (mut reason, mut refused) = (&FinishReason::Stop, false);
        for event in events {
            match event {
                ChatEvent::Text { delta } => text.push_str(delta),
                ChatEvent::Refusal { delta } => {
                    refused = true;
                    text.push_str(delta);
                }
                ChatEvent::Usage(usage) => used.now(usage),
                ChatEvent::Extra(extra) if is_fingerprint(extra) => fingerprint = extra.json.clone(),
                ChatEvent::Finished { reason: said } => reason = said,
                _ => {}
            }
        }
        used.next();
        let word = finish_word(reason, refused, false);
        choices.push(json!({"text": text, "index": choices.len(), "logprobs": null, "finish_reason": word}));
    }
    let mut body = json!({
        "id": id, "object": "text_completion", "created": created, "model": model, "choices": choices,
        "usage": used.object(),
    });
    if !fingerprint.is_null() {
        body["system_fingerprint"] = fingerprint;
    }
    let mut out = Vec::new();
    put_value(&mut out, &body);
    out
}

/// Whether this says by what settings a provider answers: the only field beside texts that clients of old know.
pub(super) fn is_fingerprint(extra: &Extra) -> bool {
    extra.wire == Wire::OpenaiChat && extra.path == "/system_fingerprint"
}

/// What all texts have used, each of them a request of its own.
#[derive(Debug, Default)]
pub(super) struct Used {
    before: Option<Usage>,
    /// That of the text that is being made, of which a later count replaces an earlier one.
    now: Option<Usage>,
}

impl Used {
    pub(super) fn now(&mut self, usage: &Usage) {
        self.now = Some(usage.clone());
    }

    /// A text is whole.
    pub(super) fn next(&mut self) {
        let Some(more) = self.now.take() else { return };
        let sum = self.before.get_or_insert_default();
        sum.input = sum.input.saturating_add(more.input);
        sum.output = sum.output.saturating_add(more.output);
        sum.reasoning = sum.reasoning.saturating_add(more.reasoning);
        sum.cache_read = sum.cache_read.saturating_add(more.cache_read);
        sum.cache_write_5m = sum.cache_write_5m.saturating_add(more.cache_write_5m);
        sum.cache_write_1h = sum.cache_write_1h.saturating_add(more.cache_write_1h);
    }

    /// What the texts that are whole have used; null where nobody counted.
    pub(super) fn object(&self) -> Value {
        self.before.as_ref().map_or(Value::Null, |usage| usage_object(usage, &[]))
    }
}
