//! Lists of models, and counts of tokens.

use greenroom_wire::anthropic::{decode_count, decode_models};
use serde_json::Value;

use super::{errors, requests};
use crate::load::Recording;

pub(super) fn models(recording: &Recording) -> Result<(), String> {
    if recording.status >= 400 {
        return errors::check(recording);
    }
    let page = decode_models(&recording.body).map_err(|error| format!("failed: {error}"))?;
    let json: Value = serde_json::from_slice(&recording.body).expect("a recorded list is JSON");
    let list = json["data"].as_array().expect("a recorded list has data");
    if page.models.len() != list.len() {
        return Err(format!("{} models of {}", page.models.len(), list.len()));
    }
    for (model, entry) in page.models.iter().zip(list) {
        let same = entry["id"] == model.id.as_str()
            && model.context == entry["max_input_tokens"].as_u64()
            && model.max_output == entry["max_tokens"].as_u64()
            && model.thinking == entry["capabilities"]["thinking"]["supported"].as_bool()
            && model.name.as_deref().is_none_or(|name| entry["display_name"] == name);
        if !same {
            return Err(format!("{model:?} is not {entry}"));
        }
    }
    let next = if json["has_more"] == true { json["last_id"].as_str() } else { None };
    if page.next.as_deref() != next {
        return Err(format!("the next page: got {:?}, want {next:?}", page.next));
    }
    Ok(())
}

pub(super) fn count(recording: &Recording) -> Result<(), String> {
    requests::check_count(recording)?;
    if recording.status >= 400 {
        return errors::check(recording);
    }
    let count = decode_count(&recording.body).map_err(|error| format!("failed: {error}"))?;
    let json: Value = serde_json::from_slice(&recording.body).expect("a recorded count is JSON");
    if json["input_tokens"] != count {
        return Err(format!("counted {count}, and was {json}"));
    }
    Ok(())
}
