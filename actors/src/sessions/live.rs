//! The sessions that are in memory: woken when they are needed, gone when they are not.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use greenroom_wire::{ChatError, ErrorKind};
use tokio::sync::{OnceCell, RwLock, broadcast};

use crate::{
    handle::Handle,
    session::{
        OnCrash, Shared,
        actor::Session,
        core::{Core, CoreArgs, put},
        error::SessionError,
        op::{Op, Over},
        record::{BRIEF, GONE, OPEN, OWNED, PROBE, RECORDS, Record},
    },
    store::{Batch, Health, Store, StoreError},
    supervisor::{Child, SupervisorMsg},
};
/// How many changes of the list a watcher may be behind before it is told no more than that there were some.
const CHANGES: usize = 64;
/// How many interrupted turns are taken up at once at a start.
const AT_ONCE: usize = 64;

/// The place of a session in memory: whoever comes first fills it, and the others wait.
type Slot = Arc<OnceCell<Arc<Core>>>;
type Slots = HashMap<Arc<str>, Slot>;

/// What sessions share.
pub(crate) struct Live {
    pub(crate) store: Store,
    pub(crate) shared: Arc<Shared>,
    supervisor: Handle<SupervisorMsg>,
    slots: Mutex<Slots>,
    /// Nothing is read of sessions while one is being removed: it could come back from what is not removed yet.
    removal: RwLock<()>,
    /// Logs that are being made and have no owner yet.
    copying: Mutex<HashSet<String>>,
    /// Whose session was made or removed.
    listed: broadcast::Sender<Arc<str>>,
}

/// What a session is made of that is not there.
pub(crate) struct Make {
    pub(crate) record: Record,
    pub(crate) batch: Batch,
}

impl std::fmt::Debug for Live {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Live").finish_non_exhaustive()
    }
}

impl Live {
    pub(crate) fn new(store: Store, shared: Arc<Shared>, supervisor: Handle<SupervisorMsg>) -> Self {
        Self {
            store,
            shared,
            supervisor,
            slots: Mutex::default(),
            removal: RwLock::default(),
            copying: Mutex::default(),
            listed: broadcast::Sender::new(CHANGES),
        }
    }

