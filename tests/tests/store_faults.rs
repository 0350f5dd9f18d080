//! A disk that is full, read-only, taken away or damaged, and who may have the store.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

mod store_support;

use std::{
    fs,
    os::unix::{fs::PermissionsExt as _, fs::chown, process::CommandExt as _},
    path::Path,
    time::Duration,
};

use greenroom::{OpenError, Runtime, StartError, StoreKind};
use greenroom_tests::harness::{self, Daemon, Home};
use rustix::process::{Pid, Resource, Rlimit, getuid, prlimit};
use serde_json::json;
use store_support::{
    LIMIT, ask, fine, get, home, kill, limited, locked_out, marks, provider, shown, stop, store_of, to,
};

/// Lets the daemon's files grow no further, or again: as a disk that is full, and needs no rights to bring about.
fn fill(daemon: &Daemon, full: bool) {
    let pid = Pid::from_raw(daemon.pid().cast_signed());
    let current = if full { Some(0) } else { None };
    prlimit(pid, Resource::Fsize, Rlimit { current, maximum: None }).unwrap();
}

async fn until_store_is(daemon: &Daemon, wanted: &str) {
    let waited = async {
        while get(daemon, "/readyz").await["store"] != wanted {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(LIMIT, waited).await.unwrap_or_else(|_| panic!("{wanted}\n{}", daemon.output()));
}

#[tokio::test]
async fn on_a_full_disk_answers_go_on_and_what_is_learnt_is_kept_once_there_is_room() {
    let provider =
        provider([to("one", "m1", locked_out()).always(), to("two", "m1", limited(90)).always(), fine().always()])
            .await;
    let home = home(&provider.url(), "");
    let daemon = home.serve(&[]).await;
    until_store_is(&daemon, "ok").await;
    fill(&daemon, true);
    for _ in 0..5 {
        assert_eq!(ask(&daemon, "lab/m1").await.status, 200, "{}", daemon.output());
    }
    let seen = marks(&shown(&daemon).await);
    assert_eq!(seen.len(), 2, "what is learnt counts: {seen:?}");
    let ready = get(&daemon, "/readyz").await;
    assert_eq!((&ready["status"], &ready["store"]), (&json!("ready"), &json!("degraded")), "{ready}");
    assert!(ready["reason"].as_str().unwrap().contains("no room"), "{ready}");
    let status = home.run(&["providers", "status", "--json"]).await.succeeded();
    assert!(status.stdout.contains("\"store\":{\"state\":\"degraded\""), "{status:?}");
    assert!(status.stderr.contains("warning: the store is degraded") && status.stderr.contains("hint: "), "{status:?}");
    let reset = home.run(&["providers", "reset", "lab"]).await;
    assert_eq!(reset.code(), Some(1), "a reset that does not last says so: {reset:?}");
    for _ in 0..5 {
        assert_eq!(ask(&daemon, "lab/m1").await.status, 200);
    }
    let seen = marks(&shown(&daemon).await);
    assert_eq!(seen.len(), 2);
    fill(&daemon, false);
    until_store_is(&daemon, "ok").await;
    assert_eq!(marks(&shown(&daemon).await), seen, "what is shown once there is room is kept");
    kill(daemon).await;
    let daemon = home.serve(&[]).await;
    assert_eq!(marks(&shown(&daemon).await), seen);
}

#[tokio::test]
async fn a_store_that_is_taken_away_is_noticed_and_a_restart_begins_anew() {
    let provider = provider([to("one", "m1", locked_out()).always(), fine().always()]).await;
    let home = home(&provider.url(), "");
    let daemon = home.serve(&[]).await;
    fs::remove_dir_all(store_of(&home)).unwrap();
    for _ in 0..3 {
        assert_eq!(ask(&daemon, "lab/m1").await.status, 200);
    }
    let seen = marks(&shown(&daemon).await);
    assert_eq!(seen.len(), 1);
    let ready = get(&daemon, "/readyz").await;
    assert_eq!(ready["store"], "degraded", "what was told as kept would be lost: {ready}");
    assert!(ready["reason"].as_str().unwrap().contains("removed"), "{ready}");
    assert!(!store_of(&home).exists());
    stop(daemon).await;
    let daemon = home.serve(&[]).await;
    assert_eq!(get(&daemon, "/readyz").await["store"], "ok");
}

/// The uid of a user who may write nothing of root's.
const NOBODY: u32 = 65534;

fn give(path: &Path, uid: u32) {
    chown(path, Some(uid), Some(uid)).unwrap();
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            give(&entry.unwrap().path(), uid);
        }
    }
}

