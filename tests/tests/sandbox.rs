//! A daemon that keeps itself from the rest of the machine does all that it has to, and nothing else.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]
#![allow(clippy::print_stderr, reason = "a test that is passed over has to say so")]

mod cli_support;
mod http_support;
mod session_support;

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use cli_support::{assert_failed, run_well};
use greenroom_tests::ScriptedProvider;
use greenroom_tests::harness::{Daemon, Home, Signal, greenroom};
use greenroom_tests::openai::Answer;
use http_support::{Api, Greenroom, LIMIT, ask, ask_streamed, chats_asked, is_done, provider_at, scripted, text};
use session_support::{SESSIONS, text as words};

const CERTIFICATE: &str = include_str!("tls_support/certificate.pem");
const KEY: &str = include_str!("tls_support/key.pem");
const REQUIRED: &str = "[sandbox]\nmode = \"required\"\n";

/// Whether this kernel has a whole sandbox; where it has not, that is said.
async fn has_sandbox() -> bool {
    let home = Home::new();
    home.config("[sandbox]\nmode = \"best-effort\"\n");
    let mut daemon = home.serve(&[]).await;
    let said = stopped(&mut daemon).await;
    let is_whole = said.contains("note: in a sandbox") && !said.contains("gaps");
    if !is_whole {
        eprintln!("passed over: this kernel has no Landlock, or an old one: {said}");
    }
    is_whole
}

/// Stops it in order, and gives all that it said on standard error.
async fn stopped(daemon: &mut Daemon) -> String {
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.wait(LIMIT).await.code(), Some(0), "{}", daemon.output());
    daemon.stderr()
}

async fn lab() -> ScriptedProvider {
    scripted([Answer::text(["all ", "is ", "well"]).usage(3, 3).stream().always()]).await
}

/// The provider by a name that has to be looked up.
fn by_name(name: &str, lab: &ScriptedProvider) -> String {
    provider_at(name, &lab.url().replace("127.0.0.1", "localhost"))
}

