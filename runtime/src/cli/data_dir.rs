//! The directory where greenroom keeps what is its user's alone.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io,
    path::{Path, PathBuf},
};

use super::failure::Failure;

/// The data directory: there, this user's, and closed to all others.
#[derive(Debug)]
pub(crate) struct DataDir(PathBuf);

impl DataDir {
    /// Makes it if it isn't there, mode 0700, and makes sure that it is this user's alone.
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        // A service may be started with another current directory than the commands that look for it.
        let path = std::path::absolute(path).map_err(|error| unusable(path, &error))?;
        make(&path).map_err(|error| unusable(&path, &error))?;
        let metadata = fs::metadata(&path).map_err(|error| unusable(&path, &error))?;
        if !metadata.is_dir() {
            let what = format!("{} is no directory, so it can't hold data", path.display());
            return Err(Failure::failed(what, "give another one with --data-dir or GREENROOM_DATA_DIR"));
        }
        close_to_others(&path, &metadata)?;
        Ok(Self(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

/// Whether what helps a later process may be kept there: the directory is this user's alone, or not there yet.
pub(crate) fn may_keep(path: &Path) -> bool {
    match fs::metadata(path) {
        Ok(metadata) => metadata.is_dir() && is_closed(path, &metadata),
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

#[cfg(unix)]
fn is_closed(path: &Path, metadata: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;

    metadata.mode() & 0o077 == 0 && check_owner(path, metadata).is_ok()
}

#[cfg(not(unix))]
fn is_closed(_: &Path, _: &fs::Metadata) -> bool {
    true
}

/// What is said where the directory can't be used.
pub(crate) fn unusable(path: &Path, error: &io::Error) -> Failure {
    Failure::failed(
        format!("can't keep data in {}: {error}", path.display()),
        "give a directory that this user can write, with --data-dir or GREENROOM_DATA_DIR",
    )
}

#[cfg(unix)]
fn make(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;

    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

#[cfg(not(unix))]
fn make(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).create(path)
}

/// Others may not read; where they could have written, what lies there can't be trusted.
#[cfg(unix)]
fn close_to_others(path: &Path, metadata: &fs::Metadata) -> Result<(), Failure> {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

    check_owner(path, metadata)?;
    let mode = metadata.mode() & 0o777;
    if mode & 0o022 != 0 {
        let what = format!("other users can write in {} (mode {mode:03o})", path.display());
        let hint =
            format!("close it if it is greenroom's alone: chmod 700 {}; else give another --data-dir", path.display());
        return Err(Failure::failed(what, hint));
    }
    if mode & 0o077 != 0 {
        fs::set_permissions(path, fs::Permissions::from_mode(0o700)).map_err(|error| unusable(path, &error))?;
        super::notes::note(&format!(
            "{} was open to other users (mode {mode:03o}) and is now closed (700)",
            path.display()
        ));
    }
    Ok(())
}

#[cfg(not(unix))]
fn close_to_others(_: &Path, _: &fs::Metadata) -> Result<(), Failure> {
    Ok(())
}

/// What another user owns, that user can change at any time.
#[cfg(unix)]
pub(crate) fn check_owner(path: &Path, metadata: &fs::Metadata) -> Result<(), Failure> {
    use std::os::unix::fs::MetadataExt as _;

    let myself = rustix::process::geteuid();
    // Root is often given a directory of somebody else's, as a volume of a container.
    if myself.is_root() || metadata.uid() == myself.as_raw() {
        return Ok(());
    }
    let what = format!("{} belongs to another user (uid {})", path.display(), metadata.uid());
    Err(Failure::failed(what, "run greenroom as that user, or give another --data-dir"))
}

/// Opens a file of this user's alone, made with mode 0600 if `create`; never through a link, and never waiting for the
/// other end of a pipe.
#[cfg(unix)]
pub(crate) fn open_private(path: &Path, create: bool) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;

    use rustix::fs::OFlags;

    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    OpenOptions::new().read(true).write(create).create(create).mode(0o600).custom_flags(flags).open(path)
}

#[cfg(not(unix))]
pub(crate) fn open_private(path: &Path, create: bool) -> io::Result<File> {
    OpenOptions::new().read(true).write(create).create(create).open(path)
}
