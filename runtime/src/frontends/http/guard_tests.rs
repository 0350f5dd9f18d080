use axum::{body::Body, response::IntoResponse as _};

use super::*;

fn guard(listen: &str) -> Guard {
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    Guard {
        listen: listen.parse().unwrap(),
        is_tls: false,
        admin: AdminToken::new("sesame"),
        clients: Clients::default(),
        hosts: texts(&["green.example", "other.example:8080"]),
        origins: texts(&["https://app.example", "tauri://localhost"]),
    }
}

/// The status of a request with these headers; 200 if it is let in.
fn status(guard: &Guard, target: &str, headers: &[(&str, &str)]) -> u16 {
    let mut request = Request::get(target);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    match guard.check(&request.body(Body::empty()).unwrap()) {
        Ok(_) => 200,
        Err(refusal) => refusal.into_response().status().as_u16(),
    }
}

#[test]
fn hosts_are_ours_or_configured() {
    let local = guard("127.0.0.1:4747");
    let cases = [
        ("localhost:4747", 200),
        ("LocalHost:4747", 200),
        ("127.0.0.1:4747", 200),
        ("127.9.9.9:4747", 200),
        ("[::1]:4747", 200),
        ("localhost", 403),
        ("localhost:4748", 403),
        ("127.0.0.1:04747x", 403),
        ("127.0.0.1:+4747", 403),
        ("user@localhost:4747", 403),
        ("localhost.evil.example:4747", 403),
        ("evil.example", 403),
        ("10.0.0.5:4747", 403),
        ("0.0.0.0:4747", 403),
        ("[::1:4747", 403),
        ("", 403),
        ("green.example", 200),
        ("Green.Example:99", 200),
        ("sub.green.example", 403),
        ("other.example:8080", 200),
        ("other.example", 403),
        ("other.example:80", 403),
    ];
    for (host, want) in cases {
        assert_eq!(status(&local, "/healthz", &[("host", host)]), want, "{host}");
    }
    assert_eq!(status(&local, "/healthz", &[]), 400);
    assert_eq!(status(&local, "/healthz", &[("host", "localhost:4747"), ("host", "localhost:4747")]), 400);
    // A target that names another server than the header does.
    assert_eq!(status(&local, "http://evil.example/healthz", &[("host", "localhost:4747")]), 403);
    assert_eq!(status(&local, "http://localhost:4747/healthz", &[("host", "evil.example")]), 403);
    assert_eq!(status(&local, "http://localhost:4747/healthz", &[("host", "localhost:4747")]), 200);
}

#[test]
fn the_address_that_is_listened_on_is_ours_unless_it_is_any() {
    assert_eq!(status(&guard("10.0.0.5:80"), "/", &[("host", "10.0.0.5")]), 200);
    assert_eq!(status(&guard("10.0.0.5:80"), "/", &[("host", "10.0.0.6")]), 403);
    assert_eq!(status(&guard("0.0.0.0:80"), "/", &[("host", "0.0.0.0")]), 403);
    assert_eq!(status(&guard("0.0.0.0:80"), "/", &[("host", "localhost")]), 200);
}

#[test]
fn origins_are_ours_or_configured() {
    let guard = guard("127.0.0.1:4747");
    let from = |host, origin| status(&guard, "/", &[("host", host), ("origin", origin)]);
    let cases = [
        ("http://localhost:4747", 200),
        ("http://127.0.0.1:4747", 200),
        ("https://app.example", 200),
        ("tauri://localhost", 200),
        ("null", 403),
        ("", 403),
        ("http://localhost:3000", 403),
        ("http://localhost", 403),
        ("https://localhost:4747", 403),
        ("http://app.example", 403),
        ("https://app.example:8443", 403),
        ("https://app.example.evil.example", 403),
        ("http://localhost:4747.evil.example", 403),
        ("http://green.example", 403),
    ];
    for (origin, want) in cases {
        assert_eq!(from("127.0.0.1:4747", origin), want, "{origin}");
    }
    assert_eq!(from("localhost:4747", "https://localhost:4747"), 200);
    assert_eq!(from("green.example", "https://green.example"), 200);
    let twice = [("host", "localhost:4747"), ("origin", "http://localhost:4747"), ("origin", "http://evil.example")];
    assert_eq!(status(&guard, "/", &twice), 403);
}

