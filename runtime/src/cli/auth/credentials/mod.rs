//! `greenroom auth add`, `login`, `list` and `remove`: what lets in to providers.
//!
//! Whoever holds the data directory is asked; else it is done here, with the store open for as long as that takes.

mod add;
mod key;
mod list;
mod login;
mod paste;
mod remove;

use std::time::{Duration, Instant};

use greenroom::{Credentials, CredentialsError, OpenError, StartError};

pub(in crate::cli) use self::login::NoLogin;
pub(super) use self::{
    add::{AddArgs, add},
    list::{ListArgs, list},
    login::{LoginArgs, login},
    remove::{RemoveArgs, remove},
};
use crate::cli::{Failure, context::Context, daemon::Daemon};

const WORKERS: usize = 1;
/// How long a store may be another's who can't be asked, say since it starts or ends, and the pause between two looks.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(50);
/// The profile of who names none.
const DEFAULT: &str = "default";

/// Who does what is asked.
enum Hand {
    Daemon(Daemon),
    /// To be closed when it is done.
    Here(Credentials),
}

/// Whether a data directory and its store are made where there are none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Made,
    /// What was never added to has nothing in it.
    AsItIs,
}

/// Whoever holds the data directory; else this process.
async fn hand(context: &Context, place: Place) -> Result<Hand, Failure> {
    let begun = Instant::now();
    loop {
        if let Some(daemon) = Daemon::find(context).await? {
            if context.globals.config.is_some() {
                return Err(Failure::usage(
                    "--config can't be heeded: a greenroom that runs has the credentials, with its own configuration",
                    "leave --config out, stop that one, or give this one a --data-dir of its own",
                ));
            }
            return Ok(Hand::Daemon(daemon));
        }
        let settings = context.load_here().await?.settings;
        let environment = context.environment.clone();
        let opened = match place {
            Place::Made => Credentials::at_rest(context.data_dir()?.path(), settings, environment).await,
            Place::AsItIs => Credentials::as_it_is(&context.data_place()?, settings, environment).await,
        };
        match opened {
            Ok(credentials) => return Ok(Hand::Here(credentials)),
            Err(StartError::Store(OpenError::Held { .. })) if begun.elapsed() < PATIENCE => {}
            Err(error) => return Err(error.into()),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Closes the store whatever came of it; its own error is told where there is no other.
async fn closed<T>(credentials: Credentials, outcome: Result<T, CredentialsError>) -> Result<T, Failure> {
    let closed = credentials.close().await;
    let value = outcome?;
    closed?;
    Ok(value)
}

/// A provider and a profile, as a person names them: `PROVIDER`, `PROVIDER/PROFILE`, or with `--profile`.
fn named(provider: &str, profile: Option<&str>) -> Result<(String, String), Failure> {
    let (provider, profile) = match (provider.split_once('/'), profile) {
        (Some(named), None) => named,
        (Some(_), Some(_)) => {
            return Err(Failure::usage("the profile is named twice", "name it after a slash or by --profile"));
        }
        (None, profile) => (provider, profile.unwrap_or(DEFAULT)),
    };
    match (provider, profile) {
        ("", _) => Err(Failure::usage("no provider is named", "name it: PROVIDER, or PROVIDER/PROFILE")),
        (_, "") => Err(CredentialsError::BadProfile.into()),
        _ => Ok((provider.to_owned(), profile.to_owned())),
    }
}
