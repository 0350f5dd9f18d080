//! OpenAI's own Python client speaks the Responses API unchanged, whichever API the provider has. The interpreter that has
//! it (PyPI `openai`) is named by `GREENROOM_PYTHON`; without that variable the test is passed over, and says so.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]
#![allow(clippy::print_stderr, reason = "a test that is passed over has to say so")]

mod http_support;

use std::process::Stdio;
use std::time::Duration;

use greenroom_tests::{Attempt, Script, ScriptedProvider, When, openai, responses};
use http_support::{Greenroom, provider, scripted};
use serde_json::{Value, json};
use tokio::process::Command;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/responses_client.py");
/// A cold interpreter on a busy machine takes its time.
const LIMIT: Duration = Duration::from_secs(180);
/// What splits lines for careless readers, and a character beyond 16 bits.
const UNICODE: [&str; 3] = ["é🌊\u{2028}", "\u{2029}\u{85}", " end"];

/// What a provider answers to requests that hold these words; the first that fits counts.
fn answers<A: Into<Attempt>>(of: impl Fn(&str) -> A) -> Vec<Attempt> {
    let words = [
        "conversation",
        "greet",
        "unicode",
        "call tools",
        "think",
        "add up",
        "picture",
        "too long",
        "break off",
        "stall",
    ];
    words.into_iter().map(|word| of(word).into().when(When::body_contains(word)).always()).collect()
}

fn of_responses(word: &str) -> Attempt {
    use responses::Answer;
    let usage = json!({"input_tokens": 10, "input_tokens_details": {"cached_tokens": 4}, "output_tokens": 5,
        "output_tokens_details": {"reasoning_tokens": 2}, "total_tokens": 15});
    let answer = match word {
        "conversation" => Answer::text(["It rains."]),
        "greet" => Answer::text(["Hello", ", ", "world"]).usage(usage),
        "unicode" => Answer::text(UNICODE),
        "call tools" => Answer::text(["Let me see."]).call("call_a", "weather", ["{\"city\":", "\"Oslo\"}"]).call(
            "call_b",
            "weather",
            ["{\"city\":", "\"Bergen\"}"],
        ),
        "think" => Answer::new().reasoning(["hm, ", "yes"], "hidden").then_text(["Yes."]),
        "add up" => Answer::text(["{\"total\"", ":3}"]),
        "picture" => Answer::text(["A cat."]),
        "too long" => Answer::text(["On and on"]).incomplete("max_output_tokens"),
        "break off" => Answer::text(["Hel", "lo"]).cut_after(1),
        _ => Answer::text(["Hel", "lo"]).stall_after(1),
    };
    answer.stream()
}

fn of_chat(word: &str) -> openai::Answer {
    use openai::Answer;
    let usage = json!({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15,
        "prompt_tokens_details": {"cached_tokens": 4}, "completion_tokens_details": {"reasoning_tokens": 2}});
    match word {
        "conversation" => Answer::text(["It rains."]),
        "greet" => Answer::text(["Hello", ", ", "world"]).usage_details(usage),
        "unicode" => Answer::text(UNICODE),
        "call tools" => Answer::text(["Let me see."]).parallel_tool_calls([
            ("call_a", "weather", vec!["{\"city\":", "\"Oslo\"}"]),
            ("call_b", "weather", vec!["{\"city\":", "\"Bergen\"}"]),
        ]),
        "think" => Answer::new().reasoning(["hm, ", "yes"]).then_text(["Yes."]),
        "add up" => Answer::text(["{\"total\"", ":3}"]),
        "picture" => Answer::text(["A cat."]),
        "too long" => Answer::text(["On and on"]).finish("length"),
        "break off" => Answer::text(["Hel", "lo"]).cut_after(1),
        _ => Answer::text(["Hel", "lo"]).stall_after(1),
    }
}

#[tokio::test]
async fn the_official_client_works_unchanged() {
    let Ok(python) = std::env::var("GREENROOM_PYTHON") else {
        eprintln!("passed over: GREENROOM_PYTHON names no interpreter with the package openai");
        return;
    };
    let script = Script::new([responses::responses(answers(of_responses)), openai::models(["m"])]);
    let gpt = ScriptedProvider::start(script).await;
    let lab = scripted(answers(of_chat)).await;
    let refusing = |status, kind: &str, code, message: &str| openai::error(status, kind, code, message);
    let limited = refusing(429, "rate_limit_error", None, "slow down").header("retry-after", "50");
    let long = refusing(400, "invalid_request_error", Some("context_length_exceeded"), "too long");
    let refusals = [
        ("limited", scripted([limited.always()]).await),
        ("long", scripted([long.always()]).await),
        ("broken", scripted([refusing(500, "server_error", None, "oops").always()]).await),
    ];
    let config = [
        "[failover]\nmax_wait = \"0s\"\non_interrupt = \"fail\"\n".to_owned(),
        provider("gpt", &gpt) + "wire = \"responses\"\n",
        provider("lab", &lab),
        refusals.iter().map(|(name, scripted)| provider(name, scripted)).collect(),
    ];
    let greenroom = Greenroom::start(&config.concat()).await;
    let base = format!("{}/v1", greenroom.api.url);
    for (model, scripted, route) in [("gpt/m", &gpt, responses::RESPONSES), ("lab/m1", &lab, openai::CHAT)] {
        let child = Command::new(&python)
            .arg(SCRIPT)
            .args([base.as_str(), model, &scripted.url(), route])
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
        assert!(output.status.success(), "{model}: {said}\n{complaint}\n{}", greenroom.daemon.output());
    }
    // What was asked arrived in the words of each API.
    let has = |scripted: &ScriptedProvider, pointer: &str, want: Value| {
        let requests = scripted.requests();
        let mut bodies = requests.iter().filter(|request| !request.body.is_empty()).map(|request| request.json());
        assert!(bodies.any(|body| body.pointer(pointer) == Some(&want)), "{pointer}");
    };
    let picture = "data:image/png;base64,iVBORw0KGgo=";
    has(&gpt, "/text/format/type", "json_schema".into());
    has(&gpt, "/input/0/content/1/image_url", picture.into());
    has(&gpt, "/input/4/output", "rain".into());
    has(&lab, "/response_format/type", "json_schema".into());
    has(&lab, "/messages/0/content/1/image_url/url", picture.into());
    has(&lab, "/messages/2/content", "rain".into());
}
