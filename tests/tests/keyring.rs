//! Keys in the system's keyring, by a real Secret Service: Debian's `gnome-keyring`, on a bus of its own. The tests run
//! where `GREENROOM_KEYRING` is set; without that variable they are passed over, and say so.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

mod cli_support;
mod keyring_support;

use std::fs;
use std::time::{Duration, Instant};

use cli_support::{assert_failed, requests, saying};
use greenroom::config::{CredentialStore, Environment, Kind, Profile, Provider, SecretReference, Settings};
use greenroom::credentials::{KeyArgs, KeyPlace, Keyring, KeyringErrorKind, SealingKeyError, look_up, sealing_key};
use keyring_support::{LIMIT, Session, is_kept};
use secrecy::ExposeSecret as _;
use tempfile::TempDir;

/// Nothing that is said may hold it.
const KEPT: &str = "sk-in-the-keyring-5b8e1f7a90c24d63";
#[tokio::test]
async fn a_key_in_the_keyring_opens_its_provider_and_comes_out_nowhere() {
    let Some(session) = Session::begin().await else { return };
    session.plant("lab/home", KEPT).await;
    let lab = saying("Hello.").await;
    let home = session.home(&lab, "lab/home");
    let checked = home.run(&["config", "check"]).await.succeeded();
    let shown = home.run(&["config", "show"]).await.succeeded();
    assert!(shown.stdout.contains("keyring:lab/home"), "{}", shown.stdout);
    let answered = home.run(&["chat", "-m", "lab/m1", "hi"]).await.succeeded();
    assert_eq!(answered.stdout.trim_end(), "Hello.");
    assert_eq!(requests(&lab).len(), 1);
    let asked = lab.requests();
    assert!(asked.iter().any(|request| request.bearer() == Some(KEPT)), "the key is really used");
    for output in [checked, shown, answered] {
        assert!(!output.stdout.contains(KEPT) && !output.stderr.contains(KEPT), "{output:?}");
    }
    assert!(!is_kept(home.path(), KEPT));
}

#[tokio::test]
async fn what_keeps_a_key_in_the_keyring_from_being_had_is_told() {
    let Some(mut session) = Session::begin().await else { return };
    session.plant("lab/home", KEPT).await;
    let lab = saying("Hello.").await;
    let ask = ["chat", "-m", "lab/m1", "hi"];

    let absent = session.home(&lab, "lab/absent").run(&ask).await;
    assert_failed(&absent, 2, "the keyring has no entry lab/absent", "the user \"lab/absent\"");

    session.lock().await;
    let begun = Instant::now();
    let locked = session.home(&lab, "lab/home").run(&ask).await;
    assert_failed(&locked, 2, "the keyring is locked", "unlock the keyring");
    assert!(begun.elapsed() < Keyring::LIMIT, "nobody is waited for who isn't there");
    let status = session.home(&lab, "lab/home").run(&["providers", "status"]).await.succeeded();
    assert!(status.stdout.contains("the keyring is locked"), "{}", status.stdout);

    let home = session.home(&lab, "lab/home");
    session.bus.kill().await.unwrap();
    assert_failed(&home.run(&ask).await, 2, "this machine has no keyring", "a Secret Service");
    assert!(requests(&lab).is_empty(), "nobody is asked without a key");
}

#[tokio::test]
async fn the_library_has_the_keyring_within_whatever_runtime_it_runs_in() {
    let Some(session) = Session::begin().await else { return };
    session.plant("lab/home", KEPT).await;
    session.within("entries_come_and_go").await;
    session.within("a_sealing_key_is_made_in_the_keyring_once").await;
    session.within("a_runtime_is_built_with_a_key_in_the_keyring").await;
    session.lock().await;
    session.within("a_locked_keyring_is_no_reason_for_another_key").await;
}

