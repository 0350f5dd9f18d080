//! OpenAI's Responses API behind the built program: scripted and recorded answers of its wire, asked for over chat
//! completions.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

mod http_support;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use greenroom::Runtime;
use greenroom::config::{Environment, Source, load};
use greenroom_tests::client::Event;
use greenroom_tests::harness::Home;
use greenroom_tests::replay::replay;
use greenroom_tests::responses::{self, Answer, RESPONSES};
use greenroom_tests::{Attempt, Recorded, Script, ScriptedProvider, openai};
use http_support::{Greenroom, ask_streamed, is_done, last_error, text, with};
use serde_json::{Value, json};

fn gpt(scripted: &ScriptedProvider) -> String {
    http_support::provider("gpt", scripted) + "wire = \"responses\"\n"
}

async fn scripted<A: Into<Attempt>>(attempts: impl IntoIterator<Item = A>) -> ScriptedProvider {
    ScriptedProvider::start(Script::new([responses::responses(attempts), openai::models(["m"])])).await
}

/// The requests for an answer.
fn asked(scripted: &ScriptedProvider) -> Vec<Recorded> {
    scripted.requests().into_iter().filter(|request| request.path() == RESPONSES).collect()
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
    let answer = Answer::new()
        .reasoning(["h", "m"], "hidden")
        .then_text(["Let me ", "see."])
        .call("call_1", "weather", ["{\"city\":", "\"Rome\"}"])
        .call("call_2", "time", ["{}"]);
    let usage = json!({"input_tokens": 14, "input_tokens_details": {"cached_tokens": 4}, "output_tokens": 9,
        "output_tokens_details": {"reasoning_tokens": 3}, "total_tokens": 23});
    let lab = scripted([answer.usage(usage), Answer::text(["Sunny."])]).await;
    let greenroom = Greenroom::start(&gpt(&lab)).await;
    let tool = json!({"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}});
    let system = json!({"role": "system", "content": "be brief"});
    let question = json!({"role": "user", "content": "how is it?"});
    let body = with(
        ask_streamed("gpt/m"),
        json!({"tools": [tool], "messages": [system, question], "stream_options": {"include_usage": true}}),
    );
    let events = greenroom.api.events(&body).await;
    assert!(is_done(&events));
    assert_eq!((text(&events), field(&events, "reasoning_content")), ("Let me see.".into(), "hm".into()));
    let want = [["call_1", "weather", "{\"city\":\"Rome\"}"], ["call_2", "time", "{}"]];
    assert_eq!(
        (calls(&events), finish(&events)),
        (want.map(|call| call.map(str::to_owned)).into(), Some("tool_calls".into()))
    );
    let usage = &events[events.len() - 2].json()["usage"];
    assert_eq!((&usage["prompt_tokens"], &usage["completion_tokens"]), (&json!(14), &json!(9)));
    assert_eq!(usage["prompt_tokens_details"]["cached_tokens"], 4);
    assert_eq!(usage["completion_tokens_details"]["reasoning_tokens"], 3);

    let call = |[id, name, arguments]: [&str; 3]| json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}});
    let said = json!({"role": "assistant", "content": "Let me see.", "tool_calls": want.map(call)});
    let results = ["call_1", "call_2"].map(|id| json!({"role": "tool", "tool_call_id": id, "content": "24°"}));
    let messages = [vec![system, question, said], results.into()].concat();
    let events = greenroom.api.events(&with(body, json!({"messages": messages}))).await;
    assert_eq!((text(&events), finish(&events)), ("Sunny.".into(), Some("stop".into())));

    let asked = asked(&lab);
    let heads = ["authorization", "content-type"].map(|name| asked[0].header(name));
    assert_eq!(heads, [Some("Bearer gpt-key"), Some("application/json")]);
    let first = asked[0].json();
    let told = ["model", "stream", "store", "instructions"].map(|key| first[key].clone());
    assert_eq!(told, [json!("m"), json!(true), json!(false), json!("be brief")]);
    assert_eq!(first["include"], json!(["reasoning.encrypted_content"]));
    let tool = json!({"type": "function", "name": "weather", "parameters": {"type": "object"}, "strict": false});
    assert_eq!(first["tools"], json!([tool]));
    let want = json!([
        {"type": "message", "role": "user", "content": "how is it?"},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Let me see."}]},
        {"type": "function_call", "call_id": "call_1", "name": "weather", "arguments": "{\"city\":\"Rome\"}"},
        {"type": "function_call", "call_id": "call_2", "name": "time", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "call_1", "output": "24°"},
        {"type": "function_call_output", "call_id": "call_2", "output": "24°"},
    ]);
    assert_eq!(asked[1].json()["input"], want);
    // What was said before stands at the beginning of what is said now, byte for byte: prompt caches depend on it.
    let (first, second) = (asked[0].body.clone(), asked[1].body.clone());
    assert!(second.starts_with(&first[..first.len() - 2]));
}

