//! The one thread that writes. It takes all that waits, makes it one batch, flushes once and then answers everybody.
//!
//! After a fault the store is *degraded*: what is asked is answered with the fault, and each later write tries again.
//! Where the disk takes writes again, the store is opened anew, since sled's handle never forgets a failed write.

use std::{
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard},
};

use tokio::sync::{mpsc, oneshot, watch};

use super::{
    Durability, Health, StoreError,
    backend::{Backend, Changes},
    disk::wait_until_free,
    format,
    open::{can_write, reopen},
    tx::Tx,
};

/// Writes that are made together at most: bounds what is held in memory, and how long the first one waits for the last.
const MOST_IN_A_GROUP: usize = 512;

/// Runs in the group, and gives what is to be told once it is known whether the group is kept.
pub(super) type Job = Box<dyn FnOnce(&mut Tx<'_>) -> Done + Send>;

/// What became of a job before its group was written.
pub(super) struct Done {
    /// Whether its changes are to be made.
    pub(super) made: bool,
    pub(super) tell: Box<dyn FnOnce(Result<(), StoreError>) + Send>,
}

/// What the writer is told.
pub(super) enum Message {
    Write(Job),
    /// Answered once the store is closed.
    Close(oneshot::Sender<Result<(), StoreError>>),
}

/// Where the writer and the readers find what is kept.
pub(super) type Shared = Arc<RwLock<Backend>>;

pub(super) fn read(shared: &Shared) -> RwLockReadGuard<'_, Backend> {
    shared.read().unwrap_or_else(PoisonError::into_inner)
}

/// What the thread has.
pub(super) struct Writer {
    pub(super) inbox: mpsc::Receiver<Message>,
    pub(super) shared: Shared,
    pub(super) health: Arc<watch::Sender<Health>>,
    /// Where the store lies; `None` for one in memory.
    pub(super) place: Option<(PathBuf, Durability)>,
}

impl Writer {
    /// Writes until the store is closed, or nobody can ask any more.
    pub(super) fn run(mut self) {
        if self.place.is_some() {
            // From here on the stop is unclean until it is a clean one.
            self.mark_clean(false);
        }
        let mut closing = None;
        while closing.is_none()
            && let Some(first) = self.inbox.blocking_recv()
        {
            let mut jobs = Vec::new();
            let mut next = Some(first);
            while let Some(message) = next {
                match message {
                    Message::Write(job) => jobs.push(job),
                    Message::Close(reply) => {
                        closing = Some(reply);
                        break;
                    }
                }
                next = if jobs.len() < MOST_IN_A_GROUP { self.inbox.try_recv().ok() } else { None };
            }
            self.write(jobs);
        }
        let closed = self.close();
        if let Some(reply) = closing {
            let _gone = reply.send(closed);
        }
    }

    fn write(&self, jobs: Vec<Job>) {
        let mut group = Changes::new();
        let mut tell = Vec::with_capacity(jobs.len());
        {
            let backend = read(&self.shared);
            for job in jobs {
                let mut tx = Tx::new(&backend, &group);
                let done = job(&mut tx);
                let own = tx.own;
                if done.made {
                    group.extend(own);
                }
                tell.push(done.tell);
            }
        }
        let outcome = if group.is_empty() { Ok(()) } else { self.commit(&group) };
        for tell in tell {
            tell(outcome.clone());
        }
    }

    fn commit(&self, changes: &Changes) -> Result<(), StoreError> {
        let mut outcome = self.try_commit(changes);
        // What is to be written are whole values, so that writing them twice does no harm.
        if outcome.is_err() && self.mend() {
            outcome = self.try_commit(changes);
        }
        self.health.send_if_modified(|health| health.handle(outcome.as_ref().err()));
        outcome
    }

    fn try_commit(&self, changes: &Changes) -> Result<(), StoreError> {
        if self.place.is_none() {
            let mut backend = self.shared.write().unwrap_or_else(PoisonError::into_inner);
            if let Backend::Memory(memory) = &mut *backend {
                memory.commit(changes);
            }
            return Ok(());
        }
        match &*read(&self.shared) {
            Backend::Disk(disk) => disk.commit(changes),
            Backend::Absent(why) => Err(why.clone()),
            Backend::Memory(_) => unreachable!("a store that has a place is not in memory"),
        }
    }

    /// Opens the store anew after a fault, if that may help. Whether it is open.
    fn mend(&self) -> bool {
        let Some((dir, durability)) = &self.place else { return false };
        // Without its own files there is nothing to open; sled would begin a new store, and nobody would know.
        let in_place = match &*read(&self.shared) {
            Backend::Disk(disk) => disk.check_place().is_ok(),
            _ => super::disk::log_of(dir).exists(),
        };
        if !in_place || !can_write(dir) {
            return false;
        }
        let mut backend = self.shared.write().unwrap_or_else(PoisonError::into_inner);
        let absent = Backend::Absent(StoreError::Unwritable { what: "it is being opened anew".to_owned() });
        if let Backend::Disk(disk) = std::mem::replace(&mut *backend, absent)
            && let Err(error) = disk.close(dir)
        {
            tracing::debug!(%error, "the store was closed after a fault");
        }
        *backend = match reopen(dir, *durability) {
            Ok(opened) => opened,
            Err(why) => Backend::Absent(why),
        };
        matches!(*backend, Backend::Disk(_))
    }

    fn mark_clean(&self, clean: bool) {
        let group = Changes::new();
        let changes = {
            let backend = read(&self.shared);
            let mut tx = Tx::new(&backend, &group);
            // Of one key, which is small.
            format::mark_clean(&mut tx, clean).map(|()| tx.own)
        };
        // Where it fails, health says so.
        let _told = changes.and_then(|changes| self.commit(&changes));
    }

    fn close(self) -> Result<(), StoreError> {
        if self.place.is_some() {
            self.mark_clean(true);
        }
        let closed = Backend::Absent(StoreError::Closed);
        let backend = std::mem::replace(&mut *self.shared.write().unwrap_or_else(PoisonError::into_inner), closed);
        match (backend, &self.place) {
            (Backend::Disk(disk), Some((dir, _))) => disk.close(dir),
            (Backend::Absent(_), Some((dir, _))) => {
                wait_until_free(dir);
                Ok(())
            }
            _ => Ok(()),
        }
    }
}
