//! What the daemon keeps itself from, as `[sandbox]` says: set before it has a second thread, told at the start.

#[cfg(target_os = "linux")]
mod kernel;
mod rules;
mod words;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use greenroom::config::{Environment, Loaded, SandboxMode};

use super::{Failure, notes};
use rules::{Places, Rule, Rules, Wanted, rules};

/// What the kernel has of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "one of them is enough there"))]
enum Kernel {
    /// This version.
    Landlock(u32),
    /// It is there, and was not chosen when the system started.
    NotEnabled,
    NotBuilt,
    #[cfg(not(target_os = "linux"))]
    NotLinux,
}

/// What became of the rules.
#[derive(Debug)]
struct Applied {
    kernel: Kernel,
    /// Paths that could not be opened, so that nothing is allowed there.
    missing: Vec<(Rule, io::Error)>,
}

/// Enters the sandbox that the settings ask for, and says what is in force. It binds this thread and those that this one
/// makes, so there must be no other yet. `file` is where the configuration is looked for.
///
/// # Errors
/// One is required, and can't be had as a whole.
pub(crate) fn enter(
    loaded: &Loaded,
    file: Option<&Path>,
    data_dir: &Path,
    environment: &Environment,
) -> Result<(), Failure> {
    let mode = loaded.settings.sandbox.mode;
    if mode == SandboxMode::Off {
        return Ok(());
    }
    let configuration = file.map(named_and_real).unwrap_or_default();
    let resolver = fs::canonicalize("/etc/resolv.conf").ok();
    let places = Places { data_dir, configuration: &configuration, resolver: resolver.as_deref() };
    let rules = rules(&loaded.settings, &places, environment);
    let applied = match apply(&rules) {
        Ok(applied) => applied,
        Err(cause) if mode == SandboxMode::Required => {
            return Err(refused(&cause, "see what the kernel says (dmesg)"));
        }
        Err(cause) => {
            notes::warning(&format!("no sandbox is in force: {cause}"));
            return Ok(());
        }
    };
    hold_to(&applied, loaded, mode)?;
    tell(applied.kernel, &rules);
    Ok(())
}

/// What a sandbox would be here: what it would lack, or why there would be none and what to do about that.
pub(crate) fn support() -> Result<Option<String>, (String, &'static str)> {
    let kernel = probe().map_err(|why| (why, "see what the kernel says (dmesg)"))?;
    match (words::falls_short(kernel), kernel) {
        (Some(short), _) => Err(short),
        (None, Kernel::Landlock(version)) => Ok(words::lacking(version)),
        (None, _) => Ok(None),
    }
}

/// Rules without a path bind a thread that ends at once.
fn probe() -> Result<Kernel, String> {
    let rules = Rules { paths: Vec::new(), port: 0, logins: Vec::new(), abstract_sockets: true };
    let bound = std::thread::spawn(move || apply(&rules)).join();
    let applied = bound.map_err(|_| "the kernel can't be asked".to_owned())??;
    Ok(applied.kernel)
}

/// Refuses what falls short of a sandbox that is required. It is in force by then as far as it goes, which does no harm:
/// what follows is the end.
fn hold_to(applied: &Applied, loaded: &Loaded, mode: SandboxMode) -> Result<(), Failure> {
    if mode == SandboxMode::Required
        && let Some((why, hint)) = words::falls_short(applied.kernel)
    {
        return Err(refused(&why, hint));
    }
    for (rule, error) in &applied.missing {
        let path = rule.path.display();
        match rule.wanted {
            Wanted::Setting(setting) => {
                let origin = loaded.origins.get(setting);
                let what = format!("{origin}: {setting}: {path} can't be opened: {error}");
                let hint = "name what is there when the daemon starts, or the directory that it will be in";
                if mode == SandboxMode::Required {
                    return Err(Failure::usage(what, hint));
                }
                notes::warning(&what);
                notes::hint(hint);
            }
            Wanted::Daemon => return Err(super::data_dir::unusable(&rule.path, error)),
            Wanted::System | Wanted::Named => tracing::debug!("the sandbox has no rule for {path}: {error}"),
        }
    }
    Ok(())
}

fn tell(kernel: Kernel, rules: &Rules) {
    for rule in &rules.paths {
        tracing::debug!(path = %rule.path.display(), access = ?rule.access, "the sandbox lets through");
    }
    match (kernel, words::falls_short(kernel)) {
        (Kernel::Landlock(version), _) => {
            notes::note(&words::in_force(version, rules));
            words::lacking(version).iter().for_each(|lacking| notes::warning(lacking));
        }
        (_, Some((why, hint))) => {
            notes::warning(&format!("no sandbox is in force: {why}"));
            notes::hint(hint);
        }
        (_, None) => {}
    }
}

fn refused(why: &str, hint: &str) -> Failure {
    let hint = format!("{hint}; or have as much of it as there is: sandbox.mode = \"best-effort\"");
    Failure::usage(format!("sandbox.mode is \"required\" and can't be had: {why}"), hint)
}

/// The path as it is named, and as its links lead where that is somewhere else.
fn named_and_real(path: &Path) -> Vec<PathBuf> {
    let named = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let real = fs::canonicalize(path).ok().filter(|real| *real != named);
    [named].into_iter().chain(real).collect()
}

#[cfg(target_os = "linux")]
fn apply(rules: &Rules) -> Result<Applied, String> {
    kernel::apply(rules).map_err(|error| super::failure::with_causes(&error))
}

#[cfg(not(target_os = "linux"))]
fn apply(_: &Rules) -> Result<Applied, String> {
    Ok(Applied { kernel: Kernel::NotLinux, missing: Vec::new() })
}
