//! OpenAI's own Python client speaks the Responses API unchanged, whichever API the provider has. The interpreter that has
//! it (PyPI `openai`) is named by `GREENROOM_PYTHON`; without that variable the test is passed over, and says so.

mod anthropic_support;
mod http_support;
mod sdk_support;

use std::ffi::OsString;

use greenroom_tests::{Script, ScriptedProvider, openai, responses};
use http_support::{Greenroom, provider, scripted};
use sdk_support::answers::{answers, of_chat, of_responses};
use sdk_support::{World, python, run};
use serde_json::json;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/responses_client.py");

#[tokio::test]
async fn the_official_client_works_unchanged() {
    let Some(python) = python() else { return };
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
        run(&python, [SCRIPT, &base, model, &scripted.url(), route].map(OsString::from), &greenroom).await;
    }
    // What was asked arrived in the words of each API.
    let has = |scripted, pointer: &str, want| assert!(World::was_sent(scripted, pointer, &want), "{pointer}");
    let picture = "data:image/png;base64,iVBORw0KGgo=";
    has(&gpt, "/text/format/type", json!("json_schema"));
    has(&gpt, "/input/0/content/1/image_url", json!(picture));
    has(&gpt, "/input/4/output", json!("rain"));
    has(&lab, "/response_format/type", json!("json_schema"));
    has(&lab, "/messages/0/content/1/image_url/url", json!(picture));
    has(&lab, "/messages/2/content", json!("rain"));
}
