//! A way out of a damaged store: what can be read goes into a new one, and the old one stays beside it.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::{
    Durability, OpenError, StoreError,
    backend::{Backend, Changes, Pair, Wanted},
    disk::{Disk, is_held},
    format::{self, Schema},
    log,
    table::TABLES,
};

/// sled's unit of writing: a log that was cut is tried at ends of these.
const SEGMENT: u64 = 512 << 10;
/// Cuts that are tried at most.
const MOST_CUTS: usize = 16;
/// Pairs that are written at once: few, since what is written together is lost together.
const AT_ONCE: usize = 50;

/// What a repair did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repaired {
    /// Values that are in the new store.
    pub kept: usize,
    /// Values that could be read and make no sense.
    pub dropped: usize,
    /// Where the old store lies now.
    pub moved_to: PathBuf,
}

/// Makes a new store of what can be read of the one in `dir`, and moves that one to `DIR.damaged-N`. `None` if nothing is
/// wrong with it, or there is none. It blocks; nothing is deleted but copies of its own.
///
/// # Errors
/// The store is held or newer, or there is no room for a copy; then everything is as it was.
pub fn repair(dir: &Path) -> Result<Option<Repaired>, OpenError> {
    let broke_off = || OpenError::damaged(dir, "repairing it broke off");
    // What panics there has the name that says so.
    std::thread::scope(|scope| {
        let run = std::thread::Builder::new().name(super::THREAD.to_owned()).spawn_scoped(scope, || run(dir));
        let run = run.map_err(|source| OpenError::Unwritable { path: dir.to_owned(), source })?;
        run.join().unwrap_or_else(|_| Err(broke_off()))
    })
}

fn run(dir: &Path) -> Result<Option<Repaired>, OpenError> {
    let unwritable = |source| OpenError::Unwritable { path: dir.to_owned(), source };
    if !dir.exists() {
        return Ok(None);
    }
    if is_held(dir).unwrap_or(false) {
        return Err(OpenError::Held { path: dir.to_owned() });
    }
    let parent = dir.parent().unwrap_or(Path::new("."));
    let work = tempfile::Builder::new().prefix(".store-repair-").tempdir_in(parent).map_err(unwritable)?;
    super::open::close_to_others(work.path()).map_err(unwritable)?;
    // Even a look would change it.
    match try_whole(dir, work.path()).map_err(unwritable)? {
        Err(OpenError::Damaged { .. }) => {}
        Err(error) => return Err(renamed(error, dir)),
        Ok(()) => return Ok(None),
    }
    let (pairs, dropped) = salvage(dir, work.path()).map_err(unwritable)?;
    let fresh = work.path().join("fresh");
    fs::create_dir(&fresh).and_then(|()| super::open::close_to_others(&fresh)).map_err(unwritable)?;
    let fault = |fault| OpenError::of(dir, fault);
    let disk = Disk::open(&fresh, Durability::Power).map_err(fault)?;
    let written = format::sign(&disk, Schema::CURRENT).and_then(|()| {
        pairs.chunks(AT_ONCE).try_for_each(|some| {
            let changes: Changes = some.iter().map(|(key, value)| (key.clone(), Some(value.clone()))).collect();
            disk.commit(&changes)
        })
    });
    disk.close(&fresh).and(written).map_err(fault)?;
    let moved_to = free_name(dir);
    fs::rename(dir, &moved_to).map_err(unwritable)?;
    if let Err(error) = fs::rename(&fresh, dir) {
        fs::rename(&moved_to, dir).map_err(unwritable)?;
        return Err(unwritable(error));
    }
    Ok(Some(Repaired { kept: pairs.len(), dropped, moved_to }))
}

/// Opens a copy and reads all of it.
fn try_whole(dir: &Path, work: &Path) -> io::Result<Result<(), OpenError>> {
    let copy = work.join("whole");
    copy_store(dir, &copy, true, None)?;
    let outcome = super::open::open(&copy, Durability::Process, Schema::CURRENT).and_then(|opened| {
        let read = opened.backend.range(&[], &[u8::MAX], Wanted::All);
        if let Backend::Disk(disk) = opened.backend {
            // A copy.
            let _closed = disk.close(&copy);
        }
        let sense = read.and_then(|pairs| match pairs.iter().all(makes_sense) {
            true => Ok(()),
            false => Err(StoreError::Damaged { what: "a value makes no sense".to_owned() }),
        });
        sense.map_err(|fault| OpenError::of(dir, fault))
    });
    fs::remove_dir_all(&copy)?;
    Ok(outcome)
}

