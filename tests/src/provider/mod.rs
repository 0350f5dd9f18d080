//! The server that plays a script.

mod connection;
mod control;
mod play;
mod recorded;
mod shared;
mod stats;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::{CancellationToken, DropGuard};

pub use self::recorded::Recorded;
use self::shared::{Answerer, Shared};
pub use self::stats::{Cancel, RouteStats, Stats};
use crate::script::{Attempt, Script};

/// A model provider that does what its script says, over real HTTP/1.1 on a real socket.
///
/// It runs in tasks of the runtime that started it, and stops when it is dropped.
pub struct ScriptedProvider {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
    stop: DropGuard,
}

/// The condition that [`ScriptedProvider::wait_for`] waited for did not come.
#[derive(Debug, thiserror::Error)]
#[error("the condition did not hold within {limit:?}; last seen: {stats:#?}")]
pub struct WaitedInVain {
    limit: Duration,
    stats: Box<Stats>,
}

impl ScriptedProvider {
    /// Starts a server on a free port of 127.0.0.1.
    ///
    /// # Panics
    /// If no port can be had.
    pub async fn start(script: impl Into<Script>) -> Self {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self::start_on(any, script).await.expect("a free port on loopback")
    }

    /// Starts a server whose attempts are made of what is asked: `answer` is given the path and the body of each request
    /// that the script has an attempt for, and what it makes is played in place of that. It may be called from several
    /// threads at once.
    ///
    /// # Panics
    /// If no port can be had.
    pub async fn start_answering(
        script: impl Into<Script>,
        answer: impl Fn(&str, &[u8]) -> Option<Attempt> + Send + Sync + 'static,
    ) -> Self {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self::begin(any, script.into(), Some(Box::new(answer))).await.expect("a free port on loopback")
    }

    /// Starts a server on `address`, say that of one that was stopped before.
    ///
    /// # Errors
    /// If the address cannot be bound.
    pub async fn start_on(address: SocketAddr, script: impl Into<Script>) -> io::Result<Self> {
        Self::begin(address, script.into(), None).await
    }

    async fn begin(address: SocketAddr, script: Script, answerer: Option<Answerer>) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::new(script, answerer));
        let token = CancellationToken::new();
        let task = tokio::spawn(accept(listener, Arc::clone(&shared), token.clone()));
        Ok(Self { address, shared, task, stop: token.drop_guard() })
    }

    /// `http://127.0.0.1:port`, without a slash at its end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The counters as they are now.
    pub fn stats(&self) -> Stats {
        self.shared.stats()
    }

    /// The last 1000 requests, oldest first.
    pub fn requests(&self) -> Vec<Recorded> {
        self.shared.requests()
    }

    /// Plays another script from now on. Attempts under way go on; counters stay.
    pub fn set_script(&self, script: impl Into<Script>) {
        self.shared.set_script(script.into());
    }

    /// Zeroes the counters, forgets the requests and begins the script anew.
    pub fn reset(&self) {
        self.shared.reset();
    }

    /// Waits until `condition` holds of the counters, and returns them as they then were. It is asked at
    /// every change, not from time to time.
    ///
    /// # Errors
    /// If it does not hold within `limit`.
    pub async fn wait_for(&self, condition: impl Fn(&Stats) -> bool, limit: Duration) -> Result<Stats, WaitedInVain> {
        let mut changes = self.shared.changes();
        let held = async {
            loop {
                let stats = self.stats();
                if condition(&stats) {
                    return stats;
                }
                if changes.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        };
        tokio::time::timeout(limit, held).await.map_err(|_| WaitedInVain { limit, stats: Box::new(self.stats()) })
    }

    /// Closes the port and every connection, and returns once they are closed.
    pub async fn stop(self) {
        drop(self.stop);
        // It fails only if the runtime is going down, and then everything is closed anyway.
        let _ = self.task.await;
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>, stop: CancellationToken) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection::serve(stream, Arc::clone(&shared)));
                }
                // Out of descriptors, or a client gone before it was accepted: neither is for ever, and
                // the pause keeps the former from becoming a busy loop.
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    connections.shutdown().await;
}
