//! Google's service accounts and default credentials, over real sockets and files.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod auth_support;

use std::{path::PathBuf, sync::LazyLock};

use auth_support::{Reply, Server, client, dated, html, impatient, json, now, reply, seconds, shown, text};
use aws_lc_rs::{
    encoding::{AsDer as _, Pkcs8V1Der},
    rsa::{KeyPair, KeySize},
    signature::KeyPair as _,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use greenroom_providers::auth::{ApplicationDefault, DefaultPlaces, ServiceAccount, TokenErrorKind, TokenSource as _};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Value, json};

/// A key of this run's own, which no one needs to keep secret.
static KEY: LazyLock<(String, DecodingKey)> = LazyLock::new(|| {
    let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let der: Pkcs8V1Der<'_> = pair.as_der().unwrap();
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(der.as_ref()));
    (pem, DecodingKey::from_rsa_der(pair.public_key().as_ref()))
});

const EMAIL: &str = "robot@project.iam.gserviceaccount.com";

fn account(server: &Server) -> Value {
    json!({
        "type": "service_account", "client_email": EMAIL, "private_key_id": "key-1", "private_key": KEY.0,
        "token_uri": server.url("/token").as_str()
    })
}

fn scopes() -> Vec<String> {
    vec!["scope-1".into(), "scope-2".into()]
}

fn source(server: &Server) -> ServiceAccount {
    ServiceAccount::from_json(account(server).to_string().as_bytes(), scopes(), impatient()).unwrap()
}

/// The claims of the statement that was sent, whose signature must be right.
fn claims(server: &Server, index: usize) -> Value {
    let form = server.seen()[index].form();
    assert_eq!(form["grant_type"], "urn:ietf:params:oauth:grant-type:jwt-bearer");
    let mut validation = Validation::new(Algorithm::RS256);
    (validation.validate_exp, validation.validate_aud) = (false, false);
    let token = jsonwebtoken::decode::<Value>(&form["assertion"], &KEY.1, &validation).unwrap();
    assert_eq!(token.header.kid.as_deref(), Some("key-1"));
    token.claims
}

fn granted() -> Value {
    json!({"access_token": "ya29.1", "expires_in": 3599, "token_type": "Bearer"})
}

#[tokio::test]
async fn a_service_account_signs_for_a_token() {
    let server = Server::start([json(200, granted())]).await;
    let source = source(&server);
    assert!(!source.needs_login());
    let tokens = source.refresh(None, now()).await.unwrap();
    assert_eq!((text(&tokens.access), tokens.expires_at), ("ya29.1", Some(now() + seconds(3599))));
    let expected = json!({
        "iss": EMAIL, "scope": "scope-1 scope-2", "aud": server.url("/token").as_str(),
        "iat": 1_790_000_000, "exp": 1_790_003_600
    });
    assert_eq!(claims(&server, 0), expected);
    assert!(!format!("{source:?}").contains(&KEY.0[40..80]));
}

#[tokio::test]
async fn a_clock_that_is_wrong_is_made_up_for_once_and_else_told() {
    let refusal = json!({"error": "invalid_grant", "error_description": "Invalid JWT: not a reasonable timeframe."});
    let theirs = now() + seconds(3600);
    let server = Server::start([dated(400, theirs, refusal.clone()), dated(200, theirs, granted())]).await;
    let tokens = source(&server).refresh(None, now()).await.unwrap();
    assert_eq!(
        (&claims(&server, 0)["iat"], &claims(&server, 1)["iat"]),
        (&json!(1_790_000_000), &json!(1_790_003_600))
    );
    let (from, to) = (now() + seconds(3599), now() + seconds(3605));
    assert!((from..to).contains(&tokens.expires_at.unwrap()), "by our own clock, which is what it is held against");

    for (theirs, ahead, words) in [
        (now() + seconds(3600), -3600..-3590, "behind the token endpoint's"),
        (now() - seconds(7200), 7200..7210, "ahead of the token endpoint's"),
    ] {
        let replies = [dated(400, theirs, refusal.clone()), dated(400, theirs, refusal.clone())];
        let server = Server::start(replies).await;
        let error = source(&server).refresh(None, now()).await.unwrap_err();
        assert_eq!(error.kind, TokenErrorKind::Clock);
        assert!(ahead.contains(&error.details.clock_ahead.unwrap()) && error.message.contains(words), "{error:?}");
        assert_eq!(error.details.code.as_deref(), Some("invalid_grant"));
    }
}

