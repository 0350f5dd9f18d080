//! Ollama behind the built program: recorded streams played back, discovery, vectors and pulls.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

mod http_support;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{env, fs};

use greenroom_tests::client::Event;
use greenroom_tests::harness::Home;
use greenroom_tests::ollama::{self, Answer};
use greenroom_tests::replay::{Pieces, replay_in};
use greenroom_tests::{Attempt, Script, ScriptedProvider};
use http_support::{Greenroom, ask, ask_streamed, is_done, last_error, text, with};
use serde_json::{Value, json};

fn config(scripted: &ScriptedProvider) -> String {
    format!("[providers.home]\nkind = \"ollama\"\nbase_url = \"{}\"\n", scripted.url())
}

async fn scripted(attempts: impl IntoIterator<Item = impl Into<Attempt>>) -> ScriptedProvider {
    ScriptedProvider::start(Script::new([ollama::chat(attempts), ollama::tags(["m1", "m2"])])).await
}

/// The calls of a stream, put together: name and arguments.
fn calls(events: &[Event]) -> Vec<(String, Value)> {
    let mut calls: Vec<(String, String)> = Vec::new();
    for event in events.iter().filter(|event| event.text() != "[DONE]") {
        for call in event.json()["choices"][0]["delta"]["tool_calls"].as_array().into_iter().flatten() {
            let index = usize::try_from(call["index"].as_u64().unwrap()).unwrap();
            calls.resize(calls.len().max(index + 1), Default::default());
            calls[index].0 += call["function"]["name"].as_str().unwrap_or_default();
            calls[index].1 += call["function"]["arguments"].as_str().unwrap_or_default();
        }
    }
    calls.into_iter().map(|(name, arguments)| (name, serde_json::from_str(&arguments).unwrap())).collect()
}

/// The reason for which a stream of ours ended.
fn reason(events: &[Event]) -> Value {
    let reasons = events
        .iter()
        .filter(|event| event.text() != "[DONE]")
        .map(|event| event.json()["choices"][0]["finish_reason"].clone());
    reasons.fold(Value::Null, |last, reason| if reason.is_string() { reason } else { last })
}

/// The chat streams among the recordings.
fn recorded(folder: &Path) -> Vec<PathBuf> {
    let all = fs::read_dir(folder.join("ollama-native")).unwrap().map(|entry| entry.unwrap().path());
    let is_stream = |path: &PathBuf| {
        let json: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        let kind = json["response"]["headers"]["content-type"].as_str().unwrap_or_default().to_owned();
        let is_chat = path.file_name().unwrap().to_string_lossy().starts_with("chat-");
        is_chat && kind.contains("ndjson") && json["response"]["status"] == 200
    };
    all.filter(is_stream).collect()
}

/// What a recorded body says, line by line.
#[derive(Debug, Default, PartialEq)]
struct Reading {
    text: String,
    thinking: String,
    calls: Vec<(String, Value)>,
    reason: Value,
    failed: bool,
}

fn read(path: &Path) -> Reading {
    let json: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let mut reading = Reading::default();
    for line in json["response"]["body"].as_str().unwrap().split('\n').filter(|line| !line.trim().is_empty()) {
        let line: Value = serde_json::from_str(line).unwrap();
        reading.failed |= line["error"].is_string();
        reading.text += line["message"]["content"].as_str().unwrap_or_default();
        reading.thinking += line["message"]["thinking"].as_str().unwrap_or_default();
        for call in line["message"]["tool_calls"].as_array().into_iter().flatten() {
            let function = &call["function"];
            reading.calls.push((function["name"].as_str().unwrap().to_owned(), function["arguments"].clone()));
        }
        if line["done"] == true {
            reading.reason = match line["done_reason"].as_str() {
                Some("stop") if !reading.calls.is_empty() => "tool_calls".into(),
                other => other.into(),
            };
        }
    }
    reading
}

