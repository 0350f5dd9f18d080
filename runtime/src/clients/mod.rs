//! Who may come in beside the owner: clients by name, each with a token of its own, the models that it may ask, and how
//! often.
//!
//! What is kept of a token is its digest ([`token`]), so that nobody who reads the store comes in by it.

mod error;
mod name;
mod rate;
mod token;

use std::{
    collections::BTreeMap,
    num::NonZeroU32,
    path::Path,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
    time::{Duration, SystemTime},
};

use greenroom_actors::store::{Store, StoreError, Table};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

pub use self::error::ClientError;
use self::{rate::Rate, token::Digest};
use crate::{StartError, config::Durability, store};

/// Clients by their names.
static CLIENTS: Table<String, Kept> = Table::new("clients");

/// A client as the store has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Kept {
    /// The public part of the token, by which its digest is found.
    id: String,
    digest: Digest,
    #[serde(default)]
    models: Vec<String>,
    #[serde(default)]
    requests_per_minute: Option<NonZeroU32>,
    #[serde(with = "crate::state::moment")]
    created: SystemTime,
}

/// A client, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Client {
    /// Its name: whose sessions and usage are told apart by it.
    pub name: String,
    /// Patterns of the models that it may name; whatever there is if there are none.
    pub models: Vec<String>,
    /// How many requests a minute it may make; as many as it likes if it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests_per_minute: Option<NonZeroU32>,
    /// When it was made, in whole seconds.
    #[serde(with = "crate::state::moment")]
    pub created: SystemTime,
}

/// What a new client is made of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewClient {
    /// Its name: 1 to 64 of `A-Za-z0-9._-`.
    pub name: String,
    /// Patterns of the models that it may name, in which `*` stands for any text; whatever there is if there are none.
    pub models: Vec<String>,
    /// How many requests a minute it may make; as many as it likes if it is not said.
    pub requests_per_minute: Option<NonZeroU32>,
}

/// The clients that there are. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Clients(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// Where they are kept; nowhere if there is none.
    store: Option<Store>,
    known: RwLock<BTreeMap<String, Arc<Known>>>,
    /// Held by who changes something, so that the store and what is known here change in the same order.
    changing: tokio::sync::Mutex<()>,
}

/// A client that may come in until it is revoked.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) name: Arc<str>,
    kept: Kept,
    rate: Option<Rate>,
    /// Cancelled once its token is refused.
    pub(crate) revoked: CancellationToken,
}

impl Known {
    fn new(name: &str, kept: Kept) -> Arc<Self> {
        let rate = kept.requests_per_minute.map(Rate::new);
        Arc::new(Self { name: name.into(), kept, rate, revoked: CancellationToken::new() })
    }

    /// Whether it may name this model.
    pub(crate) fn may_ask(&self, model: &str) -> bool {
        let models = &self.kept.models;
        models.is_empty() || models.iter().any(|pattern| greenroom_config::fits(pattern, model))
    }

    /// The patterns of models that it may name, unless it may name any.
    pub(crate) fn models(&self) -> &[String] {
        &self.kept.models
    }

    /// Counts a request. How long it is to wait instead, if it is one too many.
    pub(crate) fn count(&self) -> Result<(), Duration> {
        self.rate.as_ref().map_or(Ok(()), Rate::count)
    }

    fn shown(&self) -> Client {
        let Kept { models, requests_per_minute, created, .. } = self.kept.clone();
        Client { name: self.name.to_string(), models, requests_per_minute, created }
    }
}

impl Clients {
    /// Those that a store has.
    pub(crate) async fn load(store: Option<Store>) -> Result<Self, StoreError> {
        let kept = match &store {
            Some(store) => store.scan(&CLIENTS).await?,
            None => Vec::new(),
        };
        let known = kept.into_iter().map(|(name, kept)| {
            let known = Known::new(&name, kept);
            (name, known)
        });
        let known = RwLock::new(known.collect());
        Ok(Self(Arc::new(Inner { store, known, changing: tokio::sync::Mutex::new(()) })))
    }

