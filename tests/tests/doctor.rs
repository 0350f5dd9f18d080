//! `greenroom doctor`: each thing that can be wrong is found in a home where it is, and nothing is changed.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

mod cli_support;

use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::path::Path;
use std::time::{Duration, SystemTime};

use cli_support::{KEY, LIMIT, MODEL, answering, home_of, lines, run_well};
use greenroom_tests::client::get;
use greenroom_tests::harness::{self, Daemon, Home, Signal};
use greenroom_tests::openai::{self, Answer};
use greenroom_tests::{Attempt, Route, Script, ScriptedProvider};
use rustix::process::{Pid, Resource, Rlimit, getuid, prlimit};
use serde_json::Value;

/// What the doctor found: a line for each check, as `status check subject: message | hint`.
struct Found {
    code: Option<i32>,
    lines: Vec<String>,
}

impl Found {
    /// The finding that begins so.
    fn line(&self, beginning: &str) -> &str {
        let found = self.lines.iter().find(|line| line.starts_with(beginning));
        found.unwrap_or_else(|| panic!("no {beginning:?} in {:#?}", self.lines))
    }

    /// Asserts that this was found, with these words in it and in what to do.
    fn has(&self, beginning: &str, words: &[&str]) {
        let line = self.line(beginning);
        assert!(words.iter().all(|word| line.contains(word)), "{words:?} in {line}");
    }

    fn lacks(&self, beginning: &str) {
        assert!(self.lines.iter().all(|line| !line.starts_with(beginning)), "{:#?}", self.lines);
    }
}

async fn doctor_with(home: &Home, arguments: &[&str]) -> Found {
    let output = home.run(&[&["doctor", "--json"], arguments].concat()).await;
    assert!(!output.stdout.contains(KEY) && !output.stderr.contains(KEY), "{output:?}");
    assert!(!output.stderr.contains("panicked"), "{}", output.stderr);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let found: Vec<Value> = lines(&output.stdout);
    let worst = found.iter().any(|line| line["status"] == "problem");
    assert_eq!(output.code(), Some(i32::from(worst)), "{output:?}");
    for line in found.iter().filter(|line| line["status"] != "ok") {
        assert!(!text(&line["hint"]).is_empty(), "nothing to do: {line}");
    }
    let line = |line: &Value| {
        let subject = text(&line["subject"]);
        let name = if subject.is_empty() { String::new() } else { format!(" {subject}") };
        format!(
            "{} {}{name}: {} | {}",
            text(&line["status"]),
            text(&line["check"]),
            text(&line["message"]),
            text(&line["hint"])
        )
    };
    Found { code: output.code(), lines: found.iter().map(line).collect() }
}

async fn doctor(home: &Home) -> Found {
    doctor_with(home, &[]).await
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().mode() & 0o777
}

/// A home whose daemon would listen on a port that nobody has.
fn quiet(mut home: Home) -> Home {
    home.env("GREENROOM__SERVER__LISTEN", "127.0.0.1:0");
    home
}

/// A configuration with one provider `lab` at this address, and these lines.
fn lab(home: &Home, url: &str, more: &str) {
    home.config(&format!("[providers.lab]\nkind = \"openai-compatible\"\nbase_url = \"{url}/v1\"\n{more}"));
}

async fn saying() -> ScriptedProvider {
    answering([Answer::text(["hello"]).whole().always()]).await
}

#[tokio::test]
async fn with_nothing_configured_it_teaches_the_first_step_and_makes_nothing() {
    let home = quiet(Home::new());
    let found = doctor(&home).await;
    assert_eq!(found.code, Some(0));
    found.has("warning provider: no provider is configured", &["ANTHROPIC_API_KEY", "greenroom auth add"]);
    found.has("ok data directory: ", &["is not there yet"]);
    found.has("ok catalogue: ", &["models are known"]);
    assert!(!home.data_dir().exists() && !home.config_path().exists());
    let told = home.run(&["doctor"]).await.succeeded();
    assert!(told.stdout.ends_with("\nno problems, 1 warning\n"), "{}", told.stdout);
    assert!(
        told.stdout.contains("\nwarning  provider: ") && told.stdout.contains("\n         hint: "),
        "{}",
        told.stdout
    );
}

