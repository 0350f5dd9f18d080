//! Copilot's tokens and Entra ID's, over real sockets.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod auth_support;

use std::{collections::BTreeMap, time::UNIX_EPOCH};

use auth_support::{Reply, Server, dated, html, impatient, json, maybe, now, reply, seconds, shown, text};
use greenroom_providers::auth::{
    AZURE_SCOPE, CopilotExchange, EntraArgs, EntraClient, TokenErrorKind, TokenSource as _, Tokens,
};
use serde_json::{Value, json};

fn granted() -> Value {
    json!({
        "token": "tid=1;sentinel", "expires_at": 1_790_001_800, "refresh_in": 1500,
        "endpoints": {"api": "https://api.individual.githubcopilot.com", "proxy": "https://x.example"}
    })
}

fn copilot(server: &Server) -> CopilotExchange {
    let headers = BTreeMap::from([("editor-version".to_owned(), "greenroom/1".to_owned())]);
    CopilotExchange::new(server.url("/copilot_internal/v2/token"), &headers, impatient()).unwrap()
}

fn adopted() -> Tokens {
    CopilotExchange::adopt(Tokens::of("sentinel-gho".into()), now())
}

#[tokio::test]
async fn a_github_token_is_exchanged_and_kept_for_the_next_time() {
    let server = Server::start([json(200, granted()), json(200, granted())]).await;
    let source = copilot(&server);
    assert!(source.needs_login());
    let login = adopted();
    assert_eq!((login.expires_at, login.refresh_at), (Some(now()), Some(now())), "there is no valid token yet");
    let first = source.refresh(Some(&login), now()).await.unwrap();
    assert_eq!((text(&first.access), maybe(first.refresh.as_ref())), ("tid=1;sentinel", Some("sentinel-gho")));
    assert_eq!(first.refresh_at, Some(now() + seconds(1440)), "a minute early");
    assert_eq!(first.expires_at, Some(UNIX_EPOCH + seconds(1_790_001_800)));
    assert_eq!(first.base.as_ref().unwrap().as_str(), "https://api.individual.githubcopilot.com/");
    let second = source.refresh(Some(&first), now()).await.unwrap();
    assert_eq!(maybe(second.refresh.as_ref()), Some("sentinel-gho"));
    for seen in server.seen() {
        assert_eq!(seen.line(), "GET /copilot_internal/v2/token HTTP/1.1");
        assert_eq!(seen.header("authorization"), Some("token sentinel-gho"));
        assert_eq!(seen.header("editor-version"), Some("greenroom/1"));
    }
}

#[tokio::test]
async fn recorded_exchanges_are_read() {
    let Some(folder) = std::env::var_os("GREENROOM_RECORDINGS") else { return };
    let folder = std::path::Path::new(&folder).join("copilot-auth");
    let Ok(files) = std::fs::read_dir(folder) else { return };
    for file in files {
        let recording: Value = serde_json::from_slice(&std::fs::read(file.unwrap().path()).unwrap()).unwrap();
        let response = &recording["response"];
        let status = u16::try_from(response["status"].as_u64().unwrap()).unwrap();
        let body = response["body"].as_str().unwrap();
        let server = Server::start([reply(status, "", "application/json", body)]).await;
        let said: Value = serde_json::from_str(body).unwrap();
        let given = copilot(&server).refresh(Some(&adopted()), now()).await;
        if status >= 400 {
            assert!(given.is_err(), "{status} is no token");
            continue;
        }
        let given = given.unwrap();
        assert_eq!(text(&given.access), said["token"].as_str().unwrap());
        assert_eq!(given.expires_at, said["expires_at"].as_u64().map(|at| UNIX_EPOCH + seconds(at)));
        let base = given.base.map(|base| base.as_str().trim_end_matches('/').to_owned());
        assert_eq!(base.as_deref(), said["endpoints"]["api"].as_str());
    }
}

#[tokio::test]
async fn a_token_that_was_given_outright_needs_no_login_and_is_not_kept() {
    let server = Server::start([json(200, granted())]).await;
    let source = copilot(&server).with_token("sentinel-gho".into());
    assert!(!source.needs_login() && !format!("{source:?}").contains("sentinel"));
    let tokens = source.refresh(None, now()).await.unwrap();
    assert!(tokens.refresh.is_none());
    assert_eq!(server.seen()[0].header("authorization"), Some("token sentinel-gho"));
}

#[tokio::test]
async fn times_are_read_as_they_come_and_by_our_own_clock() {
    let as_text = json!({"token": "t", "expires_at": "1790001800", "refresh_in": "90"});
    let unknown = json!({"token": "t", "expires_at": {}, "refresh_in": "soon", "endpoints": {"api": null}});
    let theirs = now() + seconds(3600);
    let ahead = json!({"token": "t", "expires_at": 1_790_005_400, "refresh_in": 1500});
    let server = Server::start([json(200, as_text), json(200, unknown), dated(200, theirs, ahead)]).await;
    let source = copilot(&server);
    let times = async || {
        let tokens = source.refresh(Some(&adopted()), now()).await.unwrap();
        (tokens.expires_at, tokens.refresh_at)
    };
    assert_eq!(times().await, (Some(now() + seconds(1800)), Some(now() + seconds(45))), "half of what is short");
    assert_eq!(times().await, (None, None));
    assert_eq!(times().await, (Some(now() + seconds(1800)), Some(now() + seconds(1440))));
}

