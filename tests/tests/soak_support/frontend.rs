//! A frontend: it reads a session's events, leaves, is left, and comes back with a cursor, and holds whatever it is sent
//! against all that it has.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use greenroom_tests::client::{ClientError, Connection};
use tokio::sync::watch;

use super::{
    Chance, Place,
    log::{Event, Seen, Together, Told},
};

/// How it reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// All that comes.
    Steady,
    /// A little, then a pause, from a socket that takes little.
    Slow,
    /// It leaves at any moment and comes back to any place that it has seen.
    Restless,
}

impl Manner {
    pub const ALL: [Self; 3] = [Self::Steady, Self::Slow, Self::Restless];
}

/// What the daemon of the moment is, and how far everybody is to go.
#[derive(Debug, Clone, Default)]
pub struct Course {
    pub place: Option<Place>,
    /// It is not being killed: no connection may break.
    pub lives: bool,
    /// How many turns of each session end before its frontends are done, once that is known.
    pub turns: Option<Arc<HashMap<String, u64>>>,
}

/// What all frontends did together.
#[derive(Debug, Default)]
pub struct Figures {
    pub events: watch::Sender<u64>,
    /// Comings back to where one was.
    pub resumes: AtomicU64,
    /// Those to a place before that.
    pub earlier: AtomicU64,
    /// Those that went on into a new epoch.
    pub into_new: AtomicU64,
    pub resets: AtomicU64,
}

/// Why it is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Left {
    /// It has had enough of this connection.
    Itself,
    /// There is another daemon, or this one ended the stream.
    Moved,
    /// It has all.
    Done,
}

/// A cursor, as its two numbers.
fn cursor(text: &str) -> (u64, u64) {
    let (epoch, position) = text.split_once('-').unwrap_or_else(|| panic!("no cursor: {text:?}"));
    (epoch.parse().unwrap(), position.parse().unwrap())
}

pub struct Frontend {
    pub session: String,
    pub manner: Manner,
    pub seen: Seen,
    /// What the log says, as long as it was read once and from its start.
    pub told: Told,
    together: Arc<Together>,
    figures: Arc<Figures>,
    chance: Chance,
    epoch: Option<u64>,
    /// Where the turns end that have.
    ends: Vec<u64>,
    /// Whether it stops at what was there when it came.
    until_synced: bool,
}

impl Frontend {
    pub fn new(
        session: &str,
        manner: Manner,
        together: &Arc<Together>,
        figures: &Arc<Figures>,
        chance: Chance,
    ) -> Self {
        let (together, figures) = (Arc::clone(together), Arc::clone(figures));
        Self {
            session: session.to_owned(),
            manner,
            seen: Seen::default(),
            told: Told::default(),
            together,
            figures,
            chance,
            epoch: None,
            ends: Vec::new(),
            until_synced: false,
        }
    }

    /// One that stops at what is there when it comes.
    pub fn of_what_is_there(mut self) -> Self {
        self.until_synced = true;
        self
    }

    /// How many turns it has seen the end of.
    pub fn turns(&self) -> u64 {
        self.ends.len() as u64
    }

    fn is_done(&self, course: &Course) -> bool {
        let wanted = course.turns.as_ref().and_then(|turns| turns.get(&self.session));
        wanted.is_some_and(|wanted| self.turns() >= *wanted)
    }

    /// Reads from one daemon after another, until it has seen the end of as many turns as it is to.
    ///
    /// # Panics
    /// If anything that it is sent can't be, or a connection breaks to a daemon that is not being killed.
    pub async fn run(mut self, mut course: watch::Receiver<Course>) -> Self {
        loop {
            let now = course.borrow_and_update().clone();
            let left = match &now.place {
                _ if self.is_done(&now) => return self,
                None => Ok(Left::Moved),
                Some(place) => self.visit(place, &mut course).await,
            };
            match left {
                Ok(Left::Done) => return self,
                Ok(Left::Itself) => {}
                Ok(Left::Moved) => _ = course.changed().await,
                Err(error) => {
                    assert!(!course.borrow().lives, "{}: the daemon lives, and yet: {error:?}", self.session);
                    _ = course.wait_for(|next| next.place != now.place).await;
                }
            }
        }
    }

    async fn visit(&mut self, place: &Place, course: &mut watch::Receiver<Course>) -> Result<Left, ClientError> {
        let mut connection = match self.manner {
            Manner::Slow => Connection::open_narrow(&place.url, 4096).await?,
            Manner::Steady | Manner::Restless => Connection::open(&place.url).await?,
        };
        let mut visit = Visit::new(self);
        let path = format!("/api/sessions/{}/events{}", self.session, visit.query);
        let authorization = format!("Bearer {}", place.token);
        let mut headers = vec![("authorization", authorization.as_str())];
        headers.extend(visit.last_event_id.as_deref().map(|id| ("last-event-id", id)));
        connection.send("GET", &path, &headers, b"").await?;
        let head = connection.head().await?;
        assert_eq!(head.status, 200, "{path} {:?}", visit.last_event_id);
        let mut left = match self.manner {
            Manner::Restless => 1 + self.chance.below(80),
            Manner::Steady | Manner::Slow => u64::MAX,
        };
        while left > 0 {
            let event = tokio::select! {
                biased;
                changed = course.changed() => {
                    let next = course.borrow_and_update().clone();
                    match changed {
                        Ok(()) if self.is_done(&next) => return Ok(Left::Done),
                        // What is still on its way here would be lost with the connection, as it should.
                        Ok(()) if next.place.as_ref() == Some(place) => continue,
                        _ => return Ok(Left::Itself),
                    }
                }
                event = connection.event() => event?,
            };
            let Some(event) = event else { return Ok(Left::Moved) };
            if event.is_comment() {
                continue;
            }
            left -= 1;
            let is_synced = event.event.as_deref() == Some("synced");
            visit.handle(self, event.text(), cursor(event.id.as_deref().expect("every event has a cursor")));
            if self.is_done(&course.borrow()) || (is_synced && self.until_synced) {
                return Ok(Left::Done);
            }
            if self.manner == Manner::Slow && self.chance.one_in(20) {
                tokio::time::sleep(Duration::from_millis(self.chance.below(60))).await;
            }
        }
        Ok(Left::Itself)
    }

