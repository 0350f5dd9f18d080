//! Which attempt answers which request, and what is counted of it.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

use std::time::{Duration, Instant};

use greenroom_tests::client::{Connection, get, post_json, request};
use greenroom_tests::{Attempt, Route, Script, ScriptedProvider, When};
use serde_json::json;

const LIMIT: Duration = Duration::from_secs(10);

fn says(text: &str) -> Attempt {
    Attempt::new().status(200).body(text)
}

async fn answers(provider: &ScriptedProvider, path: &str, times: usize) -> Vec<String> {
    let mut texts = Vec::new();
    for _ in 0..times {
        texts.push(get(&provider.url(), path, None).await.unwrap().text());
    }
    texts
}

#[tokio::test]
async fn attempts_are_played_in_order_and_the_last_repeats() {
    let route = Route::new("GET", "/x", [says("a").times(2), says("b"), says("c")]);
    let provider = ScriptedProvider::start(route).await;
    assert_eq!(answers(&provider, "/x", 6).await, ["a", "a", "b", "c", "c", "c"]);
    assert_eq!(provider.stats().route("/x").plays, [2, 1, 3]);
}

#[tokio::test]
async fn a_used_up_route_answers_with_its_status() {
    let provider = ScriptedProvider::start(Route::new("GET", "/x", [says("a")]).exhausted(500)).await;
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(get(&provider.url(), "/x", None).await.unwrap().status);
    }
    assert_eq!(statuses, [200, 500, 500]);
    let route = provider.stats().route("/x");
    assert_eq!((route.requests, route.played), (3, 1));
}

#[tokio::test]
async fn routes_match_by_method_path_and_wildcard() {
    let script = Script::new([
        Route::new("POST", "/v1/chat", [says("chat")]),
        Route::new("GET", "/v1/models/*", [says("model")]),
        Route::new("*", "/any", [says("any")]),
    ]);
    let provider = ScriptedProvider::start(script).await;
    let url = provider.url();
    for (method, path, want) in [
        ("POST", "/v1/chat?beta=1", Some("chat")),
        ("GET", "/v1/chat", None),
        ("POST", "/v1/chat/more", None),
        ("GET", "/v1/models/a/b", Some("model")),
        ("GET", "/v1/models", None),
        ("DELETE", "/any", Some("any")),
    ] {
        let response = request(&url, method, path, &[], b"").await.unwrap();
        match want {
            Some(text) => assert_eq!(response.text(), text, "{method} {path}"),
            None => assert_eq!(response.status, 404, "{method} {path}"),
        }
    }
    assert_eq!(provider.stats().unanswered, 3);
}

#[tokio::test]
async fn conditions_choose_by_key_model_header_stream_and_body() {
    let attempts = [
        says("key-2").when(When::bearer("key-2")).always(),
        says("model x").when(When::model("x")).always(),
        says("header").when(When::header("X-Team", "blue")).always(),
        says("stream").when(When::stream(true)).always(),
        says("body").when(When::body_contains("needle")).always(),
        says("both").when(When { model: Some("y".into()), ..When::bearer("key-3") }).always(),
    ];
    let provider = ScriptedProvider::start(Route::new("POST", "/x", attempts)).await;
    let url = provider.url();
    let ask = async |key: Option<&str>, body: serde_json::Value| {
        let response = post_json(&url, "/x", key, &body).await.unwrap();
        (response.status == 200).then(|| response.text())
    };
    let said = |text: &str| Some(text.to_owned());
    assert_eq!(ask(Some("key-2"), json!({})).await, said("key-2"));
    assert_eq!(ask(Some("key-1"), json!({"model": "x"})).await, said("model x"));
    assert_eq!(ask(None, json!({"stream": true})).await, said("stream"));
    assert_eq!(ask(None, json!({"text": "a needle here"})).await, said("body"));
    assert_eq!(ask(Some("key-3"), json!({"model": "y"})).await, said("both"));
    assert_eq!(ask(Some("key-3"), json!({"model": "z"})).await, None);
    assert_eq!(ask(None, json!({"model": "y", "stream": false})).await, None);
    let response = request(&url, "POST", "/x", &[("x-team", "blue")], b"no json").await.unwrap();
    assert_eq!(response.text(), "header");
    assert_eq!(provider.stats().unanswered, 2);
}

#[tokio::test]
async fn an_attempt_that_is_never_used_up_keeps_its_requests() {
    let attempts = [says("mine").when(When::bearer("key-1")).always(), says("first"), says("last")];
    let provider = ScriptedProvider::start(Route::new("GET", "/x", attempts)).await;
    let mut texts = Vec::new();
    for key in ["key-1", "key-2", "key-1", "key-2", "key-1"] {
        texts.push(get(&provider.url(), "/x", Some(key)).await.unwrap().text());
    }
    assert_eq!(texts, ["mine", "first", "mine", "last", "mine"]);
}

