//! The key that seals what lies in the data directory.
//!
//! Which of three places has it is told by a file of the data directory, made with the key and never replaced:
//!
//! - `sealing-key.id`: the keyring does, under `sealing-key/ID`. The id is of chance, so that two data directories of one user
//!   never share a key, nor one take the other's away.
//! - `sealing-key`: this file does.
//! - `sealing-key.salt`: nobody does; it is derived from a passphrase with what this file holds.
//!
//! So a key that was made once and can't be had is an error, whatever the settings say by now: another one would leave all that
//! the first has sealed unreadable for ever.

use std::{
    fmt,
    num::NonZeroU32,
    path::{Path, PathBuf},
};

use aws_lc_rs::{hmac, pbkdf2};
use greenroom_config::CredentialStore;
use secrecy::{ExposeSecret as _, SecretString};
use zeroize::Zeroizing;

use super::{
    key_file::{self, FileError},
    keyring::{Keyring, KeyringError, KeyringErrorKind},
};

/// Below the data directory.
const FILE: &str = "sealing-key";
const ID: &str = "sealing-key.id";
const SALT: &str = "sealing-key.salt";
/// Of the key, in bytes.
const KEY: usize = 32;
/// Of an id and of a salt, in bytes.
const RANDOM: usize = 16;
/// Of what tells whether a passphrase is the one that was given first, in bytes. It is no more than anything that was sealed
/// would tell.
const CHECK: usize = 16;
/// What is signed for that.
const CHECKED: &[u8] = b"greenroom sealing key";
/// What OWASP asks of PBKDF2 with SHA-256.
const ROUNDS: NonZeroU32 = NonZeroU32::new(600_000).expect("it is not zero");

/// 256 bits that seal what lies in the data directory. Wiped when it is dropped, and shown by nothing.
#[derive(Clone)]
pub struct SealingKey(Zeroizing<[u8; KEY]>);

impl SealingKey {
    /// The key itself.
    #[must_use]
    pub fn expose_secret(&self) -> &[u8; KEY] {
        &self.0
    }

    fn random() -> Self {
        Self(Zeroizing::new(rand::random()))
    }

    /// As it is kept.
    fn to_text(&self) -> SecretString {
        hex(&self.0[..]).as_str().into()
    }

    fn of_text(text: &str) -> Option<Self> {
        unhex(text).map(Self)
    }
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealingKey")
    }
}

/// Where a sealing key is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyPlace {
    /// In the system's keyring.
    Keyring,
    /// In this file, which is the user's alone.
    File(PathBuf),
    /// Nowhere: it is made from a passphrase.
    Passphrase,
}

/// Where a key may be, and what it takes to get at it.
#[derive(Debug)]
pub struct KeyArgs<'a> {
    /// The data directory, which is there.
    pub data_dir: &'a Path,
    /// Where a key is made if there is none yet.
    pub store: CredentialStore,
    /// What the key is made from, where one was given.
    pub passphrase: Option<SecretString>,
    /// The keyring, where it was asked for; else why there is none.
    pub keyring: Result<Keyring, KeyringError>,
}

/// Why there is no sealing key. No variant holds any of one.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum SealingKeyError {
    /// The keyring that has it, or was to have it, can't be had.
    #[error("the key that seals credentials cannot be had from the keyring")]
    Keyring(#[source] KeyringError),
    /// The keyring that had it has it no more.
    #[error("the keyring has no entry {entry} any more, the key that seals credentials")]
    Lost {
        /// The entry, of the service `greenroom`.
        entry: String,
        /// What says that it was there.
        file: PathBuf,
    },
    /// A file of it can't be read or written, or isn't this user's alone, or isn't what it should be.
    #[error("the key that seals credentials cannot be had from {path}", path = .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: FileError,
    },
    /// What the keyring has there is no key.
    #[error("what the keyring has at {entry} is no key")]
    Malformed {
        /// The entry, of the service `greenroom`.
        entry: String,
    },
    /// Another passphrase was given before.
    #[error("the passphrase is not the one that credentials were sealed with")]
    WrongPassphrase,
    /// It is made from a passphrase, and none was given.
    #[error("credentials are sealed with a passphrase, and none is configured")]
    NoPassphrase,
    /// It is elsewhere than the settings say.
    #[error("the key that seals credentials is {place}, and the settings have it elsewhere")]
    Elsewhere {
        /// Where.
        place: &'static str,
        /// What says so.
        file: PathBuf,
        /// What the settings should say.
        setting: &'static str,
    },
}

