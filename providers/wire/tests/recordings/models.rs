//! Lists of models.

use greenroom_wire::{llamacpp::decode_props, openai_chat::decode_models};
use serde_json::Value;

use crate::{errors, load::Recording};

pub(crate) fn check(recording: &Recording) -> Result<(), String> {
    if recording.status >= 400 {
        return errors::check(recording);
    }
    let models = decode_models(&recording.body).map_err(|error| format!("failed: {error}"))?;
    let json: Value = serde_json::from_slice(&recording.body).expect("a recorded list is JSON");
    let list = match json["data"].as_array() {
        Some(list) => list.clone(),
        None => vec![json],
    };
    if models.len() != list.len() {
        return Err(format!("{} models of {}", models.len(), list.len()));
    }
    for (model, entry) in models.iter().zip(&list) {
        if entry["id"] != model.id.as_str() {
            return Err(format!("{} is not {}", model.id, entry["id"]));
        }
        let limits = &entry["capabilities"]["limits"];
        let context = entry["context_length"].as_u64().or_else(|| limits["max_context_window_tokens"].as_u64());
        let context = context.or_else(|| entry["meta"]["n_ctx"].as_u64());
        let output = entry["top_provider"]["max_completion_tokens"].as_u64();
        let output = output.or_else(|| limits["max_output_tokens"].as_u64());
        if context.is_some() && model.context != context || output.is_some() && model.max_output != output {
            return Err(format!("the bounds of {} are lost", model.id));
        }
        if entry["name"].is_string()
            && entry["name"] != model.id.as_str()
            && entry["name"].as_str() != model.name.as_deref()
        {
            return Err(format!("the name of {} is lost", model.id));
        }
    }
    Ok(())
}

/// What a llama.cpp server says it was started with.
pub(crate) fn check_props(recording: &Recording) -> Result<(), String> {
    if recording.status >= 400 {
        return errors::check(recording);
    }
    let props = decode_props(&recording.body).map_err(|error| format!("failed: {error}"))?;
    let json: Value = serde_json::from_slice(&recording.body).expect("recorded properties are JSON");
    let says = |value: &Value| value.as_bool();
    let window = json["default_generation_settings"]["n_ctx"].as_u64();
    let same = props.context == window
        && props.images == says(&json["modalities"]["vision"])
        && props.audio == says(&json["modalities"]["audio"])
        && (props.tools.is_some() || !json["chat_template_caps"].is_object());
    if same { Ok(()) } else { Err(format!("{props:?} is not what {window:?} and {} say", json["modalities"])) }
}
