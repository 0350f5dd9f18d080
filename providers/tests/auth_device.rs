//! Logins by a code on another device, over real sockets.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod auth_support;

use std::sync::{Arc, Mutex};

use auth_support::{Reply, Server, client, html, impatient, json, reply, seconds, shown, text};
use greenroom_providers::auth::{
    DeviceProgress, Issuer, Preset, PresetClient, TokenError, TokenErrorKind, Tokens, log_in_by_device,
};
use serde_json::{Value, json};

/// A code that is asked for once a second.
fn code(expires_in: u64) -> Value {
    json!({
        "device_code": "sentinel-device", "user_code": "ABCD-1234", "verification_uri": "https://issuer.example/device",
        "expires_in": expires_in, "interval": 1
    })
}

/// Logs in, and gives what a person was told.
async fn log_in(issuer: &Issuer) -> (Result<Tokens, TokenError>, Vec<String>) {
    let mut told = Vec::new();
    let mut progress = |progress: DeviceProgress<'_>| {
        told.push(match progress {
            DeviceProgress::Code(code) => format!("type {} at {}", code.user_code, code.verification_uri),
            DeviceProgress::Waiting => "waiting".into(),
            DeviceProgress::Retrying(error) => format!("{:?}", error.kind),
        });
    };
    let outcome = log_in_by_device(issuer, &impatient(), &mut progress).await;
    (outcome, told)
}

#[tokio::test]
async fn a_login_goes_on_over_what_is_no_answer_until_the_person_is_done() {
    let pending = reply(200, "", "application/x-www-form-urlencoded", "error=authorization_pending");
    let done = json(200, json!({"access_token": "gho_1", "token_type": "bearer", "scope": "read:user"}));
    let server = Server::start([json(200, code(60)), pending, Reply::Close, done]).await;
    let client = PresetClient { id: "own-client".into(), ..PresetClient::default() };
    let preset = Preset::Copilot.issuer(client).unwrap();
    let issuer = Issuer { device_url: Some(server.url("/device")), token_url: server.url("/token"), ..preset };
    let (tokens, told) = log_in(&issuer).await;
    let tokens = tokens.unwrap();
    assert_eq!((text(&tokens.access), tokens.expires_at), ("gho_1", None));
    assert_eq!(told, ["type ABCD-1234 at https://issuer.example/device", "waiting", "Network"]);
    let seen = server.seen();
    let (first, second) = (seen[0].form(), seen[1].form());
    assert_eq!((seen[0].line(), seen[1].line()), ("POST /device HTTP/1.1", "POST /token HTTP/1.1"));
    assert_eq!((&*first["client_id"], &*first["scope"]), ("own-client", "read:user"));
    assert_eq!(second["grant_type"], "urn:ietf:params:oauth:grant-type:device_code");
    assert_eq!((&*second["device_code"], &*second["client_id"]), ("sentinel-device", "own-client"));
    assert!(seen.iter().all(|seen| seen.header("accept") == Some("application/json")));
}

#[tokio::test]
async fn a_person_who_refuses_or_does_nothing_ends_the_login() {
    let server = Server::start([json(200, code(60)), json(200, json!({"error": "access_denied"}))]).await;
    let error = log_in(&server.issuer()).await.0.unwrap_err();
    assert_eq!(error.kind, TokenErrorKind::Denied);
    let server = Server::start([json(200, code(60)), json(400, json!({"error": "expired_token"}))]).await;
    let error = log_in(&server.issuer()).await.0.unwrap_err();
    assert_eq!(error.kind, TokenErrorKind::Expired);
    let server = Server::start([json(200, code(2)), json(400, json!({"error": "authorization_pending"}))]).await;
    let error = log_in(&server.issuer()).await.0.unwrap_err();
    assert_eq!((error.kind, server.seen().len()), (TokenErrorKind::Expired, 2), "by our own clock");
}

#[tokio::test]
async fn a_login_that_can_not_begin_says_why() {
    for (answer, kind) in [
        (html(200), TokenErrorKind::Protocol),
        (html(404), TokenErrorKind::Protocol),
        (json(200, json!({"device_code": "sentinel", "user_code": 5})), TokenErrorKind::Protocol),
        (json(500, json!({})), TokenErrorKind::Server),
        (json(401, json!({"error": "unauthorized_client"})), TokenErrorKind::Client),
        (Reply::Hang, TokenErrorKind::Network),
    ] {
        let server = Server::start([answer]).await;
        let (outcome, told) = log_in(&server.issuer()).await;
        let error = outcome.unwrap_err();
        assert_eq!((error.kind, told.len()), (kind, 0), "{error}");
        assert!(!shown(&error).contains("sentinel"), "{}", shown(&error));
    }
    let issuer = Issuer { device_url: None, ..Server::start([]).await.issuer() };
    assert_eq!(log_in(&issuer).await.0.unwrap_err().kind, TokenErrorKind::Config);
}

#[tokio::test]
async fn a_login_that_is_dropped_asks_no_more() {
    let server = Server::start([json(200, code(60)), json(200, json!({"access_token": "a"}))]).await;
    let issuer = server.issuer();
    let told = Arc::new(Mutex::new(false));
    let (shown, client) = (Arc::clone(&told), client());
    let mut progress = move |_: DeviceProgress<'_>| *shown.lock().unwrap() = true;
    let begun = tokio::time::timeout(seconds(1) / 2, log_in_by_device(&issuer, &client, &mut progress)).await;
    assert!(begun.is_err() && *told.lock().unwrap(), "the code was shown and the login is under way");
    // Longer than the code asks to wait: what must not come can only be waited for.
    tokio::time::sleep(seconds(1)).await;
    assert_eq!(server.seen().len(), 1, "nobody asked for the tokens");
}
