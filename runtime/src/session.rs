//! Sessions as a library's user holds them.

use std::{
    pin::Pin,
    task::{Context, Poll},
    vec,
};

use futures::Stream;
use greenroom_actors::{
    Busy, Sent, SessionRef,
    session::{
        event::{EventBody, LogEvent},
        log::Cursor,
        mailbox::Tail,
    },
};
use greenroom_wire::{ChatError, Part};

use crate::Error;

/// A conversation. Clones are the same one; dropping all of them ends nothing.
#[derive(Debug, Clone)]
pub struct Session(SessionRef);

impl Session {
    pub(crate) fn new(session: SessionRef) -> Self {
        Self(session)
    }

    /// Its id.
    pub fn id(&self) -> &str {
        self.0.id()
    }

    /// Says something and gives the turn that answers. If another turn runs, this one waits for it.
    ///
    /// # Errors
    /// The session is down, or the message is empty.
    pub async fn send(&self, text: impl Into<String>) -> Result<Turn, Error> {
        self.send_parts(vec![Part::text(text)], Busy::Queue).await
    }

    /// Says something of several parts; `busy` is what becomes of it while another turn runs.
    ///
    /// # Errors
    /// The session is down, or did not take the message.
    pub async fn send_parts(&self, parts: Vec<Part>, busy: Busy) -> Result<Turn, Error> {
        let sent = self.0.send(parts, busy).await??;
        Ok(Turn { events: Events::new(self.0.read_from(sent.position)), sent, over: false })
    }

    /// Changes what later turns ask; `None` leaves it as it is.
    ///
    /// # Errors
    /// The session is down.
    pub async fn update(&self, model: Option<String>, system: Option<String>) -> Result<(), Error> {
        Ok(self.0.update(model, system).await?)
    }

    /// Cancels a turn. Whether it ran or waited; doing it twice is fine.
    ///
    /// # Errors
    /// The session is down.
    pub async fn cancel(&self, turn: u64) -> Result<bool, Error> {
        Ok(self.0.cancel(turn).await?)
    }

    /// All events from a place on, and those to come. Any number may read at once.
    pub fn events_from(&self, cursor: Cursor) -> Events {
        Events::new(self.0.read_from(cursor.position))
    }

    /// Where the log ends now.
    pub fn end(&self) -> Cursor {
        self.0.end()
    }
}

/// The events of a session from some place on. It ends when the session is removed.
#[derive(Debug)]
pub struct Events {
    tail: Tail,
    ready: vec::IntoIter<LogEvent>,
}

impl Events {
    fn new(tail: Tail) -> Self {
        Self { tail, ready: Vec::new().into_iter() }
    }
}

impl Stream for Events {
    type Item = LogEvent;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<LogEvent>> {
        loop {
            if let Some(event) = self.ready.next() {
                return Poll::Ready(Some(event));
            }
            match self.tail.poll_pull(cx) {
                Poll::Ready(Some(events)) => self.ready = events.into_iter(),
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

/// The events of one turn, from the message that started it to its end. Dropping it does not cancel the turn.
#[derive(Debug)]
pub struct Turn {
    events: Events,
    sent: Sent,
    over: bool,
}

impl Turn {
    /// The message that started it: its turn's number, and where it stands.
    pub fn sent(&self) -> Sent {
        self.sent
    }

    /// Waits for the end and gives the text of the answer; what was cancelled gives what there was.
    ///
    /// # Errors
    /// Why there is no whole answer.
    pub async fn text(mut self) -> Result<String, ChatError> {
        use futures::StreamExt as _;
        let mut text = String::new();
        while let Some(event) = self.next().await {
            match event.body {
                EventBody::Text { delta } => text.push_str(&delta),
                EventBody::AnswerRestarted => text.clear(),
                EventBody::TurnFailed { error } => return Err(error.into()),
                _ => {}
            }
        }
        Ok(text)
    }
}

impl Stream for Turn {
    type Item = LogEvent;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<LogEvent>> {
        while !self.over {
            match Pin::new(&mut self.events).poll_next(cx) {
                Poll::Ready(Some(event)) if event.turn == Some(self.sent.turn) => {
                    self.over = event.body.ends_turn();
                    return Poll::Ready(Some(event));
                }
                // Another turn's, which ends before this one begins.
                Poll::Ready(Some(_)) => {}
                Poll::Ready(None) => self.over = true,
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(None)
    }
}
