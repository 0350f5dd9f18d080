//! One dispatch: which candidate and profile is asked next, as a state machine over the policy table. Pure; time and
//! jitter are arguments. It ends, whatever comes: attempts, waiting and steps are bounded.

use std::{
    collections::VecDeque,
    time::{Duration, SystemTime},
};

use greenroom_wire::{ChatError, ErrorKind};

use crate::{
    policy::{Again, Next, row, wait_before_again},
    provider::{ProfileId, listing::no_profile, permit::Refusal},
    router::plan::Candidate,
};

/// Most questions to providers' actors, answered or not: the end of a dispatch that nothing else ends.
const MOST_STEPS: u32 = 64;

/// A window that takes all the waiting there may be is not waited for: whether it fits would depend on how long the
/// failure that opened it took to arrive.
const WINDOW_SLACK: Duration = Duration::from_secs(1);

/// What a dispatch may spend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Attempts.
    pub attempts: u32,
    /// How often an answer that was interrupted goes on.
    pub continuations: u32,
    /// Waiting in all.
    pub max_wait: Duration,
}

/// What to do next.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// Ask a candidate.
    Ask(Ask),
    /// There is no answer.
    GiveUp(ChatError),
}

/// A candidate to ask, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ask {
    /// Its index among the candidates.
    pub(crate) candidate: usize,
    /// Profiles that won't do.
    pub(crate) exclude: Vec<ProfileId>,
    /// The only profile that will do.
    pub(crate) only: Option<ProfileId>,
    /// How long to wait first.
    pub(crate) wait: Duration,
}

/// The state machine.
#[derive(Debug)]
pub(crate) struct Dispatch {
    tried: Vec<Tried>,
    at: usize,
    budget: Budget,
    attempts: u32,
    /// Attempts that failed after the model had spoken.
    interruptions: u32,
    steps: u32,
    waited: Duration,
    failures: Vec<ChatError>,
    /// The profile that is asked once more with new tokens, if it gets any.
    renewed: Option<ProfileId>,
    /// Candidates and profiles that are asked once more when all others have failed.
    deferred: VecDeque<(usize, ProfileId)>,
}

#[derive(Debug)]
struct Tried {
    candidate: Candidate,
    exclude: Vec<ProfileId>,
    /// Profiles that were asked twice already.
    twice: Vec<ProfileId>,
    /// A profile that asked for a short wait, and how long: asked again if no other is good.
    hinted: Option<(ProfileId, Duration)>,
    /// When its first profile is free again, and why it isn't.
    cooling: Option<(SystemTime, ErrorKind)>,
}

impl Dispatch {
    /// A dispatch over these candidates, at least one, in order of preference.
    pub(crate) fn new(candidates: Vec<Candidate>, budget: Budget) -> Self {
        let tried = candidates.into_iter().map(|candidate| Tried {
            candidate,
            exclude: Vec::new(),
            twice: Vec::new(),
            hinted: None,
            cooling: None,
        });
        Self {
            tried: tried.collect(),
            at: 0,
            budget,
            attempts: 0,
            interruptions: 0,
            steps: 0,
            waited: Duration::ZERO,
            failures: Vec::new(),
            renewed: None,
            deferred: VecDeque::new(),
        }
    }

    /// The first step.
    pub(crate) fn start(&mut self) -> Step {
        self.ask(0, None, Duration::ZERO)
    }

    /// The candidate of an index.
    pub(crate) fn candidate(&self, index: usize) -> &Candidate {
        &self.tried[index].candidate
    }

    /// Whether another candidate comes after this one, and could still answer if it does not.
    pub(crate) fn has_after(&self, candidate: usize) -> bool {
        candidate + 1 < self.tried.len()
    }

    /// Attempts made so far.
    pub(crate) fn attempts(&self) -> u32 {
        self.attempts
    }

    /// The failures so far, oldest first.
    pub(crate) fn last_failure(&self) -> Option<&ChatError> {
        self.failures.last()
    }

    /// How long it may still wait.
    pub(crate) fn wait_left(&self) -> Duration {
        self.budget.max_wait.saturating_sub(self.waited)
    }

    /// An attempt begins.
    pub(crate) fn handle_attempt(&mut self) {
        self.attempts += 1;
    }

