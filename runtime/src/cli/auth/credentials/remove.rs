//! `greenroom auth remove`.

use clap::Args;
use serde_json::json;

use super::{Hand, Place, WORKERS, closed, hand, named};
use crate::cli::{
    Exit, Failure,
    context::{Context, block_on},
    output::Output,
};

/// Arguments of `greenroom auth remove`.
#[derive(Debug, Args)]
pub(in super::super) struct RemoveArgs {
    /// The provider, or PROVIDER/PROFILE
    provider: String,
    /// The profile [default: default]
    #[arg(long, value_name = "ID")]
    profile: Option<String>,
    /// Print what was removed as a line of JSON
    #[arg(long)]
    json: bool,
}

pub(in super::super) fn remove(context: &Context, args: &RemoveArgs) -> Result<Exit, Failure> {
    let (provider, profile) = named(&args.provider, args.profile.as_deref())?;
    block_on(WORKERS, async {
        match hand(context, Place::AsItIs).await? {
            Hand::Daemon(daemon) => daemon.remove_credential(&provider, &profile).await,
            Hand::Here(credentials) => {
                let outcome = credentials.remove(&provider, &profile).await;
                closed(credentials, outcome).await
            }
        }
    })?;
    let mut output = Output::new();
    if args.json {
        output.json(&json!({"provider": provider, "profile": profile, "removed": true}))?;
    } else {
        output.line(&format!("{provider}/{profile} is removed"))?;
    }
    Ok(Exit::Done)
}
