//! The suite for real providers: run at those that `GREENROOM_LIVE` asks for, and proven on a scripted one.
#![allow(clippy::print_stdout, reason = "what was asked and passed over is what it is run for")]

use std::collections::BTreeMap;

use greenroom_tests::{
    Attempt, Route, Script, ScriptedProvider,
    live::{Check, Report, run},
    openai::{self, Answer, CHAT, chat, models},
};
use serde_json::{Value, json};

#[tokio::test]
async fn real_providers_do_what_they_should() {
    if std::env::var_os("GREENROOM_LIVE").is_none() {
        println!("passed over: GREENROOM_LIVE is not set (see `just live`)");
        return;
    }
    let reports = run(&std::env::vars().collect()).await;
    reports.iter().for_each(|report| println!("{report}"));
    assert!(reports.iter().all(Report::is_good), "something failed");
}

/// Answers as a good model would, or one that has no idea of tools.
fn answered(body: &[u8], knows_tools: bool) -> Attempt {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let asked = body["messages"].to_string();
    let has_result = asked.contains("tool_call_id");
    let answer = if body["model"] == "no-such-model-4711" {
        return openai::error(404, "invalid_request_error", Some("model_not_found"), "no such model");
    } else if body["tools"].is_array() && !has_result && knows_tools {
        Answer::new().tool_call("call_1", "temperature", ["{\"city\":\"Lima\"}"])
    } else if has_result {
        Answer::text(["It is 17 degrees."])
    } else if body["response_format"].is_object() {
        Answer::text(["{\"name\": \"spider\", \"legs\": 8}"])
    } else if asked.contains("Count") {
        Answer::text(["One, two, three,", " four, five"])
    } else {
        Answer::text(["Ready"])
    };
    if body["stream"] == true { answer.into() } else { answer.whole() }
}

async fn reports(knows_tools: bool) -> Vec<Report> {
    let vector: Vec<f32> = vec![0.25; 16];
    let made = json!({"data": [{"index": 0, "embedding": vector}], "model": "text-embedding-3-small"});
    let embeddings = Route::new("POST", "/v1/embeddings", [Attempt::json(200, &made).always()]);
    let listed = models(["gpt-5-mini", "text-embedding-3-small"]);
    let script = Script::new([listed, chat([Answer::text(["-"]).whole().always()]), embeddings]);
    let provider = ScriptedProvider::start_answering(script, move |path, body| {
        (path == CHAT).then(|| answered(body, knows_tools))
    })
    .await;
    let environment = [("OPENAI_BASE_URL", format!("{}/v1", provider.url())), ("OPENAI_API_KEY", "sk-1".to_owned())];
    let environment: BTreeMap<String, String> =
        environment.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    run(&environment).await
}

#[tokio::test]
async fn a_provider_that_does_all_passes_and_the_others_are_passed_over_by_name() {
    let reports = reports(true).await;
    let openai = reports.iter().find(|report| report.provider == "openai").expect("it is known");
    assert!(openai.checks.len() >= 8 && openai.is_good(), "{openai}");
    assert!(openai.checks.iter().all(|(_, check)| matches!(check, Check::Worked)), "{openai}");
    for report in reports.iter().filter(|report| report.provider != "openai") {
        let why = report.passed_over.as_ref().expect("nothing leads there");
        assert!(why.contains(" is not set"), "{report}");
    }
    assert!(reports.iter().any(|report| report.to_string().contains("ANTHROPIC_API_KEY is not set")));
}

#[tokio::test]
async fn a_provider_that_does_not_is_told_with_what_it_answered() {
    let reports = reports(false).await;
    let openai = reports.iter().find(|report| report.provider == "openai").expect("it is known");
    assert!(!openai.is_good());
    assert!(openai.to_string().contains("tools FAILED") && openai.to_string().contains("Ready"), "{openai}");
}
