//! What lets in without a key and without anybody who logs in.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;
use serde::ser::Serializer;
use url::Url;

use crate::secret::expand;
use crate::{Environment, SecretReference};

/// Who a profile is at its provider, where tokens are asked for in that name as they are needed.
#[derive(Debug, Clone, PartialEq)]
pub enum Identity {
    /// `google_credentials`: Google's application default credentials, or those of one file.
    GoogleCredentials(GoogleCredentials),
    /// `entra`: an application of Microsoft Entra ID.
    Entra(Entra),
}

/// Where Google's credentials are: a service account's key, a user's own, or an impersonation.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum GoogleCredentials {
    /// Wherever Google's own programs look: the file of `GOOGLE_APPLICATION_CREDENTIALS`, that of `gcloud`, the metadata
    /// server.
    #[default]
    Default,
    /// In this file; one that starts with `~/` is below the home directory.
    File(PathBuf),
}

impl GoogleCredentials {
    /// The file that has to be there, `~` expanded: the one that was written, or that a variable names.
    #[must_use]
    pub fn named_file(&self, environment: &Environment) -> Option<PathBuf> {
        match self {
            Self::File(path) => Some(expand(path, environment)),
            Self::Default => environment.path("GOOGLE_APPLICATION_CREDENTIALS"),
        }
    }
}

/// Where `gcloud` keeps the credentials of who uses this machine; the file need not be there.
#[must_use]
pub fn gcloud_credentials(environment: &Environment) -> Option<PathBuf> {
    let own = environment.path("CLOUDSDK_CONFIG");
    let usual = || match cfg!(windows) {
        true => environment.path("APPDATA").map(|data| data.join("gcloud")),
        false => environment.home().map(|home| home.join(".config").join("gcloud")),
    };
    own.or_else(usual).map(|directory| directory.join("application_default_credentials.json"))
}

/// An application of a tenant.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Entra {
    /// The tenant's id or its domain.
    pub tenant: String,
    /// The application's id.
    pub client_id: String,
    /// Its secret.
    pub client_secret: SecretReference,
    /// What is asked for; `None` is what Azure's models want.
    pub scope: Option<String>,
    /// Where Entra ID is, for national clouds; `None` is where it usually is.
    #[serde(serialize_with = "serialize_url")]
    pub authority: Option<Url>,
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::GoogleCredentials(GoogleCredentials::Default) => f.write_str("google_credentials"),
            Self::GoogleCredentials(GoogleCredentials::File(path)) => write!(f, "file:{}", path.display()),
            Self::Entra(entra) => write!(f, "entra:{}", entra.client_id),
        }
    }
}

impl Serialize for GoogleCredentials {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Default => serializer.serialize_str("default"),
            Self::File(path) => serializer.collect_str(&format_args!("file:{}", path.display())),
        }
    }
}

fn serialize_url<S: Serializer>(url: &Option<Url>, serializer: S) -> Result<S::Ok, S::Error> {
    url.as_ref().map(Url::as_str).serialize(serializer)
}
