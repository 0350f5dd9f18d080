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

/// What was said last at each path: servers repeat the same text or object on every line (`remote_host`), and it is
/// passed on when it changes.
#[derive(Debug, Default)]
pub(super) struct Extras(Vec<(String, String)>);

impl Extras {
    /// Passes on what stood in an object under keys that are not known.
    pub(super) fn say(&mut self, at: &str, rest: &[(Cow<'_, str>, &RawValue)], queue: &mut Queue) {
        for (key, raw) in rest {
            let (path, text) = (format!("{at}/{}", pointer(key)), raw.get());
            if matches!(text, "{}" | "[]") || text.starts_with(['"', '{']) && self.is_known(&path, text) {
                continue;
            }
            // A raw value was read as JSON once, so that it fails here only for what a tree cannot hold (a number beyond
            // f64); leaving that out loses less than failing the answer.
            if let Ok(json) = serde_json::from_str(text) {
                queue.push(ChatEvent::Extra(Extra { wire: Wire::Ollama, path, json }));
            }
        }
    }

    fn is_known(&mut self, path: &str, text: &str) -> bool {
        let full = self.0.len() >= MOST_CONSTANTS;
        match self.0.iter_mut().find(|(known, _)| known == path) {
            Some((_, said)) if said == text => return true,
            Some((_, said)) => text.clone_into(said),
            None if full => {}
            None => self.0.push((path.to_owned(), text.to_owned())),
        }
        false
    }
}
