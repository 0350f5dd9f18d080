//! `greenroom config set` and `greenroom config unset`.

use std::{
    io::{self, IsTerminal as _, Read as _},
    path::Path,
};

use clap::Args;
use greenroom::config::{Change, EditError, Edited, Origin, Problems, SettingKey, WarningKind, edit};
use serde_json::json;

use super::{file, get::key, nowhere};
use crate::cli::{
    Exit, Failure, attach,
    context::{Context, block_on},
    notes,
    output::Output,
};

/// What stands for a value that comes from standard input.
const FROM_INPUT: &str = "-";
/// No value is longer, in bytes; a pipe that never ends must not fill the memory.
const LONGEST: u64 = 1 << 20;

/// Arguments of `greenroom config set`.
#[derive(Debug, Args)]
pub(crate) struct ChangeArgs {
    /// The setting, as in the file with dots, and its value: text, a number, true, a duration, a list as a,b, or TOML; "-"
    /// takes it from standard input
    #[arg(required = true, num_args = 2.., value_names = ["KEY", "VALUE"], allow_negative_numbers = true)]
    settings: Vec<String>,
}

/// Arguments of `greenroom config unset`.
#[derive(Debug, Args)]
pub(crate) struct UnsetArgs {
    /// The setting, as in the file with dots
    key: String,
}

pub(super) fn set(context: &Context, args: &ChangeArgs, json: bool) -> Result<Exit, Failure> {
    let mut changes = Vec::new();
    let mut piped: Option<SettingKey> = None;
    for pair in args.settings.chunks(2) {
        let [setting, value] = pair else {
            let what = format!("there is no value for {}", pair[0]);
            return Err(Failure::usage(what, "settings come as pairs: greenroom config set KEY VALUE KEY VALUE"));
        };
        let key = key(setting)?;
        let value = match value.as_str() {
            FROM_INPUT if piped.is_some() => {
                return Err(Failure::usage("standard input can be only one value", "set the other one by itself"));
            }
            FROM_INPUT => {
                piped = Some(key.clone());
                from_input(&key)?
            }
            given => given.to_owned(),
        };
        changes.push(Change { key, value: Some(value) });
    }
    change(context, &changes, piped.as_ref(), json)
}

pub(super) fn unset(context: &Context, args: &UnsetArgs, json: bool) -> Result<Exit, Failure> {
    change(context, &[Change { key: key(&args.key)?, value: None }], None, json)
}

fn from_input(key: &SettingKey) -> Result<String, Failure> {
    let failed =
        |error: io::Error| Failure::failed(format!("can't read the value: {error}"), "pipe it in, as UTF-8 text");
    let typed = if io::stdin().is_terminal() {
        rpassword::prompt_password(format!("{key} (is not shown): ")).map_err(failed)?
    } else {
        io::read_to_string(io::stdin().lock().take(LONGEST)).map_err(failed)?
    };
    if typed.trim().is_empty() {
        return Err(Failure::usage(format!("there is no value for {key}"), "pipe it in, or type it at a terminal"));
    }
    Ok(typed)
}

fn change(context: &Context, changes: &[Change], piped: Option<&SettingKey>, json: bool) -> Result<Exit, Failure> {
    let source = context.source(Vec::new());
    let path = source.file.clone().ok_or_else(nowhere)?;
    let try_on = |text: Option<&str>| {
        let edited = edit(&source, text, changes).map_err(|error| refused(&error, &path))?;
        refuse_literals(&edited, changes, piped)?;
        Ok::<_, Failure>(edited)
    };
    if !file::has_place(&path) {
        // What is wrong is to leave nothing behind, not even a directory.
        let _would_do = try_on(None)?;
    }
    let file = file::Locked::open(&path)?;
    let edited = try_on(file.text.as_deref())?;
    let is_changed = file.text.as_deref() != Some(edited.text.as_str());
    if is_changed {
        file.write(&edited.text)?;
    }
    drop(file);
    let runs = context.globals.config.is_none().then(|| running(context)).flatten();
    let mut output = Output::new();
    for Change { key, value } in changes {
        if json {
            let is_set = value.is_some();
            output.json(&json!({
                "key": key.to_string(), "set": is_set, "file": path.display().to_string(), "changed": is_changed,
                "restart": is_changed && runs.is_some(),
            }))?;
        } else {
            let done = if value.is_some() { "set in" } else { "not in any more:" };
            output.line(&format!("{key} is {done} {}", path.display()))?;
        }
    }
    tell(context, &edited, changes, &path);
    if let Some(pid) = runs.filter(|_| is_changed) {
        notes::note(&format!(
            "the greenroom that runs (pid {pid}) goes by what it was started with; restart it to have this in force"
        ));
    }
    Ok(Exit::Done)
}

