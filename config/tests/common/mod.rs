//! What the tests share: a file in a directory of its own, and a way to load it.
#![allow(dead_code, reason = "each test uses its own part")]

use std::path::{Path, PathBuf};

use greenroom_config::{ConfigError, Environment, Loaded, Override, Problems, Source, load};
use tempfile::TempDir;

/// A configuration file in a directory of its own.
pub(crate) struct Written {
    pub(crate) directory: TempDir,
    pub(crate) path: PathBuf,
}

pub(crate) fn write(text: &str) -> Written {
    let directory = TempDir::new().expect("a temporary directory");
    let path = directory.path().join("config.toml");
    std::fs::write(&path, text).expect("a new file");
    restrict(&path);
    Written { directory, path }
}

/// Keeps others from reading a file, so that tests of other warnings see none about that.
pub(crate) fn restrict(path: &Path) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).expect("an own file");
    }
}

pub(crate) fn source(path: &Path, variables: &[(&str, &str)], overrides: &[(&str, &str, &str)]) -> Source {
    Source {
        file: Some(path.to_path_buf()),
        explicit: true,
        environment: variables.iter().copied().collect::<Environment>(),
        overrides: overrides.iter().map(|(flag, path, value)| Override::new(*flag, *path, *value)).collect(),
    }
}

pub(crate) fn try_load(
    text: &str,
    variables: &[(&str, &str)],
    overrides: &[(&str, &str, &str)],
) -> Result<Loaded, Problems> {
    let written = write(text);
    load(&source(&written.path, variables, overrides))
}

pub(crate) fn loaded(text: &str, variables: &[(&str, &str)]) -> Loaded {
    try_load(text, variables, &[]).unwrap_or_else(|problems| panic!("{problems}"))
}

/// The errors as a person sees them, without the directory in front.
pub(crate) fn complaints(text: &str, variables: &[(&str, &str)], overrides: &[(&str, &str, &str)]) -> Vec<String> {
    let written = write(text);
    let problems = load(&source(&written.path, variables, overrides)).expect_err("this should be refused");
    let directory = format!("{}/", written.directory.path().display());
    problems.errors.iter().map(|error| shown(error).replace(&directory, "")).collect()
}

fn shown(error: &ConfigError) -> String {
    match error.hint() {
        Some(hint) => format!("{error} | {hint}"),
        None => error.to_string(),
    }
}

pub(crate) fn warnings(loaded: &Loaded) -> Vec<String> {
    loaded.warnings.iter().map(|warning| format!("{}: {}", warning.path, warning.kind)).collect()
}
