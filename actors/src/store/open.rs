//! From a path to an open store, or to why there is none. Nothing that lies there is ever overwritten.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    Durability, OpenError, StoreError,
    backend::Backend,
    before,
    disk::{Disk, is_free_within, is_held, log_of, wait_until_free},
    format::{self, Schema},
};

/// A store that was just opened.
pub(super) struct Opened {
    pub(super) backend: Backend,
    /// Whether the last stop was a clean one.
    pub(super) was_clean: bool,
}

/// Opens the store in `dir`, or makes it if there is none.
pub(super) fn open(dir: &Path, durability: Durability, schema: Schema) -> Result<Opened, OpenError> {
    if is_new(dir).map_err(|source| unwritable(dir, source))? {
        make(dir, durability, schema)?;
    }
    check_shape(dir)?;
    check_free(dir)?;
    let before = before::Files::read(dir);
    let opened = open_disk(dir, durability, schema);
    if let Err(OpenError::Damaged { .. }) = &opened
        && let Some(before) = before
        && wait_until_free(dir)
    {
        // The damage is told of either way.
        let _restored = before.restore();
    }
    opened
}

fn open_disk(dir: &Path, durability: Durability, schema: Schema) -> Result<Opened, OpenError> {
    let mut tries = 1;
    let disk = loop {
        let fault = match Disk::open(dir, durability) {
            Ok(disk) => break disk,
            Err(fault) => fault,
        };
        // Somebody was quicker.
        check_free(dir)?;
        // Whoever only looked had the lock for an instant, which is told of as any other fault of the disk.
        if tries == OPEN_TRIES || !matches!(fault, StoreError::Unwritable { .. }) {
            return Err(OpenError::of(dir, fault));
        }
        tries += 1;
    };
    let backend = Backend::Disk(disk);
    format::migrate(&backend, dir, schema)?;
    let was_clean = format::was_clean(&backend).map_err(|fault| OpenError::of(dir, fault))?;
    Ok(Opened { backend, was_clean })
}

/// Opens a store again that this process had open, after a fault.
pub(super) fn reopen(dir: &Path, durability: Durability) -> Result<Backend, StoreError> {
    Disk::open(dir, durability).map(Backend::Disk)
}

fn is_new(dir: &Path) -> io::Result<bool> {
    match fs::read_dir(dir) {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        // What is no directory is told of as damage.
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => Ok(false),
        Err(error) => Err(error),
    }
}

/// A new store is made beside its place and moved there whole, so that whatever lies there without saying what it is has
/// lost something.
fn make(dir: &Path, durability: Durability, schema: Schema) -> Result<(), OpenError> {
    let parent = dir.parent().unwrap_or(Path::new("."));
    let made =
        tempfile::Builder::new().prefix(".store-").tempdir_in(parent).map_err(|source| unwritable(dir, source))?;
    let fresh = made.path();
    close_to_others(fresh).map_err(|source| unwritable(dir, source))?;
    let fault = |fault| OpenError::of(dir, fault);
    let disk = Disk::open(fresh, durability).map_err(fault)?;
    let signed = format::sign(&disk, schema);
    disk.close(fresh).and(signed).map_err(fault)?;
    match fs::rename(fresh, dir) {
        Ok(()) => {
            if durability == Durability::Power {
                fs::File::open(parent)
                    .and_then(|parent| parent.sync_all())
                    .map_err(|source| unwritable(dir, source))?;
            }
            // What it would remove has moved.
            let _moved = made.keep();
            Ok(())
        }
        // Somebody was quicker: theirs is as good.
        Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(()),
        Err(source) => Err(unwritable(dir, source)),
    }
}

/// What was said to a model is nobody else's to read.
#[cfg(unix)]
pub(super) fn close_to_others(dir: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;

    fs::set_permissions(dir, fs::Permissions::from_mode(0o700))
}

#[cfg(not(unix))]
pub(super) fn close_to_others(_: &Path) -> io::Result<()> {
    Ok(())
}

/// sled would make what it misses, which would be a silent reset.
fn check_shape(dir: &Path) -> Result<(), OpenError> {
    if !dir.is_dir() {
        return Err(OpenError::damaged(dir, "it is no directory"));
    }
    for (name, what) in [("db", "its log"), ("conf", "its description")] {
        match fs::metadata(dir.join(name)) {
            Ok(found) if found.is_file() && found.len() > 0 => {}
            Ok(_) => return Err(OpenError::damaged(dir, format!("{what} is empty"))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(OpenError::damaged(dir, format!("{what} is missing")));
            }
            Err(source) => return Err(unwritable(dir, source)),
        }
    }
    Ok(())
}

/// How often a store is tried to be opened that nobody holds.
const OPEN_TRIES: usize = 5;
/// How long somebody may seem to hold a store who does not: whoever looks whether it is held has its lock for an instant, and
/// a child that is started has this process's files, a lock among them, until its own program begins.
const SEEMING: Duration = Duration::from_millis(50);

fn check_free(dir: &Path) -> Result<(), OpenError> {
    match is_held(dir) {
        Ok(false) => Ok(()),
        Ok(true) if is_free_within(dir, SEEMING) => Ok(()),
        Ok(true) => Err(OpenError::Held { path: dir.to_owned() }),
        Err(source) => Err(unwritable(&log_of(dir), source)),
    }
}

fn unwritable(path: &Path, source: io::Error) -> OpenError {
    OpenError::Unwritable { path: path.to_owned(), source }
}

/// Whether something can be written in `dir` now: sled's handle would not tell once a write has failed.
pub(super) fn can_write(dir: &Path) -> bool {
    /// As much as a group of writes has, so that what opens and then fails at once is rare.
    const ROOM: usize = 64 << 10;
    let path: PathBuf = dir.join("probe");
    let written = fs::write(&path, [0; ROOM]);
    let removed = fs::remove_file(&path);
    written.and(removed).is_ok()
}
