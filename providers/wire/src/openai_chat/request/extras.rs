//! Extras of a request, put back where they stood.

use serde_json::Value;

use crate::{
    chat::{Extra, Wire},
    json::{put_comma, put_key, put_value},
};

/// The extras of one holder that belong on this wire.
#[derive(Debug, Clone, Copy)]
pub(super) struct Extras<'a>(pub(super) &'a [Extra]);

impl<'a> Extras<'a> {
    fn own(self) -> impl Iterator<Item = (&'a str, &'a Value)> {
        self.0.iter().filter(|extra| extra.wire == Wire::OpenaiChat).map(|extra| (extra.path.as_str(), &extra.json))
    }

    /// Whether anything stands below this path.
    pub(super) fn below(self, at: &str) -> bool {
        self.own().any(|(path, _)| path.strip_prefix(at).is_some_and(|rest| rest.starts_with('/')))
    }

    /// The keys of the object at this path that only extras say.
    pub(super) fn keys_at(self, at: &str) -> impl Iterator<Item = (String, &'a Value)> {
        self.own().filter_map(move |(path, json)| {
            let key = path.strip_prefix(at)?.strip_prefix('/').filter(|key| !key.contains('/'))?;
            Some((key.replace("~1", "/").replace("~0", "~"), json))
        })
    }

    /// Writes them into the open object, but for keys that were written already.
    pub(super) fn put_keys(self, out: &mut Vec<u8>, at: &str, written: &[&str]) {
        for (key, json) in self.keys_at(at).filter(|(key, _)| !written.contains(&key.as_str())) {
            put_key(out, &key);
            put_value(out, json);
        }
    }

    /// Writes the elements of the array at `at` that only extras say, from position `next` on, as long as the next
    /// position is one; gives the position after them.
    pub(super) fn put_elements(self, out: &mut Vec<u8>, at: &str, mut next: usize) -> usize {
        if self.0.is_empty() {
            return next;
        }
        while let Some(json) = self.element(at, next) {
            put_comma(out);
            put_value(out, json);
            next += 1;
        }
        next
    }

    fn element(self, at: &str, index: usize) -> Option<&'a Value> {
        let path = format!("{at}/{index}");
        self.own().find(|(own, _)| *own == path).map(|(_, json)| json)
    }
}
