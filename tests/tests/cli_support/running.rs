//! The program with its output in pipes, while it runs.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

use std::process::Stdio;

use greenroom_tests::harness::{Home, Signal};
use rustix::process::{Pid, kill_process};
use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, ChildStdout, Command};

use super::LIMIT;

/// A command that runs, without input.
pub(crate) struct Running {
    child: Child,
    out: ChildStdout,
    /// What it has printed so far.
    pub(crate) seen: String,
}

impl Running {
    /// Starts the program with these arguments.
    pub(crate) fn start(home: &Home, arguments: &[&str]) -> Self {
        Self::of(home.command(arguments))
    }

    /// Starts a command.
    pub(crate) fn of(mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let out = child.stdout.take().unwrap();
        Self { child, out, seen: String::new() }
    }

    async fn read(&mut self) -> bool {
        let mut piece = [0; 4096];
        let length = tokio::time::timeout(LIMIT, self.out.read(&mut piece))
            .await
            .unwrap_or_else(|_| panic!("nothing more comes: {:?}", self.seen))
            .unwrap();
        self.seen.push_str(&String::from_utf8_lossy(&piece[..length]));
        length > 0
    }

    /// Waits until it has printed this.
    pub(crate) async fn wait_for(&mut self, text: &str) {
        while !self.seen.contains(text) {
            if !self.read().await {
                let mut errors = String::new();
                self.child.stderr.take().unwrap().read_to_string(&mut errors).await.unwrap();
                panic!("it ended without {text:?}: {:?}, {errors}", self.seen);
            }
        }
    }

    /// Waits until something is found in what it has printed.
    pub(crate) async fn wait_until<T>(&mut self, find: impl Fn(&str) -> Option<T>) -> T {
        loop {
            if let Some(found) = find(&self.seen) {
                return found;
            }
            assert!(self.read().await, "it ended before: {:?}", self.seen);
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_raw(self.child.id().unwrap().cast_signed()).unwrap(), signal).unwrap();
    }

    /// Its exit code, if no signal ended it, and all that it printed: standard output, and standard error.
    pub(crate) async fn end(mut self) -> (Option<i32>, String, String) {
        while self.read().await {}
        let output = tokio::time::timeout(LIMIT, self.child.wait_with_output()).await.expect("it ends").unwrap();
        (output.status.code(), self.seen, String::from_utf8_lossy(&output.stderr).into_owned())
    }
}
