//! What is wrong with what was written.

use std::fmt;
use std::io;
use std::sync::Arc;

use crate::{Origin, Warning};

/// One thing that is wrong. `Display` is one line that begins with the place; [`ConfigError::hint`] is what to do.
#[derive(Debug, Clone)]
pub struct ConfigError {
    /// What is wrong: branch on this, never on the text.
    pub kind: ErrorKind,
    /// Where it was written.
    pub origin: Origin,
    /// The setting's path, such as `server.listen`; empty where a whole file is meant.
    pub path: String,
    /// One line on what to do.
    pub hint: Option<String>,
}

/// The kinds of [`ConfigError`].
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The file can't be read.
    #[error("the file cannot be read")]
    Unreadable(#[source] Arc<io::Error>),
    /// The file was named by a person and doesn't exist.
    #[error("there is no such file")]
    NoSuchFile,
    /// Not TOML.
    #[error("{message}")]
    Syntax {
        /// What the parser says, without any of the text.
        message: String,
    },
    /// A key that has no meaning here.
    #[error("unknown key \"{key}\"")]
    UnknownKey {
        /// As it was written.
        key: String,
        /// The key that was probably meant.
        suggestion: Option<String>,
    },
    /// Text where a number is wanted, and the like.
    #[error("expected {expected}, found {found}")]
    WrongType {
        /// What is wanted.
        expected: &'static str,
        /// What is there.
        found: &'static str,
    },
    /// The right type with a value that can't be meant.
    #[error("{} is not {expected}", .value.as_deref().unwrap_or("this"))]
    BadValue {
        /// The value, quoted; `None` where it might be a secret.
        value: Option<String>,
        /// What it should be.
        expected: String,
    },
    /// Something that has to be said and is not.
    #[error("\"{key}\" is missing")]
    Missing {
        /// The key.
        key: &'static str,
    },
    /// Two settings that can't both be meant.
    #[error("\"{one}\" and \"{other}\" cannot both be given")]
    Conflict {
        /// The one that this error points at.
        one: &'static str,
        /// The other.
        other: &'static str,
    },
    /// A name that has to be the only one of its kind.
    #[error("\"{name}\" is there twice")]
    Duplicate {
        /// The name.
        name: String,
    },
    /// A kind of provider that nobody knows.
    #[error("there is no kind of provider \"{kind}\"")]
    UnknownKind {
        /// As it was written.
        kind: String,
        /// The kinds that this version has.
        known: Vec<&'static str>,
    },
    /// A setting that has a meaning in greenroom, but not in this version.
    #[error("{what} is not supported by this version")]
    NotSupported {
        /// What is asked for.
        what: String,
    },
    /// A setting that means nothing for a provider of this kind.
    #[error("a provider of the kind \"{kind}\" has no \"{key}\"")]
    NotApplicable {
        /// The kind.
        kind: &'static str,
        /// The key.
        key: &'static str,
    },
    /// A setting that means nothing without another one.
    #[error("\"{key}\" means nothing without {without}")]
    MeansNothing {
        /// The key.
        key: &'static str,
        /// What it would need.
        without: &'static str,
    },
    /// A key would be sent unencrypted over a network.
    #[error("a key would be sent to {host} unencrypted")]
    InsecureTransport {
        /// Where it would be sent.
        host: String,
    },
    /// Tokens and conversations would go over a network unencrypted.
    #[error("other machines can reach {listen}, and what is said there, tokens too, would not be encrypted")]
    InsecureListen {
        /// Where it would be listened.
        listen: std::net::SocketAddr,
    },
    /// Aliases that lead back to themselves.
    #[error("these aliases lead in a circle: {}", .names.join(" -> "))]
    AliasCycle {
        /// The way round; the last is the first again.
        names: Vec<String>,
    },
    /// A model whose prefix names no configured provider, where none of them could list it as an id either.
    #[error("\"{model}\" names no configured provider")]
    UnknownProvider {
        /// As it was written.
        model: String,
    },
    /// A variable's name or a flag's path that names no setting.
    #[error("this does not name a setting")]
    BadPath,
}

impl ConfigError {
    /// One line on what to do, where there is something to do.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What was set in code has no place that a person could go to.
        if self.origin != Origin::BuiltIn {
            write!(f, "{}: ", self.origin)?;
        }
        // The key itself says enough where it is the key that is wrong.
        let says_its_place = matches!(self.kind, ErrorKind::UnknownKey { .. } | ErrorKind::BadPath);
        if !self.path.is_empty() && !says_its_place {
            write!(f, "{}: ", self.path)?;
        }
        write!(f, "{}", self.kind)
    }
}

impl std::error::Error for ConfigError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(&self.kind)
    }
}

/// Everything that is wrong, found in one go. Its `Display` has a line for each error, and one for its hint below it.
#[derive(Debug, Clone)]
pub struct Problems {
    /// What is wrong: in the file from its top, then in variables, then in flags; never empty.
    pub errors: Vec<ConfigError>,
    /// What would have been warned of.
    pub warnings: Vec<Warning>,
}

impl Problems {
    pub(crate) fn new(mut errors: Vec<ConfigError>, warnings: Vec<Warning>) -> Self {
        errors.sort_by_key(|error| error.origin.order());
        Self { errors, warnings }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.errors.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{error}")?;
            if let Some(hint) = error.hint() {
                write!(f, "\n  {hint}")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}
