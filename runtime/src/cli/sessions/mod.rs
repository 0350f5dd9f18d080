//! `greenroom sessions`: conversations that are kept.

mod attach;
mod carry;
mod change;
mod list;
mod show;
mod transcript;

use std::path::PathBuf;

use axum::http::StatusCode;
use clap::{Args, Subcommand};
use greenroom::SessionInfo;

use self::transcript::Transcript;
use super::{
    Exit, Failure,
    attach::{Ask, Link, Need, path, read},
    context::{Context, block_on},
};

/// One for the actors and one for the connection; the main thread writes.
const WORKERS: usize = 2;

/// Arguments of `greenroom sessions`.
#[derive(Debug, Args)]
pub(crate) struct SessionsArgs {
    #[command(subcommand)]
    command: Option<SessionsCommand>,
    /// Print JSON, a line for each
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum SessionsCommand {
    /// Each session, and what it does (the default)
    #[command(after_help = "Examples:\n  greenroom sessions list\n  greenroom sessions list --json")]
    List,
    /// What was said in a session
    #[command(after_help = "Examples:\n  greenroom sessions show trip")]
    Show {
        /// Which one
        id: String,
    },
    /// Follow a session as it goes on; on a terminal what is typed is said in it. Ctrl-C or Ctrl-D leaves it as it is
    #[command(
        after_help = "Examples:\n  greenroom sessions attach trip\n  greenroom sessions attach trip --from 1-0 --json"
    )]
    Attach {
        /// Which one
        id: String,
        /// From where on [default: what was said last]
        #[arg(long, value_name = "CURSOR")]
        from: Option<String>,
    },
    /// Cancel an answer that is under way, or waits; what there is of it stays
    #[command(after_help = "Examples:\n  greenroom sessions cancel trip")]
    Cancel {
        /// In which session
        id: String,
        /// Which turn [default: the one that runs]
        turn: Option<u64>,
    },
    /// Set what a session's turns may cost in all; what they have cost counts
    #[command(after_help = "Examples:\n  greenroom sessions budget trip 2.50\n  greenroom sessions budget trip none")]
    Budget {
        /// Which one
        id: String,
        /// US dollars, such as 2.50; "none" takes the budget away
        #[arg(value_name = "AMOUNT")]
        amount: String,
    },
    /// Remove a session with all that was said
    #[command(after_help = "Examples:\n  greenroom sessions remove trip")]
    Remove {
        /// Which one
        id: String,
    },
    /// Begin a session with what another has so far, and print its id
    #[command(
        after_help = "Examples:\n  greenroom sessions fork trip --id trip-by-train\n  greenroom sessions fork trip --at 1-840"
    )]
    Fork {
        /// Which one
        id: String,
        /// With what was said up to there [default: all of it]
        #[arg(long, value_name = "CURSOR")]
        at: Option<String>,
        /// Under this id [default: a random one]
        #[arg(long = "id", value_name = "NEW")]
        new: Option<String>,
    },
    /// Print all of a session, to be imported elsewhere
    #[command(after_help = "Examples:\n  greenroom sessions export trip > trip.ndjson")]
    Export {
        /// Which one
        id: String,
    },
    /// Make a session of what an export printed, and print its id
    #[command(
        after_help = "Examples:\n  greenroom sessions import trip.ndjson\n  greenroom sessions import --id trip-again < trip.ndjson"
    )]
    Import {
        /// The file with it [default: standard input]
        file: Option<PathBuf>,
        /// Under this id [default: the one that it had]
        #[arg(long = "id", value_name = "ID")]
        new: Option<String>,
    },
}

pub(crate) fn run(context: &Context, args: SessionsArgs) -> Result<Exit, Failure> {
    let SessionsArgs { command, json } = args;
    let command = command.unwrap_or(SessionsCommand::List);
    let need = match command {
        SessionsCommand::Import { .. } => Need::Store,
        SessionsCommand::Attach { .. } => Need::Join,
        _ => Need::Look,
    };
    // Read first, since it may take a person's time, for which nobody is to be kept from the store.
    let imported = match &command {
        SessionsCommand::Import { file, .. } => carry::input(file.as_deref())?,
        _ => Vec::new(),
    };
    block_on(WORKERS, async {
        let link = Link::open(context, need, None).await?;
        let transcript = || Transcript::new(&context.environment, json);
        let outcome = match command {
            SessionsCommand::List => list::list(&link, json).await,
            SessionsCommand::Show { id } => show::show(&link, &id, transcript()).await,
            SessionsCommand::Attach { id, from } => attach::attach(&link, &id, from, transcript()).await,
            SessionsCommand::Cancel { id, turn } => change::cancel(&link, &id, turn, json).await,
            SessionsCommand::Budget { id, amount } => change::budget(&link, &id, &amount, json).await,
            SessionsCommand::Remove { id } => change::remove(&link, &id, json).await,
            SessionsCommand::Fork { id, at, new } => change::fork(&link, &id, at, new, json).await,
            SessionsCommand::Export { id } => carry::export(&link, &id).await,
            SessionsCommand::Import { new, .. } => carry::import(&link, imported, new.as_deref(), json).await,
        };
        link.leave().await;
        outcome
    })
}

/// A session that there is.
async fn known(link: &Link<'_>, id: &str) -> Result<SessionInfo, Failure> {
    let (answer, _) = link.ask_any(&Ask::get(path(&["sessions", id], &[])), false).await?;
    if answer.status == StatusCode::NOT_FOUND {
        return Err(Failure::failed(
            format!("there is no session \"{id}\""),
            "`greenroom sessions list` shows those there are; `greenroom chat --session ID` begins one",
        ));
    }
    read(answer).await
}
