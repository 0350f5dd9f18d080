//! Logins in the browser, over real sockets.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod auth_support;

use auth_support::{Reply, Server, client, html, impatient, json, maybe, now, seconds, shown, text};
use greenroom_providers::auth::{
    Authorization, Granted, Issuer, IssuerForm, Loopback, SecretPlace, TokenErrorKind, Tokens,
};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use url::Url;

fn state(login: &Authorization) -> String {
    login.url.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned()
}

/// Asks the listener what a browser would, and gives the whole response.
async fn browse(redirect: &Url, request: &str) -> String {
    let mut socket = TcpStream::connect(("127.0.0.1", redirect.port().unwrap())).await.unwrap();
    socket.write_all(format!("{request} HTTP/1.1\r\nhost: localhost\r\n\r\n").as_bytes()).await.unwrap();
    let mut response = String::new();
    socket.read_to_string(&mut response).await.unwrap();
    response
}

fn tokens(granted: Granted) -> Tokens {
    match granted {
        Granted::Tokens(tokens) => tokens,
        Granted::Key(_) => panic!("these are tokens"),
    }
}

#[tokio::test]
async fn a_login_ends_with_the_tokens_that_its_code_is_good_for() {
    let granted = json!({
        "access_token": "a-1", "refresh_token": "r-1", "expires_in": 3600, "scope": "one", "token_type": "Bearer"
    });
    let server = Server::start([json(200, granted)]).await;
    let listener = Loopback::bind(None).await.unwrap();
    let login = Authorization::begin(&server.issuer(), listener.redirect()).unwrap();
    let end = format!("GET {}?code=the%2Fcode&state={}", listener.redirect().path(), state(&login));
    let (code, page) = tokio::join!(listener.wait(&login), browse(listener.redirect(), &end));
    assert!(page.starts_with("HTTP/1.1 200 ") && page.contains("You can close this window"), "{page}");
    assert!(!page.contains("the%2Fcode") && !page.contains("the/code") && !page.contains("<script"));
    assert!(page.contains("no-store") && page.contains("default-src 'none'") && page.contains("no-referrer"));

    let tokens = tokens(login.exchange(&client(), &code.unwrap(), now()).await.unwrap());
    assert_eq!((text(&tokens.access), maybe(tokens.refresh.as_ref())), ("a-1", Some("r-1")));
    assert_eq!((tokens.expires_at, tokens.scopes), (Some(now() + seconds(3600)), vec!["one".to_owned()]));
    let seen = &server.seen()[0];
    assert_eq!((seen.line(), seen.header("accept")), ("POST /token HTTP/1.1", Some("application/json")));
    let form = seen.form();
    assert_eq!((&*form["grant_type"], &*form["code"]), ("authorization_code", "the/code"));
    assert_eq!(form["redirect_uri"], listener.redirect().as_str());
    assert_eq!((&*form["client_id"], &*form["client_secret"]), ("own-client", "sentinel-client-secret"));
    let challenge = oauth2::PkceCodeChallenge::from_code_verifier_sha256(&oauth2::PkceCodeVerifier::new(
        form["code_verifier"].clone(),
    ));
    assert!(login.url.as_str().contains(challenge.as_str()), "the verifier is the one that was begun with");
}

#[tokio::test]
async fn nothing_but_its_own_end_ends_a_login_under_way() {
    let server = Server::start([]).await;
    let listener = Loopback::bind(None).await.unwrap();
    let login = Authorization::begin(&server.issuer(), listener.redirect()).unwrap();
    let (path, state, redirect) = (listener.redirect().path(), state(&login), listener.redirect());
    let others = async {
        // A connection that asks nothing, as browsers open some, and one that never comes to an end.
        let _silent = TcpStream::connect(("127.0.0.1", redirect.port().unwrap())).await.unwrap();
        let mut endless = TcpStream::connect(("127.0.0.1", redirect.port().unwrap())).await.unwrap();
        endless.write_all(format!("GET {path}?code=").as_bytes()).await.unwrap();
        for (request, status) in [
            (format!("GET {path}?code=x&state=another"), 400),
            (format!("GET {path}?code=x"), 400),
            (format!("GET {path}?error=access_denied"), 400),
            (format!("GET {path}?error=access_denied&state=another"), 400),
            (format!("GET {path}"), 400),
            (format!("POST {path}?code=x&state={state}"), 400),
            (format!("GET /favicon.ico?code=x&state={state}"), 404),
            (format!("GET {path}/more?code=x&state={state}"), 404),
            (format!("GET {path}?code={}&state={state}", "x".repeat(32 * 1024)), 431),
        ] {
            let response = browse(redirect, &request).await;
            assert!(response.starts_with(&format!("HTTP/1.1 {status} ")), "{} {response}", &request[..40]);
        }
        browse(redirect, &format!("GET {path}?code=x&state=another")).await
    };
    tokio::select! {
        code = listener.wait(&login) => panic!("the login has ended: {code:?}"),
        told = others => assert!(told.contains("not the login under way"), "{told}"),
    }
    let end = format!("GET {path}?code=right&state={state}");
    let (code, _) = tokio::join!(listener.wait(&login), browse(redirect, &end));
    assert_eq!(text(&code.unwrap()), "right");
}

