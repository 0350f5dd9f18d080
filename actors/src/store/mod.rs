//! What must outlive the process, behind a few typed operations: append to a log and read it from a position, put, get,
//! compare and set small values, take and renew a lease, add to a ledger.
//!
//! Nothing of how it is kept shows here, so that the same operations can be those of a cluster one day. Here it is sled,
//! which only [`disk`] knows. Writes go through one thread ([`writer`]), which makes all that wait one batch; reads go
//! to two ([`readers`]). No task ever waits for the disk but by `await`.

mod backend;
mod batch;
mod before;
mod disk;
mod error;
mod flusher;
mod format;
mod key;
mod lease;
mod ledger;
mod log;
mod memory;
pub(crate) mod moment;
mod open;
mod readers;
mod repair;
mod rewrite;
mod table;
mod tx;
mod writer;

use std::{
    io,
    path::PathBuf,
    sync::{Arc, RwLock},
    thread,
    time::Duration,
};

use tokio::sync::{mpsc, oneshot, watch};

use self::{
    backend::Backend,
    format::Schema,
    memory::Memory,
    readers::Read,
    tx::Tx,
    writer::{Done, Job, Message, Writer},
};
pub use self::{
    batch::Batch,
    disk::Durability,
    error::{OpenError, StoreError},
    key::Key,
    lease::Lease,
    ledger::Amounts,
    log::{Entry, Logged},
    repair::{Repaired, repair},
    table::Table,
};

/// The name of the threads that open and write; what panics there is told of as damage.
pub const THREAD: &str = "greenroom-store";
/// A disk that takes longer than this for a write has failed, as far as who asked is concerned; the write goes on.
const SLOW: Duration = Duration::from_secs(3);
/// Operations that wait at most; who asks for more waits for room.
const MOST_WAITING: usize = 1024;

/// Where a store lies and what its writes survive.
#[derive(Debug, Clone)]
pub struct StoreArgs {
    /// Its directory; made if it isn't there, but not what it lies in.
    pub dir: PathBuf,
    /// What an acknowledged write survives.
    pub durability: Durability,
}

/// How a store is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// Writes are kept.
    Good,
    /// Nothing outlives the process, for this reason.
    Temporary(Arc<str>),
    /// The last write failed. The next ones try again. Damage that was met stays until the store is repaired.
    Degraded(StoreError),
}

impl Health {
    /// A write went like this. Whether that changes anything.
    fn handle(&mut self, fault: Option<&StoreError>) -> bool {
        let now = match (&*self, fault) {
            (Self::Temporary(_), _) | (Self::Degraded(StoreError::Damaged { .. }), None) => return false,
            (_, None) => Self::Good,
            (_, Some(fault)) => Self::Degraded(fault.clone()),
        };
        let changed = *self != now;
        if changed {
            match &now {
                Self::Degraded(fault) => tracing::error!("the store can't keep what it is given: {fault}"),
                _ => tracing::warn!("the store keeps what it is given again"),
            }
        }
        *self = now;
        changed
    }
}

/// An open store. Clones are the same; dropping the last one closes it.
#[derive(Clone)]
pub struct Store {
    writes: mpsc::Sender<Message>,
    reads: mpsc::Sender<Read>,
    health: Arc<watch::Sender<Health>>,
    was_clean: bool,
}

impl Store {
    /// Opens a store, or makes it.
    ///
    /// # Errors
    /// It is held, newer, damaged, or can't be written. What lies on disk stays as it is.
    pub async fn open(args: StoreArgs) -> Result<Self, OpenError> {
        Self::open_as(args, Schema::CURRENT).await
    }

    async fn open_as(args: StoreArgs, schema: Schema) -> Result<Self, OpenError> {
        let StoreArgs { dir, durability } = args;
        let (reply, opened) = oneshot::channel();
        let path = dir.clone();
        let run = move || {
            let opened = match open::open(&dir, durability, schema) {
                Ok(opened) => opened,
                Err(error) => return drop(reply.send(Err(error))),
            };
            match Self::new(opened.backend, Health::Good, Some((dir.clone(), durability)), opened.was_clean) {
                Ok((store, writer)) => {
                    if reply.send(Ok(store)).is_ok() {
                        writer.run();
                    }
                }
                Err(source) => drop(reply.send(Err(OpenError::Unwritable { path: dir, source }))),
            }
        };
        thread::Builder::new()
            .name(THREAD.to_owned())
            .spawn(run)
            .map_err(|source| OpenError::Unwritable { path: path.clone(), source })?;
        opened.await.unwrap_or_else(|_| Err(OpenError::damaged(&path, "opening it broke off")))
    }

