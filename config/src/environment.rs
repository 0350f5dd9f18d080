//! The environment as an argument.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::PathBuf;

use secrecy::SecretString;

use crate::{SecretError, SecretReference};

/// The variables that configuration may look at, handed in by whoever is at the edge.
///
/// A program gives `std::env::vars_os()`, a test gives exactly what it wants to be seen. The `Debug` form has the names
/// alone, since values may be keys.
///
/// What references lead to beside variables and files can be in it as well, once somebody has looked it up
/// ([`looked_up`](Self::looked_up)): nothing here knows a keyring.
#[derive(Clone, Default)]
pub struct Environment {
    variables: BTreeMap<OsString, OsString>,
    /// By the text of the reference.
    looked_up: BTreeMap<String, Result<SecretString, SecretError>>,
}

impl Environment {
    /// An environment with nothing in it.
    #[must_use]
    pub fn empty() -> Self {
        Self::default()
    }

    /// The variable's text; `None` where it is not set, empty, or not UTF-8.
    ///
    /// Empty counts as not set, as it does for the XDG directories and for most programs that take keys.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.raw(name)?.to_str()
    }

    /// The variable as a path; `None` where it is not set or empty.
    #[must_use]
    pub fn path(&self, name: &str) -> Option<PathBuf> {
        self.raw(name).map(PathBuf::from)
    }

    /// The same, knowing what became of a reference that somebody looked up: a `keyring:` one can be resolved by this
    /// alone, and a `command:` one isn't run again.
    #[must_use]
    pub fn looked_up(mut self, reference: &SecretReference, outcome: Result<SecretString, SecretError>) -> Self {
        self.looked_up.insert(reference.to_string(), outcome);
        self
    }

    /// Whether somebody has looked this reference up.
    #[must_use]
    pub fn has_looked_up(&self, reference: &SecretReference) -> bool {
        self.known(reference).is_some()
    }

    /// What became of a reference that somebody looked up.
    pub(crate) fn known(&self, reference: &SecretReference) -> Option<&Result<SecretString, SecretError>> {
        // All literals have the same text.
        if matches!(reference, SecretReference::Literal(_)) {
            return None;
        }
        self.looked_up.get(&reference.to_string())
    }

    /// Every variable, for a program that is to see them.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        self.variables.iter().map(|(name, value)| (name.as_os_str(), value.as_os_str()))
    }

    pub(crate) fn raw(&self, name: &str) -> Option<&OsStr> {
        self.variables.get(OsStr::new(name)).map(OsString::as_os_str).filter(|value| !value.is_empty())
    }

    /// Every variable whose name starts with `prefix`, in the order of names: name and value, empty ones included.
    pub(crate) fn starting_with<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a OsStr)> {
        self.variables
            .iter()
            .filter_map(|(name, value)| Some((name.to_str()?, value.as_os_str())))
            .filter(move |(name, _)| name.starts_with(prefix))
    }

    /// The same without the variables whose name starts with `prefix`.
    pub(crate) fn without(&self, prefix: &str) -> Self {
        let mut other = self.clone();
        other.variables.retain(|name, _| !name.to_str().is_some_and(|name| name.starts_with(prefix)));
        other
    }

    /// The home directory, which `~` stands for.
    pub(crate) fn home(&self) -> Option<PathBuf> {
        self.path("HOME").or_else(|| self.path("USERPROFILE"))
    }
}

impl<K: Into<OsString>, V: Into<OsString>> FromIterator<(K, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(variables: I) -> Self {
        Self {
            variables: variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect(),
            looked_up: BTreeMap::new(),
        }
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.variables.keys()).finish()
    }
}
