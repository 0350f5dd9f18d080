//! Seeking an answer: walks the [`Dispatch`] from attempt to attempt until there is an answer or nothing is left to try.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use greenroom_providers::{cost::Cost, retry::Waits};
use greenroom_wire::{ChatError, ChatRequest, ErrorKind, Usage};

use super::{
    answering::{Answering, Begin, GoesOn, LaneSink, SharedAnswering, lock},
    attempt::{ANSWER_TOKENS, Ended, Running, acquire, attempt, deadlines, down, from, wants_thinking},
    continuation::{How, OnInterrupt, WayOn, continuing, how_to_go_on, is_json_asked, must_stay_whole, tokens_of},
    event::EventBody,
    race::{Decided, race},
    turn::{Job, Planned, ProviderRef, Shared, plan, replan},
};
use crate::{
    policy::{Next, row},
    provider::permit::Permit,
    router::{
        Candidate,
        dispatch::{Ask, Dispatch, Step},
        plan::Needs,
    },
    usage::Booking,
};

/// After how long without a word from a model that is looked at the next candidate begins beside it.
const PROBE_ALONE: Duration = Duration::from_secs(1);

/// Seeks an answer until there is one or nothing is left to try.
pub(super) async fn seek(shared: &Shared, job: &Job, answering: &SharedAnswering) -> Result<(), ChatError> {
    let needs = Needs::of(&job.request);
    let Planned { candidates, mut old } = plan(shared, &job.request.model, needs).await?;
    let expected = candidates.first().map_or_else(Cost::default, |first| expected(first, &needs));
    let _reserved = shared.ledger.admit(&job.asker, expected).await?;
    let dispatch = Dispatch::new(candidates.clone(), shared.budget);
    let mut seek = Seek {
        shared,
        job,
        answering,
        needs,
        dispatch,
        waits: Waits::new(),
        asked: None,
        interrupted: false,
        prefill_refused: Vec::new(),
    };
    if lock(answering).was_cut() {
        let error = ChatError::new(ErrorKind::Protocol, "the answer was interrupted as greenroom ended");
        seek.go_on(&error.with_hint("ask again"))?;
    }
    let mut step = seek.dispatch.start();
    loop {
        step = match step {
            Step::GiveUp(error) => {
                let again = replan(shared, job, needs, old.take(), error, &candidates).await?;
                seek.dispatch = Dispatch::new(again, shared.budget);
                seek.asked = None;
                seek.dispatch.start()
            }
            Step::Ask(ask) => match seek.ask(ask).await? {
                Some(step) => step,
                None => return Ok(()),
            },
        };
    }
}

/// What an answer of this candidate may cost.
fn expected(candidate: &Candidate, needs: &Needs) -> Cost {
    let usage = Usage { input: needs.prompt_tokens, output: ANSWER_TOKENS, ..Usage::default() };
    candidate.model.price.map_or_else(Cost::default, |price| price.cost(&usage))
}

struct Seek<'a> {
    shared: &'a Shared,
    job: &'a Job,
    answering: &'a SharedAnswering,
    needs: Needs,
    dispatch: Dispatch,
    waits: Waits,
    /// The candidate that was asked last.
    asked: Option<usize>,
    /// Whether an answer that was begun is to go on.
    interrupted: bool,
    /// Candidates that did not take the beginning of an answer.
    prefill_refused: Vec<usize>,
}

