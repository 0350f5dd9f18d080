//! `greenroom mcp`, spoken with by hand.

use std::process::Stdio;

use greenroom_tests::harness::{Home, Signal};
use rustix::process::{Pid, kill_process};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout};

use crate::http_support::LIMIT;

/// The program, spoken with by hand.
pub struct Spoken {
    pub child: Child,
    stdin: Option<ChildStdin>,
    pub lines: Lines<BufReader<ChildStdout>>,
}

impl Spoken {
    pub fn start(home: &Home) -> Self {
        let mut command = home.command(&["mcp"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { stdin: child.stdin.take(), child, lines }
    }

    pub async fn send(&mut self, text: &str) {
        self.stdin.as_mut().unwrap().write_all(text.as_bytes()).await.unwrap();
    }

    pub async fn ask(&mut self, id: impl Into<Value>, method: &str, params: Value) {
        let message = json!({"jsonrpc": "2.0", "id": id.into(), "method": method, "params": params});
        self.send(&format!("{message}\n")).await;
    }

    pub async fn call(&mut self, id: impl Into<Value>, tool: &str, arguments: Value) {
        self.ask(id, "tools/call", json!({"name": tool, "arguments": arguments})).await;
    }

    /// Shakes hands, as clients of today do.
    pub async fn shake_hands(&mut self) {
        let handshake = json!({
            "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "by hand", "version": "1"}
        });
        self.ask("hello", "initialize", handshake).await;
        assert_eq!(self.next().await["result"]["protocolVersion"], "2025-11-25");
        self.send("{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n").await;
    }

    /// The messages that come before one that is so, that one included.
    pub async fn until(&mut self, is_so: impl Fn(&Value) -> bool) -> Vec<Value> {
        let mut all = Vec::new();
        while !all.last().is_some_and(&is_so) {
            all.push(self.next().await);
        }
        all
    }

    /// The answer to a request, past what is told without having been asked.
    pub async fn answer(&mut self, id: impl Into<Value>) -> Value {
        let id = id.into();
        self.until(|message| message["id"] == id).await.pop().expect("it ends with the answer")
    }

    /// The next line, as it came.
    pub async fn line(&mut self) -> String {
        let line = tokio::time::timeout(LIMIT, self.lines.next_line()).await.expect("a line comes").unwrap();
        line.expect("the program says something")
    }

    pub async fn next(&mut self) -> Value {
        serde_json::from_str(&self.line().await).unwrap()
    }

    pub fn close(&mut self) {
        self.stdin = None;
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_raw(self.child.id().unwrap().cast_signed()).unwrap(), signal).unwrap();
    }

    /// The rest of the lines, the exit code, and what it said on standard error.
    pub async fn end(mut self) -> (Vec<Value>, Option<i32>, String) {
        let ended = async {
            let mut rest = Vec::new();
            while let Some(line) = self.lines.next_line().await.unwrap() {
                rest.push(serde_json::from_str(&line).unwrap());
            }
            let mut said = String::new();
            self.child.stderr.take().unwrap().read_to_string(&mut said).await.unwrap();
            (rest, self.child.wait().await.unwrap().code(), said)
        };
        tokio::time::timeout(LIMIT, ended).await.expect("the program ends")
    }

    /// Kilobytes of memory that the program has.
    pub fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id().unwrap())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }
}

/// The id and the code of an error.
pub fn refused(message: &Value) -> (Value, i64) {
    (message["id"].clone(), message["error"]["code"].as_i64().unwrap_or_else(|| panic!("no error: {message}")))
}

pub fn text(message: &Value) -> &str {
    message["result"]["content"][0]["text"].as_str().unwrap_or_else(|| panic!("no text: {message}"))
}
