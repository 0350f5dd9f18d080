//! `greenroom pull` on a terminal and in a pipe.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

mod cli_support;

use std::process::Stdio;
use std::time::Duration;

use cli_support::running::Running;
use cli_support::terminal::{CTRL_C, Terminal};
use cli_support::{KEY, LIMIT, lines, run_well};
use greenroom_tests::client::post_json;
use greenroom_tests::harness::{Daemon, Home, Signal};
use greenroom_tests::ollama;
use greenroom_tests::{Attempt, ScriptedProvider, When};
use serde_json::{Value, json};

const PULL: &str = "/api/pull";
const MEGABYTE: u64 = 1_000_000;

fn step(status: &str) -> Value {
    json!({"status": status})
}

fn layer(digest: &str, completed: u64) -> Value {
    json!({
        "status": format!("pulling {digest}"),
        "digest": format!("sha256:{digest}"),
        "total": 10 * MEGABYTE,
        "completed": completed * MEGABYTE,
    })
}

async fn pulling(attempt: Attempt) -> (ScriptedProvider, Home) {
    let provider = ScriptedProvider::start(ollama::pull([attempt])).await;
    let home = Home::new();
    home.config(&format!("[providers.home]\nkind = \"ollama\"\nbase_url = \"{}\"\n", provider.url()));
    (provider, home)
}

/// One that goes on for ever after a part of a layer.
fn stalled() -> Attempt {
    ollama::lines(&[step("pulling manifest"), layer("aa", 1), layer("aa", 4)]).stall()
}

#[tokio::test]
async fn each_layer_has_its_row_and_ends_with_all_of_it() {
    let begun = [step("pulling manifest"), layer("aa", 4), layer("aa", 10), layer("bb", 5), layer("bb", 10)];
    // Servers tell it again, here once it was seen.
    let again = [layer("aa", 10), layer("bb", 10), step("verifying sha256 digest"), step("success")];
    let pull = again
        .iter()
        .fold(ollama::lines(&begun).wait(Duration::from_millis(300)), |pull, line| pull.send(format!("{line}\n")));
    let (_provider, home) = pulling(pull).await;
    let (status, rows) = Terminal::sized(&home, &["pull", "llama3.2"], (24, 80)).end_rows().await;
    assert_eq!(status.code(), Some(0), "{rows:#?}");
    let rows: Vec<&str> = rows.iter().map(String::as_str).filter(|row| !row.is_empty()).collect();
    let mut sorted = rows.clone();
    sorted.sort_unstable();
    let mut expected = [
        "pulling manifest",
        "sha256:aa  100%  10.0 MB",
        "sha256:bb  100%  10.0 MB",
        "verifying sha256 digest",
        "llama3.2 is there",
    ];
    assert_eq!((rows[0], rows[rows.len() - 1]), (expected[0], expected[4]));
    expected.sort_unstable();
    assert_eq!(sorted, expected);
}

#[tokio::test]
async fn an_interrupt_cancels_and_says_that_what_is_there_stays() {
    let (provider, home) = pulling(stalled()).await;
    let mut terminal = Terminal::sized(&home, &["pull", "llama3.2"], (24, 60));
    let is_bar = |row: &String| row.starts_with("sha256:aa  ███") && row.ends_with("40%  4.0 MB of 10.0 MB");
    terminal.until(|rows| rows.iter().any(is_bar)).await;
    terminal.press(CTRL_C).await;
    provider.wait_for(|stats| stats.route(PULL).cancelled == 1, LIMIT).await.unwrap();
    let (status, rows) = terminal.end_rows().await;
    assert_eq!(status.code(), Some(130), "{rows:#?}");
    assert_eq!(rows.iter().filter(|row| row.starts_with("sha256:aa")).count(), 1, "{rows:#?}");
    let words = rows.join(" ").replace("  ", " ");
    assert!(words.contains("note: cancelled; what was fetched stays at the server"), "{rows:#?}");
}

#[tokio::test]
async fn a_narrow_terminal_is_told_what_fits() {
    let (_provider, home) = pulling(stalled()).await;
    let mut terminal = Terminal::sized(&home, &["pull", "llama3.2"], (24, 20));
    terminal.until(|rows| rows.iter().any(|row| row == "sha256:aa  40%")).await;
}

#[tokio::test]
async fn an_interrupt_is_the_last_event_in_json() {
    let (provider, home) = pulling(stalled()).await;
    let mut running = Running::start(&home, &["pull", "llama3.2", "--json"]);
    running.wait_for("\"completed\":4000000").await;
    running.signal(Signal::INT);
    provider.wait_for(|stats| stats.route(PULL).cancelled == 1, LIMIT).await.unwrap();
    let (code, output, errors) = running.end().await;
    assert_eq!(code, Some(130), "{errors}");
    assert_eq!(lines(&output).last().unwrap(), &json!({"type": "cancelled", "model": "llama3.2"}));
}

