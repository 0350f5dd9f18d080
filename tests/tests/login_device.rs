//! Logins by a code that is typed in on any device, and those that give something else than tokens: at a real OAuth server
//! where `GREENROOM_OIDC` says that there is one, and at a scripted issuer.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

mod cli_support;
mod login_support;

use std::time::Duration;

use cli_support::lines;
use cli_support::running::Running;
use cli_support::terminal::Terminal;
use greenroom_tests::harness::{Home, Signal};
use greenroom_tests::issuer::{Habits, ScriptedIssuer};
use greenroom_tests::oidc::{Consent, OidcServer, deliver};
use login_support::{
    HOUR, LOGIN, ROUTE, address, begin, home_of, listed, log_in_scripted, next_line, said, scripted_home_with,
    scripted_redirect, who,
};
use serde_json::{Value, json};

const DEVICE: [&str; 6] = ["auth", "login", "lab", "--flow", "device", "--json"];

async fn scripted(habits: Habits, more: &str) -> (ScriptedIssuer, Home) {
    let issuer = ScriptedIssuer::start(habits).await;
    let home = scripted_home_with(&issuer, more);
    (issuer, home)
}

/// The first line of a login with `--json`, once it is whole.
async fn first_line(login: &mut Running) -> Value {
    login.wait_until(|seen| seen.split_once('\n').map(|(line, _)| serde_json::from_str(line).unwrap())).await
}

#[tokio::test]
async fn a_code_that_is_confirmed_logs_in_and_one_that_is_denied_is_told() {
    let Some(server) = OidcServer::start(HOUR).await else { return };
    for beside in [false, true] {
        let home = home_of(&server);
        let _daemon = if beside { Some(home.serve(&[]).await) } else { None };
        let mut login = Running::start(&home, &["auth", "login", "lab", "--flow", "device", "--no-browser"]);
        let open = |seen: &str| Some(seen.split_once("(or open ")?.1.split_once(')')?.0.to_owned());
        let url = login.wait_until(open).await;
        assert!(login.seen.contains("and type in this code:\n\n    "), "{}", login.seen);
        server.confirm_device(&url, Consent::Deny).await;
        let (code, _, errors) = login.end().await;
        assert_eq!(code, Some(1));
        assert!(errors.contains("was not allowed") && errors.contains("hint: "), "{errors}");
        assert_eq!(listed(&home, "default").await, json!(null));

        let mut login = Running::start(&home, &["auth", "login", "lab/phone", "--flow", "device", "--no-browser"]);
        let url = login.wait_until(open).await;
        server.confirm_device(&url, Consent::Allow("grace")).await;
        let (code, out, errors) = login.end().await;
        assert_eq!(code, Some(0), "{errors}");
        assert!(out.ends_with("lab/phone is logged in\n"), "{out}");
        assert_eq!(who(&home).await, "You are grace.");
    }
}

#[tokio::test]
async fn lines_of_json_tell_a_program_how_far_it_is() {
    let Some(server) = OidcServer::start(HOUR).await else { return };
    for beside in [false, true] {
        let home = home_of(&server);
        let _daemon = if beside { Some(home.serve(&[]).await) } else { None };
        for consent in [Consent::Deny, Consent::Allow("grace")] {
            let mut login = Running::start(&home, &DEVICE);
            let first = first_line(&mut login).await;
            assert_eq!((&first["success"], &first["streaming"]), (&json!(true), &json!(true)), "{first}");
            let data = &first["data"];
            assert_eq!(data["type"], "device_flow", "{first}");
            assert!((590..=600).contains(&data["expires_in"].as_u64().unwrap()), "{first}");
            assert!(data["verification_uri"].as_str().unwrap().starts_with(server.url()), "{first}");
            assert!(data["user_code"].as_str().unwrap().len() >= 4, "{first}");
            server.confirm_device(data["verification_uri_complete"].as_str().unwrap(), consent).await;
            let (code, out, errors) = login.end().await;
            let told = lines(&out);
            assert_eq!((told.len(), errors.as_str()), (2, ""), "{out}");
            if consent == Consent::Deny {
                assert_eq!((code, &told[1]["success"]), (Some(1), &json!(false)), "{out}");
                let error = &told[1]["error"];
                assert_eq!(error["code"], "auth_permanent", "{out}");
                assert!(error["message"].as_str().unwrap().contains("was not allowed"), "{out}");
                assert!(error["hint"].as_str().unwrap().contains("log in again"), "{out}");
            } else {
                assert_eq!((code, &told[1]), (Some(0), &json!({"success": true, "data": true})), "{out}");
            }
        }
        assert_eq!(who(&home).await, "You are grace.");
    }
}

