//! Recorded requests, decoded and encoded again.

use greenroom_wire::gemini::{Dialect, ThinkingForm, decode_request, encode_count, encode_request};
use serde_json::Value;

use super::rules::{forget_new_ids, normalise};
use crate::load::Recording;

/// The model, which stands in the path.
pub(super) fn model(recording: &Recording) -> String {
    let path = recording.path().split('?').next().unwrap_or_default();
    let name = path.rsplit('/').next().unwrap_or_default();
    name.split(':').next().unwrap_or_default().to_owned()
}

/// The dialect that the recorded client spoke.
fn dialect(recording: &Recording, body: &Value) -> Dialect {
    let dialect = Dialect::of_model(&model(recording));
    let dialect = if recording.api.starts_with("vertex") { dialect.on_vertex() } else { dialect };
    let says_level = ["thinkingLevel", "thinking_level"].iter().any(|key| body.to_string().contains(key));
    Dialect {
        thinking: match says_level {
            true => ThinkingForm::Level { minimal: true },
            false => ThinkingForm::Budget { least: 0, most: u64::MAX, must: false },
        },
        signatures: false,
        media_in_results: true,
        json_schema: true,
        format_with_tools: true,
        instructions: true,
        call_ids: true,
        ..dialect
    }
}

pub(super) fn check(recording: &Recording) -> Result<(), String> {
    round(recording, recording.request["body"].clone(), false)
}

pub(super) fn check_count(recording: &Recording) -> Result<(), String> {
    let body = &recording.request["body"];
    let inner = body.get("generateContentRequest").unwrap_or(body);
    round(recording, inner.clone(), true)
}

fn round(recording: &Recording, mut body: Value, count: bool) -> Result<(), String> {
    if !body.is_object() {
        return Ok(());
    }
    let (model, dialect) = (model(recording), dialect(recording, &body));
    let request = match decode_request(body.to_string().as_bytes(), &model) {
        Ok(request) => request,
        // What we refuse, the provider must have refused.
        Err(_) if recording.status == 400 => return Ok(()),
        Err(error) => return Err(format!("the request is refused: {error}")),
    };
    let encode = if count { encode_count } else { encode_request };
    let encoded = encode(&request, "p", &model, &dialect);
    // What we mend, the provider refused.
    if recording.status == 400 {
        return Ok(());
    }
    // Thoughts are not to be sent back, and clients do so all the same.
    if let Some(left) = encoded.left_out.iter().find(|left| !left.what.contains("did not sign")) {
        return Err(format!("left out: {left:?}"));
    }
    if !encoded.names.is_empty() {
        return Err(format!("renamed: {:?}", encoded.names));
    }
    let mut again: Value = serde_json::from_slice(&encoded.body).expect("an encoded request is JSON");
    if let Some(inner) = again.get("generateContentRequest") {
        again = inner.clone();
        if again["model"] != format!("models/{model}") {
            return Err("the model is lost".into());
        }
    }
    normalise(&mut body);
    normalise(&mut again);
    forget_new_ids(&body, &mut again);
    match body == again {
        true => Ok(()),
        false => Err(format!("the request became another:\n{body}\n{again}")),
    }
}
