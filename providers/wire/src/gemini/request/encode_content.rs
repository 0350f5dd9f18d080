//! Contents as a provider reads them.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::{
    dialect::Dialect,
    encode_part::{NOTHING, Place, put_arguments, put_part, put_signed, put_text},
    encode_result::Open,
    is_own, own, report_foreign,
};
use crate::{
    chat::{MediaSource, Message, Part, Role},
    encode::{
        LeftOut,
        identifiers::{Ids, Names},
    },
    extras::{Extras, pointer},
    gemini::goes_back,
    json::{put_comma, put_key, put_str, put_value},
};

/// What the user says where a conversation begins with an answer, or with nothing, which the API refuses.
const OPENING: &str = "Begin.";
/// What Google documents for calls that another model made, of which there is no signature.
const NO_SIGNATURE: &str = "skip_thought_signature_validator";
const NO_NAMES: &str = "this wire has no names of speakers";
const NO_FIELDS: &str = "a field of a message that is said as a part of another";

/// Writes `systemInstruction`, if the messages say anything.
pub(super) fn put_instructions(out: &mut Vec<u8>, messages: &[Message], left_out: &mut Vec<LeftOut>) {
    let mut list = Vec::new();
    for (index, message) in messages.iter().enumerate() {
        let at = format!("messages[{index}]");
        report_foreign(&at, &message.extra, left_out);
        if message.name.is_some() {
            left_out.push(LeftOut { at: format!("{at}.name"), what: NO_NAMES });
        }
        for (key, _) in fields(message) {
            left_out.push(LeftOut { at: format!("{at}/{}", pointer(&key)), what: NO_FIELDS });
        }
        for (place, part) in message.parts.iter().enumerate() {
            match part {
                Part::Text { text } | Part::Refusal { text } if text.is_empty() => {}
                Part::Text { text } | Part::Refusal { text } => {
                    if !list.is_empty() {
                        list.push(b',');
                    }
                    put_text(&mut list, text, Place { extras: own(&message.extra), at: &format!("/parts/{place}") });
                }
                _ => left_out
                    .push(LeftOut { at: format!("{at}.parts[{place}]"), what: "instructions are text on this wire" }),
            }
        }
    }
    if !list.is_empty() {
        put_key(out, "systemInstruction");
        out.extend_from_slice(b"{\"parts\":[");
        out.append(&mut list);
        out.extend_from_slice(b"]}");
    }
}

#[derive(Debug)]
pub(super) struct Contents<'a, 'n> {
    out: &'n mut Vec<u8>,
    pub(super) left_out: &'n mut Vec<LeftOut>,
    /// The provider and the model that are asked.
    asked: (&'n str, &'n str),
    pub(super) dialect: &'n Dialect,
    ids: Ids<'a>,
    names: &'n mut Names<'a>,
    /// The role of the content that is being written.
    open: Option<&'static str>,
    /// What only extras say of it.
    tail: Vec<(String, &'a Value)>,
    /// The part that is being written.
    pub(super) part: Vec<u8>,
    /// How many were written.
    parts: usize,
}

/// What only extras say of a message, beside what stands in its parts.
fn fields(message: &Message) -> impl Iterator<Item = (String, &Value)> {
    own(&message.extra).keys_at("").filter(|(key, _)| key != "role" && key != "parts")
}

/// The pointer to a part, made only where something may stand there.
fn pointer_of(extras: Extras<'_>, next: usize) -> String {
    if extras.is_empty() { String::new() } else { format!("/parts/{next}") }
}

impl<'a, 'n> Contents<'a, 'n> {
    pub(super) fn new(
        out: &'n mut Vec<u8>,
        left_out: &'n mut Vec<LeftOut>,
        asked: (&'n str, &'n str),
        dialect: &'n Dialect,
        ids: Ids<'a>,
        names: &'n mut Names<'a>,
    ) -> Self {
        Self { out, left_out, asked, dialect, ids, names, open: None, tail: Vec::new(), part: Vec::new(), parts: 0 }
    }

