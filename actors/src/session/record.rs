//! What is kept of a session beside its log, and the decisions that follow from it. Pure.

use std::{
    collections::VecDeque,
    time::{Duration, SystemTime},
};

use serde::{Deserialize, Serialize};

use super::{
    error::SessionError,
    info::{Claim, SessionState, SessionSummary},
    log::Cursor,
    turn_set::TurnSet,
};
use crate::{
    store::{Table, moment},
    usage::SpendBudget,
};

/// By id.
pub(crate) static RECORDS: Table<String, Record> = Table::new("session");
/// By client and id, for lists of a client's own; the owner's list is of all.
pub(crate) static OWNED: Table<(String, String), ()> = Table::new("session.client");
/// The sessions with a turn that runs, for the start after a crash.
pub(crate) static OPEN: Table<String, ()> = Table::new("session.open");
/// The sessions that are kept for a day, and perhaps some that were to be.
pub(crate) static BRIEF: Table<String, ()> = Table::new("session.brief");
/// Logs of sessions that are removed, until the logs are.
pub(crate) static GONE: Table<String, ()> = Table::new("session.gone");
/// Written to find out whether a disk that took nothing takes something again.
pub(crate) static PROBE: Table<String, ()> = Table::new("session.probe");
/// By log and idempotency key.
pub(crate) static KEYS: Table<(String, String), KeyRecord> = Table::new("session.key");

/// The epoch of a log that was never recovered.
pub(crate) const FIRST_EPOCH: u64 = 1;
/// Epochs that are remembered: a reader of an older one begins anew.
const MOST_EPOCHS: usize = 64;
/// Messages that may wait.
pub(crate) const MOST_QUEUED: usize = 256;
/// Calls that are remembered to have their results.
const MOST_TAKEN: usize = 64;
/// How long a claim on a call lasts.
pub(crate) const CLAIM: Duration = Duration::from_secs(60);
/// How long a brief session is kept.
pub(crate) const BRIEF_LIFE: Duration = Duration::from_secs(24 * 60 * 60);
/// How long an idempotency key is heeded.
pub(crate) const KEY_LIFE: Duration = Duration::from_secs(24 * 60 * 60);

/// A message that was sent with an idempotency key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeyRecord {
    pub(crate) turn: u64,
    pub(crate) position: u64,
    #[serde(with = "moment")]
    pub(crate) at: SystemTime,
}

/// What is kept of a session. Instructions and tools may be large and stand in the log alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// The name of its log, which no other session ever has: what is left of a removed one disturbs nobody.
    pub(crate) log: String,
    pub(crate) client: String,
    #[serde(with = "moment")]
    pub(crate) created: SystemTime,
    #[serde(with = "moment")]
    pub(crate) touched: SystemTime,
    pub(crate) epoch: u64,
    /// The epochs before, each with the position up to which it still holds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) before: Vec<(u64, u64)>,
    /// Where the log ended when this was written.
    pub(crate) end: u64,
    /// About how many bytes the log has.
    pub(crate) bytes: u64,
    #[serde(flatten)]
    pub(crate) asks: Asks,
    /// The number of the last turn.
    pub(crate) turns: u64,
    /// The turn that runs, or waits for results.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) open: Option<Open>,
    /// Turns that wait for their start.
    #[serde(default, skip_serializing_if = "VecDeque::is_empty")]
    pub(crate) queued: VecDeque<Queued>,
    /// Since when a part of the conversation is shown to models, if not all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) context: Option<ShownSince>,
    /// The last calls that got their results, so that a second one is told from one for no call.
    #[serde(default, skip_serializing_if = "VecDeque::is_empty")]
    pub(crate) taken: VecDeque<String>,
    /// The provider and profile that answered last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) route: Option<(String, String)>,
    /// Turns that are no responses of this session: they were deleted, or are those of the session that it was forked from.
    /// What was said in them stays what models are shown.
    #[serde(default, skip_serializing_if = "TurnSet::is_empty")]
    pub(crate) deleted: TurnSet,
    /// Whether it goes a day after something was last said in it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) brief: bool,
}

