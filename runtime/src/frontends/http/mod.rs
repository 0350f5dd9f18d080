//! HTTP: OpenAI's API, greenroom's own with its sessions, and how the server is.
//!
//! [`Server::bind`] takes the address, [`Server::run`] serves until it is told to stop, and then lets what is in
//! flight come to its end.

mod api;
mod body;
mod connection;
mod errors;
mod event_stream;
mod guard;
mod health;
mod openai;
mod sessions;
mod site;

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::{
    connection::Ending,
    guard::Guard,
    site::{App, Site},
};
use crate::Runtime;

/// Silence after which a stream says that it is alive.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// How long responses may take to reach their clients once every turn has ended.
const FLUSH: Duration = Duration::from_secs(2);
/// Pause after a connection could not be accepted. Descriptors that ran out come back only as others close.
const ACCEPT_PAUSE: Duration = Duration::from_millis(500);

/// What a server is made of.
#[derive(Debug)]
pub struct HttpArgs {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// What clients must show.
    pub token: SecretString,
    /// `Host` values that are let in beside the loopback ones, in lower case; without a port, on any.
    pub allowed_hosts: Vec<String>,
    /// `Origin` values that are let in beside our own, as a browser sends them.
    pub allowed_origins: Vec<String>,
    /// The largest request body, in bytes.
    pub max_body: u64,
    /// How long requests in flight may go on once the server is told to stop.
    pub grace: Duration,
}

/// A server that holds its address.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    args: HttpArgs,
    runtime: Runtime,
    heartbeat: Duration,
}

impl Server {
    /// Takes the address. Connections wait until [`run`](Self::run).
    ///
    /// # Errors
    /// The address can't be had.
    pub async fn bind(args: HttpArgs, runtime: Runtime) -> io::Result<Self> {
        let listener = TcpListener::bind(args.listen).await?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address, args, runtime, heartbeat: HEARTBEAT })
    }

    /// Where it listens; the port is a real one.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// After how much silence a stream says that it is alive, in place of 10 s. At least 1 ms.
    #[must_use]
    pub fn heartbeat(mut self, every: Duration) -> Self {
        self.heartbeat = every.max(Duration::from_millis(1));
        self
    }

    /// Serves until `stop`, then takes no more connections. Who reads a session is let go at once and can come back with
    /// its cursor; what else is in flight gets the grace period, and answers that are left then end with an error that
    /// says why. The runtime itself is left running, save that after a grace period
    /// that did not suffice it starts no more turns.
    ///
    /// # Errors
    /// None as of now; a connection that fails ends alone.
    pub async fn run(self, stop: CancellationToken) -> io::Result<()> {
        let Self { listener, address, args, runtime, heartbeat } = self;
        let guard = Guard::new(address, args.token, args.allowed_hosts, args.allowed_origins);
        let connections = TaskTracker::new();
        let app = App {
            runtime: runtime.clone(),
            max_body: args.max_body,
            heartbeat,
            draining: CancellationToken::new(),
            sockets: connections.clone(),
        };
        let site = Arc::new(Site::new(guard, app));
        let ending = Ending::default();
        loop {
            let accepted = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection::serve(stream, Arc::clone(&site), ending.clone()));
                }
                // A client that left before it was seen is no fault of ours.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    tracing::warn!("a connection could not be accepted: {error}");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        drop(listener);
        if !site.drain(args.grace).await {
            runtime.end_turns();
        }
        ending.close();
        connections.close();
        if tokio::time::timeout(FLUSH, connections.wait()).await.is_err() {
            ending.cut();
            connections.wait().await;
        }
        Ok(())
    }
}
