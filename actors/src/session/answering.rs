//! Where a turn's answer goes: a provider's events in, the session's events out to the open log.
//!
//! Nothing of an attempt is logged before the model has said something, so an attempt that fails before leaves no
//! trace but a `failover`. What an attempt that was cut had said stays, and the next goes on from there. Two attempts may
//! run beside each other: the first that says something gives the answer, and nothing of the other is logged.

use std::{
    ops::ControlFlow,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use greenroom_providers::{Price, Sink, SinkState, Terms};
use greenroom_wire::{ChatError, ChatEvent, FinishReason, RateLimits, Usage};
use tokio::time::Instant;

use super::{
    continuation::{Alignment, Diverged, How, Shown, Tally, WayOn},
    event::EventBody,
    mailbox::OpenLog,
};
use crate::{
    provider::{ProfileId, meter::Meter},
    router::Candidate,
    usage::{OpenAttempt, cost_of},
};

/// The answer of one turn as it comes.
pub(crate) struct Answering {
    log: Arc<OpenLog>,
    turn: u64,
    /// Bytes that the answer may still have.
    room: usize,
    /// Those that run, at most two.
    attempts: Vec<Attempt>,
    /// Which of them gives the answer: the first that said something, or the only one.
    speaker: usize,
    decided: bool,
    begun: u32,
    shown: Shown,
    tally: Tally,
}

/// One of the attempts of a turn. It is never another's, so that one which outlives its race disturbs nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lane(u32);

impl Lane {
    /// Whether it is the first of its turn.
    pub(crate) fn is_first(self) -> bool {
        self.0 == 1
    }
}

/// An attempt that runs.
struct Attempt {
    lane: Lane,
    provider: Arc<str>,
    model: String,
    profile: ProfileId,
    count: u32,
    begun: Instant,
    answer: String,
    reported: String,
    spoke: Option<Duration>,
    /// Whether its route is logged, or about to be.
    open: bool,
    /// Where it joins what was shown before it.
    alignment: Option<Alignment>,
    /// Bytes that its prompt has more than the first attempt's.
    more: usize,
    diverged: bool,
    price: Option<Price>,
    terms: Terms,
    /// What it has used, as its provider told it last.
    usage: Option<Usage>,
    reason: Option<FinishReason>,
    /// What is logged if it gives the answer, and was not yet.
    out: Vec<EventBody>,
}

impl Attempt {
    /// What it has used, with what that costs, where that is known.
    fn priced_usage(&mut self) -> Option<Usage> {
        let mut usage = self.usage.take()?;
        let price = self.price.and_then(|price| self.terms.price(price));
        usage.cost = cost_of(&usage, price.as_ref());
        Some(usage)
    }
}

/// How an attempt goes on with what was shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct GoesOn {
    pub(crate) how: How,
    /// Bytes that its prompt has more than the first attempt's.
    pub(crate) more: usize,
}

/// What begins with an attempt.
pub(crate) struct Begin<'a> {
    pub(crate) candidate: &'a Candidate,
    pub(crate) profile: ProfileId,
    /// Its number in the turn, from 1.
    pub(crate) count: u32,
    /// How, if it is to go on with what was shown.
    pub(crate) goes_on: Option<GoesOn>,
}

impl Answering {
    /// An answer of at most `room` bytes, logged as `turn`.
    pub(crate) fn new(log: Arc<OpenLog>, turn: u64, room: usize) -> Self {
        Self {
            log,
            turn,
            room,
            attempts: Vec::with_capacity(1),
            speaker: 0,
            decided: false,
            begun: 0,
            shown: Shown::default(),
            tally: Tally::default(),
        }
    }

    /// An answer that goes on after this, which an earlier process showed of it.
    pub(crate) fn resume(&mut self, shown: impl IntoIterator<Item = EventBody>) {
        self.shown.handle_attempt();
        let mut has_shown = false;
        for body in shown {
            self.shown.handle(&body);
            has_shown |= body.delta().is_some() || matches!(body, EventBody::ToolCall { .. } | EventBody::Media { .. });
        }
        if has_shown {
            self.tally.handle_cut(None, self.shown.by_attempt());
        }
    }

    /// Logs an event of the turn.
    pub(crate) fn log(&self, body: EventBody) {
        self.log.append(Some(self.turn), [body]);
    }

    /// An attempt begins. Those before it have ended.
    pub(crate) fn begin(&mut self, begin: Begin<'_>) -> Lane {
        self.attempts.clear();
        self.speaker = 0;
        self.decided = false;
        self.shown.handle_attempt();
        self.push_attempt(begin, Vec::new())
    }

