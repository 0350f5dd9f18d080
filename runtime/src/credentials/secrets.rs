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

    /// Puts a key where it is to be.
    pub(super) async fn keep(&self, own: &Own, key: &SecretString) -> Result<KeptSecret, CredentialsError> {
        self.place()?;
        let wants_keyring = self.wanted != CredentialStore::File && self.passphrase.is_none();
        if wants_keyring {
            let set = match self.keyring().await {
                Ok(keyring) => keyring.set(&entry(own), key).await,
                Err(error) => Err(error),
            };
            match set {
                Ok(()) => return Ok(KeptSecret::Keyring),
                // One that is there and does not open is somebody's to open.
                Err(error) if error.kind == KeyringErrorKind::None && self.wanted == CredentialStore::Auto => {}
                Err(error) => return Err(CredentialsError::Keyring(error)),
            }
        }
        let sealed = self.vault().await?.seal(&aad(own), key.expose_secret().as_bytes());
        Ok(KeptSecret::Sealed(sealed))
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

    /// Removes a key from where it is, as far as that is not the store.
    pub(super) async fn forget(&self, own: &Own, kept: &KeptSecret) -> Result<(), CredentialsError> {
        if *kept == KeptSecret::Keyring {
            let keyring = self.keyring().await.map_err(CredentialsError::Keyring)?;
            keyring.remove(&entry(own)).await.map_err(CredentialsError::Keyring)?;
        }
        Ok(())
    }
}

/// The entry's name in the keyring.
fn entry((provider, profile): &Own) -> String {
    format!("{provider}/{profile}")
}

fn aad((provider, profile): &Own) -> String {
    format!("key:{provider}/{profile}")
}
