//! Messages as a provider reads them.

use std::borrow::Cow;

use serde_json::{Value, json};

use super::{
    dialect::Dialect,
    encode::report_foreign,
    encode_part::{put_call, put_part},
    extras::{Extras, own},
};
use crate::{
    chat::{CacheMark, Message, Part, Role},
    encode::LeftOut,
    json::{put_comma, put_key, put_str, put_value},
};

/// What a call without a result is answered with: servers refuse a conversation in which a call has none.
const NO_RESULT: &str = "Error: the call was not carried out, and there is no result.";
/// What stands before pictures that a tool gave, since they cannot stand in its result on this wire.
const FROM_TOOL: &str = "What the tool call above also gave:";

pub(super) struct Messages<'a> {
    pub(super) out: &'a mut Vec<u8>,
    pub(super) left_out: &'a mut Vec<LeftOut>,
    pub(super) provider: &'a str,
    pub(super) model: &'a str,
    pub(super) dialect: &'a Dialect,
}

/// What has to come before the next message that is not a tool's.
#[derive(Default)]
struct Open<'a> {
    calls: Vec<&'a str>,
    media: Vec<(&'a str, &'a Part)>,
}

impl<'a> Messages<'a> {
    pub(super) fn put_all(&mut self, messages: &'a [Message]) {
        let mut open = Open::default();
        for (index, message) in messages.iter().enumerate() {
            let at = format!("messages[{index}]");
            report_foreign(&at, &message.extra, self.left_out);
            let only_results = self.put_results(&at, message, &mut open);
            if only_results {
                continue;
            }
            self.settle(&mut open);
            match message.role {
                Role::Assistant => {
                    self.put_assistant(&at, message);
                    open.calls = message.parts.iter().filter_map(call_id).collect();
                }
                _ => self.put_other(&at, message),
            }
        }
        self.settle(&mut open);
    }

    /// Writes the results of a message, each as a message of its own; whether there is nothing else in it.
    fn put_results(&mut self, at: &str, message: &'a Message, open: &mut Open<'a>) -> bool {
        let mut count = 0;
        for (index, part) in message.parts.iter().enumerate() {
            let Part::ToolResult { id, parts, .. } = part else { continue };
            count += 1;
            open.calls.retain(|call| call != id);
            let marks: Vec<_> = message.cache.iter().filter(|mark| mark.part == index).collect();
            self.put_result(&format!("{at}.parts[{index}]"), message, id, parts, &marks, open);
        }
        count == message.parts.len() && (count > 0 || message.role == Role::Tool)
    }

    fn put_result(
        &mut self,
        at: &str,
        message: &Message,
        id: &'a str,
        parts: &'a [Part],
        marks: &[&CacheMark],
        open: &mut Open<'a>,
    ) {
        let extras = own(&message.extra);
        put_comma(self.out);
        self.out.extend_from_slice(b"{\"role\":\"tool\",\"tool_call_id\":");
        put_str(self.out, id);
        if let Some(name) = &message.name {
            put_key(self.out, "name");
            put_str(self.out, name);
        }
        let texts = || parts.iter().filter_map(plain_text);
        let marked = self.dialect.cache_control && !marks.is_empty();
        put_key(self.out, "content");
        if texts().count() > 1 || marked || extras.below("/content") {
            self.out.push(b'[');
            let mut next = 0;
            let last = texts().count();
            for (index, text) in texts().enumerate() {
                next = extras.put_elements(self.out, "/content", next);
                put_comma(self.out);
                put_text(self.out, text, extras, next, marks.first().filter(|_| marked && index + 1 == last));
                next += 1;
            }
            extras.put_elements(self.out, "/content", next);
            self.out.push(b']');
        } else {
            put_str(self.out, texts().next().unwrap_or_default());
        }
        extras.put_keys(self.out, "", &["content", "role", "tool_call_id"]);
        self.out.push(b'}');
        let before = open.media.len();
        open.media.extend(parts.iter().filter(|part| plain_text(part).is_none()).map(|part| (id, part)));
        if open.media.len() > before {
            self.left_out
                .push(LeftOut { at: at.to_owned(), what: "media in a tool result, moved to a message after it" });
        }
    }

