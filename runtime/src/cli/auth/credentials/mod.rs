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

/// Whoever holds the data directory; else this process.
async fn hand(context: &Context) -> Result<Hand, Failure> {
    let begun = Instant::now();
    loop {
        if let Some(daemon) = Daemon::find(context).await? {
            return Ok(Hand::Daemon(daemon));
        }
        let settings = context.load_here().await?.settings;
        let dir = context.data_dir()?;
        match Credentials::at_rest(dir.path(), settings, context.environment.clone()).await {
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
    match (provider.split_once('/'), profile) {
        (Some((provider, profile)), None) => Ok((provider.to_owned(), profile.to_owned())),
        (Some(_), Some(_)) => {
            Err(Failure::usage("the profile is named twice", "name it after a slash or by --profile"))
        }
        (None, profile) => Ok((provider.to_owned(), profile.unwrap_or(DEFAULT).to_owned())),
    }
}
