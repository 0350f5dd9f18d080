//! `greenroom auth`.

mod client;
mod rotate;

use clap::{Args, Subcommand};
use secrecy::ExposeSecret as _;

use super::{Exit, Failure, context::Context, notes, output::Output, token::token};

/// Arguments of `greenroom auth`.
#[derive(Debug, Args)]
pub(crate) struct AuthArgs {
    #[command(subcommand)]
    command: AuthCommand,
}

#[derive(Debug, Subcommand)]
enum AuthCommand {
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
