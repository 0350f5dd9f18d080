//! Anthropic behind the built program: scripted and recorded answers of its wire, asked for over OpenAI's.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

mod http_support;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use greenroom::Runtime;
use greenroom::config::{Environment, Source, load};
use greenroom_tests::anthropic::{self, Answer, MESSAGES};
use greenroom_tests::client::Event;
use greenroom_tests::harness::Home;
use greenroom_tests::replay::replay;
use greenroom_tests::{Attempt, Recorded, Script, ScriptedProvider, openai};
use http_support::{Greenroom, ask_streamed, is_done, last_error, text, with};
use serde_json::{Value, json};

fn claude(scripted: &ScriptedProvider) -> String {
    format!("[providers.claude]\nkind = \"anthropic\"\nbase_url = \"{}\"\nkey = \"claude-key\"\n", scripted.url())
}

async fn scripted<A: Into<Attempt>>(attempts: impl IntoIterator<Item = A>) -> ScriptedProvider {
    ScriptedProvider::start(Script::new([anthropic::messages(attempts), anthropic::models(["m"])])).await
}

/// The requests for an answer.
fn asked(scripted: &ScriptedProvider) -> Vec<Recorded> {
    scripted.requests().into_iter().filter(|request| request.path() == MESSAGES).collect()
}

/// All deltas of a text field.
fn field(events: &[Event], name: &str) -> String {
    let delta = |event: &Event| event.json()["choices"][0]["delta"][name].as_str().map(str::to_owned);
    events.iter().filter_map(delta).collect()
}

/// Id, name and arguments of each tool call.
fn calls(events: &[Event]) -> Vec<[String; 3]> {
    let mut calls: Vec<[String; 3]> = Vec::new();
    for event in events {
        for call in event.json()["choices"][0]["delta"]["tool_calls"].as_array().into_iter().flatten() {
            let index = usize::try_from(call["index"].as_u64().unwrap()).unwrap();
            calls.resize(calls.len().max(index + 1), Default::default());
            let said = [&call["id"], &call["function"]["name"], &call["function"]["arguments"]];
            for (slot, more) in calls[index].iter_mut().zip(said) {
                slot.push_str(more.as_str().unwrap_or_default());
            }
        }
    }
    calls
}

fn finish(events: &[Event]) -> Option<String> {
    events.iter().find_map(|event| event.json()["choices"][0]["finish_reason"].as_str().map(str::to_owned))
}

