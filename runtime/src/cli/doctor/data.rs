//! The data directory, who holds it, and what lies in it.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use greenroom::{
    Credentials, OpenError, StartError, StoreKind,
    config::{self, CredentialStore, Loaded, Settings},
    credentials::{KeyArgs, KeyPlace, Keyring, has_sealing_key, sealing_key},
    frontends::http::HolderKind,
    has_store, look_up,
};

use super::{
    finding::{Finding, Report},
    programs,
};
use crate::cli::{
    Failure, attach, context::Context, daemon::Daemon, data_dir::check_owner, failure::with_causes, lock, token,
};

const DATA: &str = "data directory";
const HOLDER: &str = "holder";
const STORE: &str = "store";
const TOKEN: &str = "token";
const CREDENTIALS: &str = "credentials";
/// With less than this nothing is kept for long, in bytes.
const TOO_LITTLE: u64 = 16 << 20;
/// Less than this may be gone within days.
const LITTLE: u64 = 256 << 20;
/// How long a keyring may take to be opened, which asks nobody.
const KEYRING: Duration = Duration::from_secs(5);

/// The data directory, as far as it can be used.
pub(super) struct Place {
    /// It is there, and nobody else can change what is in it.
    pub(super) dir: Option<PathBuf>,
    /// Whether its store can be opened here.
    pub(super) has_store: bool,
    /// Who holds it, if it is to be asked.
    pub(super) daemon: Option<Daemon>,
}

pub(super) async fn check(
    context: &Context,
    loaded: Option<&Loaded>,
    offline: bool,
    report: &mut Report,
) -> Result<Place, Failure> {
    let mut place = Place { dir: None, has_store: false, daemon: None };
    let dir = match config::data_dir(context.globals.data_dir.as_deref(), &context.environment) {
        Ok(dir) => std::path::absolute(&dir).unwrap_or(dir),
        Err(error) => {
            report.tell(Finding::problem(DATA, error.to_string(), error.hint()))?;
            return Ok(place);
        }
    };
    let settings = loaded.map(|loaded| loaded.settings.clone()).unwrap_or_default();
    match directory(&dir, report)? {
        Directory::Unusable => return Ok(place),
        Directory::Absent => {
            report.tell(sealing(context, &dir, &settings, offline).await)?;
            return Ok(place);
        }
        Directory::There => {}
    }
    let (daemon, is_held) = holder(context, &dir, report).await?;
    match &daemon {
        Some(daemon) => held_store(daemon, report).await?,
        None => place.has_store = store(context, &dir, is_held, &settings, report).await?,
    }
    report.tell(owners_token(&dir))?;
    report.tell(sealing(context, &dir, &settings, offline).await)?;
    // With a configuration of one's own, what another one has is not asked.
    place.daemon = daemon.filter(|_| context.globals.config.is_none());
    place.dir = Some(dir);
    Ok(place)
}

/// What is at the path of the data directory.
enum Directory {
    There,
    Absent,
    /// Nothing that can be looked into, or what others may have changed.
    Unusable,
}

fn directory(dir: &Path, report: &mut Report) -> Result<Directory, Failure> {
    let shown = dir.display();
    let metadata = match fs::metadata(dir) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            report.tell(to_be_made(dir))?;
            return Ok(Directory::Absent);
        }
        Err(error) => {
            report.tell(unusable(format!("{shown} can't be looked at: {error}")))?;
            return Ok(Directory::Unusable);
        }
    };
    if !metadata.is_dir() {
        report.tell(unusable(format!("{shown} is no directory")))?;
        return Ok(Directory::Unusable);
    }
    if let Err(failure) = check_owner(dir, &metadata) {
        report.tell(Finding::failed(DATA, failure))?;
        return Ok(Directory::Unusable);
    }
    let mode = mode(&metadata);
    let close = format!("chmod 700 {shown}");
    if mode & 0o022 != 0 {
        let what = format!("other users can write in {shown} (mode {mode:03o}), so nothing in it can be trusted");
        report.tell(Finding::problem(
            DATA,
            what,
            format!("{close}; if others use this machine, give another --data-dir"),
        ))?;
        return Ok(Directory::Unusable);
    }
    if mode & 0o077 != 0 {
        let what = format!("other users can read {shown} (mode {mode:03o}); it is closed to them at the next start");
        report.tell(Finding::warning(DATA, what, close))?;
    }
    if let Err(error) = can_write(dir) {
        report.tell(unusable(format!("{shown} can't be written: {error}")))?;
        return Ok(Directory::There);
    }
    report.tell(
        free(dir).map_or_else(|| Finding::ok(DATA, format!("{shown} can be written")), |free| space(dir, free)),
    )?;
    Ok(Directory::There)
}