/// Who holds the data directory, by whose configuration others are answered.
fn running(context: &Context) -> Option<u32> {
    let dir = context.data_path().filter(|_| attach::is_served(context))?;
    let holder = block_on(1, async { Ok(attach::who(&dir).await) }).ok().flatten();
    holder.map(|(_, holder)| holder.pid)
}

/// Arguments are seen by other users of the machine, and kept by shells.
fn refuse_literals(edited: &Edited, changes: &[Change], piped: Option<&SettingKey>) -> Result<(), Failure> {
    let from_argument =
        |path: &&String| changes.iter().any(|change| Some(&change.key) != piped && change.key.holds(path));
    let Some(path) = edited.literals.iter().find(from_argument) else { return Ok(()) };
    Err(Failure::usage(
        format!("{path} is a secret, which an argument would show to others; nothing was changed"),
        format!(
            "say where it is: env:NAME, file:PATH, keyring:ENTRY or command:PROGRAM; or hand the key itself to `greenroom auth \
             add`; or pipe it: `greenroom config set {path} -`"
        ),
    ))
}

fn tell(context: &Context, edited: &Edited, changes: &[Change], path: &Path) {
    for (key, origin) in &edited.hidden {
        notes::warning(&format!("{origin} goes over {key} in {}", path.display()));
        notes::hint(&format!("unset {origin}, and what the file has is in force"));
    }
    let is_changed = |path: &str| changes.iter().any(|change| change.key.holds(path));
    // A file that is no secret's place is told of where a secret is put into it.
    let warnings = edited.loaded.warnings.iter().filter(|warning| is_changed(&warning.path));
    for warning in warnings.filter(|warning| !matches!(warning.kind, WarningKind::ReadableByOthers { .. })) {
        notes::warning(&warning.to_string());
        warning.hint().into_iter().for_each(notes::hint);
    }
    // What others can read is looked at once it is written.
    let after = greenroom::config::load(&context.source(Vec::new()));
    for warning in after.iter().flat_map(|loaded| &loaded.warnings) {
        if matches!(warning.kind, WarningKind::ReadableByOthers { .. }) && is_changed(&warning.path) {
            notes::warning(&warning.to_string());
            warning.hint().into_iter().for_each(notes::hint);
        }
    }
}

fn refused(error: &EditError, path: &Path) -> Failure {
    match error {
        EditError::Syntax(problems) => Failure::Configuration(problems.clone()),
        EditError::Wrong(problems) => wrong(problems),
        EditError::NotThere { .. } => {
            let hint = format!("`greenroom config get` says where a value comes from; the file is {}", path.display());
            Failure::failed(error.to_string(), hint)
        }
        _ => Failure::usage(error.to_string(), "`greenroom config sample` shows every setting"),
    }
}

/// The places of what is wrong are not in the file, which stays as it is: settings are named in place of them.
fn wrong(problems: &Problems) -> Failure {
    let told = problems.errors.iter().map(|error| match &error.origin {
        Origin::File { .. } if !error.path.is_empty() => format!("{}: {}", error.path, error.kind),
        _ => error.to_string(),
    });
    let mut told = told.collect::<Vec<_>>().into_iter();
    let what = told.next().unwrap_or_default();
    let hint = problems
        .errors
        .first()
        .and_then(|error| error.hint())
        .unwrap_or("`greenroom config sample` shows every setting");
    Failure::usage(format!("{what}; nothing was changed"), hint).with_attempts(told.collect())
}
