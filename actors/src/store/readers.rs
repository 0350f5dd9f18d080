//! The small pool of threads that read.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use tokio::sync::mpsc;

use super::{
    backend::Backend,
    writer::{Shared, read},
};

/// Two, so that one long read does not hold up all others.
const THREADS: usize = 2;

pub(super) type Read = Box<dyn FnOnce(&Backend) + Send>;

/// Starts the threads; they end once nobody can ask any more.
pub(super) fn start(inbox: mpsc::Receiver<Read>, shared: &Shared) -> io::Result<()> {
    let inbox = Arc::new(Mutex::new(inbox));
    for _ in 0..THREADS {
        let (inbox, shared) = (Arc::clone(&inbox), Arc::clone(shared));
        let run = move || {
            while let Some(job) = next(&inbox) {
                job(&read(&shared));
            }
        };
        thread::Builder::new().name("greenroom-read".to_owned()).spawn(run)?;
    }
    Ok(())
}

/// Whichever thread has the lock waits for the next job; the other waits for the lock.
fn next(inbox: &Mutex<mpsc::Receiver<Read>>) -> Option<Read> {
    inbox.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv()
}
