//! Logs: entries at positions that never move, appended at the end and read from any position.
//!
//! An entry spans as many positions as its writer says, at least one. Large ones are kept in several pieces.

use super::{
    Store, StoreError,
    backend::{Backend, Changes, Pair, Wanted},
    key::{self, Key},
    table::Table,
    tx::Tx,
};

/// Before every key of an entry.
const LOGS: u8 = b'l';
/// In bytes. sled writes a page of up to 17 values as one, and one of 128 KiB or more into a file of its own, which it does
/// not sync, and of which its cache counts next to nothing, so that whatever was written would stay in memory. Logs that
/// were written in larger pieces are read all the same.
pub(super) const PIECE: usize = 4 << 10;
/// Before the first piece: how many positions the entry spans, and how many pieces it has.
const HEAD: usize = 12;

/// Where each log ends.
pub(super) static ENDS: Table<String, u64> = Table::new("log.end");
/// How often each log lost entries, if ever.
pub(super) static REWRITES: Table<String, u64> = Table::new("log.rewrites");

/// Something to append.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// How many positions it spans; 0 counts as 1.
    pub span: u64,
    /// What it is.
    pub data: Vec<u8>,
}

/// An entry of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logged {
    /// Where it begins.
    pub position: u64,
    /// Where the next one begins.
    pub next: u64,
    /// What was appended.
    pub data: Vec<u8>,
}

pub(super) fn piece_key(log: &str, position: u64, piece: u32) -> Vec<u8> {
    let mut bytes = vec![LOGS];
    (log.to_owned(), (position, piece)).write(&mut bytes);
    bytes
}

/// Appends an entry; gives its position.
pub(super) fn append(tx: &mut Tx<'_>, log: &str, entry: &Entry) -> Result<u64, StoreError> {
    let name = log.to_owned();
    let position = tx.get(&ENDS, &name)?.unwrap_or(0);
    let span = entry.span.max(1);
    let next = position.checked_add(span).ok_or(StoreError::Overflow)?;
    let pieces: Vec<&[u8]> = if entry.data.is_empty() { vec![&[]] } else { entry.data.chunks(PIECE).collect() };
    let count = u32::try_from(pieces.len()).map_err(|_| StoreError::Overflow)?;
    for (piece, data) in (0..).zip(pieces) {
        let head = [&span.to_be_bytes()[..], &count.to_be_bytes()].concat();
        let value = if piece == 0 { [&head, data].concat() } else { data.to_vec() };
        tx.set_bytes(piece_key(log, position, piece), Some(value));
    }
    tx.put(&ENDS, &name, &next)?;
    Ok(position)
}

/// Where a log ends and how often it was rewritten. While that stays the same, so do its entries.
fn stamp(backend: &Backend, log: &str) -> Result<(Option<u64>, Option<u64>), StoreError> {
    let nothing = Changes::new();
    let (tx, name) = (Tx::new(backend, &nothing), log.to_owned());
    Ok((tx.get(&ENDS, &name)?, tx.get(&REWRITES, &name)?))
}

/// Entries that end past `from`, in order, until they have `most` bytes; at least one if there is one.
///
/// The parts of a range are not read at one moment, so they may be of a log before and after a write. Then they are read
/// anew, which takes another write of the same log to happen again.
fn read(backend: &Backend, log: &str, from: u64, most: usize) -> Result<Vec<Logged>, StoreError> {
    let mut before = stamp(backend, log)?;
    loop {
        if before.0.is_some_and(|end| end <= from) {
            return Ok(Vec::new());
        }
        let found = try_read(backend, log, from, most);
        let after = stamp(backend, log)?;
        if after == before {
            return found;
        }
        before = after;
    }
}

fn try_read(backend: &Backend, log: &str, from: u64, most: usize) -> Result<Vec<Logged>, StoreError> {
    let (_, end) = bounds(log);
    let mut entries: Vec<Logged> = Vec::new();
    let mut pieces_left = 0;
    let mut at = piece_key(log, spanning(backend, log, from)?.unwrap_or(from), 0);
    while entries.is_empty() || pieces_left > 0 {
        let pairs = backend.range(&at, &end, Wanted::Bytes(most.max(1)))?;
        let Some((last, _)) = pairs.last() else { break };
        at = [last.as_slice(), &[0]].concat();
        for (key, value) in &pairs {
            take(&mut entries, &mut pieces_left, key, value)?;
        }
    }
    if pieces_left > 0 { Err(broken()) } else { Ok(entries) }
}