#[tokio::test]
async fn an_issuer_that_asks_to_slow_down_is_asked_more_slowly() {
    let (issuer, home) = scripted(Habits::default(), "client_id = \"own\"").await;
    issuer.pending(["authorization_pending", "slow_down"]);
    let mut login = Running::start(&home, &DEVICE);
    let first = first_line(&mut login).await;
    assert_eq!(first["data"]["user_code"], "ABCD-EFGH", "{first}");
    let (code, out, errors) = login.end().await;
    assert_eq!(code, Some(0), "{out} {errors}");
    let asked = issuer.asked();
    assert_eq!(asked.len(), 3);
    let pauses: Vec<Duration> = asked.windows(2).map(|two| two[1].0 - two[0].0).collect();
    assert!(pauses[0] >= Duration::from_millis(900), "{pauses:?}");
    assert!(pauses[1] >= Duration::from_secs(5), "{pauses:?}");
    assert_eq!(who(&home).await, "You are grace.");
}

#[tokio::test]
async fn a_code_that_expires_is_told_whoever_notices_it() {
    // The issuer says so, and the clock does.
    for (life, pending) in [(600, "expired_token"), (2, "authorization_pending")] {
        let (issuer, home) = scripted(Habits { code_life: life, ..Habits::default() }, "client_id = \"own\"").await;
        issuer.pending(vec![pending; 5]);
        let output = home.run(&DEVICE).await;
        assert_eq!(output.code(), Some(1), "{output:?}");
        let told = lines(&output.stdout);
        let error = &told.last().unwrap()["error"];
        assert_eq!(error["code"], "auth_permanent", "{output:?}");
        assert!(error["message"].as_str().unwrap().contains("code"), "{output:?}");
        assert!(error["hint"].as_str().unwrap().contains("log in again"), "{output:?}");
        assert_eq!(listed(&home, "default").await, json!(null));
    }
}

#[tokio::test]
async fn a_terminal_shows_how_long_the_code_is_good_and_ctrl_c_leaves() {
    let (issuer, home) = scripted(Habits::default(), "client_id = \"own\"").await;
    issuer.pending(vec!["authorization_pending"; 99]);
    let mut terminal = Terminal::open(&home, &["auth", "login", "lab", "--flow", "device", "--no-browser"]);
    terminal.wait_for("ABCD-EFGH").await;
    terminal.wait_for("waiting for you to confirm, 9:5").await;
    terminal.press(cli_support::terminal::CTRL_C).await;
    let (status, screen) = terminal.end().await;
    assert_eq!(status.code(), Some(130), "{screen}");
    assert_eq!(listed(&home, "default").await, json!(null));
}

#[tokio::test]
async fn a_device_login_over_http_ends_with_the_daemon() {
    let (issuer, home) = scripted(Habits::default(), "client_id = \"own\"").await;
    issuer.pending(vec!["authorization_pending"; 99]);
    let mut daemon = home.serve(&[]).await;
    let mut login = begin(&daemon, ROUTE, &json!({"flow": "device"})).await;
    assert_eq!(login.head().await.unwrap().status, 200);
    assert_eq!(next_line(&mut login).await["data"]["type"], "device_flow");
    daemon.signal(Signal::TERM);
    let end = next_line(&mut login).await;
    assert_eq!((&end["success"], &end["error"]["code"]), (&json!(false), &json!("overloaded")), "{end}");
    assert!(daemon.wait(cli_support::LIMIT).await.success());
}

#[tokio::test]
async fn what_cannot_be_begun_says_what_is_missing() {
    let (_issuer, home) = scripted(Habits::default(), "client_id = \"own\"").await;
    let unknown = home.run(&["auth", "login", "nobody"]).await;
    cli_support::assert_failed(&unknown, 2, "there is no provider \"nobody\"", "lab");
    let without = home.run(&["auth", "login", "anthropic"]).await;
    cli_support::assert_failed(&without, 2, "nothing says how to log in at anthropic", "oauth");
    let nameless = home.run(&["auth", "login", "lab/a b"]).await;
    cli_support::assert_failed(&nameless, 2, "can't be the id of a profile", "");
    let _daemon = home.serve(&[]).await;
    let unknown = home.run(&["auth", "login", "nobody"]).await;
    cli_support::assert_failed(&unknown, 2, "there is no provider \"nobody\"", "lab");
}