#[tokio::test]
async fn where_all_is_well_it_says_so() {
    let provider = saying().await;
    let mut home = quiet(home_of(&provider));
    home.env("GREENROOM__MODELS__DEFAULT", &format!("openai/{MODEL}"));
    run_well(&home, &["auth", "token"], "").await;
    let found = doctor(&home).await;
    assert_eq!(found.code, Some(0), "{:#?}", found.lines);
    assert!(found.lines.iter().all(|line| line.starts_with("ok ")), "{:#?}", found.lines);
    found.has("ok environment: ", &["OPENAI_API_KEY", "GREENROOM__MODELS__DEFAULT"]);
    found.has("ok provider openai: ", &["answers in"]);
    found.has("ok provider openai/default: it lets in, to 3 models", &[]);
    found.has("ok model models.default: it leads to openai/", &[]);
}

#[tokio::test]
async fn offline_nobody_is_asked() {
    let provider = saying().await;
    let home = quiet(home_of(&provider));
    let found = doctor_with(&home, &["--offline"]).await;
    assert_eq!(found.code, Some(0));
    found.lacks("ok provider");
    assert!(provider.requests().is_empty());
}

#[tokio::test]
async fn offline_no_program_is_run_and_each_is_told_of() {
    let provider = saying().await;
    let mut home = quiet(Home::new());
    let script = home.path().join("print");
    let ran = home.path().join("ran");
    fs::write(&script, format!("#!/bin/sh\necho \"$1\" >>{}\necho {KEY}\n", ran.display())).unwrap();
    set_mode(&script, 0o700);
    let command = |name: &str| format!("command:{} {name}", script.display());
    let profiles =
        |key: &str| format!("profiles = [{{ id = 'one', key = '{key}' }}, {{ id = 'two', key = 'env:KEY_TWO' }}]\n");
    home.env("KEY_TWO", KEY);
    lab(
        &home,
        &provider.url(),
        &(profiles(&command("key"))
            + &format!(
                "[providers.other]\nkind = 'openai-compatible'\nbase_url = '{0}/v1'\nheaders = {{ x-team = '{1}' }}\n\
         [providers.third]\nkind = 'openai-compatible'\nbase_url = '{0}/v1'\nkey = '{2}'\n",
                provider.url(),
                command("header"),
                command("third"),
            )),
    );
    let found = doctor_with(&home, &["--offline"]).await;
    assert!(!ran.exists(), "{:?}", fs::read_to_string(&ran));
    assert_eq!(found.code, Some(0), "{:#?}", found.lines);
    let program = format!("the command {} prints it, and is not run offline", script.display());
    found.has("ok provider lab/one: its key is not looked at", &[&program]);
    found.has("ok provider other: its header x-team is not looked at", &[&program]);
    found.has("ok provider third/default: its key is not looked at", &[&program]);
    found.lacks("ok provider lab/two");
    assert!(provider.requests().is_empty());
    // Who has a network is let in by what they print.
    let found = doctor(&home).await;
    found.has("ok provider lab/one: it lets in", &[]);
    found.has("ok provider third/default: it lets in", &[]);
    let run = fs::read_to_string(&ran).unwrap();
    assert!(["key\n", "header\n", "third\n"].iter().all(|name| run.contains(name)), "{run}");

    fs::remove_file(&ran).unwrap();
    let sealed = format!(
        "[credentials]\npassphrase = '{}'\n[providers.openai]\nbase_url = '{}/v1'\n",
        command("phrase"),
        provider.url()
    );
    home.config(&sealed);
    run_well(&home, &["auth", "add", "openai", "--no-verify"], KEY).await;
    fs::remove_file(&ran).unwrap();
    let found = doctor_with(&home, &["--offline"]).await;
    assert!(!ran.exists(), "{:?}", fs::read_to_string(&ran));
    assert_eq!(found.code, Some(0), "{:#?}", found.lines);
    found.has("ok store: it opens", &[]);
    found.has("ok credentials: the passphrase is not looked at", &[&program]);
    found.has("ok provider: no key is looked at", &["sealed by a passphrase", &program]);
    doctor(&home).await.has("ok credentials: they are sealed by the passphrase, which is the right one", &[]);
}