#[tokio::test]
async fn a_pipe_has_a_line_for_each_step() {
    let steps = [step("pulling manifest"), layer("aa", 4), layer("aa", 9), layer("bb", 1), step("success")];
    let (_provider, home) = pulling(ollama::lines(&steps)).await;
    let output = home.run(&["pull", "llama3.2"]).await.succeeded();
    assert_eq!(output.stdout, "pulling manifest\nfetching sha256:aa\nfetching sha256:bb\nllama3.2 is there\n");
    assert_eq!(output.stderr, "");
}

#[tokio::test]
async fn a_reader_that_leaves_ends_it() {
    let (provider, home) = pulling(stalled()).await;
    let mut child = home.command(&["pull", "llama3.2"]).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let status = tokio::time::timeout(LIMIT, child.wait()).await.expect("it ends").unwrap();
    assert_eq!(status.code(), Some(0));
    provider.wait_for(|stats| stats.open() == 0, LIMIT).await.unwrap();
}

/// A daemon with a key that was added to it, before an Ollama that wants that key.
async fn behind_a_key(pull: Attempt) -> (ScriptedProvider, Home, Daemon) {
    let refused = ollama::error(401, "unauthorized").always();
    let provider = ScriptedProvider::start(ollama::pull([pull.when(When::bearer(KEY)).always(), refused])).await;
    let home = Home::new();
    home.config(&format!("[providers.home]\nkind = \"ollama\"\nbase_url = \"{}\"\n", provider.url()));
    let daemon = home.serve(&[]).await;
    run_well(&home, &["auth", "add", "home", "--no-verify"], KEY).await;
    (provider, home, daemon)
}

#[tokio::test]
async fn beside_a_daemon_a_key_that_was_added_lets_in() {
    let steps = [step("pulling manifest"), layer("aa", 4), layer("aa", 10), step("success")];
    let (_provider, home, daemon) = behind_a_key(ollama::lines(&steps)).await;
    let output = home.run(&["pull", "llama3.2"]).await.succeeded();
    assert_eq!(output.stdout, "pulling manifest\nfetching sha256:aa\nllama3.2 is there\n");
    assert_eq!(output.stderr, "");
    let json = home.run(&["pull", "home/llama3.2", "--json"]).await.succeeded();
    let expected = json!({"type": "layer", "digest": "sha256:aa", "total": 10 * MEGABYTE, "completed": 4 * MEGABYTE});
    assert_eq!(lines(&json.stdout)[1], expected);

    let body = json!({"model": "llama3.2"});
    let answer = post_json(daemon.url(), PULL, Some(&daemon.token()), &body).await.unwrap();
    assert_eq!(lines(&answer.text()).last().unwrap(), &json!({"type": "done"}));
    let guest =
        post_json(daemon.url(), "/api/clients", Some(&daemon.token()), &json!({"name": "guest"})).await.unwrap();
    let guest = post_json(daemon.url(), PULL, guest.json()["token"].as_str(), &body).await.unwrap();
    assert_eq!(guest.status, 403, "{}", guest.text());
    let wrong = post_json(daemon.url(), PULL, Some(&daemon.token()), &json!({"modl": "x"})).await.unwrap();
    assert_eq!((wrong.status, &wrong.json()["error"]["kind"]), (400, &json!("invalid_request")));
}

#[tokio::test]
async fn beside_a_daemon_what_fails_is_told_as_it_is_without_one() {
    // It fails before its first step, and after it.
    for steps in [vec![], vec![step("pulling manifest")]] {
        let failing = [steps, vec![json!({"error": "pull model manifest: file does not exist"})]].concat();
        let (_provider, home, mut daemon) = behind_a_key(ollama::lines(&failing)).await;
        let beside = home.run(&["pull", "nothing"]).await;
        assert_eq!(beside.code(), Some(1), "{beside:?}");
        daemon.signal(Signal::TERM);
        assert!(daemon.wait(LIMIT).await.success());
        let (_provider, alone) = pulling(ollama::lines(&failing)).await;
        let alone = alone.run(&["pull", "nothing"]).await;
        assert_eq!((beside.stdout, beside.stderr, beside.status), (alone.stdout, alone.stderr, alone.status));
    }
}

#[tokio::test]
async fn beside_a_daemon_whoever_leaves_cancels_up_to_the_provider() {
    let (provider, home, _daemon) = behind_a_key(stalled()).await;
    let mut running = Running::start(&home, &["pull", "llama3.2", "--json"]);
    running.wait_for("\"completed\":4000000").await;
    running.signal(Signal::INT);
    provider.wait_for(|stats| stats.route(PULL).cancelled == 1, LIMIT).await.unwrap();
    assert_eq!(running.end().await.0, Some(130));
}

#[tokio::test]
async fn a_daemon_that_ends_during_a_pull_is_told_of() {
    let (_provider, home, mut daemon) = behind_a_key(stalled()).await;
    let mut running = Running::start(&home, &["pull", "llama3.2", "--json"]);
    running.wait_for("\"completed\":4000000").await;
    daemon.signal(Signal::KILL);
    let _killed = daemon.wait(LIMIT).await;
    let (code, _, errors) = running.end().await;
    assert_eq!(code, Some(1), "{errors}");
    assert!(errors.contains("ended during the pull") && errors.contains("what was fetched stays"), "{errors}");
}