#[tokio::test]
async fn recorded_streams_come_out_as_they_were_said() {
    let Some(folder) = env::var_os("GREENROOM_RECORDINGS") else {
        println!("passed over, since GREENROOM_RECORDINGS is not set");
        return;
    };
    let provider = scripted([Answer::new()]).await;
    let greenroom = Greenroom::start(&(config(&provider) + http_support::ENDS_WHERE_CUT)).await;
    let mut played = 0;
    for path in recorded(folder.as_ref()) {
        let want = read(&path);
        for pieces in [Pieces::AsRecorded, Pieces::Bytes(7)] {
            // A model of its own for each, so that no failure leaves another alone.
            let model = format!("home/{}-{played}", path.file_stem().unwrap().to_string_lossy());
            provider.set_script(ollama::chat([replay_in(&path, pieces).unwrap().attempt]));
            let events = greenroom.api.events(&ask_streamed(&model)).await;
            let delta =
                |event: &Event| event.json()["choices"][0]["delta"]["reasoning_content"].as_str().map(str::to_owned);
            let got = Reading {
                text: text(&events),
                thinking: events.iter().filter(|event| event.text() != "[DONE]").filter_map(delta).collect(),
                calls: calls(&events),
                reason: reason(&events),
                failed: last_error(&events).is_object(),
            };
            assert_eq!(got, want, "{}", path.display());
            assert_eq!(is_done(&events), !want.failed, "{}", path.display());
            played += 1;
        }
    }
    println!("{played} streams played");
    assert!(played > 0, "no recording was found");
}

