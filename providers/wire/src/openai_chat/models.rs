//! Lists of models.

use serde_json::{Value, json};

use super::error::not_json;
use crate::{
    error::{ChatError, ErrorKind},
    json::put_value,
};

/// A model as a provider lists it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModelEntry {
    /// The provider's id of it.
    pub id: String,
    /// Its name for people.
    pub name: Option<String>,
    /// Its window, in tokens.
    pub context: Option<u64>,
    /// The most tokens of one answer.
    pub max_output: Option<u64>,
}

/// Where the servers put the window: OpenRouter and Together, Groq, Mistral, vLLM, Copilot, llama.cpp as it was started,
/// and as the model was trained.
const CONTEXT: [&str; 9] = [
    "/context_length",
    "/context_window",
    "/max_context_length",
    "/max_model_len",
    "/capabilities/limits/max_context_window_tokens",
    "/meta/n_ctx",
    "/top_provider/context_length",
    "/max_input_tokens",
    "/meta/n_ctx_train",
];

const MAX_OUTPUT: [&str; 5] = [
    "/top_provider/max_completion_tokens",
    "/max_completion_tokens",
    "/max_output_tokens",
    "/capabilities/limits/max_output_tokens",
    "/max_output_length",
];

/// Reads a list of models: `{data: […]}`, `{models: […]}`, a bare list, or one model. Entries without an id are left
/// out.
///
/// # Errors
///
/// The body is not a list of models (`Protocol`).
pub fn decode_models(body: &[u8]) -> Result<Vec<ModelEntry>, ChatError> {
    let json: Value = serde_json::from_slice(body).map_err(|_| not_json(body.trim_ascii(), 200))?;
    let list = match &json {
        Value::Array(list) => list.as_slice(),
        Value::Object(map) => match map.get("data").or_else(|| map.get("models")) {
            Some(Value::Array(list)) => list.as_slice(),
            None if map.contains_key("id") => std::slice::from_ref(&json),
            _ => return Err(ChatError::new(ErrorKind::Protocol, "the provider answered with no list of models")),
        },
        _ => return Err(ChatError::new(ErrorKind::Protocol, "the provider answered with no list of models")),
    };
    Ok(list.iter().filter_map(entry).collect())
}

fn entry(model: &Value) -> Option<ModelEntry> {
    let text = |key: &str| Some(model.get(key)?.as_str().filter(|text| !text.is_empty())?.to_owned());
    let first =
        |paths: &[&str]| paths.iter().find_map(|path| model.pointer(path)?.as_u64().filter(|tokens| *tokens > 0));
    let id = text("id").or_else(|| text("model")).or_else(|| text("name"))?;
    Some(ModelEntry {
        name: text("name").or_else(|| text("display_name")).filter(|name| *name != id),
        context: first(&CONTEXT),
        max_output: first(&MAX_OUTPUT),
        id,
    })
}

/// A model as we list it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServedModel<'a> {
    /// What clients call it.
    pub id: &'a str,
    /// Whose it is: the provider.
    pub owned_by: &'a str,
    /// When it came about, in seconds since 1970; clients expect a number, and 0 will do.
    pub created: u64,
}

/// Writes our list of models, in OpenAI's form.
pub fn encode_models<'a>(models: impl IntoIterator<Item = ServedModel<'a>>) -> Vec<u8> {
    let data: Vec<Value> = models
        .into_iter()
        .map(|model| json!({"id": model.id, "object": "model", "created": model.created, "owned_by": model.owned_by}))
        .collect();
    let mut out = Vec::new();
    put_value(&mut out, &json!({"object": "list", "data": data}));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(body: Value) -> ModelEntry {
        let list = decode_models(body.to_string().as_bytes()).unwrap();
        assert_eq!(list.len(), 1, "{list:?}");
        list.into_iter().next().unwrap()
    }

    #[test]
    fn windows_are_found_where_each_server_puts_them() {
        let openrouter = json!({"data": [{
            "id": "a/b", "name": "A: B", "context_length": 9000,
            "top_provider": {"context_length": 8000, "max_completion_tokens": 700},
        }]});
        let want =
            ModelEntry { id: "a/b".into(), name: Some("A: B".into()), context: Some(9000), max_output: Some(700) };
        assert_eq!(one(openrouter), want);
        let context = |body| one(body).context;
        assert_eq!(
            context(json!({"data": [{"id": "q", "meta": {"n_ctx": 512, "n_ctx_train": 4096}}], "models": []})),
            Some(512)
        );
        assert_eq!(context(json!({"data": [{"id": "q", "meta": {"n_ctx_train": 4096}}]})), Some(4096));
        assert_eq!(context(json!([{"id": "q", "max_model_len": 32}])), Some(32));
        assert_eq!(context(json!({"models": [{"name": "q"}]})), None);
        assert_eq!(context(json!({"id": "q", "context_window": null})), None);
        let limits = json!({"max_context_window_tokens": 64, "max_prompt_tokens": 32, "max_output_tokens": 16});
        let copilot =
            one(json!({"data": [{"id": "c", "name": "c", "capabilities": {"limits": limits}}, {"object": "?"}]}));
        assert_eq!((copilot.name, copilot.context, copilot.max_output), (None, Some(64), Some(16)));
    }

    #[test]
    fn what_is_no_list_is_said_so() {
        for body in ["<html>", "{}", "3", "{\"data\":3}"] {
            assert_eq!(decode_models(body.as_bytes()).unwrap_err().kind, ErrorKind::Protocol, "{body}");
        }
    }

    #[test]
    fn our_list_reads_back() {
        let body = encode_models([ServedModel { id: "m", owned_by: "p", created: 1 }]);
        assert_eq!(decode_models(&body).unwrap(), [ModelEntry { id: "m".into(), ..ModelEntry::default() }]);
        assert!(
            body.starts_with(br#"{"object":"list","data":[{"id":"m","object":"model","created":1,"owned_by":"p"}]"#)
        );
    }
}
