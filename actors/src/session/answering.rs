//! Where a turn's answer goes: a provider's events in, the session's events out to the open log.
//!
//! Nothing of an attempt is logged before the model has said something, so an attempt that fails before leaves no
//! trace but a `failover`. What an attempt that was cut had said stays, and the next goes on from there.

use std::{ops::ControlFlow, sync::Arc, time::Duration};

use greenroom_providers::{Sink, SinkState};
use greenroom_wire::{ChatEvent, FinishReason, Usage};
use tokio::time::Instant;

use super::{
    continuation::{Alignment, Diverged, How, Shown, Tally, WayOn},
    event::EventBody,
    mailbox::OpenLog,
};
use crate::{provider::ProfileId, router::Candidate};

/// The answer of one turn as it comes.
pub(crate) struct Answering {
    log: Arc<OpenLog>,
    turn: u64,
    /// Bytes that the answer may still have.
    room: usize,
    attempt: Option<Attempt>,
    shown: Shown,
    tally: Tally,
    /// What the attempt that runs has used.
    usage: Option<Usage>,
    reason: Option<FinishReason>,
    out: Vec<EventBody>,
}

/// The attempt that runs.
struct Attempt {
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
}

/// How an attempt goes on with what was shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct GoesOn {
    pub(crate) how: How,
    /// Bytes that its prompt has more than the first attempt's.
    pub(crate) more: usize,
}

impl Answering {
    /// An answer of at most `room` bytes, logged as `turn`.
    pub(crate) fn new(log: Arc<OpenLog>, turn: u64, room: usize) -> Self {
        Self {
            log,
            turn,
            room,
            attempt: None,
            shown: Shown::default(),
            tally: Tally::default(),
            usage: None,
            reason: None,
            out: Vec::new(),
        }
    }

    /// Logs an event of the turn.
    pub(crate) fn log(&self, body: EventBody) {
        self.log.append(Some(self.turn), [body]);
    }

    /// An attempt begins; `count` is its number in the turn, from 1. `goes_on` is how, if it is to go on with what was
    /// shown.
    pub(crate) fn begin(&mut self, candidate: &Candidate, profile: ProfileId, count: u32, goes_on: Option<GoesOn>) {
        self.out.clear();
        self.usage = None;
        self.reason = None;
        self.shown.handle_attempt();
        // What is made anew may begin with the same whitespace as before.
        let how = goes_on.map_or(How::Asked, |goes_on| goes_on.how);
        let shown = self.shown.text();
        self.attempt = Some(Attempt {
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
        });
    }

    /// How long the model took to say something, once it has.
    pub(crate) fn spoke(&self) -> Option<Duration> {
        self.attempt.as_ref()?.spoke
    }

    /// Whether the model began its answer anew and then said something else, in place of going on.
    pub(crate) fn diverged(&self) -> bool {
        self.attempt.as_ref().is_some_and(|attempt| attempt.diverged)
    }

    /// Who has spoken.
    pub(crate) fn route(&self) -> Option<(Arc<str>, ProfileId)> {
        let attempt = self.attempt.as_ref().filter(|attempt| attempt.spoke.is_some())?;
        Some((Arc::clone(&attempt.provider), Arc::clone(&attempt.profile)))
    }

    /// What was shown of the answer.
    pub(crate) fn shown(&self) -> &Shown {
        &self.shown
    }

    /// Whether anything was shown of it.
    pub(crate) fn has_shown(&self) -> bool {
        self.was_cut() || self.spoke().is_some()
    }

    /// Whether an attempt at it was cut after the model had spoken.
    pub(crate) fn was_cut(&self) -> bool {
        self.tally.has_cut()
    }

    /// Whether it ended as text does that is complete.
    pub(crate) fn has_stopped(&self) -> bool {
        self.reason == Some(FinishReason::Stop) && self.shown.is_text_alone()
    }

