//! The owner's ways in: a Unix domain socket in the data directory, and connections from within the process. Whoever can
//! open either is the owner, so nobody is asked for a token there, and no page of a browser can get at them.

use std::{io, path::Path};

use serde::{Deserialize, Serialize};
use tokio::{
    io::{DuplexStream, duplex},
    sync::mpsc,
};
use tokio_util::sync::CancellationToken;

use super::socket_file::{SocketFile, SocketStream};

/// How much of a connection within the process is under way at most, in bytes.
const WINDOW: usize = 64 * 1024;

/// Who holds a data directory, as it says itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Whether it is a daemon, or a command that happened to come first.
    pub kind: HolderKind,
    /// Its process.
    pub pid: u32,
    /// Whether nobody but the built-in demo answers.
    #[serde(default)]
    pub demo: bool,
    /// The variables for providers that it was started with.
    #[serde(default)]
    pub variables: Vec<String>,
}

/// What holds a data directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HolderKind {
    /// A daemon.
    Serve,
    /// A command, which hands over to a daemon that comes.
    Command,
}

/// The owner's ways in.
#[derive(Debug)]
pub struct Door {
    socket: Option<SocketFile>,
    way: mpsc::Sender<DuplexStream>,
    comers: mpsc::Receiver<DuplexStream>,
    pub(super) holder: Holder,
    pub(super) hand_over: Option<CancellationToken>,
}

/// Makes connections from within the process.
#[derive(Debug, Clone)]
pub struct Inside(mpsc::Sender<DuplexStream>);

/// A connection of the owner's.
pub(super) enum Comer {
    Socket(SocketStream),
    Inside(DuplexStream),
}

impl Door {
    /// A door of this holder, open from within the process alone.
    pub fn new(holder: Holder) -> Self {
        let (way, comers) = mpsc::channel(1);
        Self { socket: None, way, comers, holder, hand_over: None }
    }

    /// Opens it on a socket at this path, mode 0600, which is removed when the server ends. One that is left of a
    /// process that died is replaced.
    ///
    /// # Errors
    /// Somebody listens there (`AddrInUse`), the path is too long for a socket (`InvalidInput`), the place can't be written, or the
    /// system has no such sockets.
    pub fn listen(&mut self, path: &Path) -> io::Result<()> {
        self.socket = Some(SocketFile::bind(path)?);
        Ok(())
    }

    /// Has this cancelled when somebody asks the holder to hand over; nobody can ask for it if it is not said.
    #[must_use]
    pub fn hand_over(mut self, asked: CancellationToken) -> Self {
        self.hand_over = Some(asked);
        self
    }

    /// The way in from within the process.
    pub fn inside(&self) -> Inside {
        Inside(self.way.clone())
    }

    /// The next connection. Safe to drop while it waits.
    pub(super) async fn accept(&mut self) -> io::Result<Comer> {
        let socket = async {
            match &self.socket {
                Some(socket) => socket.accept().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            // Its sender is here, so there is always one to come.
            Some(stream) = self.comers.recv() => Ok(Comer::Inside(stream)),
            stream = socket => stream.map(Comer::Socket),
        }
    }
}

impl Inside {
    /// A connection.
    ///
    /// # Errors
    /// The server has ended.
    pub async fn connect(&self) -> io::Result<DuplexStream> {
        let (ours, theirs) = duplex(WINDOW);
        self.0.send(theirs).await.map_err(|_| io::Error::from(io::ErrorKind::ConnectionRefused))?;
        Ok(ours)
    }
}
