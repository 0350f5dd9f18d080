//! New tokens for a login, over real sockets.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod auth_support;

use auth_support::{Reply, Server, client, html, impatient, json, maybe, now, reply, seconds, shown, text};
use greenroom_providers::auth::{Issuer, IssuerForm, OAuthSource, TokenErrorKind, TokenSource as _, Tokens};
use serde_json::json;

fn before() -> Tokens {
    Tokens {
        refresh: Some("sentinel-refresh".into()),
        scopes: vec!["granted".into()],
        account: Some("acct-1".into()),
        ..Tokens::of("sentinel-access".into())
    }
}

#[tokio::test]
async fn a_refresh_token_that_is_replaced_is_replaced_and_another_stays() {
    let rotated = json!({"access_token": "a-2", "refresh_token": "r-2", "expires_in": 60});
    let server =
        Server::start([json(200, rotated), json(200, json!({"access_token": "a-3", "expires_in": "60"}))]).await;
    let source = OAuthSource::new(server.issuer(), client());
    assert!(source.needs_login());
    let second = source.refresh(Some(&before()), now()).await.unwrap();
    assert_eq!((text(&second.access), maybe(second.refresh.as_ref())), ("a-2", Some("r-2")));
    assert_eq!((second.expires_at, second.account.as_deref()), (Some(now() + seconds(60)), Some("acct-1")));
    let third = source.refresh(Some(&second), now()).await.unwrap();
    assert_eq!((text(&third.access), maybe(third.refresh.as_ref())), ("a-3", Some("r-2")));
    assert_eq!((third.expires_at, third.scopes), (Some(now() + seconds(60)), vec!["granted".to_owned()]));
    let forms: Vec<_> = server.seen().iter().map(|seen| seen.form()).collect();
    assert_eq!((&*forms[0]["grant_type"], &*forms[0]["refresh_token"]), ("refresh_token", "sentinel-refresh"));
    assert_eq!((&*forms[1]["refresh_token"], &*forms[1]["client_id"]), ("r-2", "own-client"));
    assert_eq!(forms[1]["client_secret"], "sentinel-client-secret");
}

#[tokio::test]
async fn what_an_endpoint_does_has_a_kind_and_no_secret_in_it() {
    let echo = "sentinel-refresh and sentinel-client-secret of sentinel-access are not good";
    let reused = json!({"error": {"message": "Already used.", "type": "x", "code": "refresh_token_reused"}});
    let cases = [
        (json(400, json!({"error": "invalid_grant", "error_description": echo})), TokenErrorKind::Revoked),
        (json(200, json!({"error": "bad_refresh_token"})), TokenErrorKind::Revoked),
        (json(401, reused), TokenErrorKind::Reused),
        (
            json(400, json!({"error": "invalid_grant", "error_description": "refresh_token_reused"})),
            TokenErrorKind::Reused,
        ),
        (json(401, json!({"error": "invalid_client", "error_description": echo})), TokenErrorKind::Client),
        (json(400, json!({"error": echo})), TokenErrorKind::Client),
        (json(400, json!({"error": "interaction_required"})), TokenErrorKind::Denied),
        (html(200), TokenErrorKind::Protocol),
        (html(401), TokenErrorKind::Protocol),
        (json(200, json!({})), TokenErrorKind::Protocol),
        (json(200, json!({"access_token": ["sentinel"]})), TokenErrorKind::Protocol),
        (reply(200, "", "application/json", "{\"access_token\": \"sentinel"), TokenErrorKind::Protocol),
        (json(500, json!({"error": "invalid_grant"})), TokenErrorKind::Server),
        (html(503), TokenErrorKind::Server),
        (reply(429, "retry-after: 7\r\n", "text/plain", "slow"), TokenErrorKind::Server),
        (Reply::Hang, TokenErrorKind::Network),
        (Reply::Close, TokenErrorKind::Network),
        (Reply::Bytes("HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{".into()), TokenErrorKind::Network),
        (Reply::Bytes("sentinel\r\n\r\n".into()), TokenErrorKind::Network),
    ];
    let (replies, kinds): (Vec<_>, Vec<_>) = cases.into_iter().unzip();
    let server = Server::start(replies).await;
    let source = OAuthSource::new(server.issuer(), impatient());
    for kind in kinds {
        let error = source.refresh(Some(&before()), now()).await.unwrap_err();
        assert_eq!(error.kind, kind, "{error}");
        assert!(!shown(&error).contains("sentinel"), "{}", shown(&error));
        let wait = (error.details.status == Some(429)).then(|| seconds(7));
        assert_eq!(error.details.retry_after, wait);
    }
    let error = source.refresh(Some(&before()), now()).await.unwrap_err();
    assert_eq!(error.kind, TokenErrorKind::Network, "nobody listens");
    assert!(!shown(&error).contains("/token"), "an address is told by its host alone");
}

#[tokio::test]
async fn nothing_is_asked_without_something_to_ask_with() {
    let server = Server::start([]).await;
    let source = OAuthSource::new(server.issuer(), client());
    let error = source.refresh(None, now()).await.unwrap_err();
    assert_eq!((error.kind, error.hint()), (TokenErrorKind::Revoked, "log in"));
    let error = source.refresh(Some(&Tokens::of("a".into())), now()).await.unwrap_err();
    assert_eq!((error.kind, error.hint()), (TokenErrorKind::Revoked, "log in again"));
    let keys = OAuthSource::new(Issuer { form: IssuerForm::Key, ..server.issuer() }, client());
    assert_eq!(keys.refresh(Some(&before()), now()).await.unwrap_err().kind, TokenErrorKind::Config);
}
