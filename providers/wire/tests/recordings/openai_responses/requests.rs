//! Recorded requests, decoded and encoded again.

use greenroom_wire::openai_responses::{Dialect, decode_request, encode_request};
use serde_json::Value;

use super::rules::normalise;
use crate::load::Recording;

pub(super) fn check(recording: &Recording) -> Result<(), String> {
    let mut body = recording.request["body"].clone();
    if !body.is_object() {
        return Ok(());
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
    let dialect = Dialect { encrypted_reasoning: false, ..Dialect::COMPATIBLE };
    let encoded = encode_request(&served.request, "p", &served.request.model, &dialect);
    if !encoded.left_out.is_empty() {
        return Err(format!("left out: {:?}", encoded.left_out));
    }
    if !encoded.names.is_empty() {
        return Err(format!("renamed: {:?}", encoded.names));
    }
    let mut again: Value = serde_json::from_slice(&encoded.body).expect("an encoded request is JSON");
    normalise(&mut body);
    normalise(&mut again);
    match body == again {
        true => Ok(()),
        false => Err(format!("the request became another:\n{body}\n{again}")),
    }
}
