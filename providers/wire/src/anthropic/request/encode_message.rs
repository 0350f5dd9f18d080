//! Messages as a provider reads them.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::{
    encode_block::{Place, put_input, put_part, put_text},
    is_own, own, report_foreign,
};
use crate::{
    chat::{CacheMark, Message, Part, Role},
    encode::{
        LeftOut,
        identifiers::{Names, OwnIds},
        marks::{Marks, mark},
        report_detail,
        words::without_call,
    },
    extras::{Extras, pointer},
    json::{put_comma, put_key, put_str, put_value},
};

/// What a call without a result is answered with: the API refuses a conversation in which a call has none.
const NO_RESULT: &str = "The call was not carried out, and there is no result.";
/// What the user says where a conversation begins with an answer, which the API refuses.
const OPENING: &str = "Begin.";

const NO_NAMES: &str = "this wire has no names of speakers";
const NO_FIELDS: &str = "a field of a message that is said as a part of another";

const NOTHING: Place<'_> = Place { extras: Extras::none(), at: "" };

/// Writes `system`: one plain text as a string, else blocks.
pub(super) fn put_system(out: &mut Vec<u8>, messages: &[Message], marks: &mut Marks, left_out: &mut Vec<LeftOut>) {
    let mut blocks = Vec::new();
    let mut plain = Vec::new();
    for (index, message) in messages.iter().enumerate() {
        let at = format!("messages[{index}]");
        report_foreign(&at, &message.extra, left_out);
        if message.name.is_some() {
            left_out.push(LeftOut { at: format!("{at}.name"), what: NO_NAMES });
        }
        for (key, _) in fields(message) {
            left_out.push(LeftOut { at: format!("{at}/{}", pointer(&key)), what: NO_FIELDS });
        }
        let extras = own(&message.extra);
        for (place, part) in message.parts.iter().enumerate() {
            match part {
                Part::Text { text } if text.is_empty() => {}
                Part::Text { text } => {
                    let mark = mark(message, place);
                    marks.say(index, place);
                    let mut block = Vec::new();
                    put_text(&mut block, text, Place { extras, at: &format!("/content/{place}") }, mark);
                    blocks.push(block);
                    plain.push((text, mark.is_none() && extras.is_empty()));
                }
                _ => left_out
                    .push(LeftOut { at: format!("{at}.parts[{place}]"), what: "instructions are text on this wire" }),
            }
        }
    }
    match plain.as_slice() {
        [] => {}
        [(text, true)] => {
            put_key(out, "system");
            put_str(out, text);
        }
        _ => {
            put_key(out, "system");
            out.push(b'[');
            out.extend_from_slice(&blocks.join(&b','));
            out.push(b']');
        }
    }
}

pub(super) struct Messages<'a, 'n> {
    pub(super) out: &'n mut Vec<u8>,
    pub(super) left_out: &'n mut Vec<LeftOut>,
    pub(super) provider: &'n str,
    pub(super) model: &'n str,
    pub(super) system_in_messages: bool,
    pub(super) ids: OwnIds,
    pub(super) names: &'n mut Names<'a>,
    pub(super) marks: &'n mut Marks,
    /// The role of the message that is being written.
    pub(super) open: Option<&'static str>,
    /// What only extras say of it.
    pub(super) tail: Vec<(String, &'a Value)>,
    /// The block that is being written.
    pub(super) block: Vec<u8>,
    /// How many were written.
    pub(super) blocks: usize,
}

/// What only extras say of a message, beside what stands in its content.
fn fields(message: &Message) -> impl Iterator<Item = (String, &Value)> {
    own(&message.extra).keys_at("").filter(|(key, _)| key != "role" && key != "content")
}

/// A call that has no result yet.
struct Open<'a> {
    id: &'a str,
    sent: String,
}

