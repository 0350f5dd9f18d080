//! OpenRouter behind the built program: recorded answers played back, and what is asked.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

mod chat_support;
mod http_support;

use std::env;
use std::io::Write as _;

use chat_support::{recorded, replay_all, replay_responses};
use greenroom_tests::harness::Home;
use greenroom_tests::replay::{Pieces, replay_in};
use greenroom_tests::{Attempt, Route, Script, ScriptedProvider, openai};
use http_support::{Greenroom, ask, ask_streamed, chats_asked, text, with};
use serde_json::{Value, json};

const CHAT: &str = "/v1/chat/completions";

fn config(lab: &ScriptedProvider, more: &str) -> String {
    format!(
        "[providers.openrouter]\nbase_url = \"{}/v1\"\nkey = \"router-key\"\nheaders = {{ X-Title = \"my program\" }}\n{more}",
        lab.url()
    )
}

#[tokio::test]
async fn recorded_answers_come_through_the_program() {
    // Written past the harness, which shows nothing of a test that passes.
    let say = |line: String| writeln!(std::io::stdout(), "{line}").unwrap();
    let Some(folder) = env::var_os("GREENROOM_RECORDINGS") else {
        return say("wire_openrouter: passed over, since GREENROOM_RECORDINGS is not set".into());
    };
    let lab = http_support::scripted([openai::Answer::new()]).await;
    let greenroom = Greenroom::start(&config(&lab, http_support::ENDS_WHERE_CUT)).await;
    let played = replay_all(&greenroom, &lab, ("openrouter", CHAT), &["openrouter-chat"]).await;
    for request in chats_asked(&lab) {
        assert_eq!((request.bearer(), request.header("x-title")), (Some("router-key"), Some("my program")));
    }
    // What a client of ours asks with what is OpenRouter's own arrives there as it was asked.
    let mut asked = 0;
    for (path, json) in recorded(folder.as_ref(), &["openrouter-chat"]) {
        // A refusal leaves its profile alone for a while.
        let (Value::Object(mut body), true) = (json["request"]["body"].clone(), json["response"]["status"] == 200)
        else {
            continue;
        };
        lab.set_script(openai::chat([replay_in(&path, Pieces::Whole).unwrap().attempt.always()]));
        body.insert("model".into(), format!("openrouter/asked-{asked}").into());
        let _answered = greenroom.api.chat(&Value::Object(body.clone())).await;
        let sent = chats_asked(&lab).last().unwrap().json();
        assert_eq!(sent["model"], format!("asked-{asked}"), "{}", path.display());
        for own in ["provider", "reasoning", "plugins", "transforms", "tools", "response_format", "web_search_options"]
        {
            // The older word for it is said in OpenRouter's own.
            let is_said_so = own == "reasoning" && body.contains_key("reasoning_effort");
            assert!(is_said_so || sent.get(own) == body.get(own), "{own} of {}: {sent}", path.display());
        }
        asked += 1;
    }
    drop(greenroom);
    let greenroom = Greenroom::start(&config(&lab, "wire = \"responses\"\n")).await;
    let spoken = replay_responses(&greenroom, &lab, ("openrouter", "/v1/responses"), &["openrouter-responses"]).await;
    assert!(played > 0 && asked > 0 && spoken > 0, "no recording was found");
    say(format!("wire_openrouter: {played} answers played, {asked} requests asked"));
}