impl Seek<'_> {
    /// Asks a candidate. Gives what to do next; nothing if there is an answer.
    async fn ask(&mut self, ask: Ask) -> Result<Option<Step>, ChatError> {
        let at = ask.candidate;
        let candidate = self.dispatch.candidate(at).clone();
        self.tell_handed_on(at, &candidate);
        if !ask.wait.is_zero() {
            tokio::time::sleep(ask.wait).await;
        }
        let now = SystemTime::now;
        let Some(provider) = self.shared.provider(&candidate.provider) else {
            let error = ChatError::new(ErrorKind::Config, format!("there is no provider \"{}\"", candidate.provider));
            return Ok(Some(self.dispatch.handle_unavailable(error, now(), || self.waits.next_wait())));
        };
        let wait = self.dispatch.wait_left();
        let permit = match acquire(&provider, &candidate, ask, self.job, &self.needs, wait).await {
            Err(unavailable) => {
                let error = down(&candidate, unavailable);
                return Ok(Some(self.dispatch.handle_unavailable(error, now(), || self.waits.next_wait())));
            }
            Ok(Err(refusal)) => {
                return Ok(Some(self.dispatch.handle_refusal(refusal, now(), || self.waits.next_wait())));
            }
            Ok(Ok(permit)) => permit,
        };
        let running = self.start(at, candidate, &provider, permit, None);
        let (running, ended) = self.run(running).await;
        let error = match ended.outcome {
            Ok(()) if lock(self.answering).diverged() => diverged(&running),
            Ok(()) => return whole(self.job, &lock(self.answering)).map(|()| None),
            Err(error) => error,
        };
        let prefilled = running.goes_on.is_some_and(|goes_on| goes_on.how == How::Prefilled);
        if !ended.spoke && prefilled && error.kind == ErrorKind::InvalidRequest {
            self.prefill_refused.push(running.at);
            return Ok(Some(self.dispatch.handle_prefill_refused(error, &running.profile, now())));
        }
        if ended.spoke {
            self.interrupted = true;
            self.go_on(&error)?;
        }
        let jittered = || self.waits.next_wait();
        Ok(Some(self.dispatch.handle_failure(error, &running.profile, ended.spoke, running.renews, now(), jittered)))
    }

    fn tell_handed_on(&mut self, at: usize, candidate: &Candidate) {
        let goes_on = std::mem::take(&mut self.interrupted);
        if let Some(before) = self.asked.replace(at)
            && (before != at || goes_on)
            && let Some(failure) = self.dispatch.last_failure()
        {
            let from = self.dispatch.candidate(before).to_string();
            tracing::info!(%from, to = %candidate, kind = %failure.kind, "handing on to the next candidate");
            let event = EventBody::Failover { from, to: candidate.to_string(), kind: failure.kind };
            lock(self.answering).log(event);
        }
    }

    /// Begins an attempt; beside another if it takes over from that.
    fn start(
        &mut self,
        at: usize,
        candidate: Candidate,
        provider: &ProviderRef,
        permit: Permit,
        takes_over: Option<EventBody>,
    ) -> Running {
        self.dispatch.handle_attempt();
        let job = &self.job.request;
        let thinks = wants_thinking(job) == Some(true);
        let how = how_to_go_on(&candidate.model, thinks, self.prefill_refused.contains(&at));
        let has_other = self.dispatch.has_after(at);
        let deadlines = deadlines(provider, &candidate.model, job, has_other, self.needs.prompt_tokens);
        let (profile, probes, renews) = (Arc::clone(&permit.profile), permit.probes, permit.generation.is_some());
        let mut answering = lock(self.answering);
        let (request, goes_on) = question(job, &answering, how);
        let count = self.dispatch.attempts();
        let begin = Begin { candidate: &candidate, profile: Arc::clone(&profile), count, goes_on };
        let lane = match takes_over {
            None => answering.begin(begin),
            Some(handed_on) => answering.begin_beside(begin, handed_on),
        };
        drop(answering);
        let request = provider.defaults.fill(request, &candidate.model);
        let booked = self.shared.ledger.open(Booking {
            provider: candidate.provider.to_string(),
            model: candidate.model.id.clone(),
            profile: profile.to_string(),
            asker: self.job.asker.clone(),
            requests: u64::from(lane.is_first()),
            prompt: self.needs.prompt_tokens + goes_on.map_or(0, |goes_on| tokens_of(goes_on.more)),
            answer: ANSWER_TOKENS,
            price: candidate.model.price,
        });
        let sink = LaneSink::new(Arc::clone(self.answering), lane, booked);
        let ended = attempt(self.shared, permit, candidate.clone(), request, deadlines, sink);
        Running { at, candidate, profile, renews, goes_on, lane, probes, ended }
    }

    /// Runs an attempt to its end, or the one that takes over from it: where it only looks whether a model is well again,
    /// or where that is wanted, the next candidate begins beside it if it says nothing for a while.
    async fn run(&mut self, mut first: Running) -> (Running, Ended) {
        let alone = if first.probes.is_some() { Some(PROBE_ALONE) } else { self.shared.hedge };
        if let Some(alone) = alone.filter(|_| self.dispatch.has_after(first.at)) {
            if let Ok(ended) = tokio::time::timeout(alone, &mut first.ended).await {
                return (first, ended);
            }
            if lock(self.answering).decided().is_none() {
                return self.run_beside(first).await;
            }
        }
        let ended = (&mut first.ended).await;
        (first, ended)
    }

    async fn run_beside(&mut self, mut first: Running) -> (Running, Ended) {
        let mut beside = tokio::select! {
            biased;
            ended = &mut first.ended => return (first, ended),
            begun = begin_beside(self.shared, self.job, &self.needs, &mut self.dispatch) => match begun {
                // The first may have spoken while leave was asked for.
                Some((at, candidate, provider, permit)) if lock(self.answering).decided().is_none() => {
                    let kind = first.probes.unwrap_or(ErrorKind::Timeout);
                    let from = first.candidate.to_string();
                    tracing::info!(%from, to = %candidate, %kind, "the next candidate begins beside a silent one");
                    let handed_on = EventBody::Failover { from, to: candidate.to_string(), kind };
                    self.start(at, candidate, &provider, permit, Some(handed_on))
                }
                _ => {
                    let ended = (&mut first.ended).await;
                    return (first, ended);
                }
            },
        };
        match race(self.answering, &mut first, &mut beside).await {
            Decided::First => self.settle(first, beside).await,
            Decided::Beside => self.settle(beside, first).await,
            Decided::FirstEnded(ended) => self.one_ended(first, ended, beside).await,
            Decided::BesideEnded(ended) => self.one_ended(beside, ended, first).await,
        }
    }

    /// One has spoken: the other is cancelled, or read to its first word if that tells whether its model is well again.
    async fn settle(&mut self, mut winner: Running, loser: Running) -> (Running, Ended) {
        self.leave(loser);
        self.follow(&winner);
        let ended = (&mut winner.ended).await;
        (winner, ended)
    }

    async fn one_ended(&mut self, one: Running, ended: Ended, mut other: Running) -> (Running, Ended) {
        match ended.outcome {
            Err(error) if !ended.spoke => {
                self.dispatch.handle_failure_beside(one.at, error, &one.profile);
                self.follow(&other);
                let ended = (&mut other.ended).await;
                (other, ended)
            }
            _ => {
                self.leave(other);
                self.follow(&one);
                (one, ended)
            }
        }
    }

    fn follow(&mut self, running: &Running) {
        lock(self.answering).follow(running.lane);
        self.dispatch.follow(running.at);
        self.asked = Some(running.at);
    }

    fn leave(&self, loser: Running) {
        if loser.probes.is_some() {
            let shutdown = self.shared.shutdown.clone();
            tokio::spawn(async move { shutdown.run_until_cancelled(loser.ended).await.map(drop) });
        }
    }

    /// An attempt has failed after the model had spoken: readies the answer for the next.
    ///
    /// # Errors
    /// The failure is the answer's, since it can't go on, or isn't to.
    fn go_on(&self, error: &ChatError) -> Result<(), ChatError> {
        let mut answering = lock(self.answering);
        let way_on = answering.cut();
        if row(error.kind, true).next == Next::No {
            return Err(error.clone());
        }
        match self.job.on_interrupt.unwrap_or(self.shared.on_interrupt) {
            OnInterrupt::Restart => {
                answering.restart();
                Ok(())
            }
            OnInterrupt::Continue if way_on != WayOn::None && !must_stay_whole(&self.job.request) => {
                answering.drop_half_made();
                Ok(())
            }
            OnInterrupt::Continue | OnInterrupt::Fail => Err(error.clone()),
        }
    }
}