fn to_be_made(dir: &Path) -> Finding {
    let above = dir.ancestors().skip(1).find(|above| above.exists());
    match above.map(|above| (above, above.is_dir(), can_write(above))) {
        Some((_, true, Ok(()))) => {
            Finding::ok(DATA, format!("{} is not there yet, and made when it is needed", dir.display()))
        }
        Some((above, true, Err(error))) => {
            unusable(format!("{} can't be made: {} can't be written: {error}", dir.display(), above.display()))
        }
        _ => unusable(format!("{} can't be made", dir.display())),
    }
}

fn unusable(what: String) -> Finding {
    Finding::problem(DATA, what, "give a directory that this user can write, with --data-dir or GREENROOM_DATA_DIR")
}

fn space(dir: &Path, free: u64) -> Finding {
    let shown = format!("{} MiB are free for {}", free >> 20, dir.display());
    let hint = "make room, or bound what sessions take: sessions.keep, sessions.disk_quota";
    match free {
        ..TOO_LITTLE => Finding::problem(DATA, format!("only {shown}, so messages to sessions will be refused"), hint),
        TOO_LITTLE..LITTLE => Finding::warning(DATA, format!("only {shown}"), hint),
        _ => Finding::ok(DATA, format!("{} can be written; {} GiB are free", dir.display(), free >> 30)),
    }
}

/// Who answers there, and whether somebody holds it at all.
async fn holder(context: &Context, dir: &Path, report: &mut Report) -> Result<(Option<Daemon>, bool), Failure> {
    let is_locked = lock::is_held(dir);
    let Some((client, holder)) = attach::who(dir).await else {
        report.tell(match is_locked {
            true => Finding::problem(
                HOLDER,
                format!("a daemon holds {} and does not answer on its socket there", dir.display()),
                "see whether it is stopped, or has said at its start that it has no socket; else restart it",
            ),
            false => Finding::ok(HOLDER, "no greenroom runs on this data directory"),
        })?;
        return Ok((None, is_locked));
    };
    let who = match holder.kind {
        HolderKind::Serve => "the daemon",
        HolderKind::Command => "a command",
    };
    report.tell(Finding::ok(HOLDER, format!("{who} that runs (pid {}) answers, and is asked", holder.pid)))?;
    let lacking = attach::lacking(context, &holder);
    if !lacking.is_empty() {
        let what = format!("{} is set here and not for {who} that runs (pid {})", lacking.join(", "), holder.pid);
        report.tell(Finding::warning(HOLDER, what, "restart it with these variables, if it is to know them"))?;
    }
    Ok((Some(Daemon::of(client)), true))
}

async fn held_store(daemon: &Daemon, report: &mut Report) -> Result<(), Failure> {
    let state = match daemon.providers().await {
        Ok(answer) => answer.store,
        Err(failure) => return report.tell(Finding::failed(STORE, failure)),
    };
    report.tell(match state.state {
        StoreKind::Ok => Finding::ok(STORE, "what is to be kept is kept"),
        kind => {
            let reason = state.reason.unwrap_or_default();
            let what = format!("the store is {}, so nothing more that is learnt is kept: {reason}", kind.as_str());
            Finding::problem(STORE, what, state.hint.unwrap_or_else(|| "restart it with a data directory".to_owned()))
        }
    })
}

/// Whether there is one that can be opened.
async fn store(
    context: &Context,
    dir: &Path,
    is_held: bool,
    settings: &Settings,
    report: &mut Report,
) -> Result<bool, Failure> {
    if !has_store(dir) {
        report.tell(Finding::ok(STORE, "nothing is kept yet"))?;
        return Ok(false);
    }
    let opened = Credentials::as_it_is(dir, settings.clone(), context.environment.clone()).await;
    let told = match opened {
        Ok(credentials) => match credentials.close().await {
            Ok(()) => Finding::ok(STORE, "it opens"),
            Err(error) => Finding::problem(STORE, with_causes(&error), error.hint()),
        },
        Err(StartError::Store(OpenError::Held { .. })) if is_held => Finding::ok(STORE, "the daemon has it open"),
        Err(error) => Finding::problem(STORE, with_causes(&error), error.hint()),
    };
    let opens = told == Finding::ok(STORE, "it opens");
    report.tell(told)?;
    Ok(opens)
}

