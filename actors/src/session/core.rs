//! What a session is, outside of its actor: the log, the record, and one write at a time that keeps both.
//!
//! Every change waits in a row until nothing is being written. Then all that wait are made together, and written
//! together with what the turn has said meanwhile: events of theirs are held back from readers until the disk has them,
//! and taken back if it refuses. What a turn says is shown at once and written within [`SOON`]; if the process dies
//! before, the next one begins a new epoch, so no reader mistakes other text for what it was shown.
//!
//! Nothing of this depends on an incarnation of the actor: writes and turns that end while it is started anew go on.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use tokio::{sync::Notify, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{
    Sent, Shared,
    actor::SessionMsg,
    change::Change,
    entry::{bytes_of, entries},
    error::SessionError,
    info::{ADMIN, Cancelled},
    mailbox::OpenLog,
    op::{Op, Over},
    record::{BRIEF, OPEN, OWNED, RECORDS, Record},
    running,
};
use crate::{
    handle::Handle,
    store::{Batch, Store, StoreError},
};

/// Tells the actors of a session that was gone from memory from the one before, whose end may still be on its way.
static INCARNATIONS: AtomicU64 = AtomicU64::new(0);

/// What a turn says is written this soon.
pub(crate) const SOON: Duration = Duration::from_millis(200);
/// After a failed write, when nothing else gives reason to write.
const RETRY: Duration = Duration::from_secs(2);
/// What stays in memory of finished turns, in bytes, for readers that are close behind.
const TAIL: usize = 64 << 10;
/// A longer turn is left on disk in the pieces in which it was written.
const MOST_COMPACTED: u64 = 4 << 20;
/// Idempotency keys that are remembered beside the disk: far more than can be under way at once.
const RECENT_KEYS: usize = 1024;

/// What a session is made of.
pub(crate) struct CoreArgs {
    pub(crate) id: Arc<str>,
    pub(crate) store: Store,
    pub(crate) shared: Arc<Shared>,
    pub(crate) record: Record,
}

/// A session.
pub(crate) struct Core {
    pub(crate) id: Arc<str>,
    /// What its actor is called among all that there are and were.
    pub(crate) child: Arc<str>,
    pub(crate) log: Arc<OpenLog>,
    pub(crate) store: Store,
    pub(crate) shared: Arc<Shared>,
    pub(crate) handle: Handle<SessionMsg>,
    state: Mutex<State>,
    /// Told after each write.
    written: Notify,
}

pub(crate) struct State {
    pub(crate) record: Record,
    row: VecDeque<Op>,
    writing: Option<Writing>,
    /// Up to where the log is surely on disk; the next write begins here.
    kept: u64,
    /// Whether the record on disk is another.
    unkept_record: bool,
    /// Whether the last write failed, and whether it is about to be tried again.
    failing: bool,
    retrying: bool,
    running: Option<Running>,
    /// The last messages that were sent with an idempotency key.
    pub(crate) keys: VecDeque<RecentKey>,
    /// It was removed, or left memory: nothing more is done here.
    gone: bool,
    used: Instant,
}

/// A message that was sent with an idempotency key.
pub(crate) struct RecentKey {
    pub(crate) key: String,
    /// Of its parts, in this process.
    pub(crate) fingerprint: u64,
    pub(crate) sent: Sent,
}

struct Running {
    turn: u64,
    cancel: CancellationToken,
}

/// What is being written.
struct Writing {
    from: u64,
    until: u64,
    /// The record without the changes, which are taken back if the disk refuses them.
    before: Record,
    changes: Vec<Change>,
}