    /// An attempt begins beside the first, which has said nothing yet. `handed_on` is logged if this one gives the answer.
    pub(crate) fn begin_beside(&mut self, begin: Begin<'_>, handed_on: EventBody) -> Lane {
        self.push_attempt(begin, vec![handed_on])
    }

    fn push_attempt(&mut self, begin: Begin<'_>, out: Vec<EventBody>) -> Lane {
        let Begin { candidate, profile, count, goes_on } = begin;
        // What is made anew may begin with the same whitespace as before.
        let how = goes_on.map_or(How::Asked, |goes_on| goes_on.how);
        let shown = self.shown.text();
        self.begun += 1;
        let lane = Lane(self.begun);
        self.attempts.push(Attempt {
            lane,
            provider: Arc::clone(&candidate.provider),
            model: candidate.model.id.clone(),
            profile,
            count,
            begun: Instant::now(),
            answer: String::new(),
            reported: String::new(),
            spoke: None,
            open: false,
            alignment: (!shown.is_empty()).then(|| Alignment::new(shown.to_owned(), how)),
            more: goes_on.map_or(0, |goes_on| goes_on.more),
            diverged: false,
            price: candidate.model.price,
            terms: Terms::default(),
            usage: None,
            reason: None,
            out,
        });
        lane
    }

    /// Which attempt gives the answer, once one has said something.
    pub(crate) fn decided(&self) -> Option<Lane> {
        self.attempt().filter(|_| self.decided).map(|attempt| attempt.lane)
    }

    /// What this attempt says is the answer, if it says anything.
    pub(crate) fn follow(&mut self, lane: Lane) {
        self.speaker = self.place(lane).unwrap_or(self.speaker);
    }

    fn place(&self, lane: Lane) -> Option<usize> {
        self.attempts.iter().position(|attempt| attempt.lane == lane)
    }

    fn attempt(&self) -> Option<&Attempt> {
        self.attempts.get(self.speaker)
    }

    /// Whether the model began its answer anew and then said something else, in place of going on.
    pub(crate) fn diverged(&self) -> bool {
        self.attempt().is_some_and(|attempt| attempt.diverged)
    }

    /// Who has spoken.
    pub(crate) fn route(&self) -> Option<(Arc<str>, ProfileId)> {
        let attempt = self.attempt().filter(|attempt| attempt.spoke.is_some())?;
        Some((Arc::clone(&attempt.provider), Arc::clone(&attempt.profile)))
    }

    /// What was shown of the answer.
    pub(crate) fn shown(&self) -> &Shown {
        &self.shown
    }

    /// Whether anything was shown of it.
    pub(crate) fn has_shown(&self) -> bool {
        self.was_cut() || self.has_spoken()
    }

    fn has_spoken(&self) -> bool {
        self.attempt().is_some_and(|attempt| attempt.spoke.is_some())
    }

    /// Whether an attempt at it was cut after the model had spoken.
    pub(crate) fn was_cut(&self) -> bool {
        self.tally.has_cut()
    }

    /// Whether it ended as text does that is complete.
    pub(crate) fn has_stopped(&self) -> bool {
        let stopped = self.attempt().is_some_and(|attempt| attempt.reason == Some(FinishReason::Stop));
        stopped && self.shown.is_text_alone()
    }

    /// The attempt that gave the answer has failed; says how the answer can go on. What was held back of it is not shown:
    /// whoever goes on says it again.
    pub(crate) fn cut(&mut self) -> WayOn {
        let by_attempt = self.shown.by_attempt();
        if let Some(attempt) = self.attempts.get_mut(self.speaker) {
            attempt.out.clear();
            let usage = attempt.priced_usage();
            if attempt.spoke.is_some() {
                self.tally.handle_cut(usage, by_attempt);
            }
        }
        self.shown.way_on()
    }

    /// The answer is to be made anew; nothing that was said of it is to be heeded.
    pub(crate) fn restart(&mut self) {
        self.shown.handle(&EventBody::AnswerRestarted);
        self.log(EventBody::AnswerRestarted);
    }

    /// The answer goes on, without the calls that were begun and not ended.
    pub(crate) fn drop_half_made(&mut self) {
        let half_made: Vec<u32> = self.shown.half_made().collect();
        for index in half_made {
            let dropped = EventBody::ToolCallDropped { index };
            self.shown.handle(&dropped);
            self.log(dropped);
        }
    }

