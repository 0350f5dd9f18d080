//! Logins that the daemon refreshes: over many expiries, for many at once, over `kill -9`, and to their end. At a real OAuth
//! server where `GREENROOM_OIDC` says that there is one, and at a scripted issuer.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

mod cli_support;
mod login_support;

use std::hash::{BuildHasher as _, RandomState};
use std::time::{Duration, Instant, SystemTime};

use cli_support::LIMIT;
use futures::future::join_all;
use greenroom_tests::client::Connection;
use greenroom_tests::harness::{Daemon, Home, Signal};
use greenroom_tests::issuer::{Fault, Habits, ScriptedIssuer};
use greenroom_tests::oidc::OidcServer;
use login_support::{
    HOUR, MODEL, ask, home_of, listed, log_in, log_in_scripted, said, scripted_home, status, until_said,
};
use serde_json::json;

/// Waits until this holds, which nothing but a failure keeps from happening.
async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(LIMIT, wait).await.unwrap_or_else(|_| panic!("never: {what}"));
}

/// Some time up to this.
fn some_time(up_to: Duration) -> Duration {
    up_to.mul_f64((RandomState::new().hash_one(Instant::now()) % 1000) as f64 / 1000.0)
}

/// Chats one after the other until the token endpoint has been asked so often; each is answered.
async fn chat_over(server: &OidcServer, daemon: &Daemon, refreshes: u64) {
    let begun = Instant::now();
    while server.counts().await.get("refresh_token").copied().unwrap_or_default() < refreshes {
        assert_eq!(said(daemon).await, "You are ada.");
        assert!(begun.elapsed() < 4 * LIMIT, "{}", daemon.output());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn answers_go_on_over_many_expiries_and_restarts() {
    let Some(server) = OidcServer::start(Duration::from_secs(2)).await else { return };
    let home = home_of(&server);
    log_in(&home, &server, "default", "ada").await;
    for round in 1..=3 {
        let mut daemon = home.serve(&[]).await;
        chat_over(&server, &daemon, 3 * round).await;
        assert_eq!(listed(&home, "default").await["state"], "ok");
        daemon.signal(if round == 2 { Signal::INT } else { Signal::TERM });
        daemon.wait(LIMIT).await;
        assert!(!daemon.stderr().contains("could not be refreshed"), "{}", daemon.output());
    }
    // What was refreshed by the daemon is what a command finds that has none.
    assert_eq!(login_support::who(&home).await, "You are ada.");
}

async fn streamed(daemon: &Daemon) -> Connection {
    let body = json!({"model": MODEL, "stream": true, "messages": [{"role": "user", "content": "who am I?"}]});
    login_support::begin(daemon, "/v1/chat/completions", &body).await
}

#[tokio::test]
async fn two_hundred_streams_on_a_token_that_is_over_make_one_refresh() {
    let Some(server) = OidcServer::start(Duration::from_secs(30)).await else { return };
    let home = home_of(&server);
    log_in(&home, &server, "default", "ada").await;
    // Nobody is there to refresh it ahead of its end.
    let expires = listed(&home, "default").await["expires"].as_str().map(humantime::parse_rfc3339).unwrap().unwrap();
    // What is shown is whole seconds, cut.
    let over = expires + Duration::from_secs(1);
    tokio::time::sleep(over.duration_since(SystemTime::now()).unwrap_or_default()).await;
    let daemon = home.serve(&[]).await;
    let streams = (0..200).map(|_| async {
        let mut stream = streamed(&daemon).await;
        stream.set_limit(4 * LIMIT);
        assert_eq!(stream.head().await.unwrap().status, 200);
        String::from_utf8(stream.body().await.unwrap()).unwrap()
    });
    for text in join_all(streams).await {
        assert!(text.contains("You are ada.") && text.contains("[DONE]"), "{text}");
    }
    assert_eq!(server.counts().await["refresh_token"], 1);
}

#[tokio::test]
async fn a_login_that_is_revoked_is_told_once_and_a_new_one_brings_it_back() {
    let Some(server) = OidcServer::start(HOUR).await else { return };
    let home = home_of(&server);
    log_in(&home, &server, "mine", "ada").await;
    log_in(&home, &server, "other", "grace").await;
    let daemon = home.serve(&[]).await;
    assert_eq!(server.revoke("ada").await, 1);
    // Nobody who asks notices: the other account answers.
    for _ in 0..6 {
        assert_eq!(said(&daemon).await, "You are grace.");
    }
    until("it is told", async || daemon.stderr().contains("a login is over")).await;
    for _ in 0..6 {
        assert_eq!(said(&daemon).await, "You are grace.");
    }
    assert_eq!(daemon.stderr().matches("a login is over").count(), 1, "{}", daemon.stderr());
    assert_eq!(server.counts().await["refresh_token"], 1, "it is not asked again and again");
    let told = listed(&home, "mine").await;
    assert_eq!(told["state"], "ended", "{told}");
    assert!(told["reason"].as_str().unwrap().contains("not valid any more"), "{told}");
    let shown = status(&home, "mine").await;
    assert!(shown.to_string().contains("not valid any more"), "{shown}");
    assert!(shown["state"] != "ok" && shown["state"] != "ready", "{shown}");
    assert_eq!(listed(&home, "other").await["state"], "ok");
    let listing = home.run(&["auth", "list"]).await.succeeded().stdout;
    assert!(listing.contains("ended: the login is not valid any more"), "{listing}");

    // With nobody left whoever asks is told what to do.
    assert_eq!(server.revoke("grace").await, 1);
    let refused = ask(&daemon).await;
    assert!(refused.status >= 400 && refused.text().contains("log"), "{}", refused.text());
    let at_the_terminal = home.run(&["chat", "-m", MODEL, "hi"]).await;
    assert!(at_the_terminal.stderr.contains("greenroom auth login lab"), "{at_the_terminal:?}");
    assert_eq!(server.counts().await["refresh_token"], 2);
    log_in(&home, &server, "mine", "ada").await;
    assert_eq!(said(&daemon).await, "You are ada.");
    assert_eq!(listed(&home, "mine").await["state"], "ok");
    // It stays ended for the next one, which does not ask again either.
    drop(daemon);
    let daemon = home.serve(&[]).await;
    assert_eq!(said(&daemon).await, "You are ada.");
    assert_eq!(listed(&home, "other").await["state"], "ended");
    assert_eq!(server.counts().await["refresh_token"], 2);
}

/// A daemon that was logged in to a scripted issuer, and is killed in the midst of this many refreshes.
async fn killed_in_refreshes(issuer: &ScriptedIssuer, home: &Home, rounds: u32, pause: impl Fn() -> Duration) {
    log_in_scripted(home, "ada").await;
    for _ in 0..rounds {
        let mut daemon = home.serve(&[]).await;
        until_said(&daemon, "You are ada.").await;
        let asked = issuer.asked().len();
        issuer.asked_after(asked).await;
        tokio::time::sleep(pause()).await;
        daemon.signal(Signal::KILL);
        daemon.wait(LIMIT).await;
    }
}

#[tokio::test]
async fn a_login_is_never_lost_over_kills_at_any_moment() {
    let habits = Habits { life: Duration::from_secs(2), ..Habits::default() };
    let issuer = ScriptedIssuer::start(habits).await;
    let home = scripted_home(&issuer);
    // In the few milliseconds between its answer and the disk, and at any other time.
    killed_in_refreshes(&issuer, &home, 6, || some_time(Duration::from_millis(8))).await;
    killed_in_refreshes(&issuer, &home, 4, || some_time(Duration::from_secs(2))).await;
    let daemon = home.serve(&[]).await;
    until_said(&daemon, "You are ada.").await;
    assert_eq!(listed(&home, "default").await["state"], "ok");
}

#[tokio::test]
async fn an_answer_that_a_kill_has_lost_is_had_again() {
    let issuer = ScriptedIssuer::start(Habits { life: Duration::from_secs(2), ..Habits::default() }).await;
    let home = scripted_home(&issuer);
    log_in_scripted(&home, "ada").await;
    for _ in 0..3 {
        let mut daemon = home.serve(&[]).await;
        until_said(&daemon, "You are ada.").await;
        let asked = issuer.asked().len();
        issuer.faults([Fault::Unsaid]);
        issuer.asked_after(asked).await;
        daemon.signal(Signal::KILL);
        daemon.wait(LIMIT).await;
    }
    let daemon = home.serve(&[]).await;
    until_said(&daemon, "You are ada.").await;
}

#[tokio::test]
async fn a_strict_issuer_ends_a_login_whose_answer_was_lost_and_that_is_told() {
    let issuer =
        ScriptedIssuer::start(Habits { life: Duration::from_secs(4), grace: false, ..Habits::default() }).await;
    let mut home = scripted_home(&issuer);
    home.env("GREENROOM_LOG", "info");
    // As often as the new token is on disk, it goes on.
    log_in_scripted(&home, "ada").await;
    for _ in 0..3 {
        let mut daemon = home.serve(&[]).await;
        until_said(&daemon, "You are ada.").await;
        let kept = daemon.stderr().matches("a login is refreshed").count();
        until("another one is kept", async || daemon.stderr().matches("a login is refreshed").count() > kept).await;
        daemon.signal(Signal::KILL);
        daemon.wait(LIMIT).await;
    }
    let mut daemon = home.serve(&[]).await;
    until_said(&daemon, "You are ada.").await;
    let asked = issuer.asked().len();
    issuer.faults([Fault::Unsaid]);
    issuer.asked_after(asked).await;
    daemon.signal(Signal::KILL);
    daemon.wait(LIMIT).await;
    let daemon = home.serve(&[]).await;
    until("it is told", async || {
        ask(&daemon).await;
        listed(&home, "default").await["state"] == "ended"
    })
    .await;
    let told = listed(&home, "default").await;
    assert!(told["reason"].as_str().unwrap().contains("in the midst of its last refresh"), "{told}");
    assert_eq!(daemon.stderr().matches("a login is over").count(), 1, "{}", daemon.stderr());
    log_in_scripted(&home, "ada").await;
    until_said(&daemon, "You are ada.").await;
}

#[tokio::test]
async fn nothing_but_a_kill_in_the_midst_of_a_refresh_ends_a_login_at_a_real_server_and_that_is_told() {
    let Some(server) = OidcServer::start(Duration::from_secs(2)).await else { return };
    let home = home_of(&server);
    log_in(&home, &server, "default", "ada").await;
    for _ in 0..5 {
        let mut daemon = home.serve(&[]).await;
        until("it is answered, or told", async || {
            ask(&daemon).await.status == 200 || listed(&home, "default").await["state"] == "ended"
        })
        .await;
        let told = listed(&home, "default").await;
        if told["state"] == "ended" {
            assert!(told["reason"].as_str().unwrap().contains("in the midst of its last refresh"), "{told}");
            log_in(&home, &server, "default", "ada").await;
            until_said(&daemon, "You are ada.").await;
        }
        let asked = server.counts().await.get("refresh_token").copied();
        until("it is refreshed", async || server.counts().await.get("refresh_token").copied() != asked).await;
        tokio::time::sleep(some_time(Duration::from_millis(8))).await;
        daemon.signal(Signal::KILL);
        daemon.wait(LIMIT).await;
    }
}

#[tokio::test]
async fn a_token_without_an_end_is_used_until_it_is_refused() {
    let issuer = ScriptedIssuer::start(Habits { says_life: false, ..Habits::default() }).await;
    let home = scripted_home(&issuer);
    log_in_scripted(&home, "ada").await;
    let daemon = home.serve(&[]).await;
    for expected in 0..3 {
        for _ in 0..3 {
            assert_eq!(said(&daemon).await, "You are ada.");
            assert_eq!(issuer.refreshes(), expected);
        }
        issuer.end_access();
    }
    let listed = listed(&home, "default").await;
    assert!(listed["expires"].is_null() && listed["state"] == "ok", "{listed}");
    assert!(!status(&home, "default").await.to_string().contains("cooling"));
}
