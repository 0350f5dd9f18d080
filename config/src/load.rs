//! From what was written to settings.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::check::check;
use crate::discovery::discover;
use crate::layers::{Layer, Merged, file, overrides, variables};
use crate::read::{Reader, settings};
use crate::{ConfigError, Environment, ErrorKind, LocalServer, Origin, Origins, Problems, Settings, Warning, paths};

/// What settings are read from.
#[derive(Debug, Clone, Default)]
pub struct Source {
    /// The file; `None` where there is none to look for.
    pub file: Option<PathBuf>,
    /// Whether a person named that file, so that it has to exist.
    pub explicit: bool,
    /// The variables: `GREENROOM__…`, the usual ones that hold keys, and `HOME`.
    pub environment: Environment,
    /// What flags say; a later one goes over an earlier one.
    pub overrides: Vec<Override>,
}

impl Source {
    /// No file: the environment alone.
    #[must_use]
    pub fn new(environment: Environment) -> Self {
        Self { environment, ..Self::default() }
    }

    /// The file where it lies by [`crate::config_file`]: `flag` is what `--config` gave.
    #[must_use]
    pub fn locate(flag: Option<&Path>, environment: Environment) -> Self {
        let (file, explicit) = paths::config_file(flag, &environment);
        Self { file, explicit, environment, overrides: Vec::new() }
    }
}

/// One setting that a flag gives. The `Debug` form leaves the value out.
#[derive(Clone)]
pub struct Override {
    /// The flag, as errors name it: `--listen`.
    pub flag: String,
    /// The setting, as TOML writes a dotted key: `server.listen`, `models.aliases."claude-*"`.
    pub path: String,
    /// The value, as a variable would have it: numbers and booleans as text, `["a", "b"]` and `{…}` as in TOML.
    pub value: String,
}

impl Override {
    /// An override of `path` with `value`, given by `flag`.
    pub fn new(flag: impl Into<String>, path: impl Into<String>, value: impl Into<String>) -> Self {
        Self { flag: flag.into(), path: path.into(), value: value.into() }
    }
}

impl std::fmt::Debug for Override {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Override").field("flag", &self.flag).field("path", &self.path).finish_non_exhaustive()
    }
}

/// Settings, and what there is to say about how they came to be.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The settings.
    pub settings: Settings,
    /// What works and deserves a second look.
    pub warnings: Vec<Warning>,
    /// The file that was read; `None` where there was none.
    pub path: Option<PathBuf>,
    /// Where each setting was written.
    pub origins: Origins,
}

/// Reads, merges and validates.
///
/// # Errors
///
/// [`Problems`] with everything that is wrong. Where the file can't be read or isn't TOML, little else can be said.
pub fn load(source: &Source) -> Result<Loaded, Problems> {
    load_found(source, &[])
}

/// As [`load`], with the local servers that answered: they are the providers where none is written and no variable
/// names one. Looking for them is worth it where [`load`] gave [`Discovery::Demo`](crate::Discovery::Demo);
/// [`local_servers`](crate::local_servers) says where.
///
/// # Errors
///
/// As of [`load`].
pub fn load_found(source: &Source, local: &[LocalServer]) -> Result<Loaded, Problems> {
    let mut errors = Vec::new();
    let read = read_file(source, &mut errors);
    put_together(source, local, read, errors)
}

/// As [`load`], with this text in place of what the file has.
pub(crate) fn load_text(source: &Source, file: Option<(PathBuf, Vec<u8>)>) -> Result<Loaded, Problems> {
    put_together(source, &[], file, Vec::new())
}

fn put_together(
    source: &Source,
    local: &[LocalServer],
    read: Option<(PathBuf, Vec<u8>)>,
    mut errors: Vec<ConfigError>,
) -> Result<Loaded, Problems> {
    let mut written: Vec<Layer> = Vec::new();
    if let Some((path, text)) = &read {
        written.extend(file::parse(path, text, &mut errors));
    }
    // What can't be parsed would make everything else that is said of it a guess.
    let unparsed = !errors.is_empty() && written.is_empty();
    let variables = variables::layers(&source.environment, written.first(), &mut errors);
    written.extend(variables);
    written.extend(overrides::layers(&source.overrides, &mut errors));
    if unparsed {
        return Err(Problems::new(errors, Vec::new()));
    }

    let found = discover(&Merged::of(&written), &source.environment, local);
    written.splice(0..0, found.layers);
    let merged = Merged::of(&written);

    let reader = Reader::new(&merged.origins, errors);
    let mut settings = settings(&reader, &merged.root);
    settings.discovery = found.discovery;
    settings.ignored_variables = found.ignored;

    let mut errors = reader.into_errors();
    let warnings = check(&settings, &merged, &source.environment, &mut errors);
    if errors.is_empty() {
        Ok(Loaded { settings, warnings, path: read.map(|(path, _)| path), origins: merged.origins })
    } else {
        Err(Problems::new(errors, warnings))
    }
}

fn read_file(source: &Source, errors: &mut Vec<ConfigError>) -> Option<(PathBuf, Vec<u8>)> {
    let path = source.file.as_deref()?;
    let (kind, hint) = match std::fs::read(path) {
        Ok(text) => return Some((path.to_path_buf(), text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound && !source.explicit => return None,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            (ErrorKind::NoSuchFile, "check the path given by --config or GREENROOM_CONFIG")
        }
        Err(error) => (ErrorKind::Unreadable(Arc::new(error)), "check that it is a file which this user may read"),
    };
    errors.push(ConfigError {
        kind,
        origin: Origin::whole_file(path),
        path: String::new(),
        hint: Some(hint.to_owned()),
    });
    None
}