#[tokio::test]
async fn a_refusal_that_is_not_of_the_clock_is_not_asked_again() {
    let refusal = json!({"error": "invalid_grant", "error_description": "account not found"});
    let server = Server::start([dated(400, now() + seconds(50), refusal.clone()), json(400, refusal)]).await;
    for _ in 0..2 {
        let error = source(&server).refresh(None, now()).await.unwrap_err();
        assert_eq!(error.kind, TokenErrorKind::Revoked);
    }
    let server = Server::start([dated(500, now() + seconds(9999), json!({}))]).await;
    assert_eq!(source(&server).refresh(None, now()).await.unwrap_err().kind, TokenErrorKind::Server);
    let replies = [dated(400, now() + seconds(9999), json!({"error": "invalid_grant"})), Reply::Hang];
    let server = Server::start(replies).await;
    let error = source(&server).refresh(None, now()).await.unwrap_err();
    assert_eq!(error.kind, TokenErrorKind::Network, "nothing is known of the clock before there is an answer");
}

#[tokio::test]
async fn what_the_endpoint_does_has_a_kind() {
    let cases = [
        (html(200), TokenErrorKind::Protocol),
        (json(200, json!({"id_token": "x"})), TokenErrorKind::Protocol),
        (json(200, json!({"access_token": {}})), TokenErrorKind::Protocol),
        (json(500, json!({})), TokenErrorKind::Server),
        (json(401, json!({"error": "invalid_client"})), TokenErrorKind::Client),
        (Reply::Hang, TokenErrorKind::Network),
    ];
    let (replies, kinds): (Vec<_>, Vec<_>) = cases.into_iter().unzip();
    let server = Server::start(replies).await;
    for kind in kinds {
        let error = source(&server).refresh(None, now()).await.unwrap_err();
        assert_eq!(error.kind, kind, "{error}");
    }
}

#[tokio::test]
async fn a_file_that_is_no_service_account_is_told_without_a_word_of_it() {
    let server = Server::start([]).await;
    let with = |name: &str, value: Value| {
        let mut account = account(&server);
        account[name] = value;
        account.to_string()
    };
    for (text, what) in [
        ("sentinel".to_owned(), "not a JSON object"),
        (with("type", json!("sentinel")), "not a service account's"),
        (with("client_email", json!(null)), "client_email is missing"),
        (with("private_key", json!(5)), "private_key is missing or not a text"),
        (with("private_key", json!("sentinel")), "private_key is no RSA key"),
        (with("token_uri", json!("sentinel")), "token_uri is not an address"),
    ] {
        let error = ServiceAccount::from_json(text.as_bytes(), scopes(), client()).unwrap_err();
        assert_eq!(error.kind, TokenErrorKind::Config);
        assert!(error.message.contains(what) && !shown(&error).contains("sentinel"), "{}", shown(&error));
    }
}

/// A file with this in it, and the directory that it is in.
fn file(value: &Value) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("credentials.json");
    std::fs::write(&path, value.to_string()).unwrap();
    (directory, path)
}

fn default(places: DefaultPlaces) -> ApplicationDefault {
    ApplicationDefault::new(places, scopes(), impatient())
}

fn user(server: &Server) -> Value {
    json!({
        "type": "authorized_user", "client_id": "users-client", "client_secret": "sentinel-secret",
        "refresh_token": "sentinel-refresh", "quota_project_id": "users-project", "token_uri": server.url("/token").as_str()
    })
}

#[tokio::test]
async fn default_credentials_are_what_the_file_is_of() {
    let server = Server::start([json(200, granted()), json(200, granted())]).await;
    let (_directory, path) = file(&account(&server));
    let places = DefaultPlaces { file: Some(path.clone()), ..DefaultPlaces::default() };
    let source = default(places);
    assert!(!source.needs_login());
    assert_eq!(text(&source.refresh(None, now()).await.unwrap().access), "ya29.1");
    assert_eq!(claims(&server, 0)["iss"], EMAIL);

    std::fs::write(&path, user(&server).to_string()).unwrap();
    let tokens = source.refresh(None, now()).await.unwrap();
    assert!(tokens.refresh.is_none(), "the file is where it is kept");
    assert_eq!(tokens.account.as_deref(), Some("users-project"), "a person uses the quota of some project");
    let form = server.seen()[1].form();
    assert_eq!((&*form["grant_type"], &*form["refresh_token"]), ("refresh_token", "sentinel-refresh"));
    assert_eq!((&*form["client_id"], &*form["client_secret"]), ("users-client", "sentinel-secret"));
}

#[tokio::test]
async fn a_login_of_gcloud_that_is_over_says_how_to_make_it_anew() {
    let server = Server::start([json(400, json!({"error": "invalid_grant"}))]).await;
    let (_directory, path) = file(&user(&server));
    let source = default(DefaultPlaces { well_known: Some(path), ..DefaultPlaces::default() });
    let error = source.refresh(None, now()).await.unwrap_err();
    assert_eq!(error.kind, TokenErrorKind::Revoked);
    assert!(error.hint().contains("gcloud auth") && !shown(&error).contains("sentinel"), "{}", shown(&error));
}

