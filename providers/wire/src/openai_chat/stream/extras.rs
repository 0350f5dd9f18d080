//! What the chat language has no word for, on its way through.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::queue::Queue;
use crate::{
    chat::{Extra, Wire},
    event::ChatEvent,
};

/// How many constants are remembered. No server has that many; a hostile one must not fill the memory.
const MOST_CONSTANTS: usize = 64;

/// A key as it stands in a JSON pointer (RFC 6901).
pub(crate) fn pointer(key: &str) -> Cow<'_, str> {
    if key.contains(['~', '/']) { key.replace('~', "~0").replace('/', "~1").into() } else { key.into() }
}

/// Says extras: at once, or after `Started`, which must be first; constants once.
#[derive(Debug, Default)]
pub(super) struct Extras {
    started: bool,
    early: Vec<Extra>,
    constants: Vec<(String, String)>,
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
        let path = format!("{at}/{}", pointer(key));
        if constant {
            let full = self.constants.len() >= MOST_CONSTANTS;
            match self.constants.iter_mut().find(|(known, _)| *known == path) {
                Some((_, before)) if before == text => return,
                Some((_, before)) => text.clone_into(before),
                None if full => {}
                None => self.constants.push((path.clone(), text.to_owned())),
            }
        }
        // A raw value was read as JSON once, so that it fails here only for what a tree cannot hold (a number beyond
        // f64); leaving that out loses less than failing the answer.
        if let Ok(json) = serde_json::from_str(text) {
            self.push(Extra { wire: Wire::OpenaiChat, path, json }, queue);
        }
    }

    pub(super) fn push(&mut self, extra: Extra, queue: &mut Queue) {
        if self.started {
            queue.push(ChatEvent::Extra(extra));
        } else {
            self.early.push(extra);
        }
    }
}
