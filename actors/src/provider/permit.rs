//! Leave to make one attempt: what the provider's actor gives, and what it is told afterwards.

use std::{sync::Arc, time::SystemTime};

use greenroom_providers::{Credential, Provider};
use greenroom_wire::{ChatError, ErrorKind};
use ractor::RpcReplyPort;
use tokio::time::Instant;

use super::{actor::ProviderMsg, limiter::Slot, profiles::ProfileId};
use crate::handle::Handle;

/// What an attempt needs to be let through.
#[derive(Debug, Clone)]
pub(crate) struct Want {
    /// The provider's id of the model.
    pub(crate) model: String,
    /// Whose request it is; waiting requests of different owners take turns.
    pub(crate) owner: Arc<str>,
    /// Profiles that were tried and failed.
    pub(crate) exclude: Vec<ProfileId>,
    /// This profile and no other.
    pub(crate) only: Option<ProfileId>,
    /// This profile first, while it is good.
    pub(crate) prefer: Option<ProfileId>,
    /// About how many tokens prompt and answer will take.
    pub(crate) tokens: u32,
    /// How long it may wait in the queue.
    pub(crate) until: Instant,
}

/// A request that waits.
pub(super) struct Waiting {
    pub(super) want: Want,
    pub(super) reply: RpcReplyPort<Result<Permit, Refusal>>,
}

/// Why an attempt is not let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Every profile is left alone until then, for a reason like this.
    Cooling { until: SystemTime, kind: ErrorKind },
    /// Every profile was tried already.
    Tried,
    /// Too many requests wait.
    QueueFull,
    /// It waited in the queue for as long as it may.
    Waited,
}

/// Leave to make one attempt. Dropping it gives its place to the next.
///
/// It holds all that the attempt needs, so an actor that fails meanwhile does not touch it.
pub(crate) struct Permit {
    pub(crate) provider: Arc<dyn Provider>,
    pub(crate) profile: ProfileId,
    pub(crate) credential: Arc<Credential>,
    /// Why the model is left alone, if this attempt looks whether it still has to be.
    pub(crate) probes: Option<ErrorKind>,
    pub(super) model: String,
    pub(super) slots: [Slot; 2],
    pub(super) actor: Handle<ProviderMsg>,
}

impl Permit {
    /// Tells the actor how the attempt went. `spoke` is whether the model had said anything.
    pub(crate) fn report(&self, outcome: Result<(), &ChatError>, spoke: bool) {
        let outcome = match outcome {
            Ok(()) => Ok(()),
            Err(error) => Err(error.clone()),
        };
        let (profile, model) = (Arc::clone(&self.profile), self.model.clone());
        self.actor.cast(ProviderMsg::Report { profile, model, outcome, spoke });
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let counted = self.slots.iter().any(Option::is_some);
        self.slots = [None, None];
        // Only a place that was counted makes room for another.
        if counted {
            self.actor.cast(ProviderMsg::Freed);
        }
    }
}
