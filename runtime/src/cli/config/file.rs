//! The file of the configuration, as it is changed: whole or not at all, and by one at a time.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, Write as _},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use crate::cli::Failure;

/// A change takes milliseconds; who takes longer has hung.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(10);
/// Where a directory can't be locked, a file beside the configuration is, and stays there.
const LOCK: &str = ".config.toml.lock";

/// The file, which nobody else changes in this way meanwhile.
pub(super) struct Locked {
    path: PathBuf,
    /// Given back when it is closed.
    _lock: File,
    /// Its text; `None` where there is none yet.
    pub(super) text: Option<String>,
}

impl Locked {
    /// Locks the file and reads it. The directory is made if there is none.
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        let failed = |error: &io::Error| unchanged(path, error);
        let path = real(path)?;
        let dir = directory(&path);
        make(&dir).map_err(|error| failed(&error))?;
        let lock = lock(&dir).map_err(|error| failed(&error))?;
        let text = match fs::read(&path) {
            Ok(bytes) => Some(String::from_utf8(bytes).map_err(|_| {
                Failure::usage(format!("{} is not UTF-8", path.display()), "save it as UTF-8 in an editor")
            })?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(failed(&error)),
        };
        Ok(Self { path, _lock: lock, text })
    }

    /// Puts this text in its place.
    pub(super) fn write(&self, text: &str) -> Result<(), Failure> {
        self.replace(text).map_err(|error| unchanged(&self.path, &error))
    }

    fn replace(&self, text: &str) -> io::Result<()> {
        let dir = directory(&self.path);
        let mut fresh = tempfile::Builder::new().prefix(".config-").tempfile_in(&dir)?;
        fresh.write_all(text.as_bytes())?;
        // One that was not there is this user's alone, since it may come to hold secrets.
        if let Ok(metadata) = fs::metadata(&self.path) {
            keep_owner(fresh.as_file(), &metadata);
            fresh.as_file().set_permissions(metadata.permissions())?;
        }
        fresh.as_file().sync_all()?;
        fresh.persist(&self.path)?;
        sync(&dir)
    }
}

/// Whether there is a directory for the file, so that nothing need be made to read it.
pub(super) fn has_place(path: &Path) -> bool {
    directory(path).is_dir()
}

/// Where a link leads, so that it stays one.
fn real(path: &Path) -> Result<PathBuf, Failure> {
    match fs::canonicalize(path) {
        Ok(real) => Ok(real),
        Err(error) if error.kind() == io::ErrorKind::NotFound && fs::symlink_metadata(path).is_err() => {
            std::path::absolute(path).map_err(|error| unchanged(path, &error))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let what = format!("{} is a link that leads nowhere", path.display());
            Err(Failure::failed(what, "make the file that it leads to, or remove the link"))
        }
        Err(error) => Err(unchanged(path, &error)),
    }
}

fn directory(path: &Path) -> PathBuf {
    path.parent().filter(|dir| !dir.as_os_str().is_empty()).map_or_else(|| ".".into(), Path::to_owned)
}

fn unchanged(path: &Path, error: &io::Error) -> Failure {
    Failure::failed(
        format!("can't change {}: {error}", path.display()),
        "see that this user may write the file and its directory, or name another one with --config",
    )
}

fn make(dir: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)
}

/// A lock on the directory: one on the file would be gone with the file that is replaced.
fn lock(dir: &Path) -> io::Result<File> {
    let until = Instant::now() + PATIENCE;
    let mut file = File::open(dir).or_else(|_| lock_file(dir))?;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if Instant::now() < until => std::thread::sleep(PAUSE),
            Err(TryLockError::WouldBlock) => {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "another change of it does not end"));
            }
            Err(TryLockError::Error(_)) if file.metadata()?.is_dir() => file = lock_file(dir)?,
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
}

fn lock_file(dir: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(dir.join(LOCK))
}

/// Whose file it is stays so where root changes it; nobody else may give files away.
#[cfg(unix)]
fn keep_owner(fresh: &File, before: &fs::Metadata) {
    use std::os::unix::fs::{MetadataExt as _, fchown};

    let _as_far_as_allowed = fchown(fresh, Some(before.uid()), Some(before.gid()));
}

#[cfg(not(unix))]
fn keep_owner(_: &File, _: &fs::Metadata) {}

/// A name in a directory is on disk once the directory is.
#[cfg(unix)]
fn sync(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

#[cfg(not(unix))]
fn sync(_: &Path) -> io::Result<()> {
    Ok(())
}
