//! Added keys in the system's keyring, by a real Secret Service. The tests run where `GREENROOM_KEYRING` is set; without that
//! variable they are passed over, and say so.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

mod cli_support;
mod key_support;
mod keyring_support;

use std::time::Duration;

use cli_support::{assert_failed, run_well};
use greenroom_tests::client;
use greenroom_tests::harness::{Daemon, Home, Signal};
use key_support::{ONE, TWO, add, briefly, keys_of_chats, listed, name_of, taking, waiting};
use keyring_support::{BUS, LIMIT, Session, is_kept};
use rustix::process::{Pid, Resource, Rlimit, prlimit};

/// A home in this session, with this configuration.
fn home_in(session: &Session, config: &str) -> Home {
    let mut home = Home::new();
    home.config(config);
    home.env(BUS, &session.address).env("GREENROOM_LOG", "trace");
    home
}

async fn answer(home: &Home, model: &str) -> String {
    home.run(&["chat", "-m", model, "hi"]).await.succeeded().stdout.trim_end().to_owned()
}

async fn stop(mut daemon: Daemon) {
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.wait(LIMIT).await.code(), Some(0), "{}", daemon.output());
}

#[tokio::test]
async fn an_added_key_is_an_entry_of_the_keyring_and_nowhere_else() {
    let Some(session) = Session::begin().await else { return };
    let lab = taking(&[ONE, TWO]).await;
    let home = home_in(&session, &waiting("lab", &lab.url()));
    for with_daemon in [false, true] {
        let daemon = if with_daemon { Some(home.serve(&[]).await) } else { None };
        let added = add(&home, &["lab"], ONE).await.succeeded();
        assert_eq!(added.stdout, "lab/default is added, in the keyring of this system\n");
        let _work = add(&home, &["lab/work"], TWO).await.succeeded();
        assert_eq!(session.found("lab/default").await.as_deref(), Some(ONE));
        assert_eq!(session.found("lab/work").await.as_deref(), Some(TWO));
        assert_eq!(briefly(&listed(&home).await), ["lab/default keyring", "lab/work keyring"]);
        let mut answers = [answer(&home, "lab/m1").await, answer(&home, "lab/m1").await];
        answers.sort_unstable();
        assert_eq!(answers, [name_of(ONE), name_of(TWO)], "both are really used");
        for secret in [ONE, TWO] {
            assert!(!is_kept(home.path(), secret));
        }
        assert!(!home.data_dir().join("sealing-key").exists(), "nothing was sealed");
        // Another in its place is the same entry.
        let _again = add(&home, &["lab/work"], ONE).await.succeeded();
        assert_eq!(session.found("lab/work").await.as_deref(), Some(ONE));
        for profile in ["lab/default", "lab/work"] {
            run_well(&home, &["auth", "remove", profile], "").await;
            assert_eq!(session.found(profile).await, None, "its entry is gone with it");
        }
        if let Some(daemon) = daemon {
            let said = daemon.output();
            assert!(!said.contains(ONE) && !said.contains(TWO), "{said}");
            stop(daemon).await;
        }
    }
}

#[tokio::test]
async fn a_locked_keyring_takes_no_key_and_keeps_those_that_it_has() {
    let Some(session) = Session::begin().await else { return };
    let lab = taking(&[ONE, TWO]).await;
    let mut home =
        home_in(&session, &(waiting("lab", &lab.url()) + &waiting("other", &lab.url()) + "key = \"env:KEY\"\n"));
    home.env("KEY", TWO);
    let _one = add(&home, &["lab"], ONE).await.succeeded();
    session.lock().await;
    for arguments in [&["auth", "add", "lab"][..], &["auth", "add", "lab/more"], &["auth", "remove", "lab"]] {
        let refused = home.run_with_input(arguments, TWO).await;
        assert_failed(&refused, 1, "the keyring can't be used: the keyring is locked", "unlock the keyring");
        assert!(!refused.stderr.contains(TWO), "{refused:?}");
    }
    assert_eq!(briefly(&listed(&home).await), ["lab/default keyring", "other/default env:KEY"], "nothing has changed");
    assert!(!home.data_dir().join("sealing-key").exists(), "nor is anything sealed in its stead");

    let daemon = home.serve(&[]).await;
    let said = daemon.stderr();
    assert!(said.contains("warning: the credential lab/default can't be used"), "{said}");
    assert!(said.contains("the keyring is locked") && said.contains("hint: unlock the keyring"), "{said}");
    assert_eq!(answer(&home, "other/m1").await, name_of(TWO), "others go on");
    let refused = home.run(&["chat", "-m", "lab/m1", "hi"]).await;
    assert!(refused.code() != Some(0) && refused.stderr.contains("the keyring is locked"), "{refused:?}");
    session.unlock().await;
    // What is added anew joins at once.
    let _one = add(&home, &["lab"], ONE).await.succeeded();
    assert_eq!(answer(&home, "lab/m1").await, name_of(ONE));
    stop(daemon).await;
    let daemon = home.serve(&[]).await;
    assert!(!daemon.stderr().contains("can't be used"), "{}", daemon.stderr());
    assert_eq!(answer(&home, "lab/m1").await, name_of(ONE));
}

