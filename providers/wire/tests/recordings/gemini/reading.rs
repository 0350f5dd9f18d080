//! An independent reading of an answer: its chunks as plain JSON, put together in the simplest way.

use serde_json::{Map, Value, json};

#[derive(Debug, Default)]
pub(super) struct Reading {
    /// The parts of the first candidate, as they came.
    pub(super) parts: Vec<Value>,
    /// Names, ids and arguments of its calls.
    pub(super) calls: Vec<(String, String, Value)>,
    /// The last finish reason; a filter is not unsaid.
    pub(super) finish: Option<Value>,
    pub(super) usage: Map<String, Value>,
    pub(super) id: String,
    pub(super) model: String,
    pub(super) blocked: Option<String>,
    pub(super) error: Option<Value>,
    pub(super) citations: Vec<Value>,
    /// The paths of what the chat language has no word for.
    pub(super) unknown: Vec<String>,
    /// A call whose arguments come in pieces is not closed yet.
    open: bool,
}

/// The chunks of a body: events, an array, or one object.
pub(super) fn chunks(body: &str) -> Vec<Value> {
    if let Ok(json) = serde_json::from_str::<Value>(body) {
        return match json {
            Value::Array(list) => list,
            one => vec![one],
        };
    }
    let data = body.split(['\n', '\r']).filter_map(|line| line.strip_prefix("data:"));
    let data = data.map(str::trim).filter(|data| !data.is_empty());
    data.map(|data| serde_json::from_str(data).expect("recorded chunks are JSON")).collect()
}

pub(super) fn read(body: &str) -> Reading {
    let mut reading = Reading::default();
    for chunk in chunks(body) {
        reading.chunk(&chunk);
    }
    reading
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn is_nothing(value: &Value) -> bool {
    value.is_null() || *value == json!({}) || *value == json!([])
}

impl Reading {
    fn chunk(&mut self, chunk: &Value) {
        if chunk["error"].is_object() {
            self.error = Some(chunk["error"].clone());
            return;
        }
        for (key, slot) in [("responseId", &mut self.id), ("modelVersion", &mut self.model)] {
            if slot.is_empty() {
                *slot = text(&chunk[key]);
            }
        }
        for (key, value) in chunk["usageMetadata"].as_object().into_iter().flatten() {
            self.usage.insert(key.clone(), value.clone());
        }
        if let Some(reason) = chunk["promptFeedback"]["blockReason"].as_str() {
            self.blocked = Some(reason.to_owned());
        }
        let known = ["responseId", "modelVersion", "usageMetadata", "promptFeedback", "candidates"];
        self.note("", chunk, &known);
        for candidate in chunk["candidates"].as_array().into_iter().flatten() {
            if candidate["index"].as_u64().unwrap_or(0) == 0 {
                self.candidate(candidate);
            }
        }
    }

    /// Notes the fields that are not known.
    fn note(&mut self, at: &str, of: &Value, known: &[&str]) {
        for (key, value) in of.as_object().into_iter().flatten() {
            if !known.contains(&key.as_str()) && !is_nothing(value) {
                self.unknown.push(format!("{at}/{key}"));
            }
        }
    }

    fn candidate(&mut self, candidate: &Value) {
        let known = ["index", "content", "finishReason", "citationMetadata"];
        self.note("/candidates/0", candidate, &known);
        for part in candidate["content"]["parts"].as_array().into_iter().flatten() {
            self.parts.push(part.clone());
            if part["functionCall"].is_object() {
                self.call(&part["functionCall"]);
            }
        }
        let lists = [&candidate["citationMetadata"]["citations"], &candidate["citationMetadata"]["citationSources"]];
        let grounding = &candidate["groundingMetadata"]["groundingChunks"];
        for source in lists.into_iter().chain([grounding]).filter_map(Value::as_array).flatten() {
            if !self.citations.contains(source) {
                self.citations.push(source.clone());
            }
        }
        if !candidate["finishReason"].is_null() {
            self.finish = Some(candidate["finishReason"].clone());
        }
    }

    fn call(&mut self, call: &Value) {
        if call["name"].is_string() {
            self.calls.push((text(&call["name"]), text(&call["id"]), json!({})));
            self.open = call["willContinue"] == true;
        }
        let Some((_, _, arguments)) = self.calls.last_mut() else { return };
        if call["args"].is_object() {
            *arguments = call["args"].clone();
        }
        for piece in call["partialArgs"].as_array().into_iter().flatten() {
            // As far as it was recorded, a path is a name in a name.
            let path = text(&piece["jsonPath"]).replacen("$.", "", 1);
            let mut at = &mut *arguments;
            for key in path.split('.') {
                at = &mut at[key];
            }
            let value = ["stringValue", "numberValue", "boolValue"].iter().map(|key| &piece[*key]);
            let value = value.into_iter().find(|value| !value.is_null()).cloned().unwrap_or_default();
            *at = match (at.as_str(), value.as_str()) {
                (Some(before), Some(more)) => (before.to_owned() + more).into(),
                _ => value,
            };
        }
    }

    /// The texts of all parts that are thoughts, or are none.
    pub(super) fn text(&self, thoughts: bool) -> String {
        let of = self.parts.iter().filter(|part| part["thought"].as_bool().unwrap_or(false) == thoughts);
        of.filter_map(|part| part["text"].as_str()).collect()
    }

    /// The parts that have to go back, signatures in them.
    pub(super) fn signatures(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| part["thoughtSignature"].as_str())
    }
}
