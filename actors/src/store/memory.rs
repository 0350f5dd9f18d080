//! A store that is gone with the process.

use std::{collections::BTreeMap, ops::Bound};

use super::backend::Changes;

/// Everything that was written, in memory.
#[derive(Debug, Default)]
pub(super) struct Memory(BTreeMap<Vec<u8>, Vec<u8>>);

impl Memory {
    pub(super) fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.0.get(key).cloned()
    }

    pub(super) fn range(&self, from: &[u8], to: &[u8]) -> impl DoubleEndedIterator<Item = (&Vec<u8>, &Vec<u8>)> {
        let bounds = (Bound::Included(from), Bound::Excluded(to));
        self.0.range::<[u8], _>(bounds)
    }

    pub(super) fn commit(&mut self, changes: &Changes) {
        for (key, value) in changes {
            match value {
                Some(value) => self.0.insert(key.clone(), value.clone()),
                None => self.0.remove(key),
            };
        }
    }
}
