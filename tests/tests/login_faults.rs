//! What goes wrong with the tokens of a login while the daemon runs, and that it is over once that is: at a scripted issuer.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]
#![allow(clippy::print_stderr, reason = "a test that is passed over has to say so")]

mod cli_support;
mod login_support;

use std::time::{Duration, Instant};

use cli_support::{LIMIT, running::Running};
use greenroom_tests::harness::{Daemon, Home, Signal};
use greenroom_tests::issuer::{Fault, Habits, ScriptedIssuer};
use greenroom_tests::oidc::deliver;
use login_support::{
    HOUR, LOGIN, address, ask, listed, log_in_scripted, said, scripted_home, scripted_home_with, scripted_redirect,
    status, until_said,
};

/// A login of ada's as `default` whose token is over, beside one of grace's as `other`, in a daemon.
async fn with_two(habits: Habits) -> (ScriptedIssuer, Home, Daemon) {
    let issuer = ScriptedIssuer::start(habits).await;
    let home = scripted_home(&issuer);
    log_in_scripted(&home, "ada").await;
    let mut login = Running::start(&home, &["auth", "login", "lab/other", "--no-browser"]);
    let address = address(&mut login).await;
    deliver(&scripted_redirect(&address, "grace")).await;
    assert_eq!(login.end().await.0, Some(0));
    let daemon = home.serve(&[]).await;
    (issuer, home, daemon)
}

fn is_marked(shown: &serde_json::Value) -> bool {
    shown["state"] == "cooling" || shown["models"].as_array().is_some_and(|models| !models.is_empty())
}

