//! What lets a profile in.

use secrecy::{ExposeSecret, SecretString};

/// One profile's credential. Its `Debug` shows no secret.
#[derive(Debug, Clone)]
pub enum Credential {
    /// Nothing is needed, as for a local server.
    None,
    /// A key, sent as the provider wants it.
    Key(SecretString),
}

impl Credential {
    /// The secret's text, for signing a request and for nothing else.
    pub(crate) fn expose(&self) -> Option<&str> {
        match self {
            Self::None => None,
            Self::Key(key) => Some(key.expose_secret()),
        }
    }
}
