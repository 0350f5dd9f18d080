//! OpenAI's own Python client works unchanged. The interpreter that has it (PyPI `openai`) is named by
//! `GREENROOM_PYTHON`; without that variable the test is passed over, and says so.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]
#![allow(clippy::print_stderr, reason = "a test that is passed over has to say so")]

mod http_support;

use std::process::Stdio;
use std::time::Duration;

use greenroom_tests::openai::{self, Answer};
use greenroom_tests::{Attempt, Route, Script, ScriptedProvider, When};
use http_support::{CHAT, Greenroom, chats_asked, provider, scripted};
use serde_json::json;
use tokio::process::Command;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/openai_client.py");
/// A cold interpreter on a busy machine takes its time.
const LIMIT: Duration = Duration::from_secs(180);
/// Within this the provider sees that a client has left, at least once in each three times.
const PROMPT_MS: u64 = 100;

/// What the provider answers to messages that hold these words.
fn answers() -> Vec<Attempt> {
    // One after the other, as OpenAI sends them: the client's helper for streams takes a call that another one has
    // interrupted to be over.
    let calls = Answer::new().tool_call("call_a", "weather", ["{\"city\":", "\"Oslo\"}"]).tool_call(
        "call_b",
        "weather",
        ["{\"city\":", "\"Bergen\"}"],
    );
    let answers = [
        ("greet", Answer::text(["Hello", ", ", "world"]).model("m1-2026")),
        ("conversation", Answer::text(["It rains."])),
        ("call tools", calls),
        ("count", Answer::text(["{\"total\"", ":3}"])),
        ("unicode", Answer::text(["é🌊\u{2028}", "\u{2029}\u{85}", " end"])),
        ("large", Answer::text(["Fine."])),
        ("refuse", Answer::new().refusal(["I ", "won't."])),
        ("picture", Answer::text(["A cat."])),
        ("break off", Answer::text(["Hel", "lo"]).cut_after(1)),
        ("stall", Answer::text(["Hel", "lo"]).stall_after(1)),
    ];
    let attempt = |(words, answer): (&str, Answer)| answer.stream().when(When::body_contains(words)).always();
    answers.into_iter().map(attempt).collect()
}

#[tokio::test]
async fn the_official_client_works_unchanged() {
    let Ok(python) = std::env::var("GREENROOM_PYTHON") else {
        eprintln!("passed over: GREENROOM_PYTHON names no interpreter with the package openai");
        return;
    };
    let made = json!({"data": [{"index": 0, "embedding": [0.5, -1.25]}], "usage": {"prompt_tokens": 3}});
    let embeddings = Route::new("POST", "/v1/embeddings", [Attempt::json(200, &made).always()]);
    let script = Script::new([openai::chat(answers()), openai::models(["m1", "m2"]), embeddings]);
    let lab = ScriptedProvider::start(script).await;
    let limited =
        scripted([openai::error(429, "rate_limit_error", None, "slow down").header("retry-after", "50").always()])
            .await;
    let long = openai::error(400, "invalid_request_error", Some("context_length_exceeded"), "too long").always();
    let long = scripted([long]).await;
    let broken = scripted([openai::error(500, "server_error", None, "oops").always()]).await;
    let config = [
        "[failover]\nmax_wait = \"0s\"\n[models.aliases]\nsmart = \"lab/m1\"\n".to_owned(),
        provider("lab", &lab),
        provider("limited", &limited),
        provider("long", &long),
        provider("broken", &broken),
    ];
    let greenroom = Greenroom::start(&config.concat()).await;

    let child = Command::new(python)
        .arg(SCRIPT)
        .args([format!("{}/v1", greenroom.api.url), lab.url()])
        .env("OPENAI_API_KEY", &greenroom.api.token)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let output = tokio::time::timeout(LIMIT, child.wait_with_output()).await.expect("the client ends").unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{complaint}\n{}", greenroom.daemon.output());

    let left: Vec<u64> = said.lines().filter_map(|line| line.strip_prefix("left ")?.parse().ok()).collect();
    let chats = lab.stats().route(CHAT);
    let noticed: Vec<u64> = chats.cancels.iter().map(|cancel| cancel.at_unix_ms).collect();
    assert_eq!((left.len(), noticed.len()), (6, 6), "{said}");
    let took: Vec<u64> = noticed.iter().zip(&left).map(|(noticed, left)| noticed.saturating_sub(*left)).collect();
    for of in took.chunks(3) {
        assert!(of.iter().min().is_some_and(|best| *best <= PROMPT_MS), "milliseconds: {took:?}");
    }
    let schemas =
        chats_asked(&lab).iter().filter(|chat| chat.json()["response_format"]["type"] == "json_schema").count();
    assert_eq!(schemas, 2, "the schema arrives at the provider");
    let picture = chats_asked(&lab).iter().any(|chat| {
        chat.json()["messages"][0]["content"][1]["image_url"]["url"] == "data:image/png;base64,iVBORw0KGgo="
    });
    assert!(picture, "the picture arrives at the provider");
}
