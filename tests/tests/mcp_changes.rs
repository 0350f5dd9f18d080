//! What clients of the Model Context Protocol are told without having asked just then: other tools, sessions that come and
//! go, what they subscribed to, and log messages of the level that they asked for. Over HTTP and by `greenroom mcp` alike.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

mod http_support;
#[path = "mcp_support/session.rs"]
mod mcp_session;
mod mcp_support;
mod session_support;

use greenroom_tests::harness::Signal;
use http_support::{Api, Greenroom, LIMIT, provider, scripted, until};
use mcp_session::Session;
use mcp_support::World;
use mcp_support::spoken::{Spoken, refused, text};
use serde_json::{Value, json};

const TOOLS: &str = "notifications/tools/list_changed";
const LIST: &str = "notifications/resources/list_changed";
const UPDATED: &str = "notifications/resources/updated";
const KEY: &str = "sk-told-to-nobody";

impl World {
    /// Has the model that always fails be asked again.
    async fn forget_failures(&self) {
        self.greenroom.api.posted("/api/providers/broken/reset", &json!({})).await;
    }
}

fn is(method: &str) -> impl Fn(&Value) -> bool {
    move |message| message["method"] == method
}

fn updated(uri: &str) -> impl Fn(&Value) -> bool {
    move |message| message["method"] == UPDATED && message["params"]["uri"] == uri
}

async fn with_one_provider() -> Greenroom {
    let lab = scripted([greenroom_tests::openai::Answer::text(["hello"]).stream().always()]).await;
    Greenroom::start(&provider("lab", &lab)).await
}

/// Adds a key of a provider that has a tool of its own.
async fn add_key(api: &Api) {
    let body = json!({"key": KEY, "verify": false}).to_string();
    let kind = [("content-type", "application/json")];
    let added = api.ask("PUT", "/api/credentials/anthropic/work", &kind, body.as_bytes()).await;
    assert_eq!(added.status, 200, "{}", added.text());
}

#[tokio::test]
async fn a_client_hears_of_other_tools_and_of_sessions_that_come_and_go() {
    let greenroom = with_one_provider().await;
    let api = &greenroom.api;
    let session = Session::begin(api).await;
    let mut told = session.listen().await;
    add_key(api).await;
    assert_eq!(told.until(is(TOOLS)).await.len(), 1);
    let tools = session.ask("tools/list", json!({})).await["result"]["tools"].clone();
    assert!(tools.as_array().unwrap().iter().any(|tool| tool["name"] == "ai_claude_chat"), "{tools}");
    api.posted("/api/sessions", &json!({"id": "new"})).await;
    assert_eq!(told.until(is(LIST)).await.len(), 1);
    assert_eq!(api.ask("DELETE", "/api/sessions/new", &[], b"").await.status, 204);
    assert_eq!(told.until(is(LIST)).await.len(), 1);
    // Another key of the same provider makes no other tools, so what comes next is of something else.
    let body = json!({"key": KEY, "verify": false}).to_string();
    api.ask("PUT", "/api/credentials/anthropic/home", &[("content-type", "application/json")], body.as_bytes()).await;
    api.posted("/api/sessions", &json!({"id": "newer"})).await;
    assert_eq!(told.until(is(LIST)).await.len(), 1);
}

#[tokio::test]
async fn a_client_hears_of_its_own_sessions_alone() {
    let world = World::start().await;
    let api = &world.greenroom.api;
    let made = api.posted("/api/clients", &json!({"name": "one"})).await;
    let one = Api { url: api.url.clone(), token: made["token"].as_str().unwrap().to_owned() };
    let session = Session::begin(&one).await;
    let mut told = session.listen().await;
    api.posted("/api/sessions", &json!({"id": "owners"})).await;
    let refused = session.ask("resources/subscribe", json!({"uri": "greenroom://sessions/owners"})).await;
    assert_eq!(refused["error"]["code"], -32002, "{refused}");
    one.posted("/api/sessions", &json!({"id": "its-own"})).await;
    assert_eq!(told.until(is(LIST)).await.len(), 1);
    let listed = session.ask("resources/list", json!({})).await["result"]["resources"].clone();
    assert_eq!(listed.as_array().unwrap().len(), 2, "the list of models and one session: {listed}");
}

