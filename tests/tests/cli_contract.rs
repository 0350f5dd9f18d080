//! What holds of every command: its exit codes, two lines where it fails, and lines of JSON where they are asked for.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

mod cli_support;

use std::collections::BTreeSet;

use cli_support::{KEY, MODEL, answering, home_of, lines, run_well, running::Running, saying};
use greenroom_tests::harness::{Home, Output, Signal};
use greenroom_tests::openai::{self, Answer};
use greenroom_tests::{Route, Script, ScriptedProvider};
use serde_json::Value;

/// What runs until it is told to end, and what prints a script for a shell.
const RUN_ON: [&str; 3] = ["serve", "ipc", "mcp"];
const SCRIPT: &str = "completions";

/// Each command that comes to an end by itself, with what it is called with and what it is given, in an order in which
/// each finds what it needs.
const WELL: [(&str, &[&str], &str); 36] = [
    ("config set", &["failover.attempts", "7"], ""),
    ("config unset", &["failover.attempts"], ""),
    ("config get", &["server.listen"], ""),
    ("config path", &[], ""),
    ("config show", &[], ""),
    ("config sample", &[], ""),
    ("auth token", &[], ""),
    ("chat", &["hello"], ""),
    ("chat", &["--session", "trip", "hello"], ""),
    ("compare", &["hello", "-m", "openai/scripted-model", "-m", "openai/text-embedding-3-small"], ""),
    ("sessions list", &[], ""),
    ("sessions show", &["trip"], ""),
    ("sessions export", &["trip"], ""),
    ("sessions fork", &["trip", "--id", "other"], ""),
    ("sessions budget", &["trip", "2.50"], ""),
    ("sessions cancel", &["trip"], ""),
    ("sessions remove", &["other"], ""),
    ("models", &[], ""),
    ("embed", &["hello", "-m", "openai/text-embedding-3-small"], ""),
    ("tokens", &["hello", "-m", "openai/scripted-model"], ""),
    ("providers", &[], ""),
    ("providers status", &[], ""),
    ("providers test", &[], ""),
    ("providers reset", &[], ""),
    ("usage", &[], ""),
    ("usage", &["--attempts"], ""),
    ("auth add", &["openai/work", "--no-verify"], "sk-another-one\n"),
    ("auth list", &[], ""),
    ("auth remove", &["openai/work"], ""),
    ("auth client add", &["editor"], ""),
    ("auth client budget", &["editor", "10/month"], ""),
    ("auth client list", &[], ""),
    ("auth client revoke", &["editor"], ""),
    ("store repair", &[], ""),
    ("doctor", &[], ""),
    ("auth token", &["--rotate"], ""),
];
/// Those that do well only beside other providers or people: what they say where they can't.
const FAILING: [(&str, &[&str], i32); 8] = [
    ("auth login", &["openai"], 2),
    ("batch submit", &["no-such-file.jsonl", "-m", "openai/scripted-model"], 2),
    ("batch status", &["batch_none"], 1),
    ("batch results", &["batch_none"], 1),
    ("batch cancel", &["batch_none"], 1),
    ("pull", &["openai/scripted-model"], 1),
    ("sessions attach", &["no-such-session"], 1),
    ("sessions import", &["no-such-file.ndjson"], 2),
];
/// Those that print nothing where there is nothing.
const EMPTY: [(&str, &[&str]); 2] = [("batch list", &[]), ("config check", &[])];

async fn provider() -> ScriptedProvider {
    let models = openai::models(["text-embedding-3-small", MODEL]);
    let embeddings = Route::new("POST", "/v1/embeddings", [openai::vectors().always()]);
    let chat = openai::chat([Answer::text(["hello"]).usage(3, 2).stream().always()]);
    ScriptedProvider::start(Script::new([models, embeddings, chat])).await
}