/// Writes a file that is its user's alone.
fn private(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

fn api_of(daemon: &Daemon) -> Api {
    Api { url: daemon.url().to_owned(), token: daemon.token() }
}

#[tokio::test]
async fn a_whole_session_works_in_it_and_is_there_after_a_restart() {
    if !has_sandbox().await {
        return;
    }
    let lab = lab().await;
    let home = Home::new();
    let key = home.path().join("elsewhere-key");
    private(&key, "sk-elsewhere\n");
    let keys = by_name("far", &lab).replace("far-key", &format!("file:{}", key.display()))
        + &by_name("near", &lab).replace("near-key", "file:key");
    home.config("");
    private(&home.config_path().with_file_name("key"), "sk-near\n");
    let Greenroom { api, mut daemon, home } = Greenroom::start_in(home, &(keys + REQUIRED)).await;

    assert_eq!(api.chat(&ask("far/m1")).await.json()["choices"][0]["message"]["content"], "all is well");
    let events = api.events(&ask_streamed("near/m1")).await;
    assert!(is_done(&events) && text(&events) == "all is well", "{events:?}");
    let used: Vec<_> = chats_asked(&lab).iter().map(|asked| asked.bearer().map(str::to_owned)).collect();
    assert_eq!(used, [Some("sk-elsewhere".to_owned()), Some("sk-near".to_owned())]);
    api.create("kept").await;
    let turn = api.turn("kept", "hello").await;
    assert_eq!(words(&turn), "all is well");
    assert_eq!(api.get("/v1/models").await.status, 200);

    // Commands beside it come in by its socket, and the token that it makes is on disk.
    run_well(&home, &["auth", "client", "add", "editor"], "").await;
    let fresh = home.run(&["auth", "token", "--rotate"]).await.succeeded().stdout;
    assert_ne!(fresh.trim_end(), api.token);
    assert_eq!(api.get("/v1/models").await.status, 401);
    assert_eq!(api_of(&daemon).get("/v1/models").await.status, 200);

    // All of it is inside: a thread that were not could still gain rights.
    for thread in fs::read_dir(format!("/proc/{}/task", daemon.pid())).unwrap() {
        let status = fs::read_to_string(thread.unwrap().path().join("status")).unwrap();
        assert!(status.lines().any(|line| line == "NoNewPrivs:\t1"), "{status}");
    }

    let said = stopped(&mut daemon).await;
    let data = home.data_dir();
    let in_force = said.lines().find(|line| line.starts_with("note: in a sandbox")).unwrap();
    assert!(in_force.contains(&format!("writes in {} alone", data.display())), "{in_force}");
    for named in [&key, home.config_path().parent().unwrap()] {
        assert!(in_force.contains(&named.display().to_string()), "{in_force}");
    }
    assert!(!said.contains("warning") && !said.contains("WARN") && !said.contains("ERROR"), "{said}");

    // The next one has both, also after one that was killed.
    for signal in [Signal::KILL, Signal::TERM] {
        let mut daemon = home.serve(&[]).await;
        let api = api_of(&daemon);
        assert_eq!(words(&api.there("kept", "").await), "all is well");
        assert_eq!(api.get(SESSIONS).await.status, 200);
        let usage = api.get("/api/usage?by=provider").await.text();
        assert!(["far", "near"].iter().all(|name| usage.contains(name)), "{usage}");
        daemon.signal(signal);
        daemon.wait(LIMIT).await;
    }
}

/// Where lists of models are kept is a link that leads out of the data directory: what is read and written there shows
/// whether the daemon gets at the rest of the machine. Gives whether a list was written.
async fn writes_through_a_link(sandbox: &str) -> (bool, String) {
    let lab = lab().await;
    let home = Home::new();
    let outside = home.path().join("outside");
    fs::create_dir(&outside).unwrap();
    run_well(&home, &["auth", "token"], "").await;
    symlink(&outside, home.data_dir().join("models")).unwrap();
    let sandbox = sandbox.replace("OUTSIDE", &outside.display().to_string());
    let Greenroom { api, mut daemon, home: _home } =
        Greenroom::start_in(home, &(by_name("lab", &lab) + &sandbox)).await;
    let listed = api.get("/v1/models").await;
    assert!(listed.text().contains("lab/m1"), "{}", listed.text());
    // The end waits for what is still to be written.
    let said = stopped(&mut daemon).await;
    (fs::read_dir(&outside).unwrap().next().is_some(), said)
}

#[tokio::test]
async fn it_writes_nowhere_else_though_a_link_leads_there() {
    let (written, said) = writes_through_a_link("").await;
    assert!(written, "without a sandbox it follows the link");
    assert!(!said.contains("sandbox"), "{said}");
    if !has_sandbox().await {
        return;
    }
    let (written, _) = writes_through_a_link(REQUIRED).await;
    assert!(!written);
    let allowed = format!("{REQUIRED}write = [\"OUTSIDE\"]\n");
    let (written, said) = writes_through_a_link(&allowed).await;
    assert!(written, "{said}");
}

/// Whether a model is known that a list outside of the data directory has, and no provider any more.
async fn reads_through_a_link(sandbox: &str) -> bool {
    let lab = lab().await;
    let home = Home::new();
    let config = by_name("lab", &lab);
    home.config(&config);
    run_well(&home, &["models"], "").await;
    let (inside, outside) = (home.data_dir().join("models"), home.path().join("outside"));
    fs::rename(&inside, &outside).unwrap();
    symlink(&outside, &inside).unwrap();
    // From here on nobody answers at its address.
    drop(lab);
    let Greenroom { api, daemon: _daemon, home: _home } = Greenroom::start_in(home, &(config + sandbox)).await;
    api.get("/v1/models").await.text().contains("lab/m1")
}

#[tokio::test]
async fn it_reads_nowhere_else_though_a_link_leads_there() {
    assert!(reads_through_a_link("").await, "without a sandbox it follows the link");
    if has_sandbox().await {
        assert!(!reads_through_a_link(REQUIRED).await);
    }
}

#[tokio::test]
async fn a_certificate_beside_the_configuration_or_elsewhere_is_read() {
    if !has_sandbox().await {
        return;
    }
    let home = Home::new();
    let elsewhere = home.path().join("certificate.pem");
    home.config(&format!("{REQUIRED}[server.tls]\ncertificate = \"{}\"\nkey = \"key.pem\"\n", elsewhere.display()));
    fs::write(&elsewhere, CERTIFICATE).unwrap();
    fs::write(home.config_path().with_file_name("key.pem"), KEY).unwrap();
    let daemon = home.serve(&[]).await;
    assert!(daemon.url().starts_with("https://"), "{}", daemon.output());
}

/// A home whose program sees a kernel without Landlock.
fn without_landlock() -> Home {
    let mut home = Home::of_program(env!("CARGO_BIN_EXE_without-landlock"));
    home.env("GREENROOM_BIN", greenroom().to_str().unwrap());
    home
}

#[tokio::test]
async fn without_landlock_it_refuses_where_it_is_required_and_else_says_so() {
    let home = without_landlock();
    home.config(REQUIRED);
    let refused = home.run(&["serve"]).await;
    assert_failed(&refused, 2, "sandbox.mode is \"required\" and can't be had", "best-effort");
    assert!(refused.stdout.is_empty(), "{}", refused.stdout);

    home.config("[sandbox]\nmode = \"best-effort\"\n");
    let mut daemon = home.serve(&[]).await;
    assert_eq!(api_of(&daemon).get("/v1/models").await.status, 200);
    let said = stopped(&mut daemon).await;
    assert!(said.contains("warning: no sandbox is in force: this kernel has no Landlock"), "{said}");
    assert!(!said.contains("note: in a sandbox"), "{said}");
}

#[tokio::test]
async fn what_is_written_wrong_is_told_with_its_place() {
    let home = Home::new();
    let refuses = async |config: &str, error: &str, hint: &str| {
        home.config(config);
        assert_failed(&home.run(&["serve"]).await, 2, error, hint);
    };
    refuses("[sandbox]\nmode = \"requierd\"\n", "config.toml:2:8: sandbox.mode", "did you mean \"required\"?").await;
    refuses("[sandbox]\nwrites = []\n", "config.toml:2:1: unknown key", "did you mean \"write\"?").await;
    if !has_sandbox().await {
        return;
    }
    let missing = format!("{REQUIRED}read = [\"no-such-file\"]\n");
    refuses(&missing, "config.toml:3:8: sandbox.read: ", "when the daemon starts").await;
    home.config(&missing.replace("required", "best-effort"));
    let mut daemon = home.serve(&[]).await;
    let said = stopped(&mut daemon).await;
    assert!(said.contains("warning: ") && said.contains("no-such-file can't be opened"), "{said}");
    assert!(said.contains("note: in a sandbox"), "{said}");
}

/// What the test's own paths stand on.
#[test]
fn homes_lie_where_a_sandbox_has_no_rule() {
    let home = Home::new();
    let folders: [PathBuf; 4] = ["/etc", "/usr", "/nix", "/run"].map(PathBuf::from);
    assert!(folders.iter().all(|folder| !home.path().starts_with(folder)), "{}", home.path().display());
}
