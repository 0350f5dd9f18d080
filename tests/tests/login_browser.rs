//! Logins by a browser that comes back to this machine, at a real OAuth server. Passed over without `GREENROOM_OIDC`.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

mod cli_support;
mod login_support;

use std::collections::BTreeSet;

use cli_support::running::Running;
use cli_support::terminal::Terminal;
use greenroom_tests::harness::{Daemon, Home, Signal};
use greenroom_tests::oidc::{Consent, OidcServer, deliver};
use login_support::{
    HOUR, LOGIN, ROUTE, address, address_in, begin, begin_login, home_of, home_with, listed, log_in, next_line, post,
    said, status, until_said, who,
};
use serde_json::json;
use tokio::net::TcpListener;

async fn served() -> Option<(OidcServer, Home, Daemon)> {
    let server = OidcServer::start(HOUR).await?;
    let home = home_of(&server);
    let daemon = home.serve(&[]).await;
    Some((server, home, daemon))
}

/// The listener of a login that is over is gone; by now the port may be that of another one, which does not take it.
async fn assert_nobody_takes(redirect: &url::Url) {
    let late = futures::FutureExt::catch_unwind(std::panic::AssertUnwindSafe(deliver(redirect))).await;
    assert!(late.is_err() || late.unwrap().status != 200, "somebody takes it");
}

#[tokio::test]
async fn a_login_at_rest_answers_by_that_very_account() {
    let Some(server) = OidcServer::start(HOUR).await else { return };
    let home = home_of(&server);
    let before = home.run(&["chat", "-m", login_support::MODEL, "hi"]).await;
    assert_ne!(before.code(), Some(0));
    assert!(before.stderr.contains("greenroom auth login lab"), "{}", before.stderr);
    assert!(log_in(&home, &server, "default", "ada").await.ends_with("lab/default is logged in\n"));
    assert_eq!(who(&home).await, "You are ada.");
    let listed = listed(&home, "default").await;
    assert_eq!((&listed["kind"], &listed["state"], &listed["where"]), (&json!("login"), &json!("ok"), &json!("store")));
    assert!(listed["expires"].is_string() || listed["expires"].is_number(), "{listed}");
    assert_eq!(server.counts().await.get("refresh_token"), None);
    // Another account takes its place.
    log_in(&home, &server, "default", "grace").await;
    assert_eq!(who(&home).await, "You are grace.");
    let daemon = home.serve(&[]).await;
    assert_eq!(said(&daemon).await, "You are grace.");
}

#[tokio::test]
async fn a_login_beside_a_daemon_starts_the_provider_and_a_second_account_joins() {
    let Some((server, home, mut daemon)) = served().await else { return };
    log_in(&home, &server, "default", "ada").await;
    assert_eq!(said(&daemon).await, "You are ada.");
    assert_eq!(who(&home).await, "You are ada.");
    log_in(&home, &server, "work", "grace").await;
    let mut answers = BTreeSet::new();
    for _ in 0..6 {
        answers.insert(said(&daemon).await);
    }
    assert_eq!(answers, BTreeSet::from(["You are ada.", "You are grace."].map(str::to_owned)));
    // They are what the next one finds, and one that is removed is gone at once.
    daemon.signal(Signal::TERM);
    daemon.wait(cli_support::LIMIT).await;
    let daemon = home.serve(&[]).await;
    let answers: Vec<String> = [said(&daemon).await, said(&daemon).await, said(&daemon).await].into();
    assert!(answers.iter().any(|answer| answer.contains("ada")) && answers.iter().any(|it| it.contains("grace")));
    let _done = home.run(&["auth", "remove", "lab", "--profile", "default"]).await.succeeded();
    for _ in 0..3 {
        assert_eq!(said(&daemon).await, "You are grace.");
    }
    assert_eq!(server.counts().await.get("refresh_token"), None);
}

#[tokio::test]
async fn a_login_over_http_is_told_by_lines() {
    let Some((server, home, daemon)) = served().await else { return };
    let (mut login, url) = begin_login(&daemon, ROUTE).await;
    // Whoever waits is not in the way of others, and a second one of the same profile is.
    let busy = post(&daemon, ROUTE, &json!({})).await;
    assert_eq!(busy.status, 409, "{}", busy.text());
    log_in(&home, &server, "other", "grace").await;
    let redirect = server.authorize(url.as_str(), Consent::Allow("ada")).await;
    assert_eq!(deliver(&redirect).await.status, 200);
    assert_eq!(next_line(&mut login).await, json!({"success": true, "data": true}));
    assert_eq!(login.chunk().await.unwrap(), None);
    until_said(&daemon, "You are ada.").await;
    assert_eq!(listed(&home, "me").await["state"], "ok");
    assert_eq!(status(&home, "me").await["id"], "me");
}

