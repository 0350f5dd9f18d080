//! `greenroom mcp` as a program that writes lines and reads lines: what no client that is made well sends, and what
//! becomes of the program when one side ends.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

mod http_support;
mod mcp_support;

use greenroom_tests::harness::{Home, Signal};
use http_support::{LIMIT, until};
use mcp_support::spoken::{Spoken, refused, text};
use mcp_support::{World, behind};
use serde_json::{Value, json};

/// The longest line that is taken.
const LONGEST: usize = 16 << 20;

#[tokio::test]
async fn lines_that_are_no_messages_are_answered_and_the_program_stays() {
    let world = World::start().await;
    let mut spoken = Spoken::start(&world.greenroom.home);
    spoken.send("{\"jsonrpc\": \"2.0\", \"id\"\n\n   \r\n").await;
    assert_eq!(refused(&spoken.next().await), (Value::Null, -32700));
    for line in ["[]", "7", "{\"id\": 1}", "{\"jsonrpc\": \"2.0\", \"id\": 2, \"method\": 7}"] {
        spoken.send(&format!("{line}\n")).await;
        assert_eq!(refused(&spoken.next().await).1, -32600, "{line}");
    }
    // A hundred megabytes, no more than a sixth of which is ever in memory.
    let piece = "x".repeat(1 << 20);
    spoken.send("{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"ping\",\"params\":{\"a\":\"").await;
    let mut most = 0;
    for _ in 0..100 {
        spoken.send(&piece).await;
        most = most.max(spoken.resident());
    }
    spoken.send("\"}}\n").await;
    let told = spoken.next().await;
    assert_eq!(refused(&told), (Value::Null, -32600), "{told}");
    assert!(told["error"]["message"].as_str().unwrap().contains(&LONGEST.to_string()), "{told}");
    assert!(most < 120_000, "{most} kB of memory");
    spoken.ask(4, "ping", json!({})).await;
    assert_eq!(spoken.next().await, json!({"jsonrpc": "2.0", "id": 4, "result": {}}));
    spoken.ask(5, "no/such", json!({})).await;
    assert_eq!(refused(&spoken.next().await), (json!(5), -32601));
    spoken.call("six", "ai_none", json!({})).await;
    assert_eq!(refused(&spoken.next().await), (json!("six"), -32602));
    spoken.ask(7, "tools/call", json!({"name": 1})).await;
    assert_eq!(refused(&spoken.next().await).0, json!(7));
    // Half a line at the end is one that is no message.
    spoken.send("{\"jsonrpc\"").await;
    spoken.close();
    let (rest, code, said) = spoken.end().await;
    assert_eq!(rest.iter().map(refused).collect::<Vec<_>>(), [(Value::Null, -32700)]);
    assert_eq!((code, said.as_str()), (Some(0), ""));
}

#[tokio::test]
async fn what_is_in_flight_at_the_end_of_input_is_answered_on_lines_that_nothing_breaks() {
    let (_lab, _others, config) = behind().await;
    let home = Home::new();
    home.config(&config);
    let mut spoken = Spoken::start(&home);
    spoken.call(1, "ai_chat", json!({"prompt": "unicode"})).await;
    let line = spoken.line().await;
    assert!(!line.contains(['\u{2028}', '\u{2029}', '\u{85}']), "{line}");
    assert_eq!(text(&serde_json::from_str(&line).unwrap()), "é🌊\u{2028}\u{2029}\u{85} end");
    spoken.call(2, "ai_chat", json!({"prompt": "greet"})).await;
    spoken.close();
    let (rest, code, _) = spoken.end().await;
    assert_eq!(code, Some(0));
    assert_eq!(rest.iter().map(text).collect::<Vec<_>>(), ["Hello, world"]);
}

#[tokio::test]
async fn a_call_that_is_given_up_lets_go_of_the_provider_and_is_not_answered() {
    let world = World::start().await;
    let mut spoken = Spoken::start(&world.greenroom.home);
    for id in [json!(1), json!("one")] {
        let seen = world.lab.stats().cancelled();
        spoken.call(id.clone(), "ai_chat", json!({"prompt": "stall"})).await;
        until(&world.lab, |stats| stats.open() == 1).await;
        let cancelled = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id}});
        spoken.send(&format!("{cancelled}\n")).await;
        until(&world.lab, |stats| stats.cancelled() == seen + 1).await;
        spoken.ask(id.clone(), "ping", json!({})).await;
        assert_eq!(spoken.next().await["id"], id, "the id can be used again");
    }
    // One that is gone altogether lets go as well.
    spoken.call(3, "ai_chat", json!({"prompt": "stall"})).await;
    until(&world.lab, |stats| stats.open() == 1).await;
    spoken.signal(Signal::KILL);
    until(&world.lab, |stats| stats.open() == 0).await;
}

