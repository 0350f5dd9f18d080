//! What can't be done about credentials, and why.

use greenroom_actors::{Unavailable, VaultError, store::StoreError};
use greenroom_providers::auth::TokenError;

use super::{keyring::KeyringError, sealing_key::SealingKeyError};
use crate::{ChatError, ErrorKind};

/// Why a credential was not added, removed or had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialsError {
    /// There is no provider of this name.
    #[error("there is no provider \"{name}\"")]
    UnknownProvider {
        /// The name.
        name: String,
        /// Those that there are.
        known: Vec<String>,
    },
    /// The provider wants no key.
    #[error("the provider \"{name}\" wants no key")]
    WantsNone {
        /// Its name.
        name: String,
    },
    /// This can't be the id of a profile.
    #[error("this can't be the id of a profile")]
    BadProfile,
    /// This can't be a key.
    #[error("this can't be a key")]
    BadKey,
    /// The configuration says the profile's key itself.
    #[error("the configuration has the key of the profile \"{profile}\" itself")]
    Written {
        /// The profile.
        profile: String,
    },
    /// Nothing was added under this name.
    #[error("nothing was added as \"{profile}\" of {provider}")]
    NotFound {
        /// The provider.
        provider: String,
        /// The profile.
        profile: String,
    },
    /// The provider does not take the key.
    #[error("{provider} does not take this key")]
    Refused {
        /// The provider.
        provider: String,
        /// What it said.
        source: Box<ChatError>,
    },
    /// The provider can't be set up as it is configured.
    #[error("the provider \"{provider}\" can't be set up")]
    Provider {
        /// The provider.
        provider: String,
        /// Why.
        source: Box<ChatError>,
    },
    /// The configuration does not say how somebody logs in.
    #[error("nothing says how to log in at {provider}")]
    NoLogin {
        /// The provider.
        provider: String,
    },
    /// The login failed.
    #[error("the login failed")]
    Login(#[source] TokenError),
    /// Another login of the profile is under way, or none is, where there would have to be one.
    #[error("{what}")]
    Flow {
        /// Which of them.
        what: &'static str,
        /// One line on what to do.
        hint: &'static str,
    },
    /// The keyring is not to be had.
    #[error("the keyring can't be used")]
    Keyring(#[source] KeyringError),
    /// The sealing key is not to be had.
    #[error("the sealing key can't be had")]
    SealingKey(#[source] SealingKeyError),
    /// The passphrase that the sealing key is made from can't be had.
    #[error("the passphrase of [credentials] can't be had")]
    Passphrase(#[source] Box<greenroom_config::SecretError>),
    /// The keyring has the key no more.
    #[error("the keyring has no entry {entry} any more")]
    Lost {
        /// The entry, of the service `greenroom`.
        entry: String,
    },
    /// What was sealed can't be opened.
    #[error("what is kept of it can't be opened")]
    Vault(#[source] VaultError),
    /// There is no place that outlives the process.
    #[error("there is nowhere to keep it: {reason}")]
    NoPlace {
        /// Why not.
        reason: String,
    },
    /// The store failed, and what was asked is not done.
    #[error("it can't be kept")]
    NotKept(#[source] StoreError),
    /// A part of greenroom is down.
    #[error("it is kept, but what runs can't be told of it")]
    Down(#[source] Unavailable),
}

impl CredentialsError {
    /// Which kind of error it is, in the words of a failed answer.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::UnknownProvider { .. } | Self::NotFound { .. } => ErrorKind::NotFound,
            Self::Refused { .. } => ErrorKind::Auth,
            Self::Login(error) => error.clone().into_chat().kind,
            Self::WantsNone { .. } | Self::BadProfile | Self::BadKey | Self::Written { .. } | Self::Flow { .. } => {
                ErrorKind::InvalidRequest
            }
            Self::NoLogin { .. } | Self::Provider { .. } | Self::NoPlace { .. } => ErrorKind::Config,
            Self::Passphrase(_) => ErrorKind::Config,
            Self::Keyring(_) | Self::SealingKey(_) | Self::Lost { .. } | Self::Vault(_) | Self::NotKept(_) => {
                ErrorKind::Server
            }
            Self::Down(_) => ErrorKind::Overloaded,
        }
    }

    /// One line on what to do.
    pub fn hint(&self) -> String {
        match self {
            Self::UnknownProvider { known, .. } => {
                format!("there are {}; another needs a table in the configuration file", known.join(", "))
            }
            Self::WantsNone { .. } => "there is nothing to add".to_owned(),
            Self::BadProfile => "use 1 to 64 characters without spaces, slashes and control characters".to_owned(),
            Self::BadKey => "give the key alone, as one line of text".to_owned(),
            Self::Written { .. } => {
                "choose another with --profile, or take its key out of the configuration file".to_owned()
            }
            Self::NotFound { .. } => "`greenroom auth list` lists what there is".to_owned(),
            Self::Refused { .. } => "check the key; --no-verify adds it all the same".to_owned(),
            Self::Provider { source, .. } => {
                source.details.hint.clone().unwrap_or_else(|| "run `greenroom config check`".to_owned())
            }
            Self::NoLogin { provider } => format!(
                "say it in [providers.{provider}]: oauth = {{ preset = …, client_id = … }}; `greenroom auth add {provider}` adds a key"
            ),
            Self::Login(error) => error.hint().to_owned(),
            Self::Flow { hint, .. } => (*hint).to_owned(),
            Self::Keyring(error) => error.hint().to_owned(),
            Self::SealingKey(error) => error.hint().to_string(),
            Self::Passphrase(_) => "check credentials.passphrase in the configuration file".to_owned(),
            Self::Lost { .. } => "add the key anew with `greenroom auth add`".to_owned(),
            Self::Vault(error) => error.hint().to_owned(),
            Self::NoPlace { .. } => "name a data directory that can be written (--data-dir)".to_owned(),
            Self::NotKept(error) => error.hint().to_owned(),
            Self::Down(_) => "start greenroom anew".to_owned(),
        }
    }
}
