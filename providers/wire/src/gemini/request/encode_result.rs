//! Results of calls as a provider reads them.

use std::collections::HashSet;

use super::{
    encode_content::Contents,
    encode_part::{NOTHING, Place, put_object, put_part, put_text},
    own,
};
use crate::{
    chat::{Message, Part, Role},
    encode::words::{plain_text, without_call},
    json::{put_key, put_str, put_value},
};

/// What a call without a result is answered with: the API refuses a conversation in which a call has none.
const NO_RESULT: &str = "The call was not carried out, and there is no result.";
/// The result of a failed call that gave no text.
const FAILED_SILENTLY: &str = "The call failed.";
/// What stands before pictures that a tool gave, where results are text.
const FROM_TOOL: &str = "What the tool call above also gave:";

/// A call that has no result yet.
#[derive(Debug)]
pub(super) struct Open<'a> {
    pub(super) id: &'a str,
    pub(super) name: String,
    /// The id that was sent; none where calls have none.
    pub(super) sent: Option<String>,
}

impl<'a> Contents<'a, '_> {
    /// Writes the results of the open calls in the order of these: the API wants them so, and tells those without ids
    /// apart by it. They stand in the messages from `index` up to the next answer; calls that have none get an error.
    pub(super) fn put_results(
        &mut self,
        messages: &'a [Message],
        index: usize,
        open: &mut Vec<Open<'a>>,
        answered: &mut HashSet<(usize, usize)>,
    ) {
        let until_answer =
            messages.iter().enumerate().skip(index).take_while(|(_, other)| other.role != Role::Assistant);
        let results: Vec<_> = until_answer
            .flat_map(|(index, message)| {
                let is_result = |(_, part): &(usize, &Part)| matches!(part, Part::ToolResult { .. });
                let results = message.parts.iter().enumerate().filter(is_result).enumerate();
                results.map(move |(position, (place, part))| (index, place, position, part))
            })
            .collect();
        let mut moved = Vec::new();
        for call in open.drain(..) {
            let found = results.iter().find(|(index, place, _, part)| {
                let is_its = matches!(part, Part::ToolResult { id, .. } if id == call.id);
                is_its && !answered.contains(&(*index, *place))
            });
            let Some((index, place, position, Part::ToolResult { parts, error, .. })) = found else {
                self.put_no_result(&call);
                continue;
            };
            answered.insert((*index, *place));
            let at = format!("messages[{index}].parts[{place}]");
            let pointer = format!("/parts/{position}");
            let here = Place { extras: own(&messages[*index].extra), at: &pointer };
            self.put_result(&at, &call, (parts, *error), here, &mut moved);
        }
        self.put_moved(moved);
    }

    /// Answers calls that nobody answered.
    pub(super) fn settle(&mut self, open: &mut Vec<Open<'a>>) {
        for call in open.drain(..) {
            self.put_no_result(&call);
        }
    }

    fn put_no_result(&mut self, call: &Open<'_>) {
        self.begin_result(call);
        put_key(&mut self.part, "response");
        self.part.extend_from_slice(b"{\"error\":");
        put_str(&mut self.part, NO_RESULT);
        self.part.extend_from_slice(b"}}}");
        self.put_block("user");
    }

    fn begin_result(&mut self, call: &Open<'_>) {
        self.part.extend_from_slice(b"{\"functionResponse\":{");
        if let Some(id) = &call.sent {
            put_key(&mut self.part, "id");
            put_str(&mut self.part, id);
        }
        put_key(&mut self.part, "name");
        put_str(&mut self.part, &call.name);
    }

    fn put_result(
        &mut self,
        at: &str,
        call: &Open<'_>,
        (parts, error): (&'a [Part], bool),
        here: Place<'_>,
        moved: &mut Vec<(String, &'a Part)>,
    ) {
        self.begin_result(call);
        put_key(&mut self.part, "response");
        let texts: Vec<&str> = parts.iter().filter_map(plain_text).collect();
        put_response(&mut self.part, &texts, error);
        let inside = format!("{}/functionResponse/parts", here.at);
        let mut list = Vec::new();
        let mut next = 0;
        for (number, part) in parts.iter().enumerate().filter(|(_, part)| plain_text(part).is_none()) {
            let at = format!("{at}.parts[{number}]");
            next = here.extras.put_elements(&mut list, &inside, next);
            if !self.dialect.media_in_results {
                moved.push((at, part));
                continue;
            }
            let place = Place { extras: here.extras, at: &format!("{inside}/{next}") };
            let start = list.len();
            if start > 0 {
                list.push(b',');
            }
            match put_part(&mut list, part, place, self.dialect, &at, self.left_out) {
                Ok(()) => next += 1,
                Err(what) => {
                    list.truncate(start);
                    self.miss(at, what);
                }
            }
        }
        here.extras.put_elements(&mut list, &inside, next);
        if !list.is_empty() {
            put_key(&mut self.part, "parts");
            self.part.push(b'[');
            self.part.append(&mut list);
            self.part.push(b']');
        }
        here.put_rest(&mut self.part, "/functionResponse", &["id", "name", "response", "parts"]);
        self.part.push(b'}');
        here.end(&mut self.part, &["functionResponse"]);
        self.put_block("user");
    }

    /// Says after all results what of them cannot stand within them.
    fn put_moved(&mut self, moved: Vec<(String, &'a Part)>) {
        let mut is_said = false;
        for (at, part) in moved {
            let mut block = Vec::new();
            if let Err(what) = put_part(&mut block, part, NOTHING, self.dialect, &at, self.left_out) {
                self.miss(at, what);
                continue;
            }
            if !std::mem::replace(&mut is_said, true) {
                put_text(&mut self.part, FROM_TOOL, NOTHING);
                self.put_block("user");
            }
            self.part = block;
            self.put_block("user");
            self.miss(at, "what a tool gave beside text, said after its result");
        }
    }

    /// A result whose call is gone or was answered, which the API refuses, becomes what the user says.
    pub(super) fn put_lost_result(&mut self, at: &str, (id, error): (&str, bool), parts: &'a [Part]) {
        self.miss(at.to_owned(), "a result without its call, said as text");
        put_text(&mut self.part, &without_call(id, error), NOTHING);
        self.put_block("user");
        for (place, part) in parts.iter().enumerate() {
            if plain_text(part) != Some("") {
                self.put_said("user", format!("{at}.parts[{place}]"), part, NOTHING);
            }
        }
    }
}

/// Writes what a call gave, which must be an object: one that is the only text stands for itself.
fn put_response(out: &mut Vec<u8>, texts: &[&str], error: bool) {
    let key = if error { "error" } else { "result" };
    match texts {
        [] if !error => out.extend_from_slice(b"{}"),
        [text] if !error && put_object(out, text) => {}
        texts => {
            out.push(b'{');
            put_key(out, key);
            match texts {
                [] => put_str(out, FAILED_SILENTLY),
                [text] => put_str(out, text),
                texts => put_value(out, texts),
            }
            out.push(b'}');
        }
    }
}
