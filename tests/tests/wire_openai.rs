//! Recorded streams of OpenAI's chat wire, played back to the built program and asked for over its own interface.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

mod http_support;

use std::collections::HashSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use greenroom_tests::client::Event;
use greenroom_tests::openai;
use greenroom_tests::replay::{Pieces, replay_in};
use http_support::{Greenroom, ask_streamed, is_done, last_error, with};
use serde_json::{Value, json};

/// The servers whose recordings are of this wire.
const APIS: [&str; 7] =
    ["openai-chat", "openai-compat", "azure-chat", "copilot-chat", "openrouter-chat", "ollama-openai", "llamacpp-chat"];

/// What a stream says, whoever says it.
#[derive(Debug, Default, PartialEq)]
struct Said {
    text: String,
    thinking: String,
    refusal: String,
    calls: Vec<Call>,
    finish: Option<String>,
    tokens: Option<u64>,
    /// What the other choices say, where several were asked for.
    others: Vec<String>,
    failed: bool,
}

#[derive(Debug, Default, PartialEq)]
struct Call {
    /// Empty where the provider gave none.
    id: String,
    name: String,
    arguments: String,
}

fn word(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn add_other(others: &mut Vec<String>, index: usize, delta: &Value) {
    others.resize(others.len().max(index), String::new());
    others[index - 1] += word(&delta["content"]);
}

/// An independent reading of a recorded body, in the simplest way.
#[derive(Debug, Default)]
struct Reading {
    said: Said,
    /// The choice and the number under which each call was begun.
    keys: Vec<(usize, Option<u64>)>,
}

/// Reads a body that was asked for with so many choices.
fn read(body: &str, asked: u64) -> Said {
    let mut reading = Reading::default();
    let mut ended = false;
    for data in body.split(['\n', '\r']).filter_map(|line| line.strip_prefix("data:")).map(str::trim) {
        if data == "[DONE]" {
            ended = true;
        } else if !reading.said.failed {
            reading.chunk(&serde_json::from_str(data).unwrap(), asked);
        }
    }
    let mut said = reading.said;
    // A stream that says neither why it ended nor that it did was cut.
    said.failed |= !ended && said.finish.is_none();
    said.finish = match said.finish.as_deref().unwrap_or("stop") {
        _ if said.failed => None,
        "stop" | "eos" if said.calls.is_empty() => Some("stop".into()),
        "stop" | "eos" | "tool_calls" | "tool_call" | "function_call" => Some("tool_calls".into()),
        "length" | "model_length" => Some("length".into()),
        other => Some(other.into()),
    };
    if said.failed {
        said.tokens = None;
    }
    said
}

impl Reading {
    fn chunk(&mut self, chunk: &Value, asked: u64) {
        let is_error = |error: &Value| error.is_object() || error.is_string();
        if is_error(&chunk["error"]) || list(&chunk["choices"]).iter().any(|choice| is_error(&choice["error"])) {
            self.said.failed = true;
            return;
        }
        for choice in list(&chunk["choices"]) {
            let index = usize::try_from(choice["index"].as_u64().unwrap_or(0)).unwrap();
            if asked > 1 && index > 0 {
                add_other(&mut self.said.others, index, &choice["delta"]);
                continue;
            }
            // Copilot's old form of a plain completion.
            self.said.text += word(&choice["text"]);
            self.delta(index, &choice["delta"]);
            // Where one answer comes as several choices, any reason says more than "stop".
            let before = self.said.finish.as_deref().unwrap_or("stop");
            if let Some(finish) = choice["finish_reason"].as_str().filter(|word| !word.is_empty() && before == "stop") {
                self.said.finish = Some(finish.to_owned());
            }
        }
        let in_choices = list(&chunk["choices"]).iter().map(|choice| &choice["usage"]);
        let places = in_choices.chain([&chunk["x_groq"]["usage"], &chunk["usage"]]);
        if let Some(usage) = places.rev().find(|usage| usage.is_object()) {
            self.said.tokens = Some(tokens(usage));
        }
    }

    fn delta(&mut self, choice: usize, delta: &Value) {
        let said = &mut self.said;
        said.text += word(&delta["content"]);
        for part in list(&delta["content"]) {
            said.text += word(&part["text"]);
            said.thinking += word(&part["thinking"]);
            list(&part["thinking"]).iter().for_each(|inner| said.thinking += word(&inner["text"]));
        }
        said.refusal += word(&delta["refusal"]);
        // The same thinking often stands under several names.
        let details = list(&delta["reasoning_details"]).iter();
        let details: String =
            details.map(|one| one["text"].as_str().unwrap_or_else(|| word(&one["summary"]))).collect();
        let names = ["reasoning_content", "reasoning", "reasoning_text", "cot_summary"];
        let named = names.iter().map(|name| word(&delta[name])).find(|text| !text.is_empty());
        said.thinking += if details.is_empty() { named.unwrap_or_default() } else { &details };
        for call in list(&delta["tool_calls"]) {
            let function = if call["custom"].is_object() { &call["custom"] } else { &call["function"] };
            let arguments = if function["input"].is_string() { &function["input"] } else { &function["arguments"] };
            self.call((choice, call["index"].as_u64()), &call["id"], &function["name"], arguments);
        }
        let legacy = &delta["function_call"];
        if legacy.is_object() {
            self.call((choice, None), &Value::Null, &legacy["name"], &legacy["arguments"]);
        }
    }

    fn call(&mut self, key: (usize, Option<u64>), id: &Value, name: &Value, arguments: &Value) {
        let (id, name, calls) = (word(id), word(name), &mut self.said.calls);
        let known = match key.1 {
            Some(_) => self.keys.iter().rposition(|known| *known == key),
            None if id.is_empty() && name.is_empty() => calls.len().checked_sub(1),
            None => None,
        };
        // A name with another id is another call, even under the same number.
        match known.filter(|at| name.is_empty() || id.is_empty() || calls[*at].id == id) {
            Some(at) => calls[at].arguments += word(arguments),
            None => {
                calls.push(Call { id: id.into(), name: name.into(), arguments: word(arguments).into() });
                self.keys.push(key);
            }
        }
    }
}

/// All tokens of an answer: the total that the provider told, or else the sum.
fn tokens(usage: &Value) -> u64 {
    let number = |path: &str| usage.pointer(path).and_then(Value::as_u64);
    let [prompt, completion] = ["/prompt_tokens", "/completion_tokens"].map(|path| number(path).unwrap_or(0));
    // The prompt includes what of it was cached. A server that tells more cached tokens than the prompt has contradicts
    // itself; its total shows that the prompt is right.
    number("/total_tokens").unwrap_or(prompt + completion)
}

/// What a client of greenroom gets.
fn got(events: &[Event]) -> Said {
    let mut said = Said { failed: last_error(events).is_object(), ..Said::default() };
    assert_eq!(is_done(events), !said.failed, "a stream is complete or ends in an error: {events:?}");
    for chunk in events.iter().filter(|event| event.text() != "[DONE]").map(Event::json) {
        if let Some(total) = chunk["usage"]["total_tokens"].as_u64() {
            said.tokens = Some(total);
        }
        for choice in list(&chunk["choices"]) {
            let delta = &choice["delta"];
            let index = usize::try_from(choice["index"].as_u64().unwrap()).unwrap();
            if index > 0 {
                add_other(&mut said.others, index, delta);
                continue;
            }
            said.text += word(&delta["content"]);
            said.thinking += word(&delta["reasoning_content"]);
            said.refusal += word(&delta["refusal"]);
            for call in list(&delta["tool_calls"]) {
                let index = usize::try_from(call["index"].as_u64().unwrap()).unwrap();
                assert!(index <= said.calls.len(), "calls are numbered one after another");
                if index == said.calls.len() {
                    said.calls.push(Call::default());
                }
                let slot = &mut said.calls[index];
                slot.id += word(&call["id"]);
                slot.name += word(&call["function"]["name"]);
                slot.arguments += word(&call["function"]["arguments"]);
            }
            if let Some(finish) = choice["finish_reason"].as_str() {
                assert_eq!(said.finish.replace(finish.to_owned()), None, "an answer ends once");
            }
        }
    }
    said
}

/// Checks that each call has an id of its own, and takes away those that the provider did not give.
fn take_made_up_ids(got: &mut [Call], want: &[Call], case: &str) {
    let ids: HashSet<&str> = got.iter().map(|call| call.id.as_str()).collect();
    assert!(ids.len() == got.len() && !ids.contains(""), "{case}: each call has an id of its own: {got:?}");
    for (call, _) in got.iter_mut().zip(want).filter(|(_, want)| want.id.is_empty()) {
        call.id.clear();
    }
}

/// The streams among the recordings, with the choices that were asked for, and the body.
fn recordings(folder: &Path) -> Vec<(PathBuf, u64, String)> {
    let mut found = Vec::new();
    for api in APIS {
        let Ok(cases) = fs::read_dir(folder.join(api)) else { continue };
        for path in cases.map(|case| case.unwrap().path()).filter(|path| path.extension().is_some_and(|e| e == "json"))
        {
            let json: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
            let body = word(&json["response"]["body"]).to_owned();
            let is_stream = ["data:", "event:", ":"].iter().any(|start| body.trim_start().starts_with(start));
            if json["response"]["status"] == 200 && is_stream {
                found.push((path, json["request"]["body"]["n"].as_u64().unwrap_or(1), body));
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
        return say("wire_openai: passed over, since GREENROOM_RECORDINGS is not set".into());
    };
    let recordings = recordings(folder.as_ref());
    assert!(!recordings.is_empty(), "the folder has streams of this wire");
    let lab = http_support::scripted([openai::Answer::new()]).await;
    let config = http_support::provider("lab", &lab) + http_support::ENDS_WHERE_CUT;
    let greenroom = Greenroom::start(&config).await;
    let mut failures = Vec::new();
    for (number, (path, asked, body)) in recordings.iter().enumerate() {
        let want = read(body, *asked);
        for (turn, pieces) in [Pieces::AsRecorded, Pieces::Bytes(7)].into_iter().enumerate() {
            let case = format!("{} {pieces:?}", path.display());
            lab.set_script(openai::chat([replay_in(path, pieces).unwrap().attempt]));
            // A model of its own for each, so that no failure leaves another alone.
            let model = format!("lab/m{number}-{turn}");
            let body = with(ask_streamed(&model), json!({"n": asked, "stream_options": {"include_usage": true}}));
            let mut got = got(&greenroom.api.events(&body).await);
            take_made_up_ids(&mut got.calls, &want.calls, &case);
            if got != want {
                failures.push(format!("{case}\n   got {got:?}\n  want {want:?}"));
            }
        }
    }
    assert!(failures.is_empty(), "{} of {}:\n{}", failures.len(), 2 * recordings.len(), failures.join("\n"));
    say(format!("wire_openai: {} recorded streams came through the program, each in two ways", recordings.len()));
}
