//! Commands beside whoever holds the data directory: what they have from it, and how they take part.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

mod cli_support;

use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::Duration;

use cli_support::running::Running;
use cli_support::terminal::{CTRL_C, CTRL_D, Terminal};
use cli_support::{KEY, LIMIT, answering, assert_failed, home_of, lines, pairs, requests, run_well, said, saying};
use greenroom_tests::client::get;
use greenroom_tests::harness::{Home, Signal};
use greenroom_tests::openai::{self, Answer};
use greenroom_tests::{Attempt, ScriptedProvider};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

/// An answer that stops after its first words.
fn stalled() -> Attempt {
    Answer::text(["some words", "never"]).stall_after(1).into()
}

/// Whose keys the provider was shown.
fn bearers(provider: &ScriptedProvider) -> Vec<String> {
    let asked = provider.requests();
    let chats = asked.iter().filter(|request| request.method == "POST");
    chats.map(|request| request.bearer().unwrap_or_default().to_owned()).collect()
}

/// What the socket answers to a request without a token, called by any name from any page.
async fn by_socket(socket: &Path, path: &str) -> String {
    let mut stream = UnixStream::connect(socket).await.unwrap();
    let head = format!("GET {path} HTTP/1.1\r\nhost: evil.example\r\norigin: null\r\nconnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn the_socket_is_its_users_alone_and_asks_for_no_token() {
    let home = Home::new();
    let socket = home.data_dir().join("socket");
    let mut daemon = home.serve(&[]).await;
    let found = std::fs::symlink_metadata(&socket).unwrap();
    assert!(found.file_type().is_socket() && found.permissions().mode() & 0o777 == 0o600, "{found:?}");
    for path in ["/api/providers", "/api/sessions", "/api/holder"] {
        let answer = by_socket(&socket, path).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        assert_eq!(get(daemon.url(), path, None).await.unwrap().status, 401);
    }
    let token = daemon.token();
    for path in ["/api/holder", "/api/hand-over", "/api/ephemeral", "/api/ipc"] {
        let status = get(daemon.url(), path, Some(&token)).await.unwrap().status;
        assert_eq!(status, 404, "{path} is the owner's alone");
    }
    daemon.signal(Signal::TERM);
    assert!(daemon.wait(LIMIT).await.success());
    assert!(!socket.exists(), "it is gone with its daemon");

    // What a daemon leaves that is killed is in nobody's way.
    let mut daemon = home.serve(&[]).await;
    daemon.signal(Signal::KILL);
    daemon.wait(LIMIT).await;
    assert!(socket.exists());
    run_well(&home, &["sessions"], "").await;
    let _daemon = home.serve(&[]).await;
    assert!(by_socket(&socket, "/api/holder").await.contains("\"serve\""));
}

#[tokio::test]
async fn a_command_holds_as_a_daemon_does() {
    let provider = answering([stalled()]).await;
    let home = home_of(&provider);
    let socket = home.data_dir().join("socket");
    let mut holder = Running::start(&home, &["chat", "hello"]);
    holder.wait_for("some words").await;
    assert_eq!(std::fs::symlink_metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(by_socket(&socket, "/api/holder").await.contains("\"command\""));
    run_well(&home, &["providers", "status"], "").await;
    holder.signal(Signal::INT);
    assert_eq!(holder.end().await.0, Some(130));
    assert!(!socket.exists());
}

#[tokio::test]
async fn a_path_too_long_for_a_socket_is_told_and_the_daemon_is_still_found() {
    let home = Home::new();
    let long = home.path().join("x".repeat(120));
    let dir = long.to_str().unwrap();
    let daemon = home.serve(&["--data-dir", dir]).await;
    assert!(daemon.stderr().contains("no socket in"), "{}", daemon.output());
    assert!(home.run(&["--data-dir", dir, "providers"]).await.succeeded().stdout.contains("demo"));
    run_well(&home, &["--data-dir", dir, "chat", "--session", "a", "hello"], "").await;
    assert!(home.run(&["--data-dir", dir, "sessions"]).await.succeeded().stdout.contains("\na "));
    // What is not to be kept needs nobody.
    assert!(home.run(&["--data-dir", dir, "chat", "hello"]).await.succeeded().stdout.contains("demo"));
    drop(daemon);
    // Alone a command needs no socket to talk to itself.
    assert!(home.run(&["--data-dir", dir, "sessions"]).await.succeeded().stdout.contains("\na "));
}

#[tokio::test]
async fn a_question_beside_a_daemon_is_answered_by_it() {
    let provider = saying("the answer").await;
    let home = home_of(&provider);
    let alone = home.run(&["chat", "hello", "--json"]).await.succeeded();
    let daemon = home.serve(&[]).await;
    let mut command = home.command(&["chat", "hello", "--json"]);
    command.env("OPENAI_API_KEY", "another-key");
    let (code, joined, errors) = Running::of(command).end().await;
    assert_eq!((code, errors.as_str()), (Some(0), ""));
    let as_told = |text: &str| -> Vec<Value> {
        let kept = lines(text).into_iter().map(|mut event| {
            event.as_object_mut().unwrap().remove("answer");
            event
        });
        kept.collect()
    };
    assert_eq!(as_told(&joined), as_told(&alone.stdout), "event for event");
    assert_eq!(bearers(&provider), [KEY, KEY], "the daemon's key, not the command's");

    let mut command = home.command(&["chat", "hello", "--standalone"]);
    command.env("OPENAI_API_KEY", "another-key");
    assert_eq!(Running::of(command).end().await, (Some(0), "the answer\n".to_owned(), String::new()));
    assert_eq!(bearers(&provider)[2], "another-key");

    let mut command = home.command(&["chat", "hello"]);
    command.env("ANTHROPIC_API_KEY", "sk-ant-secret");
    let (code, shown, errors) = Running::of(command).end().await;
    assert_eq!((code, shown.as_str()), (Some(0), "the answer\n"));
    assert!(errors.contains("ANTHROPIC_API_KEY") && errors.contains(&format!("pid {}", daemon.pid())), "{errors}");
    assert!(!errors.contains("sk-ant-secret"));

    std::fs::write(home.path().join("other.toml"), "").unwrap();
    for command in [&["chat", "hello"][..], &["chat", "--session", "a", "hello"], &["sessions"]] {
        let command = [&["--config", "other.toml"][..], command].concat();
        assert_failed(&home.run(&command).await, 2, "--config can't be heeded", "--config");
    }
}

#[tokio::test]
async fn what_a_daemon_has_learnt_counts_for_questions_beside_it() {
    let limited = openai::error(429, "rate_limit_error", Some("rate_limit_exceeded"), "slow down");
    let provider = answering([limited.header("retry-after", "600").always()]).await;
    let home = home_of(&provider);
    let _daemon = home.serve(&[]).await;
    assert_failed(&home.run(&["chat", "hello"]).await, 1, "slow down", "");
    assert_eq!(requests(&provider).len(), 1);
    let told = home.run(&["providers"]).await.succeeded().stdout;
    assert!(told.contains("rate_limited"), "{told}");
    assert_eq!(home.run(&["chat", "hello"]).await.code(), Some(1));
    assert_eq!(requests(&provider).len(), 1, "it is left alone");
}

#[tokio::test]
async fn who_leaves_a_question_beside_a_daemon_cancels_it_up_to_the_provider() {
    for signal in [Signal::INT, Signal::KILL] {
        let provider = answering([stalled()]).await;
        let home = home_of(&provider);
        let _daemon = home.serve(&[]).await;
        let mut asking = Running::start(&home, &["chat", "hello"]);
        asking.wait_for("some words").await;
        asking.signal(signal);
        let code = asking.end().await.0;
        assert_eq!(code, (signal == Signal::INT).then_some(130));
        provider.wait_for(|stats| stats.route(openai::CHAT).cancelled == 1, LIMIT).await.unwrap();
    }
}

#[tokio::test]
async fn a_conversation_beside_a_daemon_remembers_what_was_said() {
    let provider = answering([Answer::text(["Hello Ada."]), Answer::text(["Ada."])]).await;
    let home = home_of(&provider);
    let mut daemon = home.serve(&[]).await;
    let mut terminal = Terminal::open(&home, &["chat"]);
    terminal.type_line("I am Ada").await;
    terminal.wait_for("Hello Ada.").await;
    terminal.type_line("/model other-model").await;
    terminal.type_line("who am I?").await;
    terminal.wait_for("Ada.").await;
    let all = [("user", "I am Ada"), ("assistant", "Hello Ada."), ("user", "who am I?")];
    assert_eq!(said(&requests(&provider)[1]), pairs(&all));
    assert_eq!(requests(&provider)[1]["model"], "other-model");
    // Nobody else has what was said, so the conversation itself goes on with it.
    terminal.wait_for("> ").await;
    daemon.signal(Signal::KILL);
    daemon.wait(LIMIT).await;
    terminal.press("and now?\r").await;
    terminal.wait_for("Ada.").await;
    let conversation = [&all[..], &[("assistant", "Ada."), ("user", "and now?")]].concat();
    assert_eq!(said(&requests(&provider)[2]), pairs(&conversation));
    assert_eq!(requests(&provider)[2]["model"], "other-model");
    // As does one whose greenroom hands over.
    terminal.wait_for("> ").await;
    let daemon = home.serve(&[]).await;
    assert!(daemon.stderr().contains("hands over"), "{}", daemon.output());
    terminal.press("still?\r").await;
    terminal.wait_for("Ada.").await;
    assert_eq!(said(&requests(&provider)[3]).len(), 7);
}

#[tokio::test]
async fn a_lost_terminal_leaves_the_answer_to_the_daemon() {
    let provider = answering([Answer::text(["one ", "two ", "three"]).pace(Duration::from_millis(200)).stream()]).await;
    let home = home_of(&provider);
    let _daemon = home.serve(&[]).await;
    let mut asking = Running::start(&home, &["chat", "--session", "a", "count"]);
    asking.wait_for("one ").await;
    asking.signal(Signal::HUP);
    assert_eq!(asking.end().await.0, None, "the signal ended it");
    let mut attached = Running::start(&home, &["sessions", "attach", "a"]);
    attached.wait_for("one two three\n").await;
    assert_eq!(attached.seen, "> count\none two three\n");
    assert_eq!(provider.stats().route(openai::CHAT).cancelled, 0);
}

#[tokio::test]
async fn a_live_session_is_followed_and_joined_from_another_terminal() {
    for daemon in [false, true] {
        let provider = answering([stalled(), Answer::text(["Hello \u{1b}[2JBob."]).stream()]).await;
        let home = home_of(&provider);
        let _daemon = if daemon { Some(home.serve(&[]).await) } else { None };
        let mut asking = Running::start(&home, &["chat", "--session", "a", "first"]);
        asking.wait_for("some words").await;
        let mut terminal = Terminal::open(&home, &["sessions", "attach", "a"]);
        terminal.wait_for("> first").await;
        // The last word may go on, until it is over.
        terminal.wait_for("some").await;
        let mut piped = Running::start(&home, &["sessions", "attach", "a", "--json"]);
        piped.wait_for("some words").await;
        terminal.press("I am Bob\r").await;
        // It waits for the turn that runs.
        piped.wait_for("\"queued\":true").await;
        run_well(&home, &["sessions", "cancel", "a", "1"], "").await;
        terminal.wait_for("[cancelled]").await;
        terminal.wait_for("Hello \u{fffd}[2JBob.").await;
        piped.wait_for("turn.finished").await;
        let kinds = lines(&piped.seen).into_iter().map(|event| event["type"].clone());
        // How much was there when it came is chance.
        let kinds: Vec<Value> = kinds.filter(|kind| kind != "synced").collect();
        assert_eq!((&kinds[0], kinds.last().unwrap()), (&"message.user".into(), &"turn.finished".into()));
        assert_eq!(
            terminal.screen.matches("I am Bob").count(),
            1,
            "what is typed is not said again: {}",
            terminal.screen
        );
        terminal.press(CTRL_D).await;
        let (status, screen) = terminal.end().await;
        assert_eq!(status.code(), Some(0), "{screen}");
        piped.signal(Signal::INT);
        assert_eq!(piped.end().await.0, Some(130));
        let conversation = [("user", "first"), ("assistant", "some words"), ("user", "I am Bob")];
        assert_eq!(said(&requests(&provider)[1]), pairs(&conversation));
    }
}

#[tokio::test]
async fn whoever_leaves_a_session_leaves_its_answer_alone() {
    let provider = answering([stalled()]).await;
    let home = home_of(&provider);
    let _daemon = home.serve(&[]).await;
    let mut asking = Running::start(&home, &["chat", "--session", "a", "first"]);
    asking.wait_for("some words").await;
    for (key, code) in [(CTRL_C, 130), (CTRL_D, 0)] {
        let mut terminal = Terminal::open(&home, &["sessions", "attach", "a"]);
        terminal.wait_for("some").await;
        terminal.press(key).await;
        let (status, screen) = terminal.end().await;
        assert_eq!(status.code(), Some(code), "{screen}");
        assert!(screen.contains(" words\r\n"), "nothing is held back: {screen:?}");
    }
    assert_eq!(provider.stats().route(openai::CHAT).cancelled, 0);
    assert!(home.run(&["sessions"]).await.succeeded().stdout.contains("answering"));
}

#[tokio::test]
async fn answers_of_a_session_are_shown_as_those_of_a_conversation() {
    let answer = "Some **bold** and `code` \u{1b}[2Jgo\u{9b}31m on until the line is full.\n\n- one\n\n| a | bb |\n|---|---|\n| 1 | 2 |\n";
    let provider = saying(answer).await;
    let home = home_of(&provider);
    let _daemon = home.serve(&[]).await;
    run_well(&home, &["chat", "--session", "a", "tell *me*"], "").await;
    // The emulator has no place for what stands for a letter that is none.
    let seen = [
        "> tell *me*",
        "Some bold and code [2Jgo31m on until",
        "the line is full.",
        "",
        "• one",
        "",
        "a │ bb",
        "──┼───",
        "1 │ 2",
    ];
    for command in ["attach", "show"] {
        let mut terminal = Terminal::sized(&home, &["sessions", command, "a"], (30, 40));
        terminal.wait_for_lines(&seen).await;
        assert_eq!(terminal.styled(vt100::Cell::bold), "boldabb", "{command}");
        assert_eq!(terminal.styled(|cell| cell.fgcolor() == vt100::Color::Idx(6)), "code");
        if command == "attach" {
            terminal.press(CTRL_D).await;
        }
        let (status, screen) = terminal.end().await;
        assert_eq!(status.code(), Some(0), "{screen}");
        assert!(!screen.contains("\u{1b}[2J") && !screen.contains('\u{9b}'), "{screen:?}");
        // Whoever reads by a pipe, or wants events, has the text as it came.
        let mut piped = Running::start(&home, &["sessions", command, "a"]);
        piped.wait_for("| 1 | 2 |\n").await;
        assert_eq!(piped.seen, format!("> tell *me*\n{answer}"));
        let mut events = Terminal::open(&home, &["sessions", command, "a", "--json"]);
        events.wait_for("| a | bb |").await;
    }
}

#[tokio::test]
async fn a_session_is_followed_from_a_cursor() {
    let provider = saying("well").await;
    let home = home_of(&provider);
    let _daemon = home.serve(&[]).await;
    for text in ["first", "second"] {
        run_well(&home, &["chat", "--session", "a", text], "").await;
    }
    let mut recent = Running::start(&home, &["sessions", "attach", "a"]);
    recent.wait_for("> second\nwell\n").await;
    assert!(!recent.seen.contains("first"), "{}", recent.seen);
    let mut whole = Running::start(&home, &["sessions", "attach", "a", "--from", "0"]);
    whole.wait_for("> second\nwell\n").await;
    assert_eq!(whole.seen, "> first\nwell\n> second\nwell\n");
    assert_failed(&home.run(&["sessions", "attach", "a", "--from", "x"]).await, 2, "cursor", "cursor");
    run_well(&home, &["sessions", "remove", "a"], "").await;
    let (code, _, errors) = whole.end().await;
    assert!(code == Some(0) && errors.contains("was removed"), "{errors}");
}