#[tokio::test]
async fn a_token_endpoint_that_fails_marks_nobody_and_is_asked_until_it_answers() {
    for fault in [Fault::Html, Fault::Status(500), Fault::Status(429), Fault::Status(404)] {
        let (issuer, home, daemon) = with_two(Habits::default()).await;
        // One account's token ends before its time, and nobody can renew it for now.
        issuer.faults(vec![fault; 3]);
        issuer.end_access_of("ada");
        for _ in 0..6 {
            assert_eq!(said(&daemon).await, "You are grace.", "{fault:?}");
        }
        let begun = Instant::now();
        while issuer.refreshes() < 3 {
            said(&daemon).await;
            assert!(begun.elapsed() < LIMIT, "{fault:?}: {}", daemon.output());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let shown = status(&home, "default").await;
        assert!(!is_marked(&shown), "{fault:?}: {shown}");
        assert_ne!(listed(&home, "default").await["state"], "ended", "{fault:?}");
        // By itself, once the endpoint is well.
        until_said(&daemon, "You are ada.").await;
        assert_eq!(listed(&home, "default").await["state"], "ok");
        assert!(daemon.stderr().contains("a login could not be refreshed"), "{}", daemon.stderr());
    }
}

#[tokio::test]
async fn a_token_endpoint_that_hangs_is_nobody_elses_concern_and_comes_back() {
    let (issuer, home, mut daemon) = with_two(Habits::default()).await;
    issuer.faults([Fault::Silent]);
    issuer.end_access_of("ada");
    let begun = Instant::now();
    for _ in 0..20 {
        assert_eq!(said(&daemon).await, "You are grace.");
    }
    assert_eq!(issuer.refreshes(), 1, "it is asked, and hangs");
    assert!(begun.elapsed() < Duration::from_secs(20), "nobody waits for it");
    let shown = status(&home, "default").await;
    assert!(!is_marked(&shown), "{shown}");
    assert_eq!(listed(&home, "default").await["state"], "ok");
    until_said(&daemon, "You are ada.").await;
    assert_eq!(issuer.refreshes(), 2);
    daemon.signal(Signal::TERM);
    assert!(daemon.wait(LIMIT).await.success());
}

#[tokio::test]
async fn whoever_has_nothing_but_a_hanging_login_is_answered_when_it_is_back_or_told() {
    let issuer = ScriptedIssuer::start(Habits::default()).await;
    let home = scripted_home(&issuer);
    log_in_scripted(&home, "ada").await;
    let daemon = home.serve(&[]).await;
    issuer.faults([Fault::Status(503)]);
    issuer.end_access();
    // A failure that is soon over is not even noticed.
    assert_eq!(said(&daemon).await, "You are ada.");
    issuer.faults(vec![Fault::Html; 3]);
    issuer.end_access();
    let refused = ask(&daemon).await;
    if refused.status != 200 {
        assert!(refused.text().contains("could not be refreshed"), "{}", refused.text());
    }
    until_said(&daemon, "You are ada.").await;
}

#[tokio::test]
async fn a_refused_client_is_the_configurations_fault_and_well_again_with_the_next_start() {
    let issuer = ScriptedIssuer::start(Habits::default()).await;
    let home = scripted_home(&issuer);
    log_in_scripted(&home, "ada").await;
    let daemon = home.serve(&[]).await;
    issuer.faults([Fault::Refusal("invalid_client")]);
    issuer.end_access();
    let refused = ask(&daemon).await;
    assert!(refused.text().contains("`greenroom auth list` says why"), "{}", refused.text());
    let told = listed(&home, "default").await;
    assert_eq!(told["state"], "ended", "{told}");
    assert!(told["reason"].as_str().unwrap().contains("refuses the client"), "{told}");
    drop(daemon);
    let daemon = home.serve(&[]).await;
    assert_eq!(said(&daemon).await, "You are ada.", "the login is still there");
}

#[tokio::test]
async fn a_login_whose_code_nobody_takes_leaves_the_one_before_as_it_was() {
    let issuer = ScriptedIssuer::start(Habits::default()).await;
    let home = scripted_home(&issuer);
    log_in_scripted(&home, "ada").await;
    for (fault, words) in [
        (Fault::Html, "a page in place of tokens"),
        (Fault::Status(500), "failed (status 500)"),
        (Fault::Refusal("invalid_client"), "refuses the client"),
        (Fault::Refusal("invalid_grant"), "the code is not valid any more"),
    ] {
        issuer.faults([fault]);
        let mut login = Running::start(&home, &LOGIN);
        let address = address(&mut login).await;
        deliver(&scripted_redirect(&address, "grace")).await;
        let (code, out, errors) = login.end().await;
        assert_eq!(code, Some(1), "{out}");
        assert!(errors.contains(words) && errors.contains("hint: "), "{errors}");
        assert_eq!(login_support::who(&home).await, "You are ada.");
    }
}

#[tokio::test]
async fn a_client_secret_that_a_program_prints_goes_with_each_request_for_tokens() {
    let issuer = ScriptedIssuer::start(Habits::default()).await;
    let home = scripted_home_with(&issuer, "client_id = \"own\"\nclient_secret = \"command:echo of-a-program\"");
    log_in_scripted(&home, "ada").await;
    issuer.end_access();
    assert_eq!(login_support::who(&home).await, "You are ada.");
    let asked = issuer.asked();
    assert_eq!(asked.len(), 2);
    assert!(asked.iter().all(|(_, form)| form["client_secret"] == "of-a-program" && form["client_id"] == "own"));
}

/// The daemon with a clock that is so far off, where `GREENROOM_FAKETIME` names the library that makes it so.
async fn serve_off(home: &mut Home, offset: &str) -> Option<Daemon> {
    if !home.clock_off(offset) {
        eprintln!("passed over: GREENROOM_FAKETIME names no library to set a program's clock with");
        return None;
    }
    Some(home.serve(&[]).await)
}

#[tokio::test]
async fn a_clock_that_is_an_hour_ahead_costs_a_refresh() {
    let issuer = ScriptedIssuer::start(Habits { life: HOUR / 2, ..Habits::default() }).await;
    let mut home = scripted_home(&issuer);
    log_in_scripted(&home, "ada").await;
    let Some(daemon) = serve_off(&mut home, "+1h").await else { return };
    for _ in 0..5 {
        assert_eq!(said(&daemon).await, "You are ada.");
    }
    assert_eq!(issuer.refreshes(), 1, "what ends is counted by our own clock");
    drop(daemon);
    // And the other way: what was had then seems good for longer than it is.
    issuer.end_access();
    let daemon = serve_off(&mut home, "-1h").await.unwrap();
    for _ in 0..5 {
        assert_eq!(said(&daemon).await, "You are ada.");
    }
    assert_eq!(issuer.refreshes(), 2);
    assert!(!is_marked(&status(&home, "default").await));
}
