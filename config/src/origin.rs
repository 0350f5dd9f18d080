//! Where a setting was written.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where a value comes from. Its `Display` is what a person can go to: `config.toml:12:3`, a variable, a flag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nobody wrote it: a default of this program.
    BuiltIn,
    /// A place in the file.
    File {
        /// The file, as it was found.
        path: Arc<Path>,
        /// Counted from 1; 0 where the file as a whole is meant.
        line: usize,
        /// Counted from 1, in characters.
        column: usize,
    },
    /// A variable of the environment.
    Environment {
        /// Its name.
        variable: String,
    },
    /// Nobody wrote it: a server that answered there.
    Found {
        /// Its address.
        address: String,
    },
    /// A flag of the command line.
    Flag {
        /// As the person gave it, such as `--listen`.
        flag: String,
    },
}

impl Origin {
    /// The file as a whole, where no line is to blame.
    pub(crate) fn whole_file(path: &Path) -> Self {
        Self::File { path: Arc::from(path), line: 0, column: 0 }
    }

    /// What brings problems into the order in which a person goes through them: the file from its top, then variables,
    /// then flags.
    pub(crate) fn order(&self) -> (u8, usize, usize) {
        match self {
            Self::BuiltIn | Self::Found { .. } => (0, 0, 0),
            Self::File { line, column, .. } => (1, *line, *column),
            Self::Environment { .. } => (2, 0, 0),
            Self::Flag { .. } => (3, 0, 0),
        }
    }

    /// The directory of the file, which relative paths written in it start from.
    pub(crate) fn directory(&self) -> Option<PathBuf> {
        match self {
            Self::File { path, .. } => path.parent().map(Path::to_path_buf),
            _ => None,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BuiltIn => f.write_str("default"),
            Self::File { path, line: 0, .. } => write!(f, "{}", path.display()),
            Self::File { path, line, column } => write!(f, "{}:{line}:{column}", path.display()),
            Self::Environment { variable } => f.write_str(variable),
            Self::Found { address } => write!(f, "found at {address}"),
            Self::Flag { flag } => f.write_str(flag),
        }
    }
}

/// The key and the value of one setting lie at different columns, and errors point at the one that is wrong.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) key: Origin,
    pub(crate) value: Origin,
}

/// Where each setting that somebody wrote comes from, by its path (`server.listen`, `providers.lab.profiles[0].key`).
#[derive(Debug, Clone, Default)]
pub struct Origins {
    places: BTreeMap<String, Noted>,
}

#[derive(Debug, Clone)]
struct Noted {
    place: Place,
    is_table: bool,
    /// Merging forgets in which order things were written, while providers and aliases are tried in it.
    rank: usize,
}

impl Origins {
    /// Where the value at `path` was written; [`Origin::BuiltIn`] where nobody wrote one.
    #[must_use]
    pub fn get(&self, path: &str) -> &Origin {
        self.places.get(path).map_or(&Origin::BuiltIn, |noted| &noted.place.value)
    }

    /// Every value that somebody wrote, tables aside, with its path.
    pub fn values(&self) -> impl Iterator<Item = (&str, &Origin)> {
        let values = self.places.iter().filter(|(_, noted)| !noted.is_table);
        values.map(|(path, noted)| (path.as_str(), &noted.place.value))
    }

    pub(crate) fn key(&self, path: &str) -> &Origin {
        self.places.get(path).map_or(&Origin::BuiltIn, |noted| &noted.place.key)
    }

    /// A later layer's value replaces an earlier one, but a table belongs to who opened it: "this provider lacks a
    /// kind" is said of the file that has the provider, not of the variable that set one of its limits.
    pub(crate) fn put(&mut self, path: String, place: Place, is_table: bool) {
        let rank = self.places.len();
        let noted = self.places.entry(path).or_insert_with(|| Noted { place: place.clone(), is_table, rank });
        let opened_in_file = |place: &Place| matches!(place.key, Origin::File { .. });
        if !(is_table && noted.is_table) || (opened_in_file(&place) && !opened_in_file(&noted.place)) {
            noted.place = place;
            noted.is_table = is_table;
        }
    }

    /// Which of the things that somebody wrote this is, counted from the first.
    pub(crate) fn rank(&self, path: &str) -> usize {
        self.places.get(path).map_or(usize::MAX, |noted| noted.rank)
    }
}

/// The path of `key` inside the table at `parent`, quoted as TOML would where it isn't a bare key.
pub(crate) fn join(parent: &str, key: &str) -> String {
    let key = written_key(key);
    if parent.is_empty() { key } else { format!("{parent}.{key}") }
}

/// The path of an entry of the list at `parent`.
pub(crate) fn entry(parent: &str, index: usize) -> String {
    format!("{parent}[{index}]")
}

/// A key as TOML has it: bare where that is allowed, else quoted.
pub(crate) fn written_key(key: &str) -> String {
    let bare = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    if bare { key.to_owned() } else { toml::Value::String(key.to_owned()).to_string() }
}
