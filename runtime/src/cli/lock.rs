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
pub(crate) struct Lock(File);

impl Lock {
    /// Takes the directory, or says who has it.
    pub(crate) fn take(dir: &DataDir) -> Result<Self, Failure> {
        let mut file = open_private(&dir.at(NAME), true).map_err(|error| unusable(dir.path(), &error))?;
        match try_lock(&file) {
            Ok(()) => {
                let lock = Self(file);
                lock.write("").map_err(|error| unusable(dir.path(), &error))?;
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
    pub(crate) fn tell(&self, address: SocketAddr) -> io::Result<()> {
        self.write(&format!("http://{address}\n"))
    }

    fn write(&self, address: &str) -> io::Result<()> {
        let mut file = &self.0;
        file.set_len(0)?;
        file.rewind()?;
        write!(file, "pid {}\n{address}", process::id())
    }
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

/// Where the daemon listens that holds this data directory, if one does and has said so.
pub(crate) fn holder(dir: &Path) -> Option<SocketAddr> {
    let mut file = File::open(dir.join(NAME)).ok()?;
    if !matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)) {
        return None;
    }
    let mut written = String::new();
    file.read_to_string(&mut written).ok()?;
    written.lines().find_map(|line| line.strip_prefix("http://")?.parse().ok())
}
