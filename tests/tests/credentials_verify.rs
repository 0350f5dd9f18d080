//! Asking a provider whether it takes a key before the key is added: what refuses it, and what says nothing about it.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

mod cli_support;
mod key_support;

use std::time::Duration;

use cli_support::{assert_failed, lines};
use greenroom_tests::harness::Home;
use greenroom_tests::openai::{self, MODELS};
use greenroom_tests::{Attempt, ScriptedProvider, Step};
use key_support::{BAD, ONE, add, briefly, home_of, keys_of_chats, listed, listing, refusal, taking, waiting};
use serde_json::json;

/// Asks with the daemon and without one, since each does it for itself.
async fn both(lab: &ScriptedProvider, more: &str, check: impl AsyncFn(&Home)) {
    for with_daemon in [false, true] {
        let home = Home::new();
        home.config(&(waiting("lab", &lab.url()) + more));
        let daemon = if with_daemon { Some(home.serve(&[]).await) } else { None };
        check(&home).await;
        drop(daemon);
    }
}

#[tokio::test]
async fn a_key_that_its_provider_refuses_is_not_kept() {
    for status in [401, 403] {
        let lab = listing(refusal(status)).await;
        both(&lab, "", async |home| {
            let refused = add(home, &["lab"], BAD).await;
            assert_failed(&refused, 1, "lab does not take this key", "--no-verify adds it all the same");
            assert_eq!((refused.stderr.lines().count(), refused.stdout.as_str()), (2, ""), "{refused:?}");
            assert!(!refused.stderr.contains(BAD), "a provider that repeats the key: {}", refused.stderr);
            assert!(listed(home).await.is_empty());
            assert!(!home.data_dir().join("sealing-key").exists(), "nothing was sealed");
            // With a reason of its own a person may have it all the same.
            let added = add(home, &["lab", "--no-verify"], BAD).await.succeeded();
            assert_eq!(added.stderr, "");
            assert_eq!(briefly(&listed(home).await), ["lab/default store"]);
        })
        .await;
        let asked: Vec<_> = lab.requests();
        assert!(asked.iter().all(|request| request.path() == MODELS && request.bearer() == Some(BAD)), "{asked:?}");
    }
}

#[tokio::test]
async fn a_refused_key_leaves_the_one_before_it_in_its_place() {
    let lab = taking(&[ONE]).await;
    both(&lab, "", async |home| {
        let _one = add(home, &["lab"], ONE).await.succeeded();
        assert_failed(&add(home, &["lab"], BAD).await, 1, "lab does not take this key", "check the key");
        let _answered = home.run(&["chat", "-m", "lab/m1", "hi"]).await.succeeded();
    })
    .await;
    assert_eq!(keys_of_chats(&lab), [ONE, ONE]);
}

#[tokio::test]
async fn what_says_nothing_about_a_key_does_not_keep_it_out_and_is_told() {
    let html = Attempt::new().status(200).header("content-type", "text/html").body("<html><h1>Portal</h1></html>");
    let silent = Attempt::new().step(Step::Stall);
    let half =
        Attempt::new().status(200).header("content-type", "application/json").send("{\"data\": [").step(Step::Stall);
    let limited = openai::error(429, "rate_limit_error", Some("rate_limit_exceeded"), "slow down");
    for (attempt, told) in [
        (openai::error(500, "server_error", None, "oops"), "oops"),
        (openai::error(404, "not_found", None, "no such route"), "no such route"),
        (limited, "slow down"),
        (html, ""),
        (silent, "lab did not answer in time"),
        (half, ""),
    ] {
        let lab = listing(attempt).await;
        // As long as it may be silent is as long as it is waited for.
        both(&lab, "timeouts = { idle = \"300ms\" }\n", async |home| {
            let added = add(home, &["lab"], ONE).await.succeeded();
            assert!(added.stdout.starts_with("lab/default is added"), "{added:?}");
            let warning = "warning: lab did not say whether it takes this key: ";
            assert!(added.stderr.starts_with(warning) && added.stderr.contains(told), "{told}: {added:?}");
            assert!(!added.stderr.contains("<h1>") && added.stderr.lines().count() == 1, "{added:?}");
            let json = add(home, &["lab/again", "--json"], ONE).await.succeeded();
            let told_so = &lines(&json.stdout)[0];
            assert_eq!((&told_so["verified"], told_so["unverified"].is_string()), (&json!(false), true), "{told_so}");
            let mut all = briefly(&listed(home).await);
            all.sort_unstable();
            assert_eq!(all, ["lab/again store", "lab/default store"]);
        })
        .await;
    }
}

#[tokio::test]
async fn a_provider_that_is_not_there_does_not_keep_a_key_out() {
    let lab = taking(&[ONE]).await;
    let home = home_of(&lab);
    lab.stop().await;
    let added = add(&home, &["lab"], ONE).await.succeeded();
    assert!(added.stderr.contains("did not say whether it takes this key: can't connect"), "{added:?}");
    assert_eq!(briefly(&listed(&home).await), ["lab/default store"]);
}

#[tokio::test]
async fn nobody_waits_longer_than_ctrl_c() {
    use cli_support::running::Running;
    use greenroom_tests::harness::Signal;

    let lab = listing(Attempt::new().step(Step::Stall)).await;
    let home = home_of(&lab);
    let key = home.path().join("key");
    std::fs::write(&key, ONE).unwrap();
    let mut command = home.command(&["auth", "add", "lab"]);
    command = redirected(command, &key);
    let adding = Running::of(command);
    lab.wait_for(|stats| stats.route(MODELS).requests == 1, Duration::from_secs(20)).await.unwrap();
    adding.signal(Signal::INT);
    assert_eq!(adding.end().await, (Some(130), String::new(), String::new()));
    assert!(listed(&home).await.is_empty());
}

/// The command with a file on its standard input, by way of a shell, since [`cli_support::running::Running`] gives none.
fn redirected(command: tokio::process::Command, file: &std::path::Path) -> tokio::process::Command {
    let command = command.as_std();
    let mut shell = tokio::process::Command::new("sh");
    shell.arg("-c").arg("file=$1; shift; exec \"$@\" <\"$file\"").arg("sh").arg(file);
    shell.arg(command.get_program()).args(command.get_args()).env_clear().kill_on_drop(true);
    shell.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    shell
}
