//! The numbers and ids of an answer's tool calls.

use std::collections::HashSet;

/// The calls so far.
#[derive(Debug, Default)]
pub(super) struct Calls {
    ids: HashSet<String>,
    count: u32,
}

impl Calls {
    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Index and id of the next call. One without an id of its own gets one that the conversation has not: `answer` is
    /// the answer's id.
    pub(super) fn next(&mut self, given: String, answer: &str) -> (u32, String) {
        let index = self.count;
        self.count += 1;
        let mut id = given;
        let mut number = index;
        while id.is_empty() || self.ids.contains(&id) {
            id = format!("tooluse_{answer}_{number}");
            number += 1;
        }
        self.ids.insert(id.clone());
        (index, id)
    }
}
