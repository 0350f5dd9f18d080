//! What works, and deserves a second look.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::Origin;
use crate::resolve::CredentialError;

/// Something that works and that the person should know of. `Display` is one line; [`Warning::hint`] is what to do.
#[derive(Debug, Clone)]
pub struct Warning {
    /// What it is about: branch on this, never on the text.
    pub kind: WarningKind,
    /// Where it was written.
    pub origin: Origin,
    /// The setting's path, such as `providers.lab.key`.
    pub path: String,
    /// One line on what to do.
    pub hint: Option<String>,
}

/// The kinds of [`Warning`].
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum WarningKind {
    /// A secret stands in the configuration itself.
    #[error("a secret written out")]
    LiteralSecret,
    /// A secret that cannot be had right now; its profile can't serve.
    #[error("{0}: {cause}", cause = .0.source)]
    SecretUnavailable(CredentialError),
    /// Other users of this machine can read a file that holds a secret.
    #[error("{path} can be read by other users (mode {mode:03o})", path = path.display())]
    ReadableByOthers {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The server can be reached from other machines.
    #[error("{listen} can be reached from other machines, and what is said there is not encrypted")]
    ListenBeyondLoopback {
        /// The address.
        listen: SocketAddr,
    },
    /// A key goes over the network unencrypted, because the person allowed it.
    #[error("the key is sent to {host} unencrypted")]
    InsecureTransport {
        /// Where it is sent.
        host: String,
    },
    /// A model whose prefix names no configured provider; it works only if some provider lists the whole as an id.
    #[error("\"{model}\" names no configured provider")]
    UnknownProvider {
        /// As it was written.
        model: String,
    },
    /// A name that is nearly an alias and nothing else that is known.
    #[error("\"{model}\" is neither an alias nor a model that is known here")]
    UnknownModel {
        /// As it was written.
        model: String,
    },
    /// An alias that is never reached, since a provider's model of that name goes first.
    #[error("the alias is never used: \"{alias}\" is read as a model of the provider \"{provider}\"")]
    ShadowedAlias {
        /// The alias.
        alias: String,
        /// The provider that it is read as.
        provider: String,
    },
    /// A setting that has no effect beside another one.
    #[error("this has no effect: {because}")]
    NoEffect {
        /// Why not.
        because: String,
    },
}

impl Warning {
    /// One line on what to do, where there is something to do.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What was set in code has no place that a person could go to.
        if self.origin != Origin::BuiltIn {
            write!(f, "{}: ", self.origin)?;
        }
        write!(f, "{}: {}", self.path, self.kind)
    }
}
