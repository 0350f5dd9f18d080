//! Where a turn's answer goes: a provider's events in, the session's events out to the open log.
//!
//! Nothing of an attempt is logged before the model has said something, so an attempt that fails before leaves no
//! trace but a `failover`.

use std::{ops::ControlFlow, sync::Arc, time::Duration};

use greenroom_providers::{Sink, SinkState};
use greenroom_wire::{ChatEvent, FinishReason, Usage};
use tokio::time::Instant;

use super::{event::EventBody, mailbox::OpenLog};
use crate::{provider::ProfileId, router::Candidate};

/// The answer of one turn as it comes.
pub(crate) struct Answering {
    log: Arc<OpenLog>,
    turn: u64,
    /// Bytes that the answer may still have.
    room: usize,
    attempt: Option<Attempt>,
    /// What the attempt that spoke has used.
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
}

impl Answering {
    /// An answer of at most `room` bytes, logged as `turn`.
    pub(crate) fn new(log: Arc<OpenLog>, turn: u64, room: usize) -> Self {
        Self { log, turn, room, attempt: None, usage: None, reason: None, out: Vec::new() }
    }

    /// Logs an event of the turn.
    pub(crate) fn log(&self, body: EventBody) {
        self.log.append(Some(self.turn), [body]);
    }

    /// An attempt begins; `count` is its number in the turn, from 1.
    pub(crate) fn begin(&mut self, candidate: &Candidate, profile: ProfileId, count: u32) {
        self.out.clear();
        self.usage = None;
        self.reason = None;
        self.attempt = Some(Attempt {
            provider: Arc::clone(&candidate.provider),
            model: candidate.model.id.clone(),
            profile,
            count,
            begun: Instant::now(),
            answer: String::new(),
            reported: String::new(),
            spoke: None,
        });
    }

    /// How long the model took to say something, once it has.
    pub(crate) fn spoke(&self) -> Option<Duration> {
        self.attempt.as_ref()?.spoke
    }

    /// Who has spoken.
    pub(crate) fn route(&self) -> Option<(Arc<str>, ProfileId)> {
        let attempt = self.attempt.as_ref().filter(|attempt| attempt.spoke.is_some())?;
        Some((Arc::clone(&attempt.provider), Arc::clone(&attempt.profile)))
    }

    /// Ends the turn with this as its last event; what was used is told before it.
    pub(crate) fn end(&mut self, last: EventBody) {
        if matches!(last, EventBody::TurnFinished { .. }) {
            self.open();
        }
        if self.spoke().is_none() {
            // Of an attempt that came to nothing.
            self.out.clear();
            self.usage = None;
        }
        let usage = self.usage.take().map(EventBody::Usage);
        self.log.append(Some(self.turn), self.out.drain(..).chain(usage).chain([last]));
    }

    /// Why the answer ended; `Length` if it was stopped at its bound.
    pub(crate) fn reason(&mut self) -> FinishReason {
        self.reason.take().unwrap_or(FinishReason::Length)
    }

    /// Puts the route before the first thing that is logged of the attempt.
    fn open(&mut self) {
        let Some(attempt) = self.attempt.as_mut().filter(|attempt| attempt.spoke.is_none()) else { return };
        attempt.spoke = Some(attempt.begun.elapsed());
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

    fn translate(&mut self, event: ChatEvent) -> Option<EventBody> {
        Some(match event {
            ChatEvent::Text { delta } => EventBody::Text { delta },
            ChatEvent::Thinking { delta } => EventBody::Thinking { delta },
            ChatEvent::Refusal { delta } => EventBody::Refusal { delta },
            ChatEvent::ToolCallArgs { index, delta } => EventBody::ToolCallArgs { index, delta },
            ChatEvent::ToolCallStarted { index, id, name, kind } => EventBody::ToolCall { index, id, name, kind },
            ChatEvent::ToolCallDone { index } => EventBody::ToolCallDone { index },
            ChatEvent::Opaque { data } => {
                let attempt = self.attempt.as_ref()?;
                EventBody::Opaque { provider: attempt.provider.to_string(), model: attempt.model.clone(), data }
            }
            ChatEvent::Citation { json } => EventBody::Citation { citation: json },
            ChatEvent::Media { media_type, data } => EventBody::Media { media_type, data },
            ChatEvent::Extra(extra) => EventBody::Extra(extra),
            ChatEvent::Started { id, model } => {
                let attempt = self.attempt.as_mut()?;
                attempt.answer = id;
                attempt.reported = if model == attempt.model { String::new() } else { model };
                return None;
            }
            ChatEvent::Usage(usage) => {
                self.usage = Some(usage);
                return None;
            }
            ChatEvent::Finished { reason } => {
                self.reason = Some(reason);
                return None;
            }
        })
    }
}

impl Sink for Answering {
    fn take(&mut self, events: &mut Vec<ChatEvent>) -> SinkState {
        for event in events.drain(..) {
            if event.is_content() {
                self.open();
            }
            let Some(mut body) = self.translate(event) else { continue };
            let weight = body.weight();
            if weight > self.room {
                // What fits of a delta is kept, up to a whole character.
                if let Some(delta) = body.delta() {
                    let fits = delta[..delta.floor_char_boundary(self.room)].to_owned();
                    body = body.with_delta(fits);
                    self.out.push(body);
                }
                self.room = 0;
                self.log.append(Some(self.turn), self.out.drain(..));
                return ControlFlow::Break(());
            }
            self.room -= weight;
            self.out.push(body);
        }
        if self.spoke().is_some() {
            self.log.append(Some(self.turn), self.out.drain(..));
        }
        ControlFlow::Continue(())
    }
}
