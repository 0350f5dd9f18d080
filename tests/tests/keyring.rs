//! Keys in the system's keyring, by a real Secret Service: Debian's `gnome-keyring`, on a bus of its own. The tests run
//! where `GREENROOM_KEYRING` is set; without that variable they are passed over, and say so.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]
#![allow(clippy::print_stderr, reason = "a test that is passed over has to say so")]

mod cli_support;

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use cli_support::{assert_failed, requests, saying};
use greenroom::config::{CredentialStore, Environment, Kind, Profile, Provider, SecretReference, Settings};
use greenroom::credentials::{KeyArgs, KeyPlace, Keyring, KeyringErrorKind, SealingKeyError, look_up, sealing_key};
use greenroom_tests::ScriptedProvider;
use greenroom_tests::harness::Home;
use secrecy::ExposeSecret as _;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, Command};

/// How long the parts of a session may take to be there.
const LIMIT: Duration = Duration::from_secs(30);
/// Nothing that is said may hold it.
const KEPT: &str = "sk-in-the-keyring-5b8e1f7a90c24d63";
/// Where a test that runs itself again within a session finds the session.
const BUS: &str = "DBUS_SESSION_BUS_ADDRESS";

/// A session as a desktop has it, without the desktop: a bus and an unlocked keyring, which end with it.
struct Session {
    home: TempDir,
    bus: Child,
    address: String,
}

impl Session {
    async fn begin() -> Option<Self> {
        if std::env::var_os("GREENROOM_KEYRING").is_none() {
            eprintln!("passed over: GREENROOM_KEYRING does not say that there is a Secret Service to be started");
            return None;
        }
        let home = TempDir::new().unwrap();
        let mut bus = Command::new("dbus-daemon");
        bus.args(["--session", "--nofork", "--print-address=1"]).env_clear().envs(Self::places(&home));
        bus.stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
        let mut bus = bus.spawn().expect("dbus is installed");
        let mut address = String::new();
        let mut said = BufReader::new(bus.stdout.take().unwrap());
        tokio::time::timeout(LIMIT, said.read_line(&mut address)).await.expect("the bus is there").unwrap();
        let session = Self { home, bus, address: address.trim_end().to_owned() };
        // It ends once it is there, and leaves a daemon that ends with the bus.
        session.run("gnome-keyring-daemon", &["--unlock", "--components=secrets"], "password\n").await;
        Some(session)
    }

    fn places(home: &TempDir) -> [(&'static str, String); 3] {
        let home = home.path().display().to_string();
        [("PATH", std::env::var("PATH").unwrap()), ("HOME", home.clone()), ("XDG_RUNTIME_DIR", home)]
    }

    fn command(&self, program: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(arguments).env_clear().envs(Self::places(&self.home)).env(BUS, &self.address);
        command.kill_on_drop(true).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    async fn run(&self, program: &str, arguments: &[&str], input: &str) {
        let mut child = self.command(Path::new(program), arguments).spawn().expect("what the test needs is installed");
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(input.as_bytes()).await.unwrap();
        drop(stdin);
        // What it leaves behind may hold its output open.
        let ended = tokio::time::timeout(LIMIT, child.wait()).await;
        assert!(ended.expect("it ends").unwrap().success(), "{program} {arguments:?}");
    }

    /// Puts an entry there as another program would.
    async fn plant(&self, user: &str, secret: &str) {
        let arguments = ["store", "--label=a key", "service", "greenroom", "username", user];
        self.run("secret-tool", &arguments, secret).await;
    }

    async fn lock(&self) {
        let (to, method) = ("--dest=org.freedesktop.secrets", "org.freedesktop.Secret.Service.Lock");
        let all = "array:objpath:/org/freedesktop/secrets/aliases/default";
        let arguments = ["--session", "--print-reply", to, "/org/freedesktop/secrets", method, all];
        self.run("dbus-send", &arguments, "").await;
    }

    /// Runs a test of this file within the session, whose address the library takes from its process.
    async fn within(&self, test: &str) {
        let arguments = [test, "--exact", "--ignored", "--nocapture"];
        let command = self.command(&std::env::current_exe().unwrap(), &arguments).output();
        let output = tokio::time::timeout(LIMIT * 2, command).await.expect("the test ends").unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.contains("1 passed"), "{said}\n{complaint}");
    }

    /// A home whose provider has its key in the keyring of this session.
    fn home(&self, lab: &ScriptedProvider, entry: &str) -> Home {
        let mut home = Home::new();
        home.config(&format!(
            "[providers.lab]\nkind = \"openai-compatible\"\nbase_url = \"{}/v1\"\nkey = \"keyring:{entry}\"\n",
            lab.url()
        ));
        home.env(BUS, &self.address).env("GREENROOM_LOG", "trace");
        home
    }
}

/// Whether a secret is in any file below a directory.
fn is_kept(dir: &Path, secret: &str) -> bool {
    fs::read_dir(dir).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        match fs::symlink_metadata(&path).unwrap().file_type() {
            kind if kind.is_dir() => is_kept(&path, secret),
            kind if kind.is_file() => memchr::memmem::find(&fs::read(&path).unwrap(), secret.as_bytes()).is_some(),
            _ => false,
        }
    })
}

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
