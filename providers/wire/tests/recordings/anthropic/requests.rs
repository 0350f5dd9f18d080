//! Recorded requests, decoded and encoded again.

use greenroom_wire::anthropic::{Dialect, ThinkingForm, decode_request, encode_count, encode_request};
use serde_json::Value;

use super::rules::normalise;
use crate::load::Recording;

pub(super) fn check(recording: &Recording) -> Result<(), String> {
    round(recording, false)
}

pub(super) fn check_count(recording: &Recording) -> Result<(), String> {
    round(recording, true)
}

fn round(recording: &Recording, count: bool) -> Result<(), String> {
    let mut body = recording.request["body"].clone();
    if !body.is_object() {
        return Ok(());
    }
    let dialect = dialect(&body);
    // On Vertex the model stands in the path.
    let in_path = body["model"].is_null();
    if in_path {
        body["model"] = "in-the-path".into();
    }
    let served = match decode_request(body.to_string().as_bytes()) {
        Ok(served) => served,
        // What we refuse, the provider must have refused.
        Err(_) if matches!(recording.status, 400 | 422) => return Ok(()),
        Err(error) => return Err(format!("the request is refused: {error}")),
    };
    if served.stream != body["stream"].as_bool().unwrap_or(false) {
        return Err("stream is lost".into());
    }
    let encode = if count { encode_count } else { encode_request };
    let encoded = encode(&served.request, "p", &served.request.model, &dialect);
    // What we mend, the provider refused.
    if recording.status == 400 {
        return Ok(());
    }
    if !encoded.left_out.is_empty() {
        return Err(format!("left out: {:?}", encoded.left_out));
    }
    if !encoded.names.is_empty() {
        return Err(format!("renamed: {:?}", encoded.names));
    }
    let mut again: Value = serde_json::from_slice(&encoded.body).expect("an encoded request is JSON");
    if in_path {
        body.as_object_mut().expect("an object").shift_remove("model");
    }
    if !count && body["max_tokens"].is_null() {
        body["max_tokens"] = dialect.max_tokens.into();
    }
    normalise(&mut body);
    normalise(&mut again);
    match body == again {
        true => Ok(()),
        false => Err(format!("the request became another:\n{body}\n{again}")),
    }
}

/// What the recorded client took the model to be.
fn dialect(body: &Value) -> Dialect {
    let place = Dialect::of_model("");
    let place = if body["anthropic_version"].is_string() { place.on_vertex() } else { place };
    Dialect {
        thinking: match body["thinking"]["type"].as_str() {
            Some("adaptive") => ThinkingForm::Adaptive,
            _ => ThinkingForm::Budget,
        },
        effort: true,
        system_in_messages: true,
        ..place
    }
}