#[tokio::test]
async fn where_nothing_can_be_written_at_the_start_a_daemon_runs_without_a_store_and_says_so() {
    let provider = provider([to("one", "m1", locked_out()).always(), fine().always()]).await;
    let home = home(&provider.url(), "");
    let _token = home.run(&["auth", "token"]).await.succeeded();
    fs::set_permissions(home.data_dir(), fs::Permissions::from_mode(0o500)).unwrap();
    let program = home.path().join("greenroom");
    fs::copy(harness::greenroom(), &program).unwrap();
    // Root may write anywhere, so it is somebody else there.
    let root = getuid().is_root();
    if root {
        give(home.path(), NOBODY);
    }
    let mut command = home.command(&["serve"]);
    let mut as_user = tokio::process::Command::new(&program);
    as_user.arg("serve").env_clear().kill_on_drop(true).current_dir(home.path());
    for (name, value) in command.as_std().get_envs() {
        as_user.env(name, value.unwrap_or_default());
    }
    as_user.env("GREENROOM__SERVER__LISTEN", "127.0.0.1:0");
    if root {
        as_user.as_std_mut().uid(NOBODY).gid(NOBODY);
    }
    let _unused = &mut command;
    let daemon = Daemon::start(as_user, home.data_dir()).await;
    assert!(daemon.stderr().contains("warning: nothing that is learnt outlives this daemon"), "{}", daemon.stderr());
    for _ in 0..3 {
        assert_eq!(ask(&daemon, "lab/m1").await.status, 200);
    }
    assert_eq!(marks(&shown(&daemon).await).len(), 1);
    assert_eq!(get(&daemon, "/readyz").await["store"], "temporary");
    assert_eq!(get(&daemon, "/api/providers").await["store"]["state"], "temporary");
    assert!(!store_of(&home).exists());
    stop(daemon).await;
    fs::set_permissions(home.data_dir(), fs::Permissions::from_mode(0o700)).unwrap();
}

#[tokio::test]
async fn a_data_directory_has_one_runtime_and_chat_goes_on_beside_it() {
    let provider = provider([fine().always()]).await;
    let home = home(&provider.url(), "");
    let daemon = home.serve(&[]).await;
    let chat = home.run(&["chat", "-m", "lab/m1", "hello"]).await.succeeded();
    assert_eq!((chat.stdout.as_str(), chat.stderr.as_str()), ("hi\n", ""), "quietly");
    let second = home.run(&["serve", "--listen", "127.0.0.1:0"]).await;
    assert_eq!(second.code(), Some(1));
    assert!(second.stderr.contains(&format!("pid {}", daemon.pid())), "{second:?}");
    let settings = {
        use greenroom::config::{Environment, Source, load};
        let environment = Environment::from_iter([("KEY_ONE", "a"), ("KEY_TWO", "b"), ("KEY_THREE", "c")]);
        (load(&Source::locate(Some(&home.config_path()), environment.clone())).unwrap().settings, environment)
    };
    let library = async |data_dir: std::path::PathBuf| {
        let (settings, environment) = settings.clone();
        Runtime::builder().settings(settings).environment(environment).data_dir(data_dir).start().await
    };
    match library(home.data_dir()).await {
        Err(StartError::Store(OpenError::Held { .. })) => {}
        other => panic!("{other:?}"),
    }
    let own = library(home.path().join("own")).await.unwrap();
    assert_eq!(own.store().state, StoreKind::Ok);
    stop(daemon).await;
    // Each lets go of it at once.
    for _ in 0..5 {
        let after = library(home.data_dir()).await.unwrap();
        after.shutdown(Duration::ZERO).await;
        let _chatted = home.run(&["chat", "-m", "lab/m1", "hello"]).await.succeeded();
    }
    own.shutdown(Duration::ZERO).await;
}

