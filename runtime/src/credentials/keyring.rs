//! The system's keyring: the Secret Service on Linux, the keychain of macOS, the credential manager of Windows.

use std::{
    error::Error,
    fmt,
    sync::{Arc, mpsc},
    time::Duration,
};

use keyring_core::{CredentialStore, Entry, Error as StoreError};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::{sync::oneshot, time::timeout};
use zeroize::Zeroize as _;

/// The service under which all entries of greenroom are.
const SERVICE: &str = "greenroom";
/// How many may wait for a keyring that asks a person. More are told so at once.
const ROW: usize = 64;

/// What the thread of a keyring is asked to do, and whether the store is still good.
type Job = Box<dyn FnOnce(keyring_core::Result<&CredentialStore>) -> bool + Send>;

/// The keyring of this user, with the entries of the service `greenroom`. Clones are the same one.
///
/// Each store of the systems blocks, and the one of Linux brings a runtime of its own, which may not be entered from within
/// another. So a thread has the store, and ends with the last clone. A keyring that is locked may have the system ask a
/// person, who may not be there: whoever asks waits for as long as was said at the opening, and what has not begun by then
/// isn't done. A store that fails is opened anew for the next who asks, since sessions come and go while a daemon runs.
///
/// Which keyring it is, on Linux, is said by the session of the process (`DBUS_SESSION_BUS_ADDRESS`, else the bus in
/// `XDG_RUNTIME_DIR`).
#[derive(Clone)]
pub struct Keyring {
    jobs: mpsc::SyncSender<Job>,
    limit: Duration,
}

impl Keyring {
    /// How long an answer is waited for where nobody says otherwise: for a person to type a password.
    pub const LIMIT: Duration = Duration::from_secs(30);

    /// The keyring of this machine, each of whose answers is waited for up to `limit`.
    ///
    /// # Errors
    /// [`KeyringErrorKind::None`] where there is none; it does not answer in time, or not well.
    pub async fn open(limit: Duration) -> Result<Self, KeyringError> {
        let (jobs, asked) = mpsc::sync_channel::<Job>(ROW);
        let (told, opened) = oneshot::channel();
        let thread = std::thread::Builder::new().name("greenroom-keyring".to_owned()).spawn(move || {
            let mut store = match open_store() {
                Ok(store) => Some(store),
                Err(error) => {
                    let _nobody_waits_any_more = told.send(Err(KeyringError::of(error)));
                    return;
                }
            };
            if told.send(Ok(())).is_err() {
                return;
            }
            for job in asked {
                match store.take().map_or_else(open_store, Ok) {
                    Ok(opened) => store = job(Ok(&*opened)).then_some(opened),
                    Err(error) => _ = job(Err(error)),
                }
            }
        });
        thread.map_err(|error| KeyringError::new(KeyringErrorKind::Failed, Some(Arc::new(error))))?;
        within(limit, opened).await?;
        Ok(Self { jobs, limit })
    }

    /// The secret of the entry of this user, such as `anthropic/home`; `None` if there is no such entry.
    ///
    /// # Errors
    /// The keyring can't be had, or what it has there isn't text.
    pub async fn get(&self, user: &str) -> Result<Option<SecretString>, KeyringError> {
        let got = self.ask(user, |entry| entry.get_password().map(SecretString::from)).await;
        got.map(Some).or_else(no_entry(None))
    }

    /// Makes the entry of this user, or gives it this secret.
    ///
    /// # Errors
    /// The keyring can't be had, so it stays as it was; after [`KeyringErrorKind::TimedOut`] that isn't known.
    pub async fn set(&self, user: &str, secret: &SecretString) -> Result<(), KeyringError> {
        let secret = secret.clone();
        self.ask(user, move |entry| entry.set_password(secret.expose_secret())).await.map_err(Refused::into_error)
    }

    /// Removes the entry of this user, and tells whether there was one.
    ///
    /// # Errors
    /// As of [`set`](Self::set).
    pub async fn remove(&self, user: &str) -> Result<bool, KeyringError> {
        self.ask(user, Entry::delete_credential).await.map(|()| true).or_else(no_entry(false))
    }