    /// A store in memory, in place of one that can't be had for this reason.
    ///
    /// # Errors
    /// There are no threads left.
    pub fn temporary(reason: impl Into<Arc<str>>) -> io::Result<Self> {
        let memory = Backend::Memory(Memory::default());
        let (store, writer) = Self::new(memory, Health::Temporary(reason.into()), None, true)?;
        thread::Builder::new().name(THREAD.to_owned()).spawn(move || writer.run())?;
        Ok(store)
    }

    fn new(
        backend: Backend,
        health: Health,
        place: Option<(PathBuf, Durability)>,
        was_clean: bool,
    ) -> io::Result<(Self, Writer)> {
        let shared = Arc::new(RwLock::new(backend));
        let (writes, inbox) = mpsc::channel(MOST_WAITING);
        let (reads, read_inbox) = mpsc::channel(MOST_WAITING);
        let health = Arc::new(watch::Sender::new(health));
        readers::start(read_inbox, &shared)?;
        let writer = Writer { inbox, shared, health: Arc::clone(&health), place };
        Ok((Self { writes, reads, health, was_clean }, writer))
    }

    /// How it is now.
    pub fn health(&self) -> Health {
        self.health.borrow().clone()
    }

    /// Whether the process that had it before closed it.
    pub fn was_clean(&self) -> bool {
        self.was_clean
    }

    /// Writes what was asked before, and closes it. When this returns, another may open it.
    ///
    /// # Errors
    /// Not all of it could be written; it is closed all the same.
    pub async fn close(&self) -> Result<(), StoreError> {
        let (reply, closed) = oneshot::channel();
        let closing = async {
            if self.writes.send(Message::Close(reply)).await.is_err() {
                return Ok(());
            }
            // Closed twice at once is closed.
            closed.await.unwrap_or(Ok(()))
        };
        tokio::time::timeout(2 * SLOW, closing).await.unwrap_or(Err(StoreError::Slow))
    }

    /// Has the writer run `change`, and waits until what it changed is kept.
    async fn write<R: Send + 'static>(
        &self,
        change: impl FnOnce(&mut Tx<'_>) -> Result<R, StoreError> + Send + 'static,
    ) -> Result<R, StoreError> {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |tx| {
            let result = change(tx);
            let made = result.is_ok();
            // An asker that has gone needs no answer.
            let tell =
                move |kept: Result<(), StoreError>| drop(reply.send(result.and_then(|result| kept.map(|()| result))));
            Done { made, tell: Box::new(tell) }
        });
        let writing = async {
            self.writes.send(Message::Write(job)).await.map_err(|_| StoreError::Closed)?;
            answer.await.unwrap_or(Err(StoreError::Closed))
        };
        let outcome = tokio::time::timeout(SLOW, writing).await.unwrap_or(Err(StoreError::Slow));
        self.heed(outcome)
    }

    /// The same outcome, once health has heard of a fault that the writer can't tell.
    fn heed<R>(&self, outcome: Result<R, StoreError>) -> Result<R, StoreError> {
        if let Err(fault @ (StoreError::Slow | StoreError::Damaged { .. })) = &outcome {
            self.health.send_if_modified(|health| health.handle(Some(fault)));
        }
        outcome
    }

    /// Has a reader run `question`.
    async fn read_with<R: Send + 'static>(
        &self,
        question: impl FnOnce(&Backend) -> Result<R, StoreError> + Send + 'static,
    ) -> Result<R, StoreError> {
        let (reply, answer) = oneshot::channel();
        let job: Read = Box::new(move |backend| drop(reply.send(question(backend))));
        self.reads.send(job).await.map_err(|_| StoreError::Closed)?;
        self.heed(answer.await.unwrap_or(Err(StoreError::Closed)))
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("health", &*self.health.borrow()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
