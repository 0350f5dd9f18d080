//! One turn: from a request to the last event of its answer.
//!
//! It asks the router for a plan, walks it by the [`Dispatch`], asks each provider's actor for leave, and makes the
//! attempts. All of its state is its own, so no actor's failure touches an answer that runs.

use std::{
    borrow::Cow,
    sync::Arc,
    time::{Duration, SystemTime},
};

use greenroom_providers::{ChatCall, Deadlines, ModelInfo, retry::Waits};
use greenroom_wire::{ChatError, ChatRequest, ErrorKind, error::Origin};
use tokio::time::Instant;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    answering::{Answering, GoesOn},
    continuation::{How, OnInterrupt, WayOn, continuing, how_to_go_on, is_json_asked, must_stay_whole},
    event::{EventBody, Failure},
};
use crate::{
    handle::{Handle, Unavailable},
    policy::{Next, row},
    provider::{
        ProfileId,
        actor::ProviderMsg,
        permit::{Permit, Want},
    },
    router::{
        Budget, Candidate,
        actor::{Plan, RouterMsg},
        dispatch::{Ask, Dispatch, Step},
        plan::Needs,
    },
};

/// What an answer is taken to have in tokens before anything is known.
const ANSWER_TOKENS: u64 = 500;
/// From a finish reason to usage or the end marker.
const FINISH_WAIT: Duration = Duration::from_secs(1);

/// How long attempts at a provider may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// To the first content, where another candidate could answer.
    pub first_token: Duration,
    /// What `first_token` grows by for each 10,000 tokens of the prompt.
    pub first_token_per_10k: Duration,
    /// To the first content, where none could, of a model that reasons, or of one that runs on the user's hardware.
    pub first_token_alone: Duration,
    /// Between bytes.
    pub idle: Duration,
    /// Between bytes of a model that reasons.
    pub idle_reasoning: Duration,
    /// Between pieces of content.
    pub silent: Duration,
}

/// What bounds a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TurnLimits {
    /// Bytes of its answer.
    pub bytes: usize,
    /// How long it may take.
    pub time: Duration,
}

/// A provider as a turn sees it.
#[derive(Debug, Clone)]
pub(crate) struct ProviderRef {
    pub(crate) handle: Handle<ProviderMsg>,
    pub(crate) timeouts: Timeouts,
    pub(crate) local: bool,
    /// How long a request may wait in its queue.
    pub(crate) queue_wait: Duration,
    pub(crate) defaults: RequestDefaults,
}

/// What requests ask that don't say.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct RequestDefaults {
    /// Sampling temperature.
    pub temperature: Option<f64>,
    /// Most tokens of an answer.
    pub max_tokens: Option<u64>,
}

impl RequestDefaults {
    /// The request with what it does not say filled in; the same one where there is nothing to fill in.
    fn fill<'a>(&self, request: &'a ChatRequest) -> Cow<'a, ChatRequest> {
        let temperature = self.temperature.filter(|_| request.temperature.is_none());
        let max_tokens = self.max_tokens.filter(|_| request.max_tokens.is_none());
        if temperature.is_none() && max_tokens.is_none() {
            return Cow::Borrowed(request);
        }
        let mut filled = request.clone();
        filled.temperature = request.temperature.or(temperature);
        filled.max_tokens = request.max_tokens.or(max_tokens);
        Cow::Owned(filled)
    }
}

/// What every turn of a runtime shares.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) router: Handle<RouterMsg>,
    /// In the order they were written.
    pub(crate) providers: Vec<(Arc<str>, ProviderRef)>,
    pub(crate) budget: Budget,
    pub(crate) limits: TurnLimits,
    /// What is done with an answer that is interrupted, where its request doesn't say.
    pub(crate) on_interrupt: OnInterrupt,
    /// Ends every turn, with an error.
    pub(crate) shutdown: CancellationToken,
    /// Counts the turns that run.
    pub(crate) turns: TaskTracker,
}

/// What a turn is to do.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) request: ChatRequest,
    /// Whose it is; owners take turns in a provider's queue.
    pub(crate) owner: Arc<str>,
    /// Who answered this owner last, to stay with them.
    pub(crate) prefer: Option<(Arc<str>, ProfileId)>,
    /// What is done with an answer that is interrupted, if this turn says.
    pub(crate) on_interrupt: Option<OnInterrupt>,
}

