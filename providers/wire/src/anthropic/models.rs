//! Lists of models, which come in pages.

use serde_json::Value;

use crate::{
    error::{ChatError, ErrorKind},
    error_response::not_json,
};

/// One page of the list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModelPage {
    /// The models on it.
    pub models: Vec<ModelEntry>,
    /// What to give as `after_id` for the next page; `None` on the last.
    pub next: Option<String>,
}

/// A model as the provider lists it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModelEntry {
    /// The provider's id of it.
    pub id: String,
    /// Its name for people.
    pub name: Option<String>,
    /// The longest prompt, in tokens.
    pub context: Option<u64>,
    /// The most tokens of one answer.
    pub max_output: Option<u64>,
    /// Whether it can think before it answers.
    pub thinking: Option<bool>,
}

/// Reads a page of the list. Entries without an id are left out.
///
/// # Errors
///
/// The body is not a list of models (`Protocol`).
pub fn decode_models(body: &[u8]) -> Result<ModelPage, ChatError> {
    let json: Value = serde_json::from_slice(body).map_err(|_| not_json(body.trim_ascii(), 200))?;
    let list = json.get("data").and_then(Value::as_array);
    let list =
        list.ok_or_else(|| ChatError::new(ErrorKind::Protocol, "the provider answered with no list of models"))?;
    let more = json.get("has_more").and_then(Value::as_bool).unwrap_or(false);
    Ok(ModelPage { models: list.iter().filter_map(entry).collect(), next: text(&json, "last_id").filter(|_| more) })
}

fn text(json: &Value, key: &str) -> Option<String> {
    json.get(key)?.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

fn entry(model: &Value) -> Option<ModelEntry> {
    let tokens = |key: &str| model.get(key)?.as_u64().filter(|tokens| *tokens > 0);
    let id = text(model, "id")?;
    Some(ModelEntry {
        name: text(model, "display_name").filter(|name| *name != id),
        context: tokens("max_input_tokens"),
        max_output: tokens("max_tokens"),
        thinking: model.pointer("/capabilities/thinking/supported").and_then(Value::as_bool),
        id,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_page_says_what_comes_after_it() {
        let mut body = json!({
            "data": [
                {"type": "model", "id": "m-1", "display_name": "M 1", "max_input_tokens": 200_000, "max_tokens": 64_000,
                    "capabilities": {"thinking": {"supported": true}}},
                {"type": "model", "id": "m-0", "display_name": "m-0", "max_tokens": 0},
                {"type": "model"},
            ],
            "has_more": true, "first_id": "m-1", "last_id": "m-0",
        });
        let read = |body: &Value| decode_models(body.to_string().as_bytes()).unwrap();
        let page = read(&body);
        let want = ModelEntry {
            id: "m-1".into(),
            name: Some("M 1".into()),
            context: Some(200_000),
            max_output: Some(64_000),
            thinking: Some(true),
        };
        assert_eq!(page.models, [want, ModelEntry { id: "m-0".into(), ..ModelEntry::default() }]);
        assert_eq!(page.next.as_deref(), Some("m-0"));
        body["has_more"] = false.into();
        assert_eq!(read(&body).next, None);
    }

    #[test]
    fn what_is_no_list_is_said_so() {
        for body in ["<html>", "{}", "[]", "3", "{\"data\":3}"] {
            assert_eq!(decode_models(body.as_bytes()).unwrap_err().kind, ErrorKind::Protocol, "{body}");
        }
    }
}
