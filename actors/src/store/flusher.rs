//! A flush that can't wait for ever.
//!
//! sled's own can: where a write fails on another of its threads, nobody may wake who waits for it. So it runs on a
//! thread of its own while the writer watches; asked once more after a failure, sled wakes who waits. sled's pool of
//! threads will not do for this, since its flushes there can wait for writes that wait for a thread.

use std::{
    io,
    sync::{
        Mutex, PoisonError,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

/// How often a wait for the disk looks whether a write has failed meanwhile.
const LOOK: Duration = Duration::from_millis(50);

/// The thread that flushes, and the way to it.
#[derive(Debug)]
pub(super) struct Flusher {
    /// Taken only as it ends.
    line: Option<Mutex<Line>>,
    thread: Option<JoinHandle<()>>,
}

/// The way there and back.
type Line = (SyncSender<()>, Receiver<sled::Result<()>>);

impl Flusher {
    pub(super) fn start(db: &sled::Db) -> io::Result<Self> {
        let (ask, asked) = sync_channel(1);
        let (done, outcome) = sync_channel(1);
        let db = db.clone();
        let run = move || {
            while asked.recv().is_ok() {
                if done.send(db.flush().map(drop)).is_err() {
                    return;
                }
            }
        };
        let thread = thread::Builder::new().name(super::THREAD.to_owned()).spawn(run)?;
        Ok(Self { line: Some(Mutex::new((ask, outcome))), thread: Some(thread) })
    }

    /// Has everything that was written reach the disk.
    pub(super) fn flush(&self, db: &sled::Db) -> sled::Result<()> {
        let broken = || sled::Error::ReportableBug("a flush broke off".to_owned());
        let line = self.line.as_ref().ok_or_else(broken)?;
        let (ask, outcome) = &*line.lock().unwrap_or_else(PoisonError::into_inner);
        ask.send(()).map_err(|_| broken())?;
        loop {
            match outcome.recv_timeout(LOOK) {
                Ok(flushed) => return flushed,
                Err(RecvTimeoutError::Disconnected) => return Err(broken()),
                Err(RecvTimeoutError::Timeout) => {
                    if db.context.global_error().is_err() {
                        let _woken = db.flush();
                    }
                }
            }
        }
    }
}

impl Drop for Flusher {
    fn drop(&mut self) {
        self.line = None;
        // It holds the store open for as long as it runs.
        let _panicked = self.thread.take().map(JoinHandle::join);
    }
}
