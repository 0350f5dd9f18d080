//! Messages as a provider reads them.

use serde_json::Value;

use super::{
    dialect::Dialect,
    encode::report_foreign,
    encode_part::{SentCall, can_say, put_call, put_part, put_text},
    encode_reasoning::Reasoning,
    extras::{Extras, own},
};
use crate::{
    chat::{Message, Part, Role, Wire},
    encode::{
        LeftOut,
        identifiers::{Ids, Names},
        marks::{Marks, mark},
        order::{Call, Said, Step, steps},
        words::{NO_RESULT, plain_text, result_texts, without_call},
    },
    json::{put_comma, put_key, put_str},
};

/// What stands before pictures that a tool gave, since they cannot stand in its result on this wire.
const FROM_TOOL: &str = "What the tool call above also gave:";

pub(super) struct Messages<'a, 'n> {
    pub(super) out: &'n mut Vec<u8>,
    pub(super) left_out: &'n mut Vec<LeftOut>,
    pub(super) provider: &'n str,
    pub(super) model: &'n str,
    pub(super) dialect: &'n Dialect,
    pub(super) ids: Ids<'a>,
    pub(super) names: &'n mut Names<'a>,
    pub(super) marks: Marks,
}

/// Media of results, each with the id that was sent of its call, which come before the next message that is not a tool's.
type Media<'a> = Vec<(String, &'a Part)>;

/// Where something stands: the message, its index, and how it is called in a report.
#[derive(Clone, Copy)]
struct Place<'a, 'p> {
    index: usize,
    message: &'a Message,
    at: &'p str,
}

