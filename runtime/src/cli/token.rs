//! The admin token: what lets a client of the daemon in.

use std::{
    fmt::Write as _,
    fs::{self, File},
    io::{self, Read as _, Write as _},
    path::Path,
};

use secrecy::{ExposeSecret as _, SecretString};

use super::{
    data_dir::{DataDir, open_private, unusable},
    failure::Failure,
};

pub(crate) const NAME: &str = "token";
/// Of the token that is made: 256 bits.
const BYTES: usize = 32;
/// In letters; a token that somebody wrote may be shorter than ours, but not such that it can be guessed.
const SHORTEST: usize = 16;
/// Far more than any token has, in bytes.
const LONGEST: u64 = 4096;

/// The token of this data directory, made if there is none.
pub(crate) fn token(dir: &DataDir) -> Result<SecretString, Failure> {
    let path = dir.at(NAME);
    if let Some(token) = read(&path)? {
        return Ok(token);
    }
    let made = make();
    match place(dir.path(), &path, &made) {
        Ok(()) => Ok(made),
        // Another process was quicker; both are to give the same one.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            read(&path)?.ok_or_else(|| unusable(dir.path(), &error))
        }
        Err(error) => Err(unusable(dir.path(), &error)),
    }
}

/// Puts a new token in the place of the one of this data directory, and gives it.
///
/// # Errors
/// It can't be kept, so the old one stays.
pub(crate) fn renew(dir: &Path) -> io::Result<SecretString> {
    let made = make();
    written(dir, &made)?.persist(dir.join(NAME))?;
    Ok(made)
}

/// Whether there is a token that lets in. Whoever asks has seen that no other user can read the file, which is closed to
/// them otherwise.
pub(crate) fn is_there(dir: &Path) -> Result<bool, Failure> {
    read(&dir.join(NAME)).map(|token| token.is_some())
}

fn make() -> SecretString {
    let bytes: [u8; BYTES] = rand::random();
    let mut token = String::with_capacity(2 * BYTES);
    for byte in bytes {
        write!(token, "{byte:02x}").expect("writing to a String never fails");
    }
    token.into()
}

/// Puts the token there whole or not at all, and never over another: a reader must not see half of it.
fn place(dir: &Path, path: &Path, token: &SecretString) -> io::Result<()> {
    written(dir, token)?.persist_noclobber(path)?;
    Ok(())
}

/// The token in a file of this user's alone, which has no place yet.
fn written(dir: &Path, token: &SecretString) -> io::Result<tempfile::NamedTempFile> {
    let mut file = tempfile::Builder::new().prefix(".token-").tempfile_in(dir)?;
    file.write_all(token.expose_secret().as_bytes())?;
    file.write_all(b"\n")?;
    file.as_file().sync_all()?;
    Ok(file)
}

fn read(path: &Path) -> Result<Option<SecretString>, Failure> {
    let file = match open_private(path, false) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(path, &error)),
    };
    check(path, &file)?;
    let mut text = String::new();
    file.take(LONGEST).read_to_string(&mut text).map_err(|error| unreadable(path, &error))?;
    let token = text.trim_end_matches(['\n', '\r']);
    if token.len() < SHORTEST || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        let what = format!("{} holds no token", path.display());
        return Err(Failure::failed(what, format!("remove it, and a new one is made: rm {}", path.display())));
    }
    Ok(Some(token.to_owned().into()))
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    if fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink()) {
        let what = format!("{} is a link, through which a token is neither read nor written", path.display());
        return Failure::failed(what, "put the token there itself, or remove the link and a new one is made");
    }
    let hint = format!("check that {} is a file which this user may read, or remove it", path.display());
    Failure::failed(format!("can't read the token: {error}"), hint)
}

/// A token that others could read is still the one that clients have, so it stays, and the person hears of it.
#[cfg(unix)]
fn check(path: &Path, file: &File) -> Result<(), Failure> {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

    let metadata = file.metadata().map_err(|error| unreadable(path, &error))?;
    if !metadata.is_file() {
        let what = format!("{} is no file", path.display());
        return Err(Failure::failed(what, "move it away, and a token is made in its place"));
    }
    super::data_dir::check_owner(path, &metadata)?;
    let mode = metadata.mode() & 0o777;
    if mode & 0o077 != 0 {
        file.set_permissions(fs::Permissions::from_mode(0o600)).map_err(|error| unreadable(path, &error))?;
        super::notes::warning(&format!(
            "{} was open to other users (mode {mode:03o}) and is now closed",
            path.display()
        ));
        super::notes::hint(&format!("if others use this machine, remove it for a new token: rm {}", path.display()));
    }
    Ok(())
}

#[cfg(not(unix))]
fn check(_: &Path, _: &File) -> Result<(), Failure> {
    Ok(())
}
