//! `greenroom chat` on a terminal: a conversation.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

mod cli_support;

use std::os::unix::fs::MetadataExt as _;

use cli_support::terminal::{CTRL_C, CTRL_D, Terminal};
use cli_support::{LIMIT, answering, home_of, pairs, requests, said, saying};
use greenroom_tests::Attempt;
use greenroom_tests::openai::{self, Answer};
use serde_json::json;

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
    // The last word may go on, until it is over.
    terminal.wait_for("a long").await;
    terminal.press(CTRL_C).await;
    terminal.wait_for("story").await;
    terminal.wait_for("cancelled").await;
    provider.wait_for(|stats| stats.route(openai::CHAT).cancelled == 1, LIMIT).await.unwrap();
    terminal.type_line("still there?").await;
    terminal.wait_for("Here I am.").await;
    let all = [("user", "tell me"), ("assistant", "a long story"), ("user", "still there?")];
    assert_eq!(said(&requests(&provider)[1]), pairs(&all), "what was seen is part of the conversation");
    // What is typed is cleared; where nothing is, the second one ends.
    terminal.type_line("").await;
    terminal.wait_for("> ").await;
    terminal.press("never said").await;
    terminal.wait_for("never said").await;
    terminal.press(CTRL_C).await;
    terminal.wait_for("> ").await;
    terminal.press("\r").await;
    // Between two prompts the terminal is as it was, and Ctrl-C no key.
    terminal.wait_for("\u{1b}[?2004h").await;
    terminal.wait_for("> ").await;
    terminal.press(CTRL_C).await;
    terminal.wait_for("again ends").await;
    terminal.wait_for("> ").await;
    terminal.press(CTRL_C).await;
    let (status, screen) = terminal.end().await;
    assert_eq!(status.code(), Some(130), "{screen}");
    assert_eq!(requests(&provider).len(), 2, "what was cleared is not said");
}

#[tokio::test]
async fn an_interrupt_at_the_prompt_of_a_terminal_without_editing_does_what_it_does_elsewhere() {
    let provider = saying("Noted.").await;
    let mut home = home_of(&provider);
    home.env("TERM", "dumb");
    let mut terminal = Terminal::open(&home, &["chat"]);
    // Before the first answer as well as behind one.
    terminal.wait_for("> ").await;
    terminal.press(CTRL_C).await;
    terminal.wait_for("again ends").await;
    for text in ["one", "two"] {
        terminal.type_line(text).await;
        terminal.wait_for("Noted.").await;
        terminal.wait_for("> ").await;
        terminal.press("never said").await;
        terminal.wait_for("never said").await;
        terminal.press(CTRL_C).await;
        terminal.wait_for("again ends").await;
    }
    terminal.type_line("half\\").await;
    terminal.wait_for(". ").await;
    terminal.press(CTRL_C).await;
    terminal.wait_for("> ").await;
    terminal.press(CTRL_C).await;
    terminal.wait_for("again ends").await;
    terminal.wait_for("> ").await;
    terminal.press(CTRL_C).await;
    let (status, screen) = terminal.end().await;
    assert_eq!(status.code(), Some(130), "{screen}");
    let all = [("user", "one"), ("assistant", "Noted."), ("user", "two")];
    assert_eq!(requests(&provider).len(), 2, "what was cleared is not said");
    assert_eq!(said(&requests(&provider)[1]), pairs(&all));
}

#[tokio::test]
async fn an_end_at_the_prompt_of_a_terminal_without_editing_ends_the_conversation() {
    let provider = saying("Noted.").await;
    let mut home = home_of(&provider);
    home.env("TERM", "dumb");
    let mut terminal = Terminal::open(&home, &["chat"]);
    terminal.type_line("half\\").await;
    terminal.wait_for(". ").await;
    terminal.press(CTRL_D).await;
    terminal.wait_for("Noted.").await;
    terminal.wait_for("> ").await;
    terminal.press(CTRL_D).await;
    assert_eq!(terminal.end().await.0.code(), Some(0));
    assert_eq!(said(&requests(&provider)[0]), pairs(&[("user", "half")]));
}

#[tokio::test]
async fn what_is_pasted_is_one_message_and_one_entry_of_history() {
    let provider = saying("Noted.").await;
    let home = home_of(&provider);
    let mut terminal = Terminal::open(&home, &["chat"]);
    terminal.wait_for("> ").await;
    terminal.paste("fn main() {\n    let a = 1;\n}\n").await;
    terminal.wait_for("let a").await;
    assert!(requests(&provider).is_empty(), "it is not said before Enter is pressed");
    terminal.press("what is it?\r").await;
    terminal.wait_for("Noted.").await;
    const ALT_ENTER: &str = "\u{1b}\r";
    terminal.wait_for("> ").await;
    terminal.press(&format!("one{ALT_ENTER}two\r")).await;
    terminal.wait_for("Noted.").await;
    terminal.wait_for("> ").await;
    terminal.press(CTRL_D).await;
    terminal.end().await;
    let pasted = "fn main() {\n    let a = 1;\n}\nwhat is it?";
    assert_eq!(said(&requests(&provider)[0]), pairs(&[("user", pasted)]));
    assert_eq!(said(&requests(&provider)[1]).last().unwrap().1, "one\ntwo");

    let mut terminal = Terminal::open(&home, &["chat"]);
    terminal.wait_for("> ").await;
    const PREVIOUS: &str = "\u{10}";
    terminal.press(PREVIOUS).await;
    terminal.wait_for("two").await;
    terminal.press("\r").await;
    terminal.wait_for("Noted.").await;
    assert_eq!(said(&requests(&provider)[2]), pairs(&[("user", "one\ntwo")]));
}

#[tokio::test]
async fn an_end_in_the_middle_of_a_message_says_what_there_is() {
    let provider = saying("Noted.").await;
    let mut terminal = Terminal::open(&home_of(&provider), &["chat"]);
    terminal.type_line("half\\").await;
    terminal.wait_for(". ").await;
    terminal.press(CTRL_D).await;
    terminal.wait_for("Noted.").await;
    terminal.wait_for("> ").await;
    terminal.press(CTRL_D).await;
    assert_eq!(terminal.end().await.0.code(), Some(0));
    assert_eq!(said(&requests(&provider)[0]), pairs(&[("user", "half")]));
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
