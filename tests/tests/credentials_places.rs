//! Where added keys are kept: what becomes of `auth` where a data directory can't be written, is damaged, or is another's, and
//! of what was sealed with a passphrase.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

mod cli_support;
mod key_support;

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::time::Duration;

use cli_support::running::Running;
use cli_support::{LIMIT, assert_failed, run_well};
use greenroom::Runtime;
use greenroom::config::{Environment, Source, load};
use greenroom_tests::harness::{self, Home, Output, Signal};
use key_support::{ONE, TWO, add, briefly, home_of, keys_of_chats, listed, name_of, taking, waiting};

#[tokio::test]
async fn a_data_directory_that_can_be_none_is_told() {
    let lab = taking(&[ONE]).await;
    let home = home_of(&lab);
    let file = home.path().join("file");
    fs::write(&file, "no directory\n").unwrap();
    for place in [file.clone(), file.join("below")] {
        let place = ["--data-dir", place.to_str().unwrap()];
        let added = home.run_with_input(&[&place[..], &["auth", "add", "lab"]].concat(), ONE).await;
        assert_failed(&added, 1, "file", "--data-dir");
        assert!(!added.stderr.contains(ONE), "{added:?}");
    }
    assert!(keys_of_chats(&lab).is_empty());
}

fn give(path: &Path, uid: u32) {
    chown(path, Some(uid), Some(uid)).unwrap();
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            give(&entry.unwrap().path(), uid);
        }
    }
}

/// The uid of a user who may write nothing of root's.
const NOBODY: u32 = 65534;

#[tokio::test]
async fn a_data_directory_that_cannot_be_written_takes_no_key_and_says_so() {
    let lab = taking(&[ONE]).await;
    let home = home_of(&lab);
    run_well(&home, &["auth", "token"], "").await;
    fs::set_permissions(home.data_dir(), fs::Permissions::from_mode(0o500)).unwrap();
    let program = home.path().join("greenroom");
    fs::copy(harness::greenroom(), &program).unwrap();
    // Root may write anywhere, so it is somebody else there.
    let is_root = rustix::process::getuid().is_root();
    if is_root {
        give(home.path(), NOBODY);
    }
    let run = async |arguments: &[&str]| {
        let command = home.command(&[]);
        let mut as_user = tokio::process::Command::new(&program);
        as_user.args(arguments).env_clear().kill_on_drop(true).current_dir(home.path());
        as_user.envs(command.as_std().get_envs().filter_map(|(name, value)| Some((name, value?))));
        if is_root {
            as_user.as_std_mut().uid(NOBODY).gid(NOBODY);
        }
        as_user
    };
    let key = home.path().join("key");
    fs::write(&key, ONE).unwrap();
    let mut adding = run(&["auth", "add", "lab"]).await;
    adding.stdin(fs::File::open(&key).unwrap());
    let ended = adding.output().await.unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let output = Output { status: ended.status, stdout: text(&ended.stdout), stderr: text(&ended.stderr) };
    assert_failed(&output, 1, "can't be written", "");
    // A daemon keeps what it learns in memory, which is no place for a key.
    let mut serving = run(&["serve"]).await;
    serving.env("GREENROOM__SERVER__LISTEN", "127.0.0.1:0");
    let daemon = harness::Daemon::start(serving, home.data_dir()).await;
    let body = format!("{{\"key\": \"{ONE}\"}}");
    let mut connection = greenroom_tests::client::Connection::open(daemon.url()).await.unwrap();
    let bearer = format!("Bearer {}", daemon.token());
    connection.send("PUT", "/api/credentials/lab/me", &[("authorization", &bearer)], body.as_bytes()).await.unwrap();
    let refused = connection.response().await.unwrap();
    assert!(refused.status == 507 && refused.text().contains("nowhere to keep it"), "{}", refused.text());
    drop(daemon);
    fs::set_permissions(home.data_dir(), fs::Permissions::from_mode(0o700)).unwrap();
    assert!(!home.data_dir().join("store").exists() && !home.data_dir().join("sealing-key").exists());
}

#[tokio::test]
async fn a_damaged_store_is_told_of_and_nothing_is_begun_beside_it() {
    let lab = taking(&[ONE, TWO]).await;
    let home = home_of(&lab);
    run_well(&home, &["auth", "add", "lab"], ONE).await;
    let mut kept = Vec::new();
    for entry in fs::read_dir(home.data_dir().join("store")).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap().to_string_lossy().starts_with("snap.") {
            kept.push((path.clone(), fs::read(&path).unwrap()));
            fs::write(path, [7; 300]).unwrap();
        }
    }
    assert!(!kept.is_empty());
    for arguments in [&["auth", "add", "lab"][..], &["auth", "list"], &["auth", "remove", "lab"]] {
        let refused = home.run_with_input(arguments, TWO).await;
        assert_failed(&refused, 1, "damaged", "greenroom store repair");
    }
    run_well(&home, &["store", "repair"], "").await;
    assert_eq!(briefly(&listed(&home).await), ["lab/default store"]);
    let answered = home.run(&["chat", "-m", "lab/m1", "hi"]).await.succeeded();
    assert_eq!(answered.stdout.trim_end(), name_of(ONE), "the key is saved with the rest");
}