    /// Ends the answer, which is complete or not: logs what is left of it, what was used, and what comes `last`, if that
    /// is said.
    pub(crate) fn end(&mut self, finished: bool, last: Option<EventBody>) {
        let lane = self.speaker;
        let (mut out, mut usage, mut more, mut skipped) = (Vec::new(), None, 0, 0);
        if finished {
            let _bound = self.join_rest(lane);
            self.open(lane);
        }
        if let Some(attempt) = self.attempts.get_mut(lane) {
            out = std::mem::take(&mut attempt.out);
            usage = attempt.priced_usage();
            more = attempt.more;
            skipped = attempt.alignment.as_ref().map_or(0, Alignment::skipped);
            if !finished {
                // Of an attempt that came to nothing.
                out.clear();
                usage = usage.filter(|_| attempt.spoke.is_some());
            }
        }
        let usage = self.tally.finish(usage, more, skipped).map(EventBody::Usage);
        self.log.append(Some(self.turn), out.into_iter().chain(usage).chain(last));
    }

    /// Why the answer ended; `Length` if it was stopped at its bound.
    pub(crate) fn reason(&mut self) -> FinishReason {
        let reason = self.attempts.get_mut(self.speaker).and_then(|attempt| attempt.reason.take());
        reason.unwrap_or(FinishReason::Length)
    }

    /// Puts the route before the first thing that is logged of the attempt.
    fn open(&mut self, lane: usize) {
        let Some(attempt) = self.attempts.get_mut(lane).filter(|attempt| !attempt.open) else { return };
        attempt.open = true;
        attempt.spoke.get_or_insert_with(|| attempt.begun.elapsed());
        let route = EventBody::Route {
            provider: attempt.provider.to_string(),
            model: attempt.model.clone(),
            profile: attempt.profile.to_string(),
            attempts: attempt.count,
            answer: std::mem::take(&mut attempt.answer),
            reported: std::mem::take(&mut attempt.reported),
            // Whoever goes on with an answer has another prompt, which is not the answer's.
            prompt: attempt.usage.clone().filter(|_| !self.tally.has_cut()).unwrap_or_default(),
        };
        let after = usize::from(matches!(attempt.out.first(), Some(EventBody::Failover { .. })));
        attempt.out.insert(after, route);
    }

    /// Shows what the alignment still holds back, as nothing more comes that could decide.
    fn join_rest(&mut self, lane: usize) -> ControlFlow<()> {
        let Some(alignment) = self.attempts.get_mut(lane).and_then(|attempt| attempt.alignment.as_mut()) else {
            return ControlFlow::Continue(());
        };
        let rest = alignment.finish();
        self.join(lane, rest)
    }

    fn join(&mut self, lane: usize, joined: Result<String, Diverged>) -> ControlFlow<()> {
        match joined {
            Ok(delta) if delta.is_empty() => ControlFlow::Continue(()),
            Ok(delta) => self.push(lane, EventBody::Text { delta }),
            Err(Diverged) => {
                self.attempts[lane].diverged = true;
                ControlFlow::Break(())
            }
        }
    }

    fn handle_event(&mut self, lane: usize, event: ChatEvent) -> ControlFlow<()> {
        let attempt = &mut self.attempts[lane];
        attempt.terms.handle_event(&event);
        if event.is_content() {
            attempt.spoke.get_or_insert_with(|| attempt.begun.elapsed());
            if !self.decided {
                (self.speaker, self.decided) = (lane, true);
            }
        }
        if self.decided && self.speaker != lane {
            // The other was first: this one is only awaited until it speaks.
            return if event.is_content() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
        }
        // What has its place after the text must not come before what is held back of it.
        if matches!(
            event,
            ChatEvent::ToolCallStarted { .. }
                | ChatEvent::Refusal { .. }
                | ChatEvent::Media { .. }
                | ChatEvent::Finished { .. }
        ) {
            self.join_rest(lane)?;
        }
        let body = match event {
            ChatEvent::Text { delta } => {
                return match &mut self.attempts[lane].alignment {
                    Some(alignment) => {
                        let joined = alignment.handle_text(delta);
                        self.join(lane, joined)
                    }
                    None => self.push(lane, EventBody::Text { delta }),
                };
            }
            ChatEvent::Thinking { delta } => EventBody::Thinking { delta },
            ChatEvent::Refusal { delta } => EventBody::Refusal { delta },
            ChatEvent::ToolCallArgs { index, delta } => {
                EventBody::ToolCallArgs { index: self.shown.index_of(index), delta }
            }
            ChatEvent::ToolCallStarted { index, id, name, kind } => {
                EventBody::ToolCall { index: self.shown.index_of(index), id, name, kind }
            }
            ChatEvent::ToolCallDone { index } => EventBody::ToolCallDone { index: self.shown.index_of(index) },
            ChatEvent::Opaque { data } => {
                let attempt = &self.attempts[lane];
                EventBody::Opaque { provider: attempt.provider.to_string(), model: attempt.model.clone(), data }
            }
            ChatEvent::Citation { json } => EventBody::Citation { citation: json },
            ChatEvent::Media { media_type, data } => EventBody::Media { media_type, data },
            ChatEvent::Extra(extra) => {
                // Before the model has spoken it is no reason to say who answers.
                return self.push_unopened(lane, EventBody::Extra(extra));
            }
            ChatEvent::Started { id, model } => {
                let attempt = &mut self.attempts[lane];
                attempt.answer = id;
                attempt.reported = if model == attempt.model { String::new() } else { model };
                return ControlFlow::Continue(());
            }
            ChatEvent::Usage(usage) => {
                self.attempts[lane].usage = Some(usage);
                return ControlFlow::Continue(());
            }
            ChatEvent::Finished { reason } => {
                self.attempts[lane].reason = Some(reason);
                return ControlFlow::Continue(());
            }
        };
        self.push(lane, body)
    }

