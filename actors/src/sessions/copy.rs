//! Sessions made of what another had: a fork, and what was exported.
//!
//! A log is copied under a name of its own, page by page, and counts as that of a session which is gone until the record
//! that names it is made with its last event. So a copy that breaks off leaves no half of a session, and is swept away.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::SystemTime,
};

use serde::{Deserialize, Serialize};

use super::{
    live::{Live, Make},
    sweep::sweep_log,
};
use crate::{
    session::{
        core::Core,
        entry::{bytes_of, encode},
        error::SessionError,
        event::{EventBody, LogEvent},
        record::{Asks, GONE, Record, ShownSince},
        turn_set::TurnSet,
    },
    store::Batch,
};

/// What an export begins with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Head {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) version: u32,
    pub(super) id: String,
    pub(super) client: String,
    #[serde(with = "crate::session::rfc3339")]
    pub(super) created: SystemTime,
    pub(super) cursor: String,
}

pub(super) const HEAD: &str = "session";
pub(super) const VERSION: u32 = 1;

/// A name for a log that no other has.
pub(super) fn log_name() -> String {
    format!("s/{:032x}", rand::random::<u128>())
}

/// What the events of a log say of its session. Pure.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    asks: Asks,
    turns: u64,
    unfinished: BTreeSet<u64>,
    /// Where each turn begins.
    begins: BTreeMap<u64, u64>,
    context: Option<(u64, Option<u64>)>,
    route: Option<(String, String)>,
    end: u64,
    bytes: u64,
}

impl Gathered {
    /// Takes the next event.
    pub(super) fn take(&mut self, event: &LogEvent) {
        let at = event.position;
        self.end = event.next;
        if let Some(turn) = event.turn {
            self.turns = self.turns.max(turn);
            self.begins.entry(turn).or_insert(at);
            if event.body.ends_turn() {
                self.unfinished.remove(&turn);
            } else {
                self.unfinished.insert(turn);
            }
        }
        match &event.body {
            EventBody::SessionCreated { model, system, tools, budget } => {
                self.asks = Asks {
                    model: model.clone(),
                    system_at: system.is_some().then_some(at),
                    tools_at: (!tools.is_empty()).then_some(at),
                    budget: None,
                };
                self.asks.set_budget(budget.as_deref());
            }
            EventBody::SessionUpdated { model, system, tools, budget } => {
                if let Some(model) = model {
                    self.asks.model = Some(model.clone()).filter(|model| !model.is_empty());
                }
                if let Some(system) = system {
                    self.asks.system_at = (!system.is_empty()).then_some(at);
                }
                if let Some(tools) = tools {
                    self.asks.tools_at = (!tools.is_empty()).then_some(at);
                }
                if budget.is_some() {
                    self.asks.set_budget(budget.as_deref());
                }
            }
            EventBody::Context { from, summary, .. } => {
                let before = self.context.and_then(|(_, summary_at)| summary_at);
                self.context = Some((*from, summary.as_ref().map(|_| at).or(before)));
            }
            EventBody::Route { provider, profile, .. } => self.route = Some((provider.clone(), profile.clone())),
            _ => {}
        }
    }

    /// The last events of a session whose turns are all over.
    fn seals(&mut self) -> Vec<LogEvent> {
        let open = std::mem::take(&mut self.unfinished);
        let seals = open.into_iter().zip(self.end..);
        let seals: Vec<_> = seals
            .map(|(turn, position)| LogEvent {
                body: EventBody::TurnCancelled,
                turn: Some(turn),
                position,
                next: position + 1,
            })
            .collect();
        self.end = seals.last().map_or(self.end, |last| last.next);
        seals
    }

    /// The record of such a session.
    fn record(self, client: &str, log: String, now: SystemTime) -> Record {
        let context = self.context.map(|(turn, summary_at)| ShownSince {
            turn,
            at: self.begins.range(turn..).map(|(_, at)| *at).min().unwrap_or(0),
            summary_at,
        });
        Record {
            end: self.end,
            bytes: self.bytes,
            asks: self.asks,
            turns: self.turns,
            context,
            route: self.route,
            ..Record::new(client, log, now)
        }
    }
}

/// A log that is being made of events.
pub(super) struct Copy<'a> {
    live: &'a Live,
    log: String,
    gathered: Gathered,
    /// Turns that are no responses of the new session.
    pub(super) deleted: TurnSet,
    /// Whether it goes after a day.
    pub(super) brief: bool,
}

