//! The program on a terminal.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

use std::process::ExitStatus;
use std::time::Duration;

use greenroom_tests::harness::Home;
use pty_process::{Pty, Size};
use rustix::termios::{LocalModes, tcgetattr};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Child;

use super::LIMIT;

pub(crate) const CTRL_C: &str = "\u{3}";
pub(crate) const CTRL_D: &str = "\u{4}";

/// The program on a terminal of its own.
pub(crate) struct Terminal {
    pty: Pty,
    child: Child,
    pub(crate) screen: String,
    /// The same, byte for byte.
    bytes: Vec<u8>,
    size: (u16, u16),
    /// How much of the screen was waited for.
    seen: usize,
}

impl Terminal {
    /// Starts the program with these arguments, on a terminal of 24 rows and 200 columns.
    pub(crate) fn open(home: &Home, arguments: &[&str]) -> Self {
        Self::sized(home, arguments, (24, 200))
    }

    /// The same on a terminal of so many rows and columns.
    pub(crate) fn sized(home: &Home, arguments: &[&str], size: (u16, u16)) -> Self {
        let (pty, inner) = pty_process::open().unwrap();
        pty.resize(Size::new(size.0, size.1)).unwrap();
        let command = home.command(arguments);
        let command = command.as_std();
        let variables = command.get_envs().filter_map(|(name, value)| Some((name, value?)));
        let child = pty_process::Command::new(command.get_program())
            .args(command.get_args())
            .env_clear()
            .env("TERM", "xterm")
            .envs(variables)
            .current_dir(home.path())
            .kill_on_drop(true)
            .spawn(inner)
            .unwrap();
        Self { pty, child, screen: String::new(), bytes: Vec::new(), size, seen: 0 }
    }

    async fn read(&mut self) -> bool {
        let mut piece = [0; 4096];
        // Once nobody holds the other side, reading a terminal fails.
        let length = tokio::time::timeout(LIMIT, self.pty.read(&mut piece))
            .await
            .unwrap_or_else(|_| panic!("nothing more on the screen: {:?}", &self.screen[self.seen..]))
            .unwrap_or_default();
        self.screen.push_str(&String::from_utf8_lossy(&piece[..length]));
        self.bytes.extend_from_slice(&piece[..length]);
        length > 0
    }

    /// What is to be seen now, and what can be scrolled back to: a row each, without the spaces at its end.
    pub(crate) fn rows(&self) -> Vec<String> {
        let (rows, columns) = self.size;
        let mut parser = vt100::Parser::new(rows, columns, 10_000);
        parser.process(&self.bytes);
        let mut seen = Vec::new();
        let screen = parser.screen_mut();
        screen.set_scrollback(usize::MAX);
        for back in (1..=screen.scrollback()).rev() {
            screen.set_scrollback(back);
            seen.extend(screen.rows(0, columns).next());
        }
        screen.set_scrollback(0);
        seen.extend(screen.rows(0, columns));
        seen.iter().map(|row| row.trim_end().to_owned()).collect()
    }

    /// Waits until what is to be seen is so.
    pub(crate) async fn until(&mut self, is_so: impl Fn(&[String]) -> bool) {
        while !is_so(&self.rows()) {
            assert!(self.read().await, "it ended without: {:#?}", self.rows());
        }
    }

    /// Waits for text behind what was waited for before.
    pub(crate) async fn wait_for(&mut self, text: &str) {
        loop {
            if let Some(at) = self.screen[self.seen..].find(text) {
                self.seen += at + text.len();
                return;
            }
            let more = self.read().await;
            assert!(more, "it ended without {text:?}: {:?}", &self.screen[self.seen..]);
        }
    }

    /// Waits until what is typed is shown as it is typed, or until it isn't.
    pub(crate) async fn until_echo_is(&self, wanted: bool) {
        let modes = || tcgetattr(&self.pty).unwrap().local_modes;
        let waited = async {
            while modes().contains(LocalModes::ECHO) != wanted {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(LIMIT, waited).await.unwrap_or_else(|_| panic!("the terminal has echo: {}", !wanted));
    }

    /// Presses keys.
    pub(crate) async fn press(&mut self, keys: &str) {
        self.pty.write_all(keys.as_bytes()).await.unwrap();
    }

    /// Types a line at the prompt.
    pub(crate) async fn type_line(&mut self, line: &str) {
        self.wait_for("> ").await;
        self.press(&format!("{line}\r")).await;
    }

    /// Reads to the end of the program, and gives how it ended and all [rows](Self::rows).
    pub(crate) async fn end_rows(mut self) -> (ExitStatus, Vec<String>) {
        while self.read().await {}
        let status = tokio::time::timeout(LIMIT, self.child.wait()).await.unwrap().unwrap();
        (status, self.rows())
    }

    /// Reads to the end of the program, and gives how it ended and all that was on the screen.
    pub(crate) async fn end(mut self) -> (ExitStatus, String) {
        while self.read().await {}
        (tokio::time::timeout(LIMIT, self.child.wait()).await.unwrap().unwrap(), self.screen)
    }
}