#[tokio::test]
async fn requests_are_recorded_whole() {
    let provider = ScriptedProvider::start(Route::new("*", "/x", [says("a")])).await;
    let url = provider.url();
    post_json(&url, "/x?q=1", Some("key-1"), &json!({"model": "m"})).await.unwrap();
    let chunked = [("transfer-encoding", "chunked"), ("X-Odd", "1")];
    request(&url, "PUT", "/x", &chunked, b"3\r\nabc\r\n2\r\n\xff\x00\r\n0\r\n\r\n").await.unwrap();
    let seen = provider.requests();
    assert_eq!(seen.len(), 2);
    assert_eq!((seen[0].number, seen[0].method.as_str(), seen[0].target.as_str()), (1, "POST", "/x?q=1"));
    assert_eq!((seen[0].path(), seen[0].bearer()), ("/x", Some("key-1")));
    assert_eq!(seen[0].json()["model"], "m");
    assert_eq!((seen[0].route, seen[0].attempt), (Some(0), Some(0)));
    assert_eq!((&*seen[1].body, seen[1].header("x-odd")), (b"abc\xff\x00".as_slice(), Some("1")));
    assert_ne!(seen[0].connection, seen[1].connection);
}

#[tokio::test]
async fn only_the_last_thousand_requests_are_kept() {
    let provider = ScriptedProvider::start(Route::new("GET", "/*", [says("")])).await;
    let mut connection = Connection::open(&provider.url()).await.unwrap();
    for number in 1..=1003 {
        connection.send("GET", &format!("/{number}"), &[], b"").await.unwrap();
        connection.response().await.unwrap();
    }
    let seen = provider.requests();
    assert_eq!((seen.len(), seen[0].target.as_str(), seen[999].target.as_str()), (1000, "/4", "/1003"));
    assert_eq!(provider.stats().route("/*").completed, 1003);
}

#[tokio::test]
async fn a_connection_serves_many_requests_even_sent_ahead() {
    let route = Route::new(
        "GET",
        "/x",
        [says("a"), Attempt::new().status(200).wait(Duration::from_millis(50)).send("b"), says("c")],
    );
    let provider = ScriptedProvider::start(route).await;
    let mut connection = Connection::open(&provider.url()).await.unwrap();
    for _ in 0..3 {
        connection.send("GET", "/x", &[], b"").await.unwrap();
    }
    for want in ["a", "b", "c"] {
        assert_eq!(connection.response().await.unwrap().text(), want);
    }
    let stats = provider.stats();
    assert_eq!((stats.connections, stats.open_connections, stats.completed(), stats.cancelled()), (1, 1, 3, 0));

    connection.send("GET", "/x", &[("connection", "close")], b"").await.unwrap();
    connection.response().await.unwrap();
    assert_eq!(connection.rest().await.0, b"");
    provider.wait_for(|stats| stats.open_connections == 0, LIMIT).await.unwrap();
}

async fn left_by(leave: impl FnOnce(Connection), attempt: Attempt) {
    let provider = ScriptedProvider::start(Route::new("GET", "/x", [attempt])).await;
    let mut connection = Connection::open(&provider.url()).await.unwrap();
    connection.send("GET", "/x", &[], b"").await.unwrap();
    connection.head().await.unwrap();
    assert_eq!(connection.chunk().await.unwrap().as_deref(), Some(b"abc".as_slice()));
    assert_eq!(provider.stats().open(), 1);
    let begun = Instant::now();
    leave(connection);
    let stats = provider.wait_for(|stats| stats.cancelled() == 1, LIMIT).await.unwrap();
    let route = stats.route("/x");
    assert_eq!((route.completed, route.open, route.most_open), (0, 0, 1));
    let cancel = &route.cancels[0];
    assert_eq!((cancel.request, cancel.attempt, cancel.sent), (1, 0, 3));
    let delay = cancel.at.duration_since(begun);
    assert!(delay < LIMIT, "noticed after {delay:?}");
}

#[tokio::test]
async fn a_client_that_leaves_is_noticed_at_once() {
    let started = Attempt::new().status(200).send("abc");
    let close: fn(Connection) = drop;
    let reset: fn(Connection) = |connection| connection.reset().unwrap();
    for leave in [close, reset] {
        left_by(leave, started.clone().stall()).await;
        left_by(leave, started.clone().wait(Duration::from_secs(60))).await;
    }
}

#[tokio::test]
async fn a_client_that_leaves_is_noticed_while_it_is_not_reading() {
    // More than the buffers of both sides hold, so that the server is within a write.
    let flood = Attempt::new().status(200).repeat(1000, Attempt::new().garbage(1 << 20, 1));
    let provider = ScriptedProvider::start(Route::new("GET", "/x", [flood])).await;
    let mut connection = Connection::open(&provider.url()).await.unwrap();
    connection.send("GET", "/x", &[], b"").await.unwrap();
    connection.head().await.unwrap();
    drop(connection);
    let stats = provider.wait_for(|stats| stats.cancelled() == 1, LIMIT).await.unwrap();
    assert!(stats.route("/x").cancels[0].sent < 1000 << 20);
}

