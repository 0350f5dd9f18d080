//! `greenroom chat` on a terminal: a conversation.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

mod cli_support;

use std::os::unix::fs::MetadataExt as _;
use std::process::ExitStatus;

use cli_support::{LIMIT, answering, home_of, saying};
use greenroom_tests::harness::Home;
use greenroom_tests::openai::{self, Answer};
use greenroom_tests::{Attempt, ScriptedProvider};
use pty_process::{Pty, Size};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Child;

const CTRL_C: &str = "\u{3}";
const CTRL_D: &str = "\u{4}";

/// The program on a terminal of its own.
struct Terminal {
    pty: Pty,
    child: Child,
    screen: String,
    /// How much of the screen was waited for.
    seen: usize,
}

impl Terminal {
    fn open(home: &Home, arguments: &[&str]) -> Self {
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
    async fn wait_for(&mut self, text: &str) {
        loop {
            if let Some(at) = self.screen[self.seen..].find(text) {
                self.seen += at + text.len();
                return;
            }
            let more = self.read().await;
            assert!(more, "it ended without {text:?}: {:?}", &self.screen[self.seen..]);
        }
    }

    async fn press(&mut self, keys: &str) {
        self.pty.write_all(keys.as_bytes()).await.unwrap();
    }

    /// Types a line at the prompt.
    async fn type_line(&mut self, line: &str) {
        self.wait_for("> ").await;
        self.press(&format!("{line}\r")).await;
    }

    async fn end(mut self) -> (ExitStatus, String) {
        while self.read().await {}
        (tokio::time::timeout(LIMIT, self.child.wait()).await.unwrap().unwrap(), self.screen)
    }
}

fn requests(provider: &ScriptedProvider) -> Vec<Value> {
    provider.requests().iter().filter(|request| request.method == "POST").map(|request| request.json()).collect()
}

fn said(request: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let messages = request["messages"].as_array().unwrap();
    messages.iter().map(|message| (text(&message["role"]), text(&message["content"]))).collect()
}

fn pairs(messages: &[(&str, &str)]) -> Vec<(String, String)> {
    messages.iter().map(|(role, text)| ((*role).to_owned(), (*text).to_owned())).collect()
}

#[tokio::test]
async fn what_was_said_before_is_sent_along() {
    let provider = answering([Answer::text(["Pleased to meet you."]), Answer::text(["You are Ada."])]).await;
    let home = home_of(&provider);
    let mut terminal = Terminal::open(&home, &["chat", "--system", "Be kind."]);
    terminal.type_line("I am Ada").await;
    terminal.wait_for("Pleased to meet you.").await;
    terminal.type_line("who am I?").await;
    terminal.wait_for("You are Ada.").await;
    terminal.wait_for("> ").await;
    terminal.press(CTRL_D).await;
    let (status, screen) = terminal.end().await;
    assert_eq!(status.code(), Some(0), "{screen}");
    let all =
        [("system", "Be kind."), ("user", "I am Ada"), ("assistant", "Pleased to meet you."), ("user", "who am I?")];
    assert_eq!(said(&requests(&provider)[0]), pairs(&all[..2]));
    assert_eq!(said(&requests(&provider)[1]), pairs(&all));

    // What was typed is kept for the next time, for this user alone.
    let history = home.data_dir().join("history");
    assert!(std::fs::read_to_string(&history).unwrap().contains("who am I?"));
    assert_eq!(std::fs::metadata(&history).unwrap().mode() & 0o777, 0o600);
    let mut terminal = Terminal::open(&home, &["chat"]);
    terminal.wait_for("> ").await;
    const UP: &str = "\u{1b}[A";
    terminal.press(UP).await;
    terminal.wait_for("who am I?").await;
}

#[tokio::test]
async fn an_interrupt_ends_the_answer_and_not_the_conversation() {
    let stalled: Attempt = Answer::text(["a long story", "never"]).stall_after(1).into();
    let provider = answering([stalled, Answer::text(["Here I am."]).into()]).await;
    let mut terminal = Terminal::open(&home_of(&provider), &["chat"]);
    terminal.type_line("tell me").await;
    terminal.wait_for("a long story").await;
    terminal.press(CTRL_C).await;
    terminal.wait_for("cancelled").await;
    provider.wait_for(|stats| stats.route(openai::CHAT).cancelled == 1, LIMIT).await.unwrap();
    terminal.type_line("still there?").await;
    terminal.wait_for("Here I am.").await;
    let all = [("user", "tell me"), ("assistant", "a long story"), ("user", "still there?")];
    assert_eq!(said(&requests(&provider)[1]), pairs(&all), "what was seen is part of the conversation");
    terminal.wait_for("> ").await;
    terminal.press(CTRL_C).await;
    let (status, screen) = terminal.end().await;
    assert_eq!(status.code(), Some(130), "{screen}");
}

#[tokio::test]
async fn lines_can_be_continued_and_commands_given() {
    let provider = saying("Noted.").await;
    let mut terminal = Terminal::open(&home_of(&provider), &["chat"]);
    terminal.type_line("first line\\").await;
    terminal.wait_for(". ").await;
    terminal.press("second line\r").await;
    terminal.wait_for("Noted.").await;
    terminal.type_line("/model other-model").await;
    terminal.type_line("/system Be brief.").await;
    terminal.type_line("and now?").await;
    terminal.wait_for("Noted.").await;
    terminal.type_line("/reset").await;
    terminal.type_line("again").await;
    terminal.wait_for("Noted.").await;
    terminal.type_line("/help").await;
    terminal.wait_for("/reset").await;
    terminal.type_line("/nonsense").await;
    terminal.wait_for("no command /nonsense").await;
    terminal.type_line("/exit").await;
    let (status, screen) = terminal.end().await;
    assert_eq!(status.code(), Some(0), "{screen}");
    let requests = requests(&provider);
    assert_eq!(said(&requests[0]), pairs(&[("user", "first line\nsecond line")]));
    assert_eq!(requests[1]["model"], "other-model");
    assert_eq!(said(&requests[1])[0], ("system".to_owned(), "Be brief.".to_owned()));
    assert_eq!(said(&requests[1]).len(), 4);
    assert_eq!(said(&requests[2]), pairs(&[("system", "Be brief."), ("user", "again")]), "a new conversation");
    assert_eq!(requests[2]["model"], "other-model");
    assert_eq!(requests.len(), 3, "commands are not said to the model");
}

#[tokio::test]
async fn a_failed_answer_is_told_and_the_conversation_goes_on() {
    let provider = answering([
        openai::error(400, "invalid_request_error", None, "no such thing"),
        Answer::text(["Better."]).into(),
    ])
    .await;
    let mut terminal = Terminal::open(&home_of(&provider), &["chat"]);
    terminal.type_line("one").await;
    terminal.wait_for("error: ").await;
    terminal.wait_for("no such thing").await;
    terminal.wait_for("hint: ").await;
    terminal.type_line("two").await;
    terminal.wait_for("Better.").await;
}

#[tokio::test]
async fn a_terminal_is_shown_thinking_and_no_escape_sequences_of_the_model() {
    let evil = "\u{1b}]52;c;ZXZpbA==\u{7}clean";
    let provider = answering([Answer::new().reasoning(["pondering"]).then_text([evil]).stream().always()]).await;
    let mut terminal = Terminal::open(&home_of(&provider), &["chat"]);
    terminal.type_line("hello").await;
    terminal.wait_for("\u{1b}[2mpondering\u{1b}[0m").await;
    terminal.wait_for("clean").await;
    assert!(!terminal.screen.contains("\u{1b}]52"), "{:?}", terminal.screen);
    // A question on the command line is answered, and no conversation begins.
    let once = Terminal::open(&home_of(&provider), &["chat", "hello"]);
    let (status, screen) = once.end().await;
    assert_eq!(status.code(), Some(0), "{screen}");
    assert!(screen.contains("clean\r\n") && !screen.contains("> "), "{screen:?}");
    assert_eq!(requests(&provider)[1]["messages"], json!([{"role": "user", "content": "hello"}]));
}
