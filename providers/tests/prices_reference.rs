//! What recorded answers cost, against PyPI's `genai-prices` and `litellm`.
//!
//! The folder of the recordings is named by `GREENROOM_RECORDINGS`, the Python that has both packages by `GREENROOM_PRICES`;
//! without them the test is passed over, and says so.

use std::{
    env, fs,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use greenroom_providers::{Catalog, Cost};
use greenroom_wire::{ChatEvent, StreamDecoder, Usage, anthropic, gemini, openai_chat, openai_responses};
use serde_json::{Value, json};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/prices/cost.py");

/// A dollar figure of theirs is a binary fraction, ours exact.
const ROUNDING: f64 = 1e-12;

/// What has no price here and one there: kind of provider, beginning of the model's id, and why.
const UNKNOWN: [(&str, &str, &str); 13] = [
    ("azure", "claude-haiku-4-5", "Azure's page says no price for it; a deployment's name is the customer's own"),
    ("azure", "deepseek-r1", "Azure's page says no price for it"),
    ("azure", "gpt-5.1-chat", "the sources disagree: it depends on the kind of deployment"),
    ("azure", "o4-mini", "the sources disagree: it depends on the kind of deployment"),
    ("copilot", "", "a subscription: a request is not billed by its tokens, and nothing would be as wrong as a price"),
    ("gemini", "gemini-1.5-flash", "it is not served any more"),
    ("gemini", "gemini-3-pro-preview", "it is not served any more"),
    ("openai", "gpt-4", "it is not served any more, nor is gpt-4.1-nano"),
    ("openai", "gpt-5-chat-latest", "it is not served any more"),
    (
        "openrouter",
        "google/gemini-3.1-flash-lite-preview",
        "it is not served any more; OpenRouter said the cost itself",
    ),
    ("openrouter", "x-ai/grok-4.1-fast", "it is not served any more; OpenRouter said the cost itself"),
    ("vertex", "claude-", "it depends on the region"),
    ("vertex", "gemini-", "the catalogue has no price of Vertex's for it"),
];

/// What costs something else there: the recording, whose figure, and why ours is right.
const OTHERWISE: [(&str, &str, &str); 4] = [
    (
        "anthropic-messages/stream-pause-turn-websearch-thinking-sig__pydai",
        "genai",
        "it adds up many runs, of which none was long; it takes them for one prompt of over 200,000 tokens",
    ),
    (
        "azure-chat/stream-tool-noargs-toolresult-cache-read__ruby_llm",
        "genai",
        "Azure's page says no price for what is cached: it is charged as the prompt, rather too much than too little",
    ),
    ("azure-chat/unary-structured-cache-read__ruby_llm", "genai", "the same"),
    ("openai-chat/stream-tool-noargs__llm", "told", "a gateway's own price, not OpenAI's; what is told goes first"),
];

#[test]
fn recorded_answers_cost_what_others_say_or_it_is_known_why_not() {
    let (Some(folder), Some(python)) = (env::var_os("GREENROOM_RECORDINGS"), env::var_os("GREENROOM_PRICES")) else {
        return eprintln!("passed over: GREENROOM_RECORDINGS and GREENROOM_PRICES are not both set");
    };
    let answers = answers(folder.as_ref());
    let theirs = theirs(&python, &answers);
    let catalog = Catalog::embedded();
    let (mut equal, mut unknown, mut explained) = (0, vec![0; UNKNOWN.len()], vec![0; OTHERWISE.len()]);
    let mut failed = Vec::new();
    for (answer, theirs) in answers.iter().zip(&theirs) {
        let price = catalog.lookup(answer.kind, &answer.model).and_then(|entry| entry.info.price);
        // Neither of them counts searches among tokens.
        let tokens = Usage { server_tools: Default::default(), ..answer.usage.clone() };
        let ours = price.map(|price| price.cost(&tokens).dollars());
        let figures = ["genai", "litellm"].map(|name| (name, theirs[name].as_str().and_then(|text| text.parse().ok())));
        let told = answer.usage.cost.map(|parts| Cost::from_parts(parts.into()).dollars());
        for (whose, figure) in figures.into_iter().chain([("told", told)]) {
            let Some(figure): Option<f64> = figure else { continue };
            let place = match ours {
                Some(ours) if (ours - figure).abs() <= ROUNDING => {
                    equal += 1;
                    continue;
                }
                Some(_) => {
                    OTHERWISE.iter().position(|row| row.0 == answer.name && row.1 == whose).map(|at| &mut explained[at])
                }
                None => {
                    let is = |row: &(&str, &str, &str)| row.0 == answer.kind && answer.model.starts_with(row.1);
                    UNKNOWN.iter().position(is).map(|at| &mut unknown[at])
                }
            };
            match place {
                Some(count) => *count += 1,
                None => failed.push(format!("{} {}: {ours:?} here, {figure} by {whose}", answer.name, answer.model)),
            }
        }
    }
    eprintln!(
        "{} answers: {equal} figures equal, {} with no price here, {} explained",
        answers.len(),
        unknown.iter().sum::<i32>(),
        explained.iter().sum::<i32>()
    );
    assert!(failed.is_empty(), "{failed:#?}");
    assert!(equal > 100, "most are equal");
    assert!(unknown.iter().chain(&explained).all(|count| *count > 0), "no row is left over: {unknown:?} {explained:?}");
}

struct Answer {
    name: String,
    kind: &'static str,
    model: String,
    usage: Usage,
}

fn answers(folder: &Path) -> Vec<Answer> {
    let manifest = fs::read_to_string(folder.join("MANIFEST.tsv")).expect("the folder has a MANIFEST.tsv");
    let rows = manifest.lines().skip(1).filter_map(|row| {
        let mut columns = row.split('\t');
        let (api, case) = (columns.next().expect("a provider"), columns.next().expect("a case"));
        let text = fs::read_to_string(folder.join(api).join(format!("{case}.json"))).expect("a listed recording");
        answer(api, case, &serde_json::from_str(&text).expect("a recording is JSON"))
    });
    rows.collect()
}

fn answer(api: &str, case: &str, recording: &Value) -> Option<Answer> {
    let (request, response) = (&recording["request"], &recording["response"]);
    let kind = ["anthropic", "azure", "bedrock", "copilot", "gemini", "openai", "openrouter", "vertex"]
        .into_iter()
        .find(|kind| api.split('-').next() == Some(kind) && api != "openai-compat")?;
    let body = match (&response["body"], response["body_base64"].as_str()) {
        (_, Some(coded)) => STANDARD.decode(coded).expect("body_base64 is base64"),
        (Value::String(text), None) => text.clone().into_bytes(),
        (Value::Null, None) => return None,
        (other, None) => other.to_string().into_bytes(),
    };
    let path = request["path"].as_str().unwrap_or_default();
    let after = |mark: &str| Some(path.split(mark).nth(1)?.split(['/', ':', '?']).next()?.to_owned());
    let model = request["body"]["model"].as_str().map(str::to_owned);
    let model = model.or_else(|| after("models/")).or_else(|| after("deployments/"))?;
    if response["status"] != 200 || path.contains("count") || path.contains("embed") || path.contains("Embed") {
        return None;
    }
    let is_stream = ["data:", "event:", ":"].iter().any(|mark| body.trim_ascii_start().starts_with(mark.as_bytes()));
    let names = || Default::default();
    let events = match api {
        "anthropic-messages" | "azure-anthropic" | "vertex-anthropic" if is_stream => {
            streamed(anthropic::AnthropicDecoder::new(names()), &body)
        }
        "anthropic-messages" | "azure-anthropic" | "vertex-anthropic" => {
            anthropic::decode_answer(&body, &names()).ok()?
        }
        "gemini-generate" | "vertex-gemini" if path.contains("stream") => {
            streamed(gemini::GeminiDecoder::new(names()), &body)
        }
        "gemini-generate" | "vertex-gemini" => gemini::decode_answer(&body, &names()).ok()?,
        _ if path.contains("/responses") && is_stream => {
            streamed(openai_responses::OpenaiResponsesDecoder::new(names()), &body)
        }
        _ if path.contains("/responses") => openai_responses::decode_answer(&body, &names()).ok()?,
        _ if path.contains("/chat/completions") && is_stream => streamed(openai_chat::OpenaiChatDecoder::new(8), &body),
        _ if path.contains("/chat/completions") => openai_chat::decode_answer(&body, 8, &names()).ok()?,
        _ => return None,
    };
    let usage = events.into_iter().rev().find_map(|event| match event {
        ChatEvent::Usage(usage) if usage != Usage::default() => Some(usage),
        _ => None,
    })?;
    Some(Answer { name: format!("{api}/{case}"), kind, model, usage })
}

fn streamed(mut decoder: impl StreamDecoder, body: &[u8]) -> Vec<ChatEvent> {
    decoder.handle_bytes(body);
    decoder.handle_end();
    std::iter::from_fn(|| decoder.poll_event()).collect()
}

/// What both libraries say of each.
fn theirs(python: &std::ffi::OsStr, answers: &[Answer]) -> Vec<Value> {
    let mut child =
        Command::new(python).arg(SCRIPT).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("Python is there");
    let asked = answers.iter().map(|Answer { kind, model, usage, .. }| {
        let mut line = json!(usage);
        line["kind"] = (*kind).into();
        line["model"] = model.as_str().into();
        format!("{line}\n")
    });
    let asked: String = asked.collect();
    child.stdin.take().expect("it is piped").write_all(asked.as_bytes()).expect("the script reads all of it");
    let output = child.wait_with_output().expect("a child that was started can be waited for");
    assert!(output.status.success());
    let lines = String::from_utf8(output.stdout).expect("JSON is UTF-8");
    let theirs: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect();
    assert_eq!(theirs.len(), answers.len());
    theirs
}
