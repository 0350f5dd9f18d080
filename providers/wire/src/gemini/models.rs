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
    /// What to give as `pageToken` for the next page; `None` on the last.
    pub next: Option<String>,
}

/// A model as the provider lists it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModelEntry {
    /// The provider's id of it, without `models/`.
    pub id: String,
    /// Its name for people.
    pub name: Option<String>,
    /// The longest prompt, in tokens.
    pub context: Option<u64>,
    /// The most tokens of one answer.
    pub max_output: Option<u64>,
    /// Whether it can think before it answers.
    pub thinking: Option<bool>,
    /// What can be asked of it (`generateContent`, `countTokens`, `embedContent`, …); empty where it is not said.
    pub methods: Vec<String>,
}

impl ModelEntry {
    /// Whether it answers conversations. One that does not say what it can do counts as one that does.
    pub fn chats(&self) -> bool {
        self.methods.is_empty() || self.methods.iter().any(|method| method == "generateContent")
    }

    /// Whether it makes embeddings.
    pub fn embeds(&self) -> bool {
        self.methods.iter().any(|method| method == "embedContent" || method == "batchEmbedContents")
    }
}

/// Reads a page of the list, or one model alone. Entries without a name are left out.
///
/// # Errors
///
/// The body is neither (`Protocol`).
pub fn decode_models(body: &[u8]) -> Result<ModelPage, ChatError> {
    let json: Value = serde_json::from_slice(body).map_err(|_| not_json(body.trim_ascii(), 200))?;
    let wrong = || ChatError::new(ErrorKind::Protocol, "the provider answered with no list of models");
    let next = text(&json, "nextPageToken");
    let models = match json.get("models") {
        Some(Value::Array(list)) => list.iter().filter_map(entry).collect(),
        Some(_) => return Err(wrong()),
        // An empty list is left out, so that a page without one is an empty object.
        None if json.as_object().is_some_and(|map| map.keys().all(|key| key == "nextPageToken")) => Vec::new(),
        None => vec![entry(&json).filter(|model| !model.id.contains('/')).ok_or_else(wrong)?],
    };
    Ok(ModelPage { models, next })
}

/// Reads a page of a publisher's models, as Vertex lists them. Their ids are without `publishers/…/models/`; what can be
/// asked of them is not said. Entries without a name are left out.
///
/// # Errors
///
/// The body is no such page (`Protocol`).
pub fn decode_publisher_models(body: &[u8]) -> Result<ModelPage, ChatError> {
    let json: Value = serde_json::from_slice(body).map_err(|_| not_json(body.trim_ascii(), 200))?;
    let models = match (json.get("publisherModels"), json.as_object()) {
        (Some(Value::Array(list)), _) => list.iter().filter_map(published).collect(),
        (None, Some(page)) if page.keys().all(|key| key == "nextPageToken") => Vec::new(),
        _ => return Err(ChatError::new(ErrorKind::Protocol, "the provider answered with no list of models")),
    };
    Ok(ModelPage { models, next: text(&json, "nextPageToken") })
}

fn published(model: &Value) -> Option<ModelEntry> {
    let name = text(model, "name")?;
    let id = name.rsplit_once('/').map_or(name.as_str(), |(_, id)| id);
    (!id.is_empty()).then(|| ModelEntry { id: id.to_owned(), ..ModelEntry::default() })
}

fn text(json: &Value, key: &str) -> Option<String> {
    json.get(key)?.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

fn entry(model: &Value) -> Option<ModelEntry> {
    let tokens = |key: &str| model.get(key)?.as_u64().filter(|tokens| *tokens > 0);
    let name = text(model, "name")?;
    let id = name.strip_prefix("models/").unwrap_or(&name).to_owned();
    let methods = model.get("supportedGenerationMethods").and_then(Value::as_array);
    Some(ModelEntry {
        name: text(model, "displayName").filter(|name| *name != id),
        context: tokens("inputTokenLimit"),
        max_output: tokens("outputTokenLimit"),
        thinking: model.get("thinking").and_then(Value::as_bool),
        methods: methods.into_iter().flatten().filter_map(|method| Some(method.as_str()?.to_owned())).collect(),
        id,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(body: &Value) -> ModelPage {
        decode_models(body.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn a_publishers_models_are_named_without_their_publisher() {
        let body = json!({"publisherModels": [{"name": "publishers/google/models/gemini-3-flash", "versionId": "001"},
            {"name": ""}, 3], "nextPageToken": "n"});
        let page = decode_publisher_models(body.to_string().as_bytes()).unwrap();
        assert_eq!((page.models.len(), page.models[0].id.as_str()), (1, "gemini-3-flash"));
        assert_eq!(page.next.as_deref(), Some("n"));
        assert_eq!(decode_publisher_models(b"{}").unwrap(), ModelPage::default());
        for body in ["[]", "<html>", "{\"publisherModels\":3}", "{\"models\":[]}"] {
            assert_eq!(decode_publisher_models(body.as_bytes()).unwrap_err().kind, ErrorKind::Protocol, "{body}");
        }
    }

    #[test]
    fn a_page_says_what_comes_after_it() {
        let page = read(&json!({
            "models": [
                {"name": "models/gemini-3-flash", "displayName": "Gemini 3 Flash", "inputTokenLimit": 1_048_576,
                    "outputTokenLimit": 65_536, "thinking": true,
                    "supportedGenerationMethods": ["generateContent", "countTokens"]},
                {"name": "models/gemini-embedding-001", "inputTokenLimit": 0,
                    "supportedGenerationMethods": ["embedContent"]},
                {"displayName": "nameless"},
            ],
            "nextPageToken": "abc",
        }));
        let want = ModelEntry {
            id: "gemini-3-flash".into(),
            name: Some("Gemini 3 Flash".into()),
            context: Some(1_048_576),
            max_output: Some(65_536),
            thinking: Some(true),
            methods: vec!["generateContent".into(), "countTokens".into()],
        };
        assert_eq!((page.models.len(), &page.models[0], page.next.as_deref()), (2, &want, Some("abc")));
        let can = page.models.iter().map(|model| (model.chats(), model.embeds()));
        assert_eq!(can.collect::<Vec<_>>(), [(true, false), (false, true)]);
    }

    #[test]
    fn a_page_may_be_empty_and_a_model_alone() {
        assert_eq!(read(&json!({})), ModelPage::default());
        let one = read(&json!({"name": "models/m", "thinking": false}));
        assert_eq!((one.models[0].id.as_str(), one.models[0].thinking, one.next), ("m", Some(false), None));
        assert!(one.models[0].chats(), "nothing is said against it");
    }

    #[test]
    fn what_is_no_list_is_said_so() {
        for body in ["<html>", "[]", "3", "{\"models\":3}", "{\"name\":\"models/m/operations/o\"}", "{\"odd\":1}"] {
            assert_eq!(decode_models(body.as_bytes()).unwrap_err().kind, ErrorKind::Protocol, "{body}");
        }
    }
}