    async fn ask<T: Send + 'static>(
        &self,
        user: &str,
        act: impl FnOnce(&Entry) -> keyring_core::Result<T> + Send + 'static,
    ) -> Result<T, Refused> {
        let user = user.to_owned();
        let (told, answer) = oneshot::channel();
        let job = move |store: keyring_core::Result<&CredentialStore>| {
            // Whoever has given up does not count on it any more.
            if told.is_closed() {
                return true;
            }
            let entry = store.and_then(|store| store.build(SERVICE, &user, None));
            let done = entry.and_then(|entry| act(&entry)).map_err(Refused::of);
            let is_good = !matches!(&done, Err(Refused::Error(error)) if error.is_of_the_store());
            let _nobody_waits_any_more = told.send(done);
            is_good
        };
        match self.jobs.try_send(Box::new(job)) {
            Ok(()) => within(self.limit, answer).await,
            Err(mpsc::TrySendError::Full(_)) => Err(KeyringError::new(KeyringErrorKind::TimedOut, None).into()),
            Err(mpsc::TrySendError::Disconnected(_)) => Err(KeyringError::new(KeyringErrorKind::Failed, None).into()),
        }
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyring").field("limit", &self.limit).finish_non_exhaustive()
    }
}

/// What comes of waiting for the thread: its answer, unless it takes too long or has died.
async fn within<T, E: From<KeyringError>>(limit: Duration, answer: oneshot::Receiver<Result<T, E>>) -> Result<T, E> {
    match timeout(limit, answer).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(_died)) => Err(KeyringError::new(KeyringErrorKind::Failed, None).into()),
        Err(_elapsed) => Err(KeyringError::new(KeyringErrorKind::TimedOut, None).into()),
    }
}

fn no_entry<T>(otherwise: T) -> impl FnOnce(Refused) -> Result<T, KeyringError> {
    |refused| match refused {
        Refused::NoEntry => Ok(otherwise),
        Refused::Error(error) => Err(error),
    }
}

/// An answer that isn't what was asked for.
enum Refused {
    NoEntry,
    Error(KeyringError),
}

impl Refused {
    fn of(error: StoreError) -> Self {
        match error {
            StoreError::NoEntry => Self::NoEntry,
            error => Self::Error(KeyringError::of(error)),
        }
    }

    fn into_error(self) -> KeyringError {
        match self {
            Self::NoEntry => KeyringError::new(KeyringErrorKind::Failed, None),
            Self::Error(error) => error,
        }
    }
}

impl From<KeyringError> for Refused {
    fn from(error: KeyringError) -> Self {
        Self::Error(error)
    }
}

/// Why a keyring did not do what it was asked. Nothing of a secret is in it.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{kind}")]
pub struct KeyringError {
    /// Branch on this, never on the text.
    pub kind: KeyringErrorKind,
    /// What the system says.
    source: Option<Arc<dyn Error + Send + Sync>>,
}

/// The kinds of [`KeyringError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyringErrorKind {
    /// This machine has none: no session, no service.
    #[error("this machine has no keyring")]
    None,
    /// It is locked, and nobody unlocked it.
    #[error("the keyring is locked")]
    Locked,
    /// It won't have this program in.
    #[error("the keyring does not let greenroom in")]
    Denied,
    /// It has not answered in time; most likely it asks a person who isn't there.
    #[error("the keyring does not answer")]
    TimedOut,
    /// Several entries match, so none is meant.
    #[error("the keyring has several entries of that name")]
    Ambiguous,
    /// What it has there isn't text.
    #[error("what the keyring has there is not text")]
    NotText,
    /// Something else.
    #[error("the keyring fails")]
    Failed,
}

impl KeyringError {
    fn new(kind: KeyringErrorKind, source: Option<Arc<dyn Error + Send + Sync>>) -> Self {
        Self { kind, source }
    }

    /// That nobody asked for one.
    pub(super) fn not_asked() -> Self {
        Self::new(KeyringErrorKind::None, None)
    }

    /// Whether another try with the same store has little chance.
    fn is_of_the_store(&self) -> bool {
        matches!(self.kind, KeyringErrorKind::None | KeyringErrorKind::Failed)
    }

    #[cfg(test)]
    pub(super) fn of_kind(kind: KeyringErrorKind) -> Self {
        Self::new(kind, None)
    }

    /// The store's own error goes no further: some of its variants hold the secret.
    fn of(error: StoreError) -> Self {
        match error {
            StoreError::BadEncoding(mut secret) | StoreError::BadDataFormat(mut secret, _) => {
                secret.zeroize();
                Self::new(KeyringErrorKind::NotText, None)
            }
            StoreError::Ambiguous(_) => Self::new(KeyringErrorKind::Ambiguous, None),
            StoreError::PlatformFailure(source) => {
                Self::new(platform_kind(&*source).unwrap_or(KeyringErrorKind::Failed), Some(source.into()))
            }
            StoreError::NoStorageAccess(source) => {
                Self::new(platform_kind(&*source).unwrap_or(KeyringErrorKind::Denied), Some(source.into()))
            }
            other => Self::new(KeyringErrorKind::Failed, Some(Arc::new(other))),
        }
    }

