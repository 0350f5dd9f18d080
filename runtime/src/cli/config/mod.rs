//! `greenroom config`.

mod change;
mod file;
mod get;

use std::path::Path;

use clap::{Args, Subcommand};
use greenroom::config::{self, ConfigError, Discovery, Loaded, Origin, Problems, SAMPLE, Warning};
use serde_json::{Value, json};

use super::{Exit, Failure, context::Context, notes, output::Output};
use change::{ChangeArgs, UnsetArgs};
use get::GetArgs;

/// Arguments of `greenroom config`.
#[derive(Debug, Args)]
pub(crate) struct ConfigArgs {
    #[command(subcommand)]
    command: ConfigCommand,
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Print where the configuration file lies, whether or not it is there
    #[command(after_help = "Examples:\n  greenroom config path\n  \"$EDITOR\" \"$(greenroom config path)\"")]
    Path,
    /// Say everything that is wrong with the configuration
    #[command(after_help = "Examples:\n  greenroom config check\n  greenroom config check --config new.toml")]
    Check,
    /// Print the settings in effect and where each was written, secrets left out
    #[command(after_help = "Examples:\n  greenroom config show")]
    Show,
    /// Print a setting that is in force
    #[command(
        after_help = "Examples:\n  greenroom config get server.listen\n  greenroom config get providers.lab.base_url --json"
    )]
    Get(GetArgs),
    /// Change settings in the file, which is made if there is none; the rest of it stays as it is
    #[command(
        after_help = "Examples:\n  greenroom config set server.listen 127.0.0.1:4848\n  greenroom config set providers.lab.kind openai-compatible providers.lab.base_url http://127.0.0.1:8000/v1\n  greenroom config set providers.openai.key env:OPENAI_API_KEY\n  greenroom config set models.aliases.smart openai/gpt-5,lab/qwen3\n  greenroom config set 'models.aliases.\"claude-*\"' smart"
    )]
    Set(ChangeArgs),
    /// Take a setting out of the file, so that its default is in force
    #[command(after_help = "Examples:\n  greenroom config unset server.listen")]
    Unset(UnsetArgs),
    /// Print a file with every setting, all of it commented out
    #[command(after_help = "Examples:\n  greenroom config sample > ~/.config/greenroom/config.toml")]
    Sample,
}

pub(crate) fn run(context: &Context, args: &ConfigArgs) -> Result<Exit, Failure> {
    match &args.command {
        ConfigCommand::Path => path(context, args.json),
        ConfigCommand::Check => check(context, args.json),
        ConfigCommand::Show => show(context, args.json),
        ConfigCommand::Get(wanted) => get::run(context, wanted, args.json),
        ConfigCommand::Set(wanted) => change::set(context, wanted, args.json),
        ConfigCommand::Unset(wanted) => change::unset(context, wanted, args.json),
        ConfigCommand::Sample if args.json => Output::new().json(&json!({"sample": SAMPLE})).map(|()| Exit::Done),
        ConfigCommand::Sample => Output::new().bytes(SAMPLE.as_bytes()).map(|()| Exit::Done),
    }
}

fn path(context: &Context, json: bool) -> Result<Exit, Failure> {
    let path = context.source(Vec::new()).file.ok_or_else(nowhere)?;
    let exists = path.exists();
    let mut output = Output::new();
    if json {
        output.json(&json!({"path": path.display().to_string(), "exists": exists}))?;
    } else {
        output.bytes(&path_bytes(&path))?;
        output.bytes(b"\n")?;
    }
    if !exists {
        notes::note("there is no such file yet; `greenroom config sample` prints one to start from");
    }
    Ok(Exit::Done)
}

fn nowhere() -> Failure {
    let what = "there is no home directory to look for a configuration in";
    Failure::usage(what, "name a file with --config, or set GREENROOM_CONFIG or HOME")
}

/// A path as it is, UTF-8 or not, so that a shell can open what is printed.
#[cfg(unix)]
fn path_bytes(path: &Path) -> Vec<u8> {
    use std::os::unix::ffi::OsStrExt as _;

    path.as_os_str().as_bytes().to_vec()
}

#[cfg(not(unix))]
fn path_bytes(path: &Path) -> Vec<u8> {
    path.display().to_string().into_bytes()
}

fn check(context: &Context, json: bool) -> Result<Exit, Failure> {
    let outcome = config::load(&context.source(Vec::new()));
    let (errors, warnings) = match &outcome {
        Ok(loaded) => (&[][..], &loaded.warnings),
        Err(Problems { errors, warnings }) => (&errors[..], warnings),
    };
    if json {
        let mut output = Output::new();
        let lines = errors.iter().map(error_json).chain(warnings.iter().map(warning_json));
        lines.into_iter().try_for_each(|line| output.json(&line))?;
    } else {
        for error in errors {
            notes::plain(&error.to_string());
            error.hint().into_iter().for_each(notes::hint);
        }
        for warning in warnings {
            notes::warning(&warning.to_string());
            warning.hint().into_iter().for_each(notes::hint);
        }
    }
    let Ok(loaded) = &outcome else { return Ok(Exit::Usage) };
    if !json {
        context.tell_ignored(&loaded.settings);
        Output::new().line(&summary(loaded))?;
    }
    Ok(Exit::Done)
}

fn summary(loaded: &Loaded) -> String {
    let file = match &loaded.path {
        Some(path) => path.display().to_string(),
        None => "there is no file".to_owned(),
    };
    let names: Vec<&str> = loaded.settings.providers.iter().map(|provider| provider.name.as_str()).collect();
    let found = match loaded.settings.discovery {
        Discovery::Configured => "providers",
        Discovery::Environment => "found in the environment",
        Discovery::Local => "found on this machine",
        Discovery::Demo => "no provider is configured, so there is",
    };
    format!("ok: {file}; {found}: {}", names.join(", "))
}

fn error_json(error: &ConfigError) -> Value {
    problem("error", &error.origin, &error.path, &error.kind.to_string(), error.hint())
}

fn warning_json(warning: &Warning) -> Value {
    problem("warning", &warning.origin, &warning.path, &warning.kind.to_string(), warning.hint())
}

fn problem(severity: &str, origin: &Origin, path: &str, message: &str, hint: Option<&str>) -> Value {
    let (file, line, column) = match origin {
        Origin::File { path, line, column } => (Some(path.display().to_string()), Some(line), Some(column)),
        _ => (None, None, None),
    };
    json!({
        "severity": severity, "origin": origin.to_string(), "file": file, "line": line, "column": column,
        "path": path, "message": message, "hint": hint,
    })
}

fn show(context: &Context, json: bool) -> Result<Exit, Failure> {
    let loaded = context.load(Vec::new())?;
    let mut output = Output::new();
    if json {
        output.json(&loaded.show_json())?;
    } else {
        output.bytes(loaded.show_toml().as_bytes())?;
    }
    Ok(Exit::Done)
}
