//! Events as entries of a log in the store. Pure.

use greenroom_wire::{ChatError, ErrorKind};
use serde::{Deserialize, Serialize};

use super::{
    event::{EventBody, LogEvent},
    log::Log,
};
use crate::store::{Entry, Logged, StoreError};

/// Longer deltas are kept in pieces, so that a reader in the middle of one reads about this much at once.
const PIECE: usize = 32 << 10;

/// An event as it is kept; its place is the entry's.
#[derive(Serialize, Deserialize)]
struct Kept {
    #[serde(flatten)]
    body: EventBody,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    turn: Option<u64>,
}

/// The entry of an event.
pub(crate) fn encode(event: LogEvent) -> Entry {
    let LogEvent { body, turn, position, next } = event;
    let data = serde_json::to_vec(&Kept { body, turn }).expect("an event has no keys but texts");
    Entry { span: next - position, data }
}

/// The event of an entry.
///
/// # Errors
/// It is none.
pub(crate) fn decode(entry: Logged) -> Result<LogEvent, StoreError> {
    let Kept { body, turn } = serde_json::from_slice(&entry.data)
        .map_err(|error| StoreError::Damaged { what: format!("an event of a session: {error}") })?;
    let event = LogEvent { body, turn, position: entry.position, next: entry.next };
    let whole = event.body.width() == event.next - event.position;
    if whole { Ok(event) } else { Err(StoreError::Damaged { what: "an event of a session has another length".into() }) }
}

/// The entries of what a log has between two positions, and how many bytes they have.
pub(crate) fn entries(log: &Log, from: u64, until: u64) -> (Vec<Entry>, u64) {
    let (mut entries, mut bytes, mut at) = (Vec::new(), 0, from);
    while at < until {
        let events = log.read_until(at, until, PIECE);
        let Some(last) = events.last() else { break };
        at = last.next;
        for event in events {
            let entry = encode(event);
            bytes += u64::try_from(entry.data.len()).unwrap_or(u64::MAX);
            entries.push(entry);
        }
    }
    (entries, bytes)
}

/// What a reader is told of a log that can't be read.
pub(crate) fn unreadable(fault: &StoreError) -> ChatError {
    ChatError::new(ErrorKind::Server, format!("the session can't be read: {fault}")).with_hint(fault.hint())
}