    /// Those of a data directory that no runtime has open; its store is made if there is none. [`close`](Self::close) it
    /// when it is done with.
    ///
    /// # Errors
    /// The store can't be opened, made, or read.
    pub async fn at_rest(data_dir: &Path, durability: Durability) -> Result<Self, StartError> {
        let store = store::open_or_make(data_dir, durability).await?;
        match Self::load(Some(store.clone())).await {
            Ok(clients) => Ok(clients),
            Err(fault) => {
                // Its own error would hide the one that is told.
                let _closed = store.close().await;
                Err(StartError::Clients(fault))
            }
        }
    }

    /// Closes the store that [`at_rest`](Self::at_rest) opened.
    ///
    /// # Errors
    /// What was changed is not kept.
    pub async fn close(self) -> Result<(), StartError> {
        match &self.0.store {
            Some(store) => store.close().await.map_err(StartError::NotKept),
            None => Ok(()),
        }
    }

    /// Every client, by name.
    pub fn list(&self) -> Vec<Client> {
        self.known().values().map(|known| known.shown()).collect()
    }

    /// Makes a client. The token is told here and never again; the client is kept when this returns.
    ///
    /// # Errors
    /// It can't be one, there is one of its name, or it can't be kept.
    pub async fn add(&self, new: NewClient) -> Result<(Client, SecretString), ClientError> {
        let NewClient { name, models, requests_per_minute } = new;
        name::check(&name)?;
        name::check_models(&models)?;
        let (token, id, digest) = token::make();
        let kept = Kept { id, digest, models, requests_per_minute, created: whole_seconds(SystemTime::now()) };
        let _one_at_a_time = self.0.changing.lock().await;
        if self.known().contains_key(&name) {
            return Err(ClientError::Taken);
        }
        if let Some(store) = &self.0.store {
            store.put(&CLIENTS, &name, &kept).await.map_err(ClientError::NotKept)?;
        }
        let known = Known::new(&name, kept);
        let shown = known.shown();
        self.known_mut().insert(name, known);
        Ok((shown, token))
    }

    /// Refuses a client's token from now on. Who reads a session by it is let go; what it asked goes on. Its sessions stay,
    /// for the owner and for whoever gets its name.
    ///
    /// # Errors
    /// There is no such client, or that it is revoked is not kept: then its token is refused by this process alone, until
    /// it is revoked again.
    pub async fn revoke(&self, name: &str) -> Result<(), ClientError> {
        let _one_at_a_time = self.0.changing.lock().await;
        let known = self.known().get(name).cloned().ok_or(ClientError::NotFound)?;
        // Before the disk has it: one that takes no writes lets nobody stay.
        known.revoked.cancel();
        if let Some(store) = &self.0.store {
            store.remove(&CLIENTS, &name.to_owned()).await.map_err(ClientError::NotRevoked)?;
        }
        self.known_mut().remove(name);
        Ok(())
    }

    /// The client whose token this is, if it is one's.
    pub(crate) fn of_token(&self, shown: &[u8]) -> Option<Arc<Known>> {
        let id = token::id(shown)?;
        let found = self.known().values().find(|known| known.kept.id == id).cloned()?;
        (found.kept.digest.is_of(shown) && !found.revoked.is_cancelled()).then_some(found)
    }

    fn known(&self) -> RwLockReadGuard<'_, BTreeMap<String, Arc<Known>>> {
        self.0.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn known_mut(&self) -> RwLockWriteGuard<'_, BTreeMap<String, Arc<Known>>> {
        self.0.known.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// As it is kept and shown, so that what is told at first is what is told later.
fn whole_seconds(at: SystemTime) -> SystemTime {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    SystemTime::UNIX_EPOCH + Duration::from_secs(since.as_secs())
}

#[cfg(test)]
mod tests;
