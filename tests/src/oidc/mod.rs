//! A real OAuth server for tests: the npm package `oidc-provider`, run by Node from `tests/oidc/server.mjs`, and a
//! person with a browser who logs in at it ([`OidcServer::authorize`], [`OidcServer::confirm_device`]).

mod browser;
mod form;
mod jar;

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::process::Stdio;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use url::Url;

pub use self::browser::deliver;
use self::browser::{Browser, End};
use crate::client::{Response, get, post_json};

const SERVER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/oidc/server.mjs");
/// A cold Node on a busy machine takes its time.
const START: Duration = Duration::from_secs(60);

/// A client without a secret.
pub const PUBLIC_CLIENT: &str = "public";
/// A client that sends [`CONFIDENTIAL_SECRET`] in the body of a request.
pub const CONFIDENTIAL_CLIENT: &str = "confidential";
/// The secret of [`CONFIDENTIAL_CLIENT`].
pub const CONFIDENTIAL_SECRET: &str = "confidential-secret";

/// What the person does who is asked for consent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consent<'a> {
    /// Logs in under this name, and allows what is asked.
    Allow(&'a str),
    /// Denies it.
    Deny,
}

/// How the token endpoint takes a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    /// Waits so long before it does what it is asked. For a client that has given up by then it does nothing.
    Slow(Duration),
    /// Answers 200 and a page, as a captive portal does, and does nothing.
    Html,
    /// Answers 500 and does nothing.
    Failing,
}

/// The running server. It is killed when dropped, and ends by itself with the process that started it.
///
/// It gives opaque access tokens, and refresh tokens, each for one use, to who asks for the scope `offline_access`
/// (`openid` and `chat` are the other ones). It sends browsers back to `/callback` and `/auth/callback` on any port of
/// `127.0.0.1`, `[::1]` and `localhost`. Authorization codes need PKCE with S256.
#[derive(Debug)]
pub struct OidcServer {
    _child: Child,
    addresses: Addresses,
}

#[derive(Debug, Deserialize)]
struct Addresses {
    url: String,
    authorize_url: String,
    token_url: String,
    device_url: String,
}

impl OidcServer {
    /// Starts one whose access tokens are good for `access_token` (whole seconds). None, and a line that says so, if
    /// `GREENROOM_OIDC` names no folder that has the package in its `node_modules`. `GREENROOM_NODE` may name the Node
    /// to run it with.
    ///
    /// # Panics
    /// If it does not start.
    #[allow(clippy::print_stderr, reason = "a test that is passed over has to say so")]
    pub async fn start(access_token: Duration) -> Option<Self> {
        let Some(modules) = env::var_os("GREENROOM_OIDC") else {
            eprintln!("passed over: GREENROOM_OIDC names no folder with the package oidc-provider");
            return None;
        };
        let node = env::var_os("GREENROOM_NODE").unwrap_or_else(|| OsString::from("node"));
        let mut child = Command::new(node)
            .args([SERVER, "--access-token-seconds", &access_token.as_secs().to_string(), "--modules"])
            .arg(modules)
            // Its end is the server's: nothing is left behind by a test that is killed.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("Node starts; name it in GREENROOM_NODE");
        let mut lines = BufReader::new(child.stdout.take().expect("stdout is piped")).lines();
        let line = tokio::time::timeout(START, lines.next_line())
            .await
            .expect("the server says in time where it listens")
            .expect("its output can be read")
            .expect("it does not end before it listens");
        let addresses = serde_json::from_str(&line).expect("its first line is JSON");
        Some(Self { _child: child, addresses })
    }

    /// `http://address:port`, without a slash at its end. OpenAI's API is at `/v1` below it, for who has a valid token;
    /// its model answers `You are NAME.`
    pub fn url(&self) -> &str {
        &self.addresses.url
    }

    /// Where a browser is sent to log in. It has a query already, to which a client adds its own.
    pub fn authorize_url(&self) -> &str {
        &self.addresses.authorize_url
    }

    /// Where codes and refresh tokens are given for tokens.
    pub fn token_url(&self) -> &str {
        &self.addresses.token_url
    }

    /// Where a device asks for its codes. It is to ask for its tokens once a second.
    pub fn device_url(&self) -> &str {
        &self.addresses.device_url
    }

    /// Opens `url`, an address to authorize at, in a new browser, and gives the address at the client that the browser
    /// is sent back to in the end, without going there: for that, see [`deliver`].
    ///
    /// # Panics
    /// If the browser is not sent back, with the page that it is left with.
    pub async fn authorize(&self, url: &str, consent: Consent<'_>) -> Url {
        match Browser::new(self.url()).open(url, consent).await {
            End::Elsewhere(redirect) => redirect,
            End::Page(page) => panic!("{} without a way back to the client: {}", page.status, page.text()),
        }
    }

    /// Opens `url`, the complete address to verify a device at, in a new browser, and gives the page that it ends with.
    ///
    /// # Panics
    /// If the browser is sent away from the server.
    pub async fn confirm_device(&self, url: &str, consent: Consent<'_>) -> Response {
        match Browser::new(self.url()).open(url, consent).await {
            End::Page(page) => page,
            End::Elsewhere(redirect) => panic!("the browser of a device is sent to {redirect}"),
        }
    }

    /// How many requests have come to the token endpoint so far, by grant type.
    pub async fn counts(&self) -> BTreeMap<String, u64> {
        let counts = get(self.url(), "/admin/counts", None).await.expect("the server answers");
        serde_json::from_value(counts.json()).expect("numbers by name")
    }

    /// Ends all that `name` has ever allowed, with every token of it, and says to how many clients and devices that was.
    pub async fn revoke(&self, name: &str) -> u64 {
        let revoked = self.admin("revoke", json!({ "account": name })).await;
        revoked.json()["revoked"].as_u64().expect("a number")
    }

    /// Has the token endpoint take its next `requests` in this way, in place of what was asked of it before.
    pub async fn token_endpoint(&self, mood: Mood, requests: u32) {
        let (name, delay) = match mood {
            Mood::Slow(delay) => ("slow", delay),
            Mood::Html => ("html", Duration::ZERO),
            Mood::Failing => ("failing", Duration::ZERO),
        };
        let mood = json!({ "mood": name, "requests": requests, "delay_ms": delay.as_millis() as u64 });
        assert_eq!(self.admin("mood", mood).await.status, 204, "the server takes the mood");
    }

    async fn admin(&self, what: &str, body: Value) -> Response {
        post_json(self.url(), &format!("/admin/{what}"), None, &body).await.expect("the server answers")
    }
}