#[tokio::test]
async fn a_question_finds_what_one_before_has_learnt() {
    let provider = provider([to("one", "m1", locked_out()).always(), fine().always()]).await;
    let home = home(&provider.url(), "");
    for _ in 0..3 {
        assert_eq!(home.run(&["chat", "-m", "lab/m1", "hello"]).await.succeeded().stdout, "hi\n");
    }
    let asked = provider.requests();
    let by_one = asked.iter().filter(|request| request.headers.bearer() == Some("key-one")).count();
    assert_eq!(by_one, 1, "the key that was refused is asked once");
}

#[tokio::test]
async fn a_damaged_store_is_told_of_and_repaired() {
    let provider = provider([to("one", "m1", limited(600)).always(), fine().always()]).await;
    let home = home(&provider.url(), "");
    let daemon = home.serve(&[]).await;
    for _ in 0..3 {
        assert_eq!(ask(&daemon, "lab/m1").await.status, 200);
    }
    let seen = marks(&shown(&daemon).await);
    assert_eq!(seen.len(), 1);
    stop(daemon).await;
    let sound = home.run(&["store", "repair"]).await.succeeded();
    assert!(sound.stdout.contains("nothing is wrong"), "{sound:?}");
    stop(home.serve(&[]).await).await;
    // The snapshot is noise; the log has everything.
    for entry in fs::read_dir(store_of(&home)).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap().to_string_lossy().starts_with("snap.") {
            fs::write(path, [7; 300]).unwrap();
        }
    }
    let refused = home.run(&["serve", "--listen", "127.0.0.1:0"]).await;
    assert_eq!(refused.code(), Some(1));
    assert!(refused.stderr.contains("damaged") && refused.stderr.contains("greenroom store repair"), "{refused:?}");
    assert!(!refused.stderr.contains("panicked"), "{refused:?}");
    let chat = home.run(&["chat", "-m", "lab/m1", "hello"]).await.succeeded();
    assert_eq!(chat.stdout, "hi\n", "an answer needs no store");
    assert!(chat.stderr.contains("damaged") && chat.stderr.contains("greenroom store repair"), "{chat:?}");
    let repaired = home.run(&["store", "repair", "--json"]).await.succeeded();
    let repaired: serde_json::Value = serde_json::from_str(&repaired.stdout).unwrap();
    assert_eq!(repaired["repaired"], true);
    assert_eq!(repaired["moved_to"], home.data_dir().join("store.damaged-1").display().to_string());
    assert!(home.data_dir().join("store.damaged-1").join("db").is_file());
    let daemon = home.serve(&[]).await;
    assert_eq!(marks(&shown(&daemon).await), seen, "the mark was saved: {repaired}");
    let held = home.run(&["store", "repair"]).await;
    assert_eq!(held.code(), Some(1), "{held:?}");
    stop(daemon).await;
}

#[tokio::test]
async fn looking_makes_nothing() {
    let provider = provider([fine().always()]).await;
    let home: Home = home(&provider.url(), "");
    let _shown = home.run(&["providers", "status"]).await.succeeded();
    let _reset = home.run(&["providers", "reset"]).await.succeeded();
    let _sound = home.run(&["store", "repair"]).await.succeeded();
    assert!(!home.data_dir().exists(), "looking leaves nothing behind");
    let daemon = home.serve(&[]).await;
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&home.data_dir()), mode(&store_of(&home))), (0o700, 0o700));
    stop(daemon).await;
}
