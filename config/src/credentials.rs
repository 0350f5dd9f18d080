//! `[credentials]`: where greenroom keeps what is added to it.

use serde::Serialize;

use crate::SecretReference;

/// `[credentials]`.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Credentials {
    /// Where added keys lie, and the key that seals what lies in the data directory.
    pub store: CredentialStore,
    /// What that key is made from, in place of one that lies somewhere.
    pub passphrase: Option<SecretReference>,
}

/// Where added keys lie, and the key that seals what lies in the data directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CredentialStore {
    /// In the system's keyring where there is one, else in the data directory.
    #[default]
    Auto,
    /// In the system's keyring.
    Keyring,
    /// In the data directory.
    File,
}

impl CredentialStore {
    /// The words for it.
    pub const WORDS: [(&'static str, Self); 3] =
        [("auto", Self::Auto), ("keyring", Self::Keyring), ("file", Self::File)];
}
