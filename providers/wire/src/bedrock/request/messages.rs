//! Messages and instructions.

use serde_json::Value;

use super::{
    block::{Place, put_cache_point, put_part, put_text},
    dialect::Dialect,
    media::DocumentNames,
    own, own_block,
};
use crate::{
    anthropic::request::put_input,
    chat::{Message, Part, Role, Wire},
    encode::{
        LeftOut,
        identifiers::{Names, OwnIds},
        marks::{Marks, mark},
        order::{Call, Said, Step},
        report_detail, report_foreign,
        words::{plain_text, result_texts, without_call},
    },
    extras::Extras,
    json::{put_comma, put_key, put_str, put_value},
};

/// What a call without a result is answered with: a conversation in which a call has none is refused.
const NO_RESULT: &str = "The call was not carried out, and there is no result.";
/// What a result that gave nothing says, since blank texts are refused.
const NOTHING_GIVEN: &str = "The call gave nothing.";
/// What the user says where a conversation begins with an answer, which is refused.
const OPENING: &str = "Begin.";
/// What a message says that has a document and no text, which is refused.
const DOCUMENT_ALONE: &str = "See the document.";

const NO_NAMES: &str = "this wire has no names of speakers";
const NO_FIELDS: &str = "a message of this wire has no such field";

/// Writes `system` from the instructions that a conversation begins with.
pub(super) fn put_system(
    out: &mut Vec<u8>,
    messages: &[Message],
    dialect: &Dialect,
    marks: &mut Marks,
    left_out: &mut Vec<LeftOut>,
) {
    let mut blocks = Vec::new();
    for (index, message) in messages.iter().enumerate() {
        for (place, part) in message.parts.iter().enumerate() {
            match part {
                Part::Text { text } if text.trim().is_empty() => {
                    report_blank(format!("messages[{index}].parts[{place}]"), part, left_out);
                }
                Part::Text { text } => {
                    put_comma(&mut blocks);
                    put_text(&mut blocks, text);
                    if let Some(mark) = mark(message, place).filter(|_| dialect.cache) {
                        marks.say(index, place);
                        put_comma(&mut blocks);
                        put_cache_point(&mut blocks, mark, dialect.cache_ttl);
                    }
                }
                // Said as the user's, by the order of steps.
                Part::ToolResult { .. } | Part::ToolCall { .. } => {}
                _ => left_out.push(LeftOut {
                    at: format!("messages[{index}].parts[{place}]"),
                    what: "instructions are text on this wire",
                }),
            }
        }
    }
    if !blocks.is_empty() {
        put_key(out, "system");
        out.push(b'[');
        // The comma before the first belongs to no array.
        out.extend_from_slice(blocks.strip_prefix(b",").unwrap_or(&blocks));
        out.push(b']');
    }
}

/// Of an empty text nothing is lost, so that leaving it out is not reported.
fn report_blank(at: String, part: &Part, left_out: &mut Vec<LeftOut>) {
    if plain_text(part).is_some_and(|text| !text.is_empty()) {
        left_out.push(LeftOut { at, what: "a text of white space alone" });
    }
}

/// Reports what messages have beside their parts: only blocks of the content have a place here, and of instructions none.
pub(super) fn report_fields(messages: &[Message], first: usize, left_out: &mut Vec<LeftOut>) {
    for (index, message) in messages.iter().enumerate() {
        let at = format!("messages[{index}]");
        report_foreign(Wire::Bedrock, &at, &message.extra, left_out);
        if message.name.is_some() {
            left_out.push(LeftOut { at: format!("{at}.name"), what: NO_NAMES });
        }
        let placed = |path: &str| path.starts_with("/content/") && index >= first;
        for extra in message.extra.iter().filter(|extra| extra.wire == Wire::Bedrock && !placed(&extra.path)) {
            left_out.push(LeftOut { at: format!("{at}{}", extra.path), what: NO_FIELDS });
        }
    }
}