#[tokio::test]
async fn whoever_leaves_ends_the_login_and_another_begins_at_once() {
    let Some((server, _home, daemon)) = served().await else { return };
    for _ in 0..3 {
        let (login, _) = begin_login(&daemon, ROUTE).await;
        drop(login);
    }
    let (login, url) = begin_login(&daemon, ROUTE).await;
    let redirect = server.authorize(url.as_str(), Consent::Allow("ada")).await;
    login.reset().unwrap();
    let (mut login, url) = begin_login(&daemon, ROUTE).await;
    assert_nobody_takes(&redirect).await;
    let redirect = server.authorize(url.as_str(), Consent::Allow("ada")).await;
    deliver(&redirect).await;
    assert_eq!(next_line(&mut login).await["data"], true);
    assert_eq!(said(&daemon).await, "You are ada.");
    assert_eq!(server.counts().await["authorization_code"], 1);
}

#[tokio::test]
async fn what_the_browser_ended_with_can_be_pasted_on_a_terminal() {
    let Some(server) = OidcServer::start(HOUR).await else { return };
    for beside in [false, true] {
        let home = home_of(&server);
        let _daemon = if beside { Some(home.serve(&[]).await) } else { None };
        let mut terminal = Terminal::open(&home, &["auth", "login", "lab", "--no-browser"]);
        terminal.wait_for("this address:").await;
        terminal.wait_for("paste here").await;
        let screen = terminal.screen.replace('\r', "");
        let url = address_in(&screen).unwrap();
        // What is of no use is told, and the login goes on.
        terminal.press("http://127.0.0.1/callback?code=a&state=b\r").await;
        terminal.wait_for("of another login").await;
        let redirect = server.authorize(url.as_str(), Consent::Allow("ada")).await;
        terminal.press(&format!("{redirect}\r")).await;
        terminal.wait_for("lab/default is logged in").await;
        let (status, screen) = terminal.end().await;
        assert!(status.success(), "{screen}");
        assert_eq!(who(&home).await, "You are ada.");
    }
}

#[tokio::test]
async fn what_the_browser_ended_with_can_be_posted() {
    let Some((server, _home, daemon)) = served().await else { return };
    let paste = format!("{ROUTE}/code");
    let early = post(&daemon, &paste, &json!({"code": "x#y"})).await;
    assert_eq!(early.status, 409, "{}", early.text());
    let (mut login, url) = begin_login(&daemon, ROUTE).await;
    let wrong = post(&daemon, &paste, &json!({"code": "x#y"})).await;
    assert_eq!(wrong.status, 422, "{}", wrong.text());
    let redirect = server.authorize(url.as_str(), Consent::Allow("ada")).await;
    let taken = post(&daemon, &paste, &json!({"code": redirect.as_str()})).await;
    assert_eq!(taken.status, 204, "{}", taken.text());
    assert_eq!(next_line(&mut login).await["data"], true);
    assert_eq!(said(&daemon).await, "You are ada.");
}

#[tokio::test]
async fn a_denied_consent_is_told_and_nothing_is_kept() {
    let Some(server) = OidcServer::start(HOUR).await else { return };
    let home = home_of(&server);
    let mut login = Running::start(&home, &LOGIN);
    let url = address(&mut login).await;
    let page = deliver(&server.authorize(url.as_str(), Consent::Deny).await).await;
    assert!(page.text().contains("The login was not completed"), "the browser is told: {}", page.text());
    let (code, _, errors) = login.end().await;
    assert_eq!(code, Some(1), "{errors}");
    assert!(errors.contains("was not allowed") && errors.contains("hint: log in again"), "{errors}");
    assert_eq!(listed(&home, "default").await, json!(null));

    let daemon = home.serve(&[]).await;
    let (mut login, url) = begin_login(&daemon, ROUTE).await;
    deliver(&server.authorize(url.as_str(), Consent::Deny).await).await;
    let end = next_line(&mut login).await;
    assert_eq!((&end["success"], &end["error"]["code"]), (&json!(false), &json!("auth_permanent")), "{end}");
}