fn call<'a>(command: &'a str, arguments: &[&'a str]) -> Vec<&'a str> {
    command.split(' ').chain(arguments.iter().copied()).collect()
}

/// The commands that have no other below them, as the helps have them.
async fn leaves(home: &Home) -> BTreeSet<String> {
    let mut leaves = BTreeSet::new();
    let mut left = vec![String::new()];
    while let Some(command) = left.pop() {
        let arguments: Vec<&str> = command.split_whitespace().chain(["--help"]).collect();
        let help = home.run(&arguments).await.succeeded().stdout;
        let names: Vec<String> = help
            .lines()
            .skip_while(|line| *line != "Commands:")
            .skip(1)
            .take_while(|line| !line.is_empty())
            .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
            .map(|line| line.split_whitespace().next().unwrap().to_owned())
            .filter(|name| name != "help")
            .collect();
        if names.is_empty() {
            leaves.insert(command.clone());
        }
        left.extend(names.iter().map(|name| format!("{command} {name}").trim().to_owned()));
    }
    leaves
}

/// One line says what, and one what to do.
fn assert_told(output: &Output, command: &str, code: i32) {
    assert_eq!(output.code(), Some(code), "{command}: {output:?}");
    let count = |label: &str| output.stderr.lines().filter(|line| line.starts_with(label)).count();
    assert!(count("error: ") >= 1 && count("hint: ") == count("error: "), "{command}: {output:?}");
    assert!(!output.stderr.contains("panicked") && !output.stderr.contains(KEY), "{command}: {output:?}");
}

fn parsed(text: &str, command: &str) -> Vec<Value> {
    let parse = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{command}: {error}: {line}"));
    text.lines().map(parse).collect()
}

#[tokio::test]
async fn every_command_is_in_these_tests() {
    let of = |commands: &[&str]| commands.iter().map(|command| (*command).to_owned()).collect::<BTreeSet<_>>();
    let mut seen = of(&WELL.map(|(command, ..)| command));
    seen.extend(of(&FAILING.map(|(command, ..)| command)));
    seen.extend(of(&EMPTY.map(|(command, _)| command)));
    seen.extend(of(&[&RUN_ON[..], &[SCRIPT]].concat()));
    let leaves = leaves(&Home::new()).await;
    let missing: Vec<&String> = leaves.iter().filter(|leaf| !seen.contains(*leaf)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert!(leaves.len() > 35, "{leaves:?}");
}

#[tokio::test]
async fn what_is_done_ends_with_0_and_is_told_in_lines_of_json() {
    let provider = provider().await;
    let mut home = home_of(&provider);
    home.env("GREENROOM__SERVER__LISTEN", "127.0.0.1:0");
    for (command, arguments, input) in WELL {
        let mut call = call(command, arguments);
        call.push("--json");
        let output = home.run_with_input(&call, input).await;
        assert_eq!(output.code(), Some(0), "{call:?}: {output:?}");
        let lines = parsed(&output.stdout, command);
        assert!(!lines.is_empty(), "{call:?} prints nothing: {output:?}");
        assert!(lines.iter().all(Value::is_object), "{call:?}: {lines:?}");
        assert!(!output.stderr.contains("error: "), "{call:?}: {output:?}");
    }
    for (command, arguments) in EMPTY {
        let mut call = call(command, arguments);
        call.push("--json");
        assert_eq!(parsed(&home.run(&call).await.succeeded().stdout, command), [] as [Value; 0], "{call:?}");
    }
}

#[tokio::test]
async fn a_session_that_is_exported_is_imported() {
    let provider = saying("hello").await;
    let home = home_of(&provider);
    run_well(&home, &["chat", "--session", "trip", "hello"], "").await;
    let exported = home.run(&["sessions", "export", "trip", "--json"]).await.succeeded().stdout;
    assert!(parsed(&exported, "sessions export").len() > 2);
    let made = home.run_with_input(&["sessions", "import", "--id", "again", "--json"], &exported).await.succeeded();
    assert_eq!(lines(&made.stdout)[0]["id"], "again");
}

#[tokio::test]
async fn what_cannot_be_done_ends_with_1_and_what_cannot_be_meant_with_2() {
    let provider = provider().await;
    let home = home_of(&provider);
    for (command, arguments, code) in FAILING {
        for json in [&[][..], &["--json"]] {
            let output = home.run(&[&call(command, arguments)[..], json].concat()).await;
            // The lines of a login are steps, of which its failure is the last.
            if let Some(last) = parsed(&output.stdout, command).pop() {
                assert_eq!((command, output.code()), ("auth login", Some(code)), "{output:?}");
                assert!(last["error"]["message"].is_string() && last["error"]["hint"].is_string(), "{last}");
            } else {
                assert_told(&output, command, code);
            }
        }
    }
}

#[tokio::test]
async fn an_argument_that_is_none_ends_with_2() {
    let home = Home::new();
    for leaf in leaves(&home).await {
        let output = home.run(&[&call(&leaf, &[])[..], &["--no-such-flag"]].concat()).await;
        assert_eq!(output.code(), Some(2), "{leaf}: {output:?}");
        assert!(output.stderr.starts_with("error: ") && output.stdout.is_empty(), "{leaf}: {output:?}");
        let help = home.run(&[&call(&leaf, &[])[..], &["--help"]].concat()).await.succeeded();
        assert!(help.stdout.contains("Usage: greenroom"), "{leaf}: {}", help.stdout);
    }
}

/// Those that need no configuration, or say what is wrong with it.
const WITHOUT_CONFIGURATION: [&str; 14] = [
    "auth client add",
    "auth client budget",
    "auth client list",
    "auth client revoke",
    "auth token",
    "config check",
    "config path",
    "config sample",
    "config set",
    "config unset",
    "doctor",
    "sessions remove",
    "store repair",
    "usage",
];

#[tokio::test]
async fn a_configuration_that_is_wrong_ends_with_2_wherever_it_is_needed() {
    let home = Home::new();
    home.config("[server]\nlisen = \"127.0.0.1:0\"\n");
    let needed = WELL.iter().filter(|(command, ..)| !WITHOUT_CONFIGURATION.contains(command));
    for (command, arguments, input) in needed {
        let output = home.run_with_input(&call(command, arguments), input).await;
        assert_told(&output, command, 2);
        assert!(output.stderr.contains("unknown key \"lisen\""), "{command}: {output:?}");
        assert_eq!(output.stdout, "", "{command}");
    }
    for command in RUN_ON {
        assert_told(&home.run(&[command]).await, command, 2);
    }
}

#[tokio::test]
async fn what_is_interrupted_ends_with_130() {
    let provider = answering([Answer::text(["one ", "two"]).stall_after(1).stream().always()]).await;
    let home = home_of(&provider);
    for json in [&[][..], &["--json"]] {
        let mut chat = Running::start(&home, &[&["chat", "hello"], json].concat());
        chat.wait_for("one ").await;
        chat.signal(Signal::INT);
        let (code, out, _) = chat.end().await;
        assert_eq!(code, Some(130));
        if !json.is_empty() {
            let _each_is_whole = parsed(&out, "chat");
        }
    }
}

#[tokio::test]
async fn a_daemon_says_where_it_listens_in_a_line_of_json() {
    let mut home = Home::new();
    home.env("GREENROOM__SERVER__LISTEN", "127.0.0.1:0");
    let mut daemon = Running::start(&home, &["serve", "--json"]);
    daemon.wait_for("\n").await;
    let line: Value = lines(&daemon.seen).remove(0);
    assert!(line["url"].as_str().unwrap().starts_with("http://127.0.0.1:"), "{line}");
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.end().await.0, Some(0));
}
