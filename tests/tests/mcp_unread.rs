//! Clients of the Model Context Protocol over HTTP that open a stream and never read it: only the stream is lost.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]
#![allow(deprecated, reason = "log messages are of the revisions that clients speak today")]

mod http_support;
#[path = "http_support/local.rs"]
mod local;
#[path = "mcp_support/session.rs"]
mod mcp_session;
mod session_support;

use std::time::Duration;

use greenroom::frontends::mcp::rmcp::model::{
    CallToolResult, ContentBlock, LoggingLevel, LoggingMessageNotificationParam, Tool,
};
use greenroom::frontends::mcp::{Added, ToolCall};
use greenroom_tests::client::{Connection, get};
use http_support::{Api, LIMIT};
use local::Local;
use mcp_session::{KINDS, MCP, Session, VERSION, last, message};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::{sync::watch, time::timeout};

/// Far more than all buffers between server and client have room for, and than a server may hold.
const PIECES: u32 = 1024;
const PIECE: usize = 64 << 10;
/// The most by which memory may grow meanwhile, in MiB.
const MOST: u64 = 40;

/// How a flood comes: as progress of its call, or as log messages.
#[derive(Deserialize)]
struct Flood {
    as_progress: bool,
}

/// A tool that says much, as progress or in log messages, and one that says one message.
/// How much was said stands in `said`.
fn added(said: watch::Sender<u32>) -> Added {
    let tool = |name: &'static str, fields: Value| {
        let schema = json!({"type": "object", "properties": fields});
        Tool::new(name, "says something", schema.as_object().expect("it is one").clone())
    };
    let flood = move |call: ToolCall| {
        let said = said.clone();
        let as_progress = call.arguments::<Flood>().map(|flood| flood.as_progress);
        async move {
            let as_progress = as_progress?;
            for piece in 1..=PIECES {
                match as_progress {
                    true => call.progress(f64::from(piece), None, Some("x".repeat(PIECE))).await,
                    false => say(&call, "x".repeat(PIECE).into()).await,
                }
                said.send_replace(piece);
            }
            Ok(CallToolResult::success(vec![ContentBlock::text("all was said")]))
        }
    };
    let once = |call: ToolCall| async move {
        say(&call, json!("once")).await;
        Ok(CallToolResult::success(vec![ContentBlock::text("it was said")]))
    };
    Added::default().tool(tool("flood", json!({"as_progress": {}})), flood).tool(tool("once", json!({})), once)
}

/// Tells it on the stream that a session is told on what it did not ask for.
async fn say(call: &ToolCall, data: Value) {
    let message = LoggingMessageNotificationParam::new(LoggingLevel::Info, data);
    call.peer().notify_logging_message(message).await.unwrap();
}

/// A server, and how much of a flood was said.
async fn start() -> (Local, watch::Receiver<u32>) {
    let (say, said) = watch::channel(0);
    let config = "[providers.demo]\nkind = \"demo\"\n";
    let made = |server: greenroom::frontends::http::Server| server.mcp(added(say)).unread(Duration::from_secs(1));
    let server = Local::start_as(config, Duration::from_secs(1), Vec::new(), made).await;
    (server, said)
}

/// Asks for a stream by a socket of its own, of which nothing is read.
async fn unread(api: &Api, session: &Session, method: &str, body: &[u8]) -> Connection {
    let mut connection = Connection::open_narrow(&api.url, 4096).await.unwrap();
    let token = format!("Bearer {}", api.token);
    let headers = [KINDS[0], KINDS[1], VERSION, ("authorization", &token), ("mcp-session-id", &session.id)];
    connection.send(method, MCP, &headers, body).await.unwrap();
    connection
}

/// The most memory that this process ever had, in MiB, where the system tells.
fn most_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().trim_end_matches("kB").trim().parse::<u64>().ok()? / 1024)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_whose_stream_is_never_read_is_served_on_its_posts_and_can_open_another() {
    let (server, mut pieces) = start().await;
    let api = &server.api;
    let (session, other) = (Session::begin(api).await, Session::begin(api).await);
    let mut stream = unread(api, &session, "GET", b"").await;
    let before = most_memory();
    let flooding = session.call("flood", json!({"as_progress": false}));
    let meanwhile = async {
        pieces.wait_for(|pieces| *pieces > 0).await.unwrap();
        assert_eq!(other.ask("ping", json!({})).await["result"], json!({}));
        assert_eq!(get(&api.url, "/healthz", None).await.unwrap().status, 200);
    };
    let both = async { tokio::join!(flooding, meanwhile) };
    let (said, ()) = timeout(LIMIT, both).await.expect("the session does not wait for ever");
    assert_eq!(said["content"][0]["text"], "all was said", "{said}");
    if let (Some(before), Some(after)) = (before, most_memory()) {
        assert!(after - before < MOST, "{before} MiB became {after}");
    }
    assert_eq!(session.ask("ping", json!({})).await["result"], json!({}));

    // The stream ended behind what had been given, and the next one is told what comes.
    assert_eq!(stream.head().await.unwrap().status, 200);
    let read = stream.body().await.unwrap();
    assert!(read.len() > PIECE && read.len() < PIECE * 1024, "{}", read.len());
    let mut told = session.listen().await;
    session.call("once", json!({})).await;
    told.until(|message| message["params"]["data"] == "once").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_never_read_stalls_neither_its_session_nor_others() {
    let (server, mut pieces) = start().await;
    let api = &server.api;
    let (session, other) = (Session::begin(api).await, Session::begin(api).await);
    let params = json!({"name": "flood", "arguments": {"as_progress": true}, "_meta": {"progressToken": "p"}});
    let mut answer = unread(api, &session, "POST", &message(7, "tools/call", params)).await;
    pieces.wait_for(|pieces| *pieces > 0).await.unwrap();
    assert_eq!(other.ask("ping", json!({})).await["result"], json!({}));
    // All of it is taken only once the stream that nobody reads is over.
    timeout(LIMIT, pieces.wait_for(|pieces| *pieces == PIECES)).await.expect("it ends").unwrap();
    let pinged = session.send("POST", &message(8, "ping", json!({}))).await;
    assert_eq!(last(&pinged)["result"], json!({}));
    assert_eq!(answer.head().await.unwrap().status, 200);
    let read = answer.body().await.unwrap();
    assert!(!String::from_utf8_lossy(&read).contains("all was said"), "it is cut, and never told as whole");
    assert_eq!(session.send("DELETE", b"").await.status, 204);
}
