//! Handles that keep pointing at the living incarnation of a supervised actor.

use std::{fmt, sync::Arc, time::Duration};

use ractor::{ActorRef, Message, RpcReplyPort};
use tokio::sync::{oneshot, watch};

/// How long a caller waits for an actor that died to come back, before it is told so.
const RETURN_WAIT: Duration = Duration::from_secs(5);

/// Where an actor is now.
pub(crate) enum Place<M> {
    /// Not there, but about to be.
    Starting,
    /// Alive.
    Alive(ActorRef<M>),
    /// Stopped, or failed too often to be started again.
    Down,
}

/// Points at an actor across its restarts. Clones point at the same.
pub(crate) struct Handle<M> {
    place: Arc<watch::Sender<Place<M>>>,
    /// How many of the next incarnations fail before they have started.
    #[cfg(test)]
    failing: Arc<std::sync::atomic::AtomicU32>,
}

/// An actor that can't be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// It was stopped, or failed so often that it is left down.
    #[error("this part of greenroom is down")]
    Down,
    /// It died and did not come back in time.
    #[error("this part of greenroom does not answer")]
    NoAnswer,
}

impl<M: Message> Handle<M> {
    /// Points at an actor that is yet to start.
    pub(crate) fn new() -> Self {
        Self {
            place: Arc::new(watch::Sender::new(Place::Starting)),
            #[cfg(test)]
            failing: Arc::default(),
        }
    }

    /// Has the next incarnations fail before they have started.
    #[cfg(test)]
    pub(crate) fn fail_starts(&self, count: u32) {
        self.failing.store(count, std::sync::atomic::Ordering::SeqCst);
    }

    /// Whether this incarnation is to fail before it has started.
    #[cfg(test)]
    pub(crate) fn takes_failure(&self) -> bool {
        use std::sync::atomic::Ordering::SeqCst;

        self.failing.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)).is_ok()
    }

    /// Says where the actor is now; its supervisor's to call.
    pub(crate) fn set(&self, place: Place<M>) {
        self.place.send_replace(place);
    }

    /// The incarnation that lives now.
    #[cfg(test)]
    pub(crate) fn living(&self) -> Option<ActorRef<M>> {
        match &*self.place.borrow() {
            Place::Alive(actor) => Some(actor.clone()),
            Place::Starting | Place::Down => None,
        }
    }

    /// Whether it is down for good.
    pub(crate) fn is_down(&self) -> bool {
        matches!(*self.place.borrow(), Place::Down)
    }

    /// Sends a message to the incarnation that lives now. A message to one that is starting is lost, so cast only what
    /// a new incarnation would find out by itself.
    pub(crate) fn cast(&self, message: M) {
        if let Place::Alive(actor) = &*self.place.borrow() {
            // An error means that it died just now, which is the case described above.
            let _lost = actor.cast(message);
        }
    }

    /// Asks and waits for the answer. Asks again if the actor dies meanwhile, so `build` may be called several times
    /// and what it asks must be safe to do twice.
    ///
    /// # Errors
    /// The actor is down, or does not come back in time.
    pub(crate) async fn call<R>(&self, build: impl Fn(RpcReplyPort<R>) -> M) -> Result<R, Unavailable>
    where
        R: Send + 'static,
    {
        loop {
            let actor = self.alive(None).await?;
            if let Some(answer) = ask(&actor, &build).await {
                return Ok(answer);
            }
            // It died under the question: wait for its successor and ask that.
            self.alive(Some(&actor)).await?;
        }
    }

    /// The living incarnation that isn't `dead`.
    async fn alive(&self, dead: Option<&ActorRef<M>>) -> Result<ActorRef<M>, Unavailable> {
        let found = |place: &Place<M>| match place {
            Place::Alive(actor) if dead.is_none_or(|dead| dead.get_id() != actor.get_id()) => Some(Ok(actor.clone())),
            Place::Alive(_) | Place::Starting => None,
            Place::Down => Some(Err(Unavailable::Down)),
        };
        if let Some(place) = found(&self.place.borrow()) {
            return place;
        }
        let mut places = self.place.subscribe();
        let changed = places.wait_for(|place| found(place).is_some());
        match tokio::time::timeout(RETURN_WAIT, changed).await {
            Ok(Ok(place)) => found(&place).unwrap_or(Err(Unavailable::NoAnswer)),
            _ => Err(Unavailable::NoAnswer),
        }
    }
}

async fn ask<M: Message, R>(actor: &ActorRef<M>, build: &impl Fn(RpcReplyPort<R>) -> M) -> Option<R> {
    let (port, answer) = oneshot::channel();
    actor.cast(build(port.into())).ok()?;
    answer.await.ok()
}

impl<M> Clone for Handle<M> {
    fn clone(&self) -> Self {
        Self {
            place: Arc::clone(&self.place),
            #[cfg(test)]
            failing: Arc::clone(&self.failing),
        }
    }
}

impl<M> fmt::Debug for Handle<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = match &*self.place.borrow() {
            Place::Starting => "starting",
            Place::Alive(_) => "alive",
            Place::Down => "down",
        };
        f.debug_struct("Handle").field("place", &place).finish()
    }
}
