//! How the model is to answer, as a provider reads it.

use super::{dialect::Dialect, own, thinking::plan, tools::offers_functions, tools::put_schema};
use crate::{
    chat::{ChatRequest, Extra, ResponseFormat, Wire},
    encode::{LeftOut, put_number, put_some},
    extras::Extras,
    json::{put_key, put_str, put_value},
};

/// How many stop texts are taken.
const MOST_STOPS: usize = 5;

/// Numbers that other wires have too, by their place there, under this wire's name and with the same meaning.
const SHARED: [(Wire, &str, &str); 8] = [
    (Wire::OpenaiChat, "/seed", "seed"),
    (Wire::OpenaiChat, "/frequency_penalty", "frequencyPenalty"),
    (Wire::OpenaiChat, "/presence_penalty", "presencePenalty"),
    (Wire::Anthropic, "/top_k", "topK"),
    (Wire::Ollama, "/options/seed", "seed"),
    (Wire::Ollama, "/options/top_k", "topK"),
    (Wire::Ollama, "/options/frequency_penalty", "frequencyPenalty"),
    (Wire::Ollama, "/options/presence_penalty", "presencePenalty"),
];

fn shared(extra: &Extra) -> Option<&'static str> {
    let same = |(wire, path, _): &&(Wire, &str, &str)| *wire == extra.wire && *path == extra.path;
    SHARED.iter().find(same).filter(|_| extra.json.is_number()).map(|(_, _, key)| *key)
}

/// Reports what another wire's extras say and this one cannot.
pub(super) fn report_others(extras: &[Extra], left_out: &mut Vec<LeftOut>) {
    for extra in extras.iter().filter(|extra| extra.wire != Wire::Gemini && shared(extra).is_none()) {
        left_out.push(LeftOut { at: extra.path.clone(), what: "another wire's own field" });
    }
}

/// Writes `generationConfig`, if it says anything.
pub(super) fn put_config(out: &mut Vec<u8>, request: &ChatRequest, dialect: &Dialect, left_out: &mut Vec<LeftOut>) {
    const PATH: &str = "/generationConfig";
    let extras = own(&request.extra);
    let start = out.len();
    put_key(out, "generationConfig");
    out.push(b'{');
    let empty = out.len();
    for (key, number) in [("temperature", request.temperature), ("topP", request.top_p)] {
        if let Some(number) = number {
            put_key(out, key);
            put_number(out, number);
        }
    }
    put_some(out, "maxOutputTokens", request.max_tokens.as_ref());
    put_stops(out, &request.stop, left_out);
    let mut written = vec!["temperature", "topP", "maxOutputTokens", "stopSequences", "thinkingConfig"];
    if put_format(out, request, dialect, left_out) {
        written.extend(["responseMimeType", "responseSchema", "responseJsonSchema"]);
    }
    put_thinking(out, request, dialect, extras, left_out);
    for extra in &request.extra {
        if let Some(key) = shared(extra).filter(|key| !written.contains(key)) {
            written.push(key);
            put_key(out, key);
            put_value(out, &extra.json);
        }
    }
    extras.put_keys(out, PATH, &written);
    match out.len() {
        length if length == empty => out.truncate(start),
        _ => out.push(b'}'),
    }
}

fn put_stops(out: &mut Vec<u8>, stop: &[String], left_out: &mut Vec<LeftOut>) {
    let said: Vec<&String> = stop.iter().filter(|text| !text.is_empty()).collect();
    if said.len() < stop.len() {
        left_out.push(LeftOut { at: "stop".into(), what: "an empty stop text" });
    }
    if said.len() > MOST_STOPS {
        left_out.push(LeftOut { at: "stop".into(), what: "more stop texts than this wire takes" });
    }
    if !said.is_empty() {
        put_key(out, "stopSequences");
        put_value(out, &said[..said.len().min(MOST_STOPS)]);
    }
}

/// Writes the form of the answer; whether there is one to write.
fn put_format(out: &mut Vec<u8>, request: &ChatRequest, dialect: &Dialect, left_out: &mut Vec<LeftOut>) -> bool {
    let mut miss = |at: &str, what| left_out.push(LeftOut { at: at.into(), what });
    let schema = match &request.response_format {
        None | Some(ResponseFormat::Text) => return false,
        Some(_) if !dialect.format_with_tools && offers_functions(&request.tools) => {
            miss("response_format", "this model takes no form of its answer beside tools");
            return false;
        }
        Some(ResponseFormat::JsonObject) => None,
        Some(ResponseFormat::JsonSchema { schema, description, .. }) => {
            if description.is_some() {
                miss("response_format.description", "this wire has no word for it");
            }
            schema.as_ref()
        }
    };
    put_key(out, "responseMimeType");
    put_str(out, "application/json");
    if let Some(schema) = schema {
        let keys = ["responseSchema", "responseJsonSchema"];
        put_schema(out, keys, schema, dialect, "response_format.schema".into(), left_out);
    }
    true
}

fn put_thinking(
    out: &mut Vec<u8>,
    request: &ChatRequest,
    dialect: &Dialect,
    extras: Extras<'_>,
    left_out: &mut Vec<LeftOut>,
) {
    const PATH: &str = "/generationConfig/thinkingConfig";
    let plan = request.thinking.as_ref().map(|wish| plan(wish, dialect.thinking, left_out)).unwrap_or_default();
    let start = out.len();
    put_key(out, "thinkingConfig");
    out.push(b'{');
    let empty = out.len();
    put_some(out, "thinkingBudget", plan.budget.as_ref());
    put_some(out, "thinkingLevel", plan.level.as_ref());
    if plan.show && extras.keys_at(PATH).all(|(key, _)| key != "includeThoughts") {
        put_key(out, "includeThoughts");
        out.extend_from_slice(b"true");
    }
    extras.put_keys(out, PATH, &["thinkingBudget", "thinkingLevel"]);
    match out.len() {
        length if length == empty => out.truncate(start),
        _ => out.push(b'}'),
    }
}