#[tokio::test]
async fn an_issuer_of_keys_gives_a_key() {
    let issuer = ScriptedIssuer::start(Habits::default()).await;
    let home = Home::new();
    let url = issuer.url();
    let oauth = format!("preset = \"openrouter\"\nauthorize_url = \"{url}/auth\"\ntoken_url = \"{url}/keys\"");
    home.config(&login_support::lab(url, &oauth));
    let daemon = home.serve(&[]).await;
    let mut login = Running::start(&home, &LOGIN);
    let address = address(&mut login).await;
    assert_eq!(deliver(&scripted_redirect(&address, "ada")).await.status, 200);
    let (code, out, errors) = login.end().await;
    assert_eq!(code, Some(0), "{out} {errors}");
    assert_eq!(said(&daemon).await, "You are ada.");
    let listed = listed(&home, "default").await;
    assert_eq!((&listed["kind"], &listed["state"]), (&json!("key"), &json!("ok")), "{listed}");
    assert!(listed["expires"].is_null(), "{listed}");
}

#[tokio::test]
async fn the_token_of_a_login_is_exchanged_where_that_is_asked_for() {
    let issuer = ScriptedIssuer::start(Habits::default()).await;
    let config = |exchange: bool| {
        let url = issuer.url();
        let exchange = match exchange {
            true => format!("exchange = true\nexchange_url = \"{url}/exchange\"\n"),
            false => String::new(),
        };
        let oauth = format!(
            "preset = \"copilot\"\nclient_id = \"own\"\ndevice_url = \"{url}/device\"\ntoken_url = \"{url}/token\"\n{exchange}"
        );
        login_support::lab(url, &oauth)
    };
    for (exchange, answer) in [(false, "You are grace."), (true, "You are grace by exchange.")] {
        let home = Home::new();
        home.config(&config(exchange));
        let daemon = home.serve(&[]).await;
        let login = home.run(&["auth", "login", "lab", "--no-browser"]).await.succeeded();
        assert!(login.stdout.contains("ABCD-EFGH"), "the device flow is the usual one: {}", login.stdout);
        assert_eq!(said(&daemon).await, answer);
        // What was exchanged is over: the token of the login gives another.
        if exchange {
            drop(daemon);
            assert_eq!(who(&home).await, answer);
        }
    }
    // An account without access is told in the login, and nothing is kept.
    issuer.refuse_exchange(403);
    let home = Home::new();
    home.config(&config(true));
    let refused = home.run(&["auth", "login", "lab", "--no-browser"]).await;
    login_support::assert_refused(&refused, "no access to Copilot", "check that the account has Copilot");
    assert_eq!(listed(&home, "default").await, json!(null));
    // One that can't say so just now is asked again later.
    issuer.refuse_exchange(503);
    let login = home.run(&["auth", "login", "lab", "--no-browser"]).await.succeeded();
    assert!(login.stdout.ends_with("lab/default is logged in\n"), "{login:?}");
}

#[tokio::test]
async fn a_login_takes_the_place_of_a_key_and_a_key_that_of_a_login() {
    let issuer = ScriptedIssuer::start(Habits::default()).await;
    let home = login_support::scripted_home(&issuer);
    let add = ["auth", "add", "lab", "--no-verify"];
    let _added = home.run_with_input(&add, "sk-of-a-person-1234567890\n").await.succeeded();
    assert_eq!(listed(&home, "default").await["kind"], "key");
    log_in_scripted(&home, "ada").await;
    assert_eq!(listed(&home, "default").await["kind"], "login");
    assert_eq!(who(&home).await, "You are ada.");
    let _added = home.run_with_input(&add, "sk-of-a-person-1234567890\n").await.succeeded();
    let key = listed(&home, "default").await;
    assert_eq!((&key["kind"], &key["expires"]), (&json!("key"), &Value::Null));
    let refused = home.run(&["chat", "-m", login_support::MODEL, "hi"]).await;
    assert_ne!(refused.code(), Some(0), "the login is gone: {refused:?}");
}
