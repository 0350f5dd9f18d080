//! Which of the cache marks of a conversation were said.

use std::collections::HashSet;

use super::LeftOut;
use crate::chat::{CacheMark, Message};

/// The parts, by message and place in it, whose mark was said.
#[derive(Debug, Default)]
pub(crate) struct Marks(HashSet<(usize, usize)>);

impl Marks {
    /// The mark of a part is said, if it has one.
    pub(crate) fn say(&mut self, message: usize, part: usize) {
        self.0.insert((message, part));
    }

    /// Reports all others, each once.
    pub(crate) fn report(mut self, messages: &[Message], left_out: &mut Vec<LeftOut>) {
        for (index, message) in messages.iter().enumerate() {
            for (number, mark) in message.cache.iter().enumerate() {
                // Of several marks of a part the first was said.
                if !self.0.remove(&(index, mark.part)) {
                    let at = format!("messages[{index}].cache[{number}]");
                    left_out.push(LeftOut { at, what: "a cache mark that cannot be said here" });
                }
            }
        }
    }
}

/// The mark of a part.
pub(crate) fn mark(message: &Message, part: usize) -> Option<&CacheMark> {
    message.cache.iter().find(|mark| mark.part == part)
}
