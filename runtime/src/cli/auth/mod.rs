//! `greenroom auth`.

mod client;
mod credentials;
mod rotate;

use clap::{Args, Subcommand};
use secrecy::ExposeSecret as _;

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
    Add(credentials::AddArgs),
    /// Log in to a provider that has logins, in a browser or by a code
    Login(credentials::LoginArgs),
    /// List what lets in to providers, and where each secret is
    List(credentials::ListArgs),
    /// Remove a key or a login that was added
    Remove(credentials::RemoveArgs),
    /// Print the owner's token, which lets a client of `greenroom serve` do everything; made if there is none
    Token {
        /// Put a new one in its place; the old one is refused from then on, by a daemon that runs too
        #[arg(long)]
        rotate: bool,
    },
    /// Let clients in with tokens of their own: their sessions and usage are told apart
    #[command(subcommand)]
    Client(client::ClientCommand),
}

pub(crate) fn run(context: &Context, args: AuthArgs) -> Result<Exit, Failure> {
    match args.command {
        AuthCommand::Add(args) => credentials::add(context, &args),
        AuthCommand::Login(args) => credentials::login(context, &args),
        AuthCommand::List(args) => credentials::list(context, &args),
        AuthCommand::Remove(args) => credentials::remove(context, &args),
        AuthCommand::Token { rotate: false } => {
            let token = token(&context.data_dir()?)?;
            Output::new().line(token.expose_secret())?;
            Ok(Exit::Done)
        }
        AuthCommand::Token { rotate: true } => {
            let token = rotate::rotate(context)?;
            Output::new().line(token.expose_secret())?;
            notes::note("the old token is refused from now on; give programs that had it this one");
            Ok(Exit::Done)
        }
        AuthCommand::Client(command) => client::run(context, command),
    }
}
