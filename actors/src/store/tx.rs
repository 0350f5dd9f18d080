//! What one caller's write sees and changes.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Serialize, de::DeserializeOwned};

use super::{
    StoreError,
    backend::{Backend, Changes, Pair, Wanted},
    key::{self, Key},
    table::Table,
};

/// The store as one write sees it: what is kept, under what the writes before it in the same group have changed.
pub(super) struct Tx<'a> {
    backend: &'a Backend,
    group: &'a Changes,
    pub(super) own: Changes,
}

impl<'a> Tx<'a> {
    pub(super) fn new(backend: &'a Backend, group: &'a Changes) -> Self {
        Self { backend, group, own: Changes::new() }
    }

    pub(super) fn get_bytes(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        match self.own.get(key).or_else(|| self.group.get(key)) {
            Some(changed) => Ok(changed.clone()),
            None => self.backend.get(key),
        }
    }

    pub(super) fn set_bytes(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) {
        self.own.insert(key, value);
    }

    pub(super) fn get<K: Key, V: DeserializeOwned>(
        &self,
        table: &Table<K, V>,
        key: &K,
    ) -> Result<Option<V>, StoreError> {
        self.get_bytes(&table.key(key))?.map(|value| table.parse(&value)).transpose()
    }

    pub(super) fn put<K: Key, V: Serialize>(
        &mut self,
        table: &Table<K, V>,
        key: &K,
        value: &V,
    ) -> Result<(), StoreError> {
        self.set_bytes(table.key(key), Some(table.bytes(value)?));
        Ok(())
    }

    /// The first keys from `from` up to but without `to`, at most `most`, in order.
    pub(super) fn keys(&self, from: &[u8], to: &[u8], most: usize) -> Result<Vec<Vec<u8>>, StoreError> {
        if from >= to {
            return Ok(Vec::new());
        }
        let changed =
            || [self.group, &self.own].into_iter().flat_map(|changes| changes.range(from.to_vec()..to.to_vec()));
        // Each one that is to go hides one that is kept at most.
        let hidden = changed().filter(|(_, value)| value.is_none()).count();
        let kept = self.backend.range(from, to, Wanted::Keys(most.saturating_add(hidden)))?;
        let mut keys: BTreeSet<_> = kept.into_iter().map(|(key, _)| key).collect();
        for (key, value) in changed() {
            match value {
                Some(_) => keys.insert(key.clone()),
                None => keys.remove(key),
            };
        }
        Ok(keys.into_iter().take(most).collect())
    }

    /// Everything of a table under a prefix of its keys, whose bytes it is given.
    pub(super) fn scan(&self, prefix: &[u8]) -> Result<Vec<Pair>, StoreError> {
        let end = key::end_of(prefix);
        let kept = self.backend.range(prefix, &end, Wanted::All)?;
        let mut seen: BTreeMap<_, _> = kept.into_iter().collect();
        for changes in [self.group, &self.own] {
            for (key, value) in changes.range(prefix.to_vec()..end.clone()) {
                match value {
                    Some(value) => seen.insert(key.clone(), value.clone()),
                    None => seen.remove(key),
                };
            }
        }
        Ok(seen.into_iter().collect())
    }
}