#[tokio::test]
async fn who_subscribes_hears_that_a_session_goes_on_and_not_of_each_piece() {
    let world = World::start().await;
    let api = &world.greenroom.api;
    let session = Session::begin(api).await;
    let mut told = session.listen().await;
    api.posted("/api/sessions", &json!({"id": "a"})).await;
    let uri = json!({"uri": "greenroom://sessions/a"});
    assert_eq!(session.ask("resources/subscribe", uri.clone()).await["result"], json!({}));
    // Twelve megabytes in two hundred pieces.
    let said = session.call("ai_chat", json!({"prompt": "flood", "session": "a", "stream": false})).await;
    assert_eq!(said["isError"], false, "{}", said.to_string().len());
    api.posted("/api/sessions", &json!({"id": "last"})).await;
    let is_update = updated("greenroom://sessions/a");
    let mut updates = 0;
    // The list was told of as the first session was made, and is again.
    let mut lists = 0;
    while lists < 2 || updates == 0 {
        let message = told.next().await;
        updates += usize::from(is_update(&message));
        lists += usize::from(is(LIST)(&message));
    }
    assert!(updates < 100, "{updates} notices of one answer");
    assert_eq!(session.ask("resources/unsubscribe", uri.clone()).await["result"], json!({}));
    session.call("ai_chat", json!({"prompt": "greet", "session": "a"})).await;
    assert_eq!(session.ask("resources/subscribe", uri).await["result"], json!({}));
    assert_eq!(api.ask("DELETE", "/api/sessions/a", &[], b"").await.status, 204);
    // That it is gone is its last change.
    told.until(is_update).await;
    for nothing in ["greenroom://sessions/a", "greenroom://nothing", "file:///etc/passwd"] {
        let refused = session.ask("resources/subscribe", json!({"uri": nothing})).await;
        assert_eq!(refused["error"]["code"], -32002, "{refused}");
    }
    for id in 0..64 {
        api.posted("/api/sessions", &json!({"id": format!("s{id}")})).await;
        let uri = json!({"uri": format!("greenroom://sessions/s{id}")});
        assert_eq!(session.ask("resources/subscribe", uri).await["result"], json!({}), "{id}");
    }
    let refused = session.ask("resources/subscribe", json!({"uri": "greenroom://sessions/last"})).await;
    assert_eq!(refused["error"]["code"], -32602, "{refused}");
}

#[tokio::test]
async fn log_messages_tell_of_a_takeover_from_the_level_on_that_was_asked_for() {
    let world = World::start().await;
    let session = Session::begin(&world.greenroom.api).await;
    let mut told = session.listen().await;
    let mut spoken = Spoken::start(&world.greenroom.home);
    spoken.shake_hands().await;
    let call = json!({"prompt": "greet the secret", "model": "both"});
    // Nobody asked yet.
    assert_eq!(session.call("ai_chat", call.clone()).await["isError"], false);
    spoken.call(1, "ai_chat", call.clone()).await;
    assert_eq!(text(&spoken.next().await), "Hello, world");
    for (level, expected) in [("debug", 3), ("warning", 1), ("error", 0)] {
        assert_eq!(session.ask("logging/setLevel", json!({"level": level})).await["result"], json!({}));
        spoken.ask(2, "logging/setLevel", json!({"level": level})).await;
        assert_eq!(spoken.next().await["result"], json!({}));
        world.forget_failures().await;
        assert_eq!(session.call("ai_chat", call.clone()).await["isError"], false);
        world.forget_failures().await;
        spoken.call(3, "ai_chat", call.clone()).await;
        let all = spoken.until(|message| message["id"] == 3).await;
        assert_eq!(all.len(), expected + 1, "{level}: {all:?}");
        let mut messages = all[..expected].to_vec();
        for _ in 0..expected {
            messages.push(told.next().await);
        }
        for message in &messages {
            assert_eq!(message["method"], "notifications/message", "{message}");
            let all = message.to_string();
            assert!(!all.contains("secret") && !all.contains("lab-key") && !all.contains("broken-key"), "{all}");
        }
        let takeovers = messages.iter().filter(|message| message["params"]["data"]["from"] == "broken/m1");
        assert_eq!(takeovers.count(), if expected == 0 { 0 } else { 2 }, "{messages:?}");
    }
    let refused = session.ask("logging/setLevel", json!({"level": "loud"})).await;
    assert!(refused["error"]["code"].is_i64(), "{refused}");
}

