//! The counters of a scripted provider.

use std::time::Instant;

use serde::Serialize;

/// What happened so far. Over HTTP the same as JSON, without the [`Instant`]s.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Stats {
    /// Connections accepted.
    pub connections: u64,
    /// Those of them whose first request went to `/_scripted`.
    pub control_connections: u64,
    /// Connections open now.
    pub open_connections: u64,
    /// Requests for which there was no route, or no attempt whose condition held.
    pub unanswered: u64,
    /// A line for every route that any script since the last reset had.
    pub routes: Vec<RouteStats>,
}

/// The counters of one route.
#[derive(Debug, Clone, Default, Serialize)]
pub struct RouteStats {
    /// As in the script.
    pub method: String,
    /// As in the script.
    pub path: String,
    /// Requests that came to this route.
    pub requests: u64,
    /// Attempts begun.
    pub played: u64,
    /// Attempts played to their end; `cut` and `reset` are such ends.
    pub completed: u64,
    /// Attempts that the client left before their end.
    pub cancelled: u64,
    /// Attempts under way now.
    pub open: u64,
    /// Most attempts under way at once.
    pub most_open: u64,
    /// How often each attempt of the present script was begun.
    pub plays: Vec<u32>,
    /// Each attempt that the client left, oldest first; the last 1000 of them.
    pub cancels: Vec<Cancel>,
}

/// A client that went away.
#[derive(Debug, Clone, Serialize)]
pub struct Cancel {
    /// The number of the request, as in [`super::Recorded::number`].
    pub request: u64,
    /// Which attempt of the route.
    pub attempt: usize,
    /// Bytes of the body that had been sent.
    pub sent: u64,
    /// When the leaving was noticed.
    #[serde(skip)]
    pub at: Instant,
    /// The same in milliseconds since 1970, for readers outside of this process.
    pub at_unix_ms: u64,
    /// Milliseconds from the whole request being read to the leaving being noticed.
    pub after_ms: u64,
}

impl Stats {
    /// The counters of the route of this path, or zeroes if there is none. With several methods on one
    /// path, the first in the script.
    pub fn route(&self, path: &str) -> RouteStats {
        self.routes.iter().find(|route| route.path == path).cloned().unwrap_or_default()
    }

    /// Requests on all routes.
    pub fn requests(&self) -> u64 {
        self.routes.iter().map(|route| route.requests).sum()
    }

    /// Attempts left by their clients, on all routes.
    pub fn cancelled(&self) -> u64 {
        self.routes.iter().map(|route| route.cancelled).sum()
    }

    /// Attempts played to their end, on all routes.
    pub fn completed(&self) -> u64 {
        self.routes.iter().map(|route| route.completed).sum()
    }

    /// Attempts under way now, on all routes.
    pub fn open(&self) -> u64 {
        self.routes.iter().map(|route| route.open).sum()
    }
}
