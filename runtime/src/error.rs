//! What can go wrong with a runtime as a whole; a failed answer is a [`ChatError`](crate::ChatError), and what a session
//! does not do a [`SessionError`](crate::SessionError).

use greenroom_actors::{
    Unavailable,
    store::{OpenError, StoreError},
};
use greenroom_config::CredentialError;

/// A runtime that could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No provider has what it takes to be used.
    #[error("no provider can be used")]
    NoProvider(#[source] CredentialError),
    /// No provider has what it takes to be used, and the first lacks what was added for it.
    #[error("no provider can be used: {message}")]
    NoCredential {
        /// What it lacks.
        message: String,
        /// One line on what to do.
        hint: String,
    },
    /// A provider can't be what was written.
    #[error("the provider \"{provider}\" can't be set up")]
    Provider {
        /// Its configured name.
        provider: String,
        /// Why.
        source: crate::ChatError,
    },
    /// There are no settings, or none with a provider.
    #[error("no provider is configured")]
    NoSettings,
    /// The store of the data directory can't be opened: [`Held`](OpenError::Held) by another runtime, of a later version,
    /// or damaged. One that can't be written is no error but a store in memory.
    #[error("the data directory can't be used")]
    Store(#[source] OpenError),
    /// The store does not keep what it is to keep.
    #[error("what was changed is not kept")]
    NotKept(#[source] StoreError),
    /// The store does not say who may come in.
    #[error("the clients can't be read")]
    Clients(#[source] StoreError),
    /// The store does not say what was added beside the configuration.
    #[error("the credentials can't be read")]
    Credentials(#[source] StoreError),
    /// The tree of actors did not start.
    #[error("the actors did not start")]
    Actors(#[source] greenroom_actors::StartError),
}

impl StartError {
    /// One line on what to do.
    pub fn hint(&self) -> String {
        match self {
            Self::NoProvider(error) => error.hint(),
            Self::NoCredential { hint, .. } => hint.clone(),
            Self::Provider { source, .. } => {
                source.details.hint.clone().unwrap_or_else(|| "run `greenroom config check`".to_owned())
            }
            Self::Store(error) => error.hint(),
            Self::NotKept(error) | Self::Clients(error) | Self::Credentials(error) => error.hint().to_owned(),
            Self::NoSettings => "give the builder settings, or have it take them from the process".to_owned(),
            Self::Actors(_) => "this is a fault of greenroom's: please report it".to_owned(),
        }
    }
}

/// What a runtime can't do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A part of it is down.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}