    fn slots(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The session of an id, woken if it is on disk alone.
    ///
    /// # Errors
    /// There is none, or it can't be had.
    pub(crate) async fn get(&self, id: &Arc<str>) -> Result<Arc<Core>, SessionError> {
        self.enter(id, None).await.map(|(core, _)| core)
    }

    /// The session of an id, made if there is none and it is said of what; whether it was made.
    pub(crate) async fn enter(&self, id: &Arc<str>, mut make: Option<Make>) -> Result<(Arc<Core>, bool), SessionError> {
        loop {
            let slot = Arc::clone(self.slots().entry(Arc::clone(id)).or_default());
            let mut made = false;
            let entered = slot.get_or_try_init(|| self.load(id, &mut make, &mut made)).await;
            match entered {
                Ok(core) if core.is_gone() => self.forget(id, &slot),
                Ok(core) => {
                    core.touch();
                    return Ok((Arc::clone(core), made));
                }
                Err(error) => {
                    self.forget(id, &slot);
                    return Err(error);
                }
            }
        }
    }

    /// Empties a slot, unless it is another's by now.
    fn forget(&self, id: &Arc<str>, slot: &Slot) {
        let mut slots = self.slots();
        if slots.get(id).is_some_and(|found| Arc::ptr_eq(found, slot)) {
            slots.remove(id);
        }
    }

    async fn load(&self, id: &Arc<str>, make: &mut Option<Make>, made: &mut bool) -> Result<Arc<Core>, SessionError> {
        let _nothing_removed = self.removal.read().await;
        if make.is_some() && matches!(self.store.health(), Health::Degraded(_)) {
            // What a failed write left where it can be read, as a session that was not made, is not to be taken for kept.
            let mut probe = Batch::default();
            probe.put(&PROBE, &id.to_string(), &()).map_err(SessionError::NotKept)?;
            probe.remove(&PROBE, &id.to_string());
            self.store.commit(probe).await.map_err(SessionError::NotKept)?;
        }
        let found = self.store.get(&RECORDS, &id.to_string()).await.map_err(SessionError::Unreadable)?;
        let record = match (found, make.take()) {
            (Some(record), _) => self.recovered(id, record).await?,
            (None, Some(Make { record, mut batch })) => {
                put(&mut batch, id, &record).map_err(SessionError::NotKept)?;
                self.store.commit(batch).await.map_err(SessionError::NotKept)?;
                *made = true;
                self.tell_listed(&record.client);
                record
            }
            (None, None) => return Err(SessionError::NotFound),
        };
        let (store, shared) = (self.store.clone(), Arc::clone(&self.shared));
        let core = Core::new(CoreArgs { id: Arc::clone(id), store, shared, record });
        self.take_up(&core);
        let state = Arc::clone(&core);
        let child = Child::<Session, _> { handle: core.handle.clone(), make: move || (Session, Arc::clone(&state)) };
        let launch: Arc<dyn crate::supervisor::Launch> = Arc::new(child);
        let start = |reply| SupervisorMsg::Start { id: Arc::clone(&core.child), launch: Arc::clone(&launch), reply };
        self.supervisor.call(start).await?;
        Ok(core)
    }

    /// The record of a session as it is taken up: where a process ended with a turn of it, what was shown last may not be
    /// on disk, so before anything else is shown a new epoch begins.
    async fn recovered(&self, id: &str, mut record: Record) -> Result<Record, SessionError> {
        let Some(open) = record.open.as_mut().filter(|open| open.calls.is_empty()) else { return Ok(record) };
        let was_suspended = std::mem::take(&mut open.suspended);
        let end = self.store.log_end(&record.log).await.map_err(SessionError::Unreadable)?;
        record.end = end.unwrap_or(record.end);
        if !was_suspended {
            record.handle_lost(record.end);
        }
        let mut batch = Batch::default();
        put(&mut batch, id, &record).map_err(SessionError::NotKept)?;
        self.store.commit(batch).await.map_err(SessionError::NotKept)?;
        Ok(record)
    }

    /// What is done about a turn that an earlier process left.
    fn take_up(&self, core: &Arc<Core>) {
        let Some(turn) = core.with_record(|record| record.running().map(|open| open.turn)) else { return };
        match self.shared.rules.on_crash {
            OnCrash::Continue => core.resume(),
            OnCrash::Mark => {
                let error = ChatError::new(ErrorKind::Server, "the answer was interrupted as greenroom ended");
                core.push(Op::Over { turn, over: Over::failed(&error.with_hint("ask again")), route: None });
            }
        }
    }

    /// Takes up every turn that an earlier process left. What this process does not come to before it ends, the next does,
    /// and nothing is wrong.
    pub(crate) async fn take_up_all(&self) -> Result<(), StoreError> {
        let mut after = None;
        loop {
            let page = match self.store.scan_page(&OPEN, after.as_ref(), AT_ONCE).await {
                Err(_) if self.shared.shutdown.is_cancelled() => return Ok(()),
                page => page?,
            };
            let Some((last, ())) = page.last() else { return Ok(()) };
            after = Some(last.clone());
            let woken = page.iter().map(|(id, ())| async move {
                let id: Arc<str> = id.as_str().into();
                if let Err(error) = self.get(&id).await
                    && !self.shared.shutdown.is_cancelled()
                {
                    tracing::error!(session = %id, "a turn that was interrupted can't be taken up: {error}");
                }
            });
            futures::future::join_all(woken).await;
        }
    }

    /// Has sessions leave memory that nothing keeps there.
    pub(crate) fn hibernate(&self, idle: Duration) {
        let cores: Vec<Arc<Core>> = self.slots().values().filter_map(|slot| slot.get().cloned()).collect();
        for core in cores.into_iter().filter(|core| core.leave(idle)) {
            self.let_go(&core);
        }
    }

    fn let_go(&self, core: &Arc<Core>) {
        let mut slots = self.slots();
        if slots.get(&core.id).and_then(|slot| slot.get()).is_some_and(|found| Arc::ptr_eq(found, core)) {
            slots.remove(&core.id);
        }
        drop(slots);
        self.supervisor.cast(SupervisorMsg::Stop(Arc::clone(&core.child)));
    }

    /// Removes a session for good.
    pub(crate) async fn remove(&self, core: &Arc<Core>) -> Result<(), SessionError> {
        self.remove_if(core, |_| true).await.map(|_| ())
    }

    /// The same of a session that is so as it is removed; whether it was.
    pub(crate) async fn remove_if(
        &self,
        core: &Arc<Core>,
        is_so: impl FnOnce(&Record) -> bool,
    ) -> Result<bool, SessionError> {
        let record = core.with_record(Clone::clone);
        let (id, client) = (core.id.to_string(), record.client.clone());
        let mut batch = Batch::default();
        batch.remove(&RECORDS, &id);
        batch.remove(&OWNED, &(record.client, id.clone()));
        batch.remove(&OPEN, &id);
        batch.remove(&BRIEF, &id);
        batch.put(&GONE, &record.log, &()).map_err(SessionError::NotKept)?;
        let _nothing_read = self.removal.write().await;
        // Gone from here first, so that nothing is written of it afterwards.
        if !core.remove_if(is_so) {
            return Ok(false);
        }
        // A write that is under way has its record with it, and would bring it back.
        core.until_written().await;
        let kept = self.store.commit(batch).await;
        self.let_go(core);
        if kept.is_ok() {
            self.tell_listed(&client);
        }
        if kept.is_ok() && record.asks.budget.is_some() {
            // One of the same name has spent nothing.
            self.shared.ledger.forget_session(&id).await;
        }
        kept.map(|()| true).map_err(SessionError::NotKept)
    }

    fn tell_listed(&self, client: &str) {
        // Mostly nobody watches.
        let _watched = self.listed.send(client.into());
    }

    /// Whose session is made or removed from now on.
    pub(super) fn listed(&self) -> broadcast::Receiver<Arc<str>> {
        self.listed.subscribe()
    }

    /// Logs that are being made and have no owner yet.
    pub(super) fn copying(&self) -> MutexGuard<'_, HashSet<String>> {
        self.copying.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many are in memory.
    pub(crate) fn count(&self) -> usize {
        self.slots().len()
    }

    /// Every session that is in memory.
    pub(crate) fn cores(&self) -> Vec<Arc<Core>> {
        self.slots().values().filter_map(|slot| slot.get().cloned()).collect()
    }

    /// The session of an id if it is in memory.
    pub(crate) fn in_memory(&self, id: &str) -> Option<Arc<Core>> {
        self.slots().get(id).and_then(|slot| slot.get().cloned()).filter(|core| !core.is_gone())
    }
}
