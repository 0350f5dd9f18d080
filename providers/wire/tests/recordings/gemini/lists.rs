//! Lists of models, counts of tokens, and embeddings.

use greenroom_wire::gemini::{
    decode_count, decode_embed_request, decode_embeddings, decode_models, decode_predict, encode_embed_request,
    encode_predict,
};
use serde_json::{Value, json};

use super::{equal, errors, requests};
use crate::load::Recording;

fn json_of(recording: &Recording) -> Value {
    serde_json::from_slice(&recording.body).expect("a recorded answer is JSON")
}

pub(super) fn models(recording: &Recording) -> Result<(), String> {
    if recording.status >= 400 {
        return errors::check(recording);
    }
    let page = decode_models(&recording.body).map_err(|error| format!("failed: {error}"))?;
    let json = json_of(recording);
    let list = json["models"].as_array().cloned().unwrap_or_default();
    equal("models", &page.models.len(), &list.len())?;
    for (model, entry) in page.models.iter().zip(&list) {
        let methods = entry["supportedGenerationMethods"].as_array().cloned().unwrap_or_default();
        let same = entry["name"] == format!("models/{}", model.id)
            && model.context == entry["inputTokenLimit"].as_u64()
            && model.max_output == entry["outputTokenLimit"].as_u64()
            && model.thinking == entry["thinking"].as_bool()
            && model.methods == methods
            && model.name.as_deref().is_none_or(|name| entry["displayName"] == name);
        if !same {
            return Err(format!("{model:?} is not {entry}"));
        }
    }
    equal("the next page", &page.next.as_deref(), &json["nextPageToken"].as_str())
}

pub(super) fn count(recording: &Recording) -> Result<(), String> {
    requests::check_count(recording)?;
    if recording.status >= 400 {
        return errors::check(recording);
    }
    let count = decode_count(&recording.body).map_err(|error| format!("failed: {error}"))?;
    equal("count", &Some(count), &json_of(recording)["totalTokens"].as_u64())
}

pub(super) fn embeddings(recording: &Recording) -> Result<(), String> {
    embed_request(recording)?;
    if recording.status >= 400 {
        return errors::check(recording);
    }
    let got = decode_embeddings(&recording.body).map_err(|error| format!("failed: {error}"))?;
    let json = json_of(recording);
    let lists: Vec<Value> = match (json["embeddings"].as_array(), json["predictions"].as_array()) {
        (Some(list), _) => list.clone(),
        (None, Some(list)) => list.iter().map(|one| one["embeddings"].clone()).collect(),
        (None, None) => vec![json["embedding"].clone()],
    };
    let numbers = |one: &Value| -> Vec<f32> {
        let list = one["values"].as_array().into_iter().flatten();
        list.filter_map(Value::as_f64).map(|number| number as f32).collect()
    };
    equal("vectors", &got.vectors, &lists.iter().map(numbers).collect())?;
    if got.vectors.iter().any(Vec::is_empty) {
        return Err("a vector is empty".into());
    }
    let of_all = json["usageMetadata"]["promptTokenCount"].as_u64();
    let each: Vec<_> = lists.iter().filter_map(|one| one["statistics"]["token_count"].as_f64()).collect();
    let tokens = of_all.or_else(|| (!each.is_empty()).then(|| each.iter().sum::<f64>() as u64));
    equal("tokens", &got.tokens, &tokens)
}

/// The same in Vertex's form.
fn predict_request(recording: &Recording, body: &Value) -> Result<(), String> {
    let model = requests::model(recording);
    let read = decode_predict(body.to_string().as_bytes(), &model).map_err(|error| format!("refused: {error}"))?;
    let texts = read.texts().map_err(|error| format!("refused: {error}"))?;
    let again: Value = serde_json::from_slice(&encode_predict(&read, &texts)).expect("a body is JSON");
    equal("predict request", &again, body)
}

/// Reads and writes the texts that are to be made vectors. Pictures have no place among them.
fn embed_request(recording: &Recording) -> Result<(), String> {
    let body = &recording.request["body"];
    if body["instances"].is_array() {
        return predict_request(recording, body);
    }
    let is_ours = body["requests"].is_array() || body["content"].is_object();
    if !is_ours || body.to_string().contains("mime") {
        return Ok(());
    }
    let model = requests::model(recording);
    let read =
        decode_embed_request(body.to_string().as_bytes(), &model).map_err(|error| format!("refused: {error}"))?;
    let again: Value =
        serde_json::from_slice(&encode_embed_request(&read, &model).expect("these are texts")).expect("a body is JSON");
    let mut want = match body["requests"].as_array() {
        Some(_) => body.clone(),
        None => json!({"requests": [body]}),
    };
    for one in want["requests"].as_array_mut().into_iter().flatten() {
        one["model"] = format!("models/{model}").into();
        one["content"].as_object_mut().expect("content is an object").shift_remove("role");
    }
    equal("embed request", &again, &want)
}
