//! The events of one turn, out of all of its session's.

use std::{
    future::poll_fn,
    task::{Context, Poll, ready},
};

use greenroom_actors::session::event::{EventBody, LogEvent};
use greenroom_wire::{ChatError, ErrorKind};

use super::{super::super::answer_stream::Source, cut::Cutter};
use crate::{Reader, Session};

/// The events of a turn that is kept, as its session's log has them.
#[derive(Debug)]
pub(super) struct TurnEvents {
    reader: Reader,
    /// Read already, and not given.
    read: Vec<LogEvent>,
    turn: u64,
    over: bool,
    /// What is done if it is dropped before its turn is over.
    leaving: Option<Leaving>,
}

/// Cancels a turn when dropped.
#[derive(Debug)]
pub(super) struct Leaving {
    session: Session,
    turn: u64,
    stays: bool,
}

impl Leaving {
    pub(super) fn new(session: Session, turn: u64) -> Self {
        Self { session, turn, stays: false }
    }
}

impl Drop for Leaving {
    fn drop(&mut self) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        if self.stays {
            return;
        }
        let (session, turn) = (self.session.clone(), self.turn);
        runtime.spawn(async move {
            if let Err(error) = session.cancel(turn).await {
                tracing::debug!(session = session.id(), turn, "a response that nobody waits for goes on: {error}");
            }
        });
    }
}

impl TurnEvents {
    /// The events of `turn`, of which `read` are the first that the reader gave.
    pub(super) fn new(reader: Reader, read: Vec<LogEvent>, turn: u64) -> Self {
        Self { reader, read, turn, over: false, leaving: None }
    }

    /// The same for a client whose leaving cancels the turn.
    pub(super) fn until_left(self, leaving: Leaving) -> Self {
        Self { leaving: Some(leaving), ..self }
    }

    /// The next events of the turn, and `Synced` among them once all that was there is given; `None` after the last.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Vec<LogEvent>>> {
        while !self.over {
            let mut events = std::mem::take(&mut self.read);
            if events.is_empty() {
                match ready!(self.reader.poll_pull(cx)) {
                    Some(read) => events = read,
                    None => return Poll::Ready(None),
                }
            }
            events.retain(|event| event.turn == Some(self.turn) || is_told(&event.body));
            if let Some(last) = events.iter().position(|event| event.body.ends_turn()) {
                self.over = true;
                self.leaving.iter_mut().for_each(|leaving| leaving.stays = true);
                events.truncate(last + 1);
            }
            if !events.is_empty() {
                return Poll::Ready(Some(events));
            }
        }
        Poll::Ready(None)
    }

    /// All that there is of the turn by now. Whether that is all there ever will be stands in its last event.
    ///
    /// # Errors
    /// The log can't be read.
    pub(super) async fn there(&mut self) -> Result<Vec<LogEvent>, ChatError> {
        self.gather(|event| matches!(event.body, EventBody::Synced)).await
    }

    /// All there is of the turn at its end.
    ///
    /// # Errors
    /// The log can't be read, or ends before.
    pub(super) async fn whole(&mut self) -> Result<Vec<LogEvent>, ChatError> {
        let all = self.gather(|_| false).await?;
        if self.over { Ok(all) } else { Err(broken_off()) }
    }

    async fn gather(&mut self, is_last: impl Fn(&LogEvent) -> bool) -> Result<Vec<LogEvent>, ChatError> {
        let mut all = Vec::new();
        while let Some(events) = poll_fn(|cx| self.poll_next(cx)).await {
            for event in events {
                if let EventBody::Error { error } = event.body {
                    return Err(error.into());
                }
                if is_last(&event) {
                    return Ok(all);
                }
                if event.body != EventBody::Synced {
                    all.push(event);
                }
            }
        }
        Ok(all)
    }
}

fn is_told(body: &EventBody) -> bool {
    matches!(body, EventBody::Error { .. } | EventBody::Synced)
}

fn broken_off() -> ChatError {
    ChatError::new(ErrorKind::Cancelled, "the response was deleted, or greenroom stopped, before it had ended")
        .with_hint("retrieve the response, or ask again")
}

impl Source for TurnEvents {
    fn poll_pull(&mut self, cx: &mut Context<'_>) -> Poll<Option<Vec<LogEvent>>> {
        self.poll_next(cx)
    }

    fn broken_off(&self) -> ChatError {
        broken_off()
    }
}

/// The same with the text cut so that it is told the same whenever it is told.
#[derive(Debug)]
pub(super) struct CutEvents {
    events: TurnEvents,
    cutter: Cutter,
}

impl CutEvents {
    pub(super) fn new(events: TurnEvents) -> Self {
        Self { events, cutter: Cutter::default() }
    }
}

impl Source for CutEvents {
    fn poll_pull(&mut self, cx: &mut Context<'_>) -> Poll<Option<Vec<LogEvent>>> {
        loop {
            let Some(events) = ready!(self.events.poll_next(cx)) else { return Poll::Ready(None) };
            let mut cut = Vec::new();
            for mut event in events {
                if event.body == EventBody::Synced {
                    // Whatever comes now is known by more than all that was there.
                    event.next += 1;
                }
                self.cutter.take(event, &mut cut);
            }
            if !cut.is_empty() {
                return Poll::Ready(Some(cut));
            }
        }
    }

    fn broken_off(&self) -> ChatError {
        broken_off()
    }
}
