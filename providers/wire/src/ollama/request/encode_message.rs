//! Messages as Ollama reads them.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::extras::{put_extras, report_foreign};
use crate::{
    chat::{Extra, MediaSource, Message, Part, Role, Wire},
    encode::{
        LeftOut,
        marks::Marks,
        order::{Call, Said, Step, late_thinking, steps},
        report_detail,
        words::{NO_RESULT, plain_text, result_texts},
    },
    json::{put_comma, put_key, put_str},
};

/// Keys of a message that an extra must not say a second time.
const WRITTEN: [&str; 7] = ["role", "content", "thinking", "images", "tool_calls", "tool_name", "tool_call_id"];

pub(super) struct Messages<'a> {
    pub(super) out: &'a mut Vec<u8>,
    pub(super) left_out: &'a mut Vec<LeftOut>,
}

impl Messages<'_> {
    pub(super) fn put_all(&mut self, messages: &[Message]) {
        for (index, message) in messages.iter().enumerate() {
            let at = format!("messages[{index}]");
            report_foreign(&at, &message.extra, self.left_out);
        }
        for step in steps(Wire::Ollama, messages, self.left_out) {
            match step {
                Step::Said(said) => self.put_said(&messages[said.message], &said),
                Step::Result { at, call } => self.put_result(messages, at, Some(call)),
                // Ollama takes a result without its call as it is.
                Step::Lost { at } => self.put_result(messages, at, None),
                Step::NoResult(call) => {
                    put_comma(self.out);
                    self.out.extend_from_slice(b"{\"role\":\"tool\",\"content\":");
                    put_str(self.out, NO_RESULT);
                    self.put_of_call(Some(call.name), call.id);
                    self.out.push(b'}');
                }
            }
        }
        Marks::default().report(messages, self.left_out);
    }

    fn miss(&mut self, at: String, what: &'static str) {
        self.left_out.push(LeftOut { at, what });
    }

    fn put_of_call(&mut self, tool: Option<&str>, id: &str) {
        if let Some(tool) = tool {
            put_key(self.out, "tool_name");
            put_str(self.out, tool);
        }
        put_key(self.out, "tool_call_id");
        put_str(self.out, id);
    }

    fn put_result(&mut self, messages: &[Message], (index, part): (usize, usize), call: Option<Call<'_>>) {
        let message = &messages[index];
        let Part::ToolResult { id, parts, error } = &message.parts[part] else { return };
        let at = format!("messages[{index}].parts[{part}]");
        put_comma(self.out);
        self.out.extend_from_slice(b"{\"role\":\"tool\"");
        if *error {
            let what = "this wire has no word for a failed call, said within its text";
            self.miss(format!("{at}.error"), what);
        }
        self.put_content(&at, "\n\n", result_texts(parts, *error), parts.iter().enumerate());
        let is_tools = message.role == Role::Tool;
        let tool = message.name.as_deref().filter(|_| is_tools);
        self.put_of_call(tool.or(call.map(|call| call.name)), id);
        if is_tools {
            put_extras(self.out, &message.extra, "", &WRITTEN);
        }
        self.out.push(b'}');
    }

    fn put_said(&mut self, message: &Message, said: &Said<'_>) {
        let at = format!("messages[{}]", said.message);
        put_comma(self.out);
        self.out.extend_from_slice(b"{\"role\":");
        let (role, between) = match said.role {
            Role::System | Role::Developer => ("system", "\n\n"),
            // What a model said around its calls is one text.
            Role::Assistant => ("assistant", ""),
            Role::User | Role::Tool => ("user", "\n\n"),
        };
        put_str(self.out, role);
        if said.fields && message.name.is_some() {
            self.miss(format!("{at}.name"), "this wire has no word for it");
        }
        let extras: &[Extra] = if said.fields { &message.extra } else { &[] };
        let is_content = |part: &Part| !matches!(part, Part::ToolCall { .. } | Part::Thinking { .. });
        let content = said.parts.iter().filter(|(_, part)| is_content(part)).copied();
        let texts = said.parts.iter().filter_map(|(_, part)| plain_text(part)).map(Cow::Borrowed);
        self.put_content(&at, between, texts.collect(), content);
        for place in late_thinking(&said.parts) {
            self.miss(format!("{at}.parts[{place}]"), "thinking after something else, said before it");
        }
        let thinking = said.parts.iter().filter_map(|(_, part)| match part {
            Part::Thinking { text } => Some(text.as_str()),
            _ => None,
        });
        let thinking: String = thinking.collect();
        if !thinking.is_empty() {
            put_key(self.out, "thinking");
            put_str(self.out, &thinking);
        }
        self.put_calls(&at, &said.parts, extras);
        put_extras(self.out, extras, "", &WRITTEN);
        self.out.push(b'}');
    }

    /// Writes `content`, which is one text, and `images`.
    fn put_content<'p>(
        &mut self,
        at: &str,
        between: &str,
        texts: Vec<Cow<'_, str>>,
        parts: impl Iterator<Item = (usize, &'p Part)>,
    ) {
        let mut images = Vec::new();
        for (index, part) in parts {
            let at = || format!("{at}.parts[{index}]");
            let what = match part {
                Part::Text { .. } | Part::Refusal { .. } => continue,
                Part::Image { source: MediaSource::Base64 { data, .. }, .. } => {
                    report_detail(&at(), part, self.left_out);
                    images.push(data.as_str());
                    continue;
                }
                Part::Image { .. } => "a picture that is not in the request itself",
                Part::Opaque { .. } => "what only the provider that said it can read",
                _ => "a part that this wire cannot say",
            };
            self.miss(at(), what);
        }
        put_key(self.out, "content");
        put_str(self.out, &texts.join(between));
        if !images.is_empty() {
            put_key(self.out, "images");
            self.out.push(b'[');
            for image in images {
                put_comma(self.out);
                put_str(self.out, image);
            }
            self.out.push(b']');
        }
    }

    fn put_calls(&mut self, at: &str, parts: &[(usize, &Part)], of_message: &[Extra]) {
        let mut number = 0;
        for (index, part) in parts {
            let Part::ToolCall { id, name, arguments, .. } = part else { continue };
            if number == 0 {
                put_key(self.out, "tool_calls");
                self.out.push(b'[');
            }
            let extras = format!("/tool_calls/{number}");
            put_comma(self.out);
            self.out.extend_from_slice(b"{\"id\":");
            put_str(self.out, id);
            self.out.extend_from_slice(b",\"function\":{\"name\":");
            put_str(self.out, name);
            put_key(self.out, "arguments");
            if !put_arguments(self.out, arguments) {
                self.left_out.push(LeftOut {
                    at: format!("{at}.parts[{index}]"),
                    what: "arguments that are no JSON object, put into one as its \"input\"",
                });
            }
            put_extras(self.out, of_message, &format!("{extras}/function"), &["name", "arguments"]);
            self.out.push(b'}');
            put_extras(self.out, of_message, &extras, &["id", "function"]);
            self.out.push(b'}');
            number += 1;
        }
        if number > 0 {
            self.out.push(b']');
        }
    }
}

/// Writes arguments as the object that this wire wants; `false` if they are none (free text, or JSON that was cut).
fn put_arguments(out: &mut Vec<u8>, arguments: &str) -> bool {
    let trimmed = arguments.trim();
    if trimmed.is_empty() {
        out.extend_from_slice(b"{}");
        return true;
    }
    if trimmed.starts_with('{') && serde_json::from_str::<&RawValue>(trimmed).is_ok() {
        // As they were written, digit for digit. Line ends of Unicode can only stand in strings, where an escape means
        // the same.
        let safe = trimmed.replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029").replace('\u{85}', "\\u0085");
        out.extend_from_slice(safe.as_bytes());
        return true;
    }
    out.extend_from_slice(b"{\"input\":");
    put_str(out, arguments);
    out.push(b'}');
    false
}
