//! `greenroom sessions show`.

use greenroom::event::EventBody;

use super::{known, transcript::Transcript};
use crate::cli::{
    Exit, Failure,
    attach::{Follower, Link},
};

/// Prints what a session has up to now.
pub(super) async fn show(link: &Link<'_>, id: &str, mut transcript: Transcript) -> Result<Exit, Failure> {
    known(link, id).await?;
    let outcome = up_to_now(link, id, &mut transcript).await;
    // Whatever came of it, nothing is held back.
    transcript.end()?;
    outcome
}

async fn up_to_now(link: &Link<'_>, id: &str, transcript: &mut Transcript) -> Result<Exit, Failure> {
    let mut follower = Follower::new(link, id, None);
    while let Some(event) = follower.next().await? {
        if event.body == EventBody::Synced {
            break;
        }
        transcript.take(&event)?;
    }
    Ok(Exit::Done)
}
