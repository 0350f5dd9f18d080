//! What lets a profile in.

use secrecy::{ExposeSecret, SecretString};
use url::Url;

/// One profile's credential. Its `Debug` shows no secret.
#[derive(Debug, Clone)]
pub enum Credential {
    /// Nothing is needed, as for a local server.
    None,
    /// A key, sent as the provider wants it.
    Key(SecretString),
    /// A token of a login or of a service account, sent as a bearer token whatever the provider's wire.
    Token(AccessToken),
}

/// What a token source gave: sent as `Authorization: Bearer`. Its `Debug` shows no secret.
#[derive(Debug, Clone)]
pub struct AccessToken {
    /// The token itself.
    pub token: SecretString,
    /// The account that it is for, where the provider wants that named.
    pub account: Option<String>,
    /// The address that it is good for, in place of the configured one.
    pub base: Option<Url>,
}

impl Credential {
    /// The secret's text, for signing a request and for nothing else.
    pub(crate) fn expose(&self) -> Option<&str> {
        match self {
            Self::None => None,
            Self::Key(key) => Some(key.expose_secret()),
            Self::Token(token) => Some(token.token.expose_secret()),
        }
    }

    /// The account that it is for, where the provider wants that named.
    pub(crate) fn account(&self) -> Option<&str> {
        match self {
            Self::None | Self::Key(_) => None,
            Self::Token(token) => token.account.as_deref(),
        }
    }

    /// The address that it is good for, where that isn't the provider's configured one.
    pub(crate) fn base(&self) -> Option<&Url> {
        match self {
            Self::None | Self::Key(_) => None,
            Self::Token(token) => token.base.as_ref(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_debug_shows_a_secret() {
        let token = AccessToken { token: "sentinel-token".into(), account: Some("acct".into()), base: None };
        for shown in [
            format!("{:?}", Credential::Key("sentinel-key".into())),
            format!("{token:?}"),
            format!("{:?}", Credential::Token(token)),
        ] {
            assert!(!shown.contains("sentinel"), "{shown}");
        }
    }
}
