//! The coalescing mailbox between a turn and its readers: a [`Log`] under a short mutex, with one waker a reader.
//!
//! The turn appends and wakes; a reader pulls everything from its cursor in one go. What a reader has not taken yet is
//! one growing piece, not a queue, so a slow one costs nothing but its own delay. Nothing per token goes through an
//! actor's mailbox.

use std::{
    collections::VecDeque,
    future::poll_fn,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use crate::session::{
    event::{EventBody, LogEvent},
    log::Log,
};

/// Most bytes given by one pull.
pub const PULL: usize = 64 * 1024;

/// A log that is open: it may grow, and readers wait for that.
#[derive(Debug, Default)]
pub struct OpenLog {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    log: Log,
    closed: bool,
    readers: Vec<Slot>,
    next_reader: u64,
    /// Events that wait for the disk, in their order; nothing from the first of them on is shown.
    held: VecDeque<Held>,
}

/// A structural event that is shown once it is kept.
#[derive(Debug)]
struct Held {
    position: u64,
    /// Whether it is shown all the same if it can't be kept; else it is taken back.
    stays: bool,
}

/// What there is for a reader at its place.
#[derive(Debug)]
pub(crate) enum Pulled {
    /// These.
    Events(Vec<LogEvent>),
    /// What is there begins before what the log still holds, which begins here.
    Below(u64),
    /// Nothing, and nothing will be.
    Closed,
}

#[derive(Debug)]
struct Slot {
    reader: u64,
    waker: Option<Waker>,
}

impl OpenLog {
    /// An empty log.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    // A panic under the lock leaves a whole log: every change to it is one push.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends events and wakes the readers once; gives the position of the first.
    pub fn append(&self, turn: Option<u64>, bodies: impl IntoIterator<Item = EventBody>) -> u64 {
        let (position, waiting) = {
            let mut inner = self.lock();
            let position = inner.log.next_position();
            for body in bodies {
                inner.log.append(turn, body);
            }
            (position, inner.take_wakers())
        };
        waiting.wake();
        position
    }

    /// A log that goes on where what is on disk ends.
    pub(crate) fn starting_at(position: u64) -> Arc<Self> {
        Arc::new(Self { inner: Mutex::new(Inner { log: Log::starting_at(position), ..Inner::default() }) })
    }

    /// Appends a structural event that is shown once it is [released](Self::release); gives its position.
    pub(crate) fn append_held(&self, turn: Option<u64>, body: EventBody, stays: bool) -> u64 {
        let mut inner = self.lock();
        let position = inner.log.append(turn, body);
        inner.held.push_back(Held { position, stays });
        position
    }

    /// What was held before `until` is kept, and shown.
    pub(crate) fn release(&self, until: u64) {
        let waiting = {
            let mut inner = self.lock();
            while inner.held.front().is_some_and(|held| held.position < until) {
                inner.held.pop_front();
            }
            inner.take_wakers()
        };
        waiting.wake();
    }

    /// What was held before `until` is not kept: it is taken back, but for what stays, which is shown. Gives where what
    /// was taken back had been, in order.
    pub(crate) fn retract(&self, until: u64) -> Vec<u64> {
        let (waiting, retracted) = {
            let mut inner = self.lock();
            let count = inner.held.iter().take_while(|held| held.position < until).count();
            let decided: Vec<Held> = inner.held.drain(..count).collect();
            let retracted: Vec<u64> = decided.iter().filter(|held| !held.stays).map(|held| held.position).collect();
            // From the last one on, so that the places of those before it stay true.
            for position in retracted.iter().rev() {
                inner.log.retract(*position);
                inner.held.iter_mut().for_each(|later| later.position -= 1);
            }
            (inner.take_wakers(), retracted)
        };
        waiting.wake();
        retracted
    }

    /// Forgets the oldest events beyond so many bytes, if they end at or before a position.
    pub(crate) fn trim(&self, most: usize, until: u64) {
        self.lock().log.trim(most, until);
    }

    /// Where what is shown ends.
    pub(crate) fn shown_until(&self) -> u64 {
        self.lock().shown_until()
    }

    /// How many read it.
    pub(crate) fn readers(&self) -> usize {
        self.lock().readers.len()
    }

    /// Adds a reader; gives its name.
    pub(crate) fn add_reader(&self) -> u64 {
        let mut inner = self.lock();
        let reader = inner.next_reader;
        inner.next_reader += 1;
        inner.readers.push(Slot { reader, waker: None });
        reader
    }

    /// Forgets a reader.
    pub(crate) fn remove_reader(&self, reader: u64) {
        self.lock().readers.retain(|slot| slot.reader != reader);
    }

    /// What there is for a reader at a position, at most about [`PULL`] bytes; it is woken once there is something.
    pub(crate) fn poll_read(&self, reader: u64, position: u64, cx: &mut Context<'_>) -> Poll<Pulled> {
        let mut inner = self.lock();
        let first = inner.log.first_position();
        if position < first {
            return Poll::Ready(Pulled::Below(first));
        }
        let events = inner.log.read_until(position, inner.shown_until(), PULL);
        if !events.is_empty() {
            return Poll::Ready(Pulled::Events(events));
        }
        if inner.closed {
            return Poll::Ready(Pulled::Closed);
        }
        inner.wait(reader, cx);
        Poll::Pending
    }

    /// Says that nothing more comes.
    pub fn close(&self) {
        let waiting = {
            let mut inner = self.lock();
            inner.closed = true;
            inner.take_wakers()
        };
        waiting.wake();
    }

    /// The position that the next event gets.
    pub fn next_position(&self) -> u64 {
        self.lock().log.next_position()
    }

    /// Looks at the whole log under its lock; `look` must be quick.
    pub(crate) fn with<T>(&self, look: impl FnOnce(&Log) -> T) -> T {
        look(&self.lock().log)
    }

    /// A reader from `position` on.
    pub fn read_from(self: &Arc<Self>, position: u64) -> Tail {
        self.reader(Some(position))
    }

    /// The only reader of a log that nobody else reads: what it pulls is moved out, not copied.
    pub fn consume(self: &Arc<Self>) -> Tail {
        self.reader(None)
    }

    fn reader(self: &Arc<Self>, position: Option<u64>) -> Tail {
        Tail { log: Arc::clone(self), reader: self.add_reader(), position }
    }
}

impl Inner {
    fn shown_until(&self) -> u64 {
        self.held.front().map_or(self.log.next_position(), |held| held.position)
    }

    fn wait(&mut self, reader: u64, cx: &Context<'_>) {
        if let Some(slot) = self.readers.iter_mut().find(|slot| slot.reader == reader) {
            match &mut slot.waker {
                Some(waker) => waker.clone_from(cx.waker()),
                none => *none = Some(cx.waker().clone()),
            }
        }
    }

    fn take_wakers(&mut self) -> Waiting {
        match &mut self.readers[..] {
            // The common case, one reader, allocates nothing.
            [only] => Waiting::One(only.waker.take()),
            readers => Waiting::Many(readers.iter_mut().filter_map(|slot| slot.waker.take()).collect()),
        }
    }
}

/// Readers to wake once the lock is let go.
enum Waiting {
    One(Option<Waker>),
    Many(Vec<Waker>),
}

impl Waiting {
    fn wake(self) {
        match self {
            Self::One(waker) => waker.into_iter().for_each(Waker::wake),
            Self::Many(wakers) => wakers.into_iter().for_each(Waker::wake),
        }
    }
}

/// One reader's place in a log. Dropping it leaves the log as it is.
#[derive(Debug)]
pub struct Tail {
    log: Arc<OpenLog>,
    reader: u64,
    /// Where to read on; `None` for a reader that takes.
    position: Option<u64>,
}

impl Tail {
    /// Everything from here on, at most about [`PULL`] bytes: at once if there is something, else when there is;
    /// `None` when the log is closed and read to its end. Safe to drop while it waits.
    pub async fn pull(&mut self) -> Option<Vec<LogEvent>> {
        poll_fn(|cx| self.poll_pull(cx)).await
    }

    /// [`pull`](Self::pull) as a poll.
    pub fn poll_pull(&mut self, cx: &mut Context<'_>) -> Poll<Option<Vec<LogEvent>>> {
        let mut inner = self.log.lock();
        let events = match self.position {
            Some(position) => inner.log.read(position, PULL),
            None => inner.log.take(PULL),
        };
        if let Some(last) = events.last() {
            if let Some(position) = &mut self.position {
                *position = last.next;
            }
            return Poll::Ready(Some(events));
        }
        if inner.closed {
            return Poll::Ready(None);
        }
        inner.wait(self.reader, cx);
        Poll::Pending
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        self.log.remove_reader(self.reader);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(delta: &str) -> EventBody {
        EventBody::Text { delta: delta.to_owned() }
    }

    #[tokio::test]
    async fn a_reader_that_is_late_gets_one_piece_and_no_reader_misses_anything() {
        let log = OpenLog::new();
        let mut early = log.read_from(0);
        let mut late = log.read_from(0);
        let first = tokio::spawn(async move {
            let events = early.pull().await.unwrap();
            (events, early)
        });
        tokio::task::yield_now().await;
        log.append(Some(1), [text("a")]);
        let (events, mut early) = first.await.unwrap();
        assert_eq!(events.len(), 1);
        log.append(Some(1), [text("b"), text("c")]);
        log.close();
        assert_eq!(late.pull().await.unwrap()[0].body, text("abc"));
        assert_eq!(early.pull().await.unwrap()[0].body, text("bc"));
        assert_eq!(early.pull().await, None);
        assert_eq!(late.pull().await, None);
    }

    #[tokio::test]
    async fn a_consumer_moves_events_out() {
        let log = OpenLog::new();
        let mut tail = log.consume();
        log.append(None, [text("ab")]);
        log.append(None, [text("cd")]);
        assert_eq!(tail.pull().await.unwrap()[0].body, text("abcd"));
        log.append(None, [text("ef")]);
        let event = &tail.pull().await.unwrap()[0];
        assert_eq!((event.position, event.next), (4, 6));
        assert_eq!(log.with(|log| log.iter().count()), 0);
    }
}