#[tokio::test]
async fn a_configuration_that_is_wrong_is_told_with_all_else_that_can_be_looked_at() {
    let home = Home::new();
    home.config("[server]\nlisen = \"127.0.0.1:0\"\n[failover]\nattempts = \"many\"\n");
    let found = doctor(&home).await;
    found.has("problem configuration: ", &["config.toml:2:1", "unknown key \"lisen\"", "did you mean \"listen\"?"]);
    assert_eq!(found.lines.iter().filter(|line| line.starts_with("problem configuration")).count(), 2);
    found.line("ok data directory: ");
}

#[tokio::test]
async fn secrets_that_others_can_read_are_told_of_and_not_shown() {
    let home = Home::new();
    lab(&home, "http://127.0.0.1:1", &format!("key = \"{KEY}\"\n"));
    set_mode(&home.config_path(), 0o644);
    let found = doctor_with(&home, &["--offline"]).await;
    found.has("warning configuration: ", &["a secret written out", "env:NAME"]);
    assert!(
        found.lines.iter().any(|line| line.contains("mode 644") && line.contains("chmod 600")),
        "{:#?}",
        found.lines
    );
    assert_eq!(mode(&home.config_path()), 0o644, "nothing is changed");
}

#[tokio::test]
async fn variables_that_lead_to_no_provider_are_told_of() {
    let mut home = Home::new();
    home.env("MISTRAL_API_KEY", KEY);
    doctor(&home).await.has("warning environment: MISTRAL_API_KEY is set", &["openai-compatible"]);
}

#[tokio::test]
async fn a_data_directory_that_cannot_be_used_is_told() {
    let home = Home::new();
    run_well(&home, &["auth", "token"], "").await;
    set_mode(&home.data_dir(), 0o755);
    doctor(&home).await.has("warning data directory: other users can read", &["mode 755", "chmod 700"]);
    set_mode(&home.data_dir(), 0o770);
    doctor(&home).await.has("problem data directory: other users can write", &["mode 770", "chmod 700"]);
    assert_eq!(mode(&home.data_dir()), 0o770, "nothing is changed");
    fs::write(home.path().join("file"), "").unwrap();
    let found = doctor_with(&home, &["--data-dir", "file"]).await;
    found.has("problem data directory: ", &["is no directory", "--data-dir"]);
    doctor_with(&home, &["--data-dir", "file/below"]).await.line("problem data directory: ");
    let mut command = home.command(&["doctor", "--json"]);
    let output = command.env_remove("HOME").env_remove("XDG_DATA_HOME").output().await.unwrap();
    assert!(
        String::from_utf8_lossy(&output.stdout).contains("there is no home directory to keep data in"),
        "{output:?}"
    );
}

#[tokio::test]
async fn a_data_directory_that_cannot_be_written_is_told() {
    let home = Home::new();
    fs::create_dir_all(home.data_dir()).unwrap();
    set_mode(&home.data_dir(), 0o500);
    // Root may write everywhere.
    let is_root = getuid().is_root();
    let user = if is_root { 65534 } else { getuid().as_raw() };
    let give = |path: &Path, to: u32| chown(path, Some(to), None).unwrap();
    let program = home.path().join("greenroom");
    fs::copy(harness::greenroom(), &program).unwrap();
    if is_root {
        for path in [home.path(), &program, &home.data_dir(), home.data_dir().parent().unwrap()] {
            give(path, user);
        }
    }
    let run = async |arguments: &[&str]| {
        let mut command = tokio::process::Command::new(&program);
        command.args(arguments).env_clear().current_dir(home.path());
        for (name, value) in home.command(&[]).as_std().get_envs() {
            command.env(name, value.unwrap_or_default());
        }
        if is_root {
            command.uid(user);
        }
        String::from_utf8(command.output().await.unwrap().stdout).unwrap()
    };
    let found = run(&["doctor"]).await;
    assert!(found.contains("problem  data directory: ") && found.contains("can't be written: "), "{found}");
    let below = home.data_dir().join("below").display().to_string();
    let found = run(&["doctor", "--data-dir", &below]).await;
    assert!(found.contains("problem  data directory: ") && found.contains("can't be made: "), "{found}");
    if is_root {
        give(&home.data_dir(), 0);
        let found = run(&["doctor"]).await;
        assert!(found.contains("belongs to another user (uid 0)"), "{found}");
    }
}