#[tokio::test]
async fn a_store_that_somebody_holds_who_cannot_be_asked_is_waited_for_and_then_told() {
    let lab = taking(&[ONE]).await;
    let home = home_of(&lab);
    let source = Source::locate(Some(&home.config_path()), Environment::empty());
    let settings = load(&source).unwrap().settings;
    let holding = async || {
        let builder = Runtime::builder().settings(settings.clone()).wait_for_credentials();
        builder.data_dir(home.data_dir()).start().await.unwrap()
    };
    let holder = holding().await;
    let refused = add(&home, &["lab"], ONE).await;
    assert_failed(&refused, 1, "the data directory can't be used", "");
    let listing = Running::start(&home, &["auth", "list", "--json"]);
    // Whether it has seen that by then or not, it goes on once the store is let go.
    holder.shutdown(Duration::ZERO).await;
    assert_eq!(listing.end().await, (Some(0), String::new(), String::new()));
    run_well(&home, &["auth", "add", "lab"], ONE).await;
    let holder = holding().await;
    assert!(holder.warnings().is_empty(), "a library has what was added: {:?}", holder.warnings());
    holder.shutdown(Duration::ZERO).await;
}

/// A key sealed with a passphrase, beside one that is configured.
#[tokio::test]
async fn a_passphrase_seals_and_a_wrong_one_leaves_out_what_it_cannot_open_and_nothing_else() {
    let lab = taking(&[ONE, TWO]).await;
    let mut home = Home::new();
    let config = waiting("lab", &lab.url())
        + &waiting("other", &lab.url())
        + "key = \"env:OTHER\"\n[credentials]\npassphrase = \"env:PASSPHRASE\"\n";
    home.config(&config);
    home.env("OTHER", TWO).env("PASSPHRASE", "correct horse battery staple");
    run_well(&home, &["auth", "add", "lab"], ONE).await;
    let data = home.data_dir();
    assert!(data.join("sealing-key.salt").exists() && !data.join("sealing-key").exists(), "no key lies anywhere");
    let asked = async |home: &Home, model: &str| home.run(&["chat", "-m", model, "hi"]).await;
    assert_eq!(asked(&home, "lab/m1").await.succeeded().stdout.trim_end(), name_of(ONE));

    home.env("PASSPHRASE", "wrong horse");
    let mut daemon = home.serve(&[]).await;
    let (what, todo) = ("passphrase is not the one", "give the passphrase that was given first");
    let said = daemon.stderr();
    assert!(said.contains("warning: the credential lab/default can't be used") && said.contains(what), "{said}");
    assert!(said.contains(&format!("hint: {todo}")) && !said.contains("horse"), "{said}");
    assert_eq!(asked(&home, "other/m1").await.succeeded().stdout.trim_end(), name_of(TWO), "others go on");
    let refused = asked(&home, "lab/m1").await;
    assert!(refused.code() != Some(0) && refused.stderr.contains(what), "{refused:?}");
    assert_failed(&add(&home, &["lab/more"], ONE).await, 1, what, todo);
    assert_eq!(briefly(&listed(&home).await), ["lab/default store", "other/default env:OTHER"]);
    daemon.signal(Signal::TERM);
    daemon.wait(LIMIT).await;
    home.config(&config.replace("passphrase = \"env:PASSPHRASE\"\n", ""));
    assert_failed(&add(&home, &["lab/more"], ONE).await, 1, "sealed with a passphrase", "credentials.passphrase");
    home.config(&config);
    home.env("PASSPHRASE", "correct horse battery staple");
    assert_eq!(asked(&home, "lab/m1").await.succeeded().stdout.trim_end(), name_of(ONE), "nothing is lost by it");
}

#[tokio::test]
async fn a_sealing_key_that_is_damaged_or_open_to_others_is_told_and_never_replaced() {
    let lab = taking(&[ONE, TWO]).await;
    let home = home_of(&lab);
    run_well(&home, &["auth", "add", "lab"], ONE).await;
    let file = home.data_dir().join("sealing-key");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let kept = fs::read(&file).unwrap();
    let adding = async || add(&home, &["lab/more"], TWO).await;
    fs::write(&file, "no key\n").unwrap();
    assert_failed(&adding().await, 1, "it does not hold what it should", "restore the file");
    fs::write(&file, &kept).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    assert_failed(&adding().await, 1, "other users can read it", "chmod 600");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(fs::read(&file).unwrap(), kept);
    let _added = adding().await.succeeded();
    assert_eq!(briefly(&listed(&home).await), ["lab/default store", "lab/more store"]);
}