#[tokio::test]
async fn a_redirect_of_another_login_changes_nothing_and_its_browser_is_told() {
    let Some(server) = OidcServer::start(HOUR).await else { return };
    let home = home_of(&server);
    let mut login = Running::start(&home, &LOGIN);
    let url = address(&mut login).await;
    let right = server.authorize(url.as_str(), Consent::Allow("ada")).await;
    for wrong in ["code=stolen&state=guessed", "code=stolen", "error=access_denied&state=guessed", ""] {
        let mut redirect = right.clone();
        redirect.set_query(Some(wrong));
        let page = deliver(&redirect).await;
        assert_eq!(page.status, 400, "{wrong}: {}", page.text());
    }
    assert_eq!(deliver(&right).await.status, 200);
    assert_eq!(login.end().await.0, Some(0));
    assert_eq!(who(&home).await, "You are ada.");
}

#[tokio::test]
async fn a_code_is_used_once() {
    let Some((server, home, daemon)) = served().await else { return };
    let (mut first, url) = begin_login(&daemon, ROUTE).await;
    let redirect = server.authorize(url.as_str(), Consent::Allow("ada")).await;
    deliver(&redirect).await;
    assert_eq!(next_line(&mut first).await["data"], true);
    // The code with the state of the next login, as whoever saw the address might try.
    let (mut second, url) = begin_login(&daemon, ROUTE).await;
    let of = |url: &url::Url, name: &str| url.query_pairs().find(|(own, _)| own == name).unwrap().1.into_owned();
    let mixed = format!("{}#{}", of(&redirect, "code"), of(&url, "state"));
    assert_eq!(post(&daemon, &format!("{ROUTE}/code"), &json!({"code": mixed})).await.status, 204);
    let end = next_line(&mut second).await;
    assert_eq!(end["success"], false, "{end}");
    let message = end["error"]["message"].as_str().unwrap();
    assert!(message.contains("the code is not valid any more"), "{message}");
    // The login that there was is as it was.
    assert_eq!(said(&daemon).await, "You are ada.");
    assert_eq!(listed(&home, "me").await["state"], "ok");
    // What comes a second time from the browser finds nobody.
    assert_nobody_takes(&redirect).await;
    assert_eq!(server.counts().await["authorization_code"], 2);
}

#[tokio::test]
async fn ctrl_c_ends_a_login_and_nothing_is_kept() {
    let Some(server) = OidcServer::start(HOUR).await else { return };
    for beside in [false, true] {
        let home = home_of(&server);
        let _daemon = if beside { Some(home.serve(&[]).await) } else { None };
        let mut login = Running::start(&home, &LOGIN);
        address(&mut login).await;
        login.signal(Signal::INT);
        let (code, out, errors) = login.end().await;
        assert_eq!((code, errors.as_str()), (Some(130), ""), "{out}");
        assert_eq!(listed(&home, "default").await, json!(null));
        log_in(&home, &server, "default", "ada").await;
        assert_eq!(who(&home).await, "You are ada.");
    }
}

#[tokio::test]
async fn a_fixed_port_that_is_taken_is_told_and_is_used_once_it_is_free() {
    let Some(server) = OidcServer::start(HOUR).await else { return };
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = taken.local_addr().unwrap().port();
    let home = home_with(&server, &format!("redirect_url = \"http://localhost:{port}/auth/callback\""));
    let refused = home.run(&LOGIN).await;
    cli_support::assert_failed(&refused, 1, &format!("port {port}"), "end the other program");
    drop(taken);
    let daemon = home.serve(&[]).await;
    let mut login = Running::start(&home, &LOGIN);
    let url = address(&mut login).await;
    assert!(url.as_str().contains(&format!("localhost%3A{port}%2Fauth%2Fcallback")), "{url}");
    // The next one is told of the first.
    let mut second = begin(&daemon, ROUTE, &json!({})).await;
    let busy = second.response().await.unwrap();
    assert!(busy.status >= 400 && busy.text().contains(&format!("port {port}")), "{}", busy.text());
    deliver(&server.authorize(url.as_str(), Consent::Allow("ada")).await).await;
    assert_eq!(login.end().await.0, Some(0));
    assert_eq!(said(&daemon).await, "You are ada.");
}