#[tokio::test]
async fn the_greenroom_that_runs_is_asked_and_what_it_lacks_is_told() {
    let provider = saying().await;
    let mut home = home_of(&provider);
    let daemon: Daemon = home.serve(&[]).await;
    home.env("GEMINI_API_KEY", KEY);
    let address = daemon.url().strip_prefix("http://").unwrap().to_owned();
    home.env("GREENROOM__SERVER__LISTEN", &address);
    let found = doctor(&home).await;
    found.has("ok holder: the daemon that runs", &[&format!("pid {}", daemon.pid())]);
    found.has("warning holder: GEMINI_API_KEY is set here and not for the daemon", &["restart it"]);
    found.line("ok store: what is to be kept is kept");
    found.has("ok listen: the daemon that runs listens on", &[&address]);
    found.line("ok provider openai/default: it lets in, to 3 models");
    home.env("GREENROOM__SERVER__LISTEN", "127.0.0.1:4999");
    doctor(&home).await.has("warning listen: the daemon that runs listens on", &["127.0.0.1:4999", "restart it"]);
    // One that is stopped has the lock and says nothing.
    daemon.signal(Signal::STOP);
    let found = doctor_with(&home, &["--offline"]).await;
    found.has("problem holder: a daemon holds", &["does not answer", "restart it"]);
    daemon.signal(Signal::CONT);
}