#[tokio::test]
async fn where_the_configuration_says_so_keys_are_sealed_beside_a_keyring() {
    let Some(session) = Session::begin().await else { return };
    let lab = taking(&[ONE, TWO]).await;
    let config = waiting("lab", &lab.url());
    let home = home_in(&session, &config);
    let _keyring = add(&home, &["lab"], ONE).await.succeeded();
    home.config(&format!("{config}[credentials]\nstore = \"file\"\n"));
    assert_eq!(answer(&home, "lab/m1").await, name_of(ONE), "one that is in the keyring is had from there");
    let sealed = add(&home, &["lab/two"], TWO).await.succeeded();
    assert!(sealed.stdout.contains("sealed in the data directory"), "{sealed:?}");
    assert_eq!(session.found("lab/two").await, None);
    assert!(home.data_dir().join("sealing-key").exists() && !is_kept(home.path(), TWO));
    // In the place of one in the keyring, it leaves nothing there.
    let _sealed = add(&home, &["lab"], TWO).await.succeeded();
    assert_eq!(session.found("lab/default").await, None);
    assert_eq!(briefly(&listed(&home).await), ["lab/default store", "lab/two store"]);
    assert_eq!(answer(&home, "lab/m1").await, name_of(TWO));
}

#[tokio::test]
async fn a_keyring_is_as_it_was_where_the_store_takes_nothing() {
    let Some(session) = Session::begin().await else { return };
    let lab = taking(&[ONE, TWO]).await;
    let home = home_in(&session, &waiting("lab", &lab.url()));
    let daemon = home.serve(&[]).await;
    let _one = add(&home, &["lab"], ONE).await.succeeded();
    let pid = Pid::from_raw(daemon.pid().cast_signed());
    let fill = |full: bool| {
        let current = if full { Some(0) } else { None };
        prlimit(pid, Resource::Fsize, Rlimit { current, maximum: None }).unwrap();
    };
    fill(true);
    assert_failed(&add(&home, &["lab"], TWO).await, 1, "it can't be kept", "");
    assert_failed(&add(&home, &["lab/new"], TWO).await, 1, "it can't be kept", "");
    assert_failed(&home.run(&["auth", "remove", "lab"]).await, 1, "it can't be kept", "");
    assert_eq!(session.found("lab/default").await.as_deref(), Some(ONE));
    assert_eq!(session.found("lab/new").await, None);
    assert_eq!(answer(&home, "lab/m1").await, name_of(ONE));
    fill(false);
    let waited = async {
        while client::get(daemon.url(), "/readyz", Some(&daemon.token())).await.unwrap().json()["store"] != "ok" {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(LIMIT, waited).await.unwrap();
    assert_eq!(briefly(&listed(&home).await), ["lab/default keyring"]);
    assert_eq!(keys_of_chats(&lab), [ONE]);
}

#[tokio::test]
async fn an_entry_that_somebody_has_taken_away_is_told_and_can_be_added_or_removed() {
    let Some(session) = Session::begin().await else { return };
    let lab = taking(&[ONE]).await;
    let home = home_in(&session, &waiting("lab", &lab.url()));
    let clear =
        async |user: &str| session.run("secret-tool", &["clear", "service", "greenroom", "username", user], "").await;
    for profile in ["lab/default", "lab/again"] {
        let _one = add(&home, &[profile], ONE).await.succeeded();
        clear(profile).await;
    }
    let daemon = home.run(&["serve", "--listen", "127.0.0.1:0"]).await;
    assert_failed(&daemon, 1, "the keyring has no entry lab/again any more", "greenroom auth add");
    let _one = add(&home, &["lab/again"], ONE).await.succeeded();
    run_well(&home, &["auth", "remove", "lab"], "").await;
    assert_eq!(answer(&home, "lab/m1").await, name_of(ONE));
}
