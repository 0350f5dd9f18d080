use std::fs;

use tempfile::TempDir;

use super::*;

fn none() -> Result<Keyring, KeyringError> {
    Err(error(KeyringErrorKind::None))
}

fn error(kind: KeyringErrorKind) -> KeyringError {
    KeyringError::of_kind(kind)
}

async fn key(
    dir: &TempDir,
    store: CredentialStore,
    passphrase: Option<&str>,
    keyring: Result<Keyring, KeyringError>,
) -> Result<(SealingKey, KeyPlace), SealingKeyError> {
    let passphrase = passphrase.map(SecretString::from);
    sealing_key(KeyArgs { data_dir: dir.path(), store, passphrase, keyring }).await
}

fn names(dir: &TempDir) -> Vec<String> {
    let name = |entry: std::io::Result<fs::DirEntry>| entry.expect("a file").file_name().to_string_lossy().into_owned();
    let mut names: Vec<String> = fs::read_dir(dir.path()).expect("an own directory").map(name).collect();
    names.sort_unstable();
    names
}

#[test]
fn what_was_begun_in_one_place_goes_on_there() {
    use CredentialStore::{Auto, File, Keyring};

    let there = || Some(Zeroizing::new("x".to_owned()));
    let found = |id: bool, file: bool, salt: bool| Found {
        id: there().filter(|_| id),
        file: there().filter(|_| file),
        salt: there().filter(|_| salt),
    };
    for (id, file, salt, store, passphrase, expected) in [
        (false, false, false, Auto, false, Plan::KeyringOrFile),
        (false, false, false, Keyring, false, Plan::Keyring),
        (false, false, false, File, false, Plan::File),
        (false, false, false, Auto, true, Plan::Passphrase),
        (true, false, false, Auto, false, Plan::Keyring),
        (true, false, false, File, false, Plan::Elsewhere(ID)),
        (true, false, false, Keyring, true, Plan::Elsewhere(ID)),
        (false, true, false, Auto, false, Plan::File),
        (false, true, false, Keyring, false, Plan::Elsewhere(FILE)),
        (false, true, false, Auto, true, Plan::Elsewhere(FILE)),
        (false, false, true, Auto, false, Plan::NoPassphrase),
        (false, false, true, File, false, Plan::NoPassphrase),
        (false, false, true, Keyring, true, Plan::Passphrase),
        (true, true, false, Auto, false, Plan::Keyring),
        (true, true, false, File, false, Plan::File),
        (true, true, true, File, true, Plan::Passphrase),
    ] {
        let planned = plan(&found(id, file, salt), store, passphrase);
        assert_eq!(planned, expected, "{id} {file} {salt} {store:?} {passphrase}");
    }
}

#[tokio::test]
async fn a_key_in_a_file_is_made_once_and_is_its_users_alone() {
    let dir = TempDir::new().unwrap();
    let (made, place) = key(&dir, CredentialStore::Auto, None, none()).await.unwrap();
    let path = dir.path().join("sealing-key");
    assert_eq!(place, KeyPlace::File(path.clone()));
    assert_eq!(names(&dir), ["sealing-key"]);
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(text.trim_end(), &*hex(made.expose_secret()));
    assert_eq!(text.len(), 65);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let (again, _) = key(&dir, CredentialStore::File, None, none()).await.unwrap();
    assert_eq!(again.expose_secret(), made.expose_secret());
    let other = TempDir::new().unwrap();
    let (other, _) = key(&other, CredentialStore::File, None, none()).await.unwrap();
    assert_ne!(other.expose_secret(), made.expose_secret());
    assert!(!format!("{made:?} {made:#?}").contains(&text[..8]));
}

#[tokio::test]
async fn those_who_make_one_at_the_same_time_have_the_same() {
    let dir = TempDir::new().unwrap();
    let made = futures::future::join_all((0..8).map(|_| key(&dir, CredentialStore::File, None, none()))).await;
    let passed = futures::future::join_all((0..3).map(|_| {
        let dir = dir.path().to_owned();
        tokio::task::spawn_blocking(move || make_file(&dir.join(FILE)).unwrap())
    }));
    let first = made[0].as_ref().unwrap().0.clone();
    for (key, _) in made.into_iter().map(Result::unwrap) {
        assert_eq!(key.expose_secret(), first.expose_secret());
    }
    for key in passed.await {
        assert_eq!(key.unwrap().expose_secret(), first.expose_secret(), "what is there is not written over");
    }
}

