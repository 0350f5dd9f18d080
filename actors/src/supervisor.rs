//! Starts actors, and starts them again when they fail: one supervisor for each branch of the tree.
//!
//! A child that fails is started anew after a short wait that doubles; one that fails more than [`MOST`] times within
//! [`WITHIN`] is left *down*, visibly, and its siblings live on. The list of children lies outside of the actor, so
//! that a supervisor which is itself started anew brings them back.

use std::{
    collections::HashMap,
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::future::BoxFuture;
use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef, Message, RpcReplyPort, SpawnErr, SupervisionEvent};
use tokio::time::Instant;

use crate::handle::{Handle, Place};

/// Most failures of a child within [`WITHIN`] before it is left down.
const MOST: usize = 5;
const WITHIN: Duration = Duration::from_secs(30);
/// The wait before the first restart; each further one waits twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(20);

/// Names a child among its siblings.
pub(crate) type ChildId = Arc<str>;

/// What a supervisor is told.
pub(crate) enum SupervisorMsg {
    /// Start a child. One that is there already, by its id, stays as it is.
    Start { id: ChildId, launch: Arc<dyn Launch>, reply: RpcReplyPort<()> },
    /// A child's wait is over.
    Restart(ChildId),
    /// Stop a child and forget it.
    Stop(ChildId),
    /// Fails, for tests of supervision.
    #[cfg(test)]
    Panic,
}

/// How one child is started, at first and again.
pub(crate) trait Launch: Send + Sync + 'static {
    /// Starts an incarnation under `supervisor` and points the child's handle at it.
    fn launch(&self, supervisor: ActorCell) -> BoxFuture<'_, Result<ActorCell, SpawnErr>>;
    /// Says that there is no incarnation: about to come, or none any more.
    fn absent(&self, down: bool);
}

/// A child whose actor and arguments are made by a closure, so that each incarnation gets its own.
pub(crate) struct Child<A: Actor, F> {
    pub(crate) handle: Handle<A::Msg>,
    pub(crate) make: F,
}

impl<A, F> Launch for Child<A, F>
where
    A: Actor,
    A::Msg: Message,
    F: Fn() -> (A, A::Arguments) + Send + Sync + 'static,
{
    fn launch(&self, supervisor: ActorCell) -> BoxFuture<'_, Result<ActorCell, SpawnErr>> {
        Box::pin(async move {
            let (actor, args) = (self.make)();
            #[cfg(test)]
            let actor = failing::Failing { actor, fails: self.handle.takes_failure() };
            let (actor, _) = Actor::spawn_linked(None, actor, args, supervisor).await?;
            let cell = actor.get_cell();
            self.handle.set(Place::Alive(actor));
            Ok(cell)
        })
    }

    fn absent(&self, down: bool) {
        self.handle.set(if down { Place::Down } else { Place::Starting });
    }
}

/// The children of one supervisor; outlives its incarnations.
#[derive(Default)]
pub(crate) struct Roster(Mutex<HashMap<ChildId, Entry>>);

struct Entry {
    launch: Arc<dyn Launch>,
    cell: Option<ActorCell>,
    failures: Failures,
}

impl Roster {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<ChildId, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The actor. Its state is the [`Roster`].
pub(crate) struct Supervisor;

impl Supervisor {
    /// Starts the incarnation of a child that has none.
    async fn launch(myself: &ActorRef<SupervisorMsg>, roster: &Roster, id: &ChildId) {
        let launch = match roster.lock().get(id) {
            Some(Entry { launch, cell: None, .. }) => Arc::clone(launch),
            _ => return,
        };
        match launch.launch(myself.get_cell()).await {
            Ok(cell) => {
                if let Some(entry) = roster.lock().get_mut(id) {
                    entry.cell = Some(cell);
                }
            }
            // No supervision event comes for a child that fails in `pre_start`: this is the only word of it.
            Err(error) => Self::handle_failed(myself, roster, id, &error),
        }
    }