/// What turns ask, and where the log says it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Asks {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) model: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) system_at: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tools_at: Option<u64>,
    /// What turns may cost in all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) budget: Option<SpendBudget>,
}

impl Asks {
    /// Sets the budget to what an event says; nothing takes it away.
    pub(crate) fn set_budget(&mut self, written: Option<&str>) {
        // What is no budget was not written by this version.
        self.budget = written.and_then(|written| written.parse().ok());
    }
}

/// A turn that has begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Open {
    pub(crate) turn: u64,
    /// Where its first event after its message is, at the earliest.
    pub(crate) at: u64,
    /// Where its step begins: after the last results.
    pub(crate) step_at: u64,
    /// What it waits for; it runs if that is nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) calls: Vec<Call>,
    /// Everything that was shown of it is in the log, since its process ended in order.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) suspended: bool,
}

/// A call that is awaited, or was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Call {
    pub(crate) id: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) done: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) claim: Option<Held>,
}

/// Who holds a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Held {
    pub(crate) claim: String,
    #[serde(with = "moment")]
    pub(crate) until: SystemTime,
}

/// A turn that waits for its start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Queued {
    pub(crate) turn: u64,
    /// Where its message is.
    pub(crate) at: u64,
}

/// From where on a model is shown the conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ShownSince {
    /// The first turn that is shown.
    pub(crate) turn: u64,
    /// Where the first event of that turn, or of a later one, is.
    pub(crate) at: u64,
    /// Where the event is that has a summary of what came before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) summary_at: Option<u64>,
}

/// Where a reader is to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Begin {
    /// Where it says.
    At(u64),
    /// What it has holds up to here alone.
    Reset(u64),
}

impl Record {
    /// A session that begins now; its log is yet to.
    pub(crate) fn new(client: &str, log: String, now: SystemTime) -> Self {
        Self {
            log,
            client: client.to_owned(),
            created: now,
            touched: now,
            epoch: FIRST_EPOCH,
            before: Vec::new(),
            end: 0,
            bytes: 0,
            asks: Asks::default(),
            turns: 0,
            open: None,
            queued: VecDeque::new(),
            context: None,
            taken: VecDeque::new(),
            route: None,
            deleted: TurnSet::default(),
            brief: false,
        }
    }

    /// The turn that runs, and does not wait for results.
    pub(crate) fn running(&self) -> Option<&Open> {
        self.open.as_ref().filter(|open| open.calls.is_empty())
    }

    /// Whether a turn runs, and does not wait for results.
    pub(crate) fn is_running(&self) -> bool {
        self.running().is_some()
    }

    /// What it does.
    pub(crate) fn state(&self) -> SessionState {
        match &self.open {
            None => SessionState::Idle,
            Some(open) if open.calls.is_empty() => SessionState::Running,
            Some(_) => SessionState::Waiting,
        }
    }

    pub(crate) fn summary(&self, id: &str, end: u64) -> SessionSummary {
        SessionSummary {
            id: id.to_owned(),
            client: self.client.clone(),
            model: self.asks.model.clone(),
            state: self.state(),
            cursor: Cursor { epoch: self.epoch, position: end }.to_string(),
            created: self.created,
            touched: self.touched,
            bytes: self.bytes,
        }
    }

    /// Where a reader begins that has everything up to a cursor, while the log is shown up to `end`.
    pub(crate) fn place(&self, cursor: Cursor, end: u64, truncate: bool) -> Begin {
        let known = cursor.epoch == self.epoch || self.before.iter().any(|(epoch, _)| *epoch == cursor.epoch);
        let since = self.before.iter().filter(|(epoch, _)| *epoch >= cursor.epoch);
        let holds = since.map(|(_, valid_to)| *valid_to).chain([end]).min().unwrap_or(end);
        match cursor.position {
            position if known && position <= holds => Begin::At(position),
            // Of its own epoch nobody has more than there is: it is no cursor of this session.
            _ if known && truncate && cursor.epoch < self.epoch => Begin::Reset(holds),
            _ => Begin::Reset(0),
        }
    }

