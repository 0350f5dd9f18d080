//! The program with its protocol on real pipes, driven as another program drives it.
#![allow(dead_code, reason = "each test takes what it needs")]
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use greenroom_tests::harness::{Home, Signal};
use rustix::process::{Pid, kill_process};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout};

/// How long anything may take before a test has failed.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

/// `greenroom ipc` while it runs.
pub(crate) struct Ipc {
    child: Child,
    input: Option<ChildStdin>,
    output: Option<BufReader<ChildStdout>>,
    /// Where it lives, if nobody else is there.
    home: Option<Home>,
}

/// A provider `lab` at this address, and what else there is.
pub(crate) fn lab(url: &str, more: &str) -> Home {
    let home = Home::new();
    home.config(&format!("[providers.lab]\nkind = \"openai-compatible\"\nbase_url = \"{url}/v1\"\n{more}"));
    home
}

/// A question to the model `m` of `lab`.
pub(crate) fn chat(id: impl Into<Value>, text: &str) -> Value {
    chat_with(id, "m", text, json!({}))
}

/// The same with a model and options.
pub(crate) fn chat_with(id: impl Into<Value>, model: &str, text: &str, options: Value) -> Value {
    let params = json!({"model": model, "messages": [{"role": "user", "content": text}], "options": options});
    json!({"id": id.into(), "action": "stream_chat", "provider": "lab", "params": params})
}

impl Ipc {
    pub(crate) fn start(home: &Home) -> Self {
        let mut command = home.command(&["ipc"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (input, output) = (child.stdin.take(), child.stdout.take().map(BufReader::new));
        Self { child, input, output, home: None }
    }

    /// Starts it in a home of its own.
    pub(crate) fn alone(home: Home) -> Self {
        let started = Self::start(&home);
        Self { home: Some(home), ..started }
    }

    pub(crate) async fn send(&mut self, request: &Value) {
        self.send_bytes(format!("{request}\n").as_bytes()).await;
    }

    pub(crate) async fn send_bytes(&mut self, bytes: &[u8]) {
        let input = self.input.as_mut().unwrap();
        tokio::time::timeout(LIMIT, input.write_all(bytes)).await.expect("it reads").unwrap();
    }

    /// The next line; none once the output has ended.
    pub(crate) async fn next_text(&mut self) -> Option<String> {
        let mut line = String::new();
        let reading = self.output.as_mut().unwrap().read_line(&mut line);
        let length = tokio::time::timeout(LIMIT, reading).await.expect("there is one more line").unwrap();
        assert!(length == 0 || line.ends_with('\n'), "half a line: {line}");
        (length > 0).then_some(line)
    }

    pub(crate) async fn next(&mut self) -> Value {
        let line = self.next_text().await.expect("there is one more line");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }

    /// The lines up to the one that ends this answer, those of others left out.
    pub(crate) async fn answer(&mut self, id: impl Into<Value>) -> Vec<Value> {
        let id = id.into();
        let mut lines = Vec::new();
        loop {
            let line = self.next().await;
            if line["id"] != id {
                continue;
            }
            let ends = line["streaming"] != true || line["data"]["type"] == "done";
            lines.push(line);
            if ends {
                return lines;
            }
        }
    }

    /// Waits until a provider has been heard in this answer.
    pub(crate) async fn spoke(&mut self, id: impl Into<Value>) {
        let id = id.into();
        while self.next().await["id"] != id {}
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_raw(self.child.id().unwrap().cast_signed()).unwrap(), signal).unwrap();
    }

    /// The most memory that it ever had, in MiB, where the system tells.
    pub(crate) fn most_memory(&self) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id().unwrap())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        Some(line.trim().trim_end_matches("kB").trim().parse::<u64>().ok()? / 1024)
    }

    /// Ends the input.
    pub(crate) fn end_input(&mut self) {
        self.input = None;
    }

    /// Reads no more, and closes its side.
    pub(crate) fn close_output(&mut self) {
        self.output = None;
    }

    /// Its exit code, with nothing read of what it writes.
    pub(crate) async fn ended(&mut self) -> Option<i32> {
        tokio::time::timeout(LIMIT, self.child.wait()).await.expect("it ends").unwrap().code()
    }

    /// The exit code, if no signal ended it, the lines that were left, and standard error.
    pub(crate) async fn end(mut self) -> (Option<i32>, Vec<Value>, String) {
        let mut lines = Vec::new();
        if self.output.is_some() {
            while let Some(line) = self.next_text().await {
                lines.push(serde_json::from_str(&line).unwrap());
            }
        }
        let mut errors = String::new();
        let ending = async {
            self.child.stderr.take().unwrap().read_to_string(&mut errors).await.unwrap();
            self.child.wait().await.unwrap()
        };
        let status = tokio::time::timeout(LIMIT, ending).await.expect("it ends");
        (status.code(), lines, errors)
    }
}

/// The text of an answer's lines of this type.
pub(crate) fn text(lines: &[Value], kind: &str) -> String {
    let of_kind = lines.iter().filter(|line| line["data"]["type"] == kind);
    of_kind.map(|line| line["data"]["content"].as_str().unwrap()).collect()
}

/// The code and the message of the error that an answer ended with.
pub(crate) fn error(lines: &[Value]) -> (&str, &str) {
    let last = lines.last().unwrap();
    assert_eq!((&last["success"], &last["streaming"]), (&json!(false), &Value::Null), "{last}");
    assert!(last.get("data").is_none(), "{last}");
    (last["error"]["code"].as_str().unwrap(), last["error"]["message"].as_str().unwrap())
}
