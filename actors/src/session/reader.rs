//! A reader of a session's log: from the disk up to where memory begins, then from memory as it comes.
//!
//! It pulls: what it has not taken costs nothing, and nobody waits for it. As long as it is there, its session stays in
//! memory.

use std::{
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll, ready},
};

use futures::future::BoxFuture;

use super::{
    core::Core,
    entry::unreadable,
    event::{EventBody, Failure, LogEvent},
    log::Cursor,
    mailbox::Pulled,
    record::Begin,
};
use crate::store::StoreError;

/// Where a reader begins.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct From {
    /// Up to where it has everything; from the start if it is not said.
    pub cursor: Option<Cursor>,
    /// Where the cursor holds no more: whether it begins at the last place that still holds, in place of the start.
    pub truncate: bool,
}

/// A reader of a session's log. It gives a `Reset` if its place holds no more, what there is, `Synced`, and then what
/// comes.
pub struct Reader {
    core: Arc<Core>,
    reader: u64,
    epoch: u64,
    position: u64,
    /// Where the log ended when it came, until that is told.
    synced_at: Option<u64>,
    /// What comes before everything else.
    first: Option<LogEvent>,
    page: Option<BoxFuture<'static, Result<Vec<LogEvent>, StoreError>>>,
    over: bool,
    /// What the session lives as long as, where that is as long as somebody has it.
    _keeps: Option<Arc<dyn Send + Sync>>,
}

impl Reader {
    /// A reader of a session that is in memory; `None` if it has left in the meantime.
    pub(crate) fn begin(core: Arc<Core>, from: From, keeps: Option<Arc<dyn Send + Sync>>) -> Option<Self> {
        let reader = core.log.add_reader();
        let end = core.log.shown_until();
        let (epoch, begin) = core.with_record(|record| {
            let cursor = from.cursor.unwrap_or(Cursor { epoch: record.epoch, position: 0 });
            (record.epoch, record.place(cursor, end, from.truncate))
        });
        let (position, first) = match begin {
            Begin::At(position) => (position, None),
            Begin::Reset(position) => {
                let cursor = Cursor { epoch, position }.to_string();
                (position, Some(told(EventBody::Reset { cursor }, position)))
            }
        };
        let synced_at = Some(end);
        let reader = Self { core, reader, epoch, position, synced_at, first, page: None, over: false, _keeps: keeps };
        // One that left before the reader was seen does not come back.
        (!reader.core.is_gone()).then_some(reader)
    }

    /// The epoch of everything that it gives: with it, `next` of an event makes a cursor.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// What there is, at most about 64 KiB: at once if there is something, else when there is; `None` once the session is
    /// removed, or after an error. Safe to drop while it waits.
    pub async fn pull(&mut self) -> Option<Vec<LogEvent>> {
        poll_fn(|cx| self.poll_pull(cx)).await
    }

    /// [`pull`](Self::pull) as a poll.
    pub fn poll_pull(&mut self, cx: &mut Context<'_>) -> Poll<Option<Vec<LogEvent>>> {
        if self.over {
            return Poll::Ready(None);
        }
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(vec![first]));
        }
        loop {
            if self.synced_at.is_some_and(|end| self.position >= end) {
                self.synced_at = None;
                return Poll::Ready(Some(vec![told(EventBody::Synced, self.position)]));
            }
            if let Some(page) = &mut self.page {
                let read = ready!(page.as_mut().poll(cx));
                self.page = None;
                return Poll::Ready(Some(match read {
                    Ok(events) => self.passed(events),
                    // Removed under the reader.
                    Err(_) if self.core.is_gone() => {
                        self.over = true;
                        return Poll::Ready(None);
                    }
                    Err(fault) => {
                        self.over = true;
                        let error = Failure::from(&unreadable(&fault));
                        vec![told(EventBody::Error { error }, self.position)]
                    }
                }));
            }
            match ready!(self.core.log.poll_read(self.reader, self.position, cx)) {
                Pulled::Events(events) => return Poll::Ready(Some(self.passed(events))),
                Pulled::Below(first) => {
                    let (core, at) = (Arc::clone(&self.core), self.position);
                    self.page = Some(Box::pin(async move { core.page_on_disk(at, first).await }));
                }
                Pulled::Closed => {
                    self.over = true;
                    return Poll::Ready(None);
                }
            }
        }
    }

    /// These events, which are the next.
    fn passed(&mut self, events: Vec<LogEvent>) -> Vec<LogEvent> {
        self.position = events.last().map_or(self.position, |last| last.next);
        events
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.core.log.remove_reader(self.reader);
        self.core.touch();
    }
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").field("core", &self.core).field("position", &self.position).finish_non_exhaustive()
    }
}

/// What one reader alone is told; it has no place of its own in the log.
fn told(body: EventBody, position: u64) -> LogEvent {
    LogEvent { body, turn: None, position, next: position }
}