    /// The attempt that runs has failed; says how the answer can go on. What was held back of it is not shown: whoever
    /// goes on says it again.
    pub(crate) fn cut(&mut self) -> WayOn {
        self.out.clear();
        let by_attempt = self.shown.by_attempt();
        let usage = self.usage.take();
        if self.spoke().is_some() {
            self.tally.handle_cut(usage, by_attempt);
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

    /// Ends the turn with this as its last event; what was used is told before it.
    pub(crate) fn end(&mut self, last: EventBody) {
        if matches!(last, EventBody::TurnFinished { .. }) {
            let _bound = self.join_rest();
            self.open();
        } else {
            self.out.clear();
        }
        if self.spoke().is_none() && !matches!(last, EventBody::TurnFinished { .. }) {
            // Of an attempt that came to nothing.
            self.usage = None;
        }
        let (more, skipped) = self
            .attempt
            .as_ref()
            .map_or((0, 0), |attempt| (attempt.more, attempt.alignment.as_ref().map_or(0, Alignment::skipped)));
        let usage = self.tally.finish(self.usage.take(), more, skipped).map(EventBody::Usage);
        self.log.append(Some(self.turn), self.out.drain(..).chain(usage).chain([last]));
    }

    /// Why the answer ended; `Length` if it was stopped at its bound.
    pub(crate) fn reason(&mut self) -> FinishReason {
        self.reason.take().unwrap_or(FinishReason::Length)
    }

    /// Puts the route before the first thing that is logged of the attempt.
    fn open(&mut self) {
        let Some(attempt) = self.attempt.as_mut().filter(|attempt| !attempt.open) else { return };
        attempt.open = true;
        attempt.spoke.get_or_insert_with(|| attempt.begun.elapsed());
        let route = EventBody::Route {
            provider: attempt.provider.to_string(),
            model: attempt.model.clone(),
            profile: attempt.profile.to_string(),
            attempts: attempt.count,
            answer: std::mem::take(&mut attempt.answer),
            reported: std::mem::take(&mut attempt.reported),
        };
        self.out.insert(0, route);
    }

    /// Shows what the alignment still holds back, as nothing more comes that could decide.
    fn join_rest(&mut self) -> ControlFlow<()> {
        let Some(alignment) = self.attempt.as_mut().and_then(|attempt| attempt.alignment.as_mut()) else {
            return ControlFlow::Continue(());
        };
        let rest = alignment.finish();
        self.join(rest)
    }

    fn join(&mut self, joined: Result<String, Diverged>) -> ControlFlow<()> {
        match joined {
            Ok(delta) if delta.is_empty() => ControlFlow::Continue(()),
            Ok(delta) => self.push(EventBody::Text { delta }),
            Err(Diverged) => {
                self.attempt.iter_mut().for_each(|attempt| attempt.diverged = true);
                ControlFlow::Break(())
            }
        }
    }

    fn handle_event(&mut self, event: ChatEvent) -> ControlFlow<()> {
        if event.is_content()
            && let Some(attempt) = self.attempt.as_mut()
        {
            attempt.spoke.get_or_insert_with(|| attempt.begun.elapsed());
        }
        // What has its place after the text must not come before what is held back of it.
        if matches!(
            event,
            ChatEvent::ToolCallStarted { .. }
                | ChatEvent::Refusal { .. }
                | ChatEvent::Media { .. }
                | ChatEvent::Finished { .. }
        ) {
            self.join_rest()?;
        }
        let body = match event {
            ChatEvent::Text { delta } => {
                return match self.attempt.as_mut().and_then(|attempt| attempt.alignment.as_mut()) {
                    Some(alignment) => {
                        let joined = alignment.handle_text(delta);
                        self.join(joined)
                    }
                    None => self.push(EventBody::Text { delta }),
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
                let Some(attempt) = &self.attempt else { return ControlFlow::Continue(()) };
                EventBody::Opaque { provider: attempt.provider.to_string(), model: attempt.model.clone(), data }
            }
            ChatEvent::Citation { json } => EventBody::Citation { citation: json },
            ChatEvent::Media { media_type, data } => EventBody::Media { media_type, data },
            ChatEvent::Extra(extra) => {
                // Before the model has spoken it is no reason to say who answers.
                return self.push_unopened(EventBody::Extra(extra));
            }
            ChatEvent::Started { id, model } => {
                if let Some(attempt) = &mut self.attempt {
                    attempt.answer = id;
                    attempt.reported = if model == attempt.model { String::new() } else { model };
                }
                return ControlFlow::Continue(());
            }
            ChatEvent::Usage(usage) => {
                self.usage = Some(usage);
                return ControlFlow::Continue(());
            }
            ChatEvent::Finished { reason } => {
                self.reason = Some(reason);
                return ControlFlow::Continue(());
            }
        };
        self.push(body)
    }

    /// Has something logged with what else this read gave. `Break` if the answer has reached its bound by it.
    fn push(&mut self, body: EventBody) -> ControlFlow<()> {
        self.open();
        self.push_unopened(body)
    }

    fn push_unopened(&mut self, mut body: EventBody) -> ControlFlow<()> {
        let weight = body.weight();
        if weight <= self.room {
            self.room -= weight;
            self.shown.handle(&body);
            self.out.push(body);
            return ControlFlow::Continue(());
        }
        // What fits of a delta is kept, up to a whole character.
        if let Some(delta) = body.delta() {
            let fits = delta[..delta.floor_char_boundary(self.room)].to_owned();
            body = body.with_delta(fits);
            self.shown.handle(&body);
            self.out.push(body);
        }
        self.room = 0;
        ControlFlow::Break(())
    }
}

impl Sink for Answering {
    fn take(&mut self, events: &mut Vec<ChatEvent>) -> SinkState {
        let state = events.drain(..).try_for_each(|event| self.handle_event(event));
        if self.attempt.as_ref().is_some_and(|attempt| attempt.open) {
            self.log.append(Some(self.turn), self.out.drain(..));
        }
        state
    }
}

#[cfg(test)]
#[path = "answering_tests.rs"]
mod tests;