/// On the one thread of a runtime, which would never go on if it were blocked.
#[tokio::test]
#[ignore = "run within a session by another test"]
async fn entries_come_and_go() {
    let keyring = Keyring::open(LIMIT).await.unwrap();
    assert!(keyring.get("a/b").await.unwrap().is_none());
    keyring.set("a/b", &"one".into()).await.unwrap();
    keyring.set("a/b", &"two".into()).await.unwrap();
    keyring.set("a/c", &"other".into()).await.unwrap();
    let clone = keyring.clone();
    let (one, other) = tokio::join!(keyring.get("a/b"), clone.get("a/c"));
    assert_eq!((one.unwrap().unwrap().expose_secret(), other.unwrap().unwrap().expose_secret()), ("two", "other"));
    assert!(keyring.remove("a/b").await.unwrap());
    assert!(!keyring.remove("a/b").await.unwrap(), "it is there no more");
    assert!(keyring.get("a/b").await.unwrap().is_none());
    assert_eq!(keyring.get("lab/home").await.unwrap().unwrap().expose_secret(), KEPT, "planted by another program");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run within a session by another test"]
async fn a_sealing_key_is_made_in_the_keyring_once() {
    let keyring = Keyring::open(LIMIT).await.unwrap();
    let dir = TempDir::new().unwrap();
    let key = async |store| {
        let keyring = Ok(keyring.clone());
        sealing_key(KeyArgs { data_dir: dir.path(), store, passphrase: None, keyring }).await
    };
    let (one, two) = tokio::join!(key(CredentialStore::Auto), key(CredentialStore::Keyring));
    let ((one, place), (two, _)) = (one.unwrap(), two.unwrap());
    assert_eq!(place, KeyPlace::Keyring);
    assert_eq!(one.expose_secret(), two.expose_secret(), "those who make one at the same time have the same");
    let (again, _) = key(CredentialStore::Auto).await.unwrap();
    assert_eq!(one.expose_secret(), again.expose_secret());
    let names: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["sealing-key.id"], "no key lies in the data directory");

    let id = fs::read_to_string(dir.path().join("sealing-key.id")).unwrap();
    let entry = format!("sealing-key/{}", id.trim_end());
    keyring.set(&entry, &"no key".into()).await.unwrap();
    assert!(matches!(key(CredentialStore::Auto).await, Err(SealingKeyError::Malformed { .. })));
    assert!(keyring.remove(&entry).await.unwrap());
    let lost = key(CredentialStore::Auto).await.unwrap_err();
    assert!(matches!(&lost, SealingKeyError::Lost { .. }), "no other key is made: {lost:?}");
}

#[tokio::test]
#[ignore = "run within a session by another test"]
async fn a_runtime_is_built_with_a_key_in_the_keyring() {
    let lab = saying("Hello.").await;
    let reference = SecretReference::Keyring { entry: "lab/home".into() };
    let provider = Provider {
        base_url: Some(format!("{}/v1", lab.url()).parse().unwrap()),
        profiles: vec![Profile::new(Some(reference))],
        ..Provider::new("lab", Kind::OpenAiCompatible)
    };
    let settings = Settings { providers: vec![provider], ..Settings::default() };
    let known = look_up(settings.references(), Environment::empty()).await;
    assert!(settings.references().all(|reference| known.has_looked_up(reference)));
    let runtime = greenroom::Runtime::builder().settings(settings).start().await.unwrap();
    assert!(runtime.warnings().is_empty(), "{:?}", runtime.warnings());
    let session = runtime.session("one").await.unwrap();
    assert_eq!(session.send("hi").await.unwrap().text().await.unwrap(), "Hello.");
    runtime.shutdown(Duration::ZERO).await;
    assert!(lab.requests().iter().any(|request| request.bearer() == Some(KEPT)));
}

#[tokio::test]
#[ignore = "run within a session by another test"]
async fn a_locked_keyring_is_no_reason_for_another_key() {
    let dir = TempDir::new().unwrap();
    let keyring = Keyring::open(LIMIT).await;
    let args = KeyArgs { data_dir: dir.path(), store: CredentialStore::Auto, passphrase: None, keyring };
    let refused = sealing_key(args).await.unwrap_err();
    assert!(
        matches!(&refused, SealingKeyError::Keyring(error) if error.kind == KeyringErrorKind::Locked),
        "{refused:?}"
    );
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "nothing is begun beside it");
}
