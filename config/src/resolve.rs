//! From the references of a provider to its secrets.

use std::fmt;

use secrecy::SecretString;

use crate::provider::{Header, Profile, Provider};
use crate::{Environment, SecretError};

/// A secret of a provider that can't be had. Its `source()` says why.
#[derive(Debug, Clone, thiserror::Error)]
#[error("no secret for {credential} of the provider \"{provider}\"")]
pub struct CredentialError {
    /// The provider's name.
    pub provider: String,
    /// What the secret is for.
    pub credential: Credential,
    /// Why it can't be had; names the variable or the file.
    pub source: SecretError,
}

impl CredentialError {
    /// One line on what to do.
    #[must_use]
    pub fn hint(&self) -> String {
        match &self.source {
            SecretError::NotSet { variable } => format!("set it where greenroom is started: export {variable}=…"),
            SecretError::Unreadable { .. } => "check the path, and that this user may read it".to_owned(),
            SecretError::Empty { .. } | SecretError::NotOneLine { .. } => "put the key alone there".to_owned(),
        }
    }
}

/// What a secret is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// The key of the profile with this id.
    Profile(String),
    /// The value of the header of this name.
    Header(String),
}

impl fmt::Display for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Profile(id) => write!(f, "the profile \"{id}\""),
            Self::Header(name) => write!(f, "the header \"{name}\""),
        }
    }
}

impl Provider {
    /// The key of one of this provider's profiles; `None` where the profile has none.
    ///
    /// # Errors
    ///
    /// [`CredentialError`] names the provider, the profile, and the variable or file that doesn't have it.
    pub fn key(&self, profile: &Profile, environment: &Environment) -> Result<Option<SecretString>, CredentialError> {
        let Some(reference) = &profile.key else { return Ok(None) };
        let failed = |source| self.failed(Credential::Profile(profile.id.clone()), source);
        reference.resolve(environment).map(Some).map_err(failed)
    }

    /// The value of one of this provider's headers.
    ///
    /// # Errors
    ///
    /// [`CredentialError`] names the provider, the header, and the variable or file that doesn't have it.
    pub fn header(&self, header: &Header, environment: &Environment) -> Result<SecretString, CredentialError> {
        let failed = |source| self.failed(Credential::Header(header.name.clone()), source);
        header.value.resolve(environment).map_err(failed)
    }

    fn failed(&self, credential: Credential, source: SecretError) -> CredentialError {
        CredentialError { provider: self.name.clone(), credential, source }
    }
}
