//! Ids of calls and names of tools, made acceptable: `^[a-zA-Z0-9_-]+$`, names up to 128 characters.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
};

use crate::anthropic::names::ToolNames;

const LONGEST_NAME: usize = 128;

/// What is sent for the ids of a conversation's calls.
///
/// The same in every turn of it, as each depends only on the calls before it. Every call has an id of its own, also where
/// providers number the calls of each answer anew.
#[derive(Debug, Default)]
pub(super) struct CallIds(HashSet<String>);

impl CallIds {
    /// The id for the next call.
    pub(super) fn call(&mut self, id: &str) -> String {
        let sent = unique(acceptable(id, usize::MAX), usize::MAX, |own| self.0.contains(own));
        self.0.insert(sent.clone());
        sent
    }
}

/// What is sent for the names of tools.
#[derive(Debug, Default)]
pub(super) struct Names<'a> {
    sent: HashMap<&'a str, String>,
    taken: HashSet<String>,
    pub(super) renamed: ToolNames,
}

impl<'a> Names<'a> {
    pub(super) fn name(&mut self, name: &'a str) -> &str {
        if !self.sent.contains_key(name) {
            let sent = unique(acceptable(name, LONGEST_NAME), LONGEST_NAME, |own| self.taken.contains(own));
            if sent != name {
                self.renamed.push(sent.clone(), name.to_owned());
            }
            self.taken.insert(sent.clone());
            self.sent.insert(name, sent);
        }
        &self.sent[name]
    }
}

fn acceptable(text: &str, longest: usize) -> Cow<'_, str> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if text.is_empty() {
        "_".into()
    } else if text.len() <= longest && text.chars().all(fits) {
        text.into()
    } else {
        text.chars().take(longest).map(|c| if fits(c) { c } else { '_' }).collect()
    }
}

/// The text itself, or with the first number after it that makes it one of its own.
fn unique(text: Cow<'_, str>, longest: usize, taken: impl Fn(&str) -> bool) -> String {
    if !taken(&text) {
        return text.into_owned();
    }
    let numbered = |number: u32| {
        let number = format!("_{number}");
        format!("{}{number}", &text[..text.len().min(longest - number.len())])
    };
    (2..).map(numbered).find(|own| !taken(own)).expect("an unbounded range has a number that is not taken")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_have_ids_of_their_own() {
        let mut ids = CallIds::default();
        let sent = ["toolu_01-A", "call:0", "call_0", "call:0", ""].map(|id| ids.call(id));
        assert_eq!(sent, ["toolu_01-A", "call_0", "call_0_2", "call_0_3", "_"]);
    }

    #[test]
    fn names_are_told_apart_and_found_again() {
        let mut names = Names::default();
        assert_eq!((names.name("f").to_owned(), names.renamed.is_empty()), ("f".to_owned(), true));
        assert_eq!(names.name("a.b"), "a_b");
        assert_eq!(names.name("a:b"), "a_b_2");
        assert_eq!(names.name("a.b"), "a_b");
        let long = "ä".repeat(200);
        assert_eq!(names.name(&long), "_".repeat(128));
        let other = "ö".repeat(200);
        assert_eq!(names.name(&other), format!("{}_2", "_".repeat(126)));
        assert_eq!((names.renamed.name("a_b_2"), names.renamed.name("f")), ("a:b", "f"));
    }
}