#[tokio::test]
async fn what_is_hidden_goes_back_in_a_session() {
    let search = json!({"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"query": "q"}});
    let first = Answer::new().reasoning(["h", "m"], "hidden-1").whole_item(search.clone()).reasoning([], "hidden-2");
    let lab = scripted([first.then_text(["one"]), Answer::text(["two"])]).await;
    let home = Home::new();
    home.config(&gpt(&lab));
    let source = Source::locate(Some(&home.config_path()), Environment::empty());
    let settings = load(&source).unwrap_or_else(|problems| panic!("{problems}")).settings;
    let runtime = Runtime::builder().settings(settings).start().await.unwrap();
    let new = greenroom::NewSession { model: Some("gpt/m".into()), ..Default::default() };
    let session = runtime.ephemeral(new).await.unwrap();
    assert_eq!(session.send("a").await.unwrap().text().await.unwrap(), "one");
    assert_eq!(session.send("b").await.unwrap().text().await.unwrap(), "two");
    let want = json!([
        {"type": "reasoning", "id": "rs_0", "summary": [{"type": "summary_text", "text": "hm"}],
            "encrypted_content": "hidden-1"},
        search,
        {"type": "reasoning", "id": "rs_2", "summary": [], "encrypted_content": "hidden-2"},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "one"}], "id": "msg_3",
            "status": "completed"},
    ]);
    let sent = asked(&lab)[1].json()["input"].as_array().unwrap().clone();
    assert_eq!(sent[1..5], *want.as_array().unwrap());
}

#[tokio::test]
async fn a_provider_without_credit_is_stood_in_for() {
    let empty = || Answer::new().error_after(0, "insufficient_quota", "You exceeded your current quota");
    let lab = scripted([empty().stream().always()]).await;
    let other = http_support::scripted([openai::Answer::text(["hello"])]).await;
    let chain = "[models.aliases]\nsmart = [\"gpt/m\", \"lab/m1\"]\n";
    let greenroom = Greenroom::start(&(gpt(&lab) + &http_support::provider("lab", &other) + chain)).await;
    let events = greenroom.api.events(&ask_streamed("smart")).await;
    assert_eq!((text(&events), is_done(&events)), ("hello".into(), true));
    assert_eq!(asked(&lab).len(), 1);
}

#[tokio::test]
async fn each_end_is_what_it_is() {
    let attempts = [
        Answer::text(["a", "b"]).error_after(1, "server_error", "sorry").stream(),
        Answer::text(["a", "b"]).cut_after(1).stream(),
        Answer::text(["a"]).incomplete("max_output_tokens").whole(),
        Answer::text(["a"]).incomplete("content_filter").stream(),
    ];
    let lab = scripted(attempts).await;
    let greenroom = Greenroom::start(&(gpt(&lab) + http_support::ENDS_WHERE_CUT)).await;
    let body = ask_streamed("gpt/m");
    let ask = || greenroom.api.events(&body);
    for _ in 0..2 {
        let events = ask().await;
        assert_eq!((text(&events), is_done(&events)), ("a".into(), false));
        assert!(last_error(&events)["message"].is_string(), "{events:?}");
    }
    for word in ["length", "content_filter"] {
        let events = ask().await;
        assert_eq!((text(&events), finish(&events).as_deref()), ("a".into(), Some(word)));
    }
}

/// What a recorded stream says, read in the simplest way.
#[derive(Debug, Default)]
struct Reading {
    text: String,
    thinking: String,
    calls: Vec<[String; 3]>,
    /// The status at its end; none if it failed.
    end: Option<String>,
}

