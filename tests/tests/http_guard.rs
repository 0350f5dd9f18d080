//! Who is let in, and what becomes of requests that are none of ours.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

mod http_support;

use std::time::{Duration, Instant};

use greenroom_tests::client::{self, ClientError, Connection, Response};
use greenroom_tests::openai::Answer;
use http_support::{Api, CHAT, Greenroom, ask, ask_streamed, chats_asked, events, is_done, message, provider, refusal};
use http_support::{scripted, with};
use serde_json::json;

/// A small bound on bodies, so that tests need not send much.
const MOST: usize = 64 * 1024;

/// A request with a head that is written out.
async fn raw(api: &Api, head: &str, body: &[u8]) -> Response {
    let mut connection = Connection::open(&api.url).await.unwrap();
    let message = [format!("{}\r\n\r\n", head.replace('\n', "\r\n")).as_bytes(), body].concat();
    connection.send_raw(&message).await.unwrap();
    connection.response().await.unwrap()
}

#[tokio::test]
async fn a_token_is_wanted_in_one_of_two_places() {
    let lab = scripted([Answer::text(["a"])]).await;
    let greenroom = Greenroom::before(&lab).await;
    let (url, token) = (greenroom.api.url.as_str(), greenroom.api.token.as_str());
    let bearer = format!("Bearer {token}");
    let body = ask("m1").to_string();
    let cases: [(&[(&str, &str)], u16); 6] = [
        (&[("authorization", &bearer)], 200),
        (&[("x-api-key", token)], 200),
        (&[("authorization", "Bearer wrong"), ("x-api-key", token)], 200),
        (&[], 401),
        (&[("authorization", "Bearer wrong")], 401),
        (&[("authorization", token)], 401),
    ];
    for (headers, want) in cases {
        let response = client::request(url, "POST", CHAT, headers, body.as_bytes()).await.unwrap();
        assert_eq!(response.status, want, "{headers:?}");
        if want == 401 {
            assert_eq!(refusal(&response).2, "invalid_api_key");
            assert_eq!(response.header("www-authenticate"), Some("Bearer"));
            assert!(message(&response).contains("`greenroom auth token`"));
        }
    }
    assert_eq!(chats_asked(&lab).len(), 3);
    for (path, want) in [("/healthz", 200), ("/readyz", 200), ("/", 404), ("/v1/models", 401), ("/nothing", 401)] {
        let response = client::get(url, path, None).await.unwrap();
        assert_eq!(response.status, want, "{path}: {}", response.text());
        assert_eq!(response.header("content-type"), Some("application/json"));
        assert!(response.header("x-request-id").is_some());
    }
}

#[tokio::test]
async fn foreign_names_and_pages_are_refused_everywhere() {
    let lab = scripted([Answer::text(["a"])]).await;
    let server = "[server]\nallowed_hosts = [\"green.example\"]\nallowed_origins = [\"https://app.example\"]\n";
    let greenroom = Greenroom::start(&format!("{server}{}", provider("lab", &lab))).await;
    let api = &greenroom.api;
    let ours = api.url.strip_prefix("http://").unwrap();
    let port = ours.rsplit_once(':').unwrap().1;
    for path in ["/healthz", "/readyz", "/v1/models", "/nothing"] {
        let refused = |lines: String| async move {
            let head = format!("GET {path} HTTP/1.1\n{lines}\nx-api-key: {}", api.token);
            let response = raw(api, &head, b"").await;
            (response.status, response.header("access-control-allow-origin").map(str::to_owned))
        };
        let let_in = if path == "/nothing" { 404 } else { 200 };
        let cases = [
            (format!("host: {ours}"), let_in),
            (format!("host: localhost:{port}"), let_in),
            ("host: green.example".to_owned(), let_in),
            (format!("host: {ours}\norigin: https://app.example"), let_in),
            (format!("host: {ours}\norigin: http://localhost:{port}"), let_in),
            ("host: green.example\norigin: https://green.example".to_owned(), let_in),
            ("host: evil.example".to_owned(), 403),
            (format!("host: evil.example:{port}"), 403),
            (format!("host: {ours}\norigin: http://evil.example"), 403),
            (format!("host: {ours}\norigin: null"), 403),
            (format!("host: {ours}\nhost: {ours}"), 400),
            ("accept: */*".to_owned(), 400),
        ];
        for (lines, want) in cases {
            assert_eq!(refused(lines.clone()).await, (want, None), "{path} with {lines}");
        }
    }
    let preflight = format!(
        "OPTIONS {CHAT} HTTP/1.1\nhost: {ours}\norigin: http://evil.example\naccess-control-request-method: POST"
    );
    assert_eq!(refusal(&raw(api, &preflight, b"").await).2, "origin_not_allowed");
    let named = raw(api, "GET /healthz HTTP/1.1\nhost: evil.example", b"").await;
    assert!(message(&named).contains("server.allowed_hosts"));
}

#[tokio::test]
async fn unknown_routes_and_methods_are_told() {
    let lab = scripted([Answer::text(["a"])]).await;
    let greenroom = Greenroom::before(&lab).await;
    let response = greenroom.api.get("/chat/completions").await;
    assert_eq!(refusal(&response), (404, "invalid_request_error".to_owned(), "unknown_url".to_owned()));
    assert!(message(&response).contains("/v1"));
    let response = greenroom.api.get(CHAT).await;
    assert_eq!(refusal(&response), (405, "invalid_request_error".to_owned(), "method_not_allowed".to_owned()));
    assert_eq!(response.header("allow"), Some("POST"));
    let headers = [("x-api-key", greenroom.api.token.as_str())];
    let response = client::request(&greenroom.api.url, "DELETE", "/v1/models", &headers, b"").await.unwrap();
    assert_eq!((response.status, response.header("allow")), (405, Some("GET,HEAD")));
}