#[tokio::test]
async fn connections_that_ask_nothing_keep_no_browser_out_for_good() {
    let server = Server::start([]).await;
    let listener = Loopback::bind(None).await.unwrap();
    let login = Authorization::begin(&server.issuer(), listener.redirect()).unwrap();
    let end = format!("GET {}?code=c&state={}", listener.redirect().path(), state(&login));
    let browsers = async {
        let port = listener.redirect().port().unwrap();
        let mut silent = Vec::new();
        for _ in 0..40 {
            silent.push(TcpStream::connect(("127.0.0.1", port)).await.unwrap());
        }
        let (page, ()) = tokio::join!(browse(listener.redirect(), &end), async { silent.clear() });
        page
    };
    let (code, page) = tokio::join!(listener.wait(&login), browsers);
    assert_eq!(text(&code.unwrap()), "c");
    assert!(page.starts_with("HTTP/1.1 200 "), "{page}");
}

#[tokio::test]
async fn a_person_who_refuses_ends_the_login() {
    let server = Server::start([]).await;
    let listener = Loopback::bind(None).await.unwrap();
    let login = Authorization::begin(&server.issuer(), listener.redirect()).unwrap();
    let end = format!("GET {}?error=access_denied&state={}", listener.redirect().path(), state(&login));
    let (code, page) = tokio::join!(listener.wait(&login), browse(listener.redirect(), &end));
    let error = code.unwrap_err();
    assert_eq!((error.kind, error.details.code.as_deref()), (TokenErrorKind::Denied, Some("access_denied")));
    assert!(page.contains("was not completed"), "{page}");
}

#[tokio::test]
async fn a_fixed_address_is_listened_at_and_one_that_is_taken_says_so() {
    let free = Loopback::bind(None).await.unwrap();
    let port = free.redirect().port().unwrap();
    let fixed: Url = format!("http://localhost:{port}/auth/callback").parse().unwrap();
    let error = Loopback::bind(Some(&fixed)).await.unwrap_err();
    assert_eq!(error.kind, TokenErrorKind::Config);
    assert!(error.message.contains(&format!("port {port}")) && error.message.contains("taken"), "{error}");
    drop(free);
    let listener = Loopback::bind(Some(&fixed)).await.unwrap();
    assert_eq!(listener.redirect(), &fixed);
    let server = Server::start([]).await;
    let issuer = Issuer { redirect: Some(fixed.clone()), ..server.issuer() };
    let login = Authorization::begin(&issuer, listener.redirect()).unwrap();
    let end = format!("GET /auth/callback?code=c&state={}", state(&login));
    let (code, _) = tokio::join!(listener.wait(&login), browse(&fixed, &end));
    assert_eq!(text(&code.unwrap()), "c");
    for elsewhere in ["http://example.com:80/", "http://10.0.0.1:80/x", "https://localhost:1/", "http://0.0.0.0:1/"] {
        let error = Loopback::bind(Some(&elsewhere.parse().unwrap())).await.unwrap_err();
        assert_eq!(error.kind, TokenErrorKind::Config, "{elsewhere}");
    }
}

#[tokio::test]
async fn a_code_that_is_used_twice_is_not_valid_any_more() {
    let used = json!({"error": "invalid_grant", "error_description": "Code sentinel-code was already redeemed."});
    let server = Server::start([json(200, json!({"access_token": "a"})), json(400, used)]).await;
    let login = Authorization::begin(&server.issuer(), &"http://127.0.0.1:1/callback".parse().unwrap()).unwrap();
    let code = login.read_redirect(&format!("sentinel-code#{}", state(&login))).unwrap();
    login.exchange(&client(), &code, now()).await.unwrap();
    let error = login.exchange(&client(), &code, now()).await.unwrap_err();
    assert_eq!(error.kind, TokenErrorKind::Expired);
    assert!(error.message.contains("Code [secret] was already redeemed"), "{error}");
    assert!(!shown(&error).contains("sentinel"), "{}", shown(&error));
}

