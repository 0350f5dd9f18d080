//! The official Python SDK of the Model Context Protocol works, over HTTP and over standard input and output. The Python
//! that has it (PyPI `mcp`) is named by `GREENROOM_PYTHON`; without that variable the test is passed over, and says so.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]
#![allow(clippy::print_stderr, reason = "a test that is passed over has to say so")]

mod http_support;
mod mcp_support;

use std::process::Stdio;
use std::time::Duration;

use mcp_support::{World, started_by_client};
use serde_json::Value;
use tokio::process::Command;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/mcp_client.py");
/// A cold interpreter on a busy machine takes its time.
const LIMIT: Duration = Duration::from_secs(240);

/// Runs the client, which starts `greenroom mcp` so, to its end.
async fn run(python: &str, world: &World, stdio: &Value) {
    let child = Command::new(python)
        .arg(SCRIPT)
        .args([world.greenroom.api.url.clone(), world.models().to_string(), stdio.to_string()])
        .env("GREENROOM_TOKEN", &world.greenroom.api.token)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let output = tokio::time::timeout(LIMIT, child.wait_with_output()).await.expect("the client ends").unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{complaint}\n{}", world.greenroom.daemon.output());
}

#[tokio::test]
async fn the_official_client_works_beside_a_daemon() {
    let Ok(python) = std::env::var("GREENROOM_PYTHON") else {
        eprintln!("passed over: GREENROOM_PYTHON names no interpreter with the package mcp");
        return;
    };
    let world = World::start().await;
    run(&python, &world, &started_by_client(&world.greenroom.home)).await;
}
