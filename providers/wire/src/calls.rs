//! The numbers and ids of an answer's tool calls.

use std::collections::HashSet;

/// Most characters of an answer's id within a call's: OpenAI takes ids of 64 characters in all.
const OF_ANSWER: usize = 40;

/// The calls of one answer so far.
#[derive(Debug)]
pub(crate) struct Calls {
    /// How ids begin that are made here, as the provider's own do.
    prefix: &'static str,
    ids: HashSet<String>,
    count: u32,
}

impl Calls {
    pub(crate) fn new(prefix: &'static str) -> Self {
        Self { prefix, ids: HashSet::new(), count: 0 }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The index and the id of the next call; `given` is what the provider calls it, and `answer` the answer's id.
    pub(crate) fn begin(&mut self, given: Option<&str>, answer: &str) -> (u32, String) {
        let index = self.count;
        self.count += 1;
        let id = free_id(self.prefix, given, answer, index, |id| !self.ids.contains(id));
        self.ids.insert(id.clone());
        (index, id)
    }
}

/// The id that a provider gave to a call; one that is made if it gave none, or one that another call of the answer has.
pub(crate) fn free_id(
    prefix: &str,
    given: Option<&str>,
    answer: &str,
    index: u32,
    is_free: impl Fn(&str) -> bool,
) -> String {
    if let Some(given) = given.filter(|id| !id.is_empty() && is_free(id)) {
        return given.to_owned();
    }
    // The answer's id makes it unique in the conversation.
    let of: String = answer.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').take(OF_ANSWER).collect();
    let of = if of.is_empty() { of } else { of + "_" };
    (index..)
        .map(|number| format!("{prefix}_{of}{number}"))
        .find(|id| is_free(id))
        .expect("an unbounded range has a number that finitely many calls have not taken")
}