    fn handle_failed(myself: &ActorRef<SupervisorMsg>, roster: &Roster, id: &ChildId, error: &dyn std::fmt::Display) {
        let mut children = roster.lock();
        let Some(entry) = children.get_mut(id) else { return };
        entry.cell = None;
        let wait = entry.failures.handle_failure(Instant::now());
        entry.launch.absent(wait.is_none());
        match wait {
            Some(wait) => {
                tracing::error!(actor = %id, %error, ?wait, "an actor failed and will be started anew");
                let id = Arc::clone(id);
                myself.send_after(wait, move || SupervisorMsg::Restart(id));
            }
            None => tracing::error!(actor = %id, %error, "an actor failed too often and is left down"),
        }
    }

    fn id_of(roster: &Roster, cell: &ActorCell) -> Option<ChildId> {
        let children = roster.lock();
        let found = children.iter().find(|(_, entry)| entry.cell.as_ref().is_some_and(|c| c.get_id() == cell.get_id()));
        found.map(|(id, _)| Arc::clone(id))
    }
}

impl Actor for Supervisor {
    type Msg = SupervisorMsg;
    type State = Arc<Roster>;
    type Arguments = Arc<Roster>;

    async fn pre_start(
        &self,
        myself: ActorRef<Self::Msg>,
        roster: Arc<Roster>,
    ) -> Result<Self::State, ActorProcessingErr> {
        // Children of an incarnation before this one died with it.
        for (id, entry) in roster.lock().iter_mut() {
            entry.cell = None;
            myself.cast(SupervisorMsg::Restart(Arc::clone(id)))?;
        }
        Ok(roster)
    }

    async fn handle(
        &self,
        myself: ActorRef<Self::Msg>,
        message: Self::Msg,
        roster: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            SupervisorMsg::Start { id, launch, reply } => {
                let new = Entry { launch, cell: None, failures: Failures::default() };
                roster.lock().entry(Arc::clone(&id)).or_insert(new);
                Self::launch(&myself, roster, &id).await;
                let _gone = reply.send(());
            }
            SupervisorMsg::Restart(id) => Self::launch(&myself, roster, &id).await,
            SupervisorMsg::Stop(id) => {
                if let Some(entry) = roster.lock().remove(&id) {
                    entry.launch.absent(true);
                    if let Some(cell) = entry.cell {
                        cell.stop(None);
                    }
                }
            }
            #[cfg(test)]
            SupervisorMsg::Panic => panic!("a supervisor was asked to fail"),
        }
        Ok(())
    }

    // Written out, since the default stops the supervisor and all siblings when any child ends.
    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<Self::Msg>,
        event: SupervisionEvent,
        roster: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        match event {
            SupervisionEvent::ActorFailed(cell, error) => {
                if let Some(id) = Self::id_of(roster, &cell) {
                    Self::handle_failed(&myself, roster, &id, &error);
                }
            }
            SupervisionEvent::ActorTerminated(cell, ..) => {
                if let Some(id) = Self::id_of(roster, &cell)
                    && let Some(entry) = roster.lock().remove(&id)
                {
                    entry.launch.absent(true);
                }
            }
            SupervisionEvent::ActorStarted(_) | SupervisionEvent::ProcessGroupChanged(_) => {}
        }
        Ok(())
    }
}

/// When a child failed lately.
#[derive(Debug, Default)]
struct Failures(VecDeque<Instant>);

impl Failures {
    /// Counts a failure; gives the wait before the next start, or `None` if there were too many.
    fn handle_failure(&mut self, now: Instant) -> Option<Duration> {
        while self.0.front().is_some_and(|first| now - *first > WITHIN) {
            self.0.pop_front();
        }
        self.0.push_back(now);
        let count = self.0.len();
        (count <= MOST).then(|| FIRST_WAIT * (1 << (count - 1)))
    }
}

#[cfg(test)]
#[path = "supervisor_failing.rs"]
mod failing;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn restarts_wait_longer_each_time_and_end() {
        let now = Instant::now();
        let mut failures = Failures::default();
        let waits: Vec<_> = (0..6).map(|_| failures.handle_failure(now)).collect();
        let expected: Vec<_> = [20, 40, 80, 160, 320].map(|ms| Some(Duration::from_millis(ms))).into();
        assert_eq!(waits[..5], expected);
        assert_eq!(waits[5], None);
        assert_eq!(
            failures.handle_failure(now + WITHIN + Duration::from_secs(1)),
            Some(FIRST_WAIT),
            "old ones count no more"
        );
    }
}