/// The same error of the store itself.
fn renamed(error: OpenError, dir: &Path) -> OpenError {
    let path = dir.to_owned();
    match error {
        OpenError::Held { .. } => OpenError::Held { path },
        OpenError::Newer { found, known, .. } => OpenError::Newer { path, found, known },
        OpenError::Damaged { what, .. } => OpenError::Damaged { path, what },
        OpenError::Unwritable { source, .. } => OpenError::Unwritable { path, source },
    }
}

/// Everything that can be read in any way, and how much of it makes no sense.
fn salvage(dir: &Path, work: &Path) -> io::Result<(Vec<Pair>, usize)> {
    let length = fs::metadata(dir.join("db")).map_or(0, |found| found.len());
    let segments = length.div_ceil(SEGMENT);
    let cuts = (1..segments).rev().take(MOST_CUTS).map(|whole| whole * SEGMENT);
    let ways = [(true, None), (false, None)].into_iter().chain(cuts.map(|cut| (false, Some(cut))));
    let mut best = (Vec::new(), 0);
    for (index, (snapshots, cut)) in ways.enumerate() {
        let copy = work.join(index.to_string());
        copy_store(dir, &copy, snapshots, cut)?;
        let (kept, senseless) = read_all(&copy).into_iter().partition::<Vec<Pair>, _>(makes_sense);
        if kept.len() > best.0.len() {
            best = (kept, senseless.len());
        }
        fs::remove_dir_all(&copy)?;
    }
    Ok(best)
}

/// What can be read of a copy.
fn read_all(copy: &Path) -> Vec<Pair> {
    let Ok(disk) = Disk::open(copy, Durability::Process) else { return Vec::new() };
    let mut pairs: Vec<Pair> = Vec::new();
    let mut from = Vec::new();
    loop {
        match next(&disk, &from) {
            Ok(Some(pair)) => {
                from = [pair.0.as_slice(), &[0]].concat();
                pairs.push(pair);
            }
            Ok(None) => break,
            Err(_) => match past_damage(&disk, &from) {
                Some(further) => from = further,
                None => break,
            },
        }
    }
    // A copy.
    let _closed = disk.close(copy);
    pairs.retain(|(key, _)| !format::is_meta(key));
    pairs
}

fn next(disk: &Disk, from: &[u8]) -> Result<Option<Pair>, StoreError> {
    disk.range(from, &[u8::MAX], Wanted::Bytes(1)).map(|pairs| pairs.into_iter().next())
}

/// The nearest place after `from` where something can be read: each byte is raised in turn, from the last to the first,
/// so that no more is passed over than has to be.
fn past_damage(disk: &Disk, from: &[u8]) -> Option<Vec<u8>> {
    let places = (0..from.len()).rev().flat_map(|at| {
        (from[at]..u8::MAX).map(move |byte| {
            let mut place = from[..=at].to_vec();
            place[at] = byte + 1;
            place
        })
    });
    let mut first = (from.is_empty()).then(|| vec![0]).into_iter().chain(places);
    first.find(|place| next(disk, place).is_ok())
}

fn makes_sense(pair: &Pair) -> bool {
    match pair.0.first() {
        Some(&TABLES) => serde_json::from_slice::<serde::de::IgnoredAny>(&pair.1).is_ok(),
        _ => log::is_piece(pair),
    }
}

fn copy_store(dir: &Path, to: &Path, snapshots: bool, cut: Option<u64>) -> io::Result<()> {
    fs::create_dir_all(to.join("blobs"))?;
    if !dir.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        let is_snapshot = name.to_string_lossy().starts_with("snap.");
        if entry.file_type()?.is_file() && (snapshots || !is_snapshot) {
            fs::copy(entry.path(), to.join(&name))?;
        }
    }
    if let Ok(blobs) = fs::read_dir(dir.join("blobs")) {
        for blob in blobs {
            let blob = blob?;
            fs::copy(blob.path(), to.join("blobs").join(blob.file_name()))?;
        }
    }
    if let Some(cut) = cut {
        fs::OpenOptions::new().write(true).open(to.join("db"))?.set_len(cut)?;
    }
    Ok(())
}

fn free_name(dir: &Path) -> PathBuf {
    let name = dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut names = (1u32..).map(|number| dir.with_file_name(format!("{name}.damaged-{number}")));
    names.find(|path| !path.exists()).expect("no directory has that many entries")
}
