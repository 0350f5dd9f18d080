//! The models and inference profiles that the control plane lists.

use serde_json::Value;

use crate::error::{ChatError, ErrorKind};

/// A model, or an inference profile that leads to some.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelEntry {
    /// Its id, by which it is asked.
    pub id: String,
    /// A name for people.
    pub name: Option<String>,
    /// Whether it takes pictures.
    pub takes_images: bool,
    /// Whether it answers in text.
    pub chats: bool,
    /// Whether it makes embeddings.
    pub embeds: bool,
    /// Whether it may be asked by its own id; others want an inference profile.
    pub on_demand: bool,
    /// Whether it is still offered for new use.
    pub active: bool,
}

/// A page of inference profiles.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProfilePage {
    /// The ids of the profiles that can be used, with the models that they lead to: each an id.
    pub profiles: Vec<(String, Vec<String>)>,
    /// What asks for the next page.
    pub next: Option<String>,
}

/// Reads the list of models.
///
/// # Errors
/// The body is no such list (`Protocol`).
pub fn decode_models(body: &[u8]) -> Result<Vec<ModelEntry>, ChatError> {
    Ok(list(body, "modelSummaries")?.iter().filter_map(entry).collect())
}

/// Reads a page of inference profiles.
///
/// # Errors
/// The body is no such page (`Protocol`).
pub fn decode_profiles(body: &[u8]) -> Result<ProfilePage, ChatError> {
    let profile = |json: &Value| {
        let usable = json.get("status").is_none_or(|status| status == "ACTIVE");
        let id = json.get("inferenceProfileId")?.as_str().filter(|_| usable)?;
        let arns = json.get("models").and_then(Value::as_array).into_iter().flatten();
        let model = |model: &Value| Some(model.get("modelArn")?.as_str()?.rsplit('/').next()?.to_owned());
        Some((id.to_owned(), arns.filter_map(model).collect()))
    };
    let profiles = list(body, "inferenceProfileSummaries")?.iter().filter_map(profile).collect();
    let json: Value = serde_json::from_slice(body).unwrap_or_default();
    let next = json.get("nextToken").and_then(Value::as_str).filter(|next| !next.is_empty()).map(str::to_owned);
    Ok(ProfilePage { profiles, next })
}

fn list(body: &[u8], key: &str) -> Result<Vec<Value>, ChatError> {
    match serde_json::from_slice::<Value>(body).ok().and_then(|mut json| json.get_mut(key).map(Value::take)) {
        Some(Value::Array(list)) => Ok(list),
        _ => Err(ChatError::new(ErrorKind::Protocol, "the provider answered with no list of models")),
    }
}

fn entry(json: &Value) -> Option<ModelEntry> {
    let has = |key: &str, word: &str| {
        json.get(key).and_then(Value::as_array).is_some_and(|list| list.iter().any(|one| one == word))
    };
    Some(ModelEntry {
        id: json.get("modelId")?.as_str().filter(|id| !id.is_empty())?.to_owned(),
        name: json.get("modelName").and_then(Value::as_str).map(str::to_owned),
        takes_images: has("inputModalities", "IMAGE"),
        chats: has("outputModalities", "TEXT"),
        embeds: has("outputModalities", "EMBEDDING"),
        on_demand: has("inferenceTypesSupported", "ON_DEMAND"),
        active: json.pointer("/modelLifecycle/status").is_none_or(|status| status == "ACTIVE"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_and_profiles_are_read() {
        let body = br#"{"modelSummaries":[
            {"modelId":"amazon.nova-lite-v1:0","modelName":"Nova Lite","inputModalities":["TEXT","IMAGE"],
             "outputModalities":["TEXT"],"inferenceTypesSupported":["ON_DEMAND"],"modelLifecycle":{"status":"ACTIVE"}},
            {"modelId":"cohere.embed-v4:0","outputModalities":["EMBEDDING"],"modelLifecycle":{"status":"LEGACY"}},
            {"modelName":"nameless"}, 3]}"#;
        let models = decode_models(body).unwrap();
        assert_eq!(models.len(), 2);
        let nova = &models[0];
        assert_eq!((nova.id.as_str(), nova.name.as_deref()), ("amazon.nova-lite-v1:0", Some("Nova Lite")));
        assert!(nova.takes_images && nova.chats && !nova.embeds && nova.on_demand && nova.active);
        assert!(models[1].embeds && !models[1].chats && !models[1].on_demand && !models[1].active);
        let page = decode_profiles(
            br#"{"inferenceProfileSummaries":[
            {"inferenceProfileId":"us.x.y","status":"ACTIVE","models":[{"modelArn":"arn:aws:bedrock:us-east-1::foundation-model/x.y"}]},
            {"inferenceProfileId":"us.x.z","status":"GONE"}],"nextToken":"t"}"#,
        );
        let want = ProfilePage { profiles: vec![("us.x.y".into(), vec!["x.y".into()])], next: Some("t".into()) };
        assert_eq!(page.unwrap(), want);
        for body in ["", "{}", "[]", r#"{"modelSummaries":3}"#] {
            assert_eq!(decode_models(body.as_bytes()).unwrap_err().kind, ErrorKind::Protocol, "{body}");
        }
    }
}
