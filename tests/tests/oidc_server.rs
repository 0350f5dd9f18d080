//! The OAuth server that logins are tested at does what it is there for: each flow by hand, over HTTP. Passed over
//! without `GREENROOM_OIDC`.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

use std::collections::BTreeMap;
use std::time::Duration;

use futures::FutureExt as _;
use greenroom_tests::client::{Connection, Response, get, post_json, request};
use greenroom_tests::oidc::{
    CONFIDENTIAL_CLIENT, CONFIDENTIAL_SECRET, Consent, Mood, OidcServer, PUBLIC_CLIENT, deliver,
};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use url::{Position, Url};

const HOUR: Duration = Duration::from_secs(3600);
/// Within this, whatever is waited for has come.
const LIMIT: Duration = Duration::from_secs(30);
/// The example of RFC 7636, appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const REDIRECT: &str = "http://127.0.0.1:4711/callback";
const DEVICE: &str = "urn:ietf:params:oauth:grant-type:device_code";
const FORM: &str = "application/x-www-form-urlencoded";

fn form(fields: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

async fn post(url: &str, fields: &[(&str, &str)]) -> Response {
    let url: Url = url.parse().unwrap();
    let headers = [("content-type", FORM), ("accept", "application/json")];
    let (origin, path) = (&url[..Position::BeforePath], &url[Position::BeforePath..]);
    request(origin, "POST", path, &headers, form(fields).as_bytes()).await.unwrap()
}

/// Where a browser is sent to log in, with PKCE.
fn authorize_url(server: &OidcServer, client: &str, redirect: &str) -> Url {
    let pkce = [("code_challenge", CHALLENGE), ("code_challenge_method", "S256")];
    let mut url = without_pkce(server, client, redirect);
    url.query_pairs_mut().extend_pairs(pkce);
    url
}

fn without_pkce(server: &OidcServer, client: &str, redirect: &str) -> Url {
    let mut url: Url = server.authorize_url().parse().unwrap();
    url.query_pairs_mut().extend_pairs([
        ("response_type", "code"),
        ("client_id", client),
        ("redirect_uri", redirect),
        ("scope", "openid offline_access chat"),
        ("state", "a state"),
    ]);
    url
}

fn query(url: &Url) -> BTreeMap<String, String> {
    url.query_pairs().into_owned().collect()
}

async fn redeem(server: &OidcServer, code: &str, verifier: &str) -> Response {
    let fields = [
        ("grant_type", "authorization_code"),
        ("client_id", PUBLIC_CLIENT),
        ("code", code),
        ("redirect_uri", REDIRECT),
        ("code_verifier", verifier),
    ];
    post(server.token_url(), &fields).await
}

/// A code for the public client.
async fn code(server: &OidcServer, name: &str) -> String {
    let url = authorize_url(server, PUBLIC_CLIENT, REDIRECT);
    let redirect = server.authorize(url.as_str(), Consent::Allow(name)).await;
    query(&redirect)["code"].clone()
}

/// The tokens of a login.
async fn login(server: &OidcServer, name: &str) -> Value {
    let tokens = redeem(server, &code(server, name).await, VERIFIER).await;
    assert_eq!(tokens.status, 200, "{}", tokens.text());
    tokens.json()
}

fn refreshing(tokens: &Value) -> [(&str, &str); 3] {
    let refresh = tokens["refresh_token"].as_str().unwrap();
    [("grant_type", "refresh_token"), ("client_id", PUBLIC_CLIENT), ("refresh_token", refresh)]
}

async fn refresh(server: &OidcServer, tokens: &Value) -> Response {
    post(server.token_url(), &refreshing(tokens)).await
}

/// What the model says to who has this access token.
async fn chat(server: &OidcServer, tokens: &Value) -> Response {
    let body = json!({ "model": "account-teller", "messages": [{ "role": "user", "content": "who am I?" }] });
    post_json(server.url(), "/v1/chat/completions", tokens["access_token"].as_str(), &body).await.unwrap()
}

async fn says(server: &OidcServer, tokens: &Value) -> String {
    let answer = chat(server, tokens).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["choices"][0]["message"]["content"].as_str().unwrap().to_owned()
}

fn refusal(response: &Response) -> (u16, String) {
    (response.status, response.json()["error"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn a_code_with_its_verifier_gives_tokens_that_the_model_knows() {
    let Some(server) = OidcServer::start(HOUR).await else { return };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let redirect_uri = format!("http://localhost:{}/auth/callback", listener.local_addr().unwrap().port());
    let url = authorize_url(&server, CONFIDENTIAL_CLIENT, &redirect_uri);
    let redirect = server.authorize(url.as_str(), Consent::Allow("ada")).await;
    assert!(redirect.as_str().starts_with(&redirect_uri), "{redirect}");
    assert_eq!(query(&redirect)["state"], "a state");

    // Whoever waits for the browser at the loopback address gets it.
    let client = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = vec![0; 4096];
        let length = stream.read(&mut head).await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ndone").await.unwrap();
        String::from_utf8_lossy(&head[..length]).into_owned()
    });
    assert_eq!(deliver(&redirect).await.text(), "done");
    let code = query(&redirect)["code"].clone();
    let asked = client.await.unwrap();
    assert!(asked.starts_with("GET /auth/callback?code=") && asked.contains(&code), "{asked}");

    let mut fields = vec![
        ("grant_type", "authorization_code"),
        ("client_id", CONFIDENTIAL_CLIENT),
        ("code", &code),
        ("redirect_uri", &redirect_uri),
        ("code_verifier", VERIFIER),
        ("client_secret", "a wrong one"),
    ];
    assert_eq!(refusal(&post(server.token_url(), &fields).await), (401, "invalid_client".to_owned()));
    *fields.last_mut().unwrap() = ("client_secret", CONFIDENTIAL_SECRET);
    let tokens = post(server.token_url(), &fields).await.json();
    assert_eq!(tokens["expires_in"], 3600, "{tokens}");
    assert_eq!(says(&server, &tokens).await, "You are ada.");

    let models = get(server.url(), "/v1/models", tokens["access_token"].as_str()).await.unwrap();
    assert_eq!(models.json()["data"][0]["id"], "account-teller");
    let body = json!({ "model": "account-teller", "messages": [], "stream": true });
    let mut stream = Connection::open(server.url()).await.unwrap();
    stream.post_json("/v1/chat/completions", tokens["access_token"].as_str(), &body).await.unwrap();
    assert_eq!(stream.head().await.unwrap().status, 200);
    let first = stream.event().await.unwrap().unwrap().data.unwrap();
    assert!(first.contains("You are ada."), "{first}");
    for wrong in [Value::Null, json!("no token"), tokens["refresh_token"].clone()] {
        assert_eq!(chat(&server, &json!({ "access_token": wrong })).await.status, 401, "{wrong}");
    }
}

#[tokio::test]
async fn a_code_is_for_its_verifier_and_for_one_use() {
    let Some(server) = OidcServer::start(HOUR).await else { return };
    let stolen = code(&server, "ada").await;
    assert_eq!(refusal(&redeem(&server, &stolen, &VERIFIER.replace('d', "e")).await).1, "invalid_grant");

    let code = code(&server, "ada").await;
    let tokens = redeem(&server, &code, VERIFIER).await.json();
    assert_eq!(says(&server, &tokens).await, "You are ada.");
    assert_eq!(refusal(&redeem(&server, &code, VERIFIER).await).1, "invalid_grant");
    assert_eq!(chat(&server, &tokens).await.status, 401, "a code that was used twice ends what came of it");
}

#[tokio::test]
async fn a_browser_comes_back_with_a_denial_or_without_pkce_with_an_error() {
    let Some(server) = OidcServer::start(HOUR).await else { return };
    let url = authorize_url(&server, PUBLIC_CLIENT, REDIRECT);
    let denied = query(&server.authorize(url.as_str(), Consent::Deny).await);
    assert_eq!((denied["error"].as_str(), denied["state"].as_str()), ("access_denied", "a state"));
    assert!(!denied.contains_key("code"));
    for client in [PUBLIC_CLIENT, CONFIDENTIAL_CLIENT] {
        let url = without_pkce(&server, client, REDIRECT);
        let refused = query(&server.authorize(url.as_str(), Consent::Allow("ada")).await);
        assert_eq!(refused["error"], "invalid_request", "{client}");
    }
}

#[tokio::test]
async fn a_device_gets_its_tokens_once_the_person_has_allowed_it() {
    let Some(server) = OidcServer::start(HOUR).await else { return };
    for (consent, end) in [(Consent::Allow("grace"), None), (Consent::Deny, Some("access_denied"))] {
        let asked = [("client_id", PUBLIC_CLIENT), ("scope", "openid offline_access chat")];
        let device = post(server.device_url(), &asked).await.json();
        assert_eq!(device["interval"], 1, "{device}");
        let fields = [
            ("grant_type", DEVICE),
            ("client_id", PUBLIC_CLIENT),
            ("device_code", device["device_code"].as_str().unwrap()),
        ];
        let early = post(server.token_url(), &fields).await;
        assert_eq!(refusal(&early), (400, "authorization_pending".to_owned()));

        let page = server.confirm_device(device["verification_uri_complete"].as_str().unwrap(), consent).await;
        assert_eq!(page.text().contains("The device is logged in."), end.is_none(), "{}", page.text());
        let answer = post(server.token_url(), &fields).await;
        match end {
            Some(error) => assert_eq!(refusal(&answer), (400, error.to_owned())),
            None => {
                let tokens = answer.json();
                assert_eq!(says(&server, &tokens).await, "You are grace.");
                assert_eq!(refresh(&server, &tokens).await.status, 200);
            }
        }
    }
    assert_eq!(server.counts().await[DEVICE], 4);
}

#[tokio::test]
async fn a_refresh_token_is_replaced_and_a_second_use_of_it_ends_the_login() {
    let Some(server) = OidcServer::start(HOUR).await else { return };
    let first = login(&server, "ada").await;
    let second = refresh(&server, &first).await.json();
    assert_ne!(first["refresh_token"], second["refresh_token"]);
    assert_ne!(first["access_token"], second["access_token"]);
    assert_eq!(says(&server, &second).await, "You are ada.");
    let third = refresh(&server, &second).await.json();
    assert_eq!(says(&server, &third).await, "You are ada.");

    assert_eq!(refusal(&refresh(&server, &first).await), (400, "invalid_grant".to_owned()));
    assert_eq!(refusal(&refresh(&server, &third).await), (400, "invalid_grant".to_owned()));
    assert_eq!(chat(&server, &third).await.status, 401);
}

#[tokio::test]
async fn an_access_token_expires_and_a_refresh_token_does_not() {
    let Some(server) = OidcServer::start(Duration::from_secs(1)).await else { return };
    let tokens = login(&server, "ada").await;
    assert_eq!(tokens["expires_in"], 1);
    let expired = async {
        while chat(&server, &tokens).await.status != 401 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(LIMIT, expired).await.expect("it expires");
    assert_eq!(refresh(&server, &tokens).await.status, 200);
}

#[tokio::test]
async fn revoking_ends_every_login_of_one_account_alone() {
    let Some(server) = OidcServer::start(HOUR).await else { return };
    let (laptop, phone, other) =
        (login(&server, "ada").await, login(&server, "ada").await, login(&server, "grace").await);
    assert_eq!(server.revoke("ada").await, 2);
    for tokens in [&laptop, &phone] {
        assert_eq!(chat(&server, tokens).await.status, 401);
        assert_eq!(refusal(&refresh(&server, tokens).await).1, "invalid_grant");
    }
    assert_eq!(says(&server, &other).await, "You are grace.");
    assert_eq!(says(&server, &login(&server, "ada").await).await, "You are ada.", "a new login is one");
}

#[tokio::test]
async fn the_token_endpoint_fails_as_often_as_it_is_told_to() {
    let Some(server) = OidcServer::start(HOUR).await else { return };
    let tokens = login(&server, "ada").await;
    server.token_endpoint(Mood::Failing, 2).await;
    for _ in 0..2 {
        assert_eq!(refresh(&server, &tokens).await.status, 500);
    }
    let tokens = refresh(&server, &tokens).await.json();
    assert_eq!(says(&server, &tokens).await, "You are ada.", "what failed has used no refresh token");

    server.token_endpoint(Mood::Html, 1).await;
    let page = refresh(&server, &tokens).await;
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    let expected = [("authorization_code".to_owned(), 1), ("refresh_token".to_owned(), 4)];
    assert_eq!(server.counts().await, BTreeMap::from(expected));
}

/// Asks for new tokens on a connection of its own, and waits only until the server has counted that.
async fn refresh_without_waiting(server: &OidcServer, tokens: &Value) -> Connection {
    let before = server.counts().await.get("refresh_token").copied();
    let mut connection = Connection::open(server.url()).await.unwrap();
    let body = form(&refreshing(tokens));
    connection.send("POST", "/token", &[("content-type", FORM)], body.as_bytes()).await.unwrap();
    let counted = async {
        while server.counts().await.get("refresh_token").copied() == before {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LIMIT, counted).await.expect("the request arrives");
    connection
}

#[tokio::test]
async fn a_slow_token_endpoint_is_silent_while_others_are_answered() {
    let Some(server) = OidcServer::start(HOUR).await else { return };
    let tokens = login(&server, "ada").await;
    server.token_endpoint(Mood::Slow(HOUR), 1).await;
    let mut silent = refresh_without_waiting(&server, &tokens).await;
    let tokens = refresh(&server, &tokens).await.json();
    assert_eq!(says(&server, &tokens).await, "You are ada.", "the refresh token was still to be used");
    assert!(silent.head().now_or_never().is_none(), "the slow one is still silent");
}

#[tokio::test]
async fn a_slow_token_endpoint_does_nothing_for_who_has_left() {
    let Some(server) = OidcServer::start(HOUR).await else { return };
    let tokens = login(&server, "ada").await;
    // Both are held for as long, so that the answer to the second comes after the time of the first.
    server.token_endpoint(Mood::Slow(Duration::from_secs(1)), 2).await;
    drop(refresh_without_waiting(&server, &tokens).await);
    let tokens = refresh(&server, &tokens).await.json();
    assert_eq!(says(&server, &tokens).await, "You are ada.");
    assert_eq!(refresh(&server, &tokens).await.status, 200);
}
