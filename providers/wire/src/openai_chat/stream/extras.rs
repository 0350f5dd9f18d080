//! What the chat language has no word for, on its way through.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::{
    chat::{Extra, Wire},
    event::ChatEvent,
    extras::pointer,
    queue::Queue,
};

/// How many constants are remembered. No server has that many; a hostile one must not fill the memory.
const MOST_CONSTANTS: usize = 64;

/// What was said last at a place.
#[derive(Debug)]
struct Constant {
    at: String,
    key: String,
    raw: String,
}

/// Says extras: at once, or after `Started`, which must be first; constants once.
#[derive(Debug, Default)]
pub(super) struct Extras {
    started: bool,
    early: Vec<Extra>,
    constants: Vec<Constant>,
}

impl Extras {
    pub(super) fn start(&mut self, queue: &mut Queue) {
        self.started = true;
        for extra in self.early.drain(..) {
            queue.push(ChatEvent::Extra(extra));
        }
    }

    /// Says what stood in an object under keys that are not known.
    pub(super) fn say_rest(&mut self, at: &str, rest: &[(Cow<'_, str>, &RawValue)], queue: &mut Queue) {
        for (key, raw) in rest {
            self.say(at, key, raw, queue);
        }
    }

    /// Says one. What stays the same from chunk to chunk is said when it changes: everything beside the choices, and in
    /// them texts and objects, but for what belongs to its tokens.
    pub(super) fn say(&mut self, at: &str, key: &str, raw: &RawValue, queue: &mut Queue) {
        let text = raw.get();
        if matches!(text, "{}" | "[]") {
            return;
        }
        let constant = at.is_empty()
            || (matches!(text.as_bytes().first(), Some(b'"' | b'{')) && !matches!(key, "logprobs" | "audio"));
        if constant && self.is_known(at, key, text) {
            return;
        }
        // A raw value was read as JSON once, so that it fails here only for what a tree cannot hold (a number beyond
        // f64); leaving that out loses less than failing the answer.
        if let Ok(json) = serde_json::from_str(text) {
            let path = format!("{at}/{}", pointer(key));
            self.push(Extra { wire: Wire::OpenaiChat, path, json }, queue);
        }
    }

    /// Whether this was said last at this place; if not, it is now. On the hot path: servers repeat several with every
    /// token.
    fn is_known(&mut self, at: &str, key: &str, raw: &str) -> bool {
        let full = self.constants.len() >= MOST_CONSTANTS;
        match self.constants.iter_mut().find(|constant| constant.key == key && constant.at == at) {
            Some(constant) if constant.raw == raw => return true,
            Some(constant) => raw.clone_into(&mut constant.raw),
            None if full => {}
            None => self.constants.push(Constant { at: at.to_owned(), key: key.to_owned(), raw: raw.to_owned() }),
        }
        false
    }

    pub(super) fn push(&mut self, extra: Extra, queue: &mut Queue) {
        if self.started {
            queue.push(ChatEvent::Extra(extra));
        } else {
            self.early.push(extra);
        }
    }
}