    /// Writes all messages from `first` on.
    pub(super) fn put_all(&mut self, messages: &'a [Message], first: usize) {
        let mut open = Vec::new();
        // Results stand at once after their calls, wherever before the next answer they are said.
        let mut answered = HashSet::new();
        for (index, message) in messages.iter().enumerate().skip(first) {
            let at = format!("messages[{index}]");
            let before = self.parts;
            report_foreign(&at, &message.extra, self.left_out);
            if message.name.is_some() {
                self.miss(format!("{at}.name"), NO_NAMES);
            }
            if message.role == Role::Assistant {
                self.put_answer(&at, message, &mut open);
            } else {
                if !open.is_empty() {
                    self.put_results(messages, index, &mut open, &mut answered);
                }
                self.put_other((index, &at), message, &answered);
            }
            // Its results may have been written with those of a message before it.
            let is_within = self.open == Some("user") && answered.iter().any(|(of, _)| *of == index);
            self.take_fields(&at, message, self.parts > before || is_within);
        }
        self.settle(&mut open);
        if self.parts == 0 {
            put_text(&mut self.part, OPENING, NOTHING);
            self.put_block("user");
        }
        self.close();
    }

    /// Keeps what only extras say of a message for the end of the content that it became a part of, if there is one.
    fn take_fields(&mut self, at: &str, message: &'a Message, has_parts: bool) {
        for (key, json) in fields(message) {
            match has_parts && self.tail.iter().all(|(other, _)| *other != key) {
                true => self.tail.push((key, json)),
                false => self.miss(format!("{at}/{}", pointer(&key)), NO_FIELDS),
            }
        }
    }

    pub(super) fn miss(&mut self, at: String, what: &'static str) {
        self.left_out.push(LeftOut { at, what });
    }