/// Runs a turn to its last event. Gives who answered.
pub(crate) async fn run(
    shared: &Shared,
    job: &Job,
    mut answering: Answering,
    cancel: &CancellationToken,
) -> Option<(Arc<str>, ProfileId)> {
    let _counted = shared.turns.token();
    answering.log(EventBody::TurnStarted);
    let outcome = tokio::select! {
        biased;
        () = cancel.cancelled() => Err(None),
        () = shared.shutdown.cancelled() => {
            let error = ChatError::new(ErrorKind::Overloaded, "greenroom is shutting down");
            Err(Some(error.with_hint("ask again once it is back")))
        }
        outcome = tokio::time::timeout(shared.limits.time, seek(shared, job, &mut answering)) => match outcome {
            Ok(outcome) => outcome.map_err(Some),
            // At its bound in time an answer ends as at its bound in length, if there is one.
            Err(_) if answering.has_shown() => Ok(()),
            Err(_) => Err(Some(ChatError::new(ErrorKind::Timeout, "the turn took longer than it may"))),
        },
    };
    let route = answering.route();
    let last = match outcome {
        Ok(()) => EventBody::TurnFinished { reason: answering.reason() },
        Err(None) => EventBody::TurnCancelled,
        Err(Some(error)) => EventBody::TurnFailed { error: Failure::from(&error) },
    };
    answering.end(last);
    route
}

/// Seeks an answer until there is one or nothing is left to try.
async fn seek(shared: &Shared, job: &Job, answering: &mut Answering) -> Result<(), ChatError> {
    let needs = Needs::of(&job.request);
    let Planned { candidates, mut old } = plan(shared, &job.request.model, needs).await?;
    let mut dispatch = Dispatch::new(candidates.clone(), shared.budget);
    let mut waits = Waits::new();
    let mut step = dispatch.start();
    let mut asked: Option<usize> = None;
    // Whether an answer that was begun is to go on.
    let mut interrupted = false;
    // Candidates that did not take the beginning of an answer.
    let mut prefill_refused: Vec<usize> = Vec::new();
    loop {
        let ask = match step {
            Step::GiveUp(error) => {
                let again = replan(shared, job, needs, old.take(), error, &candidates).await?;
                dispatch = Dispatch::new(again, shared.budget);
                asked = None;
                step = dispatch.start();
                continue;
            }
            Step::Ask(ask) => ask,
        };
        let at = ask.candidate;
        let candidate = dispatch.candidate(at).clone();
        let goes_on = std::mem::take(&mut interrupted);
        if let Some(before) = asked.replace(at)
            && (before != at || goes_on)
            && let Some(failure) = dispatch.last_failure()
        {
            let from = dispatch.candidate(before).to_string();
            tracing::info!(%from, to = %candidate, kind = %failure.kind, "handing on to the next candidate");
            answering.log(EventBody::Failover { from, to: candidate.to_string(), kind: failure.kind });
        }
        if !ask.wait.is_zero() {
            tokio::time::sleep(ask.wait).await;
        }
        let jittered = || waits.next_wait();
        let Some(provider) = shared.provider(&candidate.provider) else {
            let error = ChatError::new(ErrorKind::Config, format!("there is no provider \"{}\"", candidate.provider));
            step = dispatch.handle_unavailable(error, SystemTime::now(), jittered);
            continue;
        };
        step = match acquire(provider, &candidate, ask, job, &needs, dispatch.wait_left()).await {
            Err(unavailable) => dispatch.handle_unavailable(down(&candidate, unavailable), SystemTime::now(), jittered),
            Ok(Err(refusal)) => dispatch.handle_refusal(refusal, SystemTime::now(), jittered),
            Ok(Ok(permit)) => {
                dispatch.handle_attempt();
                let deadlines =
                    deadlines(provider, &candidate.model, &job.request, dispatch.has_other(), needs.prompt_tokens);
                let how = how_to_go_on(
                    &candidate.model,
                    wants_thinking(&job.request) == Some(true),
                    prefill_refused.contains(&at),
                );
                let (request, goes_on) = question(&job.request, answering, how);
                answering.begin(&candidate, Arc::clone(&permit.profile), dispatch.attempts(), goes_on);
                let outcome =
                    attempt(&permit, &candidate, &provider.defaults.fill(&request), &deadlines, answering).await;
                let spoke = answering.spoke();
                permit.report(outcome.as_ref().copied(), spoke.is_some());
                if let Some(after) = spoke {
                    let (provider, model) = (Arc::clone(&candidate.provider), candidate.model.id.clone());
                    shared.router.cast(RouterMsg::Spoke { provider, model, after });
                }
                let error = match outcome {
                    Ok(()) if answering.diverged() => diverged(&candidate, &permit),
                    Ok(()) => return whole(job, answering),
                    Err(error) => error,
                };
                if spoke.is_none() && goes_on.is_some_and(|goes_on| goes_on.how == How::Prefilled) && refuses(&error) {
                    prefill_refused.push(at);
                    dispatch.handle_prefill_refused(error, &permit.profile, SystemTime::now())
                } else {
                    if spoke.is_some() {
                        interrupted = true;
                        go_on(shared, job, answering, &error)?;
                    }
                    dispatch.handle_failure(error, &permit.profile, spoke.is_some(), SystemTime::now(), jittered)
                }
            }
        };
    }
}

