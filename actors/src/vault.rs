//! Secrets at rest: sealed before they come to the store, so that nobody who reads the store has them.
//!
//! AES-256-GCM with a random nonce each. What is sealed is bound to its place: moved to another it can't be opened.

use std::{fmt, sync::Arc};

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use secrecy::zeroize::Zeroizing;
use serde::{Deserialize, Serialize};

use crate::store::{Store, StoreError};

/// Bytes of a sealing key.
pub const SEALING_KEY_BYTES: usize = 32;

/// A store, and the key that what is secret in it is sealed by. Clones are the same.
#[derive(Clone)]
pub struct Vault {
    store: Store,
    key: Arc<RandomizedNonceKey>,
}

/// Something secret as it may be kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sealed(String);

/// Why a vault did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    /// It was sealed by another key, for another place, or is damaged.
    #[error("it can't be opened with this sealing key")]
    Unreadable,
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
}

impl VaultError {
    /// One line on what to do.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Unreadable => "give greenroom the sealing key or passphrase that it had, or add or log in anew",
            Self::Store(_) => "`greenroom providers status` says how the store is",
        }
    }
}

impl Vault {
    /// A vault in this store.
    pub fn new(store: Store, key: &[u8; SEALING_KEY_BYTES]) -> Self {
        let key = RandomizedNonceKey::new(&AES_256_GCM, key).expect("a key of this cipher has 32 bytes");
        Self { store, key: Arc::new(key) }
    }

    /// Where it keeps what is sealed.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Seals a secret for the place of this name.
    pub fn seal(&self, place: &str, secret: &[u8]) -> Sealed {
        let mut bytes = Zeroizing::new(secret.to_vec());
        let nonce = self.key.seal_in_place_append_tag(Aad::from(place), &mut *bytes).expect("no secret is that long");
        let mut sealed = nonce.as_ref().to_vec();
        sealed.extend_from_slice(&bytes);
        Sealed(BASE64.encode(sealed))
    }

    /// Opens what was sealed for the place of this name.
    ///
    /// # Errors
    /// [`VaultError::Unreadable`].
    pub fn open(&self, place: &str, sealed: &Sealed) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let bytes = BASE64.decode(&sealed.0).map_err(|_| VaultError::Unreadable)?;
        let (nonce, text) = bytes.split_at_checked(NONCE_LEN).ok_or(VaultError::Unreadable)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| VaultError::Unreadable)?;
        let mut text = Zeroizing::new(text.to_vec());
        let length =
            self.key.open_in_place(nonce, Aad::from(place), &mut text).map_err(|_| VaultError::Unreadable)?.len();
        text.truncate(length);
        Ok(text)
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vault(key: u8) -> Vault {
        Vault::new(Store::temporary("a test").unwrap(), &[key; SEALING_KEY_BYTES])
    }

    #[tokio::test]
    async fn what_is_sealed_is_opened_by_its_key_in_its_place_and_nowhere_else() {
        let ours = vault(1);
        let sealed = ours.seal("lab/home", b"sk-planted");
        assert_eq!(ours.open("lab/home", &sealed).unwrap().as_slice(), b"sk-planted");
        assert_eq!(ours.open("lab/work", &sealed), Err(VaultError::Unreadable));
        assert_eq!(vault(2).open("lab/home", &sealed), Err(VaultError::Unreadable));
        assert!(!format!("{sealed:?} {ours:?}").contains("planted"));
        assert_ne!(ours.seal("lab/home", b"sk-planted"), sealed, "each has a nonce of its own");
        assert_eq!(ours.open("", &ours.seal("", b"")).unwrap().as_slice(), b"");
    }

    #[tokio::test]
    async fn what_is_damaged_is_an_error() {
        let vault = vault(1);
        let Sealed(text) = vault.seal("p", b"secret");
        let mut bytes = BASE64.decode(&text).unwrap();
        for at in 0..bytes.len() {
            bytes[at] ^= 1;
            assert_eq!(vault.open("p", &Sealed(BASE64.encode(&bytes))), Err(VaultError::Unreadable));
            bytes[at] ^= 1;
        }
        for bad in ["", "AA==", "%", &BASE64.encode([0; NONCE_LEN])] {
            assert_eq!(vault.open("p", &Sealed(bad.to_owned())), Err(VaultError::Unreadable));
        }
    }
}
