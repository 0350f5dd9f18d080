//! One attempt at an answer: leave from the provider's actor, then a stream into the answer.
//!
//! A running attempt owns all that it needs, so that one which lost a race can be read to its first word after its turn.

use std::{sync::Arc, time::Duration};

use futures::{FutureExt as _, future::BoxFuture};
use greenroom_providers::{ChatCall, Deadlines, ModelInfo, elsewhere};
use greenroom_wire::{ChatError, ChatRequest, ErrorKind, error::Origin};
use tokio::time::Instant;

use super::{
    answering::{GoesOn, Lane, LaneSink},
    turn::{Job, ProviderRef, Shared},
};
use crate::{
    handle::Unavailable,
    provider::{
        ProfileId,
        actor::ProviderMsg,
        permit::{Permit, Refusal, Want},
    },
    router::{Candidate, actor::RouterMsg, dispatch::Ask, plan::Needs},
};

/// What an answer is taken to have in tokens, for what an attempt is expected to cost.
pub(super) const ANSWER_TOKENS: u64 = 500;
/// From a finish reason to usage or the end marker.
const FINISH_WAIT: Duration = Duration::from_secs(1);

/// An attempt that runs.
pub(super) struct Running {
    /// The candidate's index.
    pub(super) at: usize,
    pub(super) candidate: Candidate,
    pub(super) profile: ProfileId,
    /// Whether its profile has tokens that can be refreshed.
    pub(super) renews: bool,
    pub(super) goes_on: Option<GoesOn>,
    pub(super) lane: Lane,
    /// Why the model is left alone, if this looks whether it still has to be.
    pub(super) probes: Option<ErrorKind>,
    pub(super) ended: BoxFuture<'static, Ended>,
}

/// How an attempt ended.
pub(super) struct Ended {
    pub(super) outcome: Result<(), ChatError>,
    /// Whether the model had said something.
    pub(super) spoke: bool,
}

/// Asks a provider's actor for leave. It may wait in the provider's queue for `wait`.
pub(super) async fn acquire(
    provider: &ProviderRef,
    candidate: &Candidate,
    ask: Ask,
    job: &Job,
    needs: &Needs,
    wait: Duration,
) -> Result<Result<Permit, Refusal>, Unavailable> {
    let sticky = job.prefer.as_ref().filter(|(provider, _)| *provider == candidate.provider);
    let want = Want {
        model: candidate.model.id.clone(),
        owner: Arc::clone(&job.owner),
        exclude: ask.exclude,
        only: ask.only,
        prefer: sticky.map(|(_, profile)| Arc::clone(profile)),
        prompt_tokens: u32::try_from(needs.prompt_tokens).unwrap_or(u32::MAX),
        answers: true,
        until: Instant::now() + provider.queue_wait.min(wait),
    };
    provider.handle.call(|reply| ProviderMsg::Acquire(want.clone(), reply)).await
}

/// Makes an attempt. What came of it is told to the provider's actor and to the router, whoever awaits the end.
pub(super) fn attempt(
    shared: &Shared,
    permit: Permit,
    candidate: Candidate,
    request: Arc<ChatRequest>,
    deadlines: Deadlines,
    mut sink: LaneSink,
) -> BoxFuture<'static, Ended> {
    let router = shared.router.clone();
    let run = async move {
        sink.begin(permit.begin());
        let call = ChatCall {
            request: &request,
            model: &candidate.model.id,
            info: &candidate.model,
            provider: &candidate.provider,
            credential: &permit.credential,
            deadlines: &deadlines,
        };
        let outcome = elsewhere::chat(permit.provider.as_ref(), call, &mut sink).await;
        let outcome = outcome.map_err(|error| from(&candidate, &permit.profile, error));
        sink.end(outcome.as_ref().copied());
        let spoke = sink.spoke();
        permit.report(outcome.as_ref().copied(), spoke.is_some());
        if let Some(after) = spoke {
            let (provider, model) = (Arc::clone(&candidate.provider), candidate.model.id.clone());
            router.cast(RouterMsg::Spoke { provider, model, after });
        }
        Ended { outcome, spoke: spoke.is_some() }
    };
    run.boxed()
}

/// The error with who made it.
pub(super) fn from(candidate: &Candidate, profile: &ProfileId, mut error: ChatError) -> ChatError {
    error.details.origin = Some(Origin {
        provider: candidate.provider.to_string(),
        model: candidate.model.id.clone(),
        profile: Some(profile.to_string()),
    });
    error
}

/// How long an attempt may take; `has_other` is whether another candidate could answer.
pub(super) fn deadlines(
    provider: &ProviderRef,
    model: &ModelInfo,
    request: &ChatRequest,
    has_other: bool,
    prompt_tokens: u64,
) -> Deadlines {
    let timeouts = &provider.timeouts;
    let reasons = model.may_think(wants_thinking(request));
    let first_content = if has_other && !reasons && !provider.local {
        let tens_of_thousands = u32::try_from(prompt_tokens / 10_000).unwrap_or(u32::MAX);
        timeouts.first_token + timeouts.first_token_per_10k.saturating_mul(tens_of_thousands)
    } else {
        timeouts.first_token_alone
    };
    let idle = if reasons { timeouts.idle_reasoning } else { timeouts.idle };
    Deadlines { first_content, idle, silent: timeouts.silent, finish: FINISH_WAIT }
}

/// Whether a request asks for thinking; a bound or an effort does as well as a plain yes.
pub(super) fn wants_thinking(request: &ChatRequest) -> Option<bool> {
    let thinking = request.thinking.as_ref()?;
    thinking.enabled.or((thinking.budget.is_some() || thinking.effort.is_some()).then_some(true))
}

/// The error of a provider whose actor can't be reached.
pub(super) fn down(candidate: &Candidate, unavailable: Unavailable) -> ChatError {
    ChatError::new(ErrorKind::Overloaded, format!("the provider \"{}\" is down inside greenroom", candidate.provider))
        .with_source(unavailable)
}

#[cfg(test)]
#[path = "attempt_tests.rs"]
mod tests;