    /// An attempt has failed; `spoke` is whether the model had said something before, `renews` whether its profile has
    /// tokens that can be refreshed.
    pub(crate) fn handle_failure(
        &mut self,
        error: ChatError,
        profile: &ProfileId,
        spoke: bool,
        renews: bool,
        now: SystemTime,
        jittered: impl FnMut() -> Duration,
    ) -> Step {
        let mut jittered = jittered;
        let mut row = row(error.kind, spoke);
        self.renewed = None;
        self.failures.push(error.clone());
        if spoke {
            self.interruptions += 1;
            // It brought the answer forward, so asking it once more is not asking in vain.
            self.tried[self.at].twice.retain(|twice| twice != profile);
        }
        if self.interruptions > 0 && !spoke && error.kind == ErrorKind::InvalidRequest {
            // The client's request was taken before; what isn't taken is how it is to go on.
            row.next = Next::Yes;
        }
        if row.next == Next::No {
            return Step::GiveUp(self.alone(error));
        }
        if self.attempts >= self.budget.attempts || self.interruptions > self.budget.continuations {
            return Step::GiveUp(self.exhausted(now));
        }
        let at = self.at;
        let asked_twice = self.tried[at].twice.contains(profile);
        let again = wait_before_again(row.again, &error, &mut jittered).filter(|wait| !asked_twice && self.fits(*wait));
        match (row.again, again) {
            (Again::AfterRefresh, _) if renews && !asked_twice => {
                self.tried[at].twice.push(profile.clone());
                self.renewed = Some(profile.clone());
                // Another profile may go meanwhile: a token endpoint can take its time.
                return self.ask(at, None, Duration::ZERO);
            }
            (Again::Backoff | Again::AfterHint, Some(wait)) => {
                self.tried[at].twice.push(profile.clone());
                return self.ask(at, Some(profile.clone()), wait);
            }
            (Again::AfterOthers, Some(_)) => self.deferred.push_back((at, profile.clone())),
            (Again::AfterHintAlone, Some(wait)) => self.tried[at].hinted = Some((profile.clone(), wait)),
            _ => {}
        }
        let tried = &mut self.tried[at];
        if !tried.exclude.contains(profile) {
            tried.exclude.push(profile.clone());
        }
        if row.other_profiles {
            return self.ask(at, None, Duration::ZERO);
        }
        self.next_candidate(row.next, now, jittered)
    }

    /// The next candidate, to be asked beside the one that is asked now; none if there is no fresh one, or no attempt left.
    pub(crate) fn beside(&mut self) -> Option<Ask> {
        if self.attempts >= self.budget.attempts || self.steps >= MOST_STEPS {
            return None;
        }
        let candidate = (self.at + 1..self.tried.len()).find(|&at| self.is_untried(at))?;
        self.steps += 1;
        Some(Ask { candidate, exclude: Vec::new(), only: None, wait: Duration::ZERO })
    }

    /// One of two that were asked beside each other has failed without a word; the other goes on.
    pub(crate) fn handle_failure_beside(&mut self, candidate: usize, error: ChatError, profile: &ProfileId) {
        self.failures.push(error);
        self.tried[candidate].exclude.push(profile.clone());
    }

    /// This candidate is the one that is asked now.
    pub(crate) fn follow(&mut self, candidate: usize) {
        self.at = candidate;
    }

    /// The candidate that is asked now did not take the beginning of an answer, and is asked without.
    pub(crate) fn handle_prefill_refused(&mut self, error: ChatError, profile: &ProfileId, now: SystemTime) -> Step {
        self.failures.push(error);
        if self.attempts >= self.budget.attempts {
            return Step::GiveUp(self.exhausted(now));
        }
        self.ask(self.at, Some(profile.clone()), Duration::ZERO)
    }

    /// The provider's actor did not let an attempt through.
    pub(crate) fn handle_refusal(
        &mut self,
        refusal: Refusal,
        now: SystemTime,
        jittered: impl FnMut() -> Duration,
    ) -> Step {
        let at = self.at;
        if let Some((profile, wait)) = self.tried[at].hinted.take() {
            self.tried[at].twice.push(profile.clone());
            if self.fits(wait) {
                return self.ask(at, Some(profile), wait);
            }
        }
        if let Some(profile) = self.renewed.take() {
            // It got none.
            self.tried[at].exclude.push(profile);
            return self.ask(at, None, Duration::ZERO);
        }
        match refusal {
            Refusal::Tried => {}
            Refusal::LoggedOut { kind } => {
                let candidate = &self.tried[at].candidate;
                let message = format!("every login of {} is over", candidate.provider);
                let hint = format!(
                    "`greenroom auth list` says why; `greenroom auth login {}` logs in anew",
                    candidate.provider
                );
                self.failures.push(ChatError::new(kind, message).with_hint(hint));
            }
            Refusal::NoProfile => self.failures.push(no_profile(&self.tried[at].candidate.provider)),
            Refusal::Cooling { until, kind } => self.tried[at].cooling = Some((until, kind)),
            Refusal::QueueFull { after } => {
                self.failures.push(self.local("too many requests wait for the provider", after))
            }
            Refusal::Waited { after } => {
                self.failures.push(self.local("no place came free in time within the provider's limits", after))
            }
        }
        self.next_candidate(Next::Yes, now, jittered)
    }

    /// A failure of greenroom's own making, at the candidate that is asked now.
    pub(crate) fn handle_unavailable(
        &mut self,
        error: ChatError,
        now: SystemTime,
        jittered: impl FnMut() -> Duration,
    ) -> Step {
        self.failures.push(error);
        self.next_candidate(Next::Yes, now, jittered)
    }

    fn local(&self, message: &str, after: Option<Duration>) -> ChatError {
        let mut error = ChatError::new(ErrorKind::Overloaded, message);
        error.details.retry_after = after;
        error.details.origin = Some(greenroom_wire::error::Origin {
            provider: self.tried[self.at].candidate.provider.to_string(),
            model: self.tried[self.at].candidate.model.id.clone(),
            profile: None,
        });
        error.with_hint("ask less at once, or raise `limits` or `queue` of the provider")
    }

