//! Answers to requests that were asked before, and one answer for all who ask the same at once.
//!
//! Only what asks for it comes here, and only from here: a conversation of a session is never the same twice. What is kept
//! is the log of a whole answer; a hit is a log of its own with the same events, so that whoever reads it needs to know
//! nothing of this. Whoever asks what somebody else is being answered reads that one's log from its start, and the answer
//! is cancelled once nobody reads it any more.

mod key;
mod shelf;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use greenroom_wire::{ChatError, ErrorKind, FinishReason};
use tokio::time::Instant;
use tokio_util::sync::DropGuard;

pub(crate) use self::key::RequestKey;
use self::shelf::{Events, Shelf};
use crate::session::{
    event::{EventBody, Failure},
    mailbox::OpenLog,
};

/// The rules of the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheRules {
    /// The most that answers may take, in bytes.
    pub size: usize,
    /// How old an answer may be.
    pub max_age: Duration,
}

impl Default for CacheRules {
    fn default() -> Self {
        Self { size: 64 << 20, max_age: Duration::from_secs(60 * 60) }
    }
}

/// How a request wants to be answered; as it stands, by whoever is asked anew.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CacheWish {
    /// Whether an answer of before will do, and this one may be kept for others; nothing if the request does not say.
    pub on: Option<bool>,
    /// How old the answer may be, if the request says.
    pub max_age: Option<Duration>,
    /// Whether it is to be answered anew.
    pub no_cache: bool,
    /// Whether its answer is not to be kept.
    pub no_store: bool,
    /// Whether nobody is to be asked.
    pub only_if_cached: bool,
}

/// An answer that is under way, for as long as somebody reads it.
#[derive(Debug)]
pub(crate) struct Flight {
    pub(crate) log: Arc<OpenLog>,
    _cancel: DropGuard,
}

impl Flight {
    /// The answer of this log, which is cancelled when this is dropped.
    pub(crate) fn new(log: Arc<OpenLog>, cancel: DropGuard) -> Arc<Self> {
        Arc::new(Self { log, _cancel: cancel })
    }
}

/// Where an answer comes from.
pub(crate) enum Found {
    /// It was kept.
    Kept(Arc<OpenLog>),
    /// Somebody else is being answered.
    UnderWay(Arc<Flight>),
    /// It is to be sought; others may join this.
    Begun(Arc<Flight>),
}

/// The answers of a system. Clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Cache {
    rules: CacheRules,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    shelf: Shelf,
    flights: HashMap<RequestKey, UnderWay>,
}

/// An answer that others may join.
#[derive(Debug)]
struct UnderWay {
    flight: Weak<Flight>,
    log: Weak<OpenLog>,
    no_store: bool,
}

impl State {
    /// Takes an answer as ended whose end can be read, though whoever made it has not told so yet: who has read all of it
    /// may ask the same at once.
    fn settle(&mut self, key: &RequestKey) {
        let Some(known) = self.flights.get(key) else { return };
        let Some(log) = known.log.upgrade() else { return };
        if let Some(events) = whole(&log) {
            if !known.no_store {
                self.shelf.put(*key, events, Instant::now());
            }
            self.flights.remove(key);
        }
    }
}