#[tokio::test]
async fn bodies_are_bounded_whether_they_tell_their_length_or_not() {
    let lab = scripted([Answer::text(["a"])]).await;
    let greenroom = Greenroom::start(&format!("[server]\nmax_body = {MOST}\n{}", provider("lab", &lab))).await;
    let api = &greenroom.api;
    let padded = |length: usize| {
        let bare = with(ask("m1"), json!({"user": ""})).to_string().len();
        with(ask("m1"), json!({"user": "x".repeat(length - bare)})).to_string()
    };
    let bearer = format!("Bearer {}", api.token);
    let headers = [("authorization", bearer.as_str())];
    for (length, want) in [(MOST, 200), (MOST + 1, 413), (64 * MOST, 413)] {
        let body = padded(length);
        assert_eq!(body.len(), length);
        let response = client::request(&api.url, "POST", CHAT, &headers, body.as_bytes()).await.unwrap();
        assert_eq!(response.status, want, "{length} bytes: {}", response.text());
        if want == 413 {
            assert_eq!(refusal(&response).2, "request_too_large");
            assert!(message(&response).contains("server.max_body"));
        }
    }
    // In chunks, and without an end: it is refused for what has come.
    for (length, ends) in [(MOST, true), (MOST + 1, true), (MOST + 1, false)] {
        let mut connection = Connection::open(&api.url).await.unwrap();
        let chunked = [headers[0], ("transfer-encoding", "chunked")];
        connection.send("POST", CHAT, &chunked, b"").await.unwrap();
        for piece in padded(length).as_bytes().chunks(10_000) {
            let chunk = [format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat();
            connection.send_raw(&chunk).await.unwrap();
        }
        if ends {
            connection.send_raw(b"0\r\n\r\n").await.unwrap();
        }
        let response = connection.response().await.unwrap();
        assert_eq!(response.status, if length > MOST { 413 } else { 200 }, "{}", response.text());
    }
    // A client that asks before it sends is told not to.
    let mut connection = Connection::open(&api.url).await.unwrap();
    let asking = [headers[0], ("content-length", "1000000"), ("expect", "100-continue")];
    connection.send("POST", CHAT, &asking, b"").await.unwrap();
    let (bytes, _) = connection.rest().await;
    assert!(bytes.starts_with(b"HTTP/1.1 413 "), "{}", String::from_utf8_lossy(&bytes));
    assert_eq!(chats_asked(&lab).len(), 2);
}

#[tokio::test]
async fn a_large_picture_fits_by_default() {
    let lab = scripted([Answer::text(["a cat"])]).await;
    let greenroom = Greenroom::before(&lab).await;
    let picture = format!("data:image/png;base64,{}", "A".repeat(8 << 20));
    let content = json!([{"type": "image_url", "image_url": {"url": picture}}]);
    let body = with(ask("m1"), json!({"messages": [{"role": "user", "content": content}]}));
    let response = greenroom.api.chat(&body).await;
    assert_eq!(response.status, 200, "{}", response.text());
    assert_eq!(chats_asked(&lab)[0].json()["messages"], body["messages"]);
}

#[tokio::test]
async fn a_connection_serves_many_requests_refused_ones_among_them() {
    let lab = scripted([Answer::text(["a"])]).await;
    let greenroom = Greenroom::before(&lab).await;
    let token = Some(greenroom.api.token.as_str());
    let mut connection = Connection::open(&greenroom.api.url).await.unwrap();
    for round in 0..3 {
        connection.post_json(CHAT, token, &ask("m1")).await.unwrap();
        assert_eq!(connection.response().await.unwrap().status, 200, "round {round}");
        connection.post_json(CHAT, token, &ask_streamed("m1")).await.unwrap();
        assert_eq!(connection.head().await.unwrap().status, 200);
        assert!(is_done(&events(&mut connection).await));
        let large = with(ask("m1"), json!({"user": "x".repeat(300_000)}));
        connection.post_json(CHAT, Some("wrong"), &large).await.unwrap();
        assert_eq!(connection.response().await.unwrap().status, 401);
        connection.post_json("/nothing", token, &large).await.unwrap();
        assert_eq!(connection.response().await.unwrap().status, 404);
    }
}

#[tokio::test]
async fn heads_are_bounded_in_size_and_time() {
    let lab = scripted([Answer::text(["a"])]).await;
    let greenroom = Greenroom::before(&lab).await;
    let large = "x".repeat(70_000);
    let response = client::request(&greenroom.api.url, "GET", "/healthz", &[("x-a", &large)], b"").await.unwrap();
    assert_eq!(response.status, 431);

    let begun = Instant::now();
    let mut slow = Connection::open(&greenroom.api.url).await.unwrap();
    slow.send_raw(b"GET /healthz HTTP/1.1\r\n").await.unwrap();
    let mut silent = Connection::open(&greenroom.api.url).await.unwrap();
    for connection in [&mut slow, &mut silent] {
        let (_, end) = connection.rest().await;
        assert!(!matches!(end, Err(ClientError::TimedOut(_))), "the connection was left open");
    }
    assert!(begun.elapsed() >= Duration::from_secs(9), "{:?}", begun.elapsed());
    assert_eq!(client::get(&greenroom.api.url, "/healthz", None).await.unwrap().status, 200);
}
