//! What the tests of the clouds share: recordings that are asked for as they were, and answers as a client sees them.
#![allow(dead_code, unreachable_pub, reason = "each test program uses its own part")]
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use greenroom_tests::client::Event;
use serde_json::Value;

/// A recorded exchange.
#[derive(Debug)]
pub struct Case {
    pub path: PathBuf,
    pub name: String,
    /// Path and query of the request; empty where they are not known.
    pub target: String,
    pub asked: Value,
    pub status: u16,
    pub body: String,
}

impl Case {
    /// Whether the answer is a stream of events.
    pub fn is_stream(&self) -> bool {
        self.status == 200 && ["data:", "event:", ":"].iter().any(|start| self.body.trim_start().starts_with(start))
    }

    /// The path of the request without its query.
    pub fn target_path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// The answer as JSON; `null` if it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    /// What follows `data:` in each event.
    pub fn data(&self) -> Vec<Value> {
        let lines = self.body.split(['\n', '\r']).filter_map(|line| line.strip_prefix("data:")).map(str::trim);
        lines.filter(|data| data.starts_with('{')).map(|data| serde_json::from_str(data).unwrap()).collect()
    }
}

/// The recordings of an API; none where the folder is not named.
pub fn cases(api: &str) -> Vec<Case> {
    let Some(folder) = env::var_os("GREENROOM_RECORDINGS") else {
        say(&format!("{api}: passed over, since GREENROOM_RECORDINGS is not set"));
        return Vec::new();
    };
    let Ok(files) = fs::read_dir(Path::new(&folder).join(api)) else { return Vec::new() };
    let files = files.map(|file| file.unwrap().path()).filter(|path| path.extension().is_some_and(|end| end == "json"));
    let mut cases: Vec<Case> = files.map(read).collect();
    cases.sort_by(|one, other| one.path.cmp(&other.path));
    cases
}

fn read(path: PathBuf) -> Case {
    let json: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Case {
        name: path.display().to_string(),
        target: word(&json["request"]["path"]),
        asked: json["request"]["body"].clone(),
        status: u16::try_from(json["response"]["status"].as_u64().unwrap()).unwrap(),
        body: word(&json["response"]["body"]),
        path,
    }
}

/// Written past the harness, which shows nothing of a test that passes.
fn say(line: &str) {
    let mut out = std::io::stdout();
    writeln!(out, "{line}").unwrap();
}

/// Says how many recordings of an API came through.
pub fn tell(api: &str, cases: &[Case]) {
    say(&format!("{api}: {} recordings came through the program", cases.len()));
}

/// All deltas of a text field.
pub fn field(events: &[Event], name: &str) -> String {
    let delta = |event: &Event| event.json()["choices"][0]["delta"][name].as_str().map(str::to_owned);
    events.iter().filter_map(delta).collect()
}

/// Name and arguments of each tool call.
pub fn calls(events: &[Event]) -> Vec<[String; 2]> {
    let mut calls: Vec<[String; 2]> = Vec::new();
    for event in events {
        for call in event.json()["choices"][0]["delta"]["tool_calls"].as_array().into_iter().flatten() {
            let index = usize::try_from(call["index"].as_u64().unwrap()).unwrap();
            calls.resize(calls.len().max(index + 1), Default::default());
            for (slot, more) in calls[index].iter_mut().zip([&call["function"]["name"], &call["function"]["arguments"]])
            {
                slot.push_str(more.as_str().unwrap_or_default());
            }
        }
    }
    calls
}

pub fn finish(events: &[Event]) -> Option<String> {
    events.iter().find_map(|event| event.json()["choices"][0]["finish_reason"].as_str().map(str::to_owned))
}
