//! What no client that is made well sends, over HTTP, and arguments that are not those of a tool, by either way: an error
//! that says what is wrong, and the next request is answered.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

mod http_support;
#[path = "mcp_support/session.rs"]
mod mcp_session;
mod mcp_support;
mod session_support;

use greenroom_tests::client::Connection;
use http_support::until;
use mcp_session::{KINDS, MCP, Session, VERSION, last, message};
use mcp_support::World;
use mcp_support::spoken::Spoken;
use serde_json::{Value, json};

/// Arguments that are not the tool's, and what the error names.
fn wrong_arguments() -> Vec<(&'static str, Value, &'static str)> {
    vec![
        ("ai_chat", json!({"prompt": 7}), "'prompt'"),
        ("ai_chat", json!({"prompt": "a", "temperature": "hot"}), "'temperature'"),
        ("ai_chat", json!({"prompt": "a", "max_tokens": -1}), "'max_tokens'"),
        ("ai_chat", json!({"messages": {"role": "user"}}), "'messages'"),
        ("ai_chat", json!({"prompt": "a", "promt": "b"}), "'promt'"),
        ("ai_compare", json!({"prompt": "a", "models": "lab/m1"}), "'models'"),
        ("ai_compare", json!({"prompt": "a"}), "'models'"),
        ("ai_embed", json!({"input": {"text": "a"}, "model": "lab/m1"}), "'input'"),
        ("ai_list_models", json!({"provider": []}), "'provider'"),
        ("ai_claude_chat", json!({"messages": []}), "messages"),
    ]
}

#[tokio::test]
async fn arguments_of_another_type_are_refused_by_their_name() {
    let world = World::start().await;
    let session = Session::begin(&world.greenroom.api).await;
    let mut spoken = Spoken::start(&world.greenroom.home);
    for (tool, arguments, named) in wrong_arguments() {
        let params = json!({"name": tool, "arguments": arguments});
        spoken.call(1, tool, arguments.clone()).await;
        for answer in [session.ask("tools/call", params).await, spoken.next().await] {
            assert_eq!(answer["error"]["code"], -32602, "{tool} {arguments}: {answer}");
            assert!(answer["error"]["message"].as_str().unwrap().contains(named), "{tool} {arguments}: {answer}");
            assert!(!answer["error"]["data"]["hint"].as_str().unwrap().is_empty(), "{answer}");
        }
    }
    for params in [json!([]), json!("ai_chat"), json!({"name": "ai_chat", "arguments": []}), json!({})] {
        let body = message(2, "tools/call", params.clone());
        let refused = session.send("POST", &body).await;
        assert!((400..500).contains(&refused.status) || last(&refused)["error"].is_object(), "{params}");
    }
    assert_eq!(session.ask("ping", json!({})).await["result"], json!({}));
    assert_eq!(world.lab.stats().requests(), 0, "no provider heard of any of it");
}

#[tokio::test]
async fn bodies_that_are_no_messages_are_refused_and_the_session_stays() {
    let world = World::start().await;
    let api = &world.greenroom.api;
    let session = Session::begin(api).await;
    for body in
        ["", "{", "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"pi", "7", "null", "[]", "{}", "{\"id\":1}", "\u{0}"]
    {
        let refused = session.send("POST", body.as_bytes()).await;
        assert!((400..500).contains(&refused.status), "{body:?}: {} {}", refused.status, refused.text());
        assert!(!refused.text().is_empty(), "{body:?}");
    }
    for (method, code) in [("no/such", -32601), ("", -32601)] {
        assert_eq!(session.ask(method, json!({})).await["error"]["code"], code, "{method:?}");
    }
    let unknown = session.ask("tools/call", json!({"name": "ai_none", "arguments": {}})).await;
    assert_eq!(unknown["error"]["code"], -32602, "{unknown}");
    // A body that breaks off, and one of a hundred megabytes, of which no more is read than a body may have.
    let token = format!("Bearer {}", api.token);
    let (version, of) = VERSION;
    let head = [("authorization", token.as_str()), KINDS[0], KINDS[1], (version, of), ("mcp-session-id", &session.id)];
    let mut half = Connection::open(&api.url).await.unwrap();
    half.send("POST", MCP, &[head.as_slice(), &[("content-length", "1000")]].concat(), b"{\"jsonrpc\"").await.unwrap();
    half.reset().unwrap();
    let before = resident(world.greenroom.daemon.pid());
    let mut large = Connection::open(&api.url).await.unwrap();
    large.send("POST", MCP, &[head.as_slice(), &[("content-length", "104857600")]].concat(), b"{").await.unwrap();
    assert_eq!(large.head().await.unwrap().status, 413);
    let mut chunked = Connection::open(&api.url).await.unwrap();
    let framing = [("transfer-encoding", "chunked")];
    chunked.send("POST", MCP, &[head.as_slice(), &framing].concat(), b"").await.unwrap();
    let piece = format!("100000\r\n{}\r\n", "x".repeat(1 << 20));
    // Whoever is refused may find the connection closed before all is sent.
    for _ in 0..100 {
        if chunked.send_raw(piece.as_bytes()).await.is_err() {
            break;
        }
    }
    let now = resident(world.greenroom.daemon.pid());
    assert!(now < before + 120_000, "{before} kB before, {now} kB then");
    assert_eq!(session.ask("ping", json!({})).await["result"], json!({}));
}

#[tokio::test]
async fn who_never_reads_what_it_asked_for_costs_no_more_than_the_answer() {
    let world = World::start().await;
    let api = &world.greenroom.api;
    let session = Session::begin(api).await;
    session.ask("ping", json!({})).await;
    let before = resident(world.greenroom.daemon.pid());
    let token = format!("Bearer {}", api.token);
    let (version, of) = VERSION;
    let head = [("authorization", token.as_str()), KINDS[0], KINDS[1], (version, of), ("mcp-session-id", &session.id)];
    let call = json!({"name": "ai_chat", "arguments": {"prompt": "flood"}, "_meta": {"progressToken": 1}});
    let mut unread = Connection::open_narrow(&api.url, 4096).await.unwrap();
    unread.send("POST", MCP, &head, &message(3, "tools/call", call)).await.unwrap();
    until(&world.lab, |stats| stats.completed() >= 1).await;
    // Twelve megabytes are said, once.
    let now = resident(world.greenroom.daemon.pid());
    assert!(now < before + 64_000, "{before} kB before, {now} kB then");
    let other = Session::begin(api).await;
    assert_eq!(other.ask("ping", json!({})).await["result"], json!({}));
    drop(unread);
}

/// Kilobytes of memory that a process has.
fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