impl SealingKeyError {
    /// One line on what to do.
    #[must_use]
    pub fn hint(&self) -> String {
        let anew = |file: &Path| format!("to begin anew without what was sealed, remove {}", file.display());
        match self {
            Self::Keyring(error) if error.kind == KeyringErrorKind::None => {
                "set credentials.store = \"file\" if nothing was sealed yet, else run it where the keyring is"
                    .to_owned()
            }
            Self::Keyring(error) => error.hint().to_owned(),
            Self::Lost { file, .. } => format!("restore the entry from a backup of the keyring; {}", anew(file)),
            Self::File { path, source } => source.hint(path),
            Self::Malformed { .. } => "restore the entry from a backup of the keyring".to_owned(),
            Self::WrongPassphrase => "give the passphrase that was given first".to_owned(),
            Self::NoPassphrase => "set credentials.passphrase to a reference to it".to_owned(),
            Self::Elsewhere { file, setting, .. } => format!("{setting}; {}", anew(file)),
        }
    }
}

/// Whether a key was made for this data directory, wherever it is: then [`sealing_key`] makes none.
#[must_use]
pub fn has_sealing_key(data_dir: &Path) -> bool {
    [ID, FILE, SALT].iter().any(|name| data_dir.join(name).symlink_metadata().is_ok())
}

/// The key, made if there never was one, and where it is.
///
/// # Errors
/// It can't be had. None is made in place of one that was there.
pub async fn sealing_key(args: KeyArgs<'_>) -> Result<(SealingKey, KeyPlace), SealingKeyError> {
    let dir = args.data_dir;
    let read = |name: &str| {
        let path = dir.join(name);
        key_file::read(&path).map_err(|source| SealingKeyError::File { path, source })
    };
    let found = Found { id: read(ID)?, file: read(FILE)?, salt: read(SALT)? };
    match plan(&found, args.store, args.passphrase.is_some()) {
        Plan::Elsewhere(place) => Err(elsewhere(dir, place)),
        Plan::NoPassphrase => Err(SealingKeyError::NoPassphrase),
        Plan::Passphrase => {
            let passphrase = args.passphrase.expect("it was just seen");
            let key = of_passphrase(dir, found.salt, passphrase).await?;
            Ok((key, KeyPlace::Passphrase))
        }
        Plan::File => {
            let path = dir.join(FILE);
            let key = match found.file {
                Some(text) => SealingKey::of_text(&text).ok_or_else(|| malformed(&path))?,
                None => make_file(&path)?,
            };
            Ok((key, KeyPlace::File(path)))
        }
        Plan::Keyring => {
            let keyring = args.keyring.map_err(SealingKeyError::Keyring)?;
            let key = match found.id {
                Some(id) => from_keyring(&keyring, dir, &id).await?,
                None => make_in_keyring(&keyring, dir).await?,
            };
            Ok((key, KeyPlace::Keyring))
        }
        Plan::KeyringOrFile => {
            let made = match args.keyring {
                Ok(keyring) => make_in_keyring(&keyring, dir).await,
                Err(error) => Err(SealingKeyError::Keyring(error)),
            };
            match made {
                Ok(key) => Ok((key, KeyPlace::Keyring)),
                // One that is locked is there, and what is sealed tomorrow would be sealed with its key.
                Err(SealingKeyError::Keyring(error)) if error.kind == KeyringErrorKind::None => {
                    let path = dir.join(FILE);
                    Ok((make_file(&path)?, KeyPlace::File(path)))
                }
                Err(error) => Err(error),
            }
        }
    }
}

/// What a data directory has of a key.
#[derive(Default)]
struct Found {
    id: Option<Zeroizing<String>>,
    file: Option<Zeroizing<String>>,
    salt: Option<Zeroizing<String>>,
}

