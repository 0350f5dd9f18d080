//! Recorded answers of OpenAI's chat wire, read in the simplest way, and what a client of greenroom gets of them.
#![allow(dead_code, unreachable_pub, reason = "each test program uses its own part")]
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use greenroom_tests::client::Event;
use greenroom_tests::replay::{Pieces, replay_in};
use greenroom_tests::{Route, Script};
use serde_json::{Value, json};

use super::http_support::{ask, ask_streamed, is_done, last_error, with};

/// What a stream says, whoever says it.
#[derive(Debug, Default, PartialEq)]
pub struct Said {
    pub text: String,
    pub thinking: String,
    pub refusal: String,
    pub calls: Vec<Call>,
    pub finish: Option<String>,
    pub tokens: Option<u64>,
    /// What the other choices say, where several were asked for.
    pub others: Vec<String>,
    pub failed: bool,
}

#[derive(Debug, Default, PartialEq)]
pub struct Call {
    /// Empty where the provider gave none.
    pub id: String,
    pub name: String,
    pub arguments: String,
}

pub fn word(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

pub fn list(value: &Value) -> &[Value] {
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
pub fn read(body: &str, asked: u64) -> Said {
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
pub fn got(events: &[Event]) -> Said {
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
pub fn take_made_up_ids(got: &mut [Call], want: &[Call], case: &str) {
    let ids: HashSet<&str> = got.iter().map(|call| call.id.as_str()).collect();
    assert!(ids.len() == got.len() && !ids.contains(""), "{case}: each call has an id of its own: {got:?}");
    for (call, _) in got.iter_mut().zip(want).filter(|(_, want)| want.id.is_empty()) {
        call.id.clear();
    }
}

/// The answers among the recordings of these servers that came as streams, with the choices that were asked for, and the
/// body.
pub fn streams(folder: &Path, apis: &[&str]) -> Vec<(PathBuf, u64, String)> {
    let mut found = Vec::new();
    for (path, json) in recorded(folder, apis) {
        let body = word(&json["response"]["body"]).to_owned();
        let is_stream = ["data:", "event:", ":"].iter().any(|start| body.trim_start().starts_with(start));
        if json["response"]["status"] == 200 && is_stream {
            found.push((path, json["request"]["body"]["n"].as_u64().unwrap_or(1), body));
        }
    }
    found
}

/// The answers that came whole.
pub fn wholes(folder: &Path, apis: &[&str]) -> Vec<(PathBuf, Value)> {
    let answers = recorded(folder, apis).into_iter().filter(|(_, json)| json["response"]["status"] == 200);
    let whole = |json: Value| serde_json::from_str::<Value>(word(&json["response"]["body"]).trim()).ok();
    answers.filter_map(|(path, json)| Some((path, whole(json)?))).collect()
}

/// The refusals, with their status.
pub fn refusals(folder: &Path, apis: &[&str]) -> Vec<(PathBuf, u64)> {
    let status = |json: &Value| json["response"]["status"].as_u64().unwrap();
    let all = recorded(folder, apis).into_iter().map(|(path, json)| (path, status(&json)));
    all.filter(|(_, status)| *status >= 400).collect()
}

/// Every recording of these servers.
pub fn recorded(folder: &Path, apis: &[&str]) -> Vec<(PathBuf, Value)> {
    let mut found = Vec::new();
    for api in apis {
        let Ok(cases) = fs::read_dir(folder.join(api)) else { continue };
        for path in cases.map(|case| case.unwrap().path()).filter(|path| path.extension().is_some_and(|e| e == "json"))
        {
            let json: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
            found.push((path, json));
        }
    }
    found.sort_by(|(one, _), (other, _)| one.cmp(other));
    found
}

/// What a whole answer of a provider says, several choices in one as this wire is read where one was asked for.
pub fn read_whole(body: &Value) -> Said {
    let mut reading = Reading::default();
    let mut chunk = body.clone();
    for choice in chunk["choices"].as_array_mut().into_iter().flatten() {
        choice["delta"] = choice["message"].take();
    }
    reading.chunk(&chunk, 1);
    let mut said = reading.said;
    if said.finish.as_deref() == Some("stop") && !said.calls.is_empty() {
        said.finish = Some("tool_calls".into());
    }
    said
}

/// What a whole answer of greenroom's says.
pub fn got_whole(body: &Value) -> Said {
    let mut said = read_whole(body);
    said.tokens = body["usage"]["total_tokens"].as_u64();
    said
}

/// Every recorded answer of these servers comes through: streams as they came and in small pieces, whole answers whole.
pub async fn replay_all(
    greenroom: &super::http_support::Greenroom,
    lab: &greenroom_tests::ScriptedProvider,
    (provider, path): (&str, &str),
    apis: &[&str],
) -> usize {
    let folder = std::env::var_os("GREENROOM_RECORDINGS").unwrap();
    let mut failures = Vec::new();
    let mut played = 0;
    let route = |path: &str, attempt| Route::new("POST", path, [attempt]);
    for (number, (file, asked, body)) in streams(folder.as_ref(), apis).into_iter().enumerate() {
        let want = read(&body, asked);
        for (turn, pieces) in [Pieces::AsRecorded, Pieces::Bytes(7)].into_iter().enumerate() {
            let case = format!("{} {pieces:?}", file.display());
            lab.set_script(route(path, replay_in(&file, pieces).unwrap().attempt));
            // A model of its own for each, so that no failure leaves another alone.
            let model = format!("{provider}/m{number}-{turn}");
            let body = with(ask_streamed(&model), json!({"n": asked, "stream_options": {"include_usage": true}}));
            let mut got = got(&greenroom.api.events(&body).await);
            take_made_up_ids(&mut got.calls, &want.calls, &case);
            if got != want {
                failures.push(format!("{case}\n   got {got:?}\n  want {want:?}"));
            }
            played += 1;
        }
    }
    for (number, (file, body)) in wholes(folder.as_ref(), apis).into_iter().enumerate() {
        lab.set_script(route(path, replay_in(&file, Pieces::AsRecorded).unwrap().attempt));
        let response = greenroom.api.chat(&ask(&format!("{provider}/w{number}"))).await;
        assert_eq!(response.status, 200, "{}: {}", file.display(), response.text());
        let (mut got, want) = (got_whole(&response.json()), read_whole(&body));
        take_made_up_ids(&mut got.calls, &want.calls, &file.display().to_string());
        if got != want {
            failures.push(format!("{}\n   got {got:?}\n  want {want:?}", file.display()));
        }
        played += 1;
    }
    for (number, (file, status)) in refusals(folder.as_ref(), apis).into_iter().enumerate() {
        let attempt = replay_in(&file, Pieces::AsRecorded).unwrap().attempt;
        lab.set_script(Script::new([Route::new("POST", path, [attempt.always()])]));
        let response = greenroom.api.chat(&ask(&format!("{provider}/r{number}"))).await;
        if response.status < 400 || !response.json()["error"]["message"].is_string() {
            failures.push(format!("{} ({status}): {}", file.display(), response.text()));
        }
        let _reset = greenroom.home.run(&["providers", "reset", provider]).await;
        played += 1;
    }
    assert!(failures.is_empty(), "{} of {played}:\n{}", failures.len(), failures.join("\n"));
    played
}

/// The text of every recorded answer in the Responses API comes through, and so does the first call of a tool.
pub async fn replay_responses(
    greenroom: &super::http_support::Greenroom,
    lab: &greenroom_tests::ScriptedProvider,
    (provider, path): (&str, &str),
    apis: &[&str],
) -> usize {
    let folder = std::env::var_os("GREENROOM_RECORDINGS").unwrap();
    let mut played = 0;
    for (number, (file, json)) in recorded(folder.as_ref(), apis).into_iter().enumerate() {
        let body = word(&json["response"]["body"]);
        let whole = serde_json::from_str::<Value>(body).ok();
        let mut events =
            body.lines().filter_map(|line| serde_json::from_str::<Value>(line.strip_prefix("data:")?).ok());
        let ended = whole.or_else(|| events.next_back().map(|mut event| event["response"].take())).unwrap();
        let items = || list(&ended["output"]).iter();
        let texts = items().flat_map(|item| list(&item["content"])).filter(|part| part["type"] == "output_text");
        let text: String = texts.map(|part| word(&part["text"])).collect();
        let call = items().find(|item| item["type"] == "function_call").map(|item| item["call_id"].clone());
        lab.set_script(Route::new("POST", path, [replay_in(&file, Pieces::AsRecorded).unwrap().attempt]));
        let answered = greenroom.api.chat(&ask(&format!("{provider}/p{number}"))).await;
        let message = &answered.json()["choices"][0]["message"];
        assert_eq!(word(&message["content"]), text, "{}: {}", file.display(), answered.text());
        assert_eq!(message["tool_calls"][0]["id"], call.unwrap_or_default(), "{}", file.display());
        played += 1;
    }
    played
}
