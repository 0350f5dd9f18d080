//! `greenroom auth list`.

use std::time::SystemTime;

use clap::Args;
use greenroom::CredentialInfo;

use super::{Hand, Place, WORKERS, closed, hand};
use crate::cli::{
    Exit, Failure,
    context::{Context, block_on},
    notes::{self, one_line},
    output::Output,
    table::table,
};

/// Arguments of `greenroom auth list`.
#[derive(Debug, Args)]
pub(in super::super) struct ListArgs {
    /// Print a line of JSON for each
    #[arg(long)]
    json: bool,
}

pub(in super::super) fn list(context: &Context, args: &ListArgs) -> Result<Exit, Failure> {
    let list = block_on(WORKERS, async {
        match hand(context, Place::AsItIs).await? {
            Hand::Daemon(daemon) => daemon.credentials().await,
            Hand::Here(credentials) => {
                let list = credentials.list().await;
                closed(credentials, Ok(list)).await
            }
        }
    })?;
    let mut output = Output::new();
    if args.json {
        list.iter().try_for_each(|credential| output.json(credential))?;
        return Ok(Exit::Done);
    }
    if list.is_empty() {
        notes::note("there are no credentials; `greenroom auth add PROVIDER` adds a key");
        return Ok(Exit::Done);
    }
    let rows: Vec<Vec<String>> = list.iter().map(row).collect();
    output.text(&table(&["PROVIDER", "PROFILE", "KIND", "WHERE", "STATE", "EXPIRES"], &rows))?;
    Ok(Exit::Done)
}

fn row(credential: &CredentialInfo) -> Vec<String> {
    let state = match &credential.reason {
        Some(reason) => format!("{}: {}", credential.state.as_str(), one_line(reason)),
        None => credential.state.as_str().to_owned(),
    };
    let expires = credential.expires.map_or_else(|| "-".to_owned(), in_words);
    vec![
        credential.provider.clone(),
        credential.profile.clone(),
        credential.kind.as_str().to_owned(),
        credential.r#where.clone(),
        state,
        expires,
    ]
}

/// In how long, in whole minutes.
fn in_words(at: SystemTime) -> String {
    let left = at.duration_since(SystemTime::now()).unwrap_or_default().as_secs();
    match (left / 3600, left / 60 % 60) {
        (0, 0) => "now".to_owned(),
        (0, minutes) => format!("in {minutes}m"),
        (hours, minutes) => format!("in {hours}h {minutes}m"),
    }
}
