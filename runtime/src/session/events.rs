//! Events as streams.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    vec,
};

use futures::{Stream, StreamExt as _};
use greenroom_actors::{
    Sent,
    session::{
        event::{EventBody, LogEvent},
        log::Cursor,
    },
    sessions::Reader,
};
use greenroom_wire::{ChatError, ErrorKind};

/// The events of a session from some place on, and what is told to this reader alone: `Synced` once all that was there is
/// given, `Reset` where what it had before may not be what the log has, `Error` where the log can't be read. It ends when
/// the session is removed.
#[derive(Debug)]
pub struct Events {
    reader: Reader,
    ready: vec::IntoIter<LogEvent>,
    cursor: Cursor,
}

impl Events {
    pub(super) fn new(reader: Reader, from: Option<Cursor>) -> Self {
        let start = Cursor { epoch: reader.epoch(), position: 0 };
        Self { reader, ready: Vec::new().into_iter(), cursor: from.unwrap_or(start) }
    }

    /// Where to read on after the last event that it gave.
    pub fn cursor(&self) -> Cursor {
        self.cursor
    }
}

impl Stream for Events {
    type Item = LogEvent;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<LogEvent>> {
        loop {
            if let Some(event) = self.ready.next() {
                self.cursor = Cursor { epoch: self.reader.epoch(), position: event.next };
                return Poll::Ready(Some(event));
            }
            match ready!(self.reader.poll_pull(cx)) {
                Some(events) => self.ready = events.into_iter(),
                None => return Poll::Ready(None),
            }
        }
    }
}

/// The events of one turn, from the message that started it to its end. Where the turn waits for results of calls, so does
/// this. Dropping it does not cancel the turn.
#[derive(Debug)]
pub struct Turn {
    events: Events,
    sent: Sent,
    over: bool,
}

impl Turn {
    pub(super) fn new(events: Events, sent: Sent) -> Self {
        Self { events, sent, over: false }
    }

    /// The message that started it: its turn's number, and where it stands.
    pub fn sent(&self) -> Sent {
        self.sent
    }

    /// Where to read on after the last event that it gave, with [`Session::events_from`](crate::Session::events_from).
    pub fn cursor(&self) -> Cursor {
        self.events.cursor()
    }

    /// Waits for the end and gives the text of the answer; what was cancelled gives what there was.
    ///
    /// # Errors
    /// Why there is no whole answer.
    pub async fn text(mut self) -> Result<String, ChatError> {
        let mut text = String::new();
        while let Some(event) = self.next().await {
            match event.body {
                EventBody::Text { delta } => text.push_str(&delta),
                EventBody::AnswerRestarted | EventBody::Reset { .. } => text.clear(),
                EventBody::TurnFailed { error } | EventBody::Error { error } => return Err(error.into()),
                EventBody::TurnFinished { .. } | EventBody::TurnCancelled => return Ok(text),
                _ => {}
            }
        }
        let message = "the session was removed, or greenroom stopped, before the answer had ended";
        Err(ChatError::new(ErrorKind::Cancelled, message).with_hint("open the session and read its end, or ask again"))
    }
}

impl Stream for Turn {
    type Item = LogEvent;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<LogEvent>> {
        while !self.over {
            let Some(event) = ready!(self.events.poll_next_unpin(cx)) else {
                self.over = true;
                break;
            };
            let is_told = matches!(event.body, EventBody::Reset { .. } | EventBody::Error { .. });
            // Others are another turn's, or of no turn.
            if event.turn == Some(self.sent.turn) || is_told {
                self.over = event.body.ends_turn() || matches!(event.body, EventBody::Error { .. });
                return Poll::Ready(Some(event));
            }
        }
        Poll::Ready(None)
    }
}
