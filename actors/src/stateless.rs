//! Answers without a session: asked for anew, kept from before, or somebody else's who asked the same.
//!
//! A stateless call has no actor of its own: its turn and its open log are all there is of it, and dropping it cancels.

use std::{
    sync::{Arc, Weak},
    task::{Context, Poll},
};

use greenroom_wire::ChatRequest;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{
    cache::{Cache, CacheWish, Flight, Found, RequestKey},
    session::{
        Answering, Ends, Job, OnInterrupt, Shared,
        event::LogEvent,
        mailbox::{OpenLog, Tail},
        run,
    },
    system::System,
    usage::Asker,
};

/// The turn of a stateless call.
pub(crate) const ONLY_TURN: u64 = 1;

impl System {
    /// Asks for one answer, streamed. Dropping what this gives cancels, up to the provider's socket, unless somebody else
    /// is given the same answer.
    pub fn chat(&self, request: ChatRequest, caller: Caller) -> Answer {
        match caller.cache.on {
            Some(true) => self.chat_cached(request, caller),
            Some(false) | None => {
                let log = OpenLog::new();
                let tail = log.consume();
                let cancel = CancellationToken::new();
                let guard = cancel.clone().drop_guard();
                let shared = Arc::clone(&self.shared);
                tokio::spawn(async move { answer(&shared, log, &caller.job(request), &cancel).await });
                Answer { tail, _holds: Holds::Alone { _cancel: guard } }
            }
        }
    }

    fn chat_cached(&self, request: ChatRequest, caller: Caller) -> Answer {
        let wish = caller.cache;
        let key = RequestKey::of(&caller.owner, caller.on_interrupt, &request);
        let cancel = CancellationToken::new();
        let begin = || Flight::new(OpenLog::new(), cancel.clone().drop_guard());
        match self.cache.find(key, wish, begin) {
            Found::Kept(log) => Answer { tail: log.consume(), _holds: Holds::Nothing },
            Found::UnderWay(flight) => {
                Answer { tail: flight.log.read_from(0), _holds: Holds::Together { _flight: flight } }
            }
            Found::Begun(flight) => {
                let tail = flight.log.read_from(0);
                let (shared, cache, log) = (Arc::clone(&self.shared), self.cache.clone(), Arc::clone(&flight.log));
                let known = Arc::downgrade(&flight);
                tokio::spawn(async move {
                    // However it ends, a panic included, it is not joined any more.
                    let ending = Ending { cache, key, flight: known, log: Arc::clone(&log), wish };
                    answer(&shared, log, &caller.job(request), &cancel).await;
                    drop(ending);
                });
                Answer { tail, _holds: Holds::Together { _flight: flight } }
            }
        }
    }

    /// Asks for one answer and waits for all of it. Dropping the future cancels, up to the provider's socket, unless
    /// somebody else is given the same answer.
    pub async fn chat_whole(&self, request: ChatRequest, caller: Caller) -> Vec<LogEvent> {
        let mut events = Vec::new();
        if caller.cache.on == Some(true) {
            let mut answer = self.chat_cached(request, caller);
            while let Some(more) = answer.pull().await {
                events.extend(more);
            }
            return events;
        }
        let log = OpenLog::new();
        answer(&self.shared, Arc::clone(&log), &caller.job(request), &CancellationToken::new()).await;
        let mut tail = log.consume();
        while let Some(more) = tail.pull().await {
            events.extend(more);
        }
        events
    }
}

/// Who asks for an answer without a session, and how.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Whose requests wait together in providers' queues.
    pub owner: Arc<str>,
    /// What is done with an answer that is interrupted; `None` is what the system was started with.
    pub on_interrupt: Option<OnInterrupt>,
    /// Whether an answer of before will do.
    pub cache: CacheWish,
}

impl Caller {
    fn job(self, request: ChatRequest) -> Job {
        Job {
            request: Arc::new(request),
            asker: Asker::Client(self.owner.to_string()),
            owner: self.owner,
            prefer: None,
            on_interrupt: self.on_interrupt,
            ends: Ends::Logged,
        }
    }
}

impl From<&str> for Caller {
    fn from(owner: &str) -> Self {
        Self { owner: owner.into(), on_interrupt: None, cache: CacheWish::default() }
    }
}

/// Answers into a log, which is closed however the turn ends, a panic included: a reader must never wait for nobody.
async fn answer(shared: &Shared, log: Arc<OpenLog>, job: &Job, cancel: &CancellationToken) {
    let closing = Closing(log);
    let answering = Answering::new(Arc::clone(&closing.0), ONLY_TURN, shared.limits.bytes);
    run(shared, job, answering, cancel).await;
}

/// Tells the cache of an answer's end when dropped.
struct Ending {
    cache: Cache,
    key: RequestKey,
    flight: Weak<Flight>,
    log: Arc<OpenLog>,
    wish: CacheWish,
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.cache.handle_end(self.key, &self.flight, &self.log, self.wish);
    }
}

/// Closes a log when dropped.
struct Closing(Arc<OpenLog>);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// One answer as it comes. Dropping it cancels.
#[derive(Debug)]
pub struct Answer {
    pub(crate) tail: Tail,
    _holds: Holds,
}

/// What ends with the answer that somebody reads.
#[derive(Debug)]
enum Holds {
    /// The turn.
    Alone { _cancel: DropGuard },
    /// The turn, if nobody else reads it.
    Together { _flight: Arc<Flight> },
    /// Nothing: it was over before.
    Nothing,
}

impl Answer {
    /// The next events: all there are, merged, as soon as there is one; `None` after the last. Safe to drop while it
    /// waits.
    pub async fn pull(&mut self) -> Option<Vec<LogEvent>> {
        self.tail.pull().await
    }

    /// [`pull`](Self::pull) as a poll.
    pub fn poll_pull(&mut self, cx: &mut Context<'_>) -> Poll<Option<Vec<LogEvent>>> {
        self.tail.poll_pull(cx)
    }
}
