//! `greenroom store`.

use clap::{Args, Subcommand};
use greenroom::config;
use serde_json::json;

use super::{Exit, Failure, context::Context, notes, output::Output};

/// Arguments of `greenroom store`.
#[derive(Debug, Args)]
pub(crate) struct StoreArgs {
    #[command(subcommand)]
    command: StoreCommand,
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum StoreCommand {
    /// Save what can be read of a damaged store into a new one, and keep the old one beside it
    #[command(after_help = "Examples:\n  greenroom store repair")]
    Repair,
}

pub(crate) fn run(context: &Context, args: &StoreArgs) -> Result<Exit, Failure> {
    let StoreCommand::Repair = args.command;
    let path = config::data_dir(context.globals.data_dir.as_deref(), &context.environment)
        .map_err(|error| Failure::usage(error.to_string(), error.hint()))?;
    let repaired = greenroom::repair_store(&path)?;
    let mut output = Output::new();
    match repaired {
        None if args.json => output.json(&json!({"repaired": false}))?,
        None => output.line("nothing is wrong with the store, so it is as it was")?,
        Some(done) if args.json => output.json(&json!({
            "repaired": true, "kept": done.kept, "dropped": done.dropped, "moved_to": done.moved_to.display().to_string(),
        }))?,
        Some(done) => {
            output.line(&format!(
                "{} values were saved into a new store; the damaged one is {}",
                done.kept,
                done.moved_to.display()
            ))?;
            if done.dropped > 0 {
                notes::warning(&format!("{} values made no sense and were left out", done.dropped));
            }
        }
    }
    Ok(Exit::Done)
}
