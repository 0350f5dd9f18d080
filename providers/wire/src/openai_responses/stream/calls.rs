//! Tool calls of one answer: their numbers and ids.

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

    /// The index and the id of the next call; `given` is what the provider calls it, and `answer` the answer's id.
    pub(super) fn begin(&mut self, given: Option<&str>, answer: &str) -> (u32, String) {
        let index = self.count;
        self.count += 1;
        let id = match given {
            Some(id) if !self.ids.contains(id) => id.to_owned(),
            _ => {
                // The answer's id makes it unique in the conversation.
                let of: String = answer.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').take(40).collect();
                (index..)
                    .map(|number| format!("call_{of}_{number}"))
                    .find(|id| !self.ids.contains(id))
                    .expect("an unbounded range has a number that finitely many calls have not taken")
            }
        };
        self.ids.insert(id.clone());
        (index, id)
    }
}
