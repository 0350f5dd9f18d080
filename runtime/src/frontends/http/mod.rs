//! HTTP: OpenAI's API and Anthropic's, greenroom's own with its sessions, and how the server is.
//!
//! [`Server::bind`] takes the address, [`Server::run`] serves until it is told to stop, and then lets what is in
//! flight come to its end. Beside the address, or in place of it ([`serve_owner`]), the owner has a [`Door`].

mod admin;
mod answer;
mod answer_stream;
mod anthropic;
mod api;
mod batches;
mod body;
mod caching;
mod clients;
mod connection;
mod credentials;
mod door;
mod errors;
mod event_stream;
mod guard;
mod health;
mod held_calls;
mod ipc;
mod line_safe;
mod mcp;
mod mcp_sessions;
mod models;
mod openai;
mod owner;
mod pull;
mod sessions;
mod site;
mod socket_file;
mod texts;
mod tls;
mod unread;
mod usage;
mod who;

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::net::{TcpListener, TcpStream};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use self::{
    admin::AdminToken,
    door::{Door, Holder, HolderKind, Inside},
    tls::{BadTls, Tls},
};
use self::{
    connection::Ending,
    door::Comer,
    guard::Guard,
    site::{App, Site},
};
pub(in crate::frontends) use self::{
    errors::whole_seconds,
    who::{NotAllowed, Who},
};
use super::mcp::Added;
use crate::Runtime;

/// Silence after which a stream says that it is alive.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// How long a client of MCP may take nothing of a stream of its session.
const UNREAD: Duration = Duration::from_secs(15);
/// How long responses may take to reach their clients once every turn has ended.
const FLUSH: Duration = Duration::from_secs(2);
/// Pause after a connection could not be accepted. Descriptors that ran out come back only as others close.
const ACCEPT_PAUSE: Duration = Duration::from_millis(500);

/// What a server is made of.
#[derive(Debug)]
pub struct HttpArgs {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// What its owner shows to be let in; clients have [tokens of their own](crate::Clients).
    pub token: AdminToken,
    /// The certificate with which it speaks TLS; without, what is said goes over the network as it is.
    pub tls: Option<Tls>,
    /// `Host` values that are let in beside the loopback ones, in lower case; without a port, on any.
    pub allowed_hosts: Vec<String>,
    /// `Origin` values that are let in beside our own, as a browser sends them.
    pub allowed_origins: Vec<String>,
    /// The largest request body, in bytes.
    pub max_body: u64,
    /// How long requests in flight may go on once the server is told to stop.
    pub grace: Duration,
}

/// What a server of the owner alone is made of.
#[derive(Debug, Clone, Copy)]
pub struct OwnerArgs {
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
    unread: Duration,
    door: Option<Door>,
    mcp: Added,
}