fn read(body: &str) -> Reading {
    let mut reading = Reading::default();
    for line in body.split(['\n', '\r']) {
        let Some(data) = line.strip_prefix("data:").map(str::trim).filter(|data| data.starts_with('{')) else {
            continue;
        };
        let event: Value = serde_json::from_str(data).unwrap();
        let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        match event["type"].as_str() {
            Some("response.output_text.delta") => reading.text += &word(&event["delta"]),
            Some("response.reasoning_summary_text.delta") => reading.thinking += &word(&event["delta"]),
            Some("response.output_item.done") if event["item"]["type"] == "function_call" => {
                reading.calls.push(["call_id", "name", "arguments"].map(|key| word(&event["item"][key])));
            }
            Some("response.completed" | "response.incomplete") => {
                reading.end = Some(word(&event["response"]["status"]));
                break;
            }
            Some("error") => break,
            _ => {}
        }
    }
    reading
}

/// The code of the error that a recorded stream says.
fn code(body: &str) -> Value {
    let events = body.lines().filter_map(|line| serde_json::from_str::<Value>(line.strip_prefix("data:")?).ok());
    let mut errors = events.filter(|event| event["type"] == "error");
    errors.next().map_or(Value::Null, |event| event["error"]["code"].clone())
}

/// The recorded streams of this wire.
fn recordings(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let apis = ["openai-responses", "azure-responses", "openrouter-responses", "copilot-responses", "chatgpt-codex"];
    for api in apis {
        let Ok(cases) = fs::read_dir(folder.join(api)) else { continue };
        for path in cases.map(|case| case.unwrap().path()).filter(|path| path.extension().is_some_and(|e| e == "json"))
        {
            let json: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
            let body = json["response"]["body"].as_str().unwrap_or_default();
            if json["response"]["status"] == 200 && [":", "event:", "data:"].iter().any(|start| body.starts_with(start))
            {
                found.push((path, body.to_owned()));
            }
        }
    }
    // Those that fail come last: a provider that failed is left alone for a while.
    found.sort_by_cached_key(|(path, body)| (read(body).end.is_none(), path.clone()));
    found
}

#[tokio::test]
async fn recorded_streams_come_through_the_program() {
    // Written past the harness, which shows nothing of a test that passes.
    let say = |line: String| writeln!(std::io::stdout(), "{line}").unwrap();
    let Some(folder) = env::var_os("GREENROOM_RECORDINGS") else {
        return say("wire_responses: passed over, since GREENROOM_RECORDINGS is not set".into());
    };
    let recordings = recordings(folder.as_ref());
    assert!(!recordings.is_empty(), "the folder has streams of this wire");
    let lab = scripted([Attempt::json(500, &json!({}))]).await;
    let greenroom = Greenroom::start(&(gpt(&lab) + http_support::ENDS_WHERE_CUT)).await;
    for (path, body) in &recordings {
        let case = path.display();
        let attempt = replay(path).unwrap().attempt.always();
        lab.set_script(Script::new([responses::responses([attempt]), openai::models(["m"])]));
        let want = read(body);
        if want.end.is_none() && want.text.is_empty() {
            // Before anything was said, an error is a response of its own.
            let response = greenroom.api.chat(&ask_streamed("gpt/m")).await;
            assert!(response.status >= 400, "{case}");
            assert_eq!(response.json()["error"]["code"], code(body), "{case}");
            continue;
        }
        let events = greenroom.api.events(&ask_streamed("gpt/m")).await;
        assert_eq!(is_done(&events), want.end.is_some(), "{case}");
        assert_eq!(last_error(&events).is_object(), want.end.is_none(), "{case}");
        assert_eq!(text(&events), want.text, "{case}");
        assert_eq!(field(&events, "reasoning_content"), want.thinking, "{case}");
        assert_eq!(calls(&events), want.calls, "{case}");
        let word = match want.end.as_deref() {
            None => None,
            Some("incomplete") => Some("length"),
            _ if !want.calls.is_empty() => Some("tool_calls"),
            _ => Some("stop"),
        };
        assert_eq!(finish(&events).as_deref(), word, "{case}");
    }
    say(format!("wire_responses: {} recorded streams came through the program", recordings.len()));
}