    /// Forgets what was seen from a position on.
    fn truncate(&mut self, position: u64) {
        self.seen.truncate(position);
        self.ends.retain(|end| *end < position);
    }
}

/// One connection's reading.
struct Visit {
    /// The cursor that it came with.
    came: Option<(u64, u64)>,
    truncates: bool,
    query: String,
    last_event_id: Option<String>,
    /// The epoch of everything that is sent here, once it is known, and where the next event begins.
    known: Option<(u64, u64)>,
}

impl Visit {
    /// Chooses where to begin, and how to say so.
    fn new(frontend: &mut Frontend) -> Self {
        let end = frontend.seen.end();
        let chance = &mut frontend.chance;
        let wanders = frontend.manner == Manner::Restless;
        let came = frontend.epoch.map(|epoch| match chance.below(4) {
            // Positions within a delta and within a character are among them.
            0 | 1 if wanders => (epoch, chance.below(end + 1)),
            _ => (epoch, end),
        });
        let truncates = came.is_some() && chance.one_in(4);
        let mut query = if truncates { "?truncate=1".to_owned() } else { String::new() };
        let mut last_event_id = None;
        if let Some((epoch, position)) = came {
            frontend.figures.resumes.fetch_add(1, SeqCst);
            frontend.figures.earlier.fetch_add(u64::from(position < end), SeqCst);
            let text = format!("{epoch}-{position}");
            if chance.one_in(3) {
                query = format!("{}from={text}", if truncates { "?truncate=1&" } else { "?" });
            } else {
                last_event_id = Some(text);
            }
        }
        Self { came, truncates, query, last_event_id, known: None }
    }

    fn handle(&mut self, frontend: &mut Frontend, data: &str, id: (u64, u64)) {
        let event = Event::parse(data);
        if event.kind() == "reset" {
            let (_, position) = self.came.unwrap_or_else(|| panic!("a reset for nobody who came with a cursor"));
            assert_eq!((self.known, cursor(event.json["cursor"].as_str().unwrap())), (None, id), "{}", event.json);
            assert!(id.1 == 0 || (self.truncates && id.1 < position), "{} for {:?}", event.json, self.came);
            frontend.figures.resets.fetch_add(1, SeqCst);
            // With `truncate` what was seen before holds.
            self.enter(frontend, id.0, id.1, id.1);
            return;
        }
        assert_eq!(id.1, event.next, "an id is where to read on: {}", event.json);
        let Some((epoch, at)) = self.known else {
            let (came_in, came_to) = self.came.unwrap_or((id.0, 0));
            // A place within a character is the place where that begins.
            assert!(event.position <= came_to && came_to - event.position < 4, "{} at {came_to}", event.json);
            assert!(id.0 >= came_in, "epochs go on: {} after {came_in}", id.0);
            frontend.figures.into_new.fetch_add(u64::from(id.0 > came_in), SeqCst);
            // What was seen behind the place that was asked for is of another epoch: it may be said otherwise now.
            let holds = if id.0 == came_in { frontend.seen.end() } else { came_to };
            self.enter(frontend, id.0, holds, event.position);
            return self.take(frontend, &event, id.0);
        };
        assert_eq!((epoch, at), (id.0, event.position), "one event after the other: {}", event.json);
        self.take(frontend, &event, epoch);
    }

    /// The epoch is known: in it everything holds up to a position.
    fn enter(&mut self, frontend: &mut Frontend, epoch: u64, holds: u64, next: u64) {
        frontend.truncate(holds);
        frontend.epoch = Some(epoch);
        frontend.together.handle(epoch, &frontend.seen, 0);
        self.known = Some((epoch, next));
    }

    fn take(&mut self, frontend: &mut Frontend, event: &Event, epoch: u64) {
        match event.kind() {
            "error" => panic!("{}: {}", frontend.session, event.json),
            "synced" => {}
            kind => {
                if event.next > frontend.seen.end() {
                    frontend.told.take(event);
                    if kind.starts_with("turn.") && !matches!(kind, "turn.started" | "turn.waiting") {
                        frontend.ends.push(event.position);
                    }
                }
                frontend.seen.take(event);
                frontend.together.handle(epoch, &frontend.seen, event.position);
                frontend.figures.events.send_modify(|events| *events += 1);
            }
        }
        self.known = Some((epoch, event.next));
    }
}

/// Reads a session from its start to what is there, or to the end of so many turns.
pub async fn read_whole(place: &Place, session: &str, together: &Arc<Together>, turns: Option<u64>) -> Frontend {
    let turns = turns.map(|turns| Arc::new(HashMap::from([(session.to_owned(), turns)])));
    let until_synced = turns.is_none();
    let course = Course { place: Some(place.clone()), lives: true, turns };
    let (_keep, course) = watch::channel(course);
    let mut frontend = Frontend::new(session, Manner::Steady, together, &Arc::default(), Chance::new(0));
    frontend.until_synced = until_synced;
    frontend.run(course).await
}
