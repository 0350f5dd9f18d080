//! Secrets as references.

use std::fmt;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use secrecy::zeroize::Zeroize;
use secrecy::{ExposeSecret, SecretString};
use serde::ser::{Serialize, Serializer};

use crate::Environment;
use crate::command::{self, CommandFailure};

/// No key is longer, in bytes; a path such as `/dev/zero` must not fill the memory.
pub(crate) const LARGEST: u64 = 64 << 10;

/// Where a secret is. Neither `Debug`, `Display` nor serialisation shows the secret of a literal.
#[derive(Clone)]
pub enum SecretReference {
    /// `env:NAME`: a variable.
    Environment {
        /// Its name.
        variable: String,
    },
    /// `file:PATH`: the text of a file, without white space around it.
    File {
        /// The path; one that starts with `~/` is below the home directory.
        path: PathBuf,
    },
    /// `keyring:ENTRY`: an entry of the system's keyring.
    Keyring {
        /// Its user, such as `anthropic/home`; the service is `greenroom`.
        entry: String,
    },
    /// `command:PROGRAM ARGS`: the line that a program prints.
    Command {
        /// The program and its arguments; never empty. A program that starts with `~/` is below the home directory.
        words: Vec<String>,
    },
    /// The secret itself stands in the configuration.
    Literal(SecretString),
}

/// A reference that can't be one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BadReference {
    NotACommand,
    UnknownScheme(&'static str),
    Empty,
}

/// Why a secret can't be had. No variant holds any of it.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum SecretError {
    /// The variable isn't set, or empty.
    #[error("the variable {variable} is not set")]
    NotSet {
        /// Its name.
        variable: String,
    },
    /// The file can't be read.
    #[error("cannot read {path}", path = path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: Arc<io::Error>,
    },
    /// There is nothing in it but white space.
    #[error("{place} is empty")]
    Empty {
        /// The variable, the file, the entry or the program.
        place: String,
    },
    /// It holds something that no header can carry: a line break, another control character, or what isn't UTF-8.
    #[error("{place} does not hold a single line of text")]
    NotOneLine {
        /// The variable, the file, the entry or the program.
        place: String,
    },
    /// Nobody has looked the entry up: the [`Environment`] does not have it.
    #[error("the keyring was not asked for {entry}")]
    NotLookedUp {
        /// The entry.
        entry: String,
    },
    /// The keyring has no such entry.
    #[error("the keyring has no entry {entry}")]
    NoEntry {
        /// The entry.
        entry: String,
    },
    /// The keyring doesn't give it.
    #[error("the keyring does not give {entry}")]
    Keyring {
        /// The entry.
        entry: String,
        /// Why not.
        source: Arc<dyn std::error::Error + Send + Sync>,
        /// One line on what to do.
        hint: String,
    },
    /// The program doesn't give it.
    #[error("the command {program} does not give it")]
    Command {
        /// The program, without its arguments.
        program: String,
        /// Why not.
        source: CommandFailure,
    },
    /// The profile is to have what was added under its id, or the provider any profile that was added, and there is none.
    #[error("none was added")]
    NotAdded {
        /// The variable that such a provider's key is usually in.
        variable: Option<&'static str>,
        /// Whether it is a login that is to be added.
        login: bool,
    },
}

impl SecretReference {
    /// Reads a reference; a relative `file:` starts from `directory`.
    pub(crate) fn parse(text: &str, directory: Option<&Path>) -> Result<Self, BadReference> {
        let text = text.trim();
        if text.is_empty() {
            return Err(BadReference::Empty);
        }
        let Some((scheme, rest)) = text.split_once(':') else { return Ok(Self::literal(text)) };
        match (scheme, rest.trim()) {
            ("env" | "file" | "keyring" | "command", "") => Err(BadReference::Empty),
            ("env", variable) => Ok(Self::Environment { variable: variable.to_owned() }),
            ("file", path) if path == "~" || path.starts_with("~/") => Ok(Self::File { path: path.into() }),
            ("file", path) => Ok(Self::File { path: directory.map_or_else(|| path.into(), |base| base.join(path)) }),
            ("keyring", entry) if entry.chars().any(char::is_control) => Err(BadReference::Empty),
            ("keyring", entry) => Ok(Self::Keyring { entry: entry.to_owned() }),
            ("command", command) => match command::words(command, directory) {
                Some(words) => Ok(Self::Command { words }),
                None => Err(BadReference::NotACommand),
            },
            // A slip in the scheme would otherwise be sent to the provider as if it were the key.
            _ => match crate::suggest::nearest(scheme, ["env", "file", "keyring", "command"]) {
                Some(meant) => Err(BadReference::UnknownScheme(meant)),
                None => Ok(Self::literal(text)),
            },
        }
    }