#[tokio::test]
async fn an_account_is_impersonated_with_the_token_of_another() {
    let expires = now() + seconds(3600 + 1800);
    let impersonated =
        json!({"accessToken": "ya29.other", "expireTime": humantime::format_rfc3339_seconds(expires).to_string()});
    let refused = json!({"error": {"code": 403, "message": "may not", "status": "PERMISSION_DENIED"}});
    let server = Server::start([
        json(200, granted()),
        // Their clock is an hour ahead of ours.
        dated(200, now() + seconds(3600), impersonated),
        json(200, granted()),
        json(403, refused),
        json(200, granted()),
        json(200, json!({"expireTime": 5})),
        json(500, json!({})),
    ])
    .await;
    let (_directory, path) = file(&json!({
        "type": "impersonated_service_account", "delegates": ["d-1"], "source_credentials": user(&server),
        "service_account_impersonation_url": server.url("/impersonate").as_str()
    }));
    let source = default(DefaultPlaces { file: Some(path), ..DefaultPlaces::default() });
    let tokens = source.refresh(None, now()).await.unwrap();
    assert_eq!((text(&tokens.access), tokens.expires_at), ("ya29.other", Some(now() + seconds(1800))));
    let asked = &server.seen()[1];
    assert_eq!((asked.line(), asked.header("authorization")), ("POST /impersonate HTTP/1.1", Some("Bearer ya29.1")));
    assert_eq!(asked.json(), json!({"scope": scopes(), "lifetime": "3600s", "delegates": ["d-1"]}));
    for kind in [TokenErrorKind::Client, TokenErrorKind::Protocol, TokenErrorKind::Server] {
        let error = source.refresh(None, now()).await.unwrap_err();
        assert_eq!(error.kind, kind, "{error}");
    }
}

#[tokio::test]
async fn where_there_is_no_file_the_metadata_server_is_asked() {
    let flavor = |flavor: &str| {
        reply(200, &format!("metadata-flavor: {flavor}\r\n"), "application/json", &granted().to_string())
    };
    let server = Server::start([flavor("Google"), flavor("Other"), html(200), Reply::Hang]).await;
    let nowhere = tempfile::tempdir().unwrap();
    let well_known = Some(nowhere.path().join("absent.json"));
    let source = default(DefaultPlaces { well_known, metadata: Some(server.url("")), file: None });
    let tokens = source.refresh(None, now()).await.unwrap();
    assert_eq!((text(&tokens.access), tokens.expires_at), ("ya29.1", Some(now() + seconds(3599))));
    let asked = &server.seen()[0];
    let path = "/computeMetadata/v1/instance/service-accounts/default/token?scopes=scope-1%2Cscope-2";
    assert_eq!((asked.line(), asked.header("metadata-flavor")), (&*format!("GET {path} HTTP/1.1"), Some("Google")));
    for kind in [TokenErrorKind::Protocol, TokenErrorKind::Protocol, TokenErrorKind::Network] {
        let error = source.refresh(None, now()).await.unwrap_err();
        assert_eq!(error.kind, kind, "{error}");
        assert!(error.hint().contains("GOOGLE_APPLICATION_CREDENTIALS"));
    }
}

#[tokio::test]
async fn credentials_that_are_not_there_or_not_known_are_told() {
    let nothing = default(DefaultPlaces::default()).refresh(None, now()).await.unwrap_err();
    assert_eq!(nothing.kind, TokenErrorKind::Config);
    assert!(nothing.hint().contains("gcloud auth"));
    let nowhere = tempfile::tempdir().unwrap();
    let path = nowhere.path().join("absent.json");
    let named = default(DefaultPlaces { file: Some(path.clone()), ..DefaultPlaces::default() });
    let error = named.refresh(None, now()).await.unwrap_err();
    assert_eq!(error.kind, TokenErrorKind::Config);
    assert!(error.message.contains(&path.display().to_string()), "{error}");
    for (content, what) in [
        (json!({"type": "external_account"}), "not supported"),
        (json!({"type": "sentinel"}), "type is not known"),
        (json!({"type": "authorized_user", "client_id": "x"}), "client_secret is missing"),
        (json!({"type": "impersonated_service_account", "service_account_impersonation_url": "http://x/"}), "missing"),
        (json!("sentinel"), "not a JSON object"),
    ] {
        let (_directory, path) = file(&content);
        let source = default(DefaultPlaces { file: Some(path), ..DefaultPlaces::default() });
        let error = source.refresh(None, now()).await.unwrap_err();
        assert_eq!(error.kind, TokenErrorKind::Config);
        assert!(error.message.contains(what) && !shown(&error).contains("sentinel"), "{}", shown(&error));
    }
}
