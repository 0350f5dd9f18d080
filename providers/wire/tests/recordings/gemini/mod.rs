//! Gemini, on its own API and on Vertex.

mod check;
mod errors;
mod lists;
mod reading;
mod requests;
mod rules;

use crate::load::Recording;

/// The part of this wire that a recording is of and whether it is explained; `None` if it is of another wire.
pub(crate) fn explain(recording: &Recording) -> Option<(&'static str, Result<(), String>)> {
    let path = recording.path().split('?').next().unwrap_or_default();
    let is_of = |method: &str| path.is_empty() || path.ends_with(method);
    match recording.api.as_str() {
        "gemini-generate" | "vertex-gemini" if is_of("enerateContent") => Some(("gemini", chat(recording))),
        "gemini-models" if path.ends_with("/models") || recording.status >= 400 => {
            Some(("gemini models", lists::models(recording)))
        }
        "gemini-count-tokens" | "vertex-count-tokens" if is_of(":countTokens") => {
            Some(("gemini count", lists::count(recording)))
        }
        "gemini-embeddings" | "vertex-embeddings" => Some(("gemini embeddings", lists::embeddings(recording))),
        _ => None,
    }
}

fn chat(recording: &Recording) -> Result<(), String> {
    requests::check(recording)?;
    if recording.status >= 400 { errors::check(recording) } else { check::check(recording) }
}

fn equal<T: PartialEq + std::fmt::Debug>(what: &str, got: &T, want: &T) -> Result<(), String> {
    if got == want { Ok(()) } else { Err(format!("{what}: got {got:?}, want {want:?}")) }
}