impl<'a> Messages<'a, '_> {
    /// Writes all messages from `first` on.
    pub(super) fn put_all(&mut self, messages: &'a [Message], first: usize) {
        let mut open = Vec::new();
        // Results stand at once after their calls, wherever before the next answer they are said.
        let mut answered = HashSet::new();
        for (index, message) in messages.iter().enumerate().skip(first) {
            let at = format!("messages[{index}]");
            let before = self.blocks;
            report_foreign(&at, &message.extra, self.left_out);
            if message.name.is_some() {
                self.miss(format!("{at}.name"), NO_NAMES);
            }
            if message.role == Role::Assistant {
                self.put_assistant((index, &at), message, &mut open, index + 1 == messages.len());
            } else {
                if !open.is_empty() {
                    self.put_results(messages, index, &mut open, &mut answered);
                }
                self.put_other(&at, index, message, &answered);
            }
            // Its results may have been written with those of a message before it.
            let is_within = self.open == Some("user") && answered.iter().any(|(of, _)| *of == index);
            self.take_fields(&at, message, self.blocks > before || is_within);
        }
        self.settle(&mut open);
        self.close();
    }

    /// Keeps what only extras say of a message for the end of the one that it became a part of, if there is one.
    fn take_fields(&mut self, at: &str, message: &'a Message, has_blocks: bool) {
        for (key, json) in fields(message) {
            match has_blocks && self.tail.iter().all(|(other, _)| *other != key) {
                true => self.tail.push((key, json)),
                false => self.miss(format!("{at}/{}", pointer(&key)), NO_FIELDS),
            }
        }
    }

    fn miss(&mut self, at: String, what: &'static str) {
        self.left_out.push(LeftOut { at, what });
    }

    /// Puts the block that was written into a message of this role: the one that is open, or a new one.
    fn put_block(&mut self, role: &'static str) {
        if self.open.is_none() && role == "assistant" {
            let block = std::mem::take(&mut self.block);
            put_text(&mut self.block, OPENING, NOTHING, None);
            self.put_block("user");
            self.block = block;
            self.miss("messages".into(), "the conversation begins with an answer, so that a user's word was put first");
        }
        if self.open != Some(role) {
            self.close();
            put_comma(self.out);
            self.out.extend_from_slice(b"{\"role\":");
            put_str(self.out, role);
            self.out.extend_from_slice(b",\"content\":[");
            self.open = Some(role);
        }
        put_comma(self.out);
        self.out.append(&mut self.block);
        self.blocks += 1;
    }

    fn close(&mut self) {
        if self.open.take().is_none() {
            return;
        }
        self.out.push(b']');
        for (key, json) in std::mem::take(&mut self.tail) {
            put_key(self.out, &key);
            put_value(self.out, json);
        }
        self.out.push(b'}');
    }

    /// Writes the elements of a message's content that only extras say, from position `next` on; gives the next one.
    fn put_elements(&mut self, role: &'static str, extras: Extras<'a>, mut next: usize) -> usize {
        while !extras.is_empty()
            && let Some(json) = extras.element("/content", next)
        {
            put_value(&mut self.block, json);
            self.put_block(role);
            next += 1;
        }
        next
    }

    /// Writes a part of a message, if this wire can say it; whether it can.
    fn put_part(
        &mut self,
        role: &'static str,
        at: String,
        part: &Part,
        place: Place<'_>,
        mark: Option<&CacheMark>,
    ) -> bool {
        match put_part(&mut self.block, part, place, mark) {
            Ok(()) => {
                report_detail(&at, part, self.left_out);
                self.put_block(role);
                true
            }
            Err(what) => {
                self.block.clear();
                self.miss(at, what);
                false
            }
        }
    }

    /// Writes the results of the open calls, which stand in the messages from `index` up to the next answer; errors for
    /// calls that have none.
    fn put_results(
        &mut self,
        messages: &'a [Message],
        index: usize,
        open: &mut Vec<Open<'a>>,
        answered: &mut HashSet<(usize, usize)>,
    ) {
        let until_answer =
            messages.iter().enumerate().skip(index).take_while(|(_, other)| other.role != Role::Assistant);
        for (index, message) in until_answer {
            let mut next = 0;
            for (place, part) in message.parts.iter().enumerate() {
                let Part::ToolResult { id, parts, error } = part else { continue };
                let position = next;
                next += 1;
                let Some(call) = open.iter().position(|call| call.id == id) else { continue };
                let call = open.remove(call);
                answered.insert((index, place));
                self.marks.say(index, place);
                let at = format!("messages[{index}].parts[{place}]");
                let pointer = format!("/content/{position}");
                self.put_result(
                    &at,
                    &call.sent,
                    parts,
                    *error,
                    Place { extras: own(&message.extra), at: &pointer },
                    mark(message, place),
                );
            }
        }
        self.settle(open);
    }

    fn put_result(
        &mut self,
        at: &str,
        id: &str,
        parts: &[Part],
        error: bool,
        place: Place<'_>,
        mark: Option<&CacheMark>,
    ) {
        let mut block = std::mem::take(&mut self.block);
        block.extend_from_slice(b"{\"type\":\"tool_result\",\"tool_use_id\":");
        put_str(&mut block, id);
        let inside = format!("{}/content", place.at);
        let below = place.extras.below(&inside);
        match parts {
            [] if !below => {}
            [Part::Text { text }] if !below => {
                put_key(&mut block, "content");
                put_str(&mut block, text);
            }
            _ => {
                put_key(&mut block, "content");
                block.push(b'[');
                let mut next = 0;
                for (index, part) in parts.iter().enumerate() {
                    next = place.extras.put_elements(&mut block, &inside, next);
                    let position = next;
                    next += 1;
                    if matches!(part, Part::Text { text } if text.is_empty()) {
                        continue;
                    }
                    let start = block.len();
                    put_comma(&mut block);
                    let place = Place { extras: place.extras, at: &format!("{inside}/{position}") };
                    let at = format!("{at}.parts[{index}]");
                    match put_part(&mut block, part, place, None) {
                        Ok(()) => report_detail(&at, part, self.left_out),
                        Err(what) => {
                            block.truncate(start);
                            self.miss(at, what);
                        }
                    }
                }
                place.extras.put_elements(&mut block, &inside, next);
                block.push(b']');
            }
        }
        if error {
            put_key(&mut block, "is_error");
            block.extend_from_slice(b"true");
        }
        place.end(&mut block, mark, &["type", "tool_use_id", "content", "is_error"]);
        self.block = block;
        self.put_block("user");
    }

    /// Answers calls that nobody answered.
    fn settle(&mut self, open: &mut Vec<Open<'a>>) {
        for call in open.drain(..) {
            let result = [Part::text(NO_RESULT)];
            self.put_result("", &call.sent, &result, true, NOTHING, None);
        }
    }

    /// A message of someone else than the model.
    fn put_other(&mut self, at: &str, index: usize, message: &'a Message, answered: &HashSet<(usize, usize)>) {
        let extras = own(&message.extra);
        let is_system = matches!(message.role, Role::System | Role::Developer);
        let role = if is_system && self.system_in_messages { "system" } else { "user" };
        let wrapped = is_system && !self.system_in_messages;
        if wrapped {
            self.miss(at.to_owned(), "instructions within the conversation, said as the user's text");
        }
        let mut next = 0;
        for (place, part) in message.parts.iter().enumerate() {
            let at = || format!("{at}.parts[{place}]");
            if let Part::ToolResult { id, parts, error } = part {
                if !answered.contains(&(index, place)) {
                    self.put_lost_result(&at(), &without_call(id, *error), parts);
                }
                continue;
            }
            next = self.put_elements(role, extras, next);
            let pointer = pointer_of(extras, next);
            next += 1;
            let mark = mark(message, place);
            let here = Place { extras, at: &pointer };
            let is_said = match part {
                // Of nothing, nothing is lost, so that this is not reported.
                Part::Text { text } | Part::Refusal { text } if text.is_empty() => false,
                Part::Text { text } if wrapped => {
                    put_text(&mut self.block, &format!("<system>\n{text}\n</system>"), here, mark);
                    self.put_block(role);
                    true
                }
                part => self.put_part(role, at(), part, here, mark),
            };
            if is_said {
                self.marks.say(index, place);
            }
        }
        self.put_elements(role, extras, next);
    }

    /// A result whose call is gone or was answered, which the API refuses, becomes what the user says.
    fn put_lost_result(&mut self, at: &str, heading: &str, parts: &[Part]) {
        self.miss(at.to_owned(), "a result without its call, said as text");
        put_text(&mut self.block, heading, NOTHING, None);
        self.put_block("user");
        for (place, part) in parts.iter().enumerate() {
            if !matches!(part, Part::Text { text } if text.is_empty()) {
                self.put_part("user", format!("{at}.parts[{place}]"), part, NOTHING, None);
            }
        }
    }

    fn put_assistant(
        &mut self,
        (index, at): (usize, &str),
        message: &'a Message,
        open: &mut Vec<Open<'a>>,
        is_last: bool,
    ) {
        const ROLE: &str = "assistant";
        let extras = own(&message.extra);
        let parts = &message.parts;
        let own_block = |part: Option<&'a Part>| match part {
            Some(Part::Opaque { provider, model, data }) if is_own((provider, model), self.provider, self.model) => {
                data.as_object()
            }
            _ => None,
        };
        let blocks: Vec<Option<&'a Map<String, Value>>> = parts.iter().map(|part| own_block(Some(part))).collect();
        // What the block after a part, or after all of the thinking that comes before it in pieces, says again.
        let said_by_next = |place: usize, key: &str| {
            let at = (place + 1..parts.len()).find(|at| !matches!(parts[*at], Part::Thinking { .. }))?;
            let block = blocks[at]?;
            (block.get("type")? == key).then(|| block.get(key)?.as_str()).flatten()
        };
        let of_calls = parts.iter().filter(|part| matches!(part, Part::ToolCall { .. })).count() as u64;
        let (mut next, mut calls) = (0, 0);
        for (place, part) in parts.iter().enumerate() {
            let at = || format!("{at}.parts[{place}]");
            if !matches!(part, Part::Thinking { .. } | Part::ToolResult { .. }) {
                next = self.put_elements(ROLE, extras, next);
            }
            let pointer = pointer_of(extras, next);
            let here = Place { extras, at: &pointer };
            let mark = mark(message, place);
            match part {
                Part::Text { text } | Part::Refusal { text } => {
                    let repeated = said_by_next(place, "text").filter(|said| text.ends_with(said));
                    let text = &text[..text.len() - repeated.map_or(0, str::len)];
                    // The API refuses an answer to go on from that ends in white space.
                    let ends = is_last && place + 1 == parts.len();
                    let kept = if ends { text.trim_end() } else { text };
                    if kept.len() < text.len() {
                        self.miss(at(), "white space at the end of the last answer, left out");
                    }
                    // Of an empty text nothing is lost, so that leaving it out is not reported.
                    if !kept.is_empty() {
                        self.marks.say(index, place);
                        put_text(&mut self.block, kept, here, mark);
                        self.put_block(ROLE);
                    }
                    next += usize::from(repeated.is_none());
                }
                Part::Thinking { text } => {
                    if said_by_next(place, "thinking").is_none_or(|said| !said.contains(text.as_str())) {
                        self.miss(at(), "thinking that this model did not sign");
                    }
                }
                Part::Opaque { .. } => match blocks[place] {
                    Some(block) if block.get("tool_call").and_then(Value::as_u64).is_some_and(|at| at < of_calls) => {}
                    Some(block)
                        if !block.contains_key("tool_call") && block.get("type").is_some_and(Value::is_string) =>
                    {
                        put_value(&mut self.block, block);
                        self.put_block(ROLE);
                        next += 1;
                    }
                    _ => self.miss(at(), "what only the provider that said it can read"),
                },
                Part::ToolCall { id, name, arguments, kind } => {
                    let sent = self.ids.call(id);
                    self.block.extend_from_slice(b"{\"type\":\"tool_use\",\"id\":");
                    put_str(&mut self.block, &sent);
                    open.push(Open { id, sent });
                    put_key(&mut self.block, "name");
                    put_str(&mut self.block, self.names.name(name));
                    put_key(&mut self.block, "input");
                    if !put_input(&mut self.block, arguments, *kind) {
                        self.miss(at(), "arguments that are no JSON object, wrapped in one");
                    }
                    let of_call = blocks.iter().flatten().filter(|block| block.get("tool_call") == Some(&calls.into()));
                    for (key, json) in of_call.flat_map(|block| block.iter()).filter(|(key, _)| *key != "tool_call") {
                        put_key(&mut self.block, key);
                        put_value(&mut self.block, json);
                    }
                    self.marks.say(index, place);
                    here.end(&mut self.block, mark, &["type", "id", "name", "input"]);
                    self.put_block(ROLE);
                    (next, calls) = (next + 1, calls + 1);
                }
                Part::ToolResult { .. } => self.miss(at(), "a result that the model cannot have said"),
                part => {
                    if self.put_part(ROLE, at(), part, here, mark) {
                        self.marks.say(index, place);
                    }
                    next += 1;
                }
            }
        }
        self.put_elements(ROLE, extras, next);
    }
}

/// The pointer to a block, made only where something may stand there.
fn pointer_of(extras: Extras<'_>, next: usize) -> String {
    if extras.is_empty() { String::new() } else { format!("/content/{next}") }
}
