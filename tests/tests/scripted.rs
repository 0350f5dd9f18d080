//! Each step of a script does to the bytes on the socket what it says.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

use std::time::{Duration, Instant};

use greenroom_tests::client::{self, Connection};
use greenroom_tests::{Attempt, Framing, Headers, Payload, Route, Script, ScriptedProvider, Status, Step};

async fn playing(attempt: Attempt) -> (ScriptedProvider, Connection) {
    let provider = ScriptedProvider::start(Route::new("GET", "/x", [attempt])).await;
    let mut connection = Connection::open(&provider.url()).await.unwrap();
    connection.send("GET", "/x", &[], b"").await.unwrap();
    (provider, connection)
}

/// All bytes up to the server's close, as text.
async fn bytes_of(attempt: Attempt) -> String {
    let (_provider, mut connection) = playing(attempt).await;
    let (bytes, end) = connection.rest().await;
    end.unwrap();
    String::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn a_body_after_its_head_has_a_length() {
    let attempt = Attempt::new().status(201).header("x-a", "1").header("x-a", "2").body("grün").cut();
    assert_eq!(bytes_of(attempt).await, "HTTP/1.1 201 Created\r\nx-a: 1\r\nx-a: 2\r\ncontent-length: 5\r\n\r\ngrün");
}

#[tokio::test]
async fn every_send_is_one_chunk_and_the_end_is_by_default() {
    let attempt =
        Attempt::new().status(200).header("connection", "close").send("ab").send("").send("0123456789abcdef0");
    let want = "HTTP/1.1 200 OK\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n\
                2\r\nab\r\n11\r\n0123456789abcdef0\r\n0\r\n\r\n";
    assert_eq!(bytes_of(attempt.clone()).await, want);
    // What stands behind an `end` is not played.
    assert_eq!(bytes_of(attempt.end().send("more")).await, want);
}

#[tokio::test]
async fn a_body_may_end_with_the_connection() {
    let head = Status { code: 200, headers: Headers::default(), framing: Framing::Close };
    assert_eq!(bytes_of(Attempt::new().step(Step::Status(head)).send("abc")).await, "HTTP/1.1 200 OK\r\n\r\nabc");
}

#[tokio::test]
async fn a_written_length_is_believed_even_if_it_lies() {
    let (_provider, mut connection) =
        playing(Attempt::new().status(200).header("content-length", "10").send("abc").cut()).await;
    assert_eq!(connection.head().await.unwrap().headers.get("content-length"), Some("10"));
    assert_eq!(connection.data().await.unwrap().as_deref(), Some(b"abc".as_slice()));
    assert!(connection.data().await.unwrap_err().is_incomplete());
}

#[tokio::test]
async fn an_attempt_without_a_head_gets_one() {
    assert_eq!(bytes_of(Attempt::new().body("a").cut()).await, "HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\na");
    let (_provider, mut connection) = playing(Attempt::new().send("a")).await;
    assert_eq!(connection.response().await.unwrap().body, b"a");
    let (_provider, mut connection) = playing(Attempt::new()).await;
    assert_eq!(connection.response().await.unwrap().header("content-length"), Some("0"));
}

#[tokio::test]
async fn statuses_without_a_body_have_none() {
    let attempt = Attempt::new().status(204).header("connection", "close");
    assert_eq!(bytes_of(attempt).await, "HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n");
    let (provider, mut connection) = playing(Attempt::new().status(204)).await;
    assert_eq!(connection.response().await.unwrap().status, 204);
    connection.send("GET", "/x", &[], b"").await.unwrap();
    assert_eq!(connection.response().await.unwrap().status, 204, "the bytes of the first answer ended with its head");
    assert_eq!(provider.stats().connections, 1);
}

#[tokio::test]
async fn an_interim_head_is_followed_by_another() {
    let attempt = Attempt::new().status(103).header("link", "</a>").status(200).body("b").cut();
    let want = "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nb";
    assert_eq!(bytes_of(attempt).await, want);
}

#[tokio::test]
async fn a_head_leaves_before_a_wait_and_a_wait_is_as_long_as_it_says() {
    let (_provider, mut connection) =
        playing(Attempt::new().status(200).wait(Duration::from_millis(300)).send("late")).await;
    let begun = Instant::now();
    connection.head().await.unwrap();
    let head = begun.elapsed();
    assert_eq!(connection.body().await.unwrap(), b"late");
    assert!(head < Duration::from_millis(250), "the head came after {head:?}");
    assert!(begun.elapsed() >= Duration::from_millis(290), "the body came after {:?}", begun.elapsed());
}

#[tokio::test]
async fn a_stall_sends_nothing_more() {
    let (provider, mut connection) = playing(Attempt::new().status(200).send("a").stall().send("b")).await;
    connection.head().await.unwrap();
    assert_eq!(connection.chunk().await.unwrap().as_deref(), Some(b"a".as_slice()));
    connection.set_limit(Duration::from_millis(200));
    assert!(matches!(connection.data().await, Err(client::ClientError::TimedOut(_))));
    assert_eq!(provider.stats().route("/x").open, 1);
}

#[tokio::test]
async fn a_cut_is_a_close_within_the_body() {
    let (_provider, mut connection) = playing(Attempt::new().status(200).send("a").cut()).await;
    connection.head().await.unwrap();
    assert_eq!(connection.chunk().await.unwrap().as_deref(), Some(b"a".as_slice()));
    let error = connection.data().await.unwrap_err();
    assert!(error.is_incomplete(), "{error:?}");
}

#[tokio::test]
async fn a_cut_at_once_is_a_close_without_a_byte() {
    assert_eq!(bytes_of(Attempt::new().cut()).await, "");
}

#[tokio::test]
async fn a_reset_is_seen_as_a_reset() {
    let (_provider, mut connection) = playing(Attempt::reset_at_once()).await;
    let error = connection.head().await.unwrap_err();
    assert!(error.is_reset(), "{error:?}");

    let pause = Duration::from_millis(50);
    let (_provider, mut connection) = playing(Attempt::new().status(200).send("a").wait(pause).reset()).await;
    connection.head().await.unwrap();
    assert_eq!(connection.chunk().await.unwrap().as_deref(), Some(b"a".as_slice()));
    let error = connection.data().await.unwrap_err();
    assert!(error.is_reset(), "{error:?}");
}

#[tokio::test]
async fn garbage_is_the_same_for_the_same_seed() {
    let mut bodies = Vec::new();
    for seed in [1, 1, 2] {
        let (_provider, mut connection) = playing(Attempt::new().status(200).garbage(1001, seed)).await;
        bodies.push(connection.response().await.unwrap().body);
    }
    assert_eq!(bodies[0].len(), 1001);
    assert_eq!(bodies[0], bodies[1]);
    assert_ne!(bodies[0], bodies[2]);
    let kinds: std::collections::BTreeSet<u8> = bodies[0].iter().copied().collect();
    assert!(kinds.len() > 200, "only {} different bytes", kinds.len());
}

#[tokio::test]
async fn raw_bytes_go_out_as_they_are() {
    let broken = "HTTP/1.1 nonsense\r\n\r\n";
    assert_eq!(bytes_of(Attempt::new().raw(broken)).await, broken);
    // Within a chunked body they break its framing.
    let (_provider, mut connection) = playing(Attempt::new().status(200).send("a").raw("zz\r\n")).await;
    assert!(matches!(connection.response().await, Err(client::ClientError::Malformed(_))));
    // A head in drops.
    let drop = |text: &str| Attempt::new().raw(text).wait(Duration::from_millis(5)).steps;
    let mut slow = Attempt::new();
    slow.steps = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".split_inclusive(' ').flat_map(drop).collect();
    let (_provider, mut connection) = playing(slow).await;
    assert_eq!(connection.response().await.unwrap().status, 200);
}

#[tokio::test]
async fn repeats_may_hold_repeats() {
    let inner = Attempt::new().send("b").repeat(0, Attempt::new().send("never"));
    let attempt = Attempt::new().status(200).repeat(2, Attempt::new().send("a").repeat(3, inner)).send("c");
    let (_provider, mut connection) = playing(attempt).await;
    assert_eq!(connection.response().await.unwrap().text(), "abbbabbbc");
}

#[tokio::test]
async fn a_built_attempt_can_be_cut_at_any_byte_and_torn_into_pieces() {
    let whole = Attempt::new().status(200).send("héllo").repeat(2, Attempt::new().send("wörld"));
    let text = "héllowörldwörld".as_bytes();
    for at in 0..=text.len() {
        let (_provider, mut connection) = playing(whole.clone().cut_at_byte(at)).await;
        connection.head().await.unwrap();
        let mut body = Vec::new();
        let end = loop {
            match connection.data().await {
                Ok(Some(bytes)) => body.extend_from_slice(&bytes),
                other => break other,
            }
        };
        assert_eq!(body, text[..at]);
        assert_eq!(end.is_err(), at < text.len(), "cut at {at}: {end:?}");
    }
    let (_provider, mut connection) = playing(whole.in_pieces_of(2)).await;
    connection.head().await.unwrap();
    assert_eq!(connection.chunk().await.unwrap().as_deref(), Some(b"h\xc3".as_slice()));
    assert_eq!(connection.body().await.unwrap(), text[2..]);
}

#[tokio::test]
async fn a_script_reads_the_same_from_json() {
    let json = r#"{"routes": [{"method": "POST", "path": "/v1/*", "exhausted": 503, "attempts": [
        {"when": {"bearer": "key-2", "header": {"x-a": "b"}, "stream": true}, "times": 2, "steps": [
            {"status": {"code": 429, "headers": {"retry-after": "3", "x-b": "1", "x-b": "2"}}},
            {"body": {"text": "slow down"}}]},
        {"always": true, "steps": [
            {"wait": {"ms": 5}}, {"status": {"code": 200, "framing": "close"}}, {"send": {"base64": "/wA="}},
            {"garbage": {"bytes": 3, "seed": 9}}, {"raw": {"text": "x"}},
            {"repeat": {"times": 2, "steps": ["stall", "cut", "reset", "end"]}}]}]}]}"#;
    let script: Script = serde_json::from_str(json).unwrap();
    let first = &script.routes[0].attempts[0];
    assert_eq!(first.times, 2);
    assert_eq!(
        first.steps,
        Attempt::new()
            .status(429)
            .header("retry-after", "3")
            .header("x-b", "1")
            .header("x-b", "2")
            .body("slow down")
            .steps
    );
    assert_eq!(script.routes[0].attempts[1].steps[2], Step::Send(Payload::Base64(vec![0xff, 0])));
    let again: Script = serde_json::from_str(&serde_json::to_string(&script).unwrap()).unwrap();
    assert_eq!(again, script);

    for wrong in [r#"{"send": {"base64": "!"}}"#, r#"{"sent": {"text": ""}}"#, r#"{"status": {"cod": 200}}"#] {
        assert!(serde_json::from_str::<Step>(wrong).is_err(), "{wrong} was taken");
    }
}

#[tokio::test]
async fn a_stopped_server_is_gone_and_can_come_back_at_its_address() {
    let (provider, mut connection) = playing(Attempt::new().status(200).send("a").stall()).await;
    connection.head().await.unwrap();
    connection.chunk().await.unwrap();
    let address = provider.address();
    provider.stop().await;
    let error = connection.data().await.unwrap_err();
    assert!(error.is_incomplete() || error.is_reset(), "the open answer ended with the server: {error:?}");
    let url = format!("http://{address}");
    assert!(Connection::open(&url).await.is_err(), "nobody listens any more");

    let route = Route::new("GET", "/x", [Attempt::new().status(200).body("back")]);
    let _provider = ScriptedProvider::start_on(address, route).await.unwrap();
    assert_eq!(client::get(&url, "/x", None).await.unwrap().text(), "back");
}