#[test]
fn tokens_are_compared_whole() {
    let guard = guard("127.0.0.1:4747");
    let with = |name, value| status(&guard, "/v1/models", &[("host", "localhost:4747"), (name, value)]);
    let cases = [
        ("authorization", "Bearer sesame", 200),
        ("authorization", "bearer  sesame", 200),
        ("x-api-key", "sesame", 200),
        ("authorization", "sesame", 401),
        ("authorization", "Basic sesame", 401),
        ("authorization", "Bearer", 401),
        ("authorization", "Bearer ", 401),
        ("authorization", "Bearer sesam", 401),
        ("authorization", "Bearer sesamee", 401),
        ("authorization", "Bearer SESAME", 401),
        ("x-api-key", "", 401),
        ("api-key", "sesame", 401),
    ];
    for (name, value, want) in cases {
        assert_eq!(with(name, value), want, "{name}: {value}");
    }
    // A foreign page is refused whatever it knows, and a token is wanted wherever something is to be had.
    let known = [("host", "localhost:4747"), ("origin", "null"), ("x-api-key", "sesame")];
    assert_eq!(status(&guard, "/v1/models", &known), 403);
    for (path, want) in [("/", 200), ("/healthz", 200), ("/readyz", 200), ("/healthz/", 401), ("/nothing", 401)] {
        assert_eq!(status(&guard, path, &[("host", "localhost:4747")]), want, "{path}");
    }
}

#[test]
fn behind_tls_our_own_pages_are_of_https() {
    let guard = Guard { is_tls: true, ..guard("127.0.0.1:4747") };
    let from = |host, origin| status(&guard, "/", &[("host", host), ("origin", origin)]);
    assert_eq!(from("127.0.0.1:4747", "https://localhost:4747"), 200);
    assert_eq!(from("green.example", "https://green.example"), 200);
    assert_eq!(from("127.0.0.1:4747", "http://127.0.0.1:4747"), 403);
    let bare = Guard { is_tls: true, ..self::guard("10.0.0.5:443") };
    assert_eq!(status(&bare, "/", &[("host", "10.0.0.5")]), 200);
    assert_eq!(status(&bare, "/", &[("host", "10.0.0.5:80")]), 403);
}

#[tokio::test]
async fn a_client_is_known_by_its_token_and_the_owner_goes_first() {
    use secrecy::ExposeSecret as _;

    let guard = guard("127.0.0.1:4747");
    let (_, token) = guard.clients.add(crate::NewClient { name: "editor".into(), ..Default::default() }).await.unwrap();
    let token = token.expose_secret();
    let who = |headers: &[(&str, &str)]| {
        let mut request = Request::get("/v1/models").header("host", "localhost:4747");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let checked = guard.check(&request.body(Body::empty()).unwrap());
        checked.ok().flatten().map(|who| who.access().client().to_owned())
    };
    let bearer = format!("Bearer {token}");
    assert_eq!(who(&[("authorization", &bearer)]).as_deref(), Some("editor"));
    assert_eq!(who(&[("x-api-key", token)]).as_deref(), Some("editor"));
    assert_eq!(who(&[("authorization", &bearer), ("x-api-key", "sesame")]).as_deref(), Some("admin"));
    assert_eq!(who(&[("authorization", &bearer[..bearer.len() - 1])]), None);
    guard.clients.revoke("editor").await.unwrap();
    assert_eq!(who(&[("authorization", &bearer)]), None);
}