    /// Puts the part that was written into a content of this role: the one that is open, or a new one.
    pub(super) fn put_block(&mut self, role: &'static str) {
        if self.open.is_none() && role == "model" {
            let part = std::mem::take(&mut self.part);
            put_text(&mut self.part, OPENING, NOTHING);
            self.put_block("user");
            self.part = part;
            self.miss("messages".into(), "the conversation begins with an answer, so that a user's word was put first");
        }
        if self.open != Some(role) {
            self.close();
            put_comma(self.out);
            self.out.extend_from_slice(b"{\"role\":");
            put_str(self.out, role);
            self.out.extend_from_slice(b",\"parts\":[");
            self.open = Some(role);
        }
        put_comma(self.out);
        self.out.append(&mut self.part);
        self.parts += 1;
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

    /// Writes the parts of a message that only extras say, from position `next` on; gives the next one.
    fn put_elements(&mut self, role: &'static str, extras: Extras<'a>, mut next: usize) -> usize {
        while !extras.is_empty()
            && let Some(json) = extras.element("/parts", next)
        {
            put_value(&mut self.part, json);
            self.put_block(role);
            next += 1;
        }
        next
    }

    /// Writes a part of a message, if this wire can say it.
    pub(super) fn put_said(&mut self, role: &'static str, at: String, part: &Part, place: Place<'_>) {
        let written = put_part(&mut self.part, part, place, self.dialect, &at, self.left_out);
        self.put_written(role, at, written);
    }

    /// Puts the part that was written, if it could be.
    fn put_written(&mut self, role: &'static str, at: String, written: Result<(), &'static str>) {
        match written {
            Ok(()) => self.put_block(role),
            Err(what) => {
                self.part.clear();
                self.miss(at, what);
            }
        }
    }

    /// A message of someone else than the model.
    fn put_other(&mut self, (index, at): (usize, &str), message: &'a Message, answered: &HashSet<(usize, usize)>) {
        const ROLE: &str = "user";
        let extras = own(&message.extra);
        let is_system = matches!(message.role, Role::System | Role::Developer);
        if is_system {
            self.miss(at.to_owned(), "instructions within the conversation, said as the user's text");
        }
        let mut next = 0;
        for (place, part) in message.parts.iter().enumerate() {
            let at = || format!("{at}.parts[{place}]");
            if let Part::ToolResult { id, parts, error } = part {
                if !answered.contains(&(index, place)) {
                    self.put_lost_result(&at(), (id, *error), parts);
                }
                continue;
            }
            next = self.put_elements(ROLE, extras, next);
            let pointer = pointer_of(extras, next);
            next += 1;
            let here = Place { extras, at: &pointer };
            match part {
                // Of nothing, nothing is lost, so that this is not reported.
                Part::Text { text } | Part::Refusal { text } if text.is_empty() => {}
                Part::Text { text } if is_system => {
                    put_text(&mut self.part, &format!("<system>\n{text}\n</system>"), here);
                    self.put_block(ROLE);
                }
                part => self.put_said(ROLE, at(), part, here),
            }
        }
        // A message of results alone counts those by themselves.
        if message.role != Role::Tool {
            self.put_elements(ROLE, extras, next);
        }
    }

    fn put_answer(&mut self, at: &str, message: &'a Message, open: &mut Vec<Open<'a>>) {
        const ROLE: &str = "model";
        let extras = own(&message.extra);
        let answer = Answer::new(&message.parts, self.asked);
        let (mut next, mut calls) = (0, 0);
        for (place, part) in message.parts.iter().enumerate() {
            let at = || format!("{at}.parts[{place}]");
            if !matches!(part, Part::Thinking { .. } | Part::ToolResult { .. }) {
                next = self.put_elements(ROLE, extras, next);
            }
            let pointer = pointer_of(extras, next);
            let here = Place { extras, at: &pointer };
            match part {
                Part::Text { text } | Part::Refusal { text } => {
                    let repeated = answer.repeated(place).unwrap_or_default();
                    let kept = &text[..text.len() - repeated.len()];
                    // Of an empty text nothing is lost, so that leaving it out is not reported.
                    if !kept.is_empty() {
                        put_text(&mut self.part, kept, here);
                        self.put_block(ROLE);
                    }
                    next += usize::from(repeated.is_empty());
                }
                Part::Thinking { text } => {
                    if answer.repeated(place).is_none_or(|said| said != text) {
                        self.miss(at(), "thinking that this model did not sign");
                    }
                }
                Part::Opaque { .. } => match answer.goes(place) {
                    Goes::Alone(json) => {
                        put_value(&mut self.part, json);
                        self.put_block(ROLE);
                        next += 1;
                    }
                    Goes::WithAnother => {}
                    Goes::Nowhere => self.miss(at(), "what only the provider that said it can read"),
                },
                Part::ToolCall { id, name, arguments, kind } => {
                    let nth = open.iter().filter(|other| other.id == id).count();
                    let sent = self.dialect.call_ids.then(|| self.ids.call(id, nth).to_owned());
                    let name = self.names.name(name).to_owned();
                    self.part.extend_from_slice(b"{\"functionCall\":{");
                    if let Some(sent) = &sent {
                        put_key(&mut self.part, "id");
                        put_str(&mut self.part, sent);
                    }
                    put_key(&mut self.part, "name");
                    put_str(&mut self.part, &name);
                    open.push(Open { id, name, sent });
                    put_key(&mut self.part, "args");
                    if !put_arguments(&mut self.part, arguments, *kind) {
                        self.miss(at(), "arguments that are no JSON object, wrapped in one");
                    }
                    here.put_rest(&mut self.part, "/functionCall", &["id", "name", "args"]);
                    self.part.push(b'}');
                    let dummy = (self.dialect.signatures && calls == 0).then_some(NO_SIGNATURE);
                    self.put_signature(answer.of_call(calls).or(dummy));
                    here.end(&mut self.part, &["functionCall", "thoughtSignature"]);
                    self.put_block(ROLE);
                    (next, calls) = (next + 1, calls + 1);
                }
                Part::ToolResult { .. } => self.miss(at(), "a result that the model cannot have said"),
                part => {
                    let written = match answer.of_media(place) {
                        None => put_part(&mut self.part, part, here, self.dialect, &at(), self.left_out),
                        Some(signature) => {
                            put_signed(&mut self.part, (part, signature), here, self.dialect, &at(), self.left_out)
                        }
                    };
                    self.put_written(ROLE, at(), written);
                    next += 1;
                }
            }
        }
        self.put_elements(ROLE, extras, next);
    }

    fn put_signature(&mut self, signature: Option<&str>) {
        if let Some(signature) = signature {
            put_key(&mut self.part, "thoughtSignature");
            put_str(&mut self.part, signature);
        }
    }
}

/// What becomes of something opaque.
enum Goes<'a> {
    /// It is a part.
    Alone(&'a Map<String, Value>),
    /// It is said of a call, or of a picture.
    WithAnother,
    Nowhere,
}

/// An answer, and what in it only the model that is asked can read.
struct Answer<'a> {
    parts: &'a [Part],
    own: Vec<Option<&'a Map<String, Value>>>,
    calls: u64,
}

impl<'a> Answer<'a> {
    fn new(parts: &'a [Part], (asked, asked_model): (&str, &str)) -> Self {
        let own = |part: &'a Part| match part {
            Part::Opaque { provider, model, data } if is_own((provider, model), asked, asked_model) => data.as_object(),
            _ => None,
        };
        let calls = parts.iter().filter(|part| matches!(part, Part::ToolCall { .. })).count() as u64;
        Self { parts, own: parts.iter().map(own).collect(), calls }
    }