pub(super) struct Messages<'a, 'n> {
    pub(super) out: &'n mut Vec<u8>,
    pub(super) left_out: &'n mut Vec<LeftOut>,
    pub(super) messages: &'a [Message],
    /// How many of them are instructions that stand elsewhere.
    pub(super) first: usize,
    pub(super) provider: &'n str,
    pub(super) model: &'n str,
    pub(super) dialect: &'n Dialect,
    pub(super) ids: OwnIds,
    pub(super) names: &'n mut Names<'a>,
    pub(super) marks: &'n mut Marks,
    pub(super) documents: DocumentNames,
    /// The role of the message that is being written, and whether it has documents and texts.
    pub(super) open: Option<(&'static str, bool, bool)>,
    /// The calls that have no result yet, with the ids that were sent for theirs.
    pub(super) calls: Vec<(&'a str, String)>,
    /// The block that is being written.
    pub(super) block: Vec<u8>,
}

impl<'a> Messages<'a, '_> {
    pub(super) fn put_all(&mut self, steps: Vec<Step<'a>>) {
        for step in steps {
            match step {
                Step::Said(said) => self.put_said(&said),
                Step::Result { at, call } => self.put_result(at, &call),
                Step::NoResult(call) => {
                    let id = self.answered(&call);
                    self.put_tool_result("", &id, &[Part::text(NO_RESULT)], true, Place::NOTHING);
                }
                Step::Lost { at } => self.put_lost(at),
            }
        }
        self.close();
    }

    fn miss(&mut self, at: String, what: &'static str) {
        self.left_out.push(LeftOut { at, what });
    }

    /// Puts the block that was written into a message of this role: the one that is open, or a new one.
    fn put_block(&mut self, role: &'static str) {
        if self.open.is_none() && role == "assistant" {
            let block = std::mem::take(&mut self.block);
            put_text(&mut self.block, OPENING);
            self.put_block("user");
            self.block = block;
            self.miss("messages".into(), "the conversation begins with an answer, so that a user's word was put first");
        }
        if self.open.is_none_or(|(open, ..)| open != role) {
            self.close();
            put_comma(self.out);
            self.out.extend_from_slice(b"{\"role\":");
            put_str(self.out, role);
            self.out.extend_from_slice(b",\"content\":[");
            self.open = Some((role, false, false));
        }
        if let Some((_, documents, texts)) = &mut self.open {
            *documents |= self.block.starts_with(b"{\"document\":");
            *texts |= self.block.starts_with(b"{\"text\":");
        }
        put_comma(self.out);
        self.out.append(&mut self.block);
    }

    fn close(&mut self) {
        if let Some(("user", true, false)) = self.open {
            self.miss("messages".into(), "a message of documents alone, to which a text was added");
            put_text(&mut self.block, DOCUMENT_ALONE);
            self.put_block("user");
        }
        if self.open.take().is_some() {
            self.out.extend_from_slice(b"]}");
        }
    }

    fn put_said(&mut self, said: &Said<'a>) {
        match said.role {
            Role::System | Role::Developer if said.message < self.first => {}
            Role::Assistant => self.put_assistant(said),
            Role::System | Role::Developer => self.put_other(said, true),
            Role::User | Role::Tool => self.put_other(said, false),
        }
    }

    /// Writes the blocks of a message that only extras say, from position `next` on; gives the next one.
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

    /// Writes the cache mark of a part that was said.
    fn put_mark(&mut self, role: &'static str, index: usize, place: usize) {
        if let Some(mark) = mark(&self.messages[index], place).filter(|_| self.dialect.cache) {
            self.marks.say(index, place);
            put_cache_point(&mut self.block, mark, self.dialect.cache_ttl);
            self.put_block(role);
        }
    }

    /// Writes a part, if this wire can say it; whether it can.
    fn put_part(&mut self, role: &'static str, at: String, part: &Part, place: Place<'_>) -> bool {
        match put_part(&mut self.block, part, place, &mut self.documents) {
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

    /// What someone else than the model says; instructions within the conversation are wrapped into the user's text.
    fn put_other(&mut self, said: &Said<'a>, wrapped: bool) {
        let index = said.message;
        let message = &self.messages[index];
        let extras = if said.fields { own(&message.extra) } else { Extras::none() };
        if wrapped {
            self.miss(format!("messages[{index}]"), "instructions within the conversation, said as the user's text");
        }
        let mut next = 0;
        for (place, part) in &said.parts {
            next = self.put_elements("user", extras, next);
            let pointer = pointer_of(extras, next);
            next += 1;
            let is_said = match part {
                Part::Text { text } | Part::Refusal { text } if text.trim().is_empty() => {
                    report_blank(format!("messages[{index}].parts[{place}]"), part, self.left_out);
                    false
                }
                Part::Text { text } if wrapped => {
                    put_text(&mut self.block, &format!("<system>\n{text}\n</system>"));
                    self.put_block("user");
                    true
                }
                part => {
                    let at = format!("messages[{index}].parts[{place}]");
                    self.put_part("user", at, part, Place { extras, at: &pointer })
                }
            };
            if is_said {
                self.put_mark("user", index, *place);
            }
        }
        self.put_elements("user", extras, next);
    }

    fn put_assistant(&mut self, said: &Said<'a>) {
        const ROLE: &str = "assistant";
        let index = said.message;
        let message = &self.messages[index];
        let extras = if said.fields { own(&message.extra) } else { Extras::none() };
        let is_last = index + 1 == self.messages.len();
        let mut next = 0;
        for (number, (place, part)) in said.parts.iter().enumerate() {
            let at = || format!("messages[{index}].parts[{place}]");
            next = self.put_elements(ROLE, extras, next);
            let pointer = pointer_of(extras, next);
            let here = Place { extras, at: &pointer };
            let is_said = match part {
                Part::Text { text } | Part::Refusal { text } => {
                    // An answer to go on from that ends in white space is refused.
                    let ends = is_last && number + 1 == said.parts.len();
                    let kept = if ends { text.trim_end() } else { text };
                    if kept.trim().is_empty() {
                        report_blank(format!("messages[{index}].parts[{place}]"), part, self.left_out);
                        continue;
                    }
                    if kept.len() < text.len() {
                        self.miss(at(), "white space at the end of the last answer, left out");
                    }
                    put_text(&mut self.block, kept);
                    self.put_block(ROLE);
                    true
                }
                Part::Thinking { text } => {
                    if !self.repeats(&said.parts[number + 1..], text) {
                        self.miss(at(), "thinking that this model did not sign");
                    }
                    continue;
                }
                Part::Opaque { .. } => match own_block(part, self.provider, self.model) {
                    Some(block) => {
                        put_value(&mut self.block, block);
                        self.put_block(ROLE);
                        true
                    }
                    None => {
                        self.miss(at(), "what only the provider that said it can read");
                        continue;
                    }
                },
                Part::ToolCall { id, name, arguments, kind } => {
                    let sent = self.ids.call(id);
                    self.block.extend_from_slice(b"{\"toolUse\":{\"toolUseId\":");
                    put_str(&mut self.block, &sent);
                    self.calls.push((id, sent));
                    put_key(&mut self.block, "name");
                    put_str(&mut self.block, self.names.name(name));
                    put_key(&mut self.block, "input");
                    if !put_input(&mut self.block, arguments, *kind) {
                        self.miss(at(), "arguments that are no JSON object, wrapped in one");
                    }
                    here.put_rest(&mut self.block, "toolUse", &["toolUseId", "name", "input"]);
                    self.block.extend_from_slice(b"}}");
                    self.put_block(ROLE);
                    true
                }
                part => self.put_part(ROLE, at(), part, here),
            };
            next += 1;
            if is_said {
                self.put_mark(ROLE, index, *place);
            }
        }
        self.put_elements(ROLE, extras, next);
    }

    /// Whether the block after some thinking, or after all of the thinking that it comes in pieces of, says it again.
    fn repeats(&self, after: &[(usize, &'a Part)], thinking: &str) -> bool {
        let next = after.iter().find(|(_, part)| !matches!(part, Part::Thinking { .. }));
        let block = next.and_then(|(_, part)| own_block(part, self.provider, self.model));
        let said =
            block.and_then(|block| block.pointer("/reasoningContent/reasoningText/text")).and_then(Value::as_str);
        said.is_some_and(|said| said.contains(thinking))
    }

    /// The id that was sent for a call, which now has its result.
    fn answered(&mut self, call: &Call<'a>) -> String {
        let at = self.calls.iter().position(|(id, _)| *id == call.id);
        self.calls.remove(at.expect("a result follows its call, and each call has one")).1
    }

    fn put_result(&mut self, (index, place): (usize, usize), call: &Call<'a>) {
        let id = self.answered(call);
        let message = &self.messages[index];
        let Part::ToolResult { parts, error, .. } = &message.parts[place] else { return };
        let position = message.parts[..place].iter().filter(|part| matches!(part, Part::ToolResult { .. })).count();
        let pointer = format!("/content/{position}");
        let at = format!("messages[{index}].parts[{place}]");
        let extras = if message.role == Role::Tool { own(&message.extra) } else { Extras::none() };
        self.put_tool_result(&at, &id, parts, *error, Place { extras, at: &pointer });
        self.put_mark("user", index, place);
    }

    fn put_tool_result(&mut self, at: &str, id: &str, parts: &[Part], error: bool, place: Place<'_>) {
        let mut block = std::mem::take(&mut self.block);
        block.extend_from_slice(b"{\"toolResult\":{\"toolUseId\":");
        put_str(&mut block, id);
        block.extend_from_slice(b",\"content\":[");
        let start = block.len();
        let in_words = error && !self.dialect.status;
        if in_words {
            // Before pictures and documents, since it is about them too.
            for text in result_texts(parts, true).iter().filter(|text| !text.trim().is_empty()) {
                put_comma(&mut block);
                put_text(&mut block, text);
            }
            if !at.is_empty() {
                self.miss(format!("{at}.error"), "said in words: this model has no other sign for it");
            }
        }
        for (index, part) in parts.iter().enumerate() {
            let is_text = plain_text(part).is_some();
            let is_blank = plain_text(part).is_some_and(|text| text.trim().is_empty());
            let at = format!("{at}.parts[{index}]");
            if is_blank {
                report_blank(at, part, self.left_out);
                continue;
            }
            if is_text && in_words {
                continue;
            }
            let before = block.len();
            put_comma(&mut block);
            match put_part(&mut block, part, Place::NOTHING, &mut self.documents) {
                Ok(()) => report_detail(&at, part, self.left_out),
                Err(what) => {
                    block.truncate(before);
                    self.miss(at, what);
                }
            }
        }
        if block.len() == start {
            put_text(&mut block, NOTHING_GIVEN);
        }
        block.push(b']');
        if error && self.dialect.status {
            put_key(&mut block, "status");
            put_str(&mut block, "error");
        }
        place.put_rest(&mut block, "toolResult", &["toolUseId", "content", "status"]);
        block.extend_from_slice(b"}}");
        self.block = block;
        self.put_block("user");
    }

    /// A result whose call is gone or was answered, which is refused, becomes what the user says.
    fn put_lost(&mut self, (index, place): (usize, usize)) {
        let Part::ToolResult { id, parts, error } = &self.messages[index].parts[place] else { return };
        let at = format!("messages[{index}].parts[{place}]");
        self.miss(at.clone(), "a result without its call, said as text");
        put_text(&mut self.block, &without_call(id, *error));
        self.put_block("user");
        for (number, part) in parts.iter().enumerate() {
            let is_blank = plain_text(part).is_some_and(|text| text.trim().is_empty());
            let at = format!("{at}.parts[{number}]");
            if is_blank {
                report_blank(at, part, self.left_out);
            } else {
                self.put_part("user", at, part, Place::NOTHING);
            }
        }
    }
}

/// The pointer to a block, made only where something may stand there.
fn pointer_of(extras: Extras<'_>, next: usize) -> String {
    if extras.is_empty() { String::new() } else { format!("/content/{next}") }
}