#[tokio::test]
async fn what_github_does_has_a_kind_and_no_secret_in_it() {
    let with_base = |base: Value| json(200, json!({"token": "sentinel-t", "endpoints": {"api": base}}));
    let wait = reply(403, "retry-after: 60\r\n", "application/json", r#"{"message": "rate limit"}"#);
    let cases = [
        (json(401, json!({"message": "Bad credentials: sentinel-gho"})), TokenErrorKind::Revoked),
        (json(403, json!({"message": "no access", "error_details": {}})), TokenErrorKind::Denied),
        (json(404, json!({"message": "Not Found"})), TokenErrorKind::Client),
        (wait, TokenErrorKind::Server),
        (json(500, json!({})), TokenErrorKind::Server),
        (html(200), TokenErrorKind::Protocol),
        (html(401), TokenErrorKind::Protocol),
        (json(200, json!({"expires_at": 1})), TokenErrorKind::Protocol),
        (json(200, json!({"token": 5})), TokenErrorKind::Protocol),
        (with_base(json!("http://sentinel.example/")), TokenErrorKind::Protocol),
        (with_base(json!("sentinel")), TokenErrorKind::Protocol),
        (with_base(json!(["sentinel"])), TokenErrorKind::Protocol),
        (Reply::Hang, TokenErrorKind::Network),
        (Reply::Close, TokenErrorKind::Network),
    ];
    let (replies, kinds): (Vec<_>, Vec<_>) = cases.into_iter().unzip();
    let server = Server::start(replies).await;
    let source = copilot(&server);
    for kind in kinds {
        let error = source.refresh(Some(&adopted()), now()).await.unwrap_err();
        assert_eq!(error.kind, kind, "{error}");
        assert!(!shown(&error).contains("sentinel"), "{}", shown(&error));
    }
    assert_eq!(source.refresh(None, now()).await.unwrap_err().kind, TokenErrorKind::Revoked);
    let broken = copilot(&server).with_token("sentinel\n".into()).refresh(None, now()).await.unwrap_err();
    assert_eq!(broken.kind, TokenErrorKind::Config);
    assert!(!shown(&broken).contains("sentinel"));
}

fn entra(server: &Server, tenant: &str) -> Result<EntraClient, TokenErrorKind> {
    let args = EntraArgs {
        authority: server.url(""),
        tenant: tenant.into(),
        client_id: "app-1".into(),
        client_secret: "sentinel-secret".into(),
        scope: AZURE_SCOPE.into(),
    };
    EntraClient::new(args, impatient()).map_err(|error| error.kind)
}

#[tokio::test]
async fn an_application_of_a_tenant_gets_a_token_with_its_secret() {
    let granted = json!({"token_type": "Bearer", "expires_in": 3599, "ext_expires_in": 3599, "access_token": "ey.1"});
    let server = Server::start([json(200, granted)]).await;
    let source = entra(&server, "contoso.onmicrosoft.com").unwrap();
    assert!(!source.needs_login() && !format!("{source:?}").contains("sentinel"));
    let tokens = source.refresh(None, now()).await.unwrap();
    assert_eq!((text(&tokens.access), tokens.expires_at), ("ey.1", Some(now() + seconds(3599))));
    let seen = &server.seen()[0];
    assert_eq!(seen.line(), "POST /contoso.onmicrosoft.com/oauth2/v2.0/token HTTP/1.1");
    let form = seen.form();
    assert_eq!((&*form["grant_type"], &*form["scope"]), ("client_credentials", AZURE_SCOPE));
    assert_eq!((&*form["client_id"], &*form["client_secret"]), ("app-1", "sentinel-secret"));
}

#[tokio::test]
async fn what_a_tenant_does_has_a_kind_and_no_secret_in_it() {
    let words = "AADSTS7000215: Invalid client secret provided: sentinel-secret.";
    let invalid = json!({"error": "invalid_client", "error_description": words, "error_codes": [7_000_215]});
    let cases = [
        (json(401, invalid), TokenErrorKind::Client),
        (json(400, json!({"error": "invalid_request"})), TokenErrorKind::Client),
        (json(400, json!({"error": "temporarily_unavailable"})), TokenErrorKind::Server),
        (json(503, json!({"error": "invalid_client"})), TokenErrorKind::Server),
        (html(200), TokenErrorKind::Protocol),
        (json(200, json!({"expires_in": 5})), TokenErrorKind::Protocol),
        (json(200, json!({"access_token": true})), TokenErrorKind::Protocol),
        (Reply::Hang, TokenErrorKind::Network),
    ];
    let (replies, kinds): (Vec<_>, Vec<_>) = cases.into_iter().unzip();
    let server = Server::start(replies).await;
    let source = entra(&server, "0b1c2d3e-0000-0000-0000-000000000000").unwrap();
    for kind in kinds {
        let error = source.refresh(None, now()).await.unwrap_err();
        assert_eq!(error.kind, kind, "{error}");
        assert!(!shown(&error).contains("sentinel"), "{}", shown(&error));
    }
}

#[tokio::test]
async fn what_is_no_tenant_is_refused() {
    let server = Server::start([]).await;
    for tenant in ["", "..", "a/b", "a b", "a?b", "https://x"] {
        assert_eq!(entra(&server, tenant).map(drop), Err(TokenErrorKind::Config), "{tenant}");
    }
}
