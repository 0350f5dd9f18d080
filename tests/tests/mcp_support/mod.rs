//! A greenroom that clients of the Model Context Protocol ask, before a scripted provider of each kind that has tools of
//! its own.
#![allow(dead_code, unreachable_pub, reason = "each test program uses its own part")]
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]
#![allow(clippy::print_stderr, reason = "a test that is passed over has to say so")]

pub mod programs;
pub mod spoken;

use std::collections::BTreeMap;
use std::ffi::OsStr;

use greenroom_tests::harness::Home;
use greenroom_tests::{Attempt, Route, Script, ScriptedProvider, When, anthropic, gemini, ollama, openai};
use serde_json::{Value, json};

use crate::http_support::{Greenroom, provider};

/// What is answered to `unicode`.
const UNICODE: [&str; 3] = ["é🌊\u{2028}", "\u{2029}\u{85}", " end"];
const GREETING: [&str; 3] = ["Hello", ", ", "world"];

/// A greenroom and who stands behind it.
pub struct World {
    pub greenroom: Greenroom,
    pub lab: ScriptedProvider,
    _others: Vec<ScriptedProvider>,
}

impl World {
    pub async fn start() -> Self {
        Self::start_in(Home::new()).await
    }

    pub async fn start_in(home: Home) -> Self {
        let (lab, others, config) = behind().await;
        Self { greenroom: Greenroom::start_in(home, &config).await, lab, _others: others }
    }

    /// Where the models are that the programs of clients look at, as `scripted` in `tests/python` reads it.
    pub fn models(&self) -> Value {
        json!({"lab/m1": {"url": self.lab.url(), "path": openai::CHAT}})
    }
}

/// Providers, and the configuration of a greenroom before them. The first is `lab`, and chats.
pub async fn behind() -> (ScriptedProvider, Vec<ScriptedProvider>, String) {
    let greeting = openai::Answer::text(GREETING).usage(10, 5);
    let vectors = Route::new("POST", "/v1/embeddings", [openai::vectors().always()]);
    let refused = openai::error(404, "invalid_request_error", Some("model_not_found"), "no such model");
    let answers: Vec<Attempt> = vec![
        refused.when(When::body_contains("unknown-")).always(),
        openai::Answer::text(["never"]).stall_after(0).stream().when(When::body_contains("stall")).always(),
        openai::Answer::text(["x".repeat(60_000).as_str(); 200]).stream().when(When::body_contains("flood")).always(),
        openai::Answer::text(UNICODE).usage(10, 5).stream().when(When::body_contains("unicode")).always(),
        greeting.stream().always(),
    ];
    let lab =
        ScriptedProvider::start(Script::new([openai::chat(answers), openai::models(["m1", "m2"]), vectors])).await;
    let chatting = || [openai::chat([greeting.stream().always()]), openai::models(["m"])];
    let broken = openai::error(500, "server_error", None, "oops").always();
    let gpt = ScriptedProvider::start(Script::new(chatting())).await;
    let broken = ScriptedProvider::start(Script::new([openai::chat([broken]), openai::models(["m1"])])).await;
    let claude = anthropic::Answer::text(GREETING).stream().always();
    let claude = Script::new([anthropic::messages([claude]), anthropic::models(["m"])]);
    let claude = ScriptedProvider::start(claude).await;
    let said = gemini::Answer::text(GREETING).stream().always();
    let google = ScriptedProvider::start(Script::new([gemini::stream("m", [said]), gemini::models(["m"])])).await;
    let said = ollama::Answer::text(GREETING).stream().always();
    let local = ScriptedProvider::start(Script::new([ollama::chat([said]), ollama::tags(["m"])])).await;
    let listed = json!({"data": [{"id": "m", "object": "model", "capabilities": {"type": "chat"}}]});
    let copilot = Script::new([
        Route::new("POST", "/chat/completions", [greeting.stream().always()]),
        Route::new("GET", "/models", [Attempt::json(200, &listed).always()]),
    ]);
    let copilot = ScriptedProvider::start(copilot).await;
    let section = |name: &str, kind: &str, url: String| {
        format!("[providers.{name}]\nkind = \"{kind}\"\nbase_url = \"{url}\"\nkey = \"{name}-key\"\n")
    };
    let config = [
        "[failover]\nmax_wait = \"0s\"\non_interrupt = \"fail\"\n[models]\ndefault = \"lab/m1\"\n".to_owned(),
        "[models.aliases]\nsmart = \"lab/m1\"\nboth = [\"broken/m1\", \"lab/m1\"]\n".to_owned(),
        provider("lab", &lab),
        provider("broken", &broken),
        section("claude", "anthropic", claude.url()),
        section("gpt", "openai", format!("{}/v1", gpt.url())) + "wire = \"chat\"\n",
        section("google", "gemini", google.url()),
        section("ollama", "ollama", local.url()),
        section("copilot", "copilot", copilot.url()),
    ];
    (lab, vec![broken, claude, gpt, google, local, copilot], config.concat())
}

/// How `greenroom mcp` is started in a home, for a client that does so itself.
pub fn started_by_client(home: &Home) -> Value {
    let command = home.command(&["mcp"]);
    let command = command.as_std();
    let text = |text: &OsStr| text.to_str().unwrap().to_owned();
    let variables = command.get_envs().filter_map(|(name, value)| Some((text(name), text(value?))));
    let environment: BTreeMap<String, String> = variables.collect();
    let arguments: Vec<String> = command.get_args().map(text).collect();
    json!({"command": text(command.get_program()), "args": arguments, "env": environment, "cwd": home.path()})
}
