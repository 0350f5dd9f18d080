//! What others see of a process that has keys: its arguments, its environment, and what is left of it when it is broken off.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]
#![allow(clippy::print_stderr, reason = "a test that is passed over has to say so")]

mod cli_support;
mod key_support;
mod secrets_support;

use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::Stdio;

use cli_support::{LIMIT, run_well};
use greenroom_tests::harness::{Daemon, Home, Signal};
use greenroom_tests::openai::MODELS;
use greenroom_tests::{Attempt, Step};
use key_support::{ONE, home_of, listing, taking, waiting};
use rustix::process::{Pid, kill_process};
use secrets_support::Heard;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

const PASSPHRASE: &str = "a phrase of 0815 words that nobody says";

/// All that the system tells of a process to those whom it tells anything.
fn told_of(pid: u32) -> Heard {
    let mut heard = Heard::default();
    for name in ["cmdline", "environ", "comm", "status", "maps"] {
        // Of whom it tells nothing, there is nothing to be looked through.
        heard.add(fs::read(format!("/proc/{pid}/{name}")).unwrap_or_default());
    }
    assert!(heard.has(b"greenroom"), "of this process");
    heard
}

/// The same program, which the system would let leave a core.
fn with_cores(command: &Command) -> Command {
    let command = command.as_std();
    let mut shell = Command::new("sh");
    shell.arg("-c").arg("ulimit -c unlimited 2>/dev/null || ulimit -c \"$(ulimit -H -c)\"; exec \"$@\"").arg("sh");
    shell.arg(command.get_program()).args(command.get_args()).env_clear().kill_on_drop(true);
    shell.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    if let Some(dir) = command.get_current_dir() {
        shell.current_dir(dir);
    }
    shell
}

/// Whether a program that does not mind leaves a core here.
async fn leaves_cores(dir: &Path) -> bool {
    let mut plain = Command::new("sh");
    plain.args(["-c", "kill -ABRT $$"]).current_dir(dir).stderr(Stdio::null());
    with_cores(&plain).stderr(Stdio::null()).status().await.unwrap().core_dumped()
}

#[tokio::test]
async fn neither_arguments_nor_environment_have_a_key() {
    let lab = taking(&[ONE]).await;
    let home = Home::new();
    home.config(&(waiting("lab", &lab.url()) + "[credentials]\npassphrase = \"file:passphrase\"\n"));
    fs::write(home.config_path().with_file_name("passphrase"), PASSPHRASE).unwrap();
    let daemon = home.serve(&[]).await;
    run_well(&home, &["auth", "add", "lab"], ONE).await;
    run_well(&home, &["chat", "-m", "lab/m1", "hi"], "").await;
    let told = told_of(daemon.pid());
    for secret in [ONE, PASSPHRASE] {
        assert_eq!(told.leak(secret), None);
    }

    let slow = listing(Attempt::new().step(Step::Stall)).await;
    let home = home_of(&slow);
    let mut command = home.command(&["auth", "add", "lab"]);
    let mut adding = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let mut stdin = adding.stdin.take().unwrap();
    stdin.write_all(ONE.as_bytes()).await.unwrap();
    drop(stdin);
    slow.wait_for(|stats| stats.route(MODELS).requests == 1, LIMIT).await.unwrap();
    assert_eq!(told_of(adding.id().unwrap()).leak(ONE), None);
    adding.kill().await.unwrap();
}

#[tokio::test]
async fn no_core_is_left_of_a_process_that_has_a_key() {
    let slow = listing(Attempt::new().step(Step::Stall)).await;
    let home = home_of(&slow);
    if !leaves_cores(home.path()).await {
        eprintln!("passed over: nothing leaves a core on this system");
        return;
    }
    run_well(&home, &["auth", "add", "lab", "--no-verify"], ONE).await;
    let mut serving = home.command(&["serve"]);
    serving.env("GREENROOM__SERVER__LISTEN", "127.0.0.1:0");
    let mut daemon = Daemon::start(with_cores(&serving), home.data_dir()).await;
    daemon.signal(Signal::ABORT);
    let ended = daemon.wait(LIMIT).await;
    assert!(ended.signal() == Some(6) && !ended.core_dumped(), "{ended}");

    let mut command = with_cores(&home.command(&["auth", "add", "lab"]));
    let mut adding = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let mut stdin = adding.stdin.take().unwrap();
    stdin.write_all(ONE.as_bytes()).await.unwrap();
    drop(stdin);
    slow.wait_for(|stats| stats.route(MODELS).requests == 1, LIMIT).await.unwrap();
    kill_process(Pid::from_raw(adding.id().unwrap().cast_signed()).unwrap(), Signal::ABORT).unwrap();
    let ended = tokio::time::timeout(LIMIT, adding.wait()).await.unwrap().unwrap();
    assert!(ended.signal() == Some(6) && !ended.core_dumped(), "{ended}");
}