impl Drop for Copy<'_> {
    fn drop(&mut self) {
        self.live.copying().remove(&self.log);
    }
}

impl<'a> Copy<'a> {
    pub(super) async fn begin(live: &'a Live) -> Result<Self, SessionError> {
        let copy =
            Self { live, log: log_name(), gathered: Gathered::default(), deleted: TurnSet::default(), brief: false };
        live.copying().insert(copy.log.clone());
        live.store.put(&GONE, &copy.log, &()).await.map_err(SessionError::NotKept)?;
        Ok(copy)
    }

    /// Copies events that come next, and follow one another there.
    pub(super) async fn take(&mut self, mut events: Vec<LogEvent>) -> Result<(), SessionError> {
        let at = self.gathered.end;
        let mut position = at;
        for event in &mut events {
            let next = position + event.body.width();
            (event.position, event.next) = (position, next);
            position = next;
        }
        let mut batch = Batch::default();
        self.append(at, events, &mut batch);
        self.live.store.commit(batch).await.map_err(SessionError::NotKept)
    }

    fn append(&mut self, at: u64, events: Vec<LogEvent>, batch: &mut Batch) {
        events.iter().for_each(|event| self.gathered.take(event));
        let entries = encode(events);
        self.gathered.bytes += bytes_of(&entries);
        batch.append_at(&self.log, at, entries);
    }

    /// Makes the session; its turns are all over.
    ///
    /// # Errors
    /// The id is taken, or it can't be kept.
    pub(super) async fn finish(mut self, id: &Arc<str>, client: &str) -> Result<Arc<Core>, SessionError> {
        let mut batch = Batch::default();
        let at = self.gathered.end;
        let seals = self.gathered.seals();
        self.append(at, seals, &mut batch);
        self.gathered.unfinished.clear();
        batch.remove(&GONE, &self.log);
        let mut record = std::mem::take(&mut self.gathered).record(client, self.log.clone(), SystemTime::now());
        (record.deleted, record.brief) = (std::mem::take(&mut self.deleted), self.brief);
        let refused = match self.live.enter(id, Some(Make { record, batch })).await {
            Ok((core, true)) => return Ok(core),
            Ok((_, false)) => SessionError::Taken,
            Err(error) => error,
        };
        if let Err(fault) = sweep_log(self.live, &self.log).await {
            tracing::debug!("what was copied of a session stays on disk for now: {fault}");
        }
        Err(refused)
    }
}

/// The head and the events of an export.
///
/// # Errors
/// Which line is not as it has to be.
pub(super) fn parse(lines: &[u8]) -> Result<(Head, Vec<LogEvent>), SessionError> {
    let bad = |line, reason| SessionError::BadImport { line, reason };
    let mut lines = lines.split(|byte| *byte == b'\n').enumerate().map(|(at, line)| (at + 1, line));
    let mut lines = lines.by_ref().filter(|(_, line)| !line.trim_ascii().is_empty());
    let (at, head) = lines.next().ok_or(bad(1, "there is nothing in it"))?;
    let head: Head = serde_json::from_slice(head).map_err(|_| bad(at, "it is no head of an export"))?;
    if head.kind != HEAD {
        return Err(bad(at, "it is no head of an export"));
    }
    if head.version != VERSION {
        return Err(bad(at, "it is of a version that is not known here"));
    }
    let (mut events, mut end) = (Vec::new(), 0);
    for (at, line) in lines {
        let event: LogEvent = serde_json::from_slice(line).map_err(|_| bad(at, "it is no event"))?;
        if event.body.is_told() {
            return Err(bad(at, "it is an event of one reader, which no log has"));
        }
        if event.position != end || event.next.checked_sub(event.position) != Some(event.body.width()) {
            return Err(bad(at, "it is not where the one before ends, or of another length than it says"));
        }
        if (end == 0) != matches!(event.body, EventBody::SessionCreated { .. }) {
            return Err(bad(at, "a session begins with session.created, and has it once"));
        }
        if event.turn == Some(0) || event.turn.is_some_and(|turn| turn > u64::from(u32::MAX)) {
            return Err(bad(at, "it is of no turn that there can be"));
        }
        end = event.next;
        events.push(event);
    }
    if events.is_empty() {
        return Err(bad(at + 1, "a session begins with session.created, and has it once"));
    }
    Ok((head, events))
}
