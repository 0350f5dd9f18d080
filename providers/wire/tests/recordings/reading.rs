//! An independent reading of an answer: plain JSON, walked in the simplest way.

use serde_json::Value;

#[derive(Debug, Default, PartialEq)]
pub(crate) struct Reading {
    pub(crate) text: String,
    pub(crate) thinking: String,
    pub(crate) refusal: String,
    /// Name and arguments, in the order of beginning.
    pub(crate) calls: Vec<(String, String)>,
    /// The ids that the provider gave to them; empty where it gave none.
    pub(crate) ids: Vec<String>,
    pub(crate) finish: Option<String>,
    pub(crate) usage: Option<Value>,
    pub(crate) error: Option<Value>,
    pub(crate) id: String,
    pub(crate) model: String,
    pub(crate) citations: usize,
    /// What signs thinking: it must all come back in opaque data.
    pub(crate) signatures: Vec<String>,
    /// Fields beside the choices that the chat language has no word for.
    pub(crate) unknown: Vec<String>,
    pub(crate) logprobs: usize,
    /// What the other choices said, where several were asked for.
    pub(crate) others: Vec<String>,
    pub(crate) ended: bool,
    keys: Vec<String>,
}

const WORDS: [&str; 8] = ["id", "object", "model", "created", "choices", "usage", "error", "obfuscation"];

/// Reads all chunks of a stream, or the one of a whole answer.
pub(crate) fn read(body: &str, stream: bool, choices: u32) -> Reading {
    let mut reading = Reading::default();
    if stream {
        for line in body.split(['\n', '\r']) {
            let Some(data) = line.strip_prefix("data:").map(str::trim) else { continue };
            if data == "[DONE]" {
                reading.ended = true;
            } else {
                reading.chunk(&serde_json::from_str(data).expect("recorded chunks are JSON"), choices);
            }
        }
    } else {
        reading.chunk(&serde_json::from_str(body.trim()).expect("a recorded answer is JSON"), choices);
        reading.ended = true;
    }
    reading
}

impl Reading {
    fn chunk(&mut self, chunk: &Value, asked: u32) {
        if self.error.is_some() {
            return;
        }
        if chunk["error"].is_object() || chunk["error"].is_string() {
            self.error = Some(chunk["error"].clone());
            if chunk["usage"].is_object() {
                self.usage = Some(chunk["usage"].clone());
            }
            return;
        }
        for (key, slot) in [("id", &mut self.id), ("model", &mut self.model)] {
            let at_last = chunk["choices"].as_array().is_some_and(|list| !list.is_empty()) || slot.is_empty();
            if slot.is_empty() && at_last {
                chunk[key].as_str().unwrap_or_default().clone_into(slot);
            }
        }
        for (key, value) in chunk.as_object().into_iter().flatten() {
            let nothing = value.is_null() || value == &serde_json::json!({}) || value == &serde_json::json!([]);
            if !WORDS.contains(&key.as_str()) && key != "p" && !nothing && !self.unknown.contains(key) {
                self.unknown.push(key.clone());
            }
        }
        for choice in chunk["choices"].as_array().into_iter().flatten() {
            let index = choice["index"].as_u64().unwrap_or(0) as usize;
            let delta = if choice["delta"].is_object() { &choice["delta"] } else { &choice["message"] };
            if asked > 1 && index > 0 {
                self.others.resize(self.others.len().max(index + 1), String::new());
                self.others[index].push_str(delta["content"].as_str().unwrap_or_default());
                continue;
            }
            if choice["error"].is_object() {
                self.error = Some(choice["error"].clone());
                return;
            }
            self.text.push_str(choice["text"].as_str().unwrap_or_default());
            self.logprobs += usize::from(choice["logprobs"].as_object().is_some_and(|map| !map.is_empty()));
            self.delta(index, delta);
            if choice["usage"].is_object() {
                self.usage = Some(choice["usage"].clone());
            }
            if let Some(word) = choice["finish_reason"].as_str().filter(|word| !word.is_empty())
                && self.finish.as_deref().is_none_or(|before| before == "stop")
            {
                self.finish = Some(word.to_owned());
            }
        }
        if chunk["usage"].is_object() {
            self.usage = Some(chunk["usage"].clone());
        } else if chunk["x_groq"]["usage"].is_object() {
            self.usage = Some(chunk["x_groq"]["usage"].clone());
        }
    }

    fn delta(&mut self, choice: usize, delta: &Value) {
        self.content(&delta["content"]);
        self.refusal.push_str(delta["refusal"].as_str().unwrap_or_default());
        let details = delta["reasoning_details"].as_array().map(Vec::as_slice).unwrap_or_default();
        let in_details: String =
            details.iter().filter_map(|one| one["text"].as_str().or_else(|| one["summary"].as_str())).collect();
        if in_details.is_empty() {
            let names = ["reasoning_content", "reasoning", "reasoning_text", "cot_summary"];
            let plain = names.iter().filter_map(|name| delta[*name].as_str()).find(|text| !text.is_empty());
            self.thinking.push_str(plain.unwrap_or_default());
        } else {
            self.thinking.push_str(&in_details);
        }
        for one in details {
            let secrets = ["signature", "data"].iter().filter_map(|key| one[*key].as_str());
            self.signatures.extend(secrets.filter(|text| !text.is_empty()).map(str::to_owned));
        }
        self.signatures.extend(delta["reasoning_opaque"].as_str().map(str::to_owned));
        self.citations += delta["annotations"].as_array().map_or(0, Vec::len);
        for call in delta["tool_calls"].as_array().into_iter().flatten() {
            let of = |key: &str, inner: &str| {
                call["function"][key].as_str().or_else(|| call["custom"][inner].as_str()).unwrap_or_default()
            };
            let id = call["id"].as_str().unwrap_or_default();
            let (name, arguments) = (of("name", "name"), of("arguments", "input"));
            self.call(choice, call["index"].as_u64().map(|index| index.to_string()), id, name, arguments);
        }
        if delta["function_call"].is_object() {
            let of = |key: &str| delta["function_call"][key].as_str().unwrap_or_default();
            self.call(choice, None, "", of("name"), of("arguments"));
        }
    }

    fn content(&mut self, content: &Value) {
        self.text.push_str(content.as_str().unwrap_or_default());
        for part in content.as_array().into_iter().flatten() {
            match part["type"].as_str() {
                Some("text") => self.text.push_str(part["text"].as_str().unwrap_or_default()),
                Some("thinking") => {
                    self.thinking.push_str(part["thinking"].as_str().unwrap_or_default());
                    for inner in part["thinking"].as_array().into_iter().flatten() {
                        self.thinking.push_str(inner["text"].as_str().unwrap_or_default());
                    }
                }
                Some("reference") => self.citations += 1,
                _ => {}
            }
        }
    }

    fn call(&mut self, choice: usize, index: Option<String>, id: &str, name: &str, arguments: &str) {
        let key = index.as_ref().map(|index| format!("{choice}/{index}"));
        let last = self.calls.len().checked_sub(1);
        let known = match &key {
            Some(key) => self.keys.iter().rposition(|known| known == key),
            None if id.is_empty() && name.is_empty() => last,
            None => None,
        };
        // One number for several calls: a name with another id is another call.
        let known = known.filter(|at| name.is_empty() || id.is_empty() || self.ids[*at] == id);
        match known {
            Some(at) => self.calls[at].1.push_str(arguments),
            None => {
                self.calls.push((name.to_owned(), arguments.to_owned()));
                self.ids.push(id.to_owned());
                self.keys.push(key.unwrap_or_default());
            }
        }
    }
}