#[tokio::test]
async fn a_client_of_the_program_hears_the_same_and_from_the_next_holder_as_well() {
    let world = World::start().await;
    let mut greenroom = world.greenroom;
    let mut spoken = Spoken::start(&greenroom.home);
    spoken.shake_hands().await;
    spoken.call(1, "ai_chat", json!({"prompt": "greet", "session": "a"})).await;
    spoken.until(|message| message["id"] == 1).await;
    spoken.ask(2, "resources/subscribe", json!({"uri": "greenroom://sessions/none"})).await;
    assert_eq!(refused(spoken.until(|message| message["id"] == 2).await.last().unwrap()).1, -32002);
    spoken.ask(3, "resources/subscribe", json!({"uri": "greenroom://sessions/a"})).await;
    assert_eq!(spoken.until(|message| message["id"] == 3).await.last().unwrap()["result"], json!({}));
    greenroom.api.posted("/api/sessions/a/messages", &json!({"text": "greet"})).await;
    spoken.until(updated("greenroom://sessions/a")).await;
    greenroom.api.posted("/api/sessions", &json!({"id": "b"})).await;
    spoken.until(is(LIST)).await;
    // Whatever happened while nobody held is told by the next holder, which is the program.
    greenroom.daemon.signal(Signal::KILL);
    greenroom.daemon.wait(LIMIT).await;
    spoken.until(updated("greenroom://sessions/a")).await;
    spoken.call(4, "ai_chat", json!({"prompt": "greet", "session": "a"})).await;
    spoken.until(|message| message["id"] == 4).await;
    spoken.ask(5, "resources/unsubscribe", json!({"uri": "greenroom://sessions/a"})).await;
    spoken.until(|message| message["id"] == 5).await;
    // Nothing that is watched keeps the program, nor what the newest clients listen by.
    let listen = json!({
        "notifications": {"toolsListChanged": true},
        "_meta": {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}
        },
    });
    spoken.ask(6, "subscriptions/listen", listen).await;
    spoken.until(is("notifications/subscriptions/acknowledged")).await;
    spoken.close();
    let (_, code, said) = spoken.end().await;
    assert_eq!(code, Some(0), "{said}");
}

#[tokio::test]
async fn what_listens_does_not_keep_a_daemon_from_ending() {
    let world = World::start().await;
    let mut greenroom = world.greenroom;
    let mut spoken = Spoken::start(&greenroom.home);
    spoken.shake_hands().await;
    spoken.call(1, "ai_chat", json!({"prompt": "stall"})).await;
    until(&world.lab, |stats| stats.open() == 1).await;
    let cancelled = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}});
    spoken.send(&format!("{cancelled}\n")).await;
    until(&world.lab, |stats| stats.open() == 0).await;
    greenroom.daemon.signal(Signal::TERM);
    assert!(greenroom.daemon.wait(LIMIT).await.success());
    spoken.ask(2, "ping", json!({})).await;
    spoken.until(|message| message["id"] == 2).await;
}
