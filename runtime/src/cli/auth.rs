//! `greenroom auth`.

use clap::{Args, Subcommand};
use secrecy::ExposeSecret as _;

use super::{Exit, Failure, context::Context, output::Output, token::token};

/// Arguments of `greenroom auth`.
#[derive(Debug, Args)]
pub(crate) struct AuthArgs {
    #[command(subcommand)]
    command: AuthCommand,
}

#[derive(Debug, Subcommand)]
enum AuthCommand {
    /// Print the token that clients of `greenroom serve` send as their API key; made if there is none
    Token,
}

pub(crate) fn run(context: &Context, args: &AuthArgs) -> Result<Exit, Failure> {
    match args.command {
        AuthCommand::Token => {
            let token = token(&context.data_dir()?)?;
            Output::new().line(token.expose_secret())?;
        }
    }
    Ok(Exit::Done)
}
