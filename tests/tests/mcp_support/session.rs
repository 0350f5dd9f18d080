//! A client of the protocol over HTTP, by hand.
#![allow(dead_code, unreachable_pub, reason = "each test program uses its own part")]
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

use greenroom_tests::client::{Connection, Response};
use serde_json::{Value, json};

use crate::http_support::Api;

pub const MCP: &str = "/mcp";
pub const KINDS: [(&str, &str); 2] =
    [("content-type", "application/json"), ("accept", "application/json, text/event-stream")];
pub const VERSION: (&str, &str) = ("mcp-protocol-version", "2025-11-25");

pub fn message(id: u32, method: &str, params: Value) -> Vec<u8> {
    json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}).to_string().into_bytes()
}

pub fn handshake() -> Vec<u8> {
    let params = json!({
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "by hand", "version": "1"}
    });
    message(1, "initialize", params)
}

/// The last message of a response.
pub fn last(response: &Response) -> Value {
    let text = response.text();
    let data = text.lines().rev().find_map(|line| line.strip_prefix("data: ").filter(|data| data.starts_with('{')));
    serde_json::from_str(data.unwrap_or(&text)).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// A client with a session of the transport.
pub struct Session {
    pub api: Api,
    pub id: String,
}

impl Session {
    pub async fn begin(api: &Api) -> Self {
        let begun = api.ask("POST", MCP, &KINDS, &handshake()).await;
        assert_eq!(begun.status, 200, "{}", begun.text());
        let session = Self { api: api.clone(), id: begun.header("mcp-session-id").unwrap().to_owned() };
        let initialized = br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
        assert_eq!(session.send("POST", initialized).await.status, 202);
        session
    }

    pub async fn send(&self, method: &str, body: &[u8]) -> Response {
        let headers = [KINDS[0], KINDS[1], VERSION, ("mcp-session-id", self.id.as_str())];
        self.api.ask(method, MCP, &headers, body).await
    }

    pub async fn ask(&self, method: &str, params: Value) -> Value {
        let response = self.send("POST", &message(2, method, params)).await;
        assert_eq!(response.status, 200, "{}", response.text());
        last(&response)
    }

    pub async fn call(&self, tool: &str, arguments: Value) -> Value {
        self.ask("tools/call", json!({"name": tool, "arguments": arguments})).await["result"].clone()
    }

    /// Reads what is told to it without having asked.
    pub async fn listen(&self) -> Told {
        let mut connection = Connection::open(&self.api.url).await.unwrap();
        let token = format!("Bearer {}", self.api.token);
        let (name, version) = VERSION;
        let headers = [
            ("authorization", token.as_str()),
            ("accept", "text/event-stream"),
            (name, version),
            ("mcp-session-id", self.id.as_str()),
        ];
        connection.send("GET", MCP, &headers, b"").await.unwrap();
        assert_eq!(connection.head().await.unwrap().status, 200);
        Told { connection }
    }
}

/// What a session is told without having asked.
pub struct Told {
    connection: Connection,
}

impl Told {
    /// The next message.
    pub async fn next(&mut self) -> Value {
        loop {
            let event = self.connection.event().await.unwrap().expect("it does not end");
            if event.text().starts_with('{') {
                return event.json();
            }
        }
    }

    /// The messages that come before one that is so, that one included.
    pub async fn until(&mut self, is_so: impl Fn(&Value) -> bool) -> Vec<Value> {
        let mut all = Vec::new();
        while !all.last().is_some_and(&is_so) {
            all.push(self.next().await);
        }
        all
    }
}