impl<'a> Messages<'a, '_> {
    pub(super) fn put_all(mut self, messages: &'a [Message]) {
        for (index, message) in messages.iter().enumerate() {
            report_foreign(&format!("messages[{index}]"), &message.extra, self.left_out);
        }
        let mut media = Media::new();
        for step in steps(Wire::OpenaiChat, messages, self.left_out) {
            if !matches!(step, Step::Result { .. } | Step::NoResult(_)) {
                self.put_media(&mut media);
            }
            let place = |index: usize| (index, &messages[index], format!("messages[{index}]"));
            match step {
                Step::Said(said) => {
                    let (index, message, at) = place(said.message);
                    let place = Place { index, message, at: &at };
                    match said.role {
                        Role::Assistant => self.put_assistant(place, &said),
                        _ => self.put_other(place, &said),
                    }
                }
                Step::Result { at: (index, part), call } => {
                    let (index, message, at) = place(index);
                    self.put_result(Place { index, message, at: &at }, part, call, &mut media);
                }
                Step::NoResult(call) => {
                    self.begin_result(call);
                    put_key(self.out, "content");
                    put_str(self.out, NO_RESULT);
                    self.out.push(b'}');
                }
                Step::Lost { at: (index, part) } => {
                    let (_, message, at) = place(index);
                    self.put_lost(&format!("{at}.parts[{part}]"), &message.parts[part]);
                }
            }
        }
        self.put_media(&mut media);
        self.marks.report(messages, self.left_out);
    }

    fn miss(&mut self, at: String) {
        self.left_out.push(LeftOut { at, what: "a part that this wire cannot say" });
    }

    fn begin_result(&mut self, call: Call<'a>) {
        put_comma(self.out);
        self.out.extend_from_slice(b"{\"role\":\"tool\",\"tool_call_id\":");
        put_str(self.out, self.ids.call(call.id, call.nth));
    }

    fn put_result(&mut self, place: Place<'a, '_>, part: usize, call: Call<'a>, media: &mut Media<'a>) {
        let Part::ToolResult { parts, error, .. } = &place.message.parts[part] else { return };
        let at = format!("{}.parts[{part}]", place.at);
        self.begin_result(call);
        let is_tools = place.message.role == Role::Tool;
        let extras = own(if is_tools { &place.message.extra } else { &[] });
        if let Some(name) = place.message.name.as_ref().filter(|_| is_tools) {
            put_key(self.out, "name");
            put_str(self.out, self.names.known(name));
        }
        if *error {
            let what = "this wire has no word for a failed call, said within its text";
            self.left_out.push(LeftOut { at: format!("{at}.error"), what });
        }
        let texts = result_texts(parts, *error);
        let mark = mark(place.message, part).filter(|_| self.dialect.cache_control && !texts.is_empty());
        put_key(self.out, "content");
        let in_list = texts.len() > 1 || mark.is_some() || extras.below("/content");
        if in_list && (!texts.is_empty() || extras.element("/content", 0).is_some()) {
            self.out.push(b'[');
            let mut next = 0;
            for (index, text) in texts.iter().enumerate() {
                next = extras.put_elements(self.out, "/content", next);
                put_text(self.out, text, extras, next, mark.filter(|_| index + 1 == texts.len()));
                next += 1;
            }
            extras.put_elements(self.out, "/content", next);
            self.out.push(b']');
            if mark.is_some() {
                self.marks.say(place.index, part);
            }
        } else {
            put_str(self.out, texts.first().map_or("", |text| text));
        }
        extras.put_keys(self.out, "", &["content", "role", "tool_call_id"]);
        self.out.push(b'}');
        let mut moved = false;
        for (number, part) in parts.iter().enumerate().filter(|(_, part)| plain_text(part).is_none()) {
            match can_say(part) {
                true => media.push((self.ids.call(call.id, call.nth).to_owned(), part)),
                false => self.miss(format!("{at}.parts[{number}]")),
            }
            moved |= can_say(part);
        }
        if moved {
            self.left_out.push(LeftOut { at, what: "media in a tool result, moved to a message after it" });
        }
    }

    /// Says what tools gave besides text.
    fn put_media(&mut self, media: &mut Media<'a>) {
        if media.is_empty() {
            return;
        }
        put_comma(self.out);
        self.out.extend_from_slice(b"{\"role\":\"user\",\"content\":[");
        let mut before = None;
        for (id, part) in media.drain(..) {
            if before.as_ref() != Some(&id) {
                put_text(self.out, &format!("{FROM_TOOL} ({id})"), Extras::none(), 0, None);
                before = Some(id);
            }
            put_part(self.out, part, Extras::none(), 0, None);
        }
        self.out.extend_from_slice(b"]}");
    }

    /// A result whose call is gone, which servers refuse, becomes what the user says.
    fn put_lost(&mut self, at: &str, part: &Part) {
        let Part::ToolResult { id, parts, error } = part else { return };
        self.left_out.push(LeftOut { at: at.to_owned(), what: "a result without its call, said as text" });
        put_comma(self.out);
        self.out.extend_from_slice(b"{\"role\":\"user\",\"content\":[");
        put_text(self.out, &without_call(id, *error), Extras::none(), 0, None);
        for (number, part) in parts.iter().enumerate() {
            match can_say(part) {
                true => put_part(self.out, part, Extras::none(), 0, None),
                false => self.miss(format!("{at}.parts[{number}]")),
            }
        }
        self.out.extend_from_slice(b"]}");
    }

    fn put_other(&mut self, place: Place<'a, '_>, said: &Said<'a>) {
        put_comma(self.out);
        self.out.extend_from_slice(b"{\"role\":");
        put_str(
            self.out,
            match said.role {
                Role::System => "system",
                Role::Developer if self.dialect.developer_role => "developer",
                Role::Developer => "system",
                _ => "user",
            },
        );
        let extras = own(if said.fields { &place.message.extra } else { &[] });
        if said.fields {
            self.put_name(place.message);
        }
        self.put_content(place, &said.parts, extras, false);
        extras.put_keys(self.out, "", &["role", "content"]);
        self.out.push(b'}');
    }

    fn put_assistant(&mut self, place: Place<'a, '_>, said: &Said<'a>) {
        let extras = own(if said.fields { &place.message.extra } else { &[] });
        let (mut content, mut calls, mut refusal) = (Vec::new(), Vec::new(), None::<String>);
        for (index, part) in &said.parts {
            match part {
                Part::Thinking { .. } | Part::Opaque { .. } => {}
                Part::Refusal { text } if self.dialect.refusal => refusal.get_or_insert_default().push_str(text),
                Part::ToolCall { .. } => calls.push(*part),
                _ => content.push((*index, *part)),
            }
        }
        let (provider, model) = (self.provider, self.model);
        let (takes_details, takes_opaque) = (self.dialect.reasoning_details, self.dialect.reasoning_opaque);
        // Opaque data goes to whoever said it; and where that is not known (a client's history), to a server that knows
        // its form.
        let is_own = |of: &str, by: &str, data: &Value| match of {
            "" => {
                takes_details && data.get("reasoning_details").is_some()
                    || takes_opaque && data.get("reasoning_opaque").is_some()
            }
            _ => (of, by) == (provider, model),
        };
        let reasoning = Reasoning::of(place.at, &said.parts, self.dialect.reasoning_key, is_own, self.left_out);
        let start = self.out.len();
        put_comma(self.out);
        self.out.extend_from_slice(b"{\"role\":\"assistant\"");
        if said.fields {
            self.put_name(place.message);
        }
        let says = self.put_content(place, &content, extras, !calls.is_empty() || refusal.is_some());
        // What is left of an answer none of whose parts can be said here.
        let is_nothing = !says && calls.is_empty() && refusal.is_none() && reasoning.is_empty();
        if is_nothing && !said.parts.is_empty() && !extras.below("") && place.message.name.is_none() {
            return self.out.truncate(start);
        }
        if let Some(refusal) = &refusal {
            put_key(self.out, "refusal");
            put_str(self.out, refusal);
        }
        reasoning.put(self.out);
        if !calls.is_empty() {
            self.put_calls(&calls, &reasoning, extras);
        }
        extras.put_keys(self.out, "", &["role", "content", "refusal", "tool_calls"]);
        self.out.push(b'}');
    }

    fn put_calls(&mut self, calls: &[&'a Part], reasoning: &Reasoning<'a>, extras: Extras<'_>) {
        put_key(self.out, "tool_calls");
        self.out.push(b'[');
        let (mut next, mut ids) = (0, Vec::with_capacity(calls.len()));
        for (number, call) in (0..).zip(calls) {
            let Part::ToolCall { id, name, arguments, kind } = *call else { continue };
            next = extras.put_elements(self.out, "/tool_calls", next);
            put_comma(self.out);
            let nth = ids.iter().filter(|before| **before == id).count();
            ids.push(id);
            let call = SentCall {
                id: self.ids.call(id, nth),
                name: self.names.name(name),
                arguments,
                kind: *kind,
                extra_content: reasoning.extra_content(number),
            };
            put_call(self.out, call, extras, next);
            next += 1;
        }
        extras.put_elements(self.out, "/tool_calls", next);
        self.out.push(b']');
    }

    fn put_name(&mut self, message: &Message) {
        if let Some(name) = &message.name {
            put_key(self.out, "name");
            put_str(self.out, name);
        }
    }

    /// Writes `content`: one plain text as a string, else a list; `null` for nothing where that is allowed. Whether it
    /// says anything.
    fn put_content(
        &mut self,
        place: Place<'a, '_>,
        parts: &[(usize, &'a Part)],
        extras: Extras<'_>,
        nullable: bool,
    ) -> bool {
        for (index, _) in parts.iter().filter(|(_, part)| !can_say(part)) {
            self.miss(format!("{}.parts[{index}]", place.at));
        }
        let parts: Vec<_> = parts.iter().filter(|(_, part)| can_say(part)).collect();
        let takes_marks = self.dialect.cache_control;
        let mark = |index: usize| mark(place.message, index).filter(|_| takes_marks);
        put_key(self.out, "content");
        match parts.as_slice() {
            _ if extras.below("/content") => {}
            [] => {
                self.put_nothing(nullable);
                return false;
            }
            [(index, part)] if mark(*index).is_none() => {
                if let Some(text) = plain_text(part) {
                    put_str(self.out, text);
                    return true;
                }
            }
            _ => {}
        }
        let start = self.out.len();
        self.out.push(b'[');
        let mut next = 0;
        for (index, part) in parts {
            next = extras.put_elements(self.out, "/content", next);
            if mark(*index).is_some() {
                self.marks.say(place.index, *index);
            }
            put_part(self.out, part, extras, next, mark(*index));
            next += 1;
        }
        if extras.put_elements(self.out, "/content", next) == 0 {
            // An empty list is refused.
            self.out.truncate(start);
            self.put_nothing(nullable);
            return false;
        }
        self.out.push(b']');
        true
    }

    fn put_nothing(&mut self, nullable: bool) {
        match nullable {
            true => self.out.extend_from_slice(b"null"),
            false => put_str(self.out, ""),
        }
    }
}
