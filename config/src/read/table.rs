//! A table whose keys are known.

use std::cell::RefCell;

use config::{Map, Value};

use crate::ErrorKind;
use crate::origin::join;
use crate::read::Node;
use crate::read::scalars::Read;
use crate::suggest::nearest;

/// Remembers which keys were asked for, so that [`Table::finish`] can tell the unknown ones.
pub(crate) struct Table<'a> {
    pub(crate) node: Node<'a>,
    map: &'a Map<String, Value>,
    known: RefCell<Vec<&'static str>>,
    /// Known, and complained of elsewhere: no suggestion leads there.
    settled: RefCell<Vec<&'static str>>,
}

impl<'a> Table<'a> {
    pub(crate) fn new(node: Node<'a>, map: &'a Map<String, Value>) -> Self {
        Self { node, map, known: RefCell::default(), settled: RefCell::default() }
    }

    /// The value of a key, if it was written.
    pub(crate) fn node(&self, key: &'static str) -> Option<Node<'a>> {
        self.known.borrow_mut().push(key);
        self.map.get(key).map(|value| self.child(key, value))
    }

    /// The setting of a key; `None` where it was not written or is wrong.
    pub(crate) fn get<T: Read>(&self, key: &'static str) -> Option<T> {
        self.node(key).and_then(|node| T::read(&node))
    }

    /// All entries in the order in which they were written, for tables whose keys are names.
    pub(crate) fn entries(&self) -> Vec<(&'a str, Node<'a>)> {
        let mut entries: Vec<_> = self.map.iter().map(|(key, value)| (key.as_str(), self.child(key, value))).collect();
        entries.sort_by_cached_key(|(_, node)| node.reader.origins.rank(&node.path));
        entries
    }

    fn child(&self, key: &str, value: &'a Value) -> Node<'a> {
        Node { reader: self.node.reader, path: join(&self.node.path, key), value }
    }

    /// Refuses settings that mean nothing for this kind of provider.
    pub(crate) fn not_applicable(&self, kind: &'static str, keys: &[&'static str]) {
        self.settled.borrow_mut().extend(keys);
        for key in keys {
            if let Some(value) = self.map.get(*key) {
                let hint = Some("take it out: it would have no effect".to_owned());
                self.child(key, value).refuse_key(ErrorKind::NotApplicable { kind, key }, hint);
            }
        }
    }

    /// Refuses what nobody asked for.
    pub(crate) fn finish(self) {
        let known = self.known.take();
        let settled = self.settled.take();
        for (key, node) in self.entries().into_iter().filter(|(key, _)| !known.contains(key) && !settled.contains(key))
        {
            let meant = nearest(key, known.iter().copied());
            let hint = match meant {
                Some(meant) => Some(format!("did you mean \"{meant}\"?")),
                None if known.is_empty() => None,
                None => Some(format!("known here: {}", known.join(", "))),
            };
            let kind = ErrorKind::UnknownKey { key: key.to_owned(), suggestion: meant.map(str::to_owned) };
            node.refuse_key(kind, hint);
        }
    }
}