/// What is asked now: the request itself, or to go on with what was shown of the answer.
fn question<'a>(request: &'a ChatRequest, answering: &Answering, how: How) -> (Cow<'a, ChatRequest>, Option<GoesOn>) {
    if answering.shown().way_on() != WayOn::Continue {
        return (Cow::Borrowed(request), None);
    }
    let (request, more) = continuing(request, answering.shown().text(), how);
    (Cow::Owned(request), Some(GoesOn { how, more }))
}

/// An attempt has failed after the model had spoken: readies the answer for the next.
///
/// # Errors
/// The failure is the answer's, since it can't go on, or isn't to.
fn go_on(shared: &Shared, job: &Job, answering: &mut Answering, error: &ChatError) -> Result<(), ChatError> {
    let way_on = answering.cut();
    if row(error.kind, true).next == Next::No {
        return Err(error.clone());
    }
    match job.on_interrupt.unwrap_or(shared.on_interrupt) {
        OnInterrupt::Restart => {
            answering.restart();
            Ok(())
        }
        OnInterrupt::Continue if way_on != WayOn::None && !must_stay_whole(&job.request) => {
            answering.drop_half_made();
            Ok(())
        }
        OnInterrupt::Continue | OnInterrupt::Fail => Err(error.clone()),
    }
}

/// Whether a provider may have refused the beginning of an answer by this.
fn refuses(error: &ChatError) -> bool {
    error.kind == ErrorKind::InvalidRequest
}

/// An answer has come to its end: is it whole?
fn whole(job: &Job, answering: &Answering) -> Result<(), ChatError> {
    if answering.was_cut() && answering.has_stopped() && is_json_asked(&job.request) {
        serde_json::from_str::<serde::de::IgnoredAny>(answering.shown().text()).map_err(|error| {
            let message = "the answer was cut, and what goes on with it makes no valid JSON";
            ChatError::new(ErrorKind::Protocol, message).with_hint("ask again").with_source(error)
        })?;
    }
    Ok(())
}

fn diverged(candidate: &Candidate, permit: &Permit) -> ChatError {
    let message = "asked to go on with an answer that was cut, the model began another";
    from(candidate, permit, ChatError::new(ErrorKind::Protocol, message))
}

/// Who may answer after all, where nobody did: what an old list named may be gone, and a new list says what there is.
/// The error is given back if that is not why.
async fn replan(
    shared: &Shared,
    job: &Job,
    needs: Needs,
    old: Option<Arc<str>>,
    error: ChatError,
    tried: &[Candidate],
) -> Result<Vec<Candidate>, ChatError> {
    let Some(provider) = old.filter(|_| error.kind == ErrorKind::NotFound) else { return Err(error) };
    if shared.list(&provider, true).await.is_err() {
        return Err(error);
    }
    let Planned { candidates, .. } = plan(shared, &job.request.model, needs).await?;
    let is_new = candidates
        .iter()
        .any(|new| !tried.iter().any(|tried| tried.provider == new.provider && tried.model.id == new.model.id));
    if is_new { Ok(candidates) } else { Err(error) }
}

/// Who may answer, in order of preference.
pub(crate) struct Planned {
    pub(crate) candidates: Vec<Candidate>,
    /// The provider whose old list named them, if it was one; a new one is on its way.
    old: Option<Arc<str>>,
}

