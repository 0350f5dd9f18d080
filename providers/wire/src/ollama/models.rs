//! The models that a server has, and what one of them is.

use serde_json::{Value, json};

use crate::{
    error::{ChatError, ErrorKind},
    error_response::not_json,
    json::put_value,
};

/// A model that is on the server (`GET /api/tags`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LocalModel {
    /// Its name with the tag, `llama3.2:latest`.
    pub id: String,
    /// Its size on disk, in bytes.
    pub size: Option<u64>,
    /// The digest of its manifest, in hexadecimal.
    pub digest: Option<String>,
    /// When it was changed last, as RFC 3339 has it.
    pub modified_at: Option<String>,
    /// The family that it belongs to ("llama").
    pub family: Option<String>,
    /// How many parameters it has ("3.2B").
    pub parameter_size: Option<String>,
    /// How its weights are quantized ("Q4_K_M").
    pub quantization: Option<String>,
}

/// What the server knows of one model (`POST /api/show`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ShownModel {
    /// Its architecture ("llama").
    pub architecture: Option<String>,
    /// The window that it was trained for, in tokens. What the server gives it may be less.
    pub context: Option<u64>,
    /// The window that the model's own file asks the server for (`num_ctx`), in tokens.
    pub num_ctx: Option<u64>,
    /// How many numbers its embeddings have.
    pub embedding_length: Option<u64>,
    /// What it can do ("completion", "tools", "vision", "thinking", "embedding", "insert"); `None` on servers that
    /// don't say.
    pub capabilities: Option<Vec<String>>,
    /// The family that it belongs to.
    pub family: Option<String>,
    /// How many parameters it has.
    pub parameter_size: Option<String>,
    /// How its weights are quantized.
    pub quantization: Option<String>,
}

impl ShownModel {
    /// Whether it can do this; `None` if the server does not say.
    pub fn can(&self, capability: &str) -> Option<bool> {
        self.capabilities.as_ref().map(|all| all.iter().any(|one| one == capability))
    }
}

fn text(of: &Value, key: &str) -> Option<String> {
    Some(of.get(key)?.as_str().filter(|text| !text.is_empty())?.to_owned())
}

/// Reads the answer of `/api/tags` (and of `/api/ps`, which has the same form). Entries without a name are left out.
///
/// # Errors
///
/// The body is not such a list (`Protocol`).
pub fn decode_tags(body: &[u8]) -> Result<Vec<LocalModel>, ChatError> {
    let json: Value = serde_json::from_slice(body).map_err(|_| not_json(body.trim_ascii(), 200))?;
    let list = match json.get("models") {
        Some(Value::Array(list)) => list.as_slice(),
        // A server without models: Go writes an empty list that was never made so.
        Some(Value::Null) => &[],
        _ => return Err(ChatError::new(ErrorKind::Protocol, "the provider answered with no list of models")),
    };
    Ok(list
        .iter()
        .filter_map(|model| {
            let details = &model["details"];
            Some(LocalModel {
                id: text(model, "model").or_else(|| text(model, "name"))?,
                size: model["size"].as_u64(),
                digest: text(model, "digest"),
                modified_at: text(model, "modified_at"),
                family: text(details, "family"),
                parameter_size: text(details, "parameter_size"),
                quantization: text(details, "quantization_level"),
            })
        })
        .collect())
}

/// Writes the body of `POST /api/show`.
pub fn encode_show_request(model: &str) -> Vec<u8> {
    let mut out = Vec::new();
    put_value(&mut out, &json!({"model": model}));
    out
}

/// Reads the answer of `/api/show`.
///
/// # Errors
///
/// The body is not such an answer (`Protocol`).
pub fn decode_show(body: &[u8]) -> Result<ShownModel, ChatError> {
    let json: Value = serde_json::from_slice(body).map_err(|_| not_json(body.trim_ascii(), 200))?;
    let (info, details) = (&json["model_info"], &json["details"]);
    if !info.is_object() && !details.is_object() {
        return Err(ChatError::new(ErrorKind::Protocol, "the provider answered with nothing of the model"));
    }
    let architecture = text(info, "general.architecture");
    let number = |key: &str| info.get(format!("{}.{key}", architecture.as_deref()?))?.as_u64();
    let capabilities = json["capabilities"].as_array();
    Ok(ShownModel {
        context: number("context_length"),
        embedding_length: number("embedding_length"),
        num_ctx: json["parameters"].as_str().and_then(num_ctx),
        capabilities: capabilities.map(|all| all.iter().filter_map(|one| Some(one.as_str()?.to_owned())).collect()),
        family: text(details, "family"),
        parameter_size: text(details, "parameter_size"),
        quantization: text(details, "quantization_level"),
        architecture,
    })
}

/// The window among the parameters of a model's file, which are lines of a name and a value.
fn num_ctx(parameters: &str) -> Option<u64> {
    parameters.lines().find_map(|line| {
        let mut words = line.split_ascii_whitespace();
        (words.next()? == "num_ctx").then(|| words.next()?.parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_models_is_read() {
        let body = json!({"models": [
            {"name": "a:latest", "model": "a:latest", "size": 7, "digest": "d", "modified_at": "2026-01-01T00:00:00Z",
             "details": {"family": "llama", "parameter_size": "3.2B", "quantization_level": "Q4_K_M"}},
            {"name": "old"}, {"size": 3},
        ]});
        let list = decode_tags(body.to_string().as_bytes()).unwrap();
        assert_eq!(list.len(), 2);
        assert_eq!(
            (list[0].id.as_str(), list[0].size, list[0].family.as_deref()),
            ("a:latest", Some(7), Some("llama"))
        );
        assert_eq!(
            (list[0].parameter_size.as_deref(), list[0].quantization.as_deref()),
            (Some("3.2B"), Some("Q4_K_M"))
        );
        assert_eq!(list[1], LocalModel { id: "old".into(), ..LocalModel::default() });
        assert!(decode_tags(b"{\"models\":null}").unwrap().is_empty());
    }

    #[test]
    fn the_window_is_found_under_the_architecture() {
        let body = json!({
            "details": {"family": "gemma3", "parameter_size": "4B"},
            "parameters": "stop    \"<end>\"\nnum_ctx    8192",
            "model_info": {"general.architecture": "gemma3", "gemma3.context_length": 131072, "llama.context_length": 1},
            "capabilities": ["completion", "vision"],
        });
        let shown = decode_show(body.to_string().as_bytes()).unwrap();
        assert_eq!((shown.context, shown.num_ctx, shown.embedding_length), (Some(131_072), Some(8192), None));
        assert_eq!((shown.can("vision"), shown.can("tools")), (Some(true), Some(false)));
        let old = decode_show(b"{\"details\":{\"family\":\"llama\"}}").unwrap();
        assert_eq!((old.can("tools"), old.context, old.family.as_deref()), (None, None, Some("llama")));
    }

    #[test]
    fn what_is_neither_is_said_so() {
        for body in ["<html>", "{}", "3", "{\"models\":3}"] {
            assert_eq!(decode_tags(body.as_bytes()).unwrap_err().kind, ErrorKind::Protocol, "{body}");
            assert_eq!(decode_show(body.as_bytes()).unwrap_err().kind, ErrorKind::Protocol, "{body}");
        }
    }
}
