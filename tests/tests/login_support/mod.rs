//! What the tests of logins share: a provider that is logged in to, and a person who does it.
#![allow(dead_code, unreachable_pub, reason = "each test program uses its own part")]
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

use std::collections::BTreeMap;
use std::time::Duration;

use greenroom_tests::client::{Connection, Response};
use greenroom_tests::harness::{Daemon, Home, Output};
use greenroom_tests::issuer::ScriptedIssuer;
use greenroom_tests::oidc::{Consent, OidcServer, deliver};
use serde_json::{Value, json};
use url::Url;

use crate::cli_support::running::Running;
use crate::cli_support::{LIMIT, lines};

pub const HOUR: Duration = Duration::from_secs(3600);
/// The model of both servers, as it is asked for.
pub const MODEL: &str = "lab/account-teller";
/// The command that logs in without a browser of its own.
pub const LOGIN: [&str; 4] = ["auth", "login", "lab", "--no-browser"];
/// Where a login of the profile `me` begins over HTTP.
pub const ROUTE: &str = "/api/credentials/lab/me/login";

/// A provider `lab` that lets in whoever has logged in, beside one that lets in everybody.
pub fn lab(url: &str, oauth: &str) -> String {
    format!(
        "[providers.lab]\nkind = \"openai-compatible\"\nbase_url = \"{url}/v1\"\n[providers.lab.oauth]\n{oauth}\n\
         [providers.demo]\n"
    )
}

pub fn home_of(server: &OidcServer) -> Home {
    home_with(server, "")
}

/// The same with more of the table `oauth`.
pub fn home_with(server: &OidcServer, more: &str) -> Home {
    let home = Home::new();
    let oauth = format!(
        "authorize_url = \"{}\"\ntoken_url = \"{}\"\ndevice_url = \"{}\"\nclient_id = \"public\"\n\
         scopes = [\"openid\", \"offline_access\", \"chat\"]\n{more}",
        server.authorize_url(),
        server.token_url(),
        server.device_url()
    );
    home.config(&lab(server.url(), &oauth));
    home
}

pub fn scripted_home(issuer: &ScriptedIssuer) -> Home {
    scripted_home_with(issuer, "client_id = \"own\"")
}

/// The same with another client, a preset, and what else there is.
pub fn scripted_home_with(issuer: &ScriptedIssuer, more: &str) -> Home {
    let home = Home::new();
    let url = issuer.url();
    let oauth = format!(
        "authorize_url = \"{url}/authorize\"\ntoken_url = \"{url}/token\"\ndevice_url = \"{url}/device\"\n{more}"
    );
    home.config(&lab(url, &oauth));
    home
}

/// The address that a login has printed for the browser, once it has.
pub async fn address(login: &mut Running) -> Url {
    login.wait_until(address_in).await
}

pub fn address_in(seen: &str) -> Option<Url> {
    let line = seen.lines().map(str::trim).find(|line| line.starts_with("http") && line.contains("code_challenge="))?;
    seen.split_once(line)?.1.contains('\n').then(|| line.parse().unwrap())
}

/// The address that a scripted issuer sends the browser of this account back to.
pub fn scripted_redirect(authorize: &Url, account: &str) -> Url {
    let query: BTreeMap<String, String> = authorize.query_pairs().into_owned().collect();
    let mut redirect: Url = match query.get("redirect_uri") {
        Some(redirect) => redirect.parse().unwrap(),
        // It has the state already.
        None => query["callback_url"].parse().unwrap(),
    };
    redirect.query_pairs_mut().append_pair("code", &format!("{account}-code-9d1b7f3a5c2e4806b1d9f7a3c5e28406"));
    if let Some(state) = query.get("state") {
        redirect.query_pairs_mut().append_pair("state", state);
    }
    redirect
}

/// Logs in by a browser at a scripted issuer.
pub async fn log_in_scripted(home: &Home, account: &str) {
    let mut login = Running::start(home, &LOGIN);
    let address = address(&mut login).await;
    assert_eq!(deliver(&scripted_redirect(&address, account)).await.status, 200);
    let (code, out, errors) = login.end().await;
    assert_eq!(code, Some(0), "{out} {errors}");
}

