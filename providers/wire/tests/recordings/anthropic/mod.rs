//! Anthropic's messages, on their own host and on others'.

mod check;
mod errors;
mod lists;
mod reading;
mod requests;
mod rules;
mod served;

use crate::load::Recording;

/// The part of this wire that a recording is of and whether it is explained; `None` if it is of another wire.
pub(crate) fn explain(recording: &Recording) -> Option<(&'static str, Result<(), String>)> {
    match recording.api.as_str() {
        "anthropic-messages" | "azure-anthropic" | "vertex-anthropic" => Some(("anthropic", chat(recording))),
        "anthropic-models" => Some(("anthropic models", lists::models(recording))),
        "anthropic-count-tokens" => Some(("anthropic count", lists::count(recording))),
        // Vertex counts for its own models as well, in their words.
        "vertex-count-tokens" if recording.path().contains("/publishers/anthropic/") => {
            Some(("anthropic count", lists::count(recording)))
        }
        _ => None,
    }
}

/// Whether an answer of this wire is explained, whatever asked for it.
pub(crate) fn answer(recording: &Recording) -> Result<(), String> {
    check::check(recording)
}

fn chat(recording: &Recording) -> Result<(), String> {
    requests::check(recording)?;
    if recording.status >= 400 { errors::check(recording) } else { check::check(recording) }
}