impl Server {
    /// Takes the address. Connections wait until [`run`](Self::run).
    ///
    /// # Errors
    /// The address can't be had.
    pub async fn bind(args: HttpArgs, runtime: Runtime) -> io::Result<Self> {
        let listener = TcpListener::bind(args.listen).await?;
        let address = listener.local_addr()?;
        let (heartbeat, unread) = (HEARTBEAT, UNREAD);
        Ok(Self { listener, address, args, runtime, heartbeat, unread, door: None, mcp: Added::default() })
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

    /// How long a client of MCP may take nothing of a stream of its session, in place of 15 s, before that ends and the session
    /// goes on without it; it may be twice as long. At least 1 ms.
    #[must_use]
    pub fn unread(mut self, patience: Duration) -> Self {
        self.unread = patience.max(Duration::from_millis(1));
        self
    }

    /// Lets the owner in by this door as well.
    #[must_use]
    pub fn door(mut self, door: Door) -> Self {
        self.door = Some(door);
        self
    }

    /// Offers these tools, resources and prompts over MCP, beside greenroom's own.
    #[must_use]
    pub fn mcp(mut self, added: Added) -> Self {
        self.mcp = added;
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
        let Self { listener, address, args, runtime, heartbeat, unread, door, mcp } = self;
        let HttpArgs { listen: _, token, tls, allowed_hosts, allowed_origins, max_body, grace } = args;
        let guard = Guard {
            listen: address,
            is_tls: tls.is_some(),
            admin: token.clone(),
            clients: runtime.clients().clone(),
            hosts: allowed_hosts,
            origins: allowed_origins,
        };
        let args = OwnerArgs { max_body, grace };
        let guarded = Some(Guarded { listener, guard: Arc::new(guard), tls });
        Serving { runtime, args, heartbeat, unread, guarded, door, admin: Some(token), mcp }.run(stop).await;
        Ok(())
    }
}

/// Serves the owner alone until `stop`, and ends as [`Server::run`] does.
pub async fn serve_owner(door: Door, args: OwnerArgs, runtime: Runtime, stop: CancellationToken) {
    let (door, mcp) = (Some(door), Added::default());
    let (heartbeat, unread) = (HEARTBEAT, UNREAD);
    Serving { runtime, args, heartbeat, unread, guarded: None, door, admin: None, mcp }.run(stop).await;
}

/// All the ways in, and what is behind them.
struct Serving {
    runtime: Runtime,
    args: OwnerArgs,
    heartbeat: Duration,
    unread: Duration,
    guarded: Option<Guarded>,
    door: Option<Door>,
    admin: Option<AdminToken>,
    mcp: Added,
}

/// The address, and what is asked of those who come by it.
struct Guarded {
    listener: TcpListener,
    guard: Arc<Guard>,
    tls: Option<Tls>,
}

/// A connection, and by which way it came.
enum Accepted {
    Guarded(TcpStream, Arc<Guard>, Option<Tls>),
    Owner(Comer),
}

impl Serving {
    async fn run(self, stop: CancellationToken) {
        let Self { runtime, args, heartbeat, unread, guarded, mut door, admin, mcp } = self;
        let draining = CancellationToken::new();
        let connections = TaskTracker::new();
        let app = App {
            runtime: runtime.clone(),
            max_body: args.max_body,
            heartbeat,
            draining: draining.clone(),
            ephemerals: Arc::default(),
            sockets: connections.clone(),
            admin,
            mcp: mcp::Mcp::new(&runtime, mcp, heartbeat, unread, &draining),
        };
        let site = Arc::new(Site::new(app, door.as_ref()));
        let ending = Ending::default();
        loop {
            let accepted = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                accepted = accept(guarded.as_ref()) => accepted,
                accepted = accept_owner(door.as_mut()) => accepted,
            };
            let (site, ending) = (Arc::clone(&site), ending.clone());
            match accepted {
                Ok(Accepted::Guarded(stream, guard, tls)) => {
                    connections.spawn(connection::serve(stream, tls, site, guard, ending));
                }
                Ok(Accepted::Owner(comer)) => {
                    connections.spawn(connection::serve_owner(comer, site, ending));
                }
                // A client that left before it was seen is no fault of ours.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    tracing::warn!("a connection could not be accepted: {error}");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        drop((guarded, door));
        if !site.drain(args.grace).await {
            runtime.end_turns();
        }
        ending.close();
        connections.close();
        if tokio::time::timeout(FLUSH, connections.wait()).await.is_err() {
            ending.cut();
            connections.wait().await;
        }
    }
}

async fn accept(guarded: Option<&Guarded>) -> io::Result<Accepted> {
    match guarded {
        Some(Guarded { listener, guard, tls }) => {
            let (stream, _) = listener.accept().await?;
            Ok(Accepted::Guarded(stream, Arc::clone(guard), tls.clone()))
        }
        None => std::future::pending().await,
    }
}

async fn accept_owner(door: Option<&mut Door>) -> io::Result<Accepted> {
    match door {
        Some(door) => door.accept().await.map(Accepted::Owner),
        None => std::future::pending().await,
    }
}
