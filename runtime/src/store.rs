//! The store of a data directory: opened at the start, and how it is.

use std::{io, path::Path};

use greenroom_actors::store::{Durability, Health, OpenError, Store, StoreArgs};
use greenroom_config as config;
use serde::{Deserialize, Serialize};

use crate::StartError;

/// Below the data directory.
pub(crate) const NAME: &str = "store";

/// How what a runtime keeps is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreState {
    /// In a word.
    pub state: StoreKind,
    /// Why it isn't kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// How a store is, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StoreKind {
    /// What is to be kept is kept.
    Ok,
    /// There is none: nobody named a data directory.
    None,
    /// It is in memory, since the data directory could not be written at the start.
    Temporary,
    /// The last write failed. The next ones try again.
    Degraded,
}

impl StoreKind {
    /// The word that stands for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::None => "none",
            Self::Temporary => "temporary",
            Self::Degraded => "degraded",
        }
    }
}

impl StoreState {
    pub(crate) fn of(store: Option<&Store>) -> Self {
        let state = |state, reason, hint| Self { state, reason, hint };
        match store.map(Store::health) {
            None => state(StoreKind::None, None, None),
            Some(Health::Good) => state(StoreKind::Ok, None, None),
            Some(Health::Temporary(reason)) => {
                let hint = "let greenroom write in its data directory, and start it again".to_owned();
                state(StoreKind::Temporary, Some(reason.to_string()), Some(hint))
            }
            Some(Health::Degraded(fault)) => {
                state(StoreKind::Degraded, Some(fault.to_string()), Some(fault.hint().to_owned()))
            }
        }
    }
}

/// Opens the store of a data directory, which is made if it isn't there. Where it can't be written, the store is one in
/// memory.
pub(crate) async fn open(data_dir: &Path, durability: config::Durability) -> Result<Store, StartError> {
    let dir = data_dir.join(NAME);
    let made = make_dir(data_dir).map_err(|source| OpenError::Unwritable { path: data_dir.to_owned(), source });
    let opened = match made {
        Ok(()) => Store::open(StoreArgs { dir, durability: durable(durability) }).await,
        Err(error) => Err(error),
    };
    match opened {
        Ok(store) => Ok(store),
        Err(OpenError::Unwritable { path, source }) => {
            let reason = format!("{} can't be written: {source}", path.display());
            Store::temporary(reason).map_err(|source| StartError::Store(OpenError::Unwritable { path, source }))
        }
        Err(error) => Err(StartError::Store(error)),
    }
}

fn durable(durability: config::Durability) -> Durability {
    match durability {
        config::Durability::Process => Durability::Process,
        config::Durability::Power => Durability::Power,
    }
}

/// Whether a data directory has a store.
pub fn has_store(data_dir: &Path) -> bool {
    data_dir.join(NAME).exists()
}

/// Saves what can be read of a damaged store into a new one; the old one stays beside it. `None` if nothing is wrong with
/// it, or there is none. It blocks.
///
/// # Errors
/// Why nothing was done.
pub fn repair_store(data_dir: &Path) -> Result<Option<greenroom_actors::store::Repaired>, OpenError> {
    greenroom_actors::store::repair(&data_dir.join(NAME))
}

/// Opens the store of a data directory if it has one.
pub(crate) async fn open_existing(
    data_dir: &Path,
    durability: config::Durability,
) -> Result<Option<Store>, StartError> {
    if !has_store(data_dir) {
        return Ok(None);
    }
    let args = StoreArgs { dir: data_dir.join(NAME), durability: durable(durability) };
    Store::open(args).await.map(Some).map_err(StartError::Store)
}

/// Opens the store of a data directory, or makes it; no other stands in for one that can't be had.
pub(crate) async fn open_or_make(data_dir: &Path, durability: config::Durability) -> Result<Store, StartError> {
    let unwritable = |source| StartError::Store(OpenError::Unwritable { path: data_dir.to_owned(), source });
    make_dir(data_dir).map_err(unwritable)?;
    let args = StoreArgs { dir: data_dir.join(NAME), durability: durable(durability) };
    Store::open(args).await.map_err(StartError::Store)
}

/// Clears the marks that are kept of these providers, where no runtime has the store open. Where there is no store, there
/// are none.
///
/// # Errors
/// The store can't be opened, or the marks are still there.
pub async fn reset_at_rest(
    data_dir: &Path,
    durability: config::Durability,
    providers: &[String],
) -> Result<(), StartError> {
    let Some(store) = open_existing(data_dir, durability).await? else { return Ok(()) };
    let mut outcome = Ok(());
    for provider in providers {
        outcome = outcome.and(greenroom_actors::reset_kept(&store, provider).await);
    }
    outcome.and(store.close().await).map_err(StartError::NotKept)
}

#[cfg(unix)]
pub(crate) fn make_dir(path: &Path) -> io::Result<()> {
    use std::{fs::DirBuilder, os::unix::fs::DirBuilderExt as _};

    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

#[cfg(not(unix))]
pub(crate) fn make_dir(path: &Path) -> io::Result<()> {
    std::fs::create_dir_all(path)
}
