//! What all connections of a scripted provider share: the script as far as it was played, the
//! counters, and the requests seen.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use tokio::sync::watch;

use super::recorded::{Recorded, Ring, path_of};
use super::stats::{Cancel, RouteStats, Stats};
use crate::http1::RequestHead;
use crate::script::{Attempt, Route, Script};

const MOST_CANCELS: usize = 1000;

/// Makes the attempt that answers a request, from its path and its body; none leaves that to the script.
pub(super) type Answerer = Box<dyn Fn(&str, &[u8]) -> Option<Attempt> + Send + Sync>;

pub(super) struct Shared {
    state: Mutex<State>,
    changes: watch::Sender<()>,
    answerer: Option<Answerer>,
}

#[derive(Default)]
struct State {
    /// Of the present script; the second is the place in `stats.routes`.
    routes: Vec<(Arc<Route>, usize)>,
    stats: Stats,
    requests: Ring,
    requests_seen: u64,
    connections_seen: u64,
    /// Grows with every reset, so that an attempt begun before it is not counted after it.
    era: u64,
}

/// How a request is answered.
pub(super) enum Answer {
    Play(Playing),
    /// All attempts are used up, and this status is for then.
    UsedUp(u16),
    /// There is a route but no attempt for such a request.
    NoAttempt,
    NoRoute,
}

/// An attempt under way; counted as open until it is dropped.
pub(super) struct Playing {
    shared: Arc<Shared>,
    route: Arc<Route>,
    line: usize,
    attempt: usize,
    /// Made for this request alone, in place of what the script has.
    made: Option<Box<Attempt>>,
    request: u64,
    era: u64,
    begun: Instant,
    finished: bool,
}

impl Shared {
    pub(super) fn new(script: Script, answerer: Option<Answerer>) -> Self {
        let shared = Self { state: Mutex::default(), changes: watch::Sender::new(()), answerer };
        shared.set_script(script);
        shared
    }

    // A panic while it is held can only come from memory running out; the counters are still worth reading.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = change(&mut self.lock());
        self.changes.send_replace(());
        result
    }

    /// A receiver that wakes at every change after this call.
    pub(super) fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    pub(super) fn stats(&self) -> Stats {
        self.lock().stats.clone()
    }

    pub(super) fn requests(&self) -> Vec<Recorded> {
        self.lock().requests.to_vec()
    }

    pub(super) fn set_script(&self, script: Script) {
        self.change(|state| {
            for line in &mut state.stats.routes {
                line.plays.clear();
            }
            state.routes.clear();
            for route in script.routes {
                let line = state.line_of(&route);
                // Of two routes of one method and path only the first is ever chosen.
                if state.routes.iter().all(|(_, taken)| *taken != line) {
                    state.stats.routes[line].plays = vec![0; route.attempts.len()];
                }
                state.routes.push((Arc::new(route), line));
            }
        });
    }

    /// Zeroes the counters, forgets the requests and begins the script anew. What is open stays counted
    /// as open.
    pub(super) fn reset(&self) {
        self.change(|state| {
            state.era += 1;
            state.requests = Ring::default();
            state.requests_seen = 0;
            state.stats.connections = 0;
            state.stats.control_connections = 0;
            state.stats.unanswered = 0;
            for line in &mut state.stats.routes {
                *line = RouteStats {
                    method: std::mem::take(&mut line.method),
                    path: std::mem::take(&mut line.path),
                    open: line.open,
                    most_open: line.open,
                    plays: vec![0; line.plays.len()],
                    ..RouteStats::default()
                };
            }
        });
    }

    /// Counts a connection and gives it its number.
    pub(super) fn connected(&self) -> u64 {
        self.change(|state| {
            state.stats.connections += 1;
            state.stats.open_connections += 1;
            state.connections_seen += 1;
            state.connections_seen
        })
    }

    pub(super) fn disconnected(&self) {
        self.change(|state| state.stats.open_connections -= 1);
    }

    pub(super) fn is_control_connection(&self) {
        self.change(|state| state.stats.control_connections += 1);
    }

    /// Records a request and decides what answers it.
    pub(super) fn admit(self: &Arc<Self>, connection: u64, head: RequestHead, body: Bytes) -> Answer {
        let begun = Instant::now();
        // Outside of the lock: what makes an attempt may take its time.
        let made = self.answerer.as_ref().and_then(|answer| answer(path_of(&head.target), &body)).map(Box::new);
        self.change(|state| {
            state.requests_seen += 1;
            let (line, answer) = state.choose(&head, &body);
            let attempt = match answer {
                Chosen::Attempt(_, attempt) => Some(attempt),
                _ => None,
            };
            let request = state.requests_seen;
            state.requests.push(Recorded {
                number: request,
                connection,
                method: head.method,
                target: head.target,
                headers: head.headers,
                body,
                route: line,
                attempt,
                at: begun,
                at_unix_ms: unix_ms(),
            });
            match (answer, line) {
                (Chosen::Attempt(route, attempt), Some(line)) => Answer::Play(Playing {
                    shared: Arc::clone(self),
                    route,
                    line,
                    attempt,
                    made,
                    request,
                    era: state.era,
                    begun,
                    finished: false,
                }),
                (Chosen::UsedUp(status), _) => Answer::UsedUp(status),
                (_, Some(_)) => Answer::NoAttempt,
                (_, None) => Answer::NoRoute,
            }
        })
    }
}

