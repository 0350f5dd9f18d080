//! Small files that are this user's alone, made whole and never replaced.

use std::{
    fs::{self, File},
    io::{self, Read as _, Write as _},
    path::Path,
    sync::Arc,
};

use zeroize::Zeroizing;

/// More than any of them has, in bytes.
const LONGEST: u64 = 1024;

/// Why a file can't be had.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// Others can read it, so what it holds is no secret.
    #[error("other users can read it (mode {mode:03o})")]
    ReadableByOthers {
        /// Its permission bits.
        mode: u32,
    },
    /// It is a link, a directory, or something else than a file.
    #[error("it is no file")]
    NoFile,
    /// It does not hold what it should.
    #[error("it does not hold what it should")]
    Malformed,
    /// The system refuses.
    #[error("the system refuses")]
    Io(#[source] Arc<io::Error>),
}

impl FileError {
    pub(super) fn hint(&self, path: &Path) -> String {
        match self {
            Self::ReadableByOthers { .. } => {
                format!("chmod 600 {}; if others use this machine, log in and add keys anew afterwards", path.display())
            }
            Self::NoFile | Self::Malformed => "restore the file from a backup of the data directory".to_owned(),
            Self::Io(_) => "check that this user may read and write in the data directory".to_owned(),
        }
    }
}

impl From<io::Error> for FileError {
    fn from(error: io::Error) -> Self {
        Self::Io(Arc::new(error))
    }
}

/// The one line of a file; `None` if there is no such file.
pub(super) fn read(path: &Path) -> Result<Option<Zeroizing<String>>, FileError> {
    let file = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
        // A link may lead to what others can change.
        Ok(found) if !found.is_file() => return Err(FileError::NoFile),
        Ok(_) => File::open(path)?,
    };
    check(&file)?;
    // With room for all from the start, no piece of it is left behind by growing.
    let mut bytes = Zeroizing::new(Vec::with_capacity(LONGEST as usize + 1));
    file.take(LONGEST + 1).read_to_end(&mut bytes)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| FileError::Malformed)?;
    match text.strip_suffix('\n') {
        Some(line) if bytes.len() as u64 <= LONGEST && !line.is_empty() => Ok(Some(Zeroizing::new(line.to_owned()))),
        _ => Err(FileError::Malformed),
    }
}

#[cfg(unix)]
fn check(file: &File) -> Result<(), FileError> {
    use std::os::unix::fs::PermissionsExt as _;

    let mode = file.metadata()?.permissions().mode() & 0o777;
    if mode & 0o077 == 0 { Ok(()) } else { Err(FileError::ReadableByOthers { mode }) }
}

/// Who may read a file is said by lists there that only the platform's own tools show well.
#[cfg(not(unix))]
fn check(_: &File) -> Result<(), FileError> {
    Ok(())
}

/// Makes the file with this line, whole and on the disk, unless there is one; gives the line that it has then.
pub(super) fn place(path: &Path, line: &str) -> Result<Zeroizing<String>, FileError> {
    let dir = path.parent().ok_or(FileError::NoFile)?;
    // Mode 0600 from its start.
    let mut file = tempfile::Builder::new().prefix(".sealing-").tempfile_in(dir)?;
    file.write_all(line.as_bytes())?;
    file.write_all(b"\n")?;
    file.as_file().sync_all()?;
    match file.persist_noclobber(path) {
        Ok(_) => sync(dir)?,
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error.error.into()),
    }
    read(path)?.ok_or(FileError::NoFile)
}

/// The name of a new file is on the disk once its directory is.
#[cfg(unix)]
fn sync(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

#[cfg(not(unix))]
fn sync(_: &Path) -> io::Result<()> {
    Ok(())
}