/// Where the entry begins that spans `from`, if one does.
fn spanning(backend: &Backend, log: &str, from: u64) -> Result<Option<u64>, StoreError> {
    let (start, _) = bounds(log);
    let after = piece_key(log, from, u32::MAX);
    let Some((key, value)) = backend.range(&start, &after, Wanted::Last)?.pop() else { return Ok(None) };
    let (position, piece) = place(&key)?;
    let head = if piece == 0 { value } else { backend.get(&piece_key(log, position, 0))?.ok_or_else(broken)? };
    let (next, ..) = parse_head(position, &head)?;
    Ok((next > from).then_some(position))
}

/// Where the next entry begins, how many pieces this one has, and its data, of the first of them.
fn parse_head(position: u64, value: &[u8]) -> Result<(u64, u32, &[u8]), StoreError> {
    let (span, rest) = value.split_first_chunk().ok_or_else(broken)?;
    let (count, data) = rest.split_first_chunk().ok_or_else(broken)?;
    debug_assert_eq!(value.len() - data.len(), HEAD);
    let next = position.checked_add(u64::from_be_bytes(*span)).ok_or_else(broken)?;
    Ok((next, u32::from_be_bytes(*count), data))
}

fn take(entries: &mut Vec<Logged>, pieces_left: &mut u32, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
    let (position, piece) = place(key)?;
    if piece > 0 {
        let open = entries.last_mut().filter(|entry| entry.position == position && *pieces_left > 0);
        open.ok_or_else(broken)?.data.extend_from_slice(value);
        *pieces_left -= 1;
        return Ok(());
    }
    if *pieces_left > 0 {
        return Err(broken());
    }
    let (next, count, data) = parse_head(position, value)?;
    *pieces_left = count.checked_sub(1).ok_or_else(broken)?;
    entries.push(Logged { position, next, data: data.to_vec() });
    Ok(())
}

/// The range of the keys of a log.
pub(super) fn bounds(log: &str) -> (Vec<u8>, Vec<u8>) {
    let mut prefix = vec![LOGS];
    log.to_owned().write(&mut prefix);
    let end = key::end_of(&prefix);
    (prefix, end)
}

/// The position and the number of a piece.
pub(super) fn place(key: &[u8]) -> Result<(u64, u32), StoreError> {
    let (_, place): (String, (u64, u32)) = key.get(1..).and_then(key::parse).ok_or_else(broken)?;
    Ok(place)
}

fn broken() -> StoreError {
    StoreError::Damaged { what: "an entry of a log".to_owned() }
}

/// Whether this is a piece of a log that makes sense by itself, for a store that is being repaired.
pub(super) fn is_piece((key, value): &Pair) -> bool {
    key.first() == Some(&LOGS) && place(key).is_ok_and(|(_, piece)| piece > 0 || value.len() >= HEAD)
}

impl Store {
    /// Appends to a log; gives the position of the first of these entries.
    ///
    /// # Errors
    /// None of them is appended, or it isn't sure that they last.
    pub async fn append(&self, log: &str, entries: Vec<Entry>) -> Result<u64, StoreError> {
        let log = log.to_owned();
        self.write(move |tx| {
            let first = tx.get(&ENDS, &log)?.unwrap_or(0);
            for entry in &entries {
                append(tx, &log, entry)?;
            }
            Ok(first)
        })
        .await
    }

    /// The entries of a log from the one that spans `from` on, until they have `most` bytes; at least one if there is
    /// one.
    ///
    /// # Errors
    /// The store can't be read.
    pub async fn read(&self, log: &str, from: u64, most: usize) -> Result<Vec<Logged>, StoreError> {
        let log = log.to_owned();
        self.read_with(move |backend| read(backend, &log, from, most)).await
    }

    /// Where a log ends; `None` if there is no such log.
    ///
    /// # Errors
    /// The store can't be read.
    pub async fn log_end(&self, log: &str) -> Result<Option<u64>, StoreError> {
        self.get(&ENDS, &log.to_owned()).await
    }
}
