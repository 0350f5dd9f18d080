//! Where the secrets of what was added are: in the system's keyring, or sealed in the store.
//!
//! Nothing is opened before it is needed: whoever has added nothing is never asked to unlock a keyring.

use std::path::PathBuf;

use greenroom_actors::{
    Sealed, Vault,
    store::{Health, Store},
};
use greenroom_config::{CredentialStore, Environment, Settings};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::OnceCell;

use super::{
    added::{KeptSecret, Own},
    error::CredentialsError,
    keyring::{Keyring, KeyringError, KeyringErrorKind},
    lookup::look_up,
    sealing_key::{KeyArgs, sealing_key},
};

/// The keyring and the sealing key of a data directory.
#[derive(Debug)]
pub(super) struct Secrets {
    wanted: CredentialStore,
    passphrase: Option<greenroom_config::SecretReference>,
    environment: Environment,
    place: Option<(PathBuf, Store)>,
    keyring: OnceCell<Keyring>,
    vault: OnceCell<Vault>,
}

impl Secrets {
    pub(super) fn new(settings: &Settings, environment: Environment, place: Option<(PathBuf, Store)>) -> Self {
        let config = &settings.credentials;
        Self {
            wanted: config.store,
            passphrase: config.passphrase.clone(),
            environment,
            place,
            keyring: OnceCell::new(),
            vault: OnceCell::new(),
        }
    }

    /// Whether there is a place that outlives the process.
    pub(super) fn place(&self) -> Result<&(PathBuf, Store), CredentialsError> {
        let no_place = |reason: &str| CredentialsError::NoPlace { reason: reason.to_owned() };
        let place = self.place.as_ref().ok_or_else(|| no_place("there is no data directory"))?;
        match place.1.health() {
            Health::Temporary(reason) => Err(no_place(&reason)),
            _ => Ok(place),
        }
    }

    async fn keyring(&self) -> Result<Keyring, KeyringError> {
        self.keyring.get_or_try_init(|| Keyring::open(Keyring::LIMIT)).await.cloned()
    }

    /// What seals; its key is made if there never was one.
    pub(super) async fn vault(&self) -> Result<Vault, CredentialsError> {
        self.vault.get_or_try_init(|| self.open_vault()).await.cloned()
    }

    async fn open_vault(&self) -> Result<Vault, CredentialsError> {
        let (data_dir, store) = self.place()?;
        let passphrase = match &self.passphrase {
            Some(reference) => {
                let environment = look_up([reference], self.environment.clone()).await;
                Some(reference.resolve(&environment).map_err(|source| CredentialsError::Passphrase(Box::new(source)))?)
            }
            None => None,
        };
        let keyring = match (self.wanted, &passphrase) {
            (CredentialStore::File, _) | (_, Some(_)) => Err(KeyringError::not_asked()),
            _ => self.keyring().await,
        };
        let args = KeyArgs { data_dir, store: self.wanted, passphrase, keyring };
        let (key, place) = sealing_key(args).await.map_err(CredentialsError::SealingKey)?;
        tracing::debug!(?place, "the sealing key is had");
        Ok(Vault::new(store.clone(), key.expose_secret()))
    }

    /// Puts a key where it is to be. With it, what [`put_back`](Self::put_back) undoes that by.
    pub(super) async fn keep(&self, own: &Own, key: &SecretString) -> Result<(KeptSecret, Before), CredentialsError> {
        self.place()?;
        let wants_keyring = self.wanted != CredentialStore::File && self.passphrase.is_none();
        if wants_keyring {
            let set = async {
                let keyring = self.keyring().await?;
                let before = keyring.get(&entry(own)).await?;
                keyring.set(&entry(own), key).await?;
                Ok::<_, KeyringError>(before)
            };
            match set.await {
                Ok(before) => return Ok((KeptSecret::Keyring, Before::Entry(before))),
                // One that is there and does not open is somebody's to open.
                Err(error) if error.kind == KeyringErrorKind::None && self.wanted == CredentialStore::Auto => {}
                Err(error) => return Err(CredentialsError::Keyring(error)),
            }
        }
        let sealed = self.vault().await?.seal(&aad(own), key.expose_secret().as_bytes());
        Ok((KeptSecret::Sealed(sealed), Before::Untouched))
    }

    /// The key that was put there.
    pub(super) async fn key(&self, own: &Own, kept: &KeptSecret) -> Result<Option<SecretString>, CredentialsError> {
        match kept {
            KeptSecret::Keyring => {
                let keyring = self.keyring().await.map_err(CredentialsError::Keyring)?;
                let found = keyring.get(&entry(own)).await.map_err(CredentialsError::Keyring)?;
                found.map(Some).ok_or_else(|| CredentialsError::Lost { entry: entry(own) })
            }
            KeptSecret::Sealed(sealed) => self.open(own, sealed).await.map(Some),
            KeptSecret::Login { .. } => Ok(None),
        }
    }

    async fn open(&self, own: &Own, sealed: &Sealed) -> Result<SecretString, CredentialsError> {
        let bytes = self.vault().await?.open(&aad(own), sealed).map_err(CredentialsError::Vault)?;
        let text = std::str::from_utf8(&bytes);
        text.map(SecretString::from).map_err(|_| CredentialsError::Vault(greenroom_actors::VaultError::Unreadable))
    }

    /// Removes a key from where it is, as far as that is not the store. What [`put_back`](Self::put_back) undoes that by.
    pub(super) async fn forget(&self, own: &Own, kept: &KeptSecret) -> Result<Before, CredentialsError> {
        if *kept != KeptSecret::Keyring {
            return Ok(Before::Untouched);
        }
        let removed = async {
            let keyring = self.keyring().await?;
            let before = keyring.get(&entry(own)).await?;
            keyring.remove(&entry(own)).await?;
            Ok(before)
        };
        match removed.await {
            Ok(before) => Ok(Before::Entry(before)),
            // Where there is no keyring any more there is no entry either.
            Err(KeyringError { kind: KeyringErrorKind::None, .. }) => Ok(Before::Untouched),
            Err(error) => Err(CredentialsError::Keyring(error)),
        }
    }

    /// Has the keyring as it was, where the store did not take what was to go with it.
    pub(super) async fn put_back(&self, own: &Own, before: Before) {
        let Before::Entry(before) = before else { return };
        let put = async {
            let keyring = self.keyring().await?;
            match &before {
                Some(key) => keyring.set(&entry(own), key).await,
                None => keyring.remove(&entry(own)).await.map(drop),
            }
        };
        if let Err(error) = put.await {
            tracing::warn!("the entry {} of the keyring is not as it was: {error}", entry(own));
        }
    }
}

/// What the keyring had before something was done there.
#[derive(Debug)]
pub(super) enum Before {
    /// Nothing was done.
    Untouched,
    /// This entry, or none.
    Entry(Option<SecretString>),
}

/// The entry's name in the keyring.
fn entry((provider, profile): &Own) -> String {
    format!("{provider}/{profile}")
}

fn aad((provider, profile): &Own) -> String {
    format!("key:{provider}/{profile}")
}
