//! `greenroom sessions show`.

use greenroom::event::EventBody;

use super::{known, transcript::Transcript};
use crate::cli::{
    Exit, Failure,
    attach::{Follower, Link},
    output::Output,
};

/// Prints what a session has up to now.
pub(super) async fn show(link: &Link<'_>, id: &str, json: bool) -> Result<Exit, Failure> {
    known(link, id).await?;
    let mut follower = Follower::new(link, id, None);
    let mut transcript = Transcript::new(Output::new(), json);
    while let Some(event) = follower.next().await? {
        if event.body == EventBody::Synced {
            break;
        }
        transcript.take(&event)?;
    }
    transcript.end()?;
    Ok(Exit::Done)
}