enum Chosen {
    Attempt(Arc<Route>, usize),
    UsedUp(u16),
    Nothing,
}

impl State {
    /// The counters of this route, made if there are none yet.
    fn line_of(&mut self, route: &Route) -> usize {
        let same = |line: &RouteStats| line.method == route.method && line.path == route.path;
        self.stats.routes.iter().position(same).unwrap_or_else(|| {
            let (method, path) = (route.method.clone(), route.path.clone());
            self.stats.routes.push(RouteStats { method, path, ..RouteStats::default() });
            self.stats.routes.len() - 1
        })
    }

    fn choose(&mut self, head: &RequestHead, body: &[u8]) -> (Option<usize>, Chosen) {
        let path = path_of(&head.target);
        let Some((route, line)) = self.routes.iter().find(|(route, _)| route.matches(&head.method, path)) else {
            self.stats.unanswered += 1;
            return (None, Chosen::Nothing);
        };
        let counters = &mut self.stats.routes[*line];
        counters.requests += 1;
        let meant: Vec<usize> = (0..route.attempts.len())
            .filter(|&place| route.attempts[place].when.as_ref().is_none_or(|when| when.holds(&head.headers, body)))
            .collect();
        let unused = meant.iter().copied().find(|&place| {
            let attempt = &route.attempts[place];
            attempt.always || counters.plays[place] < attempt.times
        });
        let chosen = match (unused, route.exhausted, meant.last()) {
            (Some(place), ..) => place,
            (None, Some(status), Some(_)) => return (Some(*line), Chosen::UsedUp(status)),
            (None, None, Some(&last)) => last,
            (None, _, None) => {
                self.stats.unanswered += 1;
                return (Some(*line), Chosen::Nothing);
            }
        };
        counters.plays[chosen] += 1;
        counters.played += 1;
        counters.open += 1;
        counters.most_open = counters.most_open.max(counters.open);
        (Some(*line), Chosen::Attempt(Arc::clone(route), chosen))
    }
}

impl Playing {
    pub(super) fn attempt(&self) -> &Attempt {
        self.made.as_deref().unwrap_or(&self.route.attempts[self.attempt])
    }

    /// It was played to its end.
    pub(super) fn completed(self) {
        self.finish(|line| line.completed += 1);
    }

    /// Its client went away after `sent` bytes of the body.
    pub(super) fn cancelled(self, sent: u64) {
        let at = Instant::now();
        let after_ms = u64::try_from(at.duration_since(self.begun).as_millis()).unwrap_or(u64::MAX);
        let cancel = Cancel { request: self.request, attempt: self.attempt, sent, at, at_unix_ms: unix_ms(), after_ms };
        self.finish(|line| {
            line.cancelled += 1;
            if line.cancels.len() == MOST_CANCELS {
                line.cancels.remove(0);
            }
            line.cancels.push(cancel);
        });
    }

    /// In one change, so that no reader sees an attempt counted and still open.
    fn finish(mut self, count: impl FnOnce(&mut RouteStats)) {
        self.finished = true;
        self.shared.change(|state| {
            let line = &mut state.stats.routes[self.line];
            line.open -= 1;
            if state.era == self.era {
                count(line);
            }
        });
    }
}

impl Drop for Playing {
    fn drop(&mut self) {
        if !self.finished {
            self.shared.change(|state| state.stats.routes[self.line].open -= 1);
        }
    }
}

fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
