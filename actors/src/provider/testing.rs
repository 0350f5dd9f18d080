//! How a provider's actor finds out whether each profile gets in.
//!
//! A test is nobody's attempt: it takes nothing of a limit, and changes no mark. That a provider lists its models says
//! neither that a model answers nor that an account has money left.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use greenroom_providers::Health;
use greenroom_wire::{ChatError, ErrorKind};
use ractor::RpcReplyPort;

use super::{
    actor::{ProviderMsg, State},
    args::Way,
    profiles::ProfileId,
};
use crate::handle::Handle;

/// What has not answered by then is told as silent.
const TEST_WAIT: Duration = Duration::from_secs(15);

/// How the test of one profile went.
#[derive(Debug, Clone)]
pub struct ProfileTest {
    /// The profile.
    pub profile: ProfileId,
    /// What the provider answered, or why it did not.
    pub outcome: Result<Health, ChatError>,
    /// How long it took.
    pub took: Duration,
}

impl State {
    /// Asks by every profile at once, in a task of its own: whoever asked waits for that, the actor doesn't.
    pub(super) fn handle_test(&mut self, reply: RpcReplyPort<Vec<ProfileTest>>) {
        let there = self.seats.iter().filter(|seat| !seat.gone);
        let tests = there.map(|seat| {
            let (profile, way) = (Arc::clone(&seat.profile.id), seat.profile.way.clone());
            let (provider, myself) = (Arc::clone(&self.args.provider), self.myself.clone());
            async move {
                let begun = Instant::now();
                let asked = async { provider.health(&*credential(&way, &myself).await?).await };
                let outcome = tokio::time::timeout(TEST_WAIT, asked).await.unwrap_or_else(|_| {
                    let silent = format!("nothing came for {} s", TEST_WAIT.as_secs());
                    Err(ChatError::new(ErrorKind::Timeout, silent))
                });
                ProfileTest { profile, outcome, took: begun.elapsed() }
            }
        });
        let tests = futures::future::join_all(tests.collect::<Vec<_>>());
        while self.tasks.try_join_next().is_some() {}
        self.tasks.spawn(async move {
            // Whoever asked may have left.
            let _ = reply.send(tests.await);
        });
    }
}

async fn credential(
    way: &Way,
    myself: &Handle<ProviderMsg>,
) -> Result<Arc<greenroom_providers::Credential>, ChatError> {
    match way {
        Way::Fixed(credential) => Ok(Arc::clone(credential)),
        Way::Login(login) => login.credential(myself).await,
    }
}
