//! The program on a terminal.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

use std::process::ExitStatus;
use std::time::Duration;

use greenroom_tests::harness::Home;
use pty_process::{Pty, Size};
use rustix::termios::{LocalModes, tcgetattr};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};

use super::LIMIT;

pub(crate) const CTRL_C: &str = "\u{3}";
pub(crate) const CTRL_D: &str = "\u{4}";
pub(crate) const CTRL_Z: &str = "\u{1a}";
pub(crate) const CTRL_BACKSLASH: &str = "\u{1c}";

/// The program on a terminal of its own.
pub(crate) struct Terminal {
    pty: Pty,
    child: Child,
    pub(crate) screen: String,
    /// How much of the screen was waited for.
    seen: usize,
    /// What a person sees of it.
    emulator: vt100::Parser,
}

impl Terminal {
    /// Starts the program with these arguments, on a terminal of 24 rows and 200 columns.
    pub(crate) fn open(home: &Home, arguments: &[&str]) -> Self {
        Self::sized(home, arguments, (24, 200))
    }

    /// The same on a terminal of so many rows and columns.
    pub(crate) fn sized(home: &Home, arguments: &[&str], (rows, columns): (u16, u16)) -> Self {
        Self::of(&home.command(arguments), (rows, columns))
    }

    /// A script of a shell on such a terminal, in which `"$@"` is the program with these arguments.
    pub(crate) fn shell(home: &Home, script: &str, arguments: &[&str], size: (u16, u16)) -> Self {
        let program = home.command(arguments);
        let program = program.as_std();
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", script, "sh"]).arg(program.get_program()).args(arguments).current_dir(home.path());
        shell.env_clear().envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
        Self::of(&shell, size)
    }

    fn of(command: &Command, (rows, columns): (u16, u16)) -> Self {
        let (pty, inner) = pty_process::open().unwrap();
        pty.resize(Size::new(rows, columns)).unwrap();
        let command = command.as_std();
        let variables = command.get_envs().filter_map(|(name, value)| Some((name, value?)));
        let child = pty_process::Command::new(command.get_program())
            .args(command.get_args())
            .env_clear()
            .env("TERM", "xterm")
            .envs(variables)
            .current_dir(command.get_current_dir().unwrap())
            .kill_on_drop(true)
            .spawn(inner)
            .unwrap();
        // One of no size shows nothing; what is sent to it is as of any other.
        let emulator = vt100::Parser::new(rows.max(1), columns.max(1), 10_000);
        Self { pty, child, screen: String::new(), seen: 0, emulator }
    }

    /// Makes it another size, as a person does with a window.
    pub(crate) fn resize(&mut self, rows: u16, columns: u16) {
        self.pty.resize(Size::new(rows, columns)).unwrap();
        self.emulator.screen_mut().set_size(rows, columns);
    }

    /// What a person sees, line by line, without the blanks at their ends.
    pub(crate) fn lines(&self) -> Vec<String> {
        let (_, columns) = self.emulator.screen().size();
        self.emulator.screen().rows(0, columns).map(|line| line.trim_end().to_owned()).collect()
    }

    /// The letters that are shown so.
    pub(crate) fn styled(&self, is_so: impl Fn(&vt100::Cell) -> bool) -> String {
        let (rows, columns) = self.emulator.screen().size();
        let cells = (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column)));
        let cells = cells.filter_map(|(row, column)| self.emulator.screen().cell(row, column));
        cells.filter(|cell| is_so(cell)).map(vt100::Cell::contents).collect()
    }

    async fn read(&mut self) -> bool {
        let mut piece = [0; 4096];
        // Once nobody holds the other side, reading a terminal fails.
        let length = tokio::time::timeout(LIMIT, self.pty.read(&mut piece))
            .await
            .unwrap_or_else(|_| panic!("nothing more on the screen: {:?}", &self.screen[self.seen..]))
            .unwrap_or_default();
        self.emulator.process(&piece[..length]);
        self.screen.push_str(&String::from_utf8_lossy(&piece[..length]));
        length > 0
    }

    /// What is to be seen now, and what can be scrolled back to: a row each, without the spaces at its end.
    pub(crate) fn rows(&self) -> Vec<String> {
        let mut screen = self.emulator.screen().clone();
        let (_, columns) = screen.size();
        let mut seen = Vec::new();
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

    /// Waits until a person sees these lines somewhere, one below the other.
    pub(crate) async fn wait_for_lines(&mut self, wanted: &[&str]) {
        while !self.lines().windows(wanted.len()).any(|lines| lines == wanted) {
            let more = self.read().await;
            assert!(more, "it ended without {wanted:?}: {:#?}", self.lines());
        }
    }

    /// Pastes a text, as a terminal tells a program that it is one.
    pub(crate) async fn paste(&mut self, text: &str) {
        self.press(&format!("\u{1b}[200~{}\u{1b}[201~", text.replace('\n', "\r"))).await;
    }

    /// Types a line at the prompt.
    pub(crate) async fn type_line(&mut self, line: &str) {
        self.wait_for("> ").await;
        self.press(&format!("{line}\r")).await;
    }

    /// Reads until nobody holds the other side: what the program wrote last is on the screen then.
    pub(crate) async fn read_to_end(&mut self) {
        while self.read().await {}
    }

    /// Reads to the end of the program, and gives how it ended and all [rows](Self::rows).
    pub(crate) async fn end_rows(mut self) -> (ExitStatus, Vec<String>) {
        self.read_to_end().await;
        let status = tokio::time::timeout(LIMIT, self.child.wait()).await.unwrap().unwrap();
        (status, self.rows())
    }

    /// Reads to the end of the program, and gives how it ended and all that was on the screen.
    pub(crate) async fn end(mut self) -> (ExitStatus, String) {
        self.read_to_end().await;
        (tokio::time::timeout(LIMIT, self.child.wait()).await.unwrap().unwrap(), self.screen)
    }
}
