//! Typed tables of small values.

use std::marker::PhantomData;

use serde::{Serialize, de::DeserializeOwned};

use super::{
    Store, StoreError,
    backend::{Pair, Wanted},
    batch::Batch,
    key::{self, Key},
};

/// Before every key of a table.
pub(super) const TABLES: u8 = b't';
/// In bytes. Larger ones would lie in files of their own, which sled does not sync.
pub(super) const MOST: usize = 64 << 10;

/// A table: names it, and says what its keys and values are. Values are JSON.
#[derive(Debug)]
pub struct Table<K, V> {
    name: &'static str,
    types: PhantomData<fn(K) -> V>,
}

impl<K: Key, V> Table<K, V> {
    /// The table of this name.
    pub const fn new(name: &'static str) -> Self {
        Self { name, types: PhantomData }
    }

    /// What every key of it begins with.
    pub(super) fn prefix(&self) -> Vec<u8> {
        let mut prefix = vec![TABLES];
        self.name.to_owned().write(&mut prefix);
        prefix
    }

    pub(super) fn key(&self, key: &impl Key) -> Vec<u8> {
        let mut bytes = self.prefix();
        key.write(&mut bytes);
        bytes
    }

    pub(super) fn bytes(&self, value: &V) -> Result<Vec<u8>, StoreError>
    where
        V: Serialize,
    {
        let json = serde_json::to_vec(value).map_err(|error| StoreError::Damaged { what: error.to_string() })?;
        if json.len() > MOST {
            return Err(StoreError::TooLarge { bytes: json.len(), most: MOST });
        }
        Ok(json)
    }

    pub(super) fn parse(&self, value: &[u8]) -> Result<V, StoreError>
    where
        V: DeserializeOwned,
    {
        let broken = |error| StoreError::Damaged { what: format!("a value of {}: {error}", self.name) };
        serde_json::from_slice(value).map_err(broken)
    }

    /// Keys and values of what a scan gave.
    pub(super) fn parse_all(&self, pairs: Vec<Pair>) -> Result<Vec<(K, V)>, StoreError>
    where
        V: DeserializeOwned,
    {
        let skip = self.prefix().len();
        let pair = |(key, value): Pair| {
            let key = key::parse(&key[skip..])
                .ok_or_else(|| StoreError::Damaged { what: format!("a key of {}", self.name) })?;
            Ok((key, self.parse(&value)?))
        };
        pairs.into_iter().map(pair).collect()
    }
}

impl Store {
    /// The value of a key.
    ///
    /// # Errors
    /// The store can't be read.
    pub async fn get<K, V>(&self, table: &'static Table<K, V>, key: &K) -> Result<Option<V>, StoreError>
    where
        K: Key + 'static,
        V: DeserializeOwned + Send + 'static,
    {
        let bytes = table.key(key);
        self.read_with(move |backend| backend.get(&bytes)?.map(|value| table.parse(&value)).transpose()).await
    }

    /// Sets the value of a key.
    ///
    /// # Errors
    /// The value is not kept.
    pub async fn put<K: Key, V: Serialize>(
        &self,
        table: &'static Table<K, V>,
        key: &K,
        value: &V,
    ) -> Result<(), StoreError> {
        let mut batch = Batch::default();
        batch.put(table, key, value)?;
        self.commit(batch).await
    }

    /// Removes a key; one that isn't there is fine.
    ///
    /// # Errors
    /// It is not removed.
    pub async fn remove<K: Key, V>(&self, table: &'static Table<K, V>, key: &K) -> Result<(), StoreError> {
        let mut batch = Batch::default();
        batch.remove(table, key);
        self.commit(batch).await
    }

    /// Sets the value of a key, or removes it, if its value is still `expected`. The inner error is the value that it
    /// has instead.
    ///
    /// # Errors
    /// The store can't be read, or the value is not kept.
    pub async fn compare_and_set<K, V>(
        &self,
        table: &'static Table<K, V>,
        key: &K,
        expected: Option<V>,
        new: Option<V>,
    ) -> Result<Result<(), Option<V>>, StoreError>
    where
        K: Key + 'static,
        V: Serialize + DeserializeOwned + PartialEq + Send + 'static,
    {
        let bytes = table.key(key);
        let new = new.map(|new| table.bytes(&new)).transpose()?;
        self.write(move |tx| {
            let found = tx.get_bytes(&bytes)?.map(|value| table.parse(&value)).transpose()?;
            if found != expected {
                return Ok(Err(found));
            }
            tx.set_bytes(bytes, new);
            Ok(Ok(()))
        })
        .await
    }

    /// Every key of a table with its value, in the order of the keys.
    ///
    /// # Errors
    /// The store can't be read.
    pub async fn scan<K, V>(&self, table: &'static Table<K, V>) -> Result<Vec<(K, V)>, StoreError>
    where
        K: Key + Send + 'static,
        V: DeserializeOwned + Send + 'static,
    {
        let prefix = table.prefix();
        self.read_with(move |backend| table.parse_all(backend.range(&prefix, &key::end_of(&prefix), Wanted::All)?))
            .await
    }

    /// Keys of a table with their values, in the order of the keys, from the first one past `after` on; at most `most`.
    ///
    /// # Errors
    /// The store can't be read.
    pub async fn scan_page<K, V>(
        &self,
        table: &'static Table<K, V>,
        after: Option<&K>,
        most: usize,
    ) -> Result<Vec<(K, V)>, StoreError>
    where
        K: Key + Send + 'static,
        V: DeserializeOwned + Send + 'static,
    {
        self.page(table, table.prefix(), after, most).await
    }

    /// The same of those keys alone whose first parts are these.
    ///
    /// # Errors
    /// The store can't be read.
    pub async fn scan_page_of<K, V>(
        &self,
        table: &'static Table<K, V>,
        first: &impl Key,
        after: Option<&K>,
        most: usize,
    ) -> Result<Vec<(K, V)>, StoreError>
    where
        K: Key + Send + 'static,
        V: DeserializeOwned + Send + 'static,
    {
        self.page(table, table.key(first), after, most).await
    }

    async fn page<K, V>(
        &self,
        table: &'static Table<K, V>,
        prefix: Vec<u8>,
        after: Option<&K>,
        most: usize,
    ) -> Result<Vec<(K, V)>, StoreError>
    where
        K: Key + Send + 'static,
        V: DeserializeOwned + Send + 'static,
    {
        // No key of a table is the beginning of another, so nothing lies between it and this.
        let past = after.map(|after| [table.key(after), vec![0]].concat());
        let end = key::end_of(&prefix);
        let from = past.map_or_else(|| prefix.clone(), |past| past.max(prefix.clone()));
        self.read_with(move |backend| table.parse_all(backend.range(&from, &end, Wanted::Count(most))?)).await
    }

    /// The keys whose first parts are these, with their values. Every write that was asked for before is seen, also one
    /// whose asker has gone.
    ///
    /// # Errors
    /// The store can't be read.
    pub async fn scan_settled<K, V>(
        &self,
        table: &'static Table<K, V>,
        first: &impl Key,
    ) -> Result<Vec<(K, V)>, StoreError>
    where
        K: Key + Send + 'static,
        V: DeserializeOwned + Send + 'static,
    {
        let prefix = table.key(first);
        self.write(move |tx| table.parse_all(tx.scan(&prefix)?)).await
    }
}