    /// One line on what to do.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self.kind {
            KeyringErrorKind::None => {
                "run greenroom in a session that has one (on Linux a Secret Service, such as GNOME Keyring), or keep the \
                 key elsewhere: \"file:PATH\" or \"env:NAME\""
            }
            KeyringErrorKind::Locked => "unlock the keyring, and try again; without a desktop, keep the key elsewhere",
            KeyringErrorKind::Denied => "allow greenroom to use the keyring in the system's settings, and try again",
            KeyringErrorKind::TimedOut => "answer what the system asks, or unlock the keyring, and try again",
            KeyringErrorKind::Ambiguous => "remove all but one of them in the keyring's own program",
            KeyringErrorKind::NotText => "set the entry anew, as text",
            KeyringErrorKind::Failed => "see whether the keyring's own program works, and try again",
        }
    }
}

#[cfg(target_os = "linux")]
fn open_store() -> keyring_core::Result<Arc<CredentialStore>> {
    Ok(zbus_secret_service_keyring_store::Store::new()?)
}

#[cfg(target_os = "macos")]
fn open_store() -> keyring_core::Result<Arc<CredentialStore>> {
    Ok(apple_native_keyring_store::keychain::Store::new()?)
}

#[cfg(windows)]
fn open_store() -> keyring_core::Result<Arc<CredentialStore>> {
    Ok(windows_native_keyring_store::Store::new()?)
}

#[cfg(not(any(target_os = "linux", target_os = "macos", windows)))]
fn open_store() -> keyring_core::Result<Arc<CredentialStore>> {
    Err(StoreError::NoDefaultStore)
}

/// What the Secret Service's errors come to, where they say more than the store makes of them.
#[cfg(target_os = "linux")]
fn platform_kind(error: &(dyn Error + Send + Sync + 'static)) -> Option<KeyringErrorKind> {
    use secret_service::Error as Service;
    use zbus::{Error as Bus, fdo};

    let of_bus = |error: &Bus| match error {
        Bus::MethodError(name, ..) => match name.as_str() {
            "org.freedesktop.DBus.Error.ServiceUnknown"
            | "org.freedesktop.DBus.Error.NameHasNoOwner"
            | "org.freedesktop.DBus.Error.Spawn.ServiceNotFound" => Some(KeyringErrorKind::None),
            "org.freedesktop.Secret.Error.IsLocked" => Some(KeyringErrorKind::Locked),
            "org.freedesktop.DBus.Error.AccessDenied" => Some(KeyringErrorKind::Denied),
            "org.freedesktop.DBus.Error.NoReply" | "org.freedesktop.DBus.Error.TimedOut" => {
                Some(KeyringErrorKind::TimedOut)
            }
            _ => None,
        },
        Bus::FDO(error) => of_standard(error),
        // Where nobody is at the other end of its address, there is no session.
        Bus::InputOutput(_) | Bus::Connection(..) | Bus::Address(_) => Some(KeyringErrorKind::None),
        _ => None,
    };
    fn of_standard(error: &fdo::Error) -> Option<KeyringErrorKind> {
        match error {
            fdo::Error::ServiceUnknown(_) | fdo::Error::NameHasNoOwner(_) | fdo::Error::SpawnServiceNotFound(_) => {
                Some(KeyringErrorKind::None)
            }
            fdo::Error::AccessDenied(_) => Some(KeyringErrorKind::Denied),
            fdo::Error::NoReply(_) | fdo::Error::TimedOut(_) => Some(KeyringErrorKind::TimedOut),
            _ => None,
        }
    }
    match error.downcast_ref::<Service>()? {
        Service::Unavailable => Some(KeyringErrorKind::None),
        // A prompt that was dismissed, by a person or for want of a place to show it, leaves it locked.
        Service::Locked | Service::Prompt | Service::PromptDisconnected => Some(KeyringErrorKind::Locked),
        // There is a service without a keyring in it, and nobody made one.
        Service::NoResult => Some(KeyringErrorKind::None),
        Service::Zbus(error) => of_bus(error),
        Service::ZbusFdo(error) => of_standard(error),
        _ => None,
    }
}

#[cfg(not(target_os = "linux"))]
fn platform_kind(_: &(dyn Error + Send + Sync + 'static)) -> Option<KeyringErrorKind> {
    None
}

#[cfg(test)]
#[path = "keyring_tests.rs"]
mod tests;