/// Logs in by a browser, and says what the program printed.
pub async fn log_in(home: &Home, server: &OidcServer, profile: &str, account: &str) -> String {
    let mut login = Running::start(home, &["auth", "login", "lab", "--profile", profile, "--no-browser"]);
    let address = address(&mut login).await;
    let redirect = server.authorize(address.as_str(), Consent::Allow(account)).await;
    let page = deliver(&redirect).await;
    assert_eq!(page.status, 200, "{}", page.text());
    let (code, out, errors) = login.end().await;
    assert_eq!(code, Some(0), "{out} {errors}");
    out
}

/// Who the model says one is.
pub async fn who(home: &Home) -> String {
    home.run(&["chat", "-m", MODEL, "who am I?"]).await.succeeded().stdout.trim().to_owned()
}

/// Asks the model over HTTP.
pub async fn ask(daemon: &Daemon) -> Response {
    let body = json!({"model": MODEL, "messages": [{"role": "user", "content": "who am I?"}]});
    post(daemon, "/v1/chat/completions", &body).await
}

/// The same, and gives what it said.
pub async fn said(daemon: &Daemon) -> String {
    let answer = ask(daemon).await;
    assert_eq!(answer.status, 200, "{}\n{}", answer.text(), daemon.output());
    answer.json()["choices"][0]["message"]["content"].as_str().unwrap().to_owned()
}

/// Waits until the model says so.
pub async fn until_said(daemon: &Daemon, text: &str) {
    let asking = async {
        loop {
            let answer = ask(daemon).await;
            if answer.status == 200 && answer.text().contains(text) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(4 * LIMIT, asking).await.unwrap_or_else(|_| panic!("never {text}: {}", daemon.output()));
}

pub async fn post(daemon: &Daemon, path: &str, body: &Value) -> Response {
    let mut connection = begin(daemon, path, body).await;
    connection.set_limit(4 * LIMIT);
    connection.response().await.unwrap()
}

/// Posts, and reads nothing yet.
pub async fn begin(daemon: &Daemon, path: &str, body: &Value) -> Connection {
    let mut connection = Connection::open(daemon.url()).await.unwrap();
    connection.post_json(path, Some(&daemon.token()), body).await.unwrap();
    connection
}

/// The next line of a login over HTTP.
pub async fn next_line(login: &mut Connection) -> Value {
    let line = login.chunk().await.unwrap().expect("there is one more line");
    serde_json::from_slice(&line).unwrap()
}

/// Begins a login over HTTP, and gives where its browser is to go.
pub async fn begin_login(daemon: &Daemon, path: &str) -> (Connection, Url) {
    let mut login = begin(daemon, path, &json!({})).await;
    let head = login.head().await.unwrap();
    assert_eq!(head.status, 200, "{}", String::from_utf8_lossy(&login.body().await.unwrap()));
    let first = next_line(&mut login).await;
    assert_eq!((&first["success"], &first["data"]["type"]), (&json!(true), &json!("browser")), "{first}");
    let url = first["data"]["url"].as_str().unwrap().parse().unwrap();
    (login, url)
}

/// What `auth list` says of a profile.
pub async fn listed(home: &Home, profile: &str) -> Value {
    let list = lines(&home.run(&["auth", "list", "--json"]).await.succeeded().stdout);
    list.into_iter().find(|credential| credential["profile"] == profile).unwrap_or_default()
}

/// What `providers status` says of a profile of the lab.
pub async fn status(home: &Home, profile: &str) -> Value {
    let status = lines(&home.run(&["providers", "status", "--json"]).await.succeeded().stdout);
    let lab = status.into_iter().find(|provider| provider["provider"] == "lab").unwrap_or_default();
    let profiles = lab["profiles"].as_array().cloned().unwrap_or_default();
    profiles.into_iter().find(|own| own["id"] == profile).unwrap_or_default()
}

/// Asserts that a login failed: how it ended, and words of what it said.
pub fn assert_refused(output: &Output, error: &str, hint: &str) {
    crate::cli_support::assert_failed(output, 1, error, hint);
}