#[tokio::test]
async fn a_secret_can_go_in_the_header() {
    let server = Server::start([json(200, json!({"access_token": "a"}))]).await;
    let issuer = Issuer {
        secret_place: SecretPlace::Basic,
        client_secret: Some("a secret:+%".into()),
        client_id: "id:1".into(),
        ..server.issuer()
    };
    let login = Authorization::begin(&issuer, &"http://127.0.0.1:1/callback".parse().unwrap()).unwrap();
    login.exchange(&client(), &"c".into(), now()).await.unwrap();
    let seen = &server.seen()[0];
    // What the standard asks for: each written like a form's value, and both in base64.
    assert_eq!(seen.header("authorization"), Some("Basic aWQlM0ExOmErc2VjcmV0JTNBJTJCJTI1"));
    assert!(!seen.form().contains_key("client_secret"));
}

#[tokio::test]
async fn an_issuer_of_keys_ends_a_login_with_a_key() {
    let invalid = json!({"error": {"code": 403, "message": "Invalid code or code_verifier"}});
    let replies = [json(200, json!({"key": "sk-or-1"})), json(403, invalid), json(200, json!({"user": 1}))];
    let server = Server::start(replies).await;
    let issuer = Issuer { form: IssuerForm::Key, ..server.issuer() };
    let login = Authorization::begin(&issuer, &"http://127.0.0.1:1/callback".parse().unwrap()).unwrap();
    match login.exchange(&client(), &"the-code".into(), now()).await.unwrap() {
        Granted::Key(key) => assert_eq!(text(&key), "sk-or-1"),
        Granted::Tokens(_) => panic!("this is a key"),
    }
    let body = server.seen()[0].json();
    assert_eq!((&body["code"], &body["code_challenge_method"]), (&json!("the-code"), &json!("S256")));
    assert_eq!(body["code_verifier"].as_str().unwrap().len(), 43);
    let error = login.exchange(&client(), &"the-code".into(), now()).await.unwrap_err();
    assert_eq!(error.kind, TokenErrorKind::Expired);
    let error = login.exchange(&client(), &"the-code".into(), now()).await.unwrap_err();
    assert_eq!(error.kind, TokenErrorKind::Protocol);
    assert!(error.message.contains("key is missing"), "{error}");
}

#[tokio::test]
async fn an_endpoint_that_gives_no_tokens_says_how_and_never_what() {
    let long = json(200, json!({"access_token": "sentinel", "padding": "x".repeat(70_000)}));
    let cases = [
        (html(200), TokenErrorKind::Protocol),
        (html(403), TokenErrorKind::Protocol),
        (auth_support::reply(302, "location: /x\r\n", "text/plain", ""), TokenErrorKind::Protocol),
        (json(200, json!({"access_token": 7})), TokenErrorKind::Protocol),
        (long, TokenErrorKind::Protocol),
        (json(500, json!({})), TokenErrorKind::Server),
        (html(502), TokenErrorKind::Server),
        (json(401, json!({"error": "invalid_client"})), TokenErrorKind::Client),
        (Reply::Hang, TokenErrorKind::Network),
        (Reply::Close, TokenErrorKind::Network),
    ];
    let (replies, kinds): (Vec<_>, Vec<_>) = cases.into_iter().unzip();
    let server = Server::start(replies).await;
    let login = Authorization::begin(&server.issuer(), &"http://127.0.0.1:1/callback".parse().unwrap()).unwrap();
    for kind in kinds {
        let error = login.exchange(&impatient(), &"sentinel-code".into(), now()).await.unwrap_err();
        assert_eq!(error.kind, kind, "{error}");
        assert!(!shown(&error).contains("sentinel"), "{}", shown(&error));
    }
    let error = login.exchange(&client(), &"sentinel-code".into(), now()).await.unwrap_err();
    assert_eq!(error.kind, TokenErrorKind::Network, "nobody listens");
}

#[tokio::test]
async fn no_secret_is_sent_in_the_clear_to_another_machine() {
    let issuer = Issuer {
        authorize_url: "https://issuer.example/authorize".parse().ok(),
        ..Issuer::new("http://issuer.example/token".parse().unwrap(), "own-client")
    };
    let login = Authorization::begin(&issuer, &"http://127.0.0.1:1/callback".parse().unwrap()).unwrap();
    let error = login.exchange(&client(), &"c".into(), now()).await.unwrap_err();
    assert_eq!(error.kind, TokenErrorKind::Config);
    assert!(error.message.contains("not https"), "{error}");
}