/// Leave for the next candidate to begin beside one that is silent; it does not wait in any queue for it.
async fn begin_beside(
    shared: &Shared,
    job: &Job,
    needs: &Needs,
    dispatch: &mut Dispatch,
) -> Option<(usize, Candidate, ProviderRef, Permit)> {
    let ask = dispatch.beside()?;
    let at = ask.candidate;
    let candidate = dispatch.candidate(at).clone();
    let provider = shared.provider(&candidate.provider)?;
    let permit = acquire(&provider, &candidate, ask, job, needs, Duration::ZERO).await.ok()?.ok()?;
    Some((at, candidate, provider, permit))
}

/// What is asked now: the request itself, or to go on with what was shown of the answer.
fn question(request: &Arc<ChatRequest>, answering: &Answering, how: How) -> (Arc<ChatRequest>, Option<GoesOn>) {
    if answering.shown().way_on() != WayOn::Continue {
        return (Arc::clone(request), None);
    }
    let (request, more) = continuing(request, answering.shown().text(), how);
    (Arc::new(request), Some(GoesOn { how, more }))
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

fn diverged(running: &Running) -> ChatError {
    let message = "asked to go on with an answer that was cut, the model began another";
    from(&running.candidate, &running.profile, ChatError::new(ErrorKind::Protocol, message))
}