#[tokio::test]
async fn an_answer_goes_through_whole_and_streamed() {
    let answer = Answer::text(["Hel", "lo"]).model("m1-2026").counts(7, 2);
    let calling = Answer::new().thinking(["hm"]).tool_call(None, "f", &json!({"a": 1}));
    let provider = scripted([answer.clone().stream(), answer.whole(), calling.stream()]).await;
    let greenroom = Greenroom::start(&config(&provider)).await;
    for _ in 0..2 {
        let body = greenroom.api.chat(&ask("home/m1")).await.json();
        assert_eq!((&body["choices"][0]["message"]["content"], &body["model"]), (&json!("Hello"), &json!("m1-2026")));
        assert_eq!((&body["usage"]["prompt_tokens"], &body["usage"]["completion_tokens"]), (&json!(7), &json!(2)));
    }
    let tool = json!([{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]);
    let asked = with(ask_streamed("home/m1"), json!({"tools": tool, "seed": 3, "max_tokens": 9}));
    let events = greenroom.api.events(&asked).await;
    assert_eq!((calls(&events), reason(&events)), (vec![("f".to_owned(), json!({"a": 1}))], json!("tool_calls")));
    let sent = provider.requests().last().unwrap().json();
    assert_eq!((&sent["options"], &sent["stream"]), (&json!({"num_predict": 9, "seed": 3}), &json!(true)));
    assert_eq!(sent["tools"][0]["function"]["name"], "f");
}

#[tokio::test]
async fn a_failure_before_the_first_token_goes_to_the_next_model() {
    let home = scripted([ollama::error(404, "model 'm1' not found")]).await;
    let spare = scripted([Answer::text(["ok"])]).await;
    let both = format!(
        "{}[providers.spare]\nkind = \"ollama\"\nbase_url = \"{}/v1\"\n[models.aliases]\nsmart = [\"home/m1\", \"spare/m1\"]\n",
        config(&home),
        spare.url()
    );
    let greenroom = Greenroom::start(&both).await;
    let response = greenroom.api.chat(&ask("smart")).await;
    assert_eq!(response.json()["choices"][0]["message"]["content"], "ok", "{}", response.text());
    assert_eq!(response.header("x-greenroom-provider"), Some("spare"));
}

/// A home in which Ollama is said to be there.
fn home_with(scripted: &ScriptedProvider) -> Home {
    let mut home = Home::new();
    home.env("OLLAMA_HOST", scripted.url().trim_start_matches("http://"));
    home
}

#[tokio::test]
async fn a_server_that_answers_is_found_and_one_that_does_not_costs_nothing() {
    let provider = scripted([Answer::text(["from ", "here"])]).await;
    let home = home_with(&provider);
    let answered = home.run(&["chat", "hi"]).await.succeeded();
    assert_eq!(answered.stdout.trim(), "from here", "{}", answered.stderr);
    assert_eq!(provider.requests().last().unwrap().json()["model"], "m1", "the first that is listed");
    let shown = home.run(&["config", "show"]).await.succeeded().stdout;
    assert!(shown.contains("[providers.ollama]") && shown.contains("found at"), "{shown}");

    let mut keyed = home_with(&provider);
    keyed.env("OPENAI_API_KEY", "sk-1");
    let shown = keyed.run(&["config", "show"]).await.succeeded().stdout;
    assert!(shown.contains("[providers.openai]") && !shown.contains("ollama"), "{shown}");

    let other = ScriptedProvider::start(Script::default()).await;
    let shown = home_with(&other).run(&["config", "show"]).await.succeeded().stdout;
    assert!(shown.contains("[providers.demo]"), "what answers otherwise is no Ollama: {shown}");

    let empty = ScriptedProvider::start(ollama::tags([])).await;
    let shown = home_with(&empty).run(&["config", "show"]).await.succeeded().stdout;
    assert!(shown.contains("[providers.demo]"), "one without a model can't answer: {shown}");

    // Something that takes connections and never answers is not waited for.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut home = Home::new();
    home.env("OLLAMA_HOST", &silent.local_addr().unwrap().to_string());
    let start = Instant::now();
    let shown = home.run(&["config", "show"]).await.succeeded().stdout;
    assert!(shown.contains("[providers.demo]"), "{shown}");
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_text_becomes_a_vector() {
    let script = Script::new([ollama::embed([ollama::vectors(&[&[0.5, 1.25]], 3).always()]), ollama::tags(["m1"])]);
    let provider = ScriptedProvider::start(script).await;
    let home = Home::new();
    home.config(&config(&provider));
    let plain = home.run(&["embed", "hi", "-m", "home/m1"]).await.succeeded();
    assert_eq!(plain.stdout, "[0.5,1.25]\n");
    let piped = home.run_with_input(&["embed", "-m", "m1", "--json"], "from a pipe").await.succeeded();
    let json: Value = serde_json::from_str(&piped.stdout).unwrap();
    assert_eq!(json, json!({"model": "home/m1", "embedding": [0.5, 1.25], "tokens": 3}));
    assert_eq!(provider.requests().last().unwrap().json()["input"], json!(["from a pipe"]));
    let nothing = home.run(&["embed", "-m", "m1"]).await;
    assert_eq!(nothing.code(), Some(2), "{}", nothing.stderr);
    home.config("[providers.demo]\n");
    let demo = home.run(&["embed", "hi", "-m", "demo/demo"]).await;
    assert!(demo.code() == Some(1) && demo.stderr.contains("can't make embeddings"), "{}", demo.stderr);
}

#[tokio::test]
async fn a_pull_is_shown_step_by_step() {
    let layer =
        |completed: u64| json!({"status": "pulling aa", "digest": "sha256:aa", "total": 10, "completed": completed});
    let steps = [json!({"status": "pulling manifest"}), layer(4), layer(10), json!({"status": "success"})];
    let missing = [json!({"error": "pull model manifest: file does not exist"})];
    let script = ollama::pull([ollama::lines(&steps).times(2), ollama::lines(&missing)]);
    let provider = ScriptedProvider::start(script).await;
    let home = Home::new();
    home.config(&config(&provider));
    let plain = home.run(&["pull", "llama3.2"]).await.succeeded();
    assert_eq!(plain.stdout, "pulling manifest\nfetching sha256:aa\nllama3.2 is there\n");
    assert_eq!(provider.requests().last().unwrap().json(), json!({"model": "llama3.2", "stream": true}));
    let told = home.run(&["pull", "home/llama3.2", "--json"]).await.succeeded();
    let lines: Vec<Value> = told.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[1], json!({"type": "layer", "digest": "sha256:aa", "total": 10, "completed": 4}));
    assert_eq!(lines.last(), Some(&json!({"type": "done", "model": "home/llama3.2"})));
    let failed = home.run(&["pull", "nothing"]).await;
    assert!(failed.code() == Some(1) && failed.stderr.contains("file does not exist"), "{}", failed.stderr);
}
