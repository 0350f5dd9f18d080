//! Sessions over real actors, a real sled on disk, and a provider that is asked over real HTTP.

mod asked;
mod copies;
mod crashes;
mod disk;
mod lab;
mod model;
mod rules;
mod turns;

use std::time::Duration;

use greenroom_wire::Part;

use self::lab::Lab;
use super::*;
use crate::{
    Limits, SessionRules, System,
    session::{info::SessionState, log::Cursor},
    system::{
        keep_tests::{killed, open},
        tests::{spec, system_under},
    },
};

const SECOND: Duration = Duration::from_secs(1);

async fn system(lab: &Lab, store: Option<&Store>) -> System {
    system_with(lab, store, SessionRules::default()).await
}

async fn system_with(lab: &Lab, store: Option<&Store>, rules: SessionRules) -> System {
    system_under(vec![spec("lab", &lab.address, Limits::default())], store.cloned(), rules).await
}

async fn session(system: &System, id: &str) -> SessionRef {
    let new = NewSession { id: Some(id.into()), model: Some("lab/m".into()), ..NewSession::default() };
    system.sessions().create(&Access::Admin, new).await.unwrap().0
}

fn says(text: &str) -> Outgoing {
    Outgoing { parts: vec![Part::text(text)], ..Outgoing::default() }
}

async fn say(session: &SessionRef, text: &str) -> Sent {
    session.send(says(text)).await.unwrap()
}

/// What one reader has seen.
struct Seen {
    reader: Reader,
    events: Vec<LogEvent>,
    position: u64,
}

impl Seen {
    async fn from(session: &SessionRef, cursor: Option<Cursor>) -> Self {
        let reader = session.read(From { cursor, truncate: false }).await.unwrap();
        Self { reader, events: Vec::new(), position: cursor.map_or(0, |cursor| cursor.position) }
    }

    /// Takes what is next.
    async fn more(&mut self) {
        let pulled = tokio::time::timeout(20 * SECOND, self.reader.pull()).await;
        let events = pulled.unwrap_or_else(|_| panic!("nothing follows {:#?}", self.events)).expect("the log goes on");
        for event in events {
            if let EventBody::Reset { cursor } = &event.body {
                self.events.clear();
                self.position = Cursor::parse(cursor, 0).unwrap().position;
            } else if !event.body.is_told() {
                assert!(event.position <= self.position && event.next > self.position, "{event:?}");
                self.position = event.next;
            }
            self.events.push(event);
        }
    }

    /// Reads until this is there.
    async fn until(&mut self, wanted: impl Fn(&EventBody) -> bool) {
        while !self.events.iter().any(|event| wanted(&event.body)) {
            self.more().await;
        }
    }

    /// Reads until the text of a turn is this.
    async fn text(&mut self, turn: u64, text: &str) {
        while self.said(turn) != text {
            self.more().await;
        }
    }

    fn said(&self, turn: u64) -> String {
        let of = self.events.iter().filter(|event| event.turn == Some(turn));
        of.filter_map(|event| match &event.body {
            EventBody::Text { delta } => Some(delta.as_str()),
            _ => None,
        })
        .collect()
    }

    /// Reads until a turn has ended.
    async fn end_of(&mut self, turn: u64) -> EventBody {
        loop {
            let over = |event: &&LogEvent| event.turn == Some(turn) && event.body.ends_turn();
            if let Some(event) = self.events.iter().find(over) {
                return event.body.clone();
            }
            self.more().await;
        }
    }

    fn cursor(&self) -> Cursor {
        Cursor { epoch: self.reader.epoch(), position: self.position }
    }

    fn was_reset(&self) -> bool {
        self.events.iter().any(|event| matches!(event.body, EventBody::Reset { .. }))
    }
}

/// Everything that a session's log has now.
async fn all(session: &SessionRef) -> Vec<LogEvent> {
    let mut seen = Seen::from(session, None).await;
    seen.until(|body| *body == EventBody::Synced).await;
    seen.events.retain(|event| !event.body.is_told());
    seen.events
}
