//! Counts of recorded requests against what their providers said they were.
//!
//! The folder of the recordings is named by `GREENROOM_RECORDINGS`; they are not part of this project.

use std::{collections::BTreeMap, fs, path::Path};

use greenroom_providers::tokens;
use greenroom_wire::{ChatRequest, anthropic, gemini, ollama, openai_chat, openai_responses};
use serde_json::Value;

struct Asked {
    /// The recorded id of the model; an alias where a deployment's name says nothing.
    model: String,
    request: ChatRequest,
    reported: u64,
}

/// What the counts of a family came to.
#[derive(Default)]
struct Found {
    exact: usize,
    bounded: usize,
    /// Those of which nothing is known beforehand: what the provider itself brings in, or documents.
    unknown: usize,
    /// The sum and the worst of what the bounded ones were off, in shares of the count.
    off: f64,
    worst: f64,
}

#[test]
fn counts_hold_their_bounds_over_all_recorded_requests() {
    let Some(folder) = std::env::var_os("GREENROOM_RECORDINGS") else {
        return eprintln!("passed over: GREENROOM_RECORDINGS is not set");
    };
    let mut families = BTreeMap::<&str, Found>::new();
    let mut failed = Vec::new();
    let manifest = fs::read_to_string(Path::new(&folder).join("MANIFEST.tsv")).expect("the folder has a MANIFEST.tsv");
    for row in manifest.lines().skip(1) {
        let mut columns = row.split('\t');
        let (api, case) = (columns.next().expect("a provider"), columns.next().expect("a case"));
        let path = Path::new(&folder).join(api).join(format!("{case}.json"));
        let text = fs::read_to_string(path).expect("a listed recording");
        let recording: Value = serde_json::from_str(&text).expect("a recording is JSON");
        let Some(asked) = asked(api, &recording) else { continue };
        let count = tokens::count(&asked.model, &asked.request);
        assert_eq!(tokens::counts_exactly(&asked.model, &asked.request), count.error.is_none(), "{api}/{case}");
        let found = families.entry(family(&asked.model)).or_default();
        let off = (asked.reported as f64 / count.tokens as f64 - 1.0).abs();
        match count.error {
            Some(error) if error >= 1.0 => found.unknown += 1,
            Some(error) => {
                found.bounded += 1;
                found.off += off;
                found.worst = found.worst.max(off);
                if off > error {
                    failed.push(format!("{api}/{case} {}: {count:?}, but {} were told", asked.model, asked.reported));
                }
            }
            None => {
                found.exact += 1;
                if count.tokens != asked.reported {
                    failed.push(format!("{api}/{case} {}: {count:?}, but {} were told", asked.model, asked.reported));
                }
            }
        }
    }
    for (family, Found { exact, bounded, unknown, off, worst }) in &families {
        let mean = 100.0 * off / (*bounded).max(1) as f64;
        eprintln!(
            "{family}: {exact} exact, {bounded} within their bound (off by {mean:.0} % on average, {:.0} % at worst), \
             {unknown} unknown",
            worst * 100.0
        );
    }
    assert!(families["gpt"].exact >= 10, "plain requests of OpenAI's are recorded");
    assert!(failed.is_empty(), "{failed:#?}");
}

fn family(model: &str) -> &'static str {
    ["gpt-oss", "gpt", "claude", "gemini", "gemma", "deepseek", "grok", "mistral", "qwen"]
        .into_iter()
        .find(|name| model.to_lowercase().contains(name))
        .unwrap_or("other")
}

fn asked(api: &str, recording: &Value) -> Option<Asked> {
    let (request, response) = (&recording["request"], &recording["response"]);
    let mut body = request["body"].clone();
    if response["status"] != 200 || !body.is_object() {
        return None;
    }
    let path = request["path"].as_str().unwrap_or_default();
    let answer = match &response["body"] {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    // One recording has its usage struck out.
    let reported = reported(&answer).filter(|tokens| *tokens > 0)?;
    let named = |body: &Value| body["model"].as_str().map(str::to_owned);
    let from_path = |mark: &str| Some(path.split(mark).nth(1)?.split(['/', ':', '?']).next()?.to_owned());
    let (model, request) = match api {
        "gemini-generate" | "vertex-gemini" | "gemini-count-tokens" | "vertex-count-tokens" => {
            let model = from_path("models/")?;
            (model.clone(), gemini::decode_request(body.to_string().as_bytes(), &model).ok()?)
        }
        "anthropic-messages" | "azure-anthropic" | "vertex-anthropic" | "anthropic-count-tokens" => {
            let model = named(&body).or_else(|| from_path("models/"))?;
            body["model"] = model.clone().into();
            if body["max_tokens"].is_null() {
                body["max_tokens"] = 1.into();
            }
            (model, anthropic::decode_request(body.to_string().as_bytes()).ok()?.request)
        }
        "ollama-native" => (named(&body)?, ollama::decode_request(body.to_string().as_bytes()).ok()?.request),
        _ if path.contains("/responses") => {
            (named(&body)?, openai_responses::decode_request(body.to_string().as_bytes()).ok()?.request)
        }
        _ if path.contains("/chat/completions") => {
            let model = named(&body).or_else(|| from_path("deployments/"))?;
            body["model"] = model.clone().into();
            (model, openai_chat::decode_request(body.to_string().as_bytes()).ok()?.request)
        }
        _ => return None,
    };
    Some(Asked { model, request, reported })
}

/// All tokens of the prompt, cached ones included, as the answer says them; the most where it says them often.
fn reported(answer: &str) -> Option<u64> {
    let all = |key: &str| {
        let mark = format!("\"{key}\"");
        let after = answer.match_indices(&mark).filter_map(|(at, _)| {
            let rest = answer[at + mark.len()..].trim_start().strip_prefix(':')?.trim_start();
            rest[..rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len())].parse::<u64>().ok()
        });
        after.max()
    };
    let input = all("input_tokens").map(|input| {
        input + all("cache_read_input_tokens").unwrap_or(0) + all("cache_creation_input_tokens").unwrap_or(0)
    });
    [all("prompt_tokens"), input, all("promptTokenCount"), all("prompt_eval_count")].into_iter().flatten().next()
}