impl Cache {
    pub(crate) fn new(rules: CacheRules) -> Self {
        let state = State { shelf: Shelf::new(rules.size), flights: HashMap::new() };
        Self { rules, state: Arc::new(Mutex::new(state)) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Finds an answer, or begins one with what `begin` gives.
    pub(crate) fn find(&self, key: RequestKey, wish: CacheWish, begin: impl FnOnce() -> Arc<Flight>) -> Found {
        let mut state = self.lock();
        state.settle(&key);
        let wanted = wish.max_age.unwrap_or(self.rules.max_age);
        if !wish.no_cache
            && let Some((events, age)) = state.shelf.get(&key, wanted, self.rules.max_age, Instant::now())
        {
            drop(state);
            return Found::Kept(told(&events, age));
        }
        if wish.only_if_cached {
            return Found::Kept(refused());
        }
        let under_way = state.flights.get(&key).and_then(|known| known.flight.upgrade());
        match under_way.filter(|_| !wish.no_cache) {
            Some(flight) => Found::UnderWay(flight),
            None => {
                let flight = begin();
                flight.log.append(None, [EventBody::Cache { hit: false, age: 0 }]);
                let (log, no_store) = (Arc::downgrade(&flight.log), wish.no_store);
                state.flights.insert(key, UnderWay { flight: Arc::downgrade(&flight), log, no_store });
                Found::Begun(flight)
            }
        }
    }

    /// An answer has ended, however it did. It is kept if it is whole and may be.
    pub(crate) fn handle_end(&self, key: RequestKey, flight: &Weak<Flight>, log: &OpenLog, wish: CacheWish) {
        let events = if wish.no_store { None } else { whole(log) };
        let mut state = self.lock();
        // Another may have begun anew meanwhile.
        if state.flights.get(&key).is_some_and(|known| known.flight.ptr_eq(flight)) {
            state.flights.remove(&key);
        }
        if let Some(events) = events {
            state.shelf.put(key, events, Instant::now());
        }
    }
}

/// The events of an answer that came to its end by itself, and of which nothing was taken back.
fn whole(log: &OpenLog) -> Option<Events> {
    log.with(|log| {
        let is_broken =
            |body: &EventBody| matches!(body, EventBody::AnswerRestarted | EventBody::ToolCallDropped { .. });
        let ended = log.iter().last().is_some_and(|(_, body)| {
            let EventBody::TurnFinished { reason } = body else { return false };
            matches!(reason, FinishReason::Stop | FinishReason::ToolCalls)
        });
        let is_whole = ended && !log.iter().any(|(_, body)| is_broken(body));
        let said = log.iter().map(|(_, body)| body).filter(|body| !matches!(body, EventBody::Cache { .. }));
        is_whole.then(|| said.cloned().collect())
    })
}

/// A log with an answer that was kept.
fn told(events: &[EventBody], age: Duration) -> Arc<OpenLog> {
    let log = OpenLog::new();
    let hit = EventBody::Cache { hit: true, age: age.as_secs() };
    log.append(Some(crate::stateless::ONLY_TURN), [hit].into_iter().chain(events.iter().cloned()));
    log.close();
    log
}

/// The log of a request that nobody may be asked, and that has no answer here.
fn refused() -> Arc<OpenLog> {
    let error = ChatError::new(ErrorKind::Timeout, "no answer to this request is cached, and nobody may be asked")
        .with_hint("leave 'only-if-cached' out of the header cache-control");
    let log = OpenLog::new();
    let failed = EventBody::TurnFailed { error: Failure::from(&error) };
    log.append(Some(crate::stateless::ONLY_TURN), [EventBody::Cache { hit: false, age: 0 }, failed]);
    log.close();
    log
}

#[cfg(test)]
mod tests {
    use greenroom_wire::ChatRequest;
    use tokio_util::sync::CancellationToken;

    use super::*;

    fn begun(found: Found) -> Arc<Flight> {
        match found {
            Found::Begun(flight) => flight,
            Found::Kept(_) | Found::UnderWay(_) => panic!("it is not asked anew"),
        }
    }

    #[test]
    fn who_has_read_the_end_is_given_the_same_though_its_maker_has_not_told_so_yet() {
        let cache = Cache::new(CacheRules::default());
        let key = RequestKey::of("somebody", None, &ChatRequest::default());
        let begin = || Flight::new(OpenLog::new(), CancellationToken::new().drop_guard());
        for (wish, is_kept) in
            [(CacheWish { no_store: true, ..CacheWish::default() }, false), (CacheWish::default(), true)]
        {
            let flight = begun(cache.find(key, wish, begin));
            let (log, known) = (Arc::clone(&flight.log), Arc::downgrade(&flight));
            assert!(matches!(cache.find(key, wish, begin), Found::UnderWay(_)), "it goes on");
            log.append(None, [EventBody::Text { delta: "words".into() }]);
            log.append(None, [EventBody::TurnFinished { reason: FinishReason::Stop }]);
            // Its only reader has read it.
            drop(flight);
            let found = cache.find(key, wish, begin);
            assert_eq!(matches!(found, Found::Kept(_)), is_kept);
            cache.handle_end(key, &known, &log, wish);
            drop(found);
        }
        assert!(matches!(cache.find(key, CacheWish::default(), begin), Found::Kept(_)));
    }
}
