//! llama.cpp's server behind the built program: recorded answers played back, and what is asked.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

mod chat_support;
mod http_support;

use std::env;
use std::io::Write as _;

use chat_support::replay_all;
use greenroom_tests::harness::Home;
use greenroom_tests::replay::{Pieces, replay_in};
use greenroom_tests::{Attempt, Route, Script, ScriptedProvider, openai};
use http_support::{Greenroom, ask, chats_asked};
use serde_json::{Value, json};

const CHAT: &str = "/v1/chat/completions";

fn config(lab: &ScriptedProvider, more: &str) -> String {
    format!("[providers.home]\nkind = \"llamacpp\"\nbase_url = \"{}\"\n{more}", lab.url())
}

#[tokio::test]
async fn recorded_answers_come_through_the_program() {
    // Written past the harness, which shows nothing of a test that passes.
    let say = |line: String| writeln!(std::io::stdout(), "{line}").unwrap();
    let Some(folder) = env::var_os("GREENROOM_RECORDINGS") else {
        return say("wire_llamacpp: passed over, since GREENROOM_RECORDINGS is not set".into());
    };
    let lab = http_support::scripted([openai::Answer::new()]).await;
    let greenroom = Greenroom::start(&config(&lab, http_support::ENDS_WHERE_CUT)).await;
    let played = replay_all(&greenroom, &lab, ("home", CHAT), &["llamacpp-chat"]).await;
    assert!(played > 0, "no recording was found");
    assert!(chats_asked(&lab).iter().all(|request| request.bearer().is_none()), "no key was given");
    drop(greenroom);

    // What a server tells of itself is in the list of models.
    let props = std::path::Path::new(&folder).join("llamacpp-misc/props-unary__rig.json");
    let props = replay_in(&props, Pieces::Whole).unwrap().attempt;
    let listed = json!({"data": [{"id": "/m.gguf", "meta": {"n_ctx_train": 40_960}}]});
    let script = Script::new([
        Route::new("GET", "/v1/models", [Attempt::json(200, &listed).always()]),
        Route::new("GET", "/props", [props.always()]),
    ]);
    let lab = ScriptedProvider::start(script).await;
    let home = Home::new();
    home.config(&config(&lab, ""));
    let models = home.run(&["models", "--json"]).await.succeeded().stdout;
    let model: Value = serde_json::from_str(&models).unwrap();
    assert_eq!((&model["id"], &model["context"], &model["tools"]), (&json!("/m.gguf"), &json!(4096), &json!(true)));
    say(format!("wire_llamacpp: {played} answers played"));
}

#[tokio::test]
async fn a_server_that_still_loads_is_waited_for() {
    let loading = openai::error(503, "unavailable_error", None, "Loading model");
    let lab = http_support::scripted([loading, openai::Answer::text(["hi"]).into()]).await;
    let greenroom = Greenroom::start(&config(&lab, "key = \"llama-key\"\n")).await;
    let answered = greenroom.api.chat(&ask("home/m1")).await;
    assert_eq!(answered.json()["choices"][0]["message"]["content"], "hi", "{}", answered.text());
    let asked = chats_asked(&lab);
    assert_eq!((asked.len(), asked[1].bearer()), (2, Some("llama-key")));
}

#[tokio::test]
async fn a_prompt_is_counted_by_the_server_and_its_template() {
    let prompt = json!({"prompt": "<|im_start|>user\nhi<|im_end|>"});
    let script = Script::new([
        Route::new("POST", "/apply-template", [Attempt::json(200, &prompt).always()]),
        Route::new("POST", "/tokenize", [Attempt::json(200, &json!({"tokens": [1, 2, 3, 4, 5]})).always()]),
    ]);
    let lab = ScriptedProvider::start(script).await;
    let home = Home::new();
    home.config(&config(&lab, ""));
    let counted = home.run(&["tokens", "hi", "-m", "home/m", "--json"]).await.succeeded();
    let counted: Value = serde_json::from_str(&counted.stdout).unwrap();
    assert_eq!(counted, json!({"model": "home/m", "tokens": 5, "exact": true, "error": null}));
    assert_eq!(lab.requests().last().unwrap().json()["content"], prompt["prompt"]);
}

#[tokio::test]
async fn a_text_becomes_a_vector_or_the_reason_is_told() {
    let vectors = json!({"data": [{"index": 0, "embedding": [0.5]}], "model": "e", "usage": {"prompt_tokens": 3}});
    let refusal = json!({"error": {"code": 501, "type": "not_supported_error",
        "message": "This server does not support embeddings. Start it with `--embeddings`"}});
    let attempts = [Attempt::json(200, &vectors), Attempt::json(501, &refusal).always()];
    let lab = ScriptedProvider::start(Script::new([Route::new("POST", "/v1/embeddings", attempts)])).await;
    let home = Home::new();
    home.config(&config(&lab, ""));
    let made = home.run(&["embed", "hi", "-m", "home/e", "--json"]).await.succeeded();
    let made: Value = serde_json::from_str(&made.stdout).unwrap();
    assert_eq!(made, json!({"model": "home/e", "embedding": [0.5], "tokens": 3}));
    let refused = home.run(&["embed", "hi", "-m", "home/e"]).await;
    assert!(refused.code() == Some(1) && refused.stderr.contains("--embeddings"), "{}", refused.stderr);
}
