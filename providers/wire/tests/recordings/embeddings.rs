//! OpenAI's embeddings, on its own host and on others'.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use greenroom_wire::openai_chat::{decode_embed_request, decode_embeddings, encode_embed_request};
use serde_json::{Value, json};

use crate::{errors, load::Recording};

pub(crate) fn check(recording: &Recording) -> Result<(), String> {
    request(&recording.request["body"], recording.status)?;
    if recording.status >= 400 {
        return errors::check(recording);
    }
    let got = decode_embeddings(&recording.body).map_err(|error| format!("failed: {error}"))?;
    let json: Value = serde_json::from_slice(&recording.body).expect("a recorded answer is JSON");
    let list = json["data"].as_array().expect("it has embeddings");
    if got.vectors.len() != list.len() {
        return Err(format!("{} vectors of {}", got.vectors.len(), list.len()));
    }
    for entry in list {
        let index = entry["index"].as_u64().expect("each has its place") as usize;
        let want = numbers(&entry["embedding"]);
        if want.is_empty() || got.vectors[index] != want {
            return Err(format!("the vector at {index} became another"));
        }
    }
    if got.tokens != json["usage"]["prompt_tokens"].as_u64() || got.model != json["model"].as_str().unwrap_or("") {
        return Err(format!("the usage or the model is lost: {:?} {}", got.tokens, got.model));
    }
    Ok(())
}

fn numbers(embedding: &Value) -> Vec<f32> {
    match embedding.as_str() {
        None => embedding.as_array().into_iter().flatten().filter_map(Value::as_f64).map(|it| it as f32).collect(),
        Some(text) => {
            let bytes = STANDARD.decode(text).expect("it is base64");
            bytes.chunks(4).map(|four| f32::from_le_bytes(four.try_into().expect("four bytes"))).collect()
        }
    }
}

/// A request is read and written again; the form of the vectors is not the provider's to know.
fn request(body: &Value, status: u16) -> Result<(), String> {
    if body.is_null() {
        return Ok(());
    }
    let served = match decode_embed_request(body.to_string().as_bytes()) {
        Ok(served) => served,
        // What the provider refused may be refused before it.
        Err(_) if status == 400 => return Ok(()),
        Err(error) => return Err(format!("refused: {error}")),
    };
    let mut want = body.clone();
    let format = want.as_object_mut().expect("a body is an object").shift_remove("encoding_format");
    if served.base64 != (format == Some("base64".into())) {
        return Err("the form of the vectors is lost".into());
    }
    if want["input"].is_string() {
        want["input"] = json!([want["input"]]);
    }
    let again: Value =
        serde_json::from_slice(&encode_embed_request(&served.request, &served.request.model)).expect("a body is JSON");
    if again == want { Ok(()) } else { Err(format!("the request became another:\n{want}\n{again}")) }
}