    /// Has something logged with what else this read gave. `Break` if the answer has reached its bound by it.
    fn push(&mut self, lane: usize, body: EventBody) -> ControlFlow<()> {
        self.open(lane);
        self.push_unopened(lane, body)
    }

    fn push_unopened(&mut self, lane: usize, mut body: EventBody) -> ControlFlow<()> {
        let weight = body.weight();
        if weight <= self.room {
            self.room -= weight;
            self.shown.handle(&body);
            self.attempts[lane].out.push(body);
            return ControlFlow::Continue(());
        }
        // What fits of a delta is kept, up to a whole character.
        if let Some(delta) = body.delta() {
            let fits = delta[..delta.floor_char_boundary(self.room)].to_owned();
            body = body.with_delta(fits);
            self.shown.handle(&body);
            self.attempts[lane].out.push(body);
        }
        self.room = 0;
        ControlFlow::Break(())
    }
}

impl Answering {
    /// Takes what one read gave an attempt.
    fn take(&mut self, lane: Lane, events: &mut Vec<ChatEvent>) -> SinkState {
        let Some(lane) = self.place(lane) else {
            // Its race is long over, and it is only awaited until it speaks.
            return if events.iter().any(ChatEvent::is_content) {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            };
        };
        let state = events.drain(..).try_for_each(|event| self.handle_event(lane, event));
        let attempt = &mut self.attempts[lane];
        if attempt.open {
            self.log.append(Some(self.turn), attempt.out.drain(..));
        }
        state
    }
}

/// An answer that its turn and its attempts share. The lock is held for as long as one read's events take, and nobody
/// waits for it but while two attempts race.
pub(crate) type SharedAnswering = Arc<Mutex<Answering>>;

/// The answer, whoever had it last. A panic under the lock leaves an answer that can still be ended.
pub(crate) fn lock(answering: &SharedAnswering) -> MutexGuard<'_, Answering> {
    answering.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where one attempt's events go.
pub(crate) struct LaneSink {
    answering: SharedAnswering,
    lane: Lane,
    begun: Instant,
    spoke: Option<Duration>,
    /// It was asked to stop.
    left: bool,
    /// Booked when this is dropped, however the attempt ends.
    booked: OpenAttempt,
    /// What the limits are settled by, once it is sent.
    meter: Option<Arc<Meter>>,
}

impl LaneSink {
    /// A sink of an attempt that is yet to be sent.
    pub(crate) fn new(answering: SharedAnswering, lane: Lane, booked: OpenAttempt) -> Self {
        Self { answering, lane, begun: Instant::now(), spoke: None, left: false, booked, meter: None }
    }

    /// The attempt is sent, which `meter` counts: from here on it costs.
    pub(crate) fn begin(&mut self, meter: Arc<Meter>) {
        self.begun = Instant::now();
        self.booked.handle_sent();
        self.meter = Some(meter);
    }

    /// The attempt has ended by itself.
    pub(crate) fn end(&mut self, outcome: Result<(), &ChatError>) {
        self.booked.handle_end(outcome, self.left);
    }

    /// How long the model took to say something, once it has.
    pub(crate) fn spoke(&self) -> Option<Duration> {
        self.spoke
    }
}

impl Sink for LaneSink {
    fn take(&mut self, events: &mut Vec<ChatEvent>) -> SinkState {
        if self.spoke.is_none() && events.iter().any(ChatEvent::is_content) {
            self.spoke = Some(self.begun.elapsed());
        }
        if let Some(meter) = &self.meter {
            meter.handle_events(events);
        }
        self.booked.handle_events(events);
        let state = lock(&self.answering).take(self.lane, events);
        self.left |= state.is_break();
        state
    }

    fn handle_limits(&mut self, limits: &RateLimits) {
        self.meter.iter().for_each(|meter| meter.handle_limits(limits));
    }
}

#[cfg(test)]
#[path = "answering_tests.rs"]
mod tests;
