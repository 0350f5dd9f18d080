//! Extras of a request, put back where they stood.

use std::borrow::Cow;

use serde_json::Value;

use crate::{
    chat::{Extra, Wire},
    json::{put_comma, put_key, put_value},
};

/// A key as it stands in a JSON pointer (RFC 6901).
pub(crate) fn pointer(key: &str) -> Cow<'_, str> {
    if key.contains(['~', '/']) { key.replace('~', "~0").replace('/', "~1").into() } else { key.into() }
}

/// The extras of one holder that belong on one wire.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Extras<'a> {
    wire: Wire,
    list: &'a [Extra],
}

impl<'a> Extras<'a> {
    /// Those of a list that belong on this wire.
    pub(crate) fn new(wire: Wire, list: &'a [Extra]) -> Self {
        Self { wire, list }
    }

    /// No extras.
    pub(crate) const fn none() -> Self {
        Self { wire: Wire::OpenaiChat, list: &[] }
    }

    /// Whether there is nothing at all, so that a path need not be made.
    pub(crate) fn is_empty(self) -> bool {
        self.list.is_empty()
    }

    fn own(self) -> impl Iterator<Item = (&'a str, &'a Value)> {
        let wire = self.wire;
        self.list.iter().filter(move |extra| extra.wire == wire).map(|extra| (extra.path.as_str(), &extra.json))
    }

    /// Whether anything stands below this path.
    pub(crate) fn below(self, at: &str) -> bool {
        self.own().any(|(path, _)| path.strip_prefix(at).is_some_and(|rest| rest.starts_with('/')))
    }

    /// The keys of the object at this path that only extras say.
    pub(crate) fn keys_at(self, at: &str) -> impl Iterator<Item = (String, &'a Value)> {
        self.own().filter_map(move |(path, json)| {
            let key = path.strip_prefix(at)?.strip_prefix('/').filter(|key| !key.contains('/'))?;
            Some((key.replace("~1", "/").replace("~0", "~"), json))
        })
    }

    /// Writes them into the open object, but for keys that were written already.
    pub(crate) fn put_keys(self, out: &mut Vec<u8>, at: &str, written: &[&str]) {
        for (key, json) in self.keys_at(at).filter(|(key, _)| !written.contains(&key.as_str())) {
            put_key(out, &key);
            put_value(out, json);
        }
    }

    /// Writes the elements of the array at `at` that only extras say, from position `next` on, as long as the next
    /// position is one; gives the position after them.
    pub(crate) fn put_elements(self, out: &mut Vec<u8>, at: &str, mut next: usize) -> usize {
        if self.is_empty() {
            return next;
        }
        while let Some(json) = self.element(at, next) {
            put_comma(out);
            put_value(out, json);
            next += 1;
        }
        next
    }

    /// The element of the array at `at` that only extras say.
    pub(crate) fn element(self, at: &str, index: usize) -> Option<&'a Value> {
        let path = format!("{at}/{index}");
        self.own().find(|(own, _)| *own == path).map(|(_, json)| json)
    }
}