#[tokio::test]
async fn reasoning_goes_back_in_its_order_and_the_cost_is_booked() {
    let detail = |json: Value| json!({"id": "g", "model": "a/b", "choices": [{"index": 0, "delta": {"content": "", "reasoning_details": [json]}, "finish_reason": null}]});
    let call = json!({"id": "g", "model": "a/b", "choices": [{"index": 0, "finish_reason": "tool_calls", "delta": {"tool_calls": [
        {"index": 0, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]}}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11, "cost": 0.001_25}});
    let chunks = [
        detail(json!({"type": "reasoning.text", "text": "I ", "index": 0, "format": "anthropic-claude-v1"})),
        detail(json!({"type": "reasoning.text", "text": "think", "index": 0, "format": "anthropic-claude-v1"})),
        detail(json!({"type": "reasoning.text", "signature": "sig", "index": 0, "format": "anthropic-claude-v1"})),
        detail(
            json!({"type": "reasoning.encrypted", "data": "xx", "id": "rs_1", "index": 1, "format": "openai-responses-v1"}),
        ),
        call,
    ];
    let lines: String = chunks.iter().map(|chunk| format!(": OPENROUTER PROCESSING\n\ndata: {chunk}\n\n")).collect();
    let stream =
        Attempt::new().status(200).header("content-type", "text/event-stream").body(lines + "data: [DONE]\n\n");
    let lab = http_support::scripted([stream, openai::Answer::text(["done"]).into()]).await;
    let greenroom = Greenroom::start(&config(&lab, "routing = { provider = { order = [\"x\"] } }\n")).await;
    let tool = json!([{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]);
    let body = greenroom.api.chat(&with(ask("openrouter/a/b"), json!({"tools": tool}))).await.json();
    let message = body["choices"][0]["message"].clone();
    let details = json!([
        {"type": "reasoning.text", "text": "I think", "index": 0, "format": "anthropic-claude-v1", "signature": "sig"},
        {"type": "reasoning.encrypted", "data": "xx", "id": "rs_1", "index": 1, "format": "openai-responses-v1"},
    ]);
    assert_eq!(message["reasoning_details"], details, "{body}");
    let next =
        json!([{"role": "user", "content": "hi"}, message, {"role": "tool", "tool_call_id": "call_1", "content": "1"}]);
    let answered =
        greenroom.api.events(&with(ask_streamed("openrouter/a/b"), json!({"messages": next, "tools": tool}))).await;
    assert_eq!(text(&answered), "done");
    let sent = chats_asked(&lab).last().unwrap().json();
    assert_eq!(sent["messages"][1]["reasoning_details"], details);
    assert!(sent["messages"][1].get("reasoning").is_none(), "what the details say is not said again: {sent}");
    assert_eq!(sent["provider"], json!({"order": ["x"]}));
    let usage = greenroom.home.run(&["usage", "--json"]).await.succeeded().stdout;
    let usage: Value = serde_json::from_str(&usage).unwrap();
    let row = usage.to_string();
    assert!(row.contains("0.00125"), "the price is unknown, and the cost was told: {row}");
}

#[tokio::test]
async fn models_are_listed_with_what_they_can_and_texts_become_vectors() {
    let list = json!({"data": [{"id": "a/b", "name": "A: B", "context_length": 9000, "supported_parameters": ["tools"],
        "architecture": {"input_modalities": ["text", "image"], "output_modalities": ["text"]},
        "pricing": {"prompt": "0.000003", "completion": "0.000015"}, "top_provider": {"max_completion_tokens": 700}}]});
    let vectors = json!({"object": "list", "data": [{"index": 0, "embedding": [0.5, 1.25]}], "model": "e", "usage": {"prompt_tokens": 3}});
    let script = Script::new([
        Route::new("GET", "/v1/models", [Attempt::json(200, &list).always()]),
        Route::new("POST", "/v1/embeddings", [Attempt::json(200, &vectors).always()]),
    ]);
    let lab = ScriptedProvider::start(script).await;
    let home = Home::new();
    home.config(&config(&lab, ""));
    let models: Value = serde_json::from_str(&home.run(&["models", "--json"]).await.succeeded().stdout).unwrap();
    assert_eq!((&models["id"], &models["context"], &models["max_output"]), (&json!("a/b"), &json!(9000), &json!(700)));
    assert_eq!((&models["modalities"], &models["tools"]), (&json!(["image"]), &json!(true)));
    assert_eq!((&models["cost"]["input"], &models["cost"]["output"]), (&json!(3.0), &json!(15.0)));
    let made = home.run(&["embed", "hi", "-m", "openrouter/e"]).await.succeeded();
    assert_eq!(made.stdout, "[0.5,1.25]\n");
    assert_eq!(lab.requests().last().unwrap().bearer(), Some("router-key"));
}
