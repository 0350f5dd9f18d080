//! `[sandbox]`: what of the machine the daemon keeps itself from.

use std::path::PathBuf;

use serde::Serialize;

use crate::environment::Environment;
use crate::secret::expand;

/// `[sandbox]`. It is the program's daemon that heeds it; nothing else does.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Sandbox {
    /// Whether there is one, and what is done where the system can't have it.
    pub mode: SandboxMode,
    /// What may be read and run beside what greenroom needs by itself.
    pub read: Vec<PathBuf>,
    /// What may be read and written beside the data directory.
    pub write: Vec<PathBuf>,
}

impl Sandbox {
    /// [`Self::read`], `~` expanded.
    #[must_use]
    pub fn read_paths(&self, environment: &Environment) -> Vec<PathBuf> {
        self.read.iter().map(|path| expand(path, environment)).collect()
    }

    /// [`Self::write`], `~` expanded.
    #[must_use]
    pub fn write_paths(&self, environment: &Environment) -> Vec<PathBuf> {
        self.write.iter().map(|path| expand(path, environment)).collect()
    }
}

/// Whether there is a sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SandboxMode {
    /// None: the daemon may do what its user may.
    #[default]
    Off,
    /// As much of one as the system can have.
    BestEffort,
    /// A whole one, or no start.
    Required,
}

impl SandboxMode {
    /// The words for it.
    pub const WORDS: [(&'static str, Self); 3] =
        [("off", Self::Off), ("best-effort", Self::BestEffort), ("required", Self::Required)];
}
