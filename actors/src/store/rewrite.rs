//! What takes entries away from a log: another end for it, and its removal.

use super::{
    Store, StoreError,
    log::{self, ENDS, Entry, REWRITES},
    tx::Tx,
};

/// Makes the log end at `position`, and appends there.
pub(super) fn append_at(tx: &mut Tx<'_>, log: &str, position: u64, entries: &[Entry]) -> Result<(), StoreError> {
    let name = log.to_owned();
    let end = tx.get(&ENDS, &name)?.unwrap_or(0);
    if position != end {
        // Entries follow each other without a gap, so where none begins one spans it.
        let begins = position < end && tx.get_bytes(&log::piece_key(log, position, 0))?.is_some();
        if !begins {
            return Err(StoreError::Misplaced { position });
        }
        let (_, past) = log::bounds(log);
        let gone = tx.keys(&log::piece_key(log, position, 0), &past, usize::MAX)?;
        drop_pieces(tx, &name, gone)?;
        tx.put(&ENDS, &name, &position)?;
    }
    for entry in entries {
        log::append(tx, log, entry)?;
    }
    Ok(())
}

/// Removes the first entries of a log, as many as have at most `most` pieces, but one at least: a reader must not find
/// half an entry. Whether nothing of the log is left.
fn remove(tx: &mut Tx<'_>, log: &str, most: usize) -> Result<bool, StoreError> {
    let name = log.to_owned();
    let (start, past) = log::bounds(log);
    let most = most.max(1);
    let mut gone = tx.keys(&start, &past, most.saturating_add(1))?;
    let is_last = gone.len() <= most;
    if !is_last {
        // The one too many says whether an entry ends before it.
        let (position, _) = log::place(&gone[most])?;
        let whole = log::piece_key(log, position, 0);
        gone.retain(|key| *key < whole);
        if gone.is_empty() {
            gone = tx.keys(&whole, &log::piece_key(log, position, u32::MAX), usize::MAX)?;
        }
    }
    drop_pieces(tx, &name, gone)?;
    if is_last {
        tx.set_bytes(ENDS.key(&name), None);
        tx.set_bytes(REWRITES.key(&name), None);
    }
    Ok(is_last)
}

fn drop_pieces(tx: &mut Tx<'_>, name: &String, gone: Vec<Vec<u8>>) -> Result<(), StoreError> {
    for key in gone {
        tx.set_bytes(key, None);
    }
    let rewrites = tx.get(&REWRITES, name)?.unwrap_or(0);
    tx.put(&REWRITES, name, &rewrites.wrapping_add(1))
}

impl Store {
    /// Removes the first entries of a log in one write: as many as have at most `most` pieces of 4 KiB, but one at
    /// least, and with the last of them the log itself. Whether nothing of it is left; until then it is to be called
    /// again, and nothing appended. A large log holds up no other write this way.
    ///
    /// # Errors
    /// Nothing is removed, or it isn't sure that it is.
    pub async fn remove_log(&self, log: &str, most: usize) -> Result<bool, StoreError> {
        let log = log.to_owned();
        self.write(move |tx| remove(tx, &log, most)).await
    }
}
