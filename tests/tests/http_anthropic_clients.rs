//! Anthropic's own clients work unchanged, whichever wire the provider speaks. The Python that has PyPI's `anthropic` is
//! named by `GREENROOM_PYTHON`, the folder that has npm's `@anthropic-ai/sdk` in its `node_modules` by
//! `GREENROOM_NODE_CLIENTS` (and the Node to run it with by `GREENROOM_NODE`); without them a test is passed over, and says so.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]
#![allow(clippy::print_stderr, reason = "a test that is passed over has to say so")]

mod anthropic_support;
mod http_support;

use std::env;
use std::ffi::OsString;
use std::process::Stdio;
use std::time::Duration;

use anthropic_support::{asked, claude, claude_called};
use greenroom_tests::{Attempt, ScriptedProvider, When, anthropic, openai};
use http_support::{Greenroom, chats_asked, provider};
use serde_json::{Value, json};
use tokio::process::Command;

const PYTHON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/anthropic_client.py");
const NODE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/node/anthropic.mjs");
/// A cold interpreter on a busy machine takes its time.
const LIMIT: Duration = Duration::from_secs(180);
/// What splits lines for careless readers, and a character beyond 16 bits.
const UNICODE: [&str; 3] = ["é🌊\u{2028}", "\u{2029}\u{85}", " end"];

/// What a provider answers to messages that hold these words; the first that fits counts.
fn answers<A: Into<Attempt>>(of: impl Fn(&str) -> A) -> Vec<Attempt> {
    let words =
        ["conversation", "greet", "unicode", "call tools", "think", "add up", "picture", "large", "break off", "stall"];
    words.into_iter().map(|word| of(word).into().when(When::body_contains(word)).always()).collect()
}

fn of_anthropic(word: &str) -> anthropic::Answer {
    use anthropic::Answer;
    let start = json!({"input_tokens": 6, "cache_read_input_tokens": 4, "output_tokens": 1});
    match word {
        "conversation" => Answer::text(["It rains."]),
        "greet" => {
            Answer::text(["Hello", ", ", "world"]).usage_details(start, json!({"output_tokens": 5})).model("m-2026")
        }
        "unicode" => Answer::text(UNICODE),
        "call tools" => Answer::text(["Let me see."])
            .tool_use("call_a", "weather", ["{\"city\":", "\"Oslo\"}"])
            .tool_use("call_b", "weather", ["{\"city\":", "\"Bergen\"}"]),
        "think" => Answer::new().thinking(["hm, ", "yes"], "sig").then_text(["Yes."]),
        "add up" => Answer::text(["{\"total\"", ":3}"]),
        "picture" => Answer::text(["A cat."]),
        "large" => Answer::text(["Fine."]),
        "break off" => Answer::text(["Hel", "lo"]).cut_after(1),
        _ => Answer::text(["Hel", "lo"]).stall_after(1),
    }
}

fn of_openai(word: &str) -> openai::Answer {
    use openai::Answer;
    let usage = json!({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15,
        "prompt_tokens_details": {"cached_tokens": 4}});
    match word {
        "conversation" => Answer::text(["It rains."]),
        "greet" => Answer::text(["Hello", ", ", "world"]).usage_details(usage).model("m-2026"),
        "unicode" => Answer::text(UNICODE),
        "call tools" => Answer::text(["Let me see."]).parallel_tool_calls([
            ("call_a", "weather", vec!["{\"city\":", "\"Oslo\"}"]),
            ("call_b", "weather", vec!["{\"city\":", "\"Bergen\"}"]),
        ]),
        "think" => Answer::new().reasoning(["hm, ", "yes"]).then_text(["Yes."]),
        "add up" => Answer::text(["{\"total\"", ":3}"]),
        "picture" => Answer::text(["A cat."]),
        "large" => Answer::text(["Fine."]),
        "break off" => Answer::text(["Hel", "lo"]).cut_after(1),
        _ => Answer::text(["Hel", "lo"]).stall_after(1),
    }
}

/// A greenroom between providers of both wires, and some that refuse.
struct World {
    greenroom: Greenroom,
    theirs: ScriptedProvider,
    others: ScriptedProvider,
    _refusing: [ScriptedProvider; 3],
}

