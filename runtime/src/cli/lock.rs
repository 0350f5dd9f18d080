//! One daemon a data directory.

use std::{
    fs::{File, TryLockError},
    io::{self, Read as _, Seek as _, Write as _},
    net::SocketAddr,
    path::Path,
    process,
    time::Duration,
};

use super::{
    data_dir::{DataDir, open_private, unusable},
    failure::Failure,
};

const NAME: &str = "lock";
/// How often the lock is asked for, and the pause between.
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(20);

/// The data directory is this process's for as long as it lives; the system takes the lock back when it dies.
#[derive(Debug)]
pub(crate) struct Lock(Option<File>);

impl Lock {
    /// Takes the directory, or says who has it.
    pub(crate) fn take(dir: &DataDir) -> Result<Self, Failure> {
        let (mut file, writable) = match open_private(&dir.at(NAME), true) {
            Ok(file) => (file, true),
            Err(error) if is_read_only(&error) => match open_private(&dir.at(NAME), false) {
                Ok(file) => (file, false),
                // Nobody can have made one.
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self(None)),
                Err(error) => return Err(unusable(dir.path(), &error)),
            },
            Err(error) => return Err(unusable(dir.path(), &error)),
        };
        match try_lock(&file) {
            Ok(()) => {
                let lock = Self(Some(file));
                // A full disk stops no daemon; other commands do not find it then.
                if writable && let Err(error) = lock.write("") {
                    tracing::warn!("the lock file does not say who has the data directory: {error}");
                }
                Ok(lock)
            }
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let _unnamed = file.read_to_string(&mut holder);
                let holder = holder.lines().collect::<Vec<_>>().join(", ");
                let told = if holder.is_empty() { String::new() } else { format!(" ({holder})") };
                Err(Failure::failed(
                    format!("another `greenroom serve` holds {}{told}", dir.path().display()),
                    "use that one or stop it, or give this one a --data-dir of its own",
                ))
            }
            Err(TryLockError::Error(error)) => Err(unusable(dir.path(), &error)),
        }
    }

    /// Writes down where this daemon listens, for those who find the directory taken.
    pub(crate) fn tell(&self, address: SocketAddr, is_tls: bool) -> io::Result<()> {
        self.write(&format!("{}://{address}\n", scheme(is_tls)))
    }

    fn write(&self, address: &str) -> io::Result<()> {
        let Some(mut file) = self.0.as_ref() else { return Ok(()) };
        file.set_len(0)?;
        file.rewind()?;
        write!(file, "pid {}\n{address}", process::id())
    }
}

/// How an address is spoken to.
pub(crate) fn scheme(is_tls: bool) -> &'static str {
    if is_tls { "https" } else { "http" }
}

fn is_read_only(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem)
}

/// Takes the lock. A command that looks whether somebody holds it has it for an instant, which is no daemon.
fn try_lock(file: &File) -> Result<(), TryLockError> {
    let mut taken = file.try_lock();
    for _ in 1..TRIES {
        if !matches!(taken, Err(TryLockError::WouldBlock)) {
            break;
        }
        std::thread::sleep(PAUSE);
        taken = file.try_lock();
    }
    taken
}

/// Whether a daemon holds this data directory, or is about to.
pub(crate) fn is_held(dir: &Path) -> bool {
    let file = File::open(dir.join(NAME));
    file.is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

/// Where the daemon listens that holds this data directory, if one does and has said so. Of one behind TLS nobody here knows
/// whether it is the one with the certificate, so it is asked by its socket alone.
pub(crate) fn holder(dir: &Path) -> Option<SocketAddr> {
    written_by_holder(dir)?.lines().find_map(|line| line.strip_prefix("http://")?.parse().ok())
}

/// The same, also of one behind TLS.
pub(crate) fn listens_at(dir: &Path) -> Option<SocketAddr> {
    let address = |line: &str| line.strip_prefix("http://").or_else(|| line.strip_prefix("https://"))?.parse().ok();
    written_by_holder(dir)?.lines().find_map(address)
}

fn written_by_holder(dir: &Path) -> Option<String> {
    let mut file = File::open(dir.join(NAME)).ok()?;
    if !matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)) {
        return None;
    }
    let mut written = String::new();
    file.read_to_string(&mut written).ok()?;
    Some(written)
}
