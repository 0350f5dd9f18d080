//! The ways to call a tool.

use std::process::Stdio;
use std::time::{Duration, Instant};

use greenroom_tests::client::{Connection, Response};
use greenroom_tests::harness::{Daemon, Home};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout};

use super::Outcome;

const REVISION: &str = "2025-11-25";

/// Something that tools are called by.
pub(super) trait Way {
    /// The result of a call, and how long it took from the request to the last byte.
    async fn call(&mut self, tool: &str, arguments: Value) -> Outcome<(Value, Duration)>;
}

/// `/mcp`, over one connection in one session of the transport.
pub(super) struct Http {
    connection: Connection,
    authorization: String,
    session: String,
}

/// `greenroom mcp` beside the daemon.
pub(super) struct Program {
    _child: Child,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

fn message(method: &str, params: Value) -> Vec<u8> {
    json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string().into_bytes()
}

fn handshake() -> Vec<u8> {
    let client = json!({"name": "bench", "version": "1"});
    message("initialize", json!({"protocolVersion": REVISION, "capabilities": {}, "clientInfo": client}))
}

const INITIALIZED: &[u8] = br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;

impl Http {
    pub(super) async fn open(daemon: &Daemon) -> Outcome<Self> {
        let connection = Connection::open(daemon.url()).await?;
        let authorization = format!("Bearer {}", daemon.token());
        let mut http = Self { connection, authorization, session: String::new() };
        let begun = http.post(&handshake()).await?;
        http.session = begun.header("mcp-session-id").ok_or("there is no session")?.to_owned();
        http.post(INITIALIZED).await?;
        Ok(http)
    }

    async fn post(&mut self, body: &[u8]) -> Outcome<Response> {
        let mut headers = vec![
            ("authorization", self.authorization.as_str()),
            ("content-type", "application/json"),
            ("accept", "application/json, text/event-stream"),
        ];
        if !self.session.is_empty() {
            headers.extend([("mcp-session-id", self.session.as_str()), ("mcp-protocol-version", REVISION)]);
        }
        self.connection.send("POST", "/mcp", &headers, body).await?;
        let response = self.connection.response().await?;
        match response.status {
            200..300 => Ok(response),
            status => Err(format!("status {status}: {}", response.text()).into()),
        }
    }
}

impl Way for Http {
    async fn call(&mut self, tool: &str, arguments: Value) -> Outcome<(Value, Duration)> {
        let body = message("tools/call", json!({"name": tool, "arguments": arguments}));
        let begun = Instant::now();
        let response = self.post(&body).await?;
        let took = begun.elapsed();
        let text = response.text();
        let data = text.lines().rev().find_map(|line| line.strip_prefix("data: ").filter(|data| !data.is_empty()));
        Ok((result(data.unwrap_or(&text))?, took))
    }
}

impl Program {
    pub(super) async fn start(home: &Home) -> Outcome<Self> {
        let mut command = home.command(&["mcp"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn()?;
        let (stdin, stdout) = (child.stdin.take().ok_or("no pipe")?, child.stdout.take().ok_or("no pipe")?);
        let mut program = Self { _child: child, stdin, lines: BufReader::new(stdout).lines() };
        program.ask(&handshake()).await?;
        program.stdin.write_all(&[INITIALIZED, b"\n"].concat()).await?;
        Ok(program)
    }

    /// The answer to a message, past what is told without having been asked.
    async fn ask(&mut self, body: &[u8]) -> Outcome<String> {
        self.stdin.write_all(&[body, b"\n"].concat()).await?;
        loop {
            let line = self.lines.next_line().await?.ok_or("the program ends")?;
            if !line.contains("\"method\":\"notifications/") {
                return Ok(line);
            }
        }
    }
}

impl Way for Program {
    async fn call(&mut self, tool: &str, arguments: Value) -> Outcome<(Value, Duration)> {
        let body = message("tools/call", json!({"name": tool, "arguments": arguments}));
        let begun = Instant::now();
        let line = self.ask(&body).await?;
        let took = begun.elapsed();
        Ok((result(&line)?, took))
    }
}

fn result(answer: &str) -> Outcome<Value> {
    let mut answer: Value = serde_json::from_str(answer)?;
    match answer.get_mut("result") {
        Some(result) => Ok(result.take()),
        None => Err(format!("the call is refused: {answer}").into()),
    }
}