#[tokio::test]
async fn a_file_that_is_no_key_is_refused_and_left_as_it_is() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("sealing-key");
    for text in ["", "\n", "abc\n", &format!("{}\n", "g".repeat(64)), &"a".repeat(5000), &"ab".repeat(32)] {
        let _ = fs::remove_file(&path);
        key_file::place(&path, "x").unwrap();
        fs::write(&path, text).unwrap();
        let refused = key(&dir, CredentialStore::Auto, None, none()).await.unwrap_err();
        assert!(matches!(refused, SealingKeyError::File { source: FileError::Malformed, .. }), "{text:?}: {refused:?}");
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    let refused = key(&dir, CredentialStore::File, None, none()).await.unwrap_err();
    assert!(matches!(refused, SealingKeyError::File { source: FileError::NoFile, .. }), "{refused:?}");
}

#[cfg(unix)]
#[tokio::test]
async fn a_file_that_others_can_read_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;

    let dir = TempDir::new().unwrap();
    key(&dir, CredentialStore::File, None, none()).await.unwrap();
    let path = dir.path().join("sealing-key");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let refused = key(&dir, CredentialStore::File, None, none()).await.unwrap_err();
    assert!(matches!(refused, SealingKeyError::File { source: FileError::ReadableByOthers { mode: 0o640 }, .. }));
    assert!(refused.hint().starts_with(&format!("chmod 600 {}", path.display())), "{}", refused.hint());
}

#[tokio::test]
async fn a_passphrase_gives_the_same_key_again_and_another_one_none() {
    let dir = TempDir::new().unwrap();
    let (made, place) = key(&dir, CredentialStore::Auto, Some("open sesame"), none()).await.unwrap();
    assert_eq!(place, KeyPlace::Passphrase);
    assert_eq!(names(&dir), ["sealing-key.salt"]);
    let (again, _) = key(&dir, CredentialStore::File, Some("open sesame"), none()).await.unwrap();
    assert_eq!(again.expose_secret(), made.expose_secret());
    let wrong = key(&dir, CredentialStore::Auto, Some("open barley"), none()).await.unwrap_err();
    assert!(matches!(wrong, SealingKeyError::WrongPassphrase), "{wrong:?}");
    let unsaid = key(&dir, CredentialStore::Auto, None, none()).await.unwrap_err();
    assert!(matches!(unsaid, SealingKeyError::NoPassphrase), "no other key is made");
    let other = TempDir::new().unwrap();
    let (other, _) = key(&other, CredentialStore::Auto, Some("open sesame"), none()).await.unwrap();
    assert_ne!(other.expose_secret(), made.expose_secret(), "the salt is the directory's own");
    fs::write(dir.path().join("sealing-key.salt"), "00 11\n").unwrap();
    let broken = key(&dir, CredentialStore::Auto, Some("open sesame"), none()).await.unwrap_err();
    assert!(matches!(broken, SealingKeyError::File { source: FileError::Malformed, .. }), "{broken:?}");
    assert_eq!(names(&dir), ["sealing-key.salt"]);
}

#[tokio::test]
async fn no_key_is_made_beside_one_that_cannot_be_had() {
    let dir = TempDir::new().unwrap();
    key_file::place(&dir.path().join(ID), &hex(&[7; RANDOM])).unwrap();
    for kind in [KeyringErrorKind::None, KeyringErrorKind::Locked, KeyringErrorKind::TimedOut] {
        let refused = key(&dir, CredentialStore::Auto, None, Err(error(kind))).await.unwrap_err();
        assert!(matches!(&refused, SealingKeyError::Keyring(error) if error.kind == kind), "{refused:?}");
    }
    let filed = key(&dir, CredentialStore::File, None, none()).await.unwrap_err();
    assert!(matches!(filed, SealingKeyError::Elsewhere { place: "in the keyring", .. }), "{filed:?}");
    let passed = key(&dir, CredentialStore::Auto, Some("x"), none()).await.unwrap_err();
    assert!(matches!(passed, SealingKeyError::Elsewhere { .. }), "{passed:?}");
    assert_eq!(names(&dir), ["sealing-key.id"]);

    // A locked keyring is there, so that nothing begins beside it.
    let fresh = TempDir::new().unwrap();
    let locked = key(&fresh, CredentialStore::Auto, None, Err(error(KeyringErrorKind::Locked))).await.unwrap_err();
    assert!(matches!(locked, SealingKeyError::Keyring(_)), "{locked:?}");
    let wanted = key(&fresh, CredentialStore::Keyring, None, none()).await.unwrap_err();
    assert!(wanted.hint().contains("credentials.store = \"file\""), "{}", wanted.hint());
    assert_eq!(names(&fresh), [""; 0]);
}

#[test]
fn hexadecimal_is_read_as_it_is_written() {
    assert_eq!(&*hex(&[0, 0x1f, 0xff]), "001fff");
    assert_eq!(unhex::<3>("001Fff").as_deref(), Some(&[0, 0x1f, 0xff]));
    for wrong in ["", "001ff", "001ffff0", "001fg0", "+01fff"] {
        assert!(unhex::<3>(wrong).is_none(), "{wrong}");
    }
}
