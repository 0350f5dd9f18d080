//! Programs that use a client as its users do, before a greenroom that stands between scripted providers of each wire.
#![allow(dead_code, unreachable_pub, reason = "each test program uses its own part")]
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]
#![allow(clippy::print_stderr, reason = "a test that is passed over has to say so")]

pub mod answers;

use std::env;
use std::ffi::OsString;
use std::process::Stdio;
use std::time::Duration;

use greenroom_tests::{Attempt, Route, Script, ScriptedProvider, When, anthropic, openai, responses};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::anthropic_support::claude;
use crate::http_support::{Greenroom, provider, scripted};
use answers::{answers, of_anthropic, of_chat, of_responses};

/// A cold interpreter on a busy machine takes its time.
const LIMIT: Duration = Duration::from_secs(180);

/// The Python that has the clients, unless there is none.
pub fn python() -> Option<OsString> {
    let python = env::var_os("GREENROOM_PYTHON");
    if python.is_none() {
        eprintln!("passed over: GREENROOM_PYTHON names no interpreter with the clients");
    }
    python
}

/// The folder that has the clients for Node, unless there is none.
pub fn node_modules() -> Option<OsString> {
    let modules = env::var_os("GREENROOM_NODE_CLIENTS");
    if modules.is_none() {
        eprintln!("passed over: GREENROOM_NODE_CLIENTS names no folder with the clients");
    }
    modules
}

/// The Node to run them with.
pub fn node() -> OsString {
    env::var_os("GREENROOM_NODE").unwrap_or_else(|| "node".into())
}

/// Runs a client's program, which is let in, to its end; that has to be a good one.
pub async fn run(program: &OsString, arguments: impl IntoIterator<Item = OsString>, greenroom: &Greenroom) {
    let child = Command::new(program)
        .args(arguments)
        .env("OPENAI_API_KEY", &greenroom.api.token)
        .env("ANTHROPIC_API_KEY", &greenroom.api.token)
        .env_remove("ANTHROPIC_AUTH_TOKEN")
        .env_remove("ANTHROPIC_BASE_URL")
        .env_remove("OPENAI_BASE_URL")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("the client's interpreter starts");
    let output = tokio::time::timeout(LIMIT, child.wait_with_output()).await.expect("the client ends").unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{complaint}\n{}", greenroom.daemon.output());
}

/// A greenroom between a provider of each wire, and one that is over its limit.
pub struct World {
    pub greenroom: Greenroom,
    pub gpt: ScriptedProvider,
    pub claude: ScriptedProvider,
    pub lab: ScriptedProvider,
    _limited: ScriptedProvider,
}

impl World {
    pub async fn start() -> Self {
        let gpt = Script::new([responses::responses(answers(of_responses)), openai::models(["m"])]);
        let theirs =
            Script::new([anthropic::messages(answers(of_anthropic)), anthropic::models(["m"]), anthropic::count(43)]);
        let lab = Script::new([openai::chat(answers(of_chat)), openai::models(["m1"]), embeddings()]);
        let limited = openai::error(429, "rate_limit_error", None, "slow down").header("retry-after", "50").always();
        let gpt = ScriptedProvider::start(gpt).await;
        let theirs = ScriptedProvider::start(theirs).await;
        let lab = ScriptedProvider::start(lab).await;
        let limited = scripted([limited]).await;
        let config = [
            "[failover]\nmax_wait = \"0s\"\non_interrupt = \"fail\"\n[models.aliases]\nsmart = \"lab/m1\"\n".to_owned(),
            provider("gpt", &gpt) + "wire = \"responses\"\n",
            claude(&theirs),
            provider("lab", &lab),
            provider("limited", &limited),
        ];
        let greenroom = Greenroom::start(&config.concat()).await;
        Self { greenroom, gpt, claude: theirs, lab, _limited: limited }
    }

    /// Runs a program to its end, which has to be a good one. It is told the address, and of each model who has it:
    /// `{"gpt/m": {"url", "path"}}`.
    pub async fn run(&self, program: OsString, first: &[OsString]) {
        let place = |scripted: &ScriptedProvider, path: &str| json!({"url": scripted.url(), "path": path});
        let models = json!({
            "lab/m1": place(&self.lab, openai::CHAT),
            "gpt/m": place(&self.gpt, responses::RESPONSES),
            "claude/m": place(&self.claude, anthropic::MESSAGES),
        });
        let told = [self.greenroom.api.url.clone(), models.to_string()].map(OsString::from);
        run(&program, first.iter().cloned().chain(told), &self.greenroom).await;
    }

    /// Whether a provider was sent this at a place of the body of any request.
    pub fn was_sent(scripted: &ScriptedProvider, pointer: &str, want: &Value) -> bool {
        let requests = scripted.requests();
        let mut bodies = requests.iter().filter(|request| !request.body.is_empty()).map(|request| request.json());
        bodies.any(|body| body.pointer(pointer) == Some(want))
    }
}

/// Vectors for one text, and for two where the second is there.
fn embeddings() -> Route {
    let vector = |index: u32| json!({"object": "embedding", "index": index, "embedding": [0.5, -1.25]});
    let of = |vectors: &[Value]| {
        let usage = json!({"prompt_tokens": 3, "total_tokens": 3});
        Attempt::json(200, &json!({"object": "list", "model": "e", "data": vectors, "usage": usage})).always()
    };
    let two = of(&[vector(0), vector(1)]);
    let second = [When::body_contains("second"), When::body_contains("],[")].map(|when| two.clone().when(when));
    Route::new("POST", "/v1/embeddings", second.into_iter().chain([of(&[vector(0)])]))
}
