//! Recorded traffic of real providers, read by the decoders and by an independent reading, which must agree.
//!
//! The folder of the recordings is named by `GREENROOM_RECORDINGS`; they are not part of this project.

#[path = "recordings/anthropic/mod.rs"]
mod anthropic;
#[path = "recordings/bedrock_invoke.rs"]
mod bedrock_invoke;
#[path = "recordings/by_hand.rs"]
mod by_hand;
#[path = "recordings/check.rs"]
mod check;
#[path = "recordings/coverage.rs"]
mod coverage;
#[path = "recordings/embeddings.rs"]
mod embeddings;
#[path = "recordings/errors.rs"]
mod errors;
#[path = "recordings/gemini/mod.rs"]
mod gemini;
#[path = "recordings/limits.rs"]
mod limits;
#[path = "recordings/load.rs"]
mod load;
#[path = "recordings/models.rs"]
mod models;
#[path = "recordings/ollama.rs"]
mod ollama;
#[path = "recordings/openai_responses/mod.rs"]
mod openai_responses;
#[path = "recordings/reading.rs"]
mod reading;
#[path = "recordings/requests.rs"]
mod requests;
#[path = "recordings/retold/mod.rs"]
mod retold;
#[path = "recordings/rules.rs"]
mod rules;

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write,
};

use coverage::Coverage;
use load::Recording;

/// What is explained where it is read: by an SDK (`providers/tests/bedrock_recordings.rs`), or by the parts that let in
/// (`providers/tests/auth_exchange.rs`).
const ELSEWHERE: [&str; 4] = ["bedrock-converse", "bedrock-count-tokens", "bedrock-embeddings", "copilot-auth"];

#[test]
fn recordings_are_explained() {
    // Written past the harness, which shows nothing of a test that passes.
    let mut out = std::io::stdout();
    let mut say = |line: String| writeln!(out, "{line}").expect("stdout is open");
    let Some(folder) = std::env::var_os("GREENROOM_RECORDINGS") else {
        say("recordings: passed over, since GREENROOM_RECORDINGS is not set".into());
        return;
    };
    let mut explained = BTreeMap::<&str, u32>::new();
    let mut passed = BTreeMap::<String, u32>::new();
    let mut elsewhere = BTreeMap::<String, u32>::new();
    let mut coverage = Coverage::default();
    let mut failed = Vec::new();
    let mut limits_told = 0;
    for recording in load::all(folder.as_ref()) {
        match limits::check(&recording) {
            Ok(count) => limits_told += count,
            Err(why) => failed.push(format!("limits: {}/{}: {why}", recording.api, recording.case)),
        }
        match explain(&recording) {
            None if ELSEWHERE.contains(&recording.api.as_str()) => {
                coverage.add(&recording);
                *elsewhere.entry(recording.api.clone()).or_default() += 1;
            }
            None => *passed.entry(recording.api.clone()).or_default() += 1,
            Some((wire, Ok(()))) => {
                coverage.add(&recording);
                *explained.entry(wire).or_default() += 1;
            }
            Some((wire, Err(why))) => failed.push(format!("{wire}: {}/{}: {why}", recording.api, recording.case)),
        }
    }
    for (wire, count) in &explained {
        say(format!("{wire}: {count} explained"));
    }
    for (api, count) in &elsewhere {
        say(format!("{api}: {count} explained by the tests of its provider"));
    }
    for (api, count) in &passed {
        let why = match api.as_str() {
            "bedrock-invoke" => "chats go through Converse, and no wire is that model's own",
            "gemini-models" => "it is no list of models",
            _ => "its wire is not built",
        };
        say(format!("{api}: {count} passed over, {why}"));
    }
    say(format!("rate limits: {limits_told} told"));
    match coverage.check() {
        Ok(how) => say(format!("the table of recordings: {how}")),
        Err(why) => failed.push(why),
    }
    for failure in &failed {
        say(format!("FAILED {failure}"));
    }
    let (explained, passed) = (explained.into_values().sum::<u32>(), passed.into_values().sum::<u32>());
    say(format!("recordings: {explained} explained, {passed} passed over, {} failed", failed.len()));
    assert!(limits_told > 0, "some recordings tell of rate limits");
    assert!(failed.is_empty(), "{} recordings are not explained", failed.len());
}

/// The wire that a recording is of and whether it is explained; `None` if that wire is not built.
fn explain(recording: &Recording) -> Option<(&'static str, Result<(), String>)> {
    match recording.api.as_str() {
        "openai-models" | "copilot-models" | "openrouter-models" | "bedrock-models" => {
            Some(("openai-chat models", models::check(recording)))
        }
        "openai-chat" | "openai-compat" | "azure-chat" | "copilot-chat" | "openrouter-chat" | "ollama-openai"
        | "llamacpp-chat" => Some(("openai-chat", chat(recording))),
        "openai-embeddings"
        | "azure-embeddings"
        | "copilot-embeddings"
        | "openrouter-embeddings"
        | "llamacpp-embeddings" => Some(("openai-chat embeddings", embeddings::check(recording))),
        "bedrock-openai" | "llamacpp-misc" => match recording.path() {
            path if path.contains("/chat/completions") => Some(("openai-chat", chat(recording))),
            path if path.ends_with("/models") => Some(("openai-chat models", models::check(recording))),
            path if path.ends_with("/props") => Some(("llamacpp props", models::check_props(recording))),
            _ => openai_responses::explain(recording),
        },
        "bedrock-invoke" => bedrock_invoke::explain(recording),
        "ollama-native" => ollama::check(recording).map(|outcome| ("ollama", outcome)),
        _ => {
            let explained = anthropic::explain(recording).or_else(|| gemini::explain(recording));
            explained.or_else(|| openai_responses::explain(recording))
        }
    }
}

fn chat(recording: &Recording) -> Result<(), String> {
    requests::check(recording)?;
    if recording.status >= 400 { errors::check(recording) } else { check::check(recording) }
}

#[test]
fn recorded_streams_are_told_again_as_they_were() {
    let mut out = std::io::stdout();
    let mut say = |line: String| writeln!(out, "{line}").expect("stdout is open");
    let Some(folder) = std::env::var_os("GREENROOM_RECORDINGS") else {
        say("recordings told again: passed over, since GREENROOM_RECORDINGS is not set".into());
        return;
    };
    let (mut told, mut met, mut failed) = (BTreeMap::<&str, u32>::new(), BTreeSet::new(), 0);
    for recording in load::all(folder.as_ref()) {
        match retold::check(&recording, &mut met) {
            None => {}
            Some((wire, Ok(()))) => *told.entry(wire).or_default() += 1,
            Some((wire, Err(why))) => {
                failed += 1;
                say(format!("FAILED {wire}: {}/{}: {why}", recording.api, recording.case));
            }
        }
    }
    say(format!("recordings told again: {told:?}, {failed} failed"));
    assert_eq!(failed, 0, "what is told again differs");
    assert_eq!(told.len(), 3, "there are streams of each wire");
    let stale: Vec<_> = retold::differences().filter(|what| !met.contains(what)).collect();
    assert_eq!(stale, [""; 0], "no recording shows these differences");
}
