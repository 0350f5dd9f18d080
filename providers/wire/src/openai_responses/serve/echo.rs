//! What a response repeats of its request.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::json::{put_key, put_value};

/// What the answer to a request repeats of it, with the defaults of what it left out. Clones are the same one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Echo {
    /// The fields, each after a comma.
    json: Arc<[u8]>,
}

impl Echo {
    /// What is repeated of the body of a request.
    pub(in crate::openai_responses) fn of(body: &Map<String, Value>) -> Self {
        let mut json = Vec::new();
        for (key, default) in defaults() {
            let said = body.get(key).filter(|value| !value.is_null());
            put_key(&mut json, key);
            match (key, said, &default) {
                ("tools", Some(Value::Array(tools)), _) => {
                    put_value(&mut json, &tools.iter().map(tool).collect::<Vec<_>>());
                }
                // What they leave out has its default.
                (_, Some(Value::Object(said)), Value::Object(default)) => {
                    let left_out = default.iter().filter(|(key, _)| !said.contains_key(*key));
                    let whole: Map<String, Value> =
                        said.iter().chain(left_out).map(|(key, value)| (key.clone(), value.clone())).collect();
                    put_value(&mut json, &whole);
                }
                (_, said, default) => put_value(&mut json, said.unwrap_or(default)),
            }
        }
        Self { json: json.into() }
    }

    /// The same as an object, to be kept.
    pub fn to_value(&self) -> Value {
        let mut object = b"{".to_vec();
        object.extend_from_slice(self.json.strip_prefix(b",").unwrap_or(&self.json));
        object.push(b'}');
        serde_json::from_slice(&object).expect("the fields are JSON, and no deeper than they were read")
    }

    /// What was kept, as it is repeated; what is no object has no fields.
    pub fn from_value(kept: &Value) -> Self {
        let mut json = Vec::new();
        for (key, value) in kept.as_object().into_iter().flatten() {
            put_key(&mut json, key);
            put_value(&mut json, value);
        }
        Self { json: json.into() }
    }

    pub(super) fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.json);
    }

    /// Whether a response has this field by its request.
    pub(super) fn says(key: &str) -> bool {
        defaults().iter().any(|(own, _)| *own == key)
    }
}

/// A tool, with what clients expect of every function.
fn tool(tool: &Value) -> Value {
    let mut tool = tool.clone();
    if let Value::Object(map) = &mut tool
        && map.get("type").is_some_and(|kind| kind == "function")
    {
        for key in ["parameters", "strict"] {
            map.entry(key).or_insert(Value::Null);
        }
    }
    tool
}

/// The fields, in the order in which they are written.
fn defaults() -> [(&'static str, Value); 16] {
    [
        ("instructions", Value::Null),
        ("max_output_tokens", Value::Null),
        ("max_tool_calls", Value::Null),
        ("metadata", json!({})),
        ("parallel_tool_calls", Value::Bool(true)),
        ("previous_response_id", Value::Null),
        ("prompt_cache_key", Value::Null),
        ("reasoning", json!({"effort": null, "summary": null})),
        ("safety_identifier", Value::Null),
        ("temperature", Value::Null),
        ("text", json!({"format": {"type": "text"}})),
        ("tool_choice", "auto".into()),
        ("tools", json!([])),
        ("top_logprobs", Value::Null),
        ("top_p", Value::Null),
        ("truncation", "disabled".into()),
    ]
}