    fn literal(text: &str) -> Self {
        Self::Literal(SecretString::from(text))
    }

    /// Gets the secret. What was [looked up](Environment::looked_up) is given as it was found; a program that wasn't is run
    /// here, for which this waits up to ten seconds.
    ///
    /// # Errors
    ///
    /// [`SecretError`] where the variable, the file or the entry isn't there, the program fails, or there is nothing that
    /// could be a key.
    pub fn resolve(&self, environment: &Environment) -> Result<SecretString, SecretError> {
        if let Some(known) = environment.known(self) {
            return known.clone();
        }
        match self {
            Self::Environment { variable } => {
                let missing = || SecretError::NotSet { variable: variable.clone() };
                let value = environment.raw(variable).ok_or_else(missing)?;
                one_line(value.to_str(), format!("the variable {variable}"))
            }
            Self::File { path } => {
                let path = expand(path, environment);
                let mut bytes = read(&path)
                    .map_err(|source| SecretError::Unreadable { path: path.clone(), source: Arc::new(source) })?;
                let secret = one_line(std::str::from_utf8(&bytes).ok(), path.display().to_string());
                bytes.zeroize();
                secret
            }
            Self::Keyring { entry } => Err(SecretError::NotLookedUp { entry: entry.clone() }),
            Self::Command { words } => {
                let program = &words[0];
                let failed = |source| SecretError::Command { program: program.clone(), source };
                let printed = command::output(words, environment, command::LIMIT).map_err(failed)?;
                one_line(std::str::from_utf8(&printed).ok(), format!("what the command {program} printed"))
            }
            Self::Literal(secret) => one_line(Some(secret.expose_secret()), "the secret".to_owned()),
        }
    }

    /// The secret of an entry of the keyring, of what a keyring has there.
    ///
    /// # Errors
    ///
    /// [`SecretError`] where that can't be a key.
    pub fn of_entry(entry: &str, found: &SecretString) -> Result<SecretString, SecretError> {
        one_line(Some(found.expose_secret()), format!("the entry {entry} of the keyring"))
    }

    /// Whether it can't be had by a look at a variable or a small file: a person may be asked, or a program run.
    #[must_use]
    pub fn is_slow(&self) -> bool {
        matches!(self, Self::Keyring { .. } | Self::Command { .. })
    }

    /// The file that it is in, `~` expanded.
    pub(crate) fn file(&self, environment: &Environment) -> Option<PathBuf> {
        match self {
            Self::File { path } => Some(expand(path, environment)),
            _ => None,
        }
    }
}

/// The path with the home directory in place of a `~` that it begins with.
pub(crate) fn expand(path: &Path, environment: &Environment) -> PathBuf {
    match (path.strip_prefix("~"), environment.home()) {
        (Ok(rest), Some(home)) => home.join(rest),
        _ => path.to_path_buf(),
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(LARGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        bytes.zeroize();
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "too large for a secret"));
    }
    Ok(bytes)
}

fn one_line(text: Option<&str>, place: String) -> Result<SecretString, SecretError> {
    match text.map(str::trim) {
        Some("") => Err(SecretError::Empty { place }),
        Some(text) if !text.chars().any(char::is_control) => Ok(SecretString::from(text)),
        _ => Err(SecretError::NotOneLine { place }),
    }
}

impl fmt::Display for SecretReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment { variable } => write!(f, "env:{variable}"),
            Self::File { path } => write!(f, "file:{}", path.display()),
            Self::Keyring { entry } => write!(f, "keyring:{entry}"),
            Self::Command { words } => write!(f, "command:{}", shell_words::join(words)),
            Self::Literal(_) => f.write_str("(literal, hidden)"),
        }
    }
}

impl fmt::Debug for SecretReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for SecretReference {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl PartialEq for SecretReference {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Environment { variable: one }, Self::Environment { variable: other }) => one == other,
            (Self::File { path: one }, Self::File { path: other }) => one == other,
            (Self::Keyring { entry: one }, Self::Keyring { entry: other }) => one == other,
            (Self::Command { words: one }, Self::Command { words: other }) => one == other,
            (Self::Literal(one), Self::Literal(other)) => one.expose_secret() == other.expose_secret(),
            _ => false,
        }
    }
}
