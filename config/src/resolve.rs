//! From the references of a provider to its secrets.

use std::fmt;

use secrecy::SecretString;

use crate::discovery::AWS_REGION;
use crate::provider::{Header, Kind, Profile, ProfileKey, Provider};
use crate::{CommandFailure, Environment, Identity, SecretError, Settings};

/// A secret that can't be had. Its `source()` says why.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{}", self.what())]
pub struct CredentialError {
    /// The provider's name; empty where it is none's.
    pub provider: String,
    /// What the secret is for.
    pub credential: Credential,
    /// Why it can't be had; names where it should be.
    pub source: SecretError,
}

impl CredentialError {
    /// That a provider has neither a profile that was written nor one that was added.
    #[must_use]
    pub fn none_for(provider: &Provider) -> Self {
        provider.failed(Credential::Any, provider.not_added())
    }

    fn what(&self) -> String {
        let Self { provider, credential, .. } = self;
        match credential {
            Credential::Any => format!("no credential for the provider \"{provider}\""),
            Credential::Passphrase => format!("no secret for {credential}"),
            _ => format!("no secret for {credential} of the provider \"{provider}\""),
        }
    }

    /// One line on what to do.
    #[must_use]
    pub fn hint(&self) -> String {
        match &self.source {
            SecretError::NotSet { variable } => format!("set it where greenroom is started: export {variable}=…"),
            SecretError::Unreadable { .. } => "check the path, and that this user may read it".to_owned(),
            SecretError::Empty { .. } | SecretError::NotOneLine { .. } => "put the key alone there".to_owned(),
            SecretError::NotLookedUp { .. } => "give the environment what the keyring has there".to_owned(),
            SecretError::NoEntry { entry } => {
                format!("put it there as an entry of the service \"greenroom\" and the user \"{entry}\"")
            }
            SecretError::Keyring { hint, .. } => hint.clone(),
            SecretError::Command { source: CommandFailure::NotStarted(_), .. } => {
                "check the name of the program, and that it is in PATH".to_owned()
            }
            SecretError::Command { .. } => "run it by hand where greenroom is started, and see what it says".to_owned(),
            SecretError::NotAdded { variable, login } => self.add(*variable, *login),
        }
    }

    fn add(&self, variable: Option<&str>, login: bool) -> String {
        let name = match &self.credential {
            Credential::Profile(id) => format!("{}/{id}", self.provider),
            _ => self.provider.clone(),
        };
        let add = match login {
            true => format!("`greenroom auth login {name}` logs in, `greenroom auth add {name}` adds a key"),
            false => format!("`greenroom auth add {name}` adds a key"),
        };
        match variable {
            Some(variable) => format!("{add}, or set key = \"env:{variable}\""),
            None => add,
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
    /// The secret of the client that logs in.
    Client,
    /// The passphrase of what is sealed.
    Passphrase,
    /// Any profile at all.
    Any,
}

impl fmt::Display for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Profile(id) => write!(f, "the profile \"{id}\""),
            Self::Header(name) => write!(f, "the header \"{name}\""),
            Self::Client => f.write_str("the client of \"oauth\""),
            Self::Passphrase => f.write_str("the passphrase of [credentials]"),
            Self::Any => f.write_str("any profile"),
        }
    }
}

impl Provider {
    /// The AWS region: what was written, or what the usual variables say. What AWS's own configuration says is not read here.
    #[must_use]
    pub fn aws_region<'a>(&'a self, environment: &'a Environment) -> Option<&'a str> {
        let from_variables = || AWS_REGION.into_iter().find_map(|variable| environment.text(variable));
        self.region.as_deref().or_else(from_variables)
    }

    /// The profile of AWS's own configuration: what was written, or what the usual variable says.
    #[must_use]
    pub fn aws_profile<'a>(&'a self, environment: &'a Environment) -> Option<&'a str> {
        self.aws_profile.as_deref().or_else(|| environment.text("AWS_PROFILE"))
    }

    /// The key of one of this provider's profiles; `None` where the profile has none. What was added is not known here.
    ///
    /// # Errors
    ///
    /// [`CredentialError`] names the provider, the profile, and the place that doesn't have it.
    pub fn key(&self, profile: &Profile, environment: &Environment) -> Result<Option<SecretString>, CredentialError> {
        let failed = |source| self.failed(Credential::Profile(profile.id.clone()), source);
        match &profile.key {
            ProfileKey::None => Ok(None),
            ProfileKey::Reference(reference) => reference.resolve(environment).map(Some).map_err(failed),
            ProfileKey::Added => Err(failed(self.not_added())),
            // What it has instead is asked for elsewhere, by a secret that has to be there.
            ProfileKey::Identity(Identity::Entra(entra)) => {
                entra.client_secret.resolve(environment).map(|_| None).map_err(failed)
            }
            ProfileKey::Identity(Identity::GoogleCredentials(_)) => Ok(None),
        }
    }

    /// The value of one of this provider's headers.
    ///
    /// # Errors
    ///
    /// [`CredentialError`] names the provider, the header, and the place that doesn't have it.
    pub fn header(&self, header: &Header, environment: &Environment) -> Result<SecretString, CredentialError> {
        let failed = |source| self.failed(Credential::Header(header.name.clone()), source);
        header.value.resolve(environment).map_err(failed)
    }

    /// The secret of the client that logs in; `None` where there is none.
    ///
    /// # Errors
    ///
    /// [`CredentialError`] names the provider, and the place that doesn't have it.
    pub fn client_secret(&self, environment: &Environment) -> Result<Option<SecretString>, CredentialError> {
        let reference = self.oauth.as_ref().and_then(|oauth| oauth.client_secret.as_ref());
        let resolved = reference.map(|reference| reference.resolve(environment)).transpose();
        resolved.map_err(|source| self.failed(Credential::Client, source))
    }

    fn not_added(&self) -> SecretError {
        let variable = match self.kind {
            Kind::Anthropic => Some("ANTHROPIC_API_KEY"),
            Kind::OpenAi => Some("OPENAI_API_KEY"),
            Kind::Azure => Some("AZURE_OPENAI_API_KEY"),
            Kind::Gemini => Some("GEMINI_API_KEY"),
            Kind::Bedrock => Some("AWS_BEARER_TOKEN_BEDROCK"),
            Kind::Copilot => Some("COPILOT_GITHUB_TOKEN"),
            Kind::OpenRouter => Some("OPENROUTER_API_KEY"),
            _ => None,
        };
        // With logins the variable is not what the person had in mind.
        let login = self.oauth.is_some();
        SecretError::NotAdded { variable: variable.filter(|_| !login), login }
    }

    fn failed(&self, credential: Credential, source: SecretError) -> CredentialError {
        CredentialError { provider: self.name.clone(), credential, source }
    }
}

impl Settings {
    /// The passphrase of what is sealed; `None` where there is none.
    ///
    /// # Errors
    ///
    /// [`CredentialError`] names the place that doesn't have it.
    pub fn passphrase(&self, environment: &Environment) -> Result<Option<SecretString>, CredentialError> {
        let resolved = self.credentials.passphrase.as_ref().map(|reference| reference.resolve(environment)).transpose();
        let credential = Credential::Passphrase;
        resolved.map_err(|source| CredentialError { provider: String::new(), credential, source })
    }
}