impl World {
    async fn start() -> Self {
        let theirs = anthropic_support::scripted(answers(of_anthropic)).await;
        let others = http_support::scripted(answers(of_openai)).await;
        let refusing = |status, kind: &str, message: &str| anthropic::error(status, kind, message);
        let limited = refusing(429, "rate_limit_error", "slow down").header("retry-after", "50");
        let refusing = [
            anthropic_support::scripted([limited.always()]).await,
            anthropic_support::scripted([refusing(529, "overloaded_error", "too busy").always()]).await,
            anthropic_support::scripted([refusing(
                400,
                "invalid_request_error",
                "prompt is too long: 9 tokens > 8 maximum",
            )
            .always()])
            .await,
        ];
        let names = ["limited", "busy", "full"];
        let config = [
            "[failover]\nmax_wait = \"0s\"\non_interrupt = \"fail\"\n[models.aliases]\nsmart = \"claude/m\"\n"
                .to_owned(),
            claude(&theirs),
            provider("lab", &others),
            names.iter().zip(&refusing).map(|(name, lab)| claude_called(name, lab)).collect(),
        ];
        Self { greenroom: Greenroom::start(&config.concat()).await, theirs, others, _refusing: refusing }
    }

    /// Runs a client before each of the providers.
    async fn run(&self, program: OsString, first: &[OsString]) {
        let url = &self.greenroom.api.url;
        let (theirs, others) = (self.theirs.url(), self.others.url());
        for arguments in [[url, "claude/m", &theirs, anthropic::MESSAGES], [url, "lab/m1", &others, openai::CHAT]] {
            let child = Command::new(&program)
                .args(first)
                .args(arguments)
                .env("ANTHROPIC_API_KEY", &self.greenroom.api.token)
                .env_remove("ANTHROPIC_AUTH_TOKEN")
                .env_remove("ANTHROPIC_BASE_URL")
                .env("PYTHONDONTWRITEBYTECODE", "1")
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .kill_on_drop(true)
                .spawn()
                .expect("the client's interpreter starts");
            let output = tokio::time::timeout(LIMIT, child.wait_with_output()).await.expect("the client ends").unwrap();
            let said = String::from_utf8_lossy(&output.stdout);
            let complaint = String::from_utf8_lossy(&output.stderr);
            let daemon = self.greenroom.daemon.output();
            assert!(output.status.success(), "{}: {said}\n{complaint}\n{daemon}", arguments[1]);
        }
        // What was asked arrived in the words of each wire.
        let has = |requests: &[Value], pointer: &str, want: &Value| {
            requests.iter().any(|request| request.pointer(pointer) == Some(want))
        };
        let sent: Vec<Value> = asked(&self.theirs).iter().map(|request| request.json()).collect();
        assert!(has(&sent, "/output_config/format/type", &json!("json_schema")));
        assert!(has(&sent, "/messages/0/content/1/source/data", &json!("iVBORw0KGgo=")));
        assert!(has(&sent, "/messages/1/content/0/signature", &json!("sig")), "signed thinking goes back");
        let sent: Vec<Value> = chats_asked(&self.others).iter().map(|request| request.json()).collect();
        assert!(has(&sent, "/response_format/type", &json!("json_schema")));
        assert!(has(&sent, "/messages/0/content/1/image_url/url", &json!("data:image/png;base64,iVBORw0KGgo=")));
    }
}

#[tokio::test]
async fn the_official_client_for_python_works_unchanged() {
    let Some(python) = env::var_os("GREENROOM_PYTHON") else {
        eprintln!("passed over: GREENROOM_PYTHON names no interpreter with the package anthropic");
        return;
    };
    World::start().await.run(python, &[PYTHON.into()]).await;
}

#[tokio::test]
async fn the_official_client_for_node_works_unchanged() {
    let Some(modules) = env::var_os("GREENROOM_NODE_CLIENTS") else {
        eprintln!("passed over: GREENROOM_NODE_CLIENTS names no folder with the package @anthropic-ai/sdk");
        return;
    };
    let node = env::var_os("GREENROOM_NODE").unwrap_or_else(|| "node".into());
    World::start().await.run(node, &[NODE.into(), modules]).await;
}
