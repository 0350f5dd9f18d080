//! What a model thought in an earlier turn, in the clear and in what only its provider can read.

use std::borrow::Cow;

use serde_json::Value;

use crate::{
    chat::Part,
    encode::{LeftOut, order::late_thinking},
    json::{put_comma, put_key, put_str, put_value},
};

/// What of an assistant message goes back of its reasoning.
#[derive(Debug, Default)]
pub(super) struct Reasoning<'a> {
    details: Vec<&'a Value>,
    signature: Option<&'a Value>,
    /// With the number of its call.
    of_calls: Vec<(u64, &'a Value)>,
    thinking: Option<(&'static str, Cow<'a, str>)>,
}

impl<'a> Reasoning<'a> {
    /// Sorts it, and reports what does not go. `is_own` says whether opaque data may go; `key` is where thinking goes.
    pub(super) fn of(
        at: &str,
        parts: &[(usize, &'a Part)],
        key: Option<&'static str>,
        is_own: impl Fn(&str, &str, &Value) -> bool,
        left_out: &mut Vec<LeftOut>,
    ) -> Self {
        let mut report = |place: usize, what| left_out.push(LeftOut { at: format!("{at}.parts[{place}]"), what });
        let calls = parts.iter().filter(|(_, part)| matches!(part, Part::ToolCall { .. })).count() as u64;
        let mut this = Self::default();
        // Of what there is one place for, the last is sent.
        for (place, part) in parts.iter().rev() {
            let Part::Opaque { provider, model, data } = part else { continue };
            if !is_own(provider, model, data) || !this.take(data, calls) {
                report(*place, "what only the provider that said it can read");
            }
        }
        this.details.reverse();
        // Copilot takes its thinking back only together with what signs it.
        let key = this.signature.map(|_| "reasoning_text").or(key);
        let thoughts = || {
            parts.iter().filter_map(|(place, part)| match part {
                Part::Thinking { text } => Some((*place, text.as_str())),
                _ => None,
            })
        };
        let known = this.text_of_details();
        let has_details = !this.details.is_empty();
        let left: Vec<_> = thoughts().filter(|(_, text)| !has_details || !known.contains(text)).collect();
        if left.is_empty() {
            return this;
        }
        let Some(key) = key else {
            // Of nothing, nothing is lost. Servers that do take it want it where it is empty, too.
            for (place, _) in left.into_iter().filter(|(_, text)| !text.is_empty()) {
                report(place, "thinking, which this server does not take back");
            }
            return this;
        };
        let late = late_thinking(parts);
        for (place, _) in left.iter().filter(|(place, _)| late.contains(place)) {
            report(*place, "thinking after something else, said before it");
        }
        let texts: Vec<_> = left.into_iter().map(|(_, text)| text).collect();
        let text = if let [one] = texts.as_slice() { Cow::Borrowed(*one) } else { texts.concat().into() };
        this.thinking = Some((key, text));
        this
    }

    /// Whether there is anything that this wire can say, and that was not said yet.
    fn take(&mut self, data: &'a Value, calls: u64) -> bool {
        let mut taken = false;
        if let Some(details) = data.get("reasoning_details") {
            self.details.push(details);
            taken = true;
        }
        if let Some(signature) = data.get("reasoning_opaque").filter(|_| self.signature.is_none()) {
            self.signature = Some(signature);
            taken = true;
        }
        let call = data.get("tool_call").and_then(Value::as_u64).filter(|call| *call < calls);
        if let (Some(call), Some(content)) = (call, data.get("extra_content"))
            && self.extra_content(call).is_none()
        {
            self.of_calls.push((call, content));
            taken = true;
        }
        taken
    }

    /// What goes back with a call.
    pub(super) fn extra_content(&self, call: u64) -> Option<&'a Value> {
        self.of_calls.iter().find(|(of, _)| *of == call).map(|(_, content)| *content)
    }

    /// The thinking in the clear that the details have.
    fn text_of_details(&self) -> String {
        let entries = self.details.iter().filter_map(|details| details.as_array()).flatten();
        entries.filter_map(|entry| ["text", "summary"].iter().find_map(|key| entry.get(*key)?.as_str())).collect()
    }

    /// Whether nothing of it is written by [`put`](Self::put).
    pub(super) fn is_empty(&self) -> bool {
        self.details.is_empty() && self.signature.is_none() && self.thinking.is_none()
    }

    /// Writes it into the open message, but for what goes with calls.
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        match self.details.as_slice() {
            [] => {}
            [one] => {
                put_key(out, "reasoning_details");
                put_value(out, one);
            }
            several => {
                put_key(out, "reasoning_details");
                out.push(b'[');
                for details in several {
                    for entry in details.as_array().map_or(std::slice::from_ref(*details), Vec::as_slice) {
                        put_comma(out);
                        put_value(out, entry);
                    }
                }
                out.push(b']');
            }
        }
        if let Some(signature) = self.signature {
            put_key(out, "reasoning_opaque");
            put_value(out, signature);
        }
        if let Some((key, text)) = &self.thinking {
            put_key(out, key);
            put_str(out, text);
        }
    }
}
