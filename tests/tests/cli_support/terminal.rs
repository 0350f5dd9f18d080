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
    /// How much of the screen was waited for.
    seen: usize,
}

impl Terminal {
    /// Starts the program with these arguments.
    pub(crate) fn open(home: &Home, arguments: &[&str]) -> Self {
        let (pty, inner) = pty_process::open().unwrap();
        pty.resize(Size::new(24, 200)).unwrap();
        let command = home.command(arguments);
        let command = command.as_std();
        let variables = command.get_envs().filter_map(|(name, value)| Some((name, value?)));
        let child = pty_process::Command::new(command.get_program())
            .args(command.get_args())
            .env_clear()
            .envs(variables)
            .env("TERM", "xterm")
            .current_dir(home.path())
            .kill_on_drop(true)
            .spawn(inner)
            .unwrap();
        Self { pty, child, screen: String::new(), seen: 0 }
    }

    async fn read(&mut self) -> bool {
        let mut piece = [0; 4096];
        // Once nobody holds the other side, reading a terminal fails.
        let length = tokio::time::timeout(LIMIT, self.pty.read(&mut piece))
            .await
            .unwrap_or_else(|_| panic!("nothing more on the screen: {:?}", &self.screen[self.seen..]))
            .unwrap_or_default();
        self.screen.push_str(&String::from_utf8_lossy(&piece[..length]));
        length > 0
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

    /// Reads to the end of the program, and gives how it ended and all that was on the screen.
    pub(crate) async fn end(mut self) -> (ExitStatus, String) {
        while self.read().await {}
        (tokio::time::timeout(LIMIT, self.child.wait()).await.unwrap().unwrap(), self.screen)
    }
}