#[tokio::test]
async fn most_open_at_once_is_kept() {
    let provider = ScriptedProvider::start(Route::new("GET", "/x", [Attempt::silent()])).await;
    let mut clients = Vec::new();
    for _ in 0..5 {
        let mut connection = Connection::open(&provider.url()).await.unwrap();
        connection.send("GET", "/x", &[], b"").await.unwrap();
        clients.push(connection);
    }
    provider.wait_for(|stats| stats.open() == 5, LIMIT).await.unwrap();
    clients.truncate(2);
    provider.wait_for(|stats| stats.open() == 2, LIMIT).await.unwrap();
    let mut another = Connection::open(&provider.url()).await.unwrap();
    another.send("GET", "/x", &[], b"").await.unwrap();
    let stats = provider.wait_for(|stats| stats.open() == 3, LIMIT).await.unwrap();
    assert_eq!((stats.route("/x").most_open, stats.cancelled()), (5, 3));
    drop(another);
    provider.wait_for(|stats| stats.open() == 2, LIMIT).await.unwrap();
    // What was open stays so over a reset; what it ends as is not counted any more.
    provider.reset();
    drop(clients);
    let stats = provider.wait_for(|stats| stats.open() == 0, LIMIT).await.unwrap();
    assert_eq!((stats.cancelled(), stats.route("/x").most_open), (0, 2));
}

#[tokio::test]
async fn waiting_in_vain_says_what_was_seen() {
    let provider = ScriptedProvider::start(Route::new("GET", "/x", [says("a")])).await;
    let error = provider.wait_for(|stats| stats.completed() == 1, Duration::from_millis(20)).await.unwrap_err();
    assert!(error.to_string().contains("completed: 0"), "{error}");
}

#[tokio::test]
async fn a_new_script_begins_anew_and_keeps_the_counters() {
    let provider = ScriptedProvider::start(Route::new("GET", "/x", [says("a"), says("b")])).await;
    assert_eq!(answers(&provider, "/x", 2).await, ["a", "b"]);
    provider.set_script(Script::new([Route::new("GET", "/y", [says("y")]), Route::new("GET", "/x", [says("c")])]));
    assert_eq!(answers(&provider, "/x", 1).await, ["c"]);
    let route = provider.stats().route("/x");
    assert_eq!((route.requests, route.plays.as_slice()), (3, [1].as_slice()));
}

#[tokio::test]
async fn everything_can_be_done_over_http() {
    let provider = ScriptedProvider::start(Script::default()).await;
    let url = provider.url();
    let script = json!({"routes": [{"method": "GET", "path": "/x", "attempts": [
        {"steps": [{"status": {"code": 200}}, {"body": {"text": "a"}}]},
        {"steps": [{"status": {"code": 200}}, {"body": {"text": "b"}}]}]}]});
    assert_eq!(post_json(&url, "/_scripted/script", None, &script).await.unwrap().status, 200);
    assert_eq!(get(&url, "/x", Some("key-9")).await.unwrap().text(), "a");

    let stats = get(&url, "/_scripted/stats", None).await.unwrap().json();
    let route = &stats["routes"][0];
    assert_eq!((&route["path"], &route["requests"], &route["completed"]), (&json!("/x"), &json!(1), &json!(1)));
    assert_eq!(stats["seen"][0]["headers"]["authorization"], "Bearer key-9");
    assert_eq!((&stats["connections"], &stats["control_connections"]), (&json!(3), &json!(2)));

    assert_eq!(request(&url, "POST", "/_scripted/reset", &[], b"").await.unwrap().status, 200);
    let stats = get(&url, "/_scripted/stats", None).await.unwrap().json();
    assert_eq!((&stats["routes"][0]["requests"], &stats["seen"]), (&json!(0), &json!([])));
    assert_eq!(get(&url, "/x", None).await.unwrap().text(), "a", "the script begins anew");

    // A connection counts as one of control by its first request alone.
    let before = provider.stats().control_connections;
    for paths in [["/x", "/_scripted/stats"], ["/_scripted/stats", "/_scripted/stats"]] {
        let mut connection = Connection::open(&url).await.unwrap();
        for path in paths {
            connection.send("GET", path, &[], b"").await.unwrap();
            connection.response().await.unwrap();
        }
    }
    assert_eq!(provider.stats().control_connections, before + 1);

    let refused = post_json(&url, "/_scripted/script", None, &json!({"routes": [{"path": "/x"}]})).await.unwrap();
    assert_eq!(refused.status, 400);
    assert!(refused.text().contains("method"), "{}", refused.text());
    assert_eq!(get(&url, "/_scripted/other", None).await.unwrap().status, 404);
}

#[tokio::test]
async fn what_is_not_http_is_refused() {
    let provider = ScriptedProvider::start(Script::default()).await;
    let mut connection = Connection::open(&provider.url()).await.unwrap();
    connection.send_raw(b"not http\r\n\r\n").await.unwrap();
    assert_eq!(connection.response().await.unwrap().status, 400);
}