    /// Answers calls that nobody answered, and says what tools gave besides text.
    fn settle(&mut self, open: &mut Open<'a>) {
        for id in open.calls.drain(..) {
            put_comma(self.out);
            self.out.extend_from_slice(b"{\"role\":\"tool\",\"tool_call_id\":");
            put_str(self.out, id);
            put_key(self.out, "content");
            put_str(self.out, NO_RESULT);
            self.out.push(b'}');
        }
        if open.media.is_empty() {
            return;
        }
        put_comma(self.out);
        self.out.extend_from_slice(b"{\"role\":\"user\",\"content\":[");
        let mut before = None;
        for (id, part) in open.media.drain(..) {
            if before != Some(id) {
                before = Some(id);
                put_comma(self.out);
                put_text(self.out, &format!("{FROM_TOOL} ({id})"), own(&[]), 0, None);
            }
            if !put_part(self.out, part, own(&[]), 0, None) {
                self.left_out
                    .push(LeftOut { at: format!("tool result {id}"), what: "a part that this wire cannot say" });
            }
        }
        self.out.extend_from_slice(b"]}");
    }

    fn put_other(&mut self, at: &str, message: &Message) {
        put_comma(self.out);
        self.out.extend_from_slice(b"{\"role\":");
        put_str(
            self.out,
            match message.role {
                Role::System => "system",
                Role::Developer if self.dialect.developer_role => "developer",
                Role::Developer => "system",
                Role::User => "user",
                Role::Assistant => "assistant",
                Role::Tool => "tool",
            },
        );
        self.put_name(message);
        let parts: Vec<_> = message.parts.iter().enumerate().filter(|(_, part)| !is_of_tool(part)).collect();
        self.put_content(at, message, &parts, false);
        own(&message.extra).put_keys(self.out, "", &["role", "content"]);
        self.out.push(b'}');
    }

    fn put_assistant(&mut self, at: &str, message: &Message) {
        let extras = own(&message.extra);
        put_comma(self.out);
        self.out.extend_from_slice(b"{\"role\":\"assistant\"");
        self.put_name(message);
        let (mut content, mut calls, mut refusal) = (Vec::new(), Vec::new(), None::<String>);
        let mut thinking = None::<Cow<'_, str>>;
        let mut opaque = Vec::new();
        for (index, part) in message.parts.iter().enumerate() {
            match part {
                Part::Thinking { text } => match &mut thinking {
                    None => thinking = Some(Cow::Borrowed(text)),
                    Some(whole) => whole.to_mut().push_str(text),
                },
                Part::Opaque { provider, model, data } => match self.opaque(provider, model, data) {
                    true => opaque.push(data),
                    false => self.left_out.push(LeftOut {
                        at: format!("{at}.parts[{index}]"),
                        what: "what only the provider that said it can read",
                    }),
                },
                Part::Refusal { text } if self.dialect.refusal => refusal.get_or_insert_default().push_str(text),
                Part::ToolCall { .. } => calls.push((index, part)),
                Part::ToolResult { .. } => {}
                _ => content.push((index, part)),
            }
        }
        self.put_content(at, message, &content, !calls.is_empty() || refusal.is_some());
        if let Some(refusal) = &refusal {
            put_key(self.out, "refusal");
            put_str(self.out, refusal);
        }
        self.put_opaque(&opaque, thinking.as_deref());
        if !calls.is_empty() {
            put_key(self.out, "tool_calls");
            self.out.push(b'[');
            let mut next = 0;
            for (_, call) in calls {
                next = extras.put_elements(self.out, "/tool_calls", next);
                put_comma(self.out);
                let of_call = opaque.iter().filter(|data| data.get("tool_call") == Some(&json!(next)));
                put_call(
                    self.out,
                    call,
                    extras,
                    next,
                    of_call.filter_map(|data| data.get("extra_content")).next_back(),
                );
                next += 1;
            }
            extras.put_elements(self.out, "/tool_calls", next);
            self.out.push(b']');
        }
        extras.put_keys(self.out, "", &["role", "content", "refusal", "tool_calls"]);
        self.out.push(b'}');
    }