impl std::fmt::Debug for Core {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Core").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Core {
    /// A session whose log on disk ends where its record says.
    pub(crate) fn new(args: CoreArgs) -> Arc<Self> {
        let CoreArgs { id, store, shared, record } = args;
        let state = State {
            kept: record.end,
            record,
            row: VecDeque::new(),
            writing: None,
            unkept_record: false,
            failing: false,
            retrying: false,
            running: None,
            keys: VecDeque::new(),
            gone: false,
            used: Instant::now(),
        };
        let log = OpenLog::starting_at(state.kept);
        let child = format!("{id}#{}", INCARNATIONS.fetch_add(1, Ordering::Relaxed)).into();
        let (handle, state) = (Handle::new(), Mutex::new(state));
        Arc::new(Self { id, child, log, store, shared, handle, state, written: Notify::new() })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at the record as far as it is shown: without changes that are being written.
    pub(crate) fn with_record<T>(&self, look: impl FnOnce(&Record) -> T) -> T {
        let state = self.lock();
        look(state.writing.as_ref().map_or(&state.record, |writing| &writing.before))
    }

    /// Puts something in the row. An op is given back if the session is gone from here.
    pub(crate) fn push(self: &Arc<Self>, op: Op) {
        {
            let mut state = self.lock();
            state.used = Instant::now();
            match op {
                // A turn that runs is cancelled at once, whatever is being written.
                Op::Cancel { turn, reply } if state.cancel_running(turn) => {
                    drop(state);
                    let _left = reply.send(Ok(Cancelled::Cancelled));
                    return;
                }
                op => state.row.push_back(op),
            }
        }
        self.pump();
    }

    /// Writes what there is to write, if nothing is being written.
    pub(crate) fn pump(self: &Arc<Self>) {
        let Some(batch) = self.begin_write(SystemTime::now()) else { return };
        let core = Arc::clone(self);
        tokio::spawn(async move {
            let outcome = core.store.commit(batch).await;
            core.handle_written(outcome);
        });
    }

    fn begin_write(self: &Arc<Self>, now: SystemTime) -> Option<Batch> {
        let mut state = self.lock();
        let state = &mut *state;
        if state.writing.is_some() {
            return None;
        }
        let row = std::mem::take(&mut state.row);
        if state.gone {
            row.into_iter().for_each(refuse);
            return None;
        }
        let before = state.record.clone();
        let mut batch = Batch::default();
        let mut from = state.kept;
        let mut changes = Vec::new();
        for op in row {
            let compact_from = state.record.open.as_ref().map(|open| open.at);
            let Some(change) = state.apply(op, &self.log, &mut batch, now) else { continue };
            if change.ends_step()
                && let Some(at) = compact_from
                && self.log.with(|log| log.first_position()) <= at
                && self.log.next_position() - at <= MOST_COMPACTED
            {
                from = from.min(at);
            }
            changes.push(change);
        }
        let until = self.log.next_position();
        if changes.is_empty() && until == state.kept && !state.unkept_record {
            return None;
        }
        let entries = self.log.with(|log| entries(log, from, until));
        // What is written anew in place of pieces was counted before.
        state.record.bytes += if from < state.kept { 0 } else { bytes_of(&entries) };
        state.record.end = until;
        batch.append_at(&state.record.log, from, entries);
        if !changes.is_empty() || state.unkept_record {
            if !changes.is_empty() {
                state.record.touched = now;
            }
            if let Err(error) = put(&mut batch, &self.id, &state.record) {
                tracing::error!(session = %self.id, "a session can't be kept: {error}");
                // Refused by its size before the disk is asked: as if that had refused it.
                state.writing = Some(Writing { from, until, before, changes });
                let core = Arc::clone(self);
                tokio::spawn(async move { core.handle_written(Err(error)) });
                return None;
            }
        }
        state.writing = Some(Writing { from, until, before, changes });
        Some(batch)
    }

    fn handle_written(self: &Arc<Self>, outcome: Result<(), StoreError>) {
        let told = {
            let mut state = self.lock();
            let Some(Writing { from, until, before, changes }) = state.writing.take() else { return };
            state.failing = outcome.is_err();
            match &outcome {
                Ok(()) => {
                    (state.kept, state.unkept_record) = (until, false);
                    self.log.release(until);
                }
                Err(fault) => {
                    tracing::warn!(session = %self.id, "a session's log can't be kept for now: {fault}");
                    let retracted = self.log.retract(until);
                    // Whatever the disk has from here on is written over.
                    state.kept = state.kept.min(from);
                    state.unkept_record = true;
                    state.record = before;
                    let keys = changes.iter().filter_map(Change::key).collect::<Vec<_>>();
                    state.keys.retain(|recent| !keys.contains(&recent.key.as_str()));
                    for change in &changes {
                        change.redo(&mut state.record, &retracted);
                    }
                }
            }
            self.start(&mut state, false);
            if outcome.is_ok() && !state.record.is_running() {
                self.log.trim(TAIL, state.kept);
            }
            if outcome.is_err() && !std::mem::replace(&mut state.retrying, true) {
                let core = Arc::clone(self);
                tokio::spawn(async move {
                    tokio::time::sleep(RETRY).await;
                    core.lock().retrying = false;
                    core.pump();
                });
            }
            changes
        };
        self.written.notify_waiters();
        told.into_iter().for_each(|change| change.tell(&outcome));
        if outcome.is_ok() || !self.lock().row.is_empty() {
            self.pump();
        }
    }

    /// After how long what a turn says is written.
    pub(crate) fn write_after(&self) -> Duration {
        if self.lock().failing { RETRY } else { SOON }
    }

    /// The turn goes on that an earlier process began, after everything of it that is in the log.
    pub(crate) fn resume(self: &Arc<Self>) {
        self.start(&mut self.lock(), true);
    }

    /// Starts the turn that is to run, if none does.
    fn start(self: &Arc<Self>, state: &mut State, resumes: bool) {
        if state.gone || state.running.is_some() {
            return;
        }
        if let Some(open) = state.record.running().filter(|open| !open.suspended) {
            let cancel = CancellationToken::new();
            state.running = Some(Running { turn: open.turn, cancel: cancel.clone() });
            tokio::spawn(running::run_turn(Arc::clone(self), open.turn, cancel, resumes));
        }
    }

    /// A turn's task is done.
    pub(crate) fn handle_over(
        self: &Arc<Self>,
        turn: u64,
        over: Over,
        route: Option<(Arc<str>, crate::provider::ProfileId)>,
    ) {
        self.push(Op::Over { turn, over, route });
    }

    /// Leaves memory, if nothing keeps it here: no reader, no turn, nothing to write, and no use for so long.
    pub(crate) fn leave(&self, idle: Duration) -> bool {
        let mut state = self.lock();
        let busy = state.writing.is_some()
            || state.running.is_some()
            || state.record.is_running()
            || !state.row.is_empty()
            || state.unkept_record
            || state.kept != self.log.next_position();
        if busy || state.used.elapsed() < idle || self.log.readers() > 0 {
            return false;
        }
        state.gone = true;
        true
    }

    /// Whether it is gone from here.
    pub(crate) fn is_gone(&self) -> bool {
        self.lock().gone
    }

    /// Ends it for good if it is so: what is under way is cancelled, readers end, and nothing more is written. Whether it
    /// was so.
    pub(crate) fn remove_if(&self, is_so: impl FnOnce(&Record) -> bool) -> bool {
        let row = {
            let mut state = self.lock();
            if !is_so(&state.record) {
                return false;
            }
            state.gone = true;
            state.running.iter().for_each(|running| running.cancel.cancel());
            std::mem::take(&mut state.row)
        };
        row.into_iter().for_each(refuse);
        self.log.close();
        true
    }

    /// Waits until nothing is being written.
    pub(crate) async fn until_written(&self) {
        loop {
            let mut written = std::pin::pin!(self.written.notified());
            written.as_mut().enable();
            if self.lock().writing.is_none() {
                return;
            }
            written.await;
        }
    }

    /// Somebody uses it.
    pub(crate) fn touch(&self) {
        self.lock().used = Instant::now();
    }

    /// Whether everything is written that can be; `ended` is whether a turn that runs is to be over, too.
    pub(crate) fn is_settled(&self, ended: bool) -> bool {
        let state = self.lock();
        let owes = state.unkept_record || state.kept != self.log.next_position() || !state.row.is_empty();
        let runs = ended && state.running.is_some();
        state.gone || (!runs && state.writing.is_none() && (!owes || state.failing))
    }
}

impl State {
    fn apply(&mut self, op: Op, log: &OpenLog, batch: &mut Batch, now: SystemTime) -> Option<Change> {
        super::change::apply(self, op, log, batch, now)
    }

