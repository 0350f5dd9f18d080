//! Messages as Ollama reads them.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::extras::{put_extras, report_foreign};
use crate::{
    chat::{MediaSource, Message, Part, Role},
    encode::LeftOut,
    json::{put_comma, put_key, put_str},
};

/// What a call without a result is answered with, or a model would take it that it has to call again.
const NO_RESULT: &str = "Error: the call was not carried out, and there is no result.";

/// Keys of a message that an extra must not say a second time.
const WRITTEN: [&str; 7] = ["role", "content", "thinking", "images", "tool_calls", "tool_name", "tool_call_id"];

pub(super) struct Messages<'a> {
    pub(super) out: &'a mut Vec<u8>,
    pub(super) left_out: &'a mut Vec<LeftOut>,
}

/// A call: its id and its tool.
type Call<'a> = (&'a str, &'a str);

impl Messages<'_> {
    pub(super) fn put_all(&mut self, messages: &[Message]) {
        // The calls of the last answer, and those of them that have no result yet.
        let (mut calls, mut open): (Vec<Call<'_>>, Vec<Call<'_>>) = (Vec::new(), Vec::new());
        for (index, message) in messages.iter().enumerate() {
            let at = format!("messages[{index}]");
            report_foreign(&at, &message.extra, self.left_out);
            let mut results = 0;
            for (index, part) in message.parts.iter().enumerate() {
                let Part::ToolResult { id, parts, .. } = part else { continue };
                results += 1;
                open.retain(|(call, _)| call != id);
                let of_call = calls.iter().find(|(call, _)| call == id).map(|(_, name)| *name);
                let tool = message.name.as_deref().or(of_call);
                self.put_result(&format!("{at}.parts[{index}]"), message, id, tool, parts);
            }
            if results == message.parts.len() && (results > 0 || message.role == Role::Tool) {
                continue;
            }
            self.settle(&mut open);
            self.put_said(&at, message);
            if message.role == Role::Assistant {
                calls = message.parts.iter().filter_map(call).collect();
                open.clone_from(&calls);
            }
        }
        self.settle(&mut open);
    }

    /// Answers calls that nobody answered.
    fn settle(&mut self, open: &mut Vec<Call<'_>>) {
        for (id, name) in open.drain(..) {
            put_comma(self.out);
            self.out.extend_from_slice(b"{\"role\":\"tool\",\"content\":");
            put_str(self.out, NO_RESULT);
            put_key(self.out, "tool_name");
            put_str(self.out, name);
            put_key(self.out, "tool_call_id");
            put_str(self.out, id);
            self.out.push(b'}');
        }
    }

    fn put_result(&mut self, at: &str, message: &Message, id: &str, tool: Option<&str>, parts: &[Part]) {
        put_comma(self.out);
        self.out.extend_from_slice(b"{\"role\":\"tool\"");
        let parts: Vec<_> = parts.iter().enumerate().collect();
        self.put_content(at, "\n\n", &parts);
        if let Some(tool) = tool {
            put_key(self.out, "tool_name");
            put_str(self.out, tool);
        }
        put_key(self.out, "tool_call_id");
        put_str(self.out, id);
        put_extras(self.out, &message.extra, "", &WRITTEN);
        self.out.push(b'}');
    }

    fn put_said(&mut self, at: &str, message: &Message) {
        put_comma(self.out);
        self.out.extend_from_slice(b"{\"role\":");
        let (role, between) = match message.role {
            Role::System | Role::Developer => ("system", "\n\n"),
            Role::User => ("user", "\n\n"),
            // What a model said around its calls is one text.
            Role::Assistant => ("assistant", ""),
            Role::Tool => ("tool", "\n\n"),
        };
        put_str(self.out, role);
        if message.name.is_some() {
            self.left_out.push(LeftOut { at: format!("{at}.name"), what: "this wire has no word for it" });
        }
        let is_of_tool = |part: &Part| matches!(part, Part::ToolCall { .. } | Part::ToolResult { .. });
        let thought = |part: &Part| matches!(part, Part::Thinking { .. });
        let parts: Vec<_> =
            message.parts.iter().enumerate().filter(|(_, part)| !is_of_tool(part) && !thought(part)).collect();
        self.put_content(at, between, &parts);
        let thinking: String = message
            .parts
            .iter()
            .filter_map(|part| if let Part::Thinking { text } = part { Some(text.as_str()) } else { None })
            .collect();
        if !thinking.is_empty() {
            put_key(self.out, "thinking");
            put_str(self.out, &thinking);
        }
        self.put_calls(at, message);
        put_extras(self.out, &message.extra, "", &WRITTEN);
        self.out.push(b'}');
    }

    /// Writes `content`, which is one text, and `images`.
    fn put_content(&mut self, at: &str, between: &str, parts: &[(usize, &Part)]) {
        let (mut texts, mut images) = (Vec::new(), Vec::new());
        for (index, part) in parts {
            let what = match part {
                Part::Text { text } | Part::Refusal { text } => {
                    texts.push(text.as_str());
                    continue;
                }
                Part::Image { source: MediaSource::Base64 { data, .. }, .. } => {
                    images.push(data.as_str());
                    continue;
                }
                Part::Image { .. } => "a picture that is not in the request itself",
                Part::Opaque { .. } => "what only the provider that said it can read",
                _ => "a part that this wire cannot say",
            };
            self.left_out.push(LeftOut { at: format!("{at}.parts[{index}]"), what });
        }
        put_key(self.out, "content");
        put_str(self.out, &if let [one] = texts.as_slice() { Cow::Borrowed(*one) } else { texts.join(between).into() });
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

    fn put_calls(&mut self, at: &str, message: &Message) {
        let calls = message.parts.iter().enumerate().filter(|(_, part)| call(part).is_some());
        for (number, (index, part)) in calls.enumerate() {
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
            put_extras(self.out, &message.extra, &format!("{extras}/function"), &["name", "arguments"]);
            self.out.push(b'}');
            put_extras(self.out, &message.extra, &extras, &["id", "function"]);
            self.out.push(b'}');
        }
        if message.parts.iter().any(|part| call(part).is_some()) {
            self.out.push(b']');
        }
    }
}

fn call(part: &Part) -> Option<Call<'_>> {
    match part {
        Part::ToolCall { id, name, .. } => Some((id, name)),
        _ => None,
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
