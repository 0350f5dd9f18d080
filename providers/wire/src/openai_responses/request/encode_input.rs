//! Messages as the items that a provider reads.

use super::{
    Dialect,
    encode_part::{Place, can_say, put_part, put_text},
    own, report_foreign,
};
use crate::{
    chat::{Message, Part, Role, ToolCallKind, Wire},
    encode::{
        LeftOut,
        identifiers::{Names, OwnIds},
        marks::Marks,
        order::{Call, Said, Step, steps},
        words::{NO_RESULT, plain_text, result_texts, without_call},
    },
    extras::{Extras, pointer},
    json::{put_comma, put_key, put_str},
};

pub(super) struct Input<'a, 'n> {
    pub(super) out: &'n mut Vec<u8>,
    pub(super) left_out: &'n mut Vec<LeftOut>,
    pub(super) provider: &'n str,
    pub(super) model: &'n str,
    pub(super) dialect: &'n Dialect,
    /// Whether the provider keeps its answers.
    pub(super) stored: bool,
    /// Whether the request goes on with an answer that the provider kept, in which calls may stand.
    pub(super) continues: bool,
    pub(super) ids: OwnIds,
    pub(super) names: &'n mut Names<'a>,
    /// The calls of the answer that was written last.
    pub(super) open: Vec<SentCall<'a>>,
}

/// A call that was written.
#[derive(Debug)]
pub(super) struct SentCall<'a> {
    pub(super) id: &'a str,
    /// How many before it in its answer have the same id.
    pub(super) nth: usize,
    pub(super) sent: String,
    pub(super) kind: ToolCallKind,
}

