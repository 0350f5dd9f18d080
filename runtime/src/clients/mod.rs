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

use greenroom_actors::{
    Budgets, SpendBudget, rows_of,
    store::{Store, StoreError, Table},
};
use greenroom_providers::cost::Cost;
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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    budget: Option<SpendBudget>,
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
    /// What its answers may cost; whatever they like if it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<SpendBudget>,
    /// When it was made, in whole seconds.
    #[serde(with = "crate::state::moment")]
    pub created: SystemTime,
}

/// A client, and what it has spent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ShownClient {
    /// The client.
    #[serde(flatten)]
    pub client: Client,
    /// What its answers have cost in the time of its budget, in US dollars; not said if it has none, or nobody knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spent_usd: Option<f64>,
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
    /// What its answers may cost; whatever they like if it is not said.
    pub budget: Option<SpendBudget>,
}

/// The clients that there are. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Clients(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// Where they are kept; nowhere if there is none.
    store: Option<Store>,
    known: RwLock<BTreeMap<String, Arc<Known>>>,
    /// What they may spend, as whoever answers them heeds it.
    budgets: Budgets,
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

    fn shown(&self, budgets: &Budgets) -> Client {
        let Kept { models, requests_per_minute, created, .. } = self.kept.clone();
        let budget = budgets.of(&self.name);
        Client { name: self.name.to_string(), models, requests_per_minute, budget, created }
    }
}

impl Clients {
    /// Those that a store has.
    pub(crate) async fn load(store: Option<Store>) -> Result<Self, StoreError> {
        let kept = match &store {
            Some(store) => store.scan(&CLIENTS).await?,
            None => Vec::new(),
        };
        let budgets = Budgets::default();
        let known = kept.into_iter().map(|(name, kept)| {
            budgets.set(&name, kept.budget);
            let known = Known::new(&name, kept);
            (name, known)
        });
        let known = RwLock::new(known.collect());
        Ok(Self(Arc::new(Inner { store, known, budgets, changing: tokio::sync::Mutex::new(()) })))
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
        self.known().values().map(|known| known.shown(&self.0.budgets)).collect()
    }

    /// The same with what those have spent who have a budget, as far as it is written: where no runtime has the store open,
    /// that is all.
    ///
    /// # Errors
    /// The store can't be read.
    pub async fn list_with_spent(&self) -> Result<Vec<ShownClient>, StartError> {
        let clients = self.list();
        let has_budget = clients.iter().any(|client| client.budget.is_some());
        let rows = match &self.0.store {
            Some(store) if has_budget => rows_of(store).await.map_err(StartError::Clients)?,
            _ => Vec::new(),
        };
        let today = humantime::format_rfc3339_seconds(SystemTime::now()).to_string()[..10].to_owned();
        let shown = clients.into_iter().map(|client| {
            let spent = client.budget.map(|budget| {
                let own = rows.iter().filter(|row| row.key.asker.client() == client.name);
                own.filter(|row| budget.per.has(&row.key.day, &today)).map(|row| row.cost).sum::<Cost>()
            });
            ShownClient { client, spent_usd: spent.map(Cost::dollars) }
        });
        Ok(shown.collect())
    }

    /// Makes a client. The token is told here and never again; the client is kept when this returns.
    ///
    /// # Errors
    /// It can't be one, there is one of its name, or it can't be kept.
    pub async fn add(&self, new: NewClient) -> Result<(Client, SecretString), ClientError> {
        let NewClient { name, models, requests_per_minute, budget } = new;
        name::check(&name)?;
        name::check_models(&models)?;
        let (token, id, digest) = token::make();
        let created = whole_seconds(SystemTime::now());
        let kept = Kept { id, digest, models, requests_per_minute, budget, created };
        let _one_at_a_time = self.0.changing.lock().await;
        if self.known().contains_key(&name) {
            return Err(ClientError::Taken);
        }
        if let Some(store) = &self.0.store {
            store.put(&CLIENTS, &name, &kept).await.map_err(ClientError::NotKept)?;
        }
        self.0.budgets.set(&name, budget);
        let known = Known::new(&name, kept);
        let shown = known.shown(&self.0.budgets);
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
        self.0.budgets.set(name, None);
        Ok(())
    }

    /// Sets what a client's answers may cost from now on, whatever they like if it is not said. What was spent before
    /// counts.
    ///
    /// # Errors
    /// There is no such client, or it can't be kept: then the old budget holds.
    pub async fn set_budget(&self, name: &str, budget: Option<SpendBudget>) -> Result<Client, ClientError> {
        let _one_at_a_time = self.0.changing.lock().await;
        let known = self.known().get(name).cloned().ok_or(ClientError::NotFound)?;
        if let Some(store) = &self.0.store {
            let kept = Kept { budget, ..known.kept.clone() };
            store.put(&CLIENTS, &name.to_owned(), &kept).await.map_err(ClientError::NotKept)?;
        }
        self.0.budgets.set(name, budget);
        Ok(known.shown(&self.0.budgets))
    }

    /// What they may spend.
    pub(crate) fn budgets(&self) -> &Budgets {
        &self.0.budgets
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