#[tokio::test]
async fn a_store_that_keeps_nothing_is_told_of() {
    let refused = openai::error(401, "invalid_request_error", Some("invalid_api_key"), "bad key");
    let provider = answering([refused.always()]).await;
    let home = home_of(&provider);
    let mut daemon: Daemon = home.serve(&[]).await;
    let pid = Pid::from_raw(daemon.pid().cast_signed());
    prlimit(pid, Resource::Fsize, Rlimit { current: Some(0), maximum: None }).unwrap();
    assert_eq!(home.run(&["chat", "hello"]).await.code(), Some(1));
    let noticed = async {
        while get(daemon.url(), "/readyz", None).await.unwrap().json()["store"] != "degraded" {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(LIMIT, noticed).await.expect("what is learnt can't be kept");
    doctor(&home).await.has("problem store: the store is degraded", &["no room"]);
    prlimit(pid, Resource::Fsize, Rlimit { current: None, maximum: None }).unwrap();
    daemon.signal(Signal::TERM);
    let _ended = daemon.wait(LIMIT).await;
    doctor(&home).await.line("ok store: it opens");
    for entry in fs::read_dir(home.data_dir().join("store")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            fs::write(path, [7; 300]).unwrap();
        }
    }
    doctor(&home).await.has("problem store: ", &["damaged", "greenroom store repair"]);
}

#[tokio::test]
async fn a_token_that_others_can_read_or_that_is_none_is_told() {
    let home = Home::new();
    run_well(&home, &["auth", "token"], "").await;
    let token = home.data_dir().join("token");
    set_mode(&token, 0o644);
    doctor(&home).await.has("warning token: other users can read", &["mode 644", "chmod 600"]);
    assert_eq!(mode(&token), 0o644, "nothing is changed");
    set_mode(&token, 0o600);
    fs::write(&token, "short\n").unwrap();
    doctor(&home).await.has("problem token: ", &["holds no token", "rm "]);
    fs::remove_file(&token).unwrap();
    symlink(home.path().join("elsewhere"), &token).unwrap();
    doctor(&home).await.has("problem token: ", &["is a link"]);
}

#[tokio::test]
async fn credentials_that_could_not_be_read_again_are_told_of() {
    let home = Home::new();
    run_well(&home, &["auth", "token"], "").await;
    doctor(&home).await.has("ok credentials: this machine has no keyring", &["sealed in the data directory"]);
    home.config("[credentials]\nstore = \"keyring\"\n");
    doctor(&home).await.has("problem credentials: keys are to be kept in the keyring", &["no keyring", "\"auto\""]);
    home.config("[credentials]\npassphrase = \"env:NO_PHRASE\"\n");
    doctor(&home).await.has("problem credentials: ", &["NO_PHRASE"]);
    home.config("");
    let key = home.data_dir().join("sealing-key");
    fs::write(&key, "0".repeat(64) + "\n").unwrap();
    set_mode(&key, 0o600);
    doctor(&home).await.has("ok credentials: they are sealed by the key in", &["sealing-key"]);
    set_mode(&key, 0o644);
    doctor(&home).await.has("problem credentials: ", &["other users can read it", "chmod 600"]);
}

#[tokio::test]
async fn an_address_that_another_has_is_told() {
    let home = Home::new();
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    home.config(&format!("[server]\nlisten = \"{}\"\n", other.local_addr().unwrap()));
    doctor(&home).await.has("problem listen: can't listen on", &["another program listens there"]);
    home.config("[server]\nlisten = \"0.0.0.0:0\"\n");
    doctor(&home).await.has("problem configuration: ", &["not be encrypted", "[server.tls]"]);
    home.config("[server]\nlisten = \"0.0.0.0:0\"\nallow_plain = true\n");
    doctor(&home).await.has("warning configuration: ", &["not encrypted", "[server.tls]"]);
}

#[tokio::test]
async fn a_certificate_that_is_none_or_over_is_told() {
    let home = Home::new();
    home.config("[server.tls]\ncertificate = \"certificate.pem\"\nkey = \"key.pem\"\n");
    let folder = home.config_path().parent().unwrap().to_owned();
    doctor(&home).await.has("problem tls: can't read", &["certificate.pem", "server.tls.certificate"]);
    let with = |certificate: &str, key: &str| {
        fs::write(folder.join("certificate.pem"), certificate).unwrap();
        fs::write(folder.join("key.pem"), key).unwrap();
        set_mode(&folder.join("key.pem"), 0o600);
    };
    let certificate = include_str!("tls_support/certificate.pem");
    let key = include_str!("tls_support/key.pem");
    with(certificate, key);
    doctor(&home).await.has("ok tls: the certificate is its key's, and valid until 2126-", &[]);
    with(certificate, include_str!("tls_support/other_key.pem"));
    doctor(&home).await.has("problem tls: ", &["can't be served with this key"]);
    with(include_str!("tls_support/expired.pem"), key);
    doctor(&home).await.has("problem tls: the certificate has expired on 2020-02-01", &["renew it"]);
}

#[tokio::test]
async fn a_certificate_that_is_about_to_end_is_told() {
    let home = quiet(Home::new());
    home.config("[server.tls]\ncertificate = \"certificate.pem\"\nkey = \"key.pem\"\n");
    let folder = home.config_path().parent().unwrap().to_owned();
    // Since a week ago, until so many days from now.
    let valid = |days: u64| {
        let day = Duration::from_secs(24 * 60 * 60);
        let mut wanted = rcgen::CertificateParams::new(["green.example".to_owned()]).unwrap();
        (wanted.not_before, wanted.not_after) =
            ((SystemTime::now() - 7 * day).into(), (SystemTime::now() + u32::try_from(days).unwrap() * day).into());
        let key = rcgen::KeyPair::generate().unwrap();
        fs::write(folder.join("certificate.pem"), wanted.self_signed(&key).unwrap().pem()).unwrap();
        fs::write(folder.join("key.pem"), key.serialize_pem()).unwrap();
        set_mode(&folder.join("key.pem"), 0o600);
        let last = humantime::format_rfc3339(wanted.not_after.into()).to_string();
        last.split('T').next().unwrap().to_owned()
    };
    let last = valid(3);
    let found = doctor(&home).await;
    assert_eq!(found.code, Some(0), "it still serves: {:#?}", found.lines);
    found.has(&format!("warning tls: the certificate expires on {last}"), &["renew it before that", "restart"]);
    let last = valid(30);
    doctor(&home).await.has(&format!("ok tls: the certificate is its key's, and valid until {last}"), &[]);
}

#[tokio::test]
#[allow(clippy::print_stderr, reason = "a test that is passed over has to say so")]
async fn a_catalogue_that_is_old_is_told() {
    let mut home = quiet(Home::new());
    let told = doctor(&home).await.line("ok catalogue: ").to_owned();
    if !home.clock_off("+800d") {
        eprintln!("passed over: GREENROOM_FAKETIME names no library to set a program's clock with");
        return;
    }
    let models = told.strip_prefix("ok ").and_then(|told| told.strip_suffix(" | ")).unwrap();
    let warning = format!("warning {models}, and prices have changed since");
    doctor(&home).await.has(&warning, &["update greenroom", "providers.NAME.models"]);
}

#[cfg(target_os = "linux")]
#[tokio::test]
#[allow(clippy::print_stderr, reason = "a test that is passed over has to say so")]
async fn a_disk_that_is_nearly_full_is_told() {
    // The data directory on a disk of its own, which the program alone sees and which needs no rights.
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("greenroom");
    let mount = "mount -t tmpfs -o mode=700,size=$ROOM tmpfs \"$XDG_DATA_HOME/greenroom\"";
    let own = harness::greenroom();
    let script =
        format!("#!/bin/sh\nexec unshare -Urm sh -c '{mount} && exec \"$0\" \"$@\"' {} \"$@\"\n", own.display());
    fs::write(&program, script).unwrap();
    set_mode(&program, 0o700);
    let mut home = quiet(Home::of_program(program));
    fs::create_dir_all(home.data_dir()).unwrap();
    home.env("ROOM", "8m");
    let tried = home.run(&["--version"]).await;
    if tried.code() != Some(0) {
        eprintln!("passed over: no disk of its own can be had here: {}", tried.stderr);
        return;
    }
    doctor(&home).await.has("problem data directory: only 8 MiB are free for", &["refused", "sessions.disk_quota"]);
    home.env("ROOM", "64m");
    doctor(&home).await.has("warning data directory: only 64 MiB are free for", &["sessions.keep"]);
    home.env("ROOM", "1g");
    doctor(&home).await.has("ok data directory: ", &["1 GiB are free"]);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_sandbox_that_cannot_be_had_is_told() {
    let home = Home::of_program(env!("CARGO_BIN_EXE_without-landlock"));
    doctor(&home).await.has("ok sandbox: it is off, and would not work", &["no Landlock"]);
    home.config("[sandbox]\nmode = \"best-effort\"\n");
    doctor(&home).await.has("warning sandbox: none would be in force", &["Linux 6.2"]);
    home.config("[sandbox]\nmode = \"required\"\n");
    doctor(&home).await.has("problem sandbox: it is required and can't be had", &["best-effort"]);
}

#[tokio::test]
async fn a_provider_that_is_not_there_is_told() {
    let mut home = Home::new();
    lab(&home, "http://127.0.0.1:1", "[providers.ollama]\n[providers.llamacpp]\nbase_url = \"http://127.0.0.1:1\"\n");
    home.config(
        &(fs::read_to_string(home.config_path()).unwrap()
            + "[providers.far]\nkind = \"openai-compatible\"\nbase_url = \"http://no-such-host.invalid/v1\"\n"),
    );
    home.config(
        &fs::read_to_string(home.config_path())
            .unwrap()
            .replace("[providers.ollama]\n", "[providers.ollama]\nbase_url = \"http://127.0.0.1:1\"\n"),
    );
    let found = doctor(&home).await;
    found.has("problem provider lab: http://127.0.0.1:1 does not answer", &["connection refused", "base_url"]);
    found.has("problem provider ollama: ", &["start it: ollama serve"]);
    found.has("problem provider llamacpp: ", &["llama-server"]);
    found.has("problem provider far: ", &["the name no-such-host.invalid is not known here"]);
    home.env("HTTP_PROXY", "http://user:sk-test-7d1f0a@127.0.0.1:1");
    let found = doctor(&home).await;
    found.has("problem provider far: ", &["by the proxy of HTTP_PROXY", "see whether the proxy"]);
    found.has("ok environment: ", &["HTTP_PROXY"]);
}

#[tokio::test]
async fn a_key_that_is_refused_or_not_there_is_told() {
    let refusal = openai::error(401, "invalid_request_error", Some("invalid_api_key"), "Incorrect API key");
    let models = Route { attempts: vec![refusal.always()], ..openai::models(["m"]) };
    let provider = ScriptedProvider::start(Script::new([models])).await;
    let mut home = Home::new();
    home.env("KEY_ONE", KEY);
    let profiles = "profiles = [{ id = 'one', key = 'env:KEY_ONE' }, { id = 'two', key = 'env:KEY_TWO' }]\n";
    lab(&home, &provider.url(), profiles);
    let found = doctor(&home).await;
    found.has("problem provider lab/one: it does not let in", &["check the key"]);
    found.has("problem provider lab/two: ", &["KEY_TWO", "export KEY_TWO="]);
    home.config("[providers.anthropic]\n");
    let found = doctor_with(&home, &["--offline"]).await;
    found.has("problem provider anthropic: ", &["no credential", "greenroom auth add anthropic"]);
}

#[tokio::test]
async fn what_is_left_alone_is_told() {
    let limited = openai::error(429, "rate_limit_error", Some("rate_limit_exceeded"), "slow down");
    let provider = answering([limited.header("retry-after", "600").always()]).await;
    let home = Home::new();
    lab(&home, &provider.url(), "");
    let mut daemon: Daemon = home.serve(&[]).await;
    let asked = home.run(&["chat", "hello", "-m", &format!("lab/{MODEL}")]).await;
    assert_eq!(asked.code(), Some(1), "{asked:?}");
    let told = format!("warning provider lab/default: {MODEL} is left alone for ");
    doctor(&home).await.has(&told, &["greenroom providers reset lab"]);
    daemon.signal(Signal::TERM);
    let _ended = daemon.wait(LIMIT).await;
    doctor(&home).await.has(&told, &["greenroom providers reset lab"]);
}

#[tokio::test]
async fn a_clock_that_is_wrong_is_told() {
    let late = Attempt::new().status(404).header("date", "Sat, 01 Jan 2000 00:00:00 GMT").body("").always();
    let provider = ScriptedProvider::start(Script::new([openai::models(["m"]), Route::new("HEAD", "*", [late])])).await;
    let home = Home::new();
    lab(&home, &provider.url(), "");
    doctor(&home).await.has("warning provider lab: the clock of this machine is", &["ahead of that of", "timedatectl"]);
}

#[tokio::test]
async fn names_that_lead_nowhere_are_told() {
    let provider = saying().await;
    let home = Home::new();
    let aliases = "[models]\ndefault = 'smart'\n[models.aliases]\nsmart = ['lab/scripted-model']\n\
                   half = ['lab/scripted-modl', 'lab/other-model']\nnone = 'lab/gone'\n'claude-*' = 'smart'\n";
    lab(&home, &provider.url(), aliases);
    let found = doctor(&home).await;
    found.line("ok model models.default: it leads to smart");
    found.line("ok model claude-*: it leads to smart");
    found.has(
        "warning model half: \"lab/scripted-modl\" is not listed by lab",
        &["did you mean \"lab/scripted-model\"?"],
    );
    found.has("problem model none: it leads to no model", &["lab/gone"]);
}
