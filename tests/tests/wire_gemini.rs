//! Gemini behind the built program: scripted and recorded answers of its wire, asked for over OpenAI's.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

mod http_support;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use greenroom::Runtime;
use greenroom::config::{Environment, Source, load};
use greenroom_tests::client::Event;
use greenroom_tests::gemini::{self, Answer};
use greenroom_tests::harness::Home;
use greenroom_tests::replay::replay;
use greenroom_tests::{Attempt, Recorded, Script, ScriptedProvider, openai};
use http_support::{Greenroom, ask_streamed, is_done, last_error, text, with};
use serde_json::{Value, json};

fn google(scripted: &ScriptedProvider) -> String {
    format!("[providers.google]\nkind = \"gemini\"\nbase_url = \"{}\"\nkey = \"google-key\"\n", scripted.url())
}

async fn scripted<A: Into<Attempt>>(attempts: impl IntoIterator<Item = A>) -> ScriptedProvider {
    ScriptedProvider::start(Script::new([gemini::stream("m", attempts), gemini::models(["m"])])).await
}

/// The requests for an answer.
fn asked(scripted: &ScriptedProvider) -> Vec<Recorded> {
    let is_asked = |request: &Recorded| request.path() == gemini::path("m", "streamGenerateContent");
    scripted.requests().into_iter().filter(is_asked).collect()
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
    let call =
        json!({"functionCall": {"id": "c1", "name": "weather", "args": {"city": "Rome"}}, "thoughtSignature": "sig"});
    let usage = json!({"promptTokenCount": 14, "cachedContentTokenCount": 4, "candidatesTokenCount": 6,
        "thoughtsTokenCount": 3, "totalTokenCount": 23});
    let answer = Answer::new().thinking("hm").then_text(["Let me ", "see."]).part(call).usage(usage);
    let lab = scripted([answer, Answer::text(["Sunny."])]).await;
    let greenroom = Greenroom::start(&google(&lab)).await;
    let tool = json!({"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}});
    let system = json!({"role": "system", "content": "be brief"});
    let question = json!({"role": "user", "content": "how is it?"});
    let body = with(
        ask_streamed("google/m"),
        json!({"tools": [tool], "messages": [system, question], "stream_options": {"include_usage": true}}),
    );
    let events = greenroom.api.events(&body).await;
    assert!(is_done(&events));
    assert_eq!((text(&events), field(&events, "reasoning_content")), ("Let me see.".into(), "hm".into()));
    let want = ["c1", "weather", "{\"city\":\"Rome\"}"].map(str::to_owned);
    assert_eq!((calls(&events), finish(&events)), (vec![want], Some("tool_calls".into())));
    let usage = &events[events.len() - 2].json()["usage"];
    assert_eq!((&usage["prompt_tokens"], &usage["completion_tokens"]), (&json!(14), &json!(9)));
    assert_eq!(usage["prompt_tokens_details"]["cached_tokens"], 4);
    assert_eq!(usage["completion_tokens_details"]["reasoning_tokens"], 3);

    let call = json!({"id": "c1", "type": "function",
        "function": {"name": "weather", "arguments": "{\"city\":\"Rome\"}"}});
    let said = json!({"role": "assistant", "content": "Let me see.", "tool_calls": [call]});
    let result = json!({"role": "tool", "tool_call_id": "c1", "content": "24°"});
    let events = greenroom.api.events(&with(body, json!({"messages": [system, question, said, result]}))).await;
    assert_eq!((text(&events), finish(&events)), ("Sunny.".into(), Some("stop".into())));

    let asked = asked(&lab);
    let heads = ["x-goog-api-key", "content-type", "authorization"].map(|name| asked[0].header(name));
    assert_eq!(heads, [Some("google-key"), Some("application/json"), None]);
    assert!(asked[0].target.ends_with("?alt=sse") && !asked[0].target.contains("key"), "{}", asked[0].target);
    assert_eq!(asked[0].json()["systemInstruction"], json!({"parts": [{"text": "be brief"}]}));
    let want = json!([
        {"role": "user", "parts": [{"text": "how is it?"}]},
        {"role": "model", "parts": [{"text": "Let me see."},
            {"functionCall": {"id": "c1", "name": "weather", "args": {"city": "Rome"}}}]},
        {"role": "user", "parts": [{"functionResponse": {"id": "c1", "name": "weather", "response": {"result": "24°"}}}]},
    ]);
    let mut sent = asked[1].json()["contents"].clone();
    // A client of OpenAI's has no place for a signature, so that the one that Google documents for others stands there.
    let signature = sent[1]["parts"][1].as_object_mut().unwrap().remove("thoughtSignature");
    assert!(signature.is_none_or(|signature| signature == "skip_thought_signature_validator"));
    assert_eq!(sent, want);
    // What was said before stands at the beginning of what is said now, byte for byte: prompt caches depend on it.
    let (first, second) = (asked[0].body.clone(), asked[1].body.clone());
    assert!(second.starts_with(&first[..first.len() - 2]));
}

#[tokio::test]
async fn what_was_signed_goes_back_in_a_session() {
    let parts = [
        json!({"text": "one"}),
        json!({"text": " more", "thoughtSignature": "sig-1"}),
        json!({"executableCode": {"language": "PYTHON", "code": "1+1"}}),
        json!({"text": "", "thoughtSignature": "sig-2"}),
    ];
    let first = parts.iter().fold(Answer::new().thinking("hm"), |answer, part| answer.part(part.clone()));
    let lab = scripted([first, Answer::text(["two"])]).await;
    let home = Home::new();
    home.config(&google(&lab));
    let source = Source::locate(Some(&home.config_path()), Environment::empty());
    let settings = load(&source).unwrap_or_else(|problems| panic!("{problems}")).settings;
    let runtime = Runtime::builder().settings(settings).start().await.unwrap();
    let new = greenroom::NewSession { model: Some("google/m".into()), ..Default::default() };
    let session = runtime.ephemeral(new).await.unwrap();
    assert_eq!(session.send("a").await.unwrap().text().await.unwrap(), "one more");
    assert_eq!(session.send("b").await.unwrap().text().await.unwrap(), "two");
    assert_eq!(asked(&lab)[1].json()["contents"][1]["parts"], json!(parts));
}

#[tokio::test]
async fn a_provider_that_is_used_up_is_stood_in_for() {
    let details = json!([{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "60s"}]);
    let lab = scripted([gemini::error(429, "RESOURCE_EXHAUSTED", "Resource exhausted.", details).always()]).await;
    let other = http_support::scripted([openai::Answer::text(["hello"])]).await;
    let chain = "[models.aliases]\nsmart = [\"google/m\", \"lab/m1\"]\n";
    let greenroom = Greenroom::start(&(google(&lab) + &http_support::provider("lab", &other) + chain)).await;
    for _ in 0..2 {
        other.set_script(Script::new([openai::chat([openai::Answer::text(["hello"])]), openai::models(["m1"])]));
        let events = greenroom.api.events(&ask_streamed("smart")).await;
        assert_eq!((text(&events), is_done(&events)), ("hello".into(), true));
    }
    assert_eq!(asked(&lab).len(), 1, "it is not asked again before the minute is over");
}

#[tokio::test]
async fn each_end_is_what_it_is() {
    let overloaded = gemini::error_body(503, "UNAVAILABLE", "The model is overloaded.", json!([]));
    let body = ask_streamed("google/m");
    // Two failures of a model are borne before it is left alone for a while.
    let failures = [
        [Answer::text(["a", "b"]).error_after(1, overloaded), Answer::text(["a", "b"]).cut_after(1)],
        [Answer::text(["a"]).reason(None), Answer::text(["a"]).reason(Some("MALFORMED_FUNCTION_CALL"))],
    ];
    for attempts in failures {
        let lab = scripted(attempts).await;
        let greenroom = Greenroom::start(&(google(&lab) + http_support::ENDS_WHERE_CUT)).await;
        for _ in 0..2 {
            let events = greenroom.api.events(&body).await;
            assert_eq!((text(&events), is_done(&events)), ("a".into(), false));
            assert!(last_error(&events)["message"].is_string(), "{events:?}");
        }
    }
    let blocked = json!({"promptFeedback": {"blockReason": "SAFETY"}});
    let attempts = [
        Answer::text(["a"]).reason(Some("MAX_TOKENS")).whole(),
        Answer::text(["a"]).reason(Some("SAFETY")).array(),
        Attempt::json(200, &blocked),
    ];
    let lab = scripted(attempts).await;
    let greenroom = Greenroom::start(&google(&lab)).await;
    for reason in ["length", "content_filter"] {
        let events = greenroom.api.events(&body).await;
        assert_eq!((text(&events), finish(&events).as_deref()), ("a".into(), Some(reason)));
    }
    let refused = greenroom.api.chat(&body).await;
    assert_eq!(refused.status, 400);
    assert!(http_support::message(&refused).contains("blocked the prompt (SAFETY)"));
}

/// What a recorded stream says, read in the simplest way.
#[derive(Debug, Default)]
struct Reading {
    text: String,
    thinking: String,
    /// Names and arguments.
    calls: Vec<(String, Value)>,
    finish: Option<String>,
}

fn read(body: &str) -> Reading {
    let mut reading = Reading::default();
    let data = body.split(['\n', '\r']).filter_map(|line| line.strip_prefix("data:"));
    let chunks: Vec<Value> = match serde_json::from_str(body) {
        Ok(chunks) => chunks,
        Err(_) => data.map(|data| serde_json::from_str(data).unwrap()).collect(),
    };
    for candidate in chunks.iter().map(|chunk| &chunk["candidates"][0]) {
        for part in candidate["content"]["parts"].as_array().into_iter().flatten() {
            let text = part["text"].as_str().unwrap_or_default();
            match part["thought"] == true {
                true => reading.thinking += text,
                false => reading.text += text,
            }
            let call = &part["functionCall"];
            if let Some(name) = call["name"].as_str() {
                reading.calls.push((name.to_owned(), call.get("args").cloned().unwrap_or_else(|| json!({}))));
            }
            for piece in call["partialArgs"].as_array().into_iter().flatten() {
                let key = piece["jsonPath"].as_str().unwrap().trim_start_matches("$.");
                let slot = &mut reading.calls.last_mut().unwrap().1[key];
                *slot = (slot.as_str().unwrap_or_default().to_owned() + piece["stringValue"].as_str().unwrap()).into();
            }
        }
        if let Some(word) = candidate["finishReason"].as_str() {
            reading.finish = Some(word.to_owned());
        }
    }
    reading
}

/// The recorded streams of this wire.
fn recordings(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for api in ["gemini-generate", "vertex-gemini"] {
        let Ok(cases) = fs::read_dir(folder.join(api)) else { continue };
        for path in cases.map(|case| case.unwrap().path()).filter(|path| path.extension().is_some_and(|e| e == "json"))
        {
            let json: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
            let body = json["response"]["body"].as_str().unwrap_or_default();
            if json["response"]["status"] == 200 && (body.starts_with('[') || body.starts_with("data:")) {
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
        return say("wire_gemini: passed over, since GREENROOM_RECORDINGS is not set".into());
    };
    let recordings = recordings(folder.as_ref());
    assert!(!recordings.is_empty(), "the folder has streams of this wire");
    let lab = scripted([Attempt::json(500, &json!({}))]).await;
    let greenroom = Greenroom::start(&(google(&lab) + http_support::ENDS_WHERE_CUT)).await;
    for (path, body) in &recordings {
        let case = path.display();
        let attempt = replay(path).unwrap().attempt.always();
        lab.set_script(Script::new([gemini::stream("m", [attempt]), gemini::models(["m"])]));
        let want = read(body);
        let failures = ["MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "OTHER", "TOO_MANY_TOOL_CALLS"];
        let word = match want.finish.as_deref() {
            None => None,
            Some(word) if failures.contains(&word) => None,
            Some("STOP") if !want.calls.is_empty() => Some("tool_calls"),
            Some("STOP") => Some("stop"),
            Some("MAX_TOKENS") => Some("length"),
            Some(_) => Some("content_filter"),
        };
        if word.is_none() && want.text.is_empty() && want.thinking.is_empty() {
            let refused = greenroom.api.chat(&ask_streamed("google/m")).await;
            assert!(refused.status >= 400 && refused.json()["error"].is_object(), "{case}");
            continue;
        }
        let events = greenroom.api.events(&ask_streamed("google/m")).await;
        assert_eq!(text(&events), want.text, "{case}");
        assert_eq!(field(&events, "reasoning_content"), want.thinking, "{case}");
        assert_eq!((is_done(&events), last_error(&events).is_object()), (word.is_some(), word.is_none()), "{case}");
        assert_eq!(finish(&events).as_deref(), word, "{case}");
        let calls =
            calls(&events).into_iter().map(|[_, name, arguments]| (name, serde_json::from_str(&arguments).unwrap()));
        assert_eq!(calls.collect::<Vec<(String, Value)>>(), want.calls, "{case}");
    }
    say(format!("wire_gemini: {} recorded streams came through the program", recordings.len()));
}