#[tokio::test]
async fn told_to_end_it_says_so_to_whoever_waits() {
    for beside_a_daemon in [true, false] {
        let (lab, _others, config) = behind().await;
        let home = Home::new();
        home.config(&config);
        let _daemon = match beside_a_daemon {
            true => Some(home.serve(&[]).await),
            false => None,
        };
        let mut spoken = Spoken::start(&home);
        spoken.call(1, "ai_chat", json!({"prompt": "stall"})).await;
        until(&lab, |stats| stats.open() == 1).await;
        spoken.signal(Signal::TERM);
        let (rest, code, said) = spoken.end().await;
        assert_eq!(code, Some(0), "{said}");
        assert_eq!(rest.len(), 1, "{rest:?}");
        assert_eq!(refused(&rest[0]).0, json!(1));
        until(&lab, |stats| stats.open() == 0).await;
    }
}

#[tokio::test]
async fn a_client_that_does_not_read_costs_no_more_than_it_is_ready_to_take() {
    let world = World::start().await;
    let mut spoken = Spoken::start(&world.greenroom.home);
    spoken.ask(0, "ping", json!({})).await;
    spoken.next().await;
    let before = spoken.resident();
    // Twelve megabytes each, told as they come. A pipe takes 64 KiB.
    for id in 1..=4 {
        let params = json!({
            "name": "ai_chat", "arguments": {"prompt": "flood"}, "_meta": {"progressToken": id}
        });
        spoken.ask(id, "tools/call", params).await;
    }
    until(&world.lab, |stats| stats.completed() >= 4).await;
    // What else is asked is taken, and heard once the client reads.
    spoken.ask(5, "ping", json!({})).await;
    let now = spoken.resident();
    assert!(now < before + 24_000, "{before} kB at first, and {now} kB then");
    loop {
        let message = spoken.next().await;
        if message["id"] == 5 {
            break;
        }
        assert!(message["method"] == "notifications/progress" || message["id"].is_u64(), "{message}");
    }
    // Whoever stops reading altogether ends the program.
    drop(spoken.lines);
    let ended = tokio::time::timeout(LIMIT, spoken.child.wait()).await.expect("it ends").unwrap();
    assert_eq!(ended.code(), Some(0));
}

#[tokio::test]
async fn a_client_outlives_the_greenroom_that_answers_it() {
    let world = World::start().await;
    let mut spoken = Spoken::start(&world.greenroom.home);
    let handshake = json!({
        "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "by hand", "version": "1"}
    });
    spoken.ask(1, "initialize", handshake).await;
    assert_eq!(spoken.next().await["result"]["protocolVersion"], "2025-06-18");
    spoken.send("{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n").await;
    spoken.call(2, "ai_chat", json!({"prompt": "greet", "session": "kept"})).await;
    assert_eq!(text(&spoken.answer(2).await), "Hello, world");
    spoken.call(3, "ai_chat", json!({"prompt": "stall"})).await;
    until(&world.lab, |stats| stats.open() == 1).await;
    let mut greenroom = world.greenroom;
    greenroom.daemon.signal(Signal::KILL);
    greenroom.daemon.wait(LIMIT).await;
    let lost = spoken.answer(3).await;
    assert!(lost["error"].is_object(), "what a call did is not known, so it is not made again: {lost}");
    assert!(lost["error"]["data"]["hint"].is_string(), "{lost}");
    // Then the program holds the data directory itself.
    spoken.ask(4, "resources/read", json!({"uri": "greenroom://sessions/kept"})).await;
    let page = spoken.answer(4).await;
    assert!(page["result"]["contents"][0]["text"].as_str().unwrap().contains("Hello, world"), "{page}");
    spoken.call(5, "ai_chat", json!({"prompt": "greet"})).await;
    assert_eq!(text(&spoken.answer(5).await), "Hello, world");
    spoken.close();
    let (_, code, _) = spoken.end().await;
    assert_eq!(code, Some(0));
}