    /// Whether opaque data may go: to whoever said it; and where that is not known (a client's history), to a server
    /// that knows its form.
    fn opaque(&self, provider: &str, model: &str, data: &Value) -> bool {
        match provider {
            "" => self.dialect.reasoning_details && data.get("reasoning_details").is_some(),
            _ => provider == self.provider && model == self.model,
        }
    }

    fn put_opaque(&mut self, opaque: &[&Value], thinking: Option<&str>) {
        let said = |key: &str| opaque.iter().filter_map(|data| data.get(key)).next_back();
        if let Some(details) = said("reasoning_details") {
            put_key(self.out, "reasoning_details");
            put_value(self.out, details);
        }
        // Copilot takes its thinking back only together with what signs it.
        let signed = said("reasoning_opaque");
        if let Some(signature) = signed {
            put_key(self.out, "reasoning_opaque");
            put_value(self.out, signature);
        }
        let key = signed.map(|_| "reasoning_text").or(self.dialect.reasoning_key);
        if let (Some(key), Some(text)) = (key, thinking) {
            put_key(self.out, key);
            put_str(self.out, text);
        }
    }

    fn put_name(&mut self, message: &Message) {
        if let Some(name) = &message.name {
            put_key(self.out, "name");
            put_str(self.out, name);
        }
    }

    /// Writes `content`: one plain text as a string, else a list; `null` for nothing where that is allowed.
    fn put_content(&mut self, at: &str, message: &Message, parts: &[(usize, &Part)], nullable: bool) {
        let extras = own(&message.extra);
        let mark = |index: usize| message.cache.iter().find(|mark| self.dialect.cache_control && mark.part == index);
        put_key(self.out, "content");
        match parts {
            _ if extras.below("/content") => {}
            [] if nullable => return self.out.extend_from_slice(b"null"),
            [] => return put_str(self.out, ""),
            [(index, part)] if mark(*index).is_none() => {
                if let Some(text) = plain_text(part) {
                    return put_str(self.out, text);
                }
            }
            _ => {}
        }
        self.out.push(b'[');
        let mut next = 0;
        for (index, part) in parts {
            next = extras.put_elements(self.out, "/content", next);
            match put_part(self.out, part, extras, next, mark(*index)) {
                true => next += 1,
                false => self
                    .left_out
                    .push(LeftOut { at: format!("{at}.parts[{index}]"), what: "a part that this wire cannot say" }),
            }
        }
        extras.put_elements(self.out, "/content", next);
        self.out.push(b']');
    }
}

fn call_id(part: &Part) -> Option<&str> {
    match part {
        Part::ToolCall { id, .. } => Some(id),
        _ => None,
    }
}

fn is_of_tool(part: &Part) -> bool {
    matches!(part, Part::ToolCall { .. } | Part::ToolResult { .. })
}

fn plain_text(part: &Part) -> Option<&str> {
    match part {
        Part::Text { text } | Part::Refusal { text } => Some(text),
        _ => None,
    }
}

/// A text part at a position of `content`.
pub(super) fn put_text(out: &mut Vec<u8>, text: &str, extras: Extras<'_>, next: usize, mark: Option<&&CacheMark>) {
    out.extend_from_slice(b"{\"type\":\"text\",\"text\":");
    put_str(out, text);
    super::encode_part::end_part(out, extras, next, mark.copied());
}
