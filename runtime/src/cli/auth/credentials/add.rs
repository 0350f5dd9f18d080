//! `greenroom auth add`.

use clap::Args;
use greenroom::{Added, CredentialsError};

use super::{Hand, Place, WORKERS, closed, hand, key, named};
use crate::cli::{
    Exit, Failure,
    context::{Context, block_on},
    notes,
    output::Output,
    signals::Interrupt,
};

/// Arguments of `greenroom auth add`.
#[derive(Debug, Args)]
pub(in super::super) struct AddArgs {
    /// The provider, or PROVIDER/PROFILE
    provider: String,
    /// The profile: an account or a key beside others [default: default]
    #[arg(long, value_name = "ID")]
    profile: Option<String>,
    /// Don't ask the provider whether it takes the key
    #[arg(long)]
    no_verify: bool,
    /// Print what was added as a line of JSON
    #[arg(long)]
    json: bool,
}

pub(in super::super) fn add(context: &Context, args: &AddArgs) -> Result<Exit, Failure> {
    let (provider, profile) = named(&args.provider, args.profile.as_deref())?;
    let verify = !args.no_verify;
    block_on(WORKERS, async {
        let interrupt = Interrupt::listen()?;
        let Some(key) = key::read(&provider)? else { return Ok(Exit::Interrupted) };
        let adding = async {
            match hand(context, Place::Made).await? {
                Hand::Daemon(daemon) => daemon.add_credential(&provider, &profile, &key, verify).await,
                Hand::Here(credentials) => {
                    let outcome = credentials.add(&provider, &profile, key, verify).await;
                    closed(credentials, outcome).await
                }
            }
        };
        tokio::select! {
            added = adding => told(&added?, args.json),
            () = interrupt.came() => Ok(Exit::Interrupted),
        }
    })
}

fn told(added: &Added, json: bool) -> Result<Exit, Failure> {
    let mut output = Output::new();
    if json {
        output.json(added)?;
        return Ok(Exit::Done);
    }
    let credential = &added.credential;
    let place = match credential.r#where.as_str() {
        "keyring" => "in the keyring of this system",
        _ => "sealed in the data directory, since this system has no keyring or the configuration says so",
    };
    output.line(&format!("{}/{} is added, {place}", credential.provider, credential.profile))?;
    if let Some(reason) = &added.unverified {
        notes::warning(&format!("{} did not say whether it takes this key: {reason}", credential.provider));
    }
    Ok(Exit::Done)
}

impl From<CredentialsError> for Failure {
    fn from(error: CredentialsError) -> Self {
        let is_usage = matches!(
            error,
            CredentialsError::UnknownProvider { .. }
                | CredentialsError::WantsNone { .. }
                | CredentialsError::BadProfile
                | CredentialsError::BadKey
                | CredentialsError::Written { .. }
                | CredentialsError::NotFound { .. }
                | CredentialsError::NoLogin { .. }
                | CredentialsError::Provider { .. }
        );
        let exit = if is_usage { Exit::Usage } else { Exit::Failed };
        Self::new(exit, crate::cli::failure::with_causes(&error), error.hint())
    }
}