impl<'a> Input<'a, '_> {
    /// Writes the messages from `first` on.
    pub(super) fn put_all(mut self, messages: &'a [Message], first: usize) {
        for (index, message) in messages.iter().enumerate() {
            let at = format!("messages[{index}]");
            report_foreign(&at, &message.extra, self.left_out);
            if message.name.is_some() {
                self.miss(format!("{at}.name"), "this wire has no names of speakers");
            }
        }
        // Names are reported once, here.
        let mut moved = Vec::new();
        let steps = steps(Wire::OpenaiResponses, messages, &mut moved);
        self.left_out.extend(moved.into_iter().filter(|left| !left.at.ends_with("].name")));
        for step in steps {
            match step {
                Step::Said(said) if said.message < first => {}
                Step::Said(said) => {
                    let message = &messages[said.message];
                    let at = format!("messages[{}]", said.message);
                    match said.role {
                        Role::Assistant => self.put_answer(&at, message, &said),
                        _ => self.put_message(&at, message, &said),
                    }
                }
                Step::Result { at: (index, part), call } => {
                    let message = &messages[index];
                    self.put_result(&format!("messages[{index}].parts[{part}]"), message, part, call);
                }
                Step::NoResult(call) => {
                    self.begin_result(call);
                    put_key(self.out, "output");
                    put_str(self.out, NO_RESULT);
                    self.out.push(b'}');
                }
                Step::Lost { at: (index, part) } => {
                    self.put_lost(&format!("messages[{index}].parts[{part}]"), &messages[index], part);
                }
            }
        }
        Marks::default().report(messages, self.left_out);
    }

    pub(super) fn miss(&mut self, at: String, what: &'static str) {
        self.left_out.push(LeftOut { at, what });
    }

    /// Reports what a message has on this wire beside its parts, where it has no place.
    pub(super) fn miss_fields(&mut self, at: &str, extras: Extras<'a>) {
        let keys: Vec<_> = extras.keys_at("").map(|(key, _)| key).collect();
        for key in keys {
            self.miss(format!("{at}/{}", pointer(&key)), "a field of a message that is said in another form");
        }
    }

    fn put_message(&mut self, at: &str, message: &'a Message, said: &Said<'a>) {
        let extras = own(if said.fields { &message.extra } else { &[] });
        put_comma(self.out);
        self.out.extend_from_slice(b"{\"type\":\"message\",\"role\":");
        put_str(
            self.out,
            match said.role {
                Role::System => "system",
                Role::Developer => "developer",
                _ => "user",
            },
        );
        put_key(self.out, "content");
        for (place, _) in said.parts.iter().filter(|(_, part)| !can_say(part)) {
            self.miss(format!("{at}.parts[{place}]"), "a part that this wire cannot say");
        }
        let parts: Vec<_> = said.parts.iter().map(|(_, part)| *part).filter(|part| can_say(part)).collect();
        let place = Place { extras, at: "/content" };
        let only = if let [part] = parts.as_slice() { plain_text(part) } else { None };
        match only {
            _ if extras.below("/content") => self.put_list(&parts, place),
            Some(text) => put_str(self.out, text),
            None if parts.is_empty() => put_str(self.out, ""),
            None => self.put_list(&parts, place),
        }
        extras.put_keys(self.out, "", &["type", "role", "content"]);
        self.out.push(b'}');
    }

    fn put_list(&mut self, parts: &[&Part], place: Place<'_>) {
        self.out.push(b'[');
        let mut next = 0;
        for part in parts {
            next = place.extras.put_elements(self.out, place.at, next);
            put_part(self.out, part, place, next);
            next += 1;
        }
        place.extras.put_elements(self.out, place.at, next);
        self.out.push(b']');
    }

    fn begin_result(&mut self, call: Call<'a>) {
        let open = self.open.iter().find(|open| open.id == call.id && open.nth == call.nth);
        let open = open.expect("the results of calls are written after their calls");
        put_comma(self.out);
        self.out.extend_from_slice(match open.kind {
            ToolCallKind::Function => b"{\"type\":\"function_call_output\",\"call_id\":",
            ToolCallKind::Custom => b"{\"type\":\"custom_tool_call_output\",\"call_id\":",
        });
        put_str(self.out, &open.sent);
    }

    fn put_result(&mut self, at: &str, message: &'a Message, part: usize, call: Call<'a>) {
        let Part::ToolResult { parts, error, .. } = &message.parts[part] else { return };
        self.begin_result(call);
        let extras = own(if message.role == Role::Tool { &message.extra } else { &[] });
        self.put_output(at, parts, *error, extras);
        extras.put_keys(self.out, "", &["type", "call_id", "output"]);
        self.out.push(b'}');
    }

    /// Writes what a call gave: one text as a string, else a list.
    fn put_output(&mut self, at: &str, parts: &'a [Part], error: bool, extras: Extras<'a>) {
        if error {
            self.miss(format!("{at}.error"), "this wire has no word for a failed call, said within its text");
        }
        for (number, _) in parts.iter().enumerate().filter(|(_, part)| !can_say(part)) {
            self.miss(format!("{at}.parts[{number}]"), "a part that this wire cannot say");
        }
        put_key(self.out, "output");
        let texts = result_texts(parts, error);
        let is_text = parts.iter().all(|part| plain_text(part).is_some() || !can_say(part));
        if is_text && texts.len() < 2 && !extras.below("/output") {
            return put_str(self.out, texts.first().map_or("", |text| text));
        }
        let place = Place { extras, at: "/output" };
        let mut texts = texts.iter();
        self.out.push(b'[');
        let mut next = 0;
        // That a call failed is said first where it gave no text of its own.
        if !parts.iter().any(|part| plain_text(part).is_some()) {
            for text in texts.by_ref() {
                put_text(self.out, text, Place::NONE, 0);
            }
        }
        for part in parts.iter().filter(|part| can_say(part)) {
            next = extras.put_elements(self.out, "/output", next);
            match plain_text(part) {
                Some(_) => put_text(self.out, texts.next().map_or("", |text| text), place, next),
                None => put_part(self.out, part, place, next),
            }
            next += 1;
        }
        extras.put_elements(self.out, "/output", next);
        self.out.push(b']');
    }

    /// A result whose call is gone, which servers refuse, becomes what the user says; of a call in an answer that the
    /// provider kept, it is sent as it is.
    fn put_lost(&mut self, at: &str, message: &'a Message, part: usize) {
        let Part::ToolResult { id, parts, error } = &message.parts[part] else { return };
        if self.continues {
            let is_custom =
                |(key, json): (String, &serde_json::Value)| key == "type" && json == "custom_tool_call_output";
            let is_custom = own(&message.extra).keys_at("").any(is_custom);
            put_comma(self.out);
            self.out.extend_from_slice(b"{\"type\":");
            put_str(self.out, if is_custom { "custom_tool_call_output" } else { "function_call_output" });
            put_key(self.out, "call_id");
            put_str(self.out, id);
            self.put_output(at, parts, *error, Extras::none());
            return self.out.push(b'}');
        }
        self.miss(at.to_owned(), "a result without its call, said as text");
        put_comma(self.out);
        self.out.extend_from_slice(b"{\"type\":\"message\",\"role\":\"user\",\"content\":[");
        put_text(self.out, &without_call(id, *error), Place::NONE, 0);
        for (number, part) in parts.iter().enumerate() {
            match can_say(part) {
                true => put_part(self.out, part, Place::NONE, 0),
                false => self.miss(format!("{at}.parts[{number}]"), "a part that this wire cannot say"),
            }
        }
        self.out.extend_from_slice(b"]}");
    }
}
