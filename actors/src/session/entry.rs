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
/// About how many bytes of small events are one entry: as many as the store keeps in one place. What an entry costs beside
/// its bytes, in memory and on disk, is more than most events have.
const PACK: usize = 3 << 10;

/// An event as it is kept; its place follows from those before it.
#[derive(Serialize, Deserialize)]
struct Kept {
    #[serde(flatten)]
    body: EventBody,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    turn: Option<u64>,
}

/// The entries of events that follow one another, a line of JSON each: within an array they would be nested a level deeper
/// than where they were read from, and might be too deep to be read again. A message ends its entry, so that what its turn
/// says begins with one.
pub(crate) fn encode(events: impl IntoIterator<Item = LogEvent>) -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut pack = Entry { span: 0, data: Vec::new() };
    for LogEvent { body, turn, position, next } in events {
        let is_message = matches!(body, EventBody::MessageUser { .. });
        serde_json::to_writer(&mut pack.data, &Kept { body, turn }).expect("an event has no keys but texts");
        pack.data.push(b'\n');
        pack.span += next - position;
        if is_message || pack.data.len() >= PACK {
            entries.push(std::mem::replace(&mut pack, Entry { span: 0, data: Vec::new() }));
        }
    }
    entries.extend(Some(pack).filter(|pack| pack.span > 0));
    entries
}

/// The events of an entry.
///
/// # Errors
/// It has none, or others.
pub(crate) fn decode(entry: &Logged) -> Result<Vec<LogEvent>, StoreError> {
    let mut position = entry.position;
    let mut events = Vec::new();
    for kept in serde_json::Deserializer::from_slice(&entry.data).into_iter() {
        let Kept { body, turn } =
            kept.map_err(|error| StoreError::Damaged { what: format!("events of a session: {error}") })?;
        let next = position + body.width();
        events.push(LogEvent { body, turn, position, next });
        position = next;
    }
    let whole = position == entry.next;
    if whole { Ok(events) } else { Err(StoreError::Damaged { what: "events of a session have another length".into() }) }
}

/// About how many bytes entries have.
pub(crate) fn bytes_of(entries: &[Entry]) -> u64 {
    entries.iter().map(|entry| u64::try_from(entry.data.len()).unwrap_or(u64::MAX)).sum()
}

/// The entries of what a log has between two positions.
pub(crate) fn entries(log: &Log, from: u64, until: u64) -> Vec<Entry> {
    let mut at = from;
    let pieces = std::iter::from_fn(|| {
        let events = log.read_until(at, until, PIECE);
        at = events.last()?.next;
        Some(events)
    });
    encode(pieces.flatten())
}

/// What a reader is told of a log that can't be read.
pub(crate) fn unreadable(fault: &StoreError) -> ChatError {
    ChatError::new(ErrorKind::Server, format!("the session can't be read: {fault}")).with_hint(fault.hint())
}

#[cfg(test)]
mod tests {
    use greenroom_wire::Part;
    use proptest::prelude::*;

    use super::*;

    fn body() -> impl Strategy<Value = EventBody> {
        prop_oneof![
            4 => "[a-zäö😀\"]{1,2000}".prop_map(|delta| EventBody::Text { delta }),
            1 => Just(EventBody::MessageUser { parts: vec![Part::text("hi")], queued: false, asked: None }),
            1 => Just(EventBody::TurnStarted),
            1 => Just(EventBody::TurnCancelled),
        ]
    }

    proptest! {
        #[test]
        fn what_is_kept_is_read_back_and_a_turn_begins_with_an_entry(bodies in proptest::collection::vec((1u64..3, body()), 1..40), from in 0u64..9000) {
            let mut log = Log::default();
            for (turn, body) in bodies {
                log.append(Some(turn), body);
            }
            let all = log.read(0, usize::MAX);
            let from = all.iter().map(|event| event.position).filter(|at| *at <= from).max().unwrap_or(0);
            let mut position = from;
            // What was cut in pieces merges again.
            let mut again = Log::starting_at(from);
            for Entry { span, data } in entries(&log, from, log.next_position()) {
                let entry = Logged { position, next: position + span, data };
                position = entry.next;
                let events = decode(&entry).unwrap();
                let (_, before) = events.split_last().unwrap();
                let is_message = |event: &LogEvent| matches!(event.body, EventBody::MessageUser { .. });
                prop_assert!(!before.iter().any(is_message), "a message ends its entry");
                for event in events {
                    prop_assert_eq!(again.append(event.turn, event.body), event.position);
                }
            }
            let wanted: Vec<_> = all.into_iter().filter(|event| event.position >= from).collect();
            prop_assert!(again.read(from, usize::MAX) == wanted);
        }
    }
}