fn owners_token(dir: &Path) -> Finding {
    let path = dir.join(token::NAME);
    let metadata = match fs::symlink_metadata(&path) {
        Ok(metadata) => metadata,
        Err(_) => return Finding::ok(TOKEN, "there is none yet; it is made when it is needed"),
    };
    let mode = mode(&metadata);
    if metadata.is_file() && mode & 0o077 != 0 {
        let hint = format!("chmod 600 {}; if others use this machine: greenroom auth token --rotate", path.display());
        return Finding::warning(TOKEN, format!("other users can read {} (mode {mode:03o})", path.display()), hint);
    }
    match token::is_there(dir) {
        Ok(_) => Finding::ok(TOKEN, format!("{} is this user's alone", path.display())),
        Err(failure) => Finding::failed(TOKEN, failure),
    }
}

/// Where keys that are added go, and whether those that are there can be had again.
async fn sealing(context: &Context, dir: &Path, settings: &Settings, offline: bool) -> Finding {
    if let Some(program) = programs::of(settings.credentials.passphrase.as_ref()).filter(|_| offline) {
        return Finding::ok(CREDENTIALS, format!("the passphrase is not looked at: {}", programs::not_run(program)));
    }
    let environment = look_up(settings.credentials.passphrase.iter(), context.environment.clone()).await;
    let passphrase = match settings.passphrase(&environment) {
        Ok(passphrase) => passphrase,
        Err(error) => return Finding::problem(CREDENTIALS, with_causes(&error), error.hint()),
    };
    let store = settings.credentials.store;
    let keyring = match (store, &passphrase) {
        (CredentialStore::File, _) | (_, Some(_)) => None,
        _ => Some(Keyring::open(KEYRING).await),
    };
    let is_by_passphrase = passphrase.is_some();
    if has_sealing_key(dir) {
        let keyring = match keyring {
            Some(keyring) => keyring,
            None => Keyring::open(KEYRING).await,
        };
        return match sealing_key(KeyArgs { data_dir: dir, store, passphrase, keyring }).await {
            Ok((_, KeyPlace::Keyring)) => {
                Finding::ok(CREDENTIALS, "they are sealed by a key in the keyring, which is there")
            }
            Ok((_, KeyPlace::File(path))) => {
                Finding::ok(CREDENTIALS, format!("they are sealed by the key in {}, which is there", path.display()))
            }
            Ok((_, KeyPlace::Passphrase)) => {
                Finding::ok(CREDENTIALS, "they are sealed by the passphrase, which is the right one")
            }
            Err(error) => Finding::problem(CREDENTIALS, with_causes(&error), error.hint()),
        };
    }
    match (store, keyring) {
        (CredentialStore::Keyring, Some(Err(error))) => {
            let hint = format!("{}; or set credentials.store = \"auto\"", error.hint());
            Finding::problem(CREDENTIALS, format!("keys are to be kept in the keyring, and {error}"), hint)
        }
        (_, Some(Ok(_))) => Finding::ok(CREDENTIALS, "keys that are added are kept in the keyring"),
        (_, Some(Err(error))) => {
            Finding::ok(CREDENTIALS, format!("{error}, so keys that are added are kept sealed in the data directory"))
        }
        (_, None) if is_by_passphrase => {
            Finding::ok(CREDENTIALS, "keys that are added are kept sealed by the passphrase")
        }
        (_, None) => Finding::ok(CREDENTIALS, "keys that are added are kept sealed in the data directory"),
    }
}

#[cfg(unix)]
fn mode(metadata: &fs::Metadata) -> u32 {
    use std::os::unix::fs::MetadataExt as _;

    metadata.mode() & 0o777
}

#[cfg(not(unix))]
fn mode(_: &fs::Metadata) -> u32 {
    0
}

#[cfg(unix)]
fn can_write(dir: &Path) -> io::Result<()> {
    use rustix::fs::Access;

    Ok(rustix::fs::access(dir, Access::WRITE_OK | Access::EXEC_OK)?)
}

#[cfg(not(unix))]
fn can_write(dir: &Path) -> io::Result<()> {
    if fs::metadata(dir)?.permissions().readonly() { Err(io::ErrorKind::PermissionDenied.into()) } else { Ok(()) }
}

/// What is free for this user, in bytes.
#[cfg(unix)]
fn free(dir: &Path) -> Option<u64> {
    let system = rustix::fs::statvfs(dir).ok()?;
    // What counts no blocks has no room to run out of.
    (system.f_blocks > 0).then(|| system.f_bavail.saturating_mul(system.f_frsize))
}

#[cfg(not(unix))]
fn free(_: &Path) -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use super::{super::finding::Level, *};

    #[test]
    fn little_room_is_warned_of_and_none_is_a_problem() {
        let level = |free| space(Path::new("/data"), free).level();
        assert_eq!(
            [0, TOO_LITTLE - 1, TOO_LITTLE, LITTLE, u64::MAX].map(level),
            [Level::Problem, Level::Problem, Level::Warning, Level::Ok, Level::Ok]
        );
    }
}