/// Where the key is to be had from.
#[derive(Debug, PartialEq, Eq)]
enum Plan {
    Keyring,
    File,
    /// There never was one, and wherever it can be is right.
    KeyringOrFile,
    Passphrase,
    NoPassphrase,
    /// Where the settings don't have it: the file that says so.
    Elsewhere(&'static str),
}

/// What was begun in one place goes on there; the settings decide where there is nothing yet, and which of several it is.
fn plan(found: &Found, store: CredentialStore, has_passphrase: bool) -> Plan {
    let (id, file, salt) = (found.id.is_some(), found.file.is_some(), found.salt.is_some());
    match store {
        _ if has_passphrase && (salt || !(id || file)) => Plan::Passphrase,
        _ if has_passphrase => Plan::Elsewhere(if id { ID } else { FILE }),
        CredentialStore::Keyring | CredentialStore::Auto if id => Plan::Keyring,
        CredentialStore::File | CredentialStore::Auto if file => Plan::File,
        _ if id => Plan::Elsewhere(ID),
        _ if file => Plan::Elsewhere(FILE),
        _ if salt => Plan::NoPassphrase,
        CredentialStore::Keyring => Plan::Keyring,
        CredentialStore::File => Plan::File,
        CredentialStore::Auto => Plan::KeyringOrFile,
    }
}

fn elsewhere(dir: &Path, name: &'static str) -> SealingKeyError {
    let (place, setting) = match name {
        ID => ("in the keyring", "set credentials.store = \"keyring\", without a passphrase"),
        _ => ("in a file", "set credentials.store = \"file\", without a passphrase"),
    };
    SealingKeyError::Elsewhere { place, file: dir.join(name), setting }
}

fn make_file(path: &Path) -> Result<SealingKey, SealingKeyError> {
    let text = place(path, SealingKey::random().to_text().expose_secret())?;
    SealingKey::of_text(&text).ok_or_else(|| malformed(path))
}

/// What the file has now: `text`, or what another process was quicker to put there, so that both go on with the same.
fn place(path: &Path, text: &str) -> Result<Zeroizing<String>, SealingKeyError> {
    key_file::place(path, text).map_err(|source| SealingKeyError::File { path: path.to_owned(), source })
}

fn malformed(path: &Path) -> SealingKeyError {
    SealingKeyError::File { path: path.to_owned(), source: FileError::Malformed }
}

fn entry(id: &str) -> String {
    format!("sealing-key/{id}")
}

async fn from_keyring(keyring: &Keyring, dir: &Path, id: &str) -> Result<SealingKey, SealingKeyError> {
    if unhex::<RANDOM>(id).is_none() {
        return Err(malformed(&dir.join(ID)));
    }
    let entry = entry(id);
    match keyring.get(&entry).await.map_err(SealingKeyError::Keyring)? {
        Some(text) => SealingKey::of_text(text.expose_secret()).ok_or(SealingKeyError::Malformed { entry }),
        None => Err(SealingKeyError::Lost { entry, file: dir.join(ID) }),
    }
}

/// The entry comes before the file that says that it is there: what breaks off between them leaves an entry that nothing is
/// sealed with, and never a promise of a key that isn't there.
async fn make_in_keyring(keyring: &Keyring, dir: &Path) -> Result<SealingKey, SealingKeyError> {
    let id = hex(&rand::random::<[u8; RANDOM]>());
    let made = SealingKey::random();
    keyring.set(&entry(&id), &made.to_text()).await.map_err(SealingKeyError::Keyring)?;
    let kept = place(&dir.join(ID), &id);
    if kept.as_ref().is_ok_and(|kept| **kept == *id) {
        return from_keyring(keyring, dir, &id).await;
    }
    if let Err(error) = keyring.remove(&entry(&id)).await {
        tracing::warn!("an entry that nothing uses stays in the keyring, {}: {error}", entry(&id));
    }
    from_keyring(keyring, dir, &kept?).await
}

/// The file has the salt, and a check of the key that came of it first.
async fn of_passphrase(
    dir: &Path,
    found: Option<Zeroizing<String>>,
    passphrase: SecretString,
) -> Result<SealingKey, SealingKeyError> {
    let path = dir.join(SALT);
    let known = match &found {
        Some(text) => Some(salted(text).ok_or_else(|| malformed(&path))?),
        None => None,
    };
    let salt = known.map_or_else(rand::random, |(salt, _)| salt);
    let key = derive(salt, passphrase.clone()).await;
    let Some((_, check)) = known else {
        let text = format!("{} {}", &*hex(&salt), &*hex(&check(&key)));
        let kept = place(&path, &text)?;
        // With another salt it is another key.
        return if *kept == text { Ok(key) } else { Box::pin(of_passphrase(dir, Some(kept), passphrase)).await };
    };
    if check != self::check(&key) {
        return Err(SealingKeyError::WrongPassphrase);
    }
    Ok(key)
}

fn salted(text: &str) -> Option<([u8; RANDOM], [u8; CHECK])> {
    let (salt, check) = text.split_once(' ')?;
    Some((*unhex(salt)?, *unhex(check)?))
}

async fn derive(salt: [u8; RANDOM], passphrase: SecretString) -> SealingKey {
    let derived = tokio::task::spawn_blocking(move || {
        let mut key = Zeroizing::new([0; KEY]);
        let passphrase = passphrase.expose_secret().as_bytes();
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, ROUNDS, &salt, passphrase, &mut key[..]);
        SealingKey(key)
    });
    derived.await.expect("deriving a key does not panic")
}

fn check(key: &SealingKey) -> [u8; CHECK] {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key.0[..]), CHECKED);
    let mut check = [0; CHECK];
    check.copy_from_slice(&tag.as_ref()[..CHECK]);
    check
}

fn hex(bytes: &[u8]) -> Zeroizing<String> {
    let digit = |half: u8| char::from_digit(u32::from(half), 16).expect("four bits are a digit");
    let mut text = Zeroizing::new(String::with_capacity(2 * bytes.len()));
    bytes.iter().for_each(|byte| text.extend([digit(byte >> 4), digit(byte & 15)]));
    text
}

fn unhex<const N: usize>(text: &str) -> Option<Zeroizing<[u8; N]>> {
    let digits = text.as_bytes();
    let half = |digit: u8| char::from(digit).to_digit(16).and_then(|half| u8::try_from(half).ok());
    let mut bytes = Zeroizing::new([0; N]);
    if digits.len() != 2 * N {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = half(pair[0])? << 4 | half(pair[1])?;
    }
    Some(bytes)
}

#[cfg(test)]
#[path = "sealing_key_tests.rs"]
mod tests;