    /// Cancels a turn if it runs; whether it does.
    pub(crate) fn cancel_running(&mut self, turn: u64) -> bool {
        let running = self.running.as_ref().filter(|running| running.turn == turn);
        running.iter().for_each(|running| running.cancel.cancel());
        running.is_some()
    }

    /// A turn's task is done.
    pub(crate) fn handle_over(&mut self, turn: u64) {
        self.running.take_if(|running| running.turn == turn);
    }

    /// Remembers a message that was sent with a key.
    pub(crate) fn remember(&mut self, recent: RecentKey) {
        if self.keys.len() == RECENT_KEYS {
            self.keys.pop_front();
        }
        self.keys.push_back(recent);
    }
}

/// Puts a record, and what is found by it.
pub(crate) fn put(batch: &mut Batch, id: &str, record: &Record) -> Result<(), StoreError> {
    let id = id.to_owned();
    batch.put(&RECORDS, &id, record)?;
    if record.client != ADMIN {
        batch.put(&OWNED, &(record.client.clone(), id.clone()), &())?;
    }
    if record.brief {
        batch.put(&BRIEF, &id, &())?;
    }
    if record.is_running() {
        batch.put(&OPEN, &id, &())?;
    } else {
        batch.remove(&OPEN, &id);
    }
    Ok(())
}

/// The session is gone from here.
fn refuse(op: Op) {
    let gone = || SessionError::NotFound;
    match op {
        Op::Send { reply, .. } | Op::Result { reply, .. } => drop(reply.send(Err(gone()))),
        Op::Update { reply, .. } => drop(reply.send(Err(gone()))),
        Op::Cancel { reply, .. } => drop(reply.send(Err(gone()))),
        Op::Claim { reply, .. } => drop(reply.send(Err(gone()))),
        Op::Delete { reply, .. } => drop(reply.send(Err(gone()))),
        Op::Over { .. } | Op::Context { .. } => {}
    }
}
