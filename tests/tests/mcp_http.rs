//! The Model Context Protocol over HTTP: who is let in, and what each client sees and may ask.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

mod http_support;
#[path = "mcp_support/session.rs"]
mod mcp_session;
mod mcp_support;
mod session_support;

use greenroom_tests::harness::Signal;
use http_support::{Api, LIMIT, until, with};
use mcp_session::{KINDS, MCP, Session, VERSION, handshake, last, message};
use mcp_support::World;
use serde_json::{Value, json};

/// A client of this name and these fields, as it reaches the same daemon.
async fn client(api: &Api, name: &str, fields: Value) -> Api {
    let made = api.posted("/api/clients", &with(json!({"name": name}), fields)).await;
    Api { url: api.url.clone(), token: made["token"].as_str().unwrap().to_owned() }
}

#[tokio::test]
async fn nobody_comes_in_without_a_token_or_from_a_foreign_page() {
    let world = World::start().await;
    let api = &world.greenroom.api;
    let nobody = Api { token: "wrong".to_owned(), ..api.clone() };
    let refused = nobody.ask("POST", MCP, &KINDS, &handshake()).await;
    assert_eq!((refused.status, refused.json()["error"]["kind"].as_str()), (401, Some("auth")));
    for (name, value) in [("origin", "http://evil.example"), ("origin", "null")] {
        let refused = api.ask("POST", MCP, &[KINDS[0], KINDS[1], (name, value)], &handshake()).await;
        assert_eq!(refused.status, 403, "{name}: {value}");
    }
}

#[tokio::test]
async fn a_client_has_its_models_and_its_sessions_alone() {
    let world = World::start().await;
    let api = &world.greenroom.api;
    let one = client(api, "one", json!({"models": ["smart"]})).await;
    let two = client(api, "two", json!({"requests_per_minute": 4})).await;
    let owner = Session::begin(api).await;
    let one = Session::begin(&one).await;
    let two = Session::begin(&two).await;

    let refused = one.call("ai_chat", json!({"prompt": "greet", "model": "broken/m1"})).await;
    assert_eq!(refused["isError"], true);
    assert!(refused["content"][0]["text"].as_str().unwrap().contains("may not ask"), "{refused}");
    for (tool, arguments) in [
        ("ai_embed", json!({"input": "x", "model": "lab/embed"})),
        ("ai_claude_chat", json!({"messages": [{"role": "user", "content": "greet"}], "model": "m"})),
        ("ai_chat", json!({"prompt": "greet", "session": "mine"})),
    ] {
        assert_eq!(one.call(tool, arguments).await["isError"], true, "{tool}");
    }
    let said = one.call("ai_chat", json!({"prompt": "greet", "model": "smart", "session": "of-one"})).await;
    assert_eq!(said["structuredContent"]["text"], "Hello, world", "{said}");
    let listed = one.call("ai_list_models", json!({})).await["structuredContent"].clone();
    assert_eq!((&listed["aliases"], &listed["models"]), (&json!(["smart"]), &json!([])));

    // Neither a conversation nor a session of the transport is another client's.
    let uri = json!({"uri": "greenroom://sessions/of-one"});
    assert_eq!(two.ask("resources/read", uri.clone()).await["error"]["code"], -32002);
    assert!(owner.ask("resources/read", uri).await["result"]["contents"].is_array(), "the owner sees all");
    let stolen = Session { api: two.api.clone(), id: one.id.clone() };
    assert_eq!(stolen.send("POST", &message(3, "tools/list", json!({}))).await.status, 404);
    let often = two.send("POST", &message(4, "ping", json!({}))).await;
    assert_eq!(often.status, 429, "{}", often.text());

    assert_eq!(one.send("DELETE", b"").await.status, 204);
    assert_eq!(one.send("POST", &message(5, "ping", json!({}))).await.status, 404, "it is over");
}

#[tokio::test]
async fn a_client_that_begins_session_after_session_gives_up_its_oldest() {
    let world = World::start().await;
    let owner = Session::begin(&world.greenroom.api).await;
    let other = client(&world.greenroom.api, "other", json!({})).await;
    let first = Session::begin(&other).await;
    let mut last = Session::begin(&other).await;
    for _ in 0..63 {
        last = Session::begin(&other).await;
    }
    assert_eq!(first.send("POST", &message(3, "ping", json!({}))).await.status, 404);
    for there in [owner, last] {
        assert_eq!(there.ask("ping", json!({})).await["result"], json!({}));
    }
}

#[tokio::test]
async fn what_goes_out_breaks_no_reader_of_lines_and_what_is_too_large_is_refused() {
    let world = World::start().await;
    let session = Session::begin(&world.greenroom.api).await;
    let params = json!({"name": "ai_chat", "arguments": {"prompt": "unicode"}, "_meta": {"progressToken": 7}});
    let response = session.send("POST", &message(3, "tools/call", params)).await;
    let text = response.text();
    assert!(!text.contains(['\u{2028}', '\u{2029}', '\u{85}']) && text.contains("notifications/progress"), "{text}");
    assert_eq!(last(&response)["result"]["structuredContent"]["text"], "é🌊\u{2028}\u{2029}\u{85} end");
    let large = vec![b' '; (32 << 20) + 1];
    assert_eq!(session.send("POST", &large).await.status, 413);
    assert_eq!(session.ask("ping", json!({})).await["result"], json!({}));
}

#[tokio::test]
async fn a_daemon_that_ends_lets_who_reads_go_and_tells_who_waits() {
    let mut world = World::start().await;
    let session = Session::begin(&world.greenroom.api).await;
    let reading = async {
        let headers = [("accept", "text/event-stream"), VERSION, ("mcp-session-id", session.id.as_str())];
        session.api.ask("GET", MCP, &headers, b"").await
    };
    let waiting = session.call("ai_chat", json!({"prompt": "stall"}));
    let ending = async {
        until(&world.lab, |stats| stats.open() == 1).await;
        world.greenroom.daemon.signal(Signal::TERM);
        world.greenroom.daemon.wait(LIMIT).await
    };
    let (read, told, status) = tokio::join!(reading, waiting, ending);
    assert_eq!(read.status, 200);
    assert_eq!(told["isError"], true, "{told}");
    assert!(status.success());
}