    fn fits(&self, wait: Duration) -> bool {
        self.waited + wait <= self.budget.max_wait
    }

    fn ask(&mut self, candidate: usize, only: Option<ProfileId>, wait: Duration) -> Step {
        self.steps += 1;
        if self.steps > MOST_STEPS {
            return Step::GiveUp(self.exhausted(SystemTime::UNIX_EPOCH));
        }
        self.at = candidate;
        self.waited += wait;
        let exclude = if only.is_some() { Vec::new() } else { self.tried[candidate].exclude.clone() };
        Step::Ask(Ask { candidate, exclude, only, wait })
    }

    fn next_candidate(&mut self, next: Next, now: SystemTime, mut jittered: impl FnMut() -> Duration) -> Step {
        let window = self.tried[self.at].candidate.model.context;
        let larger = |candidate: &Candidate| match (candidate.model.context, window) {
            (Some(theirs), Some(ours)) => theirs > ours,
            _ => true,
        };
        // An answer that was interrupted may also go on with those that stand before.
        let before = if self.interruptions > 0 { 0..self.at } else { 0..0 };
        let fresh = (self.at + 1..self.tried.len()).chain(before).filter(|&at| self.is_untried(at));
        let mut fits = fresh.filter(|&at| next != Next::LargerWindow || larger(&self.tried[at].candidate));
        if let Some(at) = fits.next() {
            return self.ask(at, None, Duration::ZERO);
        }
        if next == Next::LargerWindow {
            let error = self.failures.last().cloned().expect("an overflow is a failure");
            return Step::GiveUp(self.alone(error));
        }
        while let Some((at, profile)) = self.deferred.pop_front() {
            let wait = jittered();
            if self.fits(wait) {
                self.tried[at].twice.push(profile.clone());
                return self.ask(at, Some(profile), wait);
            }
        }
        if let Some((wait, at)) = self.first_to_free(now) {
            self.tried[at].exclude.clear();
            self.tried[at].cooling = None;
            return self.ask(at, None, wait);
        }
        Step::GiveUp(self.exhausted(now))
    }

    fn is_untried(&self, at: usize) -> bool {
        let tried = &self.tried[at];
        tried.exclude.is_empty() && tried.twice.is_empty() && tried.cooling.is_none()
    }

    /// The candidate whose profile is free first, if waiting for it fits and can help.
    fn first_to_free(&self, now: SystemTime) -> Option<(Duration, usize)> {
        let can_help = |kind| !matches!(kind, ErrorKind::Auth | ErrorKind::AuthPermanent | ErrorKind::Billing);
        let cooling = self.tried.iter().enumerate().filter_map(|(at, tried)| Some((tried.cooling?, at)));
        let waits = cooling.filter(|((_, kind), _)| can_help(*kind)).map(|((until, _), at)| {
            // A little more, so that the window is over when it is asked.
            (until.duration_since(now).unwrap_or_default() + Duration::from_millis(5), at)
        });
        waits.min().filter(|(wait, _)| self.fits(*wait + WINDOW_SLACK))
    }

    /// The error of an answer that one failure ended, with what failed before it.
    fn alone(&self, mut error: ChatError) -> ChatError {
        if self.failures.len() > 1 {
            error.details.attempts = self.failures.clone();
        }
        error
    }

    /// All has failed. Where there was only one way it is told as its own failure, which says more to a client.
    fn exhausted(&self, now: SystemTime) -> ChatError {
        let mut cooling = self.tried.iter().filter_map(|tried| tried.cooling);
        let first_free = cooling.clone().map(|(until, _)| until.duration_since(now).unwrap_or_default()).min();
        let mut error = match (&self.tried[..], self.failures.last(), cooling.next_back()) {
            ([_], Some(last), _) => self.alone(last.clone()),
            ([only], None, Some((_, kind))) => {
                ChatError::new(kind, format!("{} is left alone for now, after it failed", only.candidate))
            }
            (tried, ..) => {
                let names: Vec<String> = tried.iter().map(|tried| tried.candidate.to_string()).collect();
                let message = format!("none of {} could answer", names.join(", "));
                let mut error = ChatError::new(ErrorKind::Exhausted, message);
                error.details.attempts = self.failures.clone();
                error
            }
        };
        // What was refused for a limit of ours says when there is room.
        let limited = self
            .failures
            .iter()
            .filter(|failure| failure.details.origin.as_ref().is_some_and(|of| of.profile.is_none()));
        let first_free = limited.filter_map(|failure| failure.details.retry_after).chain(first_free).min();
        error.details.retry_after = error.details.retry_after.or(first_free);
        // One failure alone is told by what it is; this says nothing of it.
        if error.kind == ErrorKind::Exhausted {
            let hint = "`greenroom providers status` shows what is left alone, and until when";
            error.details.hint.get_or_insert_with(|| hint.into());
        }
        error
    }
}

#[cfg(test)]
#[path = "dispatch_tests.rs"]
mod tests;