#[tokio::test]
async fn a_conversation_with_tools_goes_there_and_back() {
    let answer = Answer::new().thinking(["h", "m"], "sig").then_text(["Let me ", "see."]).tool_use(
        "toolu_1",
        "weather",
        ["{\"city\":", "\"Rome\"}"],
    );
    let start = json!({"input_tokens": 10, "cache_read_input_tokens": 4, "output_tokens": 1});
    let end = json!({"output_tokens": 9, "output_tokens_details": {"thinking_tokens": 3}});
    let lab = scripted([answer.usage_details(start, end), Answer::text(["Sunny."])]).await;
    let greenroom = Greenroom::start(&claude(&lab)).await;
    let tool = json!({"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}});
    let system = json!({"role": "system", "content": "be brief"});
    let question = json!({"role": "user", "content": "how is it?"});
    let body = with(
        ask_streamed("claude/m"),
        json!({"tools": [tool], "messages": [system, question], "stream_options": {"include_usage": true}}),
    );
    let events = greenroom.api.events(&body).await;
    assert!(is_done(&events));
    assert_eq!((text(&events), field(&events, "reasoning_content")), ("Let me see.".into(), "hm".into()));
    let want = ["toolu_1", "weather", "{\"city\":\"Rome\"}"].map(str::to_owned);
    assert_eq!((calls(&events), finish(&events)), (vec![want], Some("tool_calls".into())));
    let usage = &events[events.len() - 2].json()["usage"];
    assert_eq!((&usage["prompt_tokens"], &usage["completion_tokens"]), (&json!(14), &json!(9)));
    assert_eq!(usage["prompt_tokens_details"]["cached_tokens"], 4);
    assert_eq!(usage["completion_tokens_details"]["reasoning_tokens"], 3);

    let call = json!({"id": "toolu_1", "type": "function",
        "function": {"name": "weather", "arguments": "{\"city\":\"Rome\"}"}});
    let said = json!({"role": "assistant", "content": "Let me see.", "tool_calls": [call]});
    let result = json!({"role": "tool", "tool_call_id": "toolu_1", "content": "24°"});
    let events = greenroom.api.events(&with(body, json!({"messages": [system, question, said, result]}))).await;
    assert_eq!((text(&events), finish(&events)), ("Sunny.".into(), Some("stop".into())));

    let asked = asked(&lab);
    let heads = ["x-api-key", "anthropic-version", "content-type"].map(|name| asked[0].header(name));
    assert_eq!(heads, [Some("claude-key"), Some("2023-06-01"), Some("application/json")]);
    let first = asked[0].json();
    assert_eq!((&first["model"], &first["stream"], &first["system"]), (&json!("m"), &json!(true), &json!("be brief")));
    assert_eq!(first["max_tokens"], 8192);
    let want = json!([
        {"role": "user", "content": [{"type": "text", "text": "how is it?"}]},
        {"role": "assistant", "content": [{"type": "text", "text": "Let me see."},
            {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Rome"}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "24°"}]},
    ]);
    assert_eq!(asked[1].json()["messages"], want);
    // What was said before stands at the beginning of what is said now, byte for byte: prompt caches depend on it.
    let (first, second) = (asked[0].body.clone(), asked[1].body.clone());
    assert!(second.starts_with(&first[..first.len() - 2]));
}

#[tokio::test]
async fn what_was_signed_goes_back_in_a_session() {
    let redacted = json!({"type": "redacted_thinking", "data": "secret"});
    let first = Answer::new().thinking(["h", "m"], "sig-1").thinking([], "sig-2").whole_block(redacted.clone());
    let lab = scripted([first.then_text(["one"]), Answer::text(["two"])]).await;
    let home = Home::new();
    home.config(&claude(&lab));
    let source = Source::locate(Some(&home.config_path()), Environment::empty());
    let settings = load(&source).unwrap_or_else(|problems| panic!("{problems}")).settings;
    let runtime = Runtime::builder().settings(settings).start().await.unwrap();
    let new = greenroom::NewSession { model: Some("claude/m".into()), ..Default::default() };
    let session = runtime.ephemeral(new).await.unwrap();
    assert_eq!(session.send("a").await.unwrap().text().await.unwrap(), "one");
    assert_eq!(session.send("b").await.unwrap().text().await.unwrap(), "two");
    let want = json!([
        {"type": "thinking", "thinking": "hm", "signature": "sig-1"},
        {"type": "thinking", "thinking": "", "signature": "sig-2"},
        redacted,
        {"type": "text", "text": "one"},
    ]);
    assert_eq!(asked(&lab)[1].json()["messages"][1]["content"], want);
}

#[tokio::test]
async fn an_overloaded_provider_is_stood_in_for() {
    let overloaded = anthropic::error(529, "overloaded_error", "Overloaded").header("retry-after", "60").always();
    let lab = scripted([overloaded]).await;
    let other = http_support::scripted([openai::Answer::text(["hello"])]).await;
    let chain = "[models.aliases]\nsmart = [\"claude/m\", \"lab/m1\"]\n";
    let greenroom = Greenroom::start(&(claude(&lab) + &http_support::provider("lab", &other) + chain)).await;
    let events = greenroom.api.events(&ask_streamed("smart")).await;
    assert_eq!((text(&events), is_done(&events)), ("hello".into(), true));
    assert_eq!(asked(&lab).len(), 1);
}

#[tokio::test]
async fn each_end_is_what_it_is() {
    let attempts = [
        Answer::text(["a"]).without_message_stop().stream(),
        Answer::text(["a", "b"]).error_after(1, "overloaded_error", "Overloaded").stream(),
        Answer::text(["a", "b"]).cut_after(1).stream(),
        Answer::text(["a"]).stop_reason("max_tokens").whole(),
    ];
    let lab = scripted(attempts).await;
    let greenroom = Greenroom::start(&(claude(&lab) + http_support::ENDS_WHERE_CUT)).await;
    let body = ask_streamed("claude/m");
    let ask = || greenroom.api.events(&body);
    let events = ask().await;
    assert_eq!((text(&events), is_done(&events)), ("a".into(), true));
    for _ in 0..2 {
        let events = ask().await;
        assert_eq!((text(&events), is_done(&events)), ("a".into(), false));
        assert!(last_error(&events)["message"].is_string(), "{events:?}");
    }
    let events = ask().await;
    assert_eq!((text(&events), finish(&events)), ("a".into(), Some("length".into())));
}

/// What a recorded stream says, read in the simplest way.
#[derive(Debug, Default)]
struct Reading {
    text: String,
    thinking: String,
    calls: Vec<[String; 3]>,
    finish: Option<String>,
    failed: bool,
}

fn read(body: &str) -> Reading {
    let mut reading = Reading { failed: true, ..Reading::default() };
    for line in body.split(['\n', '\r']) {
        let Some(data) = line.strip_prefix("data:").map(str::trim).filter(|data| !data.is_empty()) else { continue };
        let event: Value = serde_json::from_str(data).unwrap();
        let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        match event["type"].as_str() {
            Some("content_block_start") if event["content_block"]["type"] == "tool_use" => {
                let block = &event["content_block"];
                reading.calls.push([word(&block["id"]), word(&block["name"]), String::new()]);
                if block["input"].as_object().is_some_and(|input| !input.is_empty()) {
                    reading.calls.last_mut().unwrap()[2] = block["input"].to_string();
                }
            }
            Some("content_block_start") => {
                reading.text += &word(&event["content_block"]["text"]);
                reading.thinking += &word(&event["content_block"]["thinking"]);
            }
            Some("content_block_delta") => {
                let delta = &event["delta"];
                reading.text += &word(&delta["text"]);
                reading.thinking += &word(&delta["thinking"]);
                if let Some(json) = delta["partial_json"].as_str()
                    && is_of_call(body, &event["index"])
                {
                    reading.calls.last_mut().unwrap()[2].push_str(json);
                }
            }
            Some("message_delta") => reading.finish = event["delta"]["stop_reason"].as_str().map(str::to_owned),
            Some("message_stop") => reading.failed = false,
            _ => {}
        }
    }
    reading.failed &= reading.finish.is_none();
    // A call without arguments has none here, and the empty object for a client of chat completions, which parses them.
    for [.., arguments] in reading.calls.iter_mut().filter(|[.., arguments]| arguments.is_empty()) {
        arguments.push_str("{}");
    }
    reading
}

/// Whether the block of this index is a call of ours, not one of the provider's own tools.
fn is_of_call(body: &str, index: &Value) -> bool {
    let events = body.lines().filter_map(|line| serde_json::from_str::<Value>(line.strip_prefix("data:")?).ok());
    let mut starts = events.filter(|event| event["type"] == "content_block_start" && event["index"] == *index);
    starts.next().is_some_and(|event| event["content_block"]["type"] == "tool_use")
}

/// The recorded streams of this wire.
fn recordings(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for api in ["anthropic-messages", "azure-anthropic", "vertex-anthropic"] {
        let Ok(cases) = fs::read_dir(folder.join(api)) else { continue };
        for path in cases.map(|case| case.unwrap().path()).filter(|path| path.extension().is_some_and(|e| e == "json"))
        {
            let json: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
            let body = json["response"]["body"].as_str().unwrap_or_default();
            if json["response"]["status"] == 200 && (body.starts_with("event:") || body.starts_with("data:")) {
                found.push((path, body.to_owned()));
            }
        }
    }
    found.sort();
    found
}

#[tokio::test]
async fn recorded_streams_come_through_the_program() {
    // Written past the harness, which shows nothing of a test that passes.
    let say = |line: String| writeln!(std::io::stdout(), "{line}").unwrap();
    let Some(folder) = env::var_os("GREENROOM_RECORDINGS") else {
        return say("wire_anthropic: passed over, since GREENROOM_RECORDINGS is not set".into());
    };
    let recordings = recordings(folder.as_ref());
    assert!(!recordings.is_empty(), "the folder has streams of this wire");
    let lab = scripted([Attempt::json(500, &json!({}))]).await;
    let greenroom = Greenroom::start(&(claude(&lab) + http_support::ENDS_WHERE_CUT)).await;
    for (path, body) in &recordings {
        let case = path.display();
        let attempt = replay(path).unwrap().attempt.always();
        lab.set_script(Script::new([anthropic::messages([attempt]), anthropic::models(["m"])]));
        let events = greenroom.api.events(&ask_streamed("claude/m")).await;
        let want = read(body);
        assert_eq!(is_done(&events), !want.failed, "{case}");
        assert_eq!(last_error(&events).is_object(), want.failed, "{case}");
        assert_eq!(text(&events), want.text, "{case}");
        assert_eq!(field(&events, "reasoning_content"), want.thinking, "{case}");
        assert_eq!(calls(&events), want.calls, "{case}");
        let word = match want.finish.as_deref() {
            _ if want.failed => None,
            Some("tool_use") => Some("tool_calls"),
            Some("max_tokens" | "model_context_window_exceeded") => Some("length"),
            Some("refusal") => Some("content_filter"),
            _ if !want.calls.is_empty() => Some("tool_calls"),
            _ => Some("stop"),
        };
        assert_eq!(finish(&events).as_deref(), word, "{case}");
    }
    say(format!("wire_anthropic: {} recorded streams came through the program", recordings.len()));
}
