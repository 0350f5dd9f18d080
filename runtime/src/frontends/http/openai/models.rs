//! Models, as OpenAI's clients read them.

use axum::{http::StatusCode, response::Response};
use greenroom_wire::{
    ChatError,
    openai_chat::{ServedModel, encode_models},
};
use serde_json::json;

use super::super::{
    errors::{failed, json_response},
    models::Named,
};

/// Whose the aliases are.
const US: &str = "greenroom";
/// When a model came about, which providers mostly don't say.
const CREATED: u64 = 0;

/// The list of these.
pub(in super::super) fn models(named: &[Named<'_>]) -> Response {
    let models = named.iter().map(|named| ServedModel { id: &named.id, owned_by: owner(named), created: CREATED });
    json_response(StatusCode::OK, encode_models(models))
}

/// One of them.
pub(in super::super) fn model(found: Result<Named<'_>, ChatError>) -> Response {
    match found {
        Ok(named) => {
            let body = json!({"id": named.id, "object": "model", "created": CREATED, "owned_by": owner(&named)});
            json_response(StatusCode::OK, body.to_string())
        }
        Err(error) => failed(&error),
    }
}

fn owner<'a>(named: &Named<'a>) -> &'a str {
    named.model.map_or(US, |model| &model.provider)
}
