//! No token, code, verifier, secret of a client or key of a login comes out, wherever one looks: at a scripted issuer, which
//! knows them all.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

mod cli_support;
mod login_support;
mod secrets_support;

use std::fs;

use cli_support::running::Running;
use cli_support::terminal::Terminal;
use greenroom_tests::harness::{Home, Signal};
use greenroom_tests::issuer::{Fault, Habits, ScriptedIssuer};
use greenroom_tests::oidc::deliver;
use login_support::{
    LOGIN, MODEL, ROUTE, address, address_in, ask, begin_login, lab, next_line, post, scripted_redirect, until_said,
};
use secrets_support::Heard;
use serde_json::json;

const CLIENT_SECRET: &str = "client-secret-c4b1e8f05a2d4973b6e1";

async fn logged_in(home: &Home, arguments: &[&str], account: &str, heard: &mut Heard) {
    let mut login = Running::start(home, arguments);
    let address = address(&mut login).await;
    let page = deliver(&scripted_redirect(&address, account)).await;
    heard.add(format!("{:?} {}", page.headers, page.text()));
    let (_, out, errors) = login.end().await;
    heard.add(out + &errors);
}

#[tokio::test]
async fn no_secret_of_a_login_comes_out() {
    let issuer = ScriptedIssuer::start(Habits::default()).await;
    let (url, mut heard, mut home) = (issuer.url().to_owned(), Heard::default(), Home::new());
    home.env("GREENROOM_LOG", "trace").env("CLIENT_SECRET", CLIENT_SECRET);
    let own = format!(
        "authorize_url = \"{url}/authorize\"\ntoken_url = \"{url}/token\"\ndevice_url = \"{url}/device\"\n\
         client_id = \"own\"\nclient_secret = \"env:CLIENT_SECRET\""
    );
    let router = format!(
        "[providers.router]\nkind = \"openai-compatible\"\nbase_url = \"{url}/v1\"\noauth = {{ preset = \"openrouter\", \
         authorize_url = \"{url}/auth\", token_url = \"{url}/keys\" }}\n"
    );
    let copilot = format!(
        "[providers.copilot]\nkind = \"openai-compatible\"\nbase_url = \"{url}/v1\"\noauth = {{ preset = \"copilot\", \
         client_id = \"own\", device_url = \"{url}/device\", token_url = \"{url}/token\", exchange = true, \
         exchange_url = \"{url}/exchange\" }}\n"
    );
    home.config(&(lab(&url, &own) + &router + &copilot));

    // At rest, with all that goes wrong at the end of a login.
    for fault in [Fault::Html, Fault::Status(500), Fault::Refusal("invalid_grant"), Fault::Refusal("invalid_client")] {
        issuer.faults([fault]);
        logged_in(&home, &LOGIN, "ada", &mut heard).await;
    }
    logged_in(&home, &LOGIN, "ada", &mut heard).await;
    for arguments in [
        "auth login copilot --no-browser",
        "auth login lab/device --flow device --json",
        "auth list",
        "auth list --json",
        "providers status --json",
        "chat -m lab/account-teller hi",
        "chat --json -m copilot/account-teller hi",
        "config show",
    ] {
        let arguments: Vec<&str> = arguments.split(' ').collect();
        let output = home.run(&arguments).await;
        heard.add(output.stdout + &output.stderr);
    }

    // Beside a daemon: by the command, by HTTP, pasted on a terminal, and refreshed in all ways.
    let mut daemon = home.serve(&[]).await;
    logged_in(&home, &["auth", "login", "router", "--no-browser"], "eve", &mut heard).await;
    let (mut login, address) = begin_login(&daemon, ROUTE).await;
    let redirect = scripted_redirect(&address, "grace");
    for code in ["nothing", "http://x/?code=a&state=b", redirect.as_str()] {
        let answer = post(&daemon, &format!("{ROUTE}/code"), &json!({"code": code})).await;
        heard.add(answer.text());
    }
    heard.add(next_line(&mut login).await.to_string());
    let mut terminal = Terminal::open(&home, &["auth", "login", "lab/pasted", "--no-browser", "--json"]);
    terminal.wait_for("code_challenge=").await;
    terminal.wait_for("\n").await;
    let line = terminal.screen.lines().find(|line| line.contains("\"browser\"")).unwrap().to_owned();
    let told: serde_json::Value = serde_json::from_str(&line).unwrap();
    let pasted = format!("{}\n", told["data"]["url"].as_str().unwrap());
    let pasted = scripted_redirect(&address_in(&pasted).unwrap(), "joan");
    terminal.press(&format!("{pasted}\r")).await;
    // What a person types is echoed by the terminal, not by the program.
    let (status, _) = terminal.end().await;
    assert!(status.success());
    for faults in [vec![], vec![Fault::Html], vec![Fault::Status(500)], vec![Fault::Refusal("invalid_grant")]] {
        issuer.faults(faults);
        issuer.end_access();
        for _ in 0..4 {
            heard.add(ask(&daemon).await.text());
        }
    }
    heard.add(fs::read(format!("/proc/{}/cmdline", daemon.pid())).unwrap_or_default());
    logged_in(&home, &LOGIN, "ada", &mut heard).await;
    until_said(&daemon, "You are ada.").await;
    let output = home.run(&["chat", "-m", MODEL, "hi"]).await;
    heard.add(output.stdout + &output.stderr);
    daemon.signal(Signal::TERM);
    daemon.wait(cli_support::LIMIT).await;
    heard.add(daemon.output());
    heard.files(&home.data_dir());

    // What is looked through has all of it in it.
    for sign in ["a login is refreshed", "a login is over", "is logged in", "credential", "DEBUG", "You are ada."] {
        assert!(heard.has(sign.as_bytes()), "{sign} is nowhere");
    }
    let mut secrets = issuer.secrets();
    for what in ["access-", "refresh-", "device-", "sk-minted-", "copilot-", "ada-code-", "eve-code-", CLIENT_SECRET] {
        assert!(secrets.iter().any(|secret| secret.starts_with(what)), "no {what} was used: {secrets:?}");
    }
    secrets.push(redirect.query_pairs().find(|(name, _)| name == "code").unwrap().1.into_owned());
    assert!(secrets.len() > 30, "{}", secrets.len());
    for secret in &secrets {
        assert!(secret.len() >= 32, "none is so short that it could be there by chance: {secret}");
        assert_eq!(heard.leak(secret), None);
    }
}
