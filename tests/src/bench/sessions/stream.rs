//! What it costs to keep a token: the same answers, streamed by sessions and without, by one daemon and to one client.

use std::time::Duration;

use greenroom_tests::client::{self, Connection};
use greenroom_tests::harness::Daemon;
use serde_json::json;
use tokio::task::JoinSet;

use super::Outcome;
use crate::answer::Plan;
use crate::process::{Cores, cpu};
use crate::target::{Kind, Target};

/// CPU time of the daemon a token, in seconds.
pub(super) struct PerToken {
    pub(super) kept: f64,
    pub(super) passed: f64,
}

/// How answers are streamed.
struct Load {
    what: &'static str,
    plan: Plan,
    /// At once.
    streams: usize,
}

/// Measures answers without delay and paced ones.
pub(super) async fn measure(quick: bool) -> Outcome<Vec<(&'static str, PerToken)>> {
    let times = if quick { 1 } else { 4 };
    let paced = Plan { tokens: 40 * times, gap: Duration::from_millis(50) };
    let loads = [
        Load { what: "without delay", plan: Plan::fast(2000 * times), streams: 32 },
        Load { what: "20 tokens/s", plan: paced, streams: 100 },
    ];
    let mut measured = Vec::new();
    for load in loads {
        let target = Target::start(Kind::Greenroom, Cores::find()?).await?;
        let daemon = target.measured();
        // The first ones of each kind make connections and touch memory.
        let mut values = [0.0; 2];
        for round in 0..2 {
            for (keeps, value) in [(true, 0), (false, 1)] {
                let before = cpu(daemon.pid());
                run(daemon, &load, keeps, round).await?;
                let used = cpu(daemon.pid()).saturating_sub(before).as_secs_f64();
                values[value] = used / f64::from(load.plan.tokens) / load.streams as f64;
            }
        }
        measured.push((load.what, PerToken { kept: values[0], passed: values[1] }));
        target.stop().await;
    }
    Ok(measured)
}

async fn run(daemon: &Daemon, load: &Load, keeps: bool, round: usize) -> Outcome<()> {
    let mut streams = JoinSet::new();
    for stream in 0..load.streams {
        let (url, token, plan) = (daemon.url().to_owned(), daemon.token(), load.plan);
        streams.spawn(async move {
            let text = match keeps {
                true => kept(&url, &token, plan, &format!("s{round}-{stream}")).await,
                false => passed(&url, &token, plan).await,
            };
            text.map(|text| text == plan.text())
        });
    }
    while let Some(done) = streams.join_next().await {
        if !done.expect("nothing panics here")? {
            return Err("an answer is not what the provider said".into());
        }
    }
    Ok(())
}

async fn kept(url: &str, token: &str, plan: Plan, session: &str) -> Result<String, client::ClientError> {
    let new = json!({"id": session, "model": "mock/mock"});
    client::post_json(url, "/api/sessions", Some(token), &new).await?;
    let messages = format!("/api/sessions/{session}/messages");
    client::post_json(url, &messages, Some(token), &json!({"text": plan.prompt()})).await?;
    let mut connection = Connection::open(url).await?;
    let authorization = format!("Bearer {token}");
    let path = format!("/api/sessions/{session}/events");
    connection.send("GET", &path, &[("authorization", &authorization)], b"").await?;
    connection.head().await?;
    let mut text = String::new();
    while let Some(event) = connection.event().await? {
        match event.event.as_deref() {
            Some("text") => text.push_str(event.json()["delta"].as_str().unwrap_or_default()),
            Some("turn.finished" | "turn.failed") => break,
            _ => {}
        }
    }
    Ok(text)
}

async fn passed(url: &str, token: &str, plan: Plan) -> Result<String, client::ClientError> {
    let mut connection = Connection::open(url).await?;
    let body = json!({
        "model": "mock/mock", "stream": true, "messages": [{"role": "user", "content": plan.prompt()}],
    });
    connection.post_json("/v1/chat/completions", Some(token), &body).await?;
    connection.head().await?;
    let mut text = String::new();
    while let Some(event) = connection.event().await? {
        text.push_str(event.json()["choices"][0]["delta"]["content"].as_str().unwrap_or_default());
    }
    Ok(text)
}
