//! `greenroom auth`.

mod client;
mod credentials;
mod rotate;

use clap::{Args, Subcommand};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;

pub(super) use credentials::NoLogin;

use super::{Exit, Failure, context::Context, notes, output::Output, token::token};

/// Arguments of `greenroom auth`.
#[derive(Debug, Args)]
pub(crate) struct AuthArgs {
    #[command(subcommand)]
    command: AuthCommand,
}

#[derive(Debug, Subcommand)]
enum AuthCommand {
    /// Add a key for a provider, from standard input or typed unseen
    #[command(
        after_help = "Examples:\n  greenroom auth add anthropic\n  pass show openai | greenroom auth add openai --profile work"
    )]
    Add(credentials::AddArgs),
    /// Log in to a provider that has logins, in a browser or by a code
    #[command(after_help = "Examples:\n  greenroom auth login copilot\n  greenroom auth login openrouter --no-browser")]
    Login(credentials::LoginArgs),
    /// List what lets in to providers, and where each secret is
    #[command(after_help = "Examples:\n  greenroom auth list\n  greenroom auth list --json")]
    List(credentials::ListArgs),
    /// Remove a key or a login that was added
    #[command(after_help = "Examples:\n  greenroom auth remove openai/work")]
    Remove(credentials::RemoveArgs),
    /// Print the owner's token, which lets a client of `greenroom serve` do everything; made if there is none
    #[command(
        after_help = "Examples:\n  export OPENAI_API_KEY=\"$(greenroom auth token)\"\n  greenroom auth token --rotate"
    )]
    Token {
        /// Put a new one in its place; the old one is refused from then on, by a daemon that runs too
        #[arg(long)]
        rotate: bool,
        /// Print it as a line of JSON
        #[arg(long)]
        json: bool,
    },
    /// Let clients in with tokens of their own: their sessions and usage are told apart
    #[command(
        after_help = "Examples:\n  greenroom auth client add editor --model 'openai/*'\n  greenroom auth client list"
    )]
    #[command(subcommand)]
    Client(client::ClientCommand),
}

pub(crate) fn run(context: &Context, args: AuthArgs) -> Result<Exit, Failure> {
    match args.command {
        AuthCommand::Add(args) => credentials::add(context, &args),
        AuthCommand::Login(args) => credentials::login(context, &args),
        AuthCommand::List(args) => credentials::list(context, &args),
        AuthCommand::Remove(args) => credentials::remove(context, &args),
        AuthCommand::Token { rotate: false, json } => {
            let token = token(&context.data_dir()?)?;
            print(&token, json)?;
            Ok(Exit::Done)
        }
        AuthCommand::Token { rotate: true, json } => {
            let token = rotate::rotate(context)?;
            print(&token, json)?;
            notes::note("the old token is refused from now on; give programs that had it this one");
            Ok(Exit::Done)
        }
        AuthCommand::Client(command) => client::run(context, command),
    }
}

/// The one place where the token goes out: standard output of the command that is there for it.
fn print(token: &SecretString, json: bool) -> Result<(), Failure> {
    let mut output = Output::new();
    if json { output.json(&json!({"token": token.expose_secret()})) } else { output.line(token.expose_secret()) }
}