    /// The end of a text or a thought that the signed part right after it says again.
    fn repeated(&self, place: usize) -> Option<&'a str> {
        let next = self.own.get(place + 1).copied().flatten()?;
        let said = signed(next).and_then(|_| next.get("text")?.as_str())?;
        let is_thought = next.get("thought") == Some(&Value::Bool(true));
        match &self.parts[place] {
            Part::Text { text } | Part::Refusal { text } if !is_thought => text.ends_with(said).then_some(said),
            Part::Thinking { text } if is_thought => text.ends_with(said).then_some(said),
            _ => None,
        }
    }

    fn goes(&self, place: usize) -> Goes<'a> {
        let Some(json) = self.own[place] else { return Goes::Nowhere };
        let before = place.checked_sub(1);
        if let Some(of) = json.get("tool_call") {
            let is_first = signed(json).is_some()
                && !self.own[..place]
                    .iter()
                    .flatten()
                    .any(|other| signed(other).is_some() && other.get("tool_call") == Some(of));
            return match of.as_u64() {
                Some(of) if of < self.calls && is_first => Goes::WithAnother,
                _ => Goes::Nowhere,
            };
        }
        if json.get("inlineData").is_some_and(|data| data.as_object().is_some_and(Map::is_empty)) {
            let is_of_media = before.is_some_and(|before| self.of_media(before).is_some());
            return if is_of_media { Goes::WithAnother } else { Goes::Nowhere };
        }
        match json.get("text").map(Value::as_str) {
            // Without its text it would be said of another.
            Some(Some(text)) => {
                let is_thought = json.get("thought") == Some(&Value::Bool(true));
                let is_said = text.is_empty() || is_thought || before.is_some_and(|at| self.repeated(at).is_some());
                if signed(json).is_some() && is_said { Goes::Alone(json) } else { Goes::Nowhere }
            }
            Some(None) => Goes::Nowhere,
            None if signed(json).is_some() || json.keys().any(|key| goes_back(key)) => Goes::Alone(json),
            None => Goes::Nowhere,
        }
    }

    /// The signature of a call, by its index.
    fn of_call(&self, index: u64) -> Option<&'a str> {
        let of = |json: &&&Map<String, Value>| json.get("tool_call").and_then(Value::as_u64) == Some(index);
        self.own.iter().flatten().filter(of).find_map(|json| signed(json))
    }

    /// The signature of a picture or a sound that the model made.
    fn of_media(&self, place: usize) -> Option<&'a str> {
        let is_media = match &self.parts[place] {
            Part::Image { source, .. } | Part::Audio { source } | Part::Document { source, .. } => {
                matches!(source, MediaSource::Base64 { .. })
            }
            _ => false,
        };
        let next = self.own.get(place + 1).copied().flatten().filter(|_| is_media)?;
        next.get("inlineData").and_then(Value::as_object).filter(|data| data.is_empty()).and_then(|_| signed(next))
    }
}

fn signed(json: &Map<String, Value>) -> Option<&str> {
    json.get("thoughtSignature")?.as_str()
}
