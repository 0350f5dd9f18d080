//! Plays a model provider from a script, or from recordings, until it is told to stop.

use std::error::Error;
use std::io::{Write as _, stdout};
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Parser;
use greenroom_tests::replay::replay;
use greenroom_tests::{Script, ScriptedProvider};
use tokio::signal::unix::{SignalKind, signal};

/// A model provider that does what a script says. Its first line of output is its address.
#[derive(Parser)]
struct Arguments {
    /// The script, a JSON file.
    #[arg(long)]
    script: Option<PathBuf>,
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// A recording to play at its path, after the routes of the script; may be given several times.
    #[arg(long)]
    replay: Vec<PathBuf>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let mut script = match &arguments.script {
        Some(path) => serde_json::from_slice(&std::fs::read(path)?)?,
        None => Script::default(),
    };
    for path in &arguments.replay {
        script.routes.push(replay(path)?.route());
    }
    // Before the address is printed: who reads it may send the signal at once.
    let mut terminate = signal(SignalKind::terminate())?;
    let provider = ScriptedProvider::start_on(arguments.listen, script).await?;
    writeln!(stdout(), "{}", provider.url())?;
    stdout().flush()?;
    tokio::select! {
        _ = terminate.recv() => {}
        interrupted = tokio::signal::ctrl_c() => interrupted?,
    }
    provider.stop().await;
    Ok(())
}
