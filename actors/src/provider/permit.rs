//! Leave to make one attempt: what the provider's actor gives, and what it is told afterwards.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use greenroom_providers::{Credential, Provider};
use greenroom_wire::{ChatError, ErrorKind};
use ractor::RpcReplyPort;
use tokio::time::Instant;

use super::{
    actor::ProviderMsg,
    limiter::{Limiters, Slot},
    meter::{Estimate, Meter},
    profiles::ProfileId,
};
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
    /// About how many tokens the prompt has.
    pub(crate) prompt_tokens: u32,
    /// Whether there will be an answer in tokens beside it.
    pub(crate) answers: bool,
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
    /// Too many requests wait; the first of them can go after so long, if that is known.
    QueueFull { after: Option<Duration> },
    /// It waited in the queue for as long as it may, and would have had to for so long more, if that is known.
    Waited { after: Option<Duration> },
    /// Every profile's login is over: somebody has to log in.
    LoggedOut { kind: ErrorKind },
    /// There is no profile.
    NoProfile,
}

/// Leave to make one attempt. Dropping it gives its place to the next, and settles what the attempt is known to have used.
///
/// It holds all that the attempt needs, so an actor that fails meanwhile does not touch it.
pub(crate) struct Permit {
    pub(crate) provider: Arc<dyn Provider>,
    pub(crate) profile: ProfileId,
    pub(crate) credential: Arc<Credential>,
    /// Which of its login's tokens these are, if it has a login.
    pub(crate) generation: Option<u64>,
    /// Why the model is left alone, if this attempt looks whether it still has to be.
    pub(crate) probes: Option<ErrorKind>,
    pub(super) model: String,
    pub(super) slots: [Slot; 2],
    pub(super) actor: Handle<ProviderMsg>,
    pub(super) limiters: Arc<Limiters>,
    /// The profile's place.
    pub(super) at: usize,
    /// What was taken of the limits.
    pub(super) estimate: Estimate,
    pub(super) meter: Arc<Meter>,
    pub(super) settled: AtomicBool,
}

impl Permit {
    /// The attempt begins: from now on the provider may count it. One that never begins takes nothing of any limit.
    pub(crate) fn begin(&self) -> Arc<Meter> {
        self.meter.begin();
        Arc::clone(&self.meter)
    }

    /// Tells the actor how the attempt went. `spoke` is whether the model had said anything.
    pub(crate) fn report(&self, outcome: Result<(), &ChatError>, spoke: bool) {
        let whole = outcome.is_ok();
        // What failed before a token was not answered, and so not charged.
        self.settle(if whole || spoke { self.used(whole) } else { 0 });
        let outcome = match outcome {
            Ok(()) => Ok(()),
            Err(error) => Err(error.clone()),
        };
        let answered = (whole && spoke).then(|| self.meter.answer(true));
        let (profile, model) = (Arc::clone(&self.profile), self.model.clone());
        let generation = self.generation;
        self.actor.cast(ProviderMsg::Report { profile, model, outcome, spoke, answered, generation });
    }

    fn used(&self, whole: bool) -> u32 {
        self.meter.used(whole, self.estimate.prompt, self.provider.counts_cached())
    }

    fn settle(&self, used: u32) {
        if !self.settled.swap(true, Ordering::Relaxed) {
            self.limiters.settle(self.at, self.estimate.total(), used);
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let counted = self.slots.iter().any(Option::is_some);
        let unsettled = !self.settled.load(Ordering::Relaxed);
        if self.meter.has_begun() {
            self.settle(self.used(false));
        } else if !self.settled.swap(true, Ordering::Relaxed) {
            self.limiters.give_back(self.at, self.estimate.total());
        }
        self.meter.handle_end();
        self.slots = [None, None];
        // Only what was counted makes room for another.
        if counted || unsettled {
            self.actor.cast(ProviderMsg::Freed);
        }
    }
}
