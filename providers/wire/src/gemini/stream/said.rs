//! What was said before, and need not be said again.

use std::collections::HashSet;

use serde_json::Value;

use crate::{
    chat::{Extra, Wire},
    event::ChatEvent,
    queue::Queue,
};

/// How much is remembered. No answer has that many sources or fields; a hostile one must not fill the memory.
const MOST: usize = 1024;

/// The sources and fields of an answer: chunks repeat what earlier ones said of them, and it is passed on when it changes.
#[derive(Debug, Default)]
pub(super) struct Said {
    sources: HashSet<String>,
    fields: Vec<(String, String)>,
}

impl Said {
    /// Passes on what has no word in the chat language, unless it is empty or was said before.
    pub(super) fn extra(&mut self, path: String, json: &str, queue: &mut Queue) {
        if matches!(json, "{}" | "[]") {
            return;
        }
        let full = self.fields.len() >= MOST;
        match self.fields.iter_mut().find(|(known, _)| *known == path) {
            Some((_, said)) if said == json => return,
            Some((_, said)) => json.clone_into(said),
            None if full => {}
            None => self.fields.push((path.clone(), json.to_owned())),
        }
        // What was read as JSON once fails here only for what a tree cannot hold (a number beyond f64); leaving that out
        // loses less than failing the answer.
        if let Ok(json) = serde_json::from_str(json) {
            queue.push(ChatEvent::Extra(Extra { wire: Wire::Gemini, path, json }));
        }
    }

    /// Passes on a source, unless it was named before.
    pub(super) fn source(&mut self, json: Value, queue: &mut Queue) {
        let text = json.to_string();
        if self.sources.contains(&text) {
            return;
        }
        if self.sources.len() < MOST {
            self.sources.insert(text);
        }
        queue.push(ChatEvent::Citation { json });
    }
}
