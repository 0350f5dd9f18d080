//! Copilot's list of models, which tells in which languages each is asked, and whether the account may.

use serde_json::{Value, json};

use crate::{
    error::{ChatError, ErrorKind},
    error_response::not_json,
};

/// A model as Copilot lists it. `None` is what it does not say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CopilotModel {
    /// What it is asked for by.
    pub id: String,
    /// Its name for people.
    pub name: Option<String>,
    /// What it is for.
    pub kind: ModelType,
    /// Whether Copilot's own programs offer it.
    pub offered: bool,
    /// Its window, in tokens.
    pub context: Option<u64>,
    /// The most tokens of a prompt, which is less than the window.
    pub max_input: Option<u64>,
    /// The most tokens of one answer.
    pub max_output: Option<u64>,
    /// Whether it is shown images.
    pub images: Option<bool>,
    /// Whether it calls tools.
    pub tools: Option<bool>,
    /// Whether it holds an answer to a JSON schema.
    pub json_schema: Option<bool>,
    /// Whether it thinks.
    pub reasoning: Option<bool>,
    /// Whether its account has to accept terms, and has.
    pub policy: Option<Policy>,
    /// Where it is asked: "/chat/completions", "/responses", "/v1/messages"; empty where it is not said.
    pub endpoints: Vec<String>,
}

/// What a model is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum ModelType {
    /// Conversations, which is also what one is that says nothing.
    #[default]
    Chat,
    /// Completing code.
    Completion,
    /// Vectors.
    Embeddings,
    /// Something else.
    Other,
}

/// The terms of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Whether they were accepted, by the account or by its organization.
    pub enabled: bool,
    /// In Copilot's words, for a person.
    pub terms: Option<String>,
}

impl CopilotModel {
    /// Whether it is asked at this address, where that is known.
    #[must_use]
    pub fn is_at(&self, endpoint: &str) -> Option<bool> {
        (!self.endpoints.is_empty()).then(|| self.endpoints.iter().any(|one| one == endpoint))
    }
}

/// Reads the body of `GET /models`. Entries without an id are left out.
///
/// # Errors
///
/// It is no list of models (`Protocol`).
pub fn decode_models(body: &[u8]) -> Result<Vec<CopilotModel>, ChatError> {
    let json: Value = serde_json::from_slice(body).map_err(|_| not_json(body.trim_ascii(), 200))?;
    let Some(data) = json.get("data").and_then(Value::as_array) else {
        return Err(ChatError::new(ErrorKind::Protocol, "the provider answered with no list of models"));
    };
    Ok(data.iter().filter_map(model).collect())
}

/// The body of `POST /models/{id}/policy` that accepts a model's terms.
pub fn enabled_policy() -> Vec<u8> {
    json!({"state": "enabled"}).to_string().into_bytes()
}

fn model(entry: &Value) -> Option<CopilotModel> {
    let text = |path: &str| entry.pointer(path)?.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let limit = |name: &str| entry.pointer("/capabilities/limits")?.get(name)?.as_u64().filter(|tokens| *tokens > 0);
    let id = text("/id")?;
    let kind = match entry.pointer("/capabilities/type").and_then(Value::as_str) {
        None | Some("chat") => ModelType::Chat,
        Some("completion") => ModelType::Completion,
        Some("embeddings") => ModelType::Embeddings,
        Some(_) => ModelType::Other,
    };
    let supports = entry.pointer("/capabilities/supports").and_then(Value::as_object);
    let says = |name: &str| supports.and_then(|supports| supports.get(name)?.as_bool());
    let thinks = |supports: &serde_json::Map<String, Value>| {
        let efforts = supports.get("reasoning_effort").and_then(Value::as_array).is_some_and(|all| !all.is_empty());
        efforts
            || supports.get("adaptive_thinking") == Some(&Value::Bool(true))
            || supports.contains_key("max_thinking_budget")
    };
    let sees = entry.pointer("/capabilities/limits/vision").is_some_and(Value::is_object);
    Some(CopilotModel {
        name: text("/name").filter(|name| *name != id),
        kind,
        offered: entry.get("model_picker_enabled").and_then(Value::as_bool).unwrap_or(false),
        context: limit("max_context_window_tokens"),
        max_input: limit("max_prompt_tokens"),
        max_output: limit("max_output_tokens"),
        images: says("vision").or(sees.then_some(true)),
        // Of tools it is said wherever they are.
        tools: supports.filter(|_| kind == ModelType::Chat).map(|_| says("tool_calls") == Some(true)),
        json_schema: says("structured_outputs"),
        reasoning: supports.filter(|supports| thinks(supports)).map(|_| true),
        policy: entry.get("policy").filter(|policy| policy.is_object()).map(|policy| Policy {
            enabled: policy.get("state").and_then(Value::as_str) == Some("enabled"),
            terms: policy.get("terms").and_then(Value::as_str).map(str::to_owned),
        }),
        endpoints: {
            let list = entry.get("supported_endpoints").and_then(Value::as_array);
            list.into_iter().flatten().filter_map(|one| one.as_str().map(str::to_owned)).collect()
        },
        id,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(entry: Value) -> CopilotModel {
        let mut list = decode_models(json!({"data": [entry]}).to_string().as_bytes()).unwrap();
        assert_eq!(list.len(), 1, "{list:?}");
        list.remove(0)
    }

    #[test]
    fn a_model_tells_its_limits_and_where_it_is_asked() {
        let model = one(json!({
            "id": "gpt-x-codex", "name": "GPT X Codex", "model_picker_enabled": true, "supported_endpoints": ["/responses"],
            "policy": {"state": "unconfigured", "terms": "Enable it"},
            "capabilities": {
                "type": "chat",
                "limits": {"max_context_window_tokens": 400_000, "max_prompt_tokens": 128_000, "max_output_tokens": 64_000,
                    "vision": {"max_prompt_images": 1}},
                "supports": {"tool_calls": true, "structured_outputs": true, "reasoning_effort": ["low", "high"]},
            },
        }));
        assert_eq!((model.context, model.max_input, model.max_output), (Some(400_000), Some(128_000), Some(64_000)));
        assert_eq!(
            (model.images, model.tools, model.json_schema, model.reasoning),
            (Some(true), Some(true), Some(true), Some(true))
        );
        assert_eq!((model.is_at("/responses"), model.is_at("/chat/completions")), (Some(true), Some(false)));
        assert_eq!(model.policy, Some(Policy { enabled: false, terms: Some("Enable it".into()) }));
        assert!(model.offered && model.kind == ModelType::Chat);
    }

    #[test]
    fn what_is_not_said_is_not_known() {
        let bare = one(json!({"id": "m", "name": "m"}));
        assert_eq!(bare, CopilotModel { id: "m".into(), ..CopilotModel::default() });
        assert_eq!(bare.is_at("/responses"), None);
        let vectors = one(json!({"id": "v", "capabilities": {"type": "embeddings", "supports": {"dimensions": true}}}));
        assert_eq!((vectors.kind, vectors.tools), (ModelType::Embeddings, None));
        let plain =
            one(json!({"id": "p", "capabilities": {"type": "chat", "supports": {"streaming": true}, "limits": 3}}));
        assert_eq!((plain.tools, plain.images, plain.reasoning), (Some(false), None, None));
        for body in ["<html>", "{}", "[]", r#"{"data": "none"}"#] {
            assert_eq!(decode_models(body.as_bytes()).unwrap_err().kind, ErrorKind::Protocol, "{body}");
        }
    }
}