    /// What was shown past `end` is lost: a new epoch begins there.
    pub(crate) fn handle_lost(&mut self, end: u64) {
        self.before.push((self.epoch, end));
        self.epoch += 1;
        let excess = self.before.len().saturating_sub(MOST_EPOCHS);
        self.before.drain(..excess);
    }

    /// The turn has ended, if it was open: the next that waits begins, if there is one.
    pub(crate) fn handle_ended(&mut self, turn: u64) {
        if self.open.take_if(|open| open.turn == turn).is_some()
            && let Some(next) = self.queued.pop_front()
        {
            self.begin(next.turn, next.at + 1);
        }
    }

    /// A turn begins, with its message before `at`.
    pub(crate) fn begin(&mut self, turn: u64, at: u64) {
        self.open = Some(Open { turn, at, step_at: at, calls: Vec::new(), suspended: false });
    }

    /// The turn waits for these calls.
    pub(crate) fn handle_waiting(&mut self, turn: u64, ids: &[String]) {
        if let Some(open) = self.open.as_mut().filter(|open| open.turn == turn) {
            open.calls = ids.iter().map(|id| Call { id: id.clone(), done: false, claim: None }).collect();
        }
    }

    /// Somebody claims a call, or renews a claim. `fresh` is what a new claim is called.
    ///
    /// # Errors
    /// It isn't awaited, has its result, or is another's.
    pub(crate) fn claim(
        &mut self,
        id: &str,
        claim: Option<&str>,
        fresh: String,
        now: SystemTime,
    ) -> Result<Claim, SessionError> {
        let call = self.call(id)?;
        check_claim(call, claim, now)?;
        let mine = call.claim.take().filter(|held| claim == Some(&held.claim));
        let held = Held { claim: mine.map_or(fresh, |held| held.claim), until: now + CLAIM };
        call.claim = Some(held.clone());
        Ok(Claim { id: id.to_owned(), claim: held.claim, until: held.until })
    }

    /// A call has its result, which is logged at `position`; with the last that it waited for, the turn goes on.
    ///
    /// # Errors
    /// It isn't awaited, has its result, or is another's.
    pub(crate) fn handle_result(
        &mut self,
        id: &str,
        claim: Option<&str>,
        position: u64,
        now: SystemTime,
    ) -> Result<(), SessionError> {
        let call = self.call(id)?;
        check_claim(call, claim, now)?;
        (call.done, call.claim) = (true, None);
        let open = self.open.as_mut().expect("a call is of an open turn");
        if open.calls.iter().all(|call| call.done) {
            open.calls.clear();
            open.step_at = position + 1;
        }
        if self.taken.len() == MOST_TAKEN {
            self.taken.pop_front();
        }
        self.taken.push_back(id.to_owned());
        Ok(())
    }

    fn call(&mut self, id: &str) -> Result<&mut Call, SessionError> {
        let calls = self.open.iter_mut().flat_map(|open| open.calls.iter_mut());
        match calls.into_iter().find(|call| call.id == id) {
            Some(call) if !call.done => Ok(call),
            None if !self.taken.iter().any(|taken| taken == id) => Err(SessionError::NoCall),
            _ => Err(SessionError::ResultTaken),
        }
    }
}

/// Whether a call is whoever's who shows this claim, or nobody's.
fn check_claim(call: &Call, claim: Option<&str>, now: SystemTime) -> Result<(), SessionError> {
    match &call.claim {
        Some(held) if held.until > now && claim != Some(&held.claim) => Err(SessionError::Held { until: held.until }),
        _ => Ok(()),
    }
}

#[cfg(test)]
#[path = "record_tests.rs"]
mod tests;
