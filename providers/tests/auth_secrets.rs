//! No secret of a login is in anything that is logged or shown.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod auth_support;

use std::{
    collections::BTreeMap,
    io::Write,
    sync::{Arc, Mutex},
};

use auth_support::{Server, client, html, json, now, shown};
use greenroom_providers::{
    Credential,
    auth::{
        AZURE_SCOPE, Authorization, CopilotExchange, EntraArgs, EntraClient, Loopback, OAuthSource, TokenError,
        TokenSource, Tokens, log_in_by_device,
    },
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tracing_subscriber::{filter::LevelFilter, fmt::MakeWriter};

/// Everything that any library logs.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Every secret of these tests has this word in it.
const MARK: &str = "sentinel";

fn granted() -> Value {
    json!({"access_token": "sentinel-access", "refresh_token": "sentinel-refresh-2", "expires_in": 60})
}

/// A refusal that repeats what was sent.
fn echo(sent: &str) -> Value {
    json!({"error": "invalid_grant", "error_description": format!("{sent} of sentinel-client-secret is not good")})
}

fn logged_in() -> Tokens {
    Tokens { refresh: Some("sentinel-refresh".into()), ..Tokens::of("sentinel-access".into()) }
}

fn outcome<T: std::fmt::Debug>(result: Result<T, TokenError>) -> String {
    match result {
        Ok(value) => format!("{value:?}"),
        Err(error) => shown(&error),
    }
}

/// Goes through a login in the browser, and gives all that could be shown of it, and the state.
async fn log_in_by_browser() -> (String, String) {
    let server = Server::start([json(200, granted()), json(400, echo("sentinel-code"))]).await;
    let listener = Loopback::bind(None).await.unwrap();
    let login = Authorization::begin(&server.issuer(), listener.redirect()).unwrap();
    let state = login.url.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
    let mut page = String::new();
    let browser = async {
        let mut socket = TcpStream::connect(("127.0.0.1", listener.redirect().port().unwrap())).await.unwrap();
        let request = format!("GET /callback?code=sentinel-code&state={state} HTTP/1.1\r\nhost: localhost\r\n\r\n");
        socket.write_all(request.as_bytes()).await.unwrap();
        socket.read_to_string(&mut page).await.unwrap();
    };
    let (code, ()) = tokio::join!(listener.wait(&login), browser);
    let code = code.unwrap();
    let mut all = format!("{login:?} {listener:?} {code:?} {page}");
    all += &outcome(login.exchange(&client(), &code, now()).await);
    all += &outcome(login.exchange(&client(), &code, now()).await);
    let verifier = server.seen()[0].form()["code_verifier"].clone();
    assert!(!all.contains(&verifier));
    (all, state)
}

async fn use_sources() -> String {
    let code = json!({
        "device_code": "sentinel-device", "user_code": "ABCD", "verification_uri": "https://x.example/", "interval": 1
    });
    let server = Server::start([
        json(200, granted()),
        json(400, echo("sentinel-refresh")),
        html(200),
        json(200, json!({"token": "sentinel-copilot"})),
        json(401, json!({"error": "invalid_client", "error_description": "sentinel-client-secret is wrong"})),
        json(200, code),
        json(200, granted()),
    ])
    .await;
    let source = OAuthSource::new(server.issuer(), client());
    let mut all = format!("{source:?}");
    for _ in 0..3 {
        all += &outcome(source.refresh(Some(&logged_in()), now()).await);
    }
    let copilot = CopilotExchange::new(server.url("/copilot"), &BTreeMap::new(), client()).unwrap();
    let copilot = copilot.with_token("sentinel-gho".into());
    all += &format!("{copilot:?} {}", outcome(copilot.refresh(None, now()).await));
    let args = EntraArgs {
        authority: server.url(""),
        tenant: "t".into(),
        client_id: "app".into(),
        client_secret: "sentinel-client-secret".into(),
        scope: AZURE_SCOPE.into(),
    };
    all += &format!("{args:?}");
    let entra = EntraClient::new(args, client()).unwrap();
    all += &format!("{entra:?} {}", outcome(entra.refresh(None, now()).await));
    let mut told = String::new();
    let mut progress = |progress: greenroom_providers::auth::DeviceProgress<'_>| told += &format!("{progress:?}");
    let tokens = log_in_by_device(&server.issuer(), &client(), &mut progress).await;
    let credential = Credential::Token(tokens.as_ref().unwrap().access_token());
    all + &outcome(tokens) + &format!("{credential:?} {told}")
}

#[tokio::test]
async fn no_secret_is_in_what_is_logged_or_shown() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_writer(log.clone()).with_max_level(LevelFilter::TRACE);
    subscriber.with_ansi(false).init();
    let (shown, state) = log_in_by_browser().await;
    let shown = shown + &use_sources().await;
    let logged = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(logged.contains("TRACE"), "there is something to look through");
    for (text, what) in [(&shown, "shown"), (&logged, "logged")] {
        let mut lines = text.lines();
        assert_eq!(lines.find(|line| line.contains(MARK) || line.contains(&state)), None, "{what}");
    }
}