/// Finds out who may answer.
pub(crate) async fn plan(shared: &Shared, model: &str, needs: Needs) -> Result<Planned, ChatError> {
    // Lists are asked for once at most: what they don't decide they won't decide the second time.
    for _ in 0..2 {
        let question = |reply| RouterMsg::Plan { model: model.to_owned(), needs, reply };
        match shared.router.call(question).await.map_err(router_down)?? {
            Plan::Candidates { candidates, refresh } => {
                // The old list will do for this turn, and the next has a new one.
                if let Some(provider) = refresh.as_ref().and_then(|name| shared.provider(name)) {
                    provider.handle.cast(ProviderMsg::Refresh);
                }
                return Ok(Planned { candidates, old: refresh });
            }
            Plan::NeedsLists(providers) => {
                futures::future::join_all(providers.iter().map(|provider| shared.list(provider, true))).await;
            }
        }
    }
    Err(ChatError::new(ErrorKind::NotFound, format!("there is no model \"{model}\"")))
}

async fn acquire(
    provider: &ProviderRef,
    candidate: &Candidate,
    ask: Ask,
    job: &Job,
    needs: &Needs,
    wait_left: Duration,
) -> Result<Result<Permit, crate::provider::permit::Refusal>, Unavailable> {
    let sticky = job.prefer.as_ref().filter(|(provider, _)| *provider == candidate.provider);
    let want = Want {
        model: candidate.model.id.clone(),
        owner: Arc::clone(&job.owner),
        exclude: ask.exclude,
        only: ask.only,
        prefer: sticky.map(|(_, profile)| Arc::clone(profile)),
        tokens: u32::try_from(needs.prompt_tokens + ANSWER_TOKENS).unwrap_or(u32::MAX),
        until: Instant::now() + provider.queue_wait.min(wait_left),
    };
    provider.handle.call(|reply| ProviderMsg::Acquire(want.clone(), reply)).await
}

async fn attempt(
    permit: &Permit,
    candidate: &Candidate,
    request: &ChatRequest,
    deadlines: &Deadlines,
    answering: &mut Answering,
) -> Result<(), ChatError> {
    let call = ChatCall {
        request,
        model: &candidate.model.id,
        info: &candidate.model,
        provider: &candidate.provider,
        credential: &permit.credential,
        deadlines,
    };
    permit.provider.chat(call, answering).await.map_err(|error| from(candidate, permit, error))
}

/// The error with who made it.
fn from(candidate: &Candidate, permit: &Permit, mut error: ChatError) -> ChatError {
    error.details.origin = Some(Origin {
        provider: candidate.provider.to_string(),
        model: candidate.model.id.clone(),
        profile: Some(permit.profile.to_string()),
    });
    error
}

fn deadlines(
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
fn wants_thinking(request: &ChatRequest) -> Option<bool> {
    let thinking = request.thinking.as_ref()?;
    thinking.enabled.or((thinking.budget.is_some() || thinking.effort.is_some()).then_some(true))
}

fn down(candidate: &Candidate, unavailable: Unavailable) -> ChatError {
    ChatError::new(ErrorKind::Overloaded, format!("the provider \"{}\" is down inside greenroom", candidate.provider))
        .with_source(unavailable)
}

pub(crate) fn router_down(unavailable: Unavailable) -> ChatError {
    ChatError::new(ErrorKind::Overloaded, "the router is down inside greenroom").with_source(unavailable)
}

impl Shared {
    pub(crate) fn provider(&self, name: &str) -> Option<&ProviderRef> {
        self.providers.iter().find(|(provider, _)| &**provider == name).map(|(_, provider)| provider)
    }

    /// Has a provider list its models. Only if the list has to be `fresh` is the router told: it would take an old one
    /// for a new one.
    pub(crate) async fn list(&self, name: &Arc<str>, fresh: bool) -> Result<Arc<[ModelInfo]>, ChatError> {
        let Some(provider) = self.provider(name) else {
            return Err(ChatError::new(ErrorKind::NotFound, format!("there is no provider \"{name}\"")));
        };
        let list = match provider.handle.call(|reply| ProviderMsg::Models { fresh, reply }).await {
            Ok(list) => list,
            Err(unavailable) => {
                let message = format!("the provider \"{name}\" is down inside greenroom");
                Err(ChatError::new(ErrorKind::Overloaded, message).with_source(unavailable))
            }
        };
        if fresh {
            self.router.cast(RouterMsg::Listed { provider: Arc::clone(name), list: list.clone() });
        }
        list
    }
}

#[cfg(test)]
#[path = "turn_tests.rs"]
mod tests;
