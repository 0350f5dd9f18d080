//! The `scripted-provider` program, and the harness that runs programs.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

use std::process::Stdio;
use std::time::Duration;

use greenroom_tests::client::{Connection, get, post_json};
use greenroom_tests::harness::{Daemon, Home, Signal};
use greenroom_tests::openai::{self, Answer};
use greenroom_tests::{Attempt, Route, Script};
use serde_json::json;

const PROGRAM: &str = env!("CARGO_BIN_EXE_scripted-provider");
const LIMIT: Duration = Duration::from_secs(10);

async fn started(home: &Home, arguments: &[&str]) -> Daemon {
    Daemon::start(home.command(arguments), home.data_dir()).await
}

/// A home with a script in it that holds one stalling route.
fn home_with_script() -> (Home, String) {
    let home = Home::of_program(PROGRAM);
    let script = home.path().join("script.json");
    let stalling = Route::new("GET", "/stall", [Attempt::new().status(200).send("a").stall()]);
    let script_of = Script::new([openai::chat([Answer::text(["hi"]).whole()]), stalling]);
    std::fs::write(&script, serde_json::to_vec(&script_of).unwrap()).unwrap();
    (home, script.to_str().unwrap().to_owned())
}

#[tokio::test]
async fn the_program_plays_its_script_and_recordings_until_it_is_told_to_stop() {
    let (home, script) = home_with_script();
    let recorded = home.path().join("recorded.json");
    let case = json!({"request": {"method": "GET", "host": null, "path": "/old", "headers": {}, "body": null},
        "response": {"status": 418, "headers": {}, "body": "tea"}});
    std::fs::write(&recorded, case.to_string()).unwrap();

    let mut daemon = started(&home, &["--script", &script, "--replay", recorded.to_str().unwrap()]).await;
    assert_eq!(daemon.stdout(), format!("{}\n", daemon.url()));
    let answer = post_json(daemon.url(), openai::CHAT, None, &json!({})).await.unwrap();
    assert_eq!(answer.json()["choices"][0]["message"]["content"], "hi");
    assert_eq!(get(daemon.url(), "/old", None).await.unwrap().status, 418);
    // The last byte may be here before it is counted there.
    let counted = async {
        while get(daemon.url(), "/_scripted/stats", None).await.unwrap().json()["routes"][0]["completed"] != 1 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LIMIT, counted).await.expect("the played answer is counted");

    // An open answer does not keep it from ending.
    let mut connection = Connection::open(daemon.url()).await.unwrap();
    connection.send("GET", "/stall", &[], b"").await.unwrap();
    connection.head().await.unwrap();
    daemon.signal(Signal::TERM);
    let status = daemon.wait(LIMIT).await;
    assert!(status.success(), "{status}\n{}", daemon.output());
}

#[tokio::test]
async fn a_bad_script_is_refused() {
    let home = Home::of_program(PROGRAM);
    let script = home.path().join("script.json");
    std::fs::write(&script, r#"{"routes": 1}"#).unwrap();
    let output = home.run(&["--script", script.to_str().unwrap()]).await;
    assert_eq!(output.code(), Some(1));
    assert_eq!(output.stdout, "");
    assert!(output.stderr.contains("expected a sequence"), "{}", output.stderr);
}

#[tokio::test]
async fn a_dropped_daemon_is_killed() {
    let (home, script) = home_with_script();
    let daemon = started(&home, &["--script", &script]).await;
    let mut connection = Connection::open(daemon.url()).await.unwrap();
    connection.send("GET", "/stall", &[], b"").await.unwrap();
    connection.head().await.unwrap();
    connection.chunk().await.unwrap();
    drop(daemon);
    let error = connection.data().await.unwrap_err();
    assert!(error.is_incomplete() || error.is_reset(), "the process is gone, and its connections with it: {error:?}");
}

#[tokio::test]
async fn all_output_is_there_after_the_end() {
    let home = Home::of_program("sh");
    let print = "echo at http://127.0.0.1:1/x; head -c 300000 /dev/zero | tr '\\0' x; echo; echo end";
    let mut daemon = Daemon::start(home.command(&["-c", print]), home.data_dir()).await;
    assert_eq!(daemon.url(), "http://127.0.0.1:1");
    assert!(daemon.wait(LIMIT).await.success());
    let stdout = daemon.stdout();
    assert!(stdout.ends_with("x\nend\n") && stdout.len() > 300_000, "{} bytes", stdout.len());
}

#[tokio::test]
async fn a_daemon_has_a_token_a_pid_and_an_end() {
    let (home, script) = home_with_script();
    let mut daemon = started(&home, &["--script", &script]).await;
    std::fs::create_dir_all(home.data_dir()).unwrap();
    std::fs::write(home.data_dir().join("token"), "secret\n").unwrap();
    assert_eq!(daemon.token(), "secret");
    assert!(daemon.pid() > 1);
    daemon.signal(Signal::KILL);
    let status = daemon.wait(LIMIT).await;
    assert!(!status.success());
    assert_eq!(status.code(), None, "a signal ended it");
}

#[tokio::test]
#[should_panic(expected = "what went wrong")]
async fn a_daemon_that_ends_at_once_shows_what_it_said() {
    let home = Home::of_program("sh");
    let mut command = home.command(&["-c", "echo what went wrong >&2; exit 3"]);
    command.stdin(Stdio::null());
    Daemon::start(command, "nowhere".into()).await;
}

#[tokio::test]
async fn a_home_shows_nothing_of_the_machine() {
    let mut home = Home::of_program("env");
    home.env("EXTRA", "1");
    let output = home.run(&[]).await.succeeded();
    let mut names: Vec<&str> = output.stdout.lines().filter_map(|line| Some(line.split_once('=')?.0)).collect();
    names.retain(|name| *name != "LLVM_PROFILE_FILE");
    names.sort_unstable();
    let want = [
        "EXTRA",
        "HOME",
        "OLLAMA_HOST",
        "PATH",
        "TMPDIR",
        "XDG_CACHE_HOME",
        "XDG_CONFIG_HOME",
        "XDG_DATA_HOME",
        "XDG_RUNTIME_DIR",
    ];
    assert_eq!(names, want);
    let inside = home.path().to_str().unwrap();
    let outside: Vec<&str> = output
        .stdout
        .lines()
        .filter(|line| line.starts_with("XDG") || line.starts_with("HOME"))
        .filter(|line| !line.contains(inside))
        .collect();
    assert_eq!(outside, Vec::<&str>::new());
}

#[tokio::test]
async fn a_home_gives_input_and_takes_output_and_status() {
    let home = Home::of_program("sh");
    let output = home.run_with_input(&["-c", "cat; echo err >&2; exit 4"], "in").await;
    assert_eq!((output.code(), output.stdout.as_str(), output.stderr.as_str()), (Some(4), "in", "err\n"));
    // Neither a program that reads nothing, nor one that prints more than a pipe holds, gets stuck.
    let large = "x".repeat(1 << 20);
    assert_eq!(home.run_with_input(&["-c", "exit 0"], &large).await.code(), Some(0));
    assert_eq!(home.run_with_input(&["-c", "cat"], &large).await.stdout.len(), large.len());
    home.config("a = 1");
    home.config("b = 2");
    let shown = home.run(&["-c", "cat $XDG_CONFIG_HOME/greenroom/*"]).await;
    assert_eq!(shown.stdout, "b = 2");
}
