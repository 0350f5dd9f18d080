//! The one place that knows sled, with the [`flusher`](super::flusher).
//!
//! sled may panic on what it can't understand, so each call is guarded. A failed write stays with sled's handle for good
//! (`global_error`): only opening the store anew gets rid of it, which the writer does.

use std::{
    fs::{self, File, TryLockError},
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use super::{
    StoreError,
    backend::{Changes, Pair, Wanted},
    flusher::Flusher,
};

/// In bytes. Everything that a start reads fits in, and a daemon of many sessions reads each log once, so more would hold
/// what nobody asks for again; sled's own default is a gigabyte.
const CACHE: u64 = 16 << 20;
/// How long the lock may outlive what held it: sled's threads let go of the file a moment later.
const LOCK_WAIT: Duration = Duration::from_secs(5);

/// What an acknowledged write survives.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Durability {
    /// The end of the process, however it comes, `kill -9` included; of a loss of power all but the last half second.
    #[default]
    Process,
    /// A loss of power as well, as far as the disk itself keeps its word. Each write then takes as long as the disk needs.
    Power,
}

/// An open store on disk.
#[derive(Debug)]
pub(super) struct Disk {
    db: sled::Db,
    flusher: Flusher,
    log: PathBuf,
    /// A second descriptor of sled's log file, whose own can't be had.
    file: File,
    identity: Identity,
    durability: Durability,
}

/// Tells a file from another that took its place.
#[derive(Debug, PartialEq, Eq)]
struct Identity(u64, u64);

/// The file that holds everything, and that is locked.
pub(super) fn log_of(dir: &Path) -> PathBuf {
    dir.join("db")
}

/// Whether somebody has the store open.
///
/// # Errors
/// The file can't be opened.
pub(super) fn is_held(dir: &Path) -> io::Result<bool> {
    match File::open(log_of(dir))?.try_lock() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Waits until nobody has the store open, for a moment. Whether that is so.
pub(super) fn wait_until_free(dir: &Path) -> bool {
    is_free_within(dir, LOCK_WAIT)
}

/// The same, but no longer than this.
pub(super) fn is_free_within(dir: &Path, longest: Duration) -> bool {
    let until = Instant::now() + longest;
    // What can't be opened is held by nobody.
    while is_held(dir).unwrap_or(false) {
        if Instant::now() >= until {
            return false;
        }
        thread::sleep(Duration::from_millis(1));
    }
    true
}

impl Disk {
    /// Opens what lies in `dir`, or makes it.
    pub(super) fn open(dir: &Path, durability: Durability) -> Result<Self, StoreError> {
        let log = log_of(dir);
        let db = guarded(|| sled::Config::new().path(dir).cache_capacity(CACHE).open())?;
        let opened = || {
            let file = File::open(&log)?;
            if durability == Durability::Power {
                // The file's name as well: a file without one is lost with its content.
                file.sync_all()?;
                File::open(dir)?.sync_all()?;
            }
            Ok::<_, io::Error>((Identity::of(&file.metadata()?), file))
        };
        let (identity, file) = opened().map_err(|error| StoreError::of_io(&error))?;
        let flusher = Flusher::start(&db).map_err(|error| StoreError::of_io(&error))?;
        Ok(Self { db, flusher, log, file, identity, durability })
    }

    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(guarded(|| self.db.get(key))?.map(|value| value.to_vec()))
    }

    pub(super) fn range(&self, from: &[u8], to: &[u8], wanted: Wanted) -> Result<Vec<Pair>, StoreError> {
        let pair = |item: sled::Result<(sled::IVec, sled::IVec)>| {
            item.map(|(key, value)| (key.to_vec(), wanted.value(&value))).map_err(|error| fault(&error))
        };
        guarded(|| Ok(wanted.of(self.db.range(from..to).map(pair))))?
    }

    /// Writes all of it, so that it survives what [`Durability`] says, or fails.
    pub(super) fn commit(&self, changes: &Changes) -> Result<(), StoreError> {
        let mut batch = sled::Batch::default();
        for (key, value) in changes {
            match value {
                Some(value) => batch.insert(key.as_slice(), value.as_slice()),
                None => batch.remove(key.as_slice()),
            }
        }
        guarded(|| self.db.apply_batch(batch))?;
        guarded(|| self.flusher.flush(&self.db))?;
        if self.durability == Durability::Power {
            self.file.sync_all().map_err(|error| StoreError::of_io(&error))?;
        }
        self.check_place()
    }

    /// Whether what is written still goes where the next start looks for it.
    pub(super) fn check_place(&self) -> Result<(), StoreError> {
        match fs::metadata(&self.log) {
            Ok(found) if Identity::of(&found) == self.identity => Ok(()),
            _ => Err(StoreError::Gone),
        }
    }

    /// Closes it, and returns once it can be opened again.
    pub(super) fn close(self, dir: &Path) -> Result<(), StoreError> {
        let Self { db, flusher, file, .. } = self;
        drop(file);
        let closed = guarded(|| {
            drop(flusher);
            drop(db);
            Ok(())
        });
        if wait_until_free(dir) { closed } else { Err(StoreError::Slow) }
    }
}

impl Identity {
    #[cfg(unix)]
    fn of(metadata: &fs::Metadata) -> Self {
        use std::os::unix::fs::MetadataExt as _;

        Self(metadata.dev(), metadata.ino())
    }

    /// Elsewhere an open file can't be removed.
    #[cfg(not(unix))]
    fn of(_: &fs::Metadata) -> Self {
        Self(0, 0)
    }
}

/// A call into sled; a panic of it is damage.
fn guarded<T>(call: impl FnOnce() -> sled::Result<T>) -> Result<T, StoreError> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(fault(&error)),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it makes no sense");
            Err(StoreError::Damaged { what: text.to_owned() })
        }
    }
}

fn fault(error: &sled::Error) -> StoreError {
    match error {
        sled::Error::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            StoreError::Damaged { what: "a file ends too soon".to_owned() }
        }
        sled::Error::Io(error) => StoreError::of_io(error),
        sled::Error::Corruption { .. } => StoreError::Damaged { what: "its checksums don't match".to_owned() },
        other => StoreError::Damaged { what: other.to_string() },
    }
}
