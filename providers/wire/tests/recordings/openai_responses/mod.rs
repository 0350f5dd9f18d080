//! OpenAI's Responses API, on its own host and on others'.

mod check;
mod errors;
mod reading;
mod requests;
mod rules;
mod served;

use crate::load::Recording;

/// The part of this wire that a recording is of and whether it is explained; `None` if it is of another wire.
pub(crate) fn explain(recording: &Recording) -> Option<(&'static str, Result<(), String>)> {
    let is_ours = match recording.api.as_str() {
        "openai-responses" | "azure-responses" | "openrouter-responses" | "copilot-responses" | "chatgpt-codex" => true,
        "bedrock-openai" | "llamacpp-misc" => recording.path().ends_with("/responses"),
        _ => false,
    };
    is_ours.then(|| ("openai-responses", chat(recording)))
}

fn chat(recording: &Recording) -> Result<(), String> {
    requests::check(recording)?;
    if recording.status >= 400 { errors::check(recording) } else { check::check(recording) }
}
