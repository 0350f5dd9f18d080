//! `GET /v1/models`, and one model of it.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};
use greenroom_wire::{
    ChatError, ErrorKind,
    openai_chat::{ServedModel, encode_models},
};
use serde_json::json;

use super::super::{
    errors::{failed, json_response},
    site::App,
    who::Who,
};
use crate::Listing;

/// Whose the aliases are.
const US: &str = "greenroom";
/// When a model came about, which providers mostly don't say.
const CREATED: u64 = 0;

/// Everything that whoever asks may name as a model.
pub(in super::super) async fn models(State(app): State<Arc<App>>, who: Who) -> Response {
    let listing = listing(&app).await;
    let named = named(&listing);
    let models = named.iter().filter(|(id, _)| who.may_name(id)).map(|(id, owned_by)| ServedModel {
        id,
        owned_by,
        created: CREATED,
    });
    json_response(StatusCode::OK, encode_models(models))
}

/// One of them; the bare id of a model that only one provider has will do.
pub(in super::super) async fn model(State(app): State<Arc<App>>, who: Who, Path(id): Path<String>) -> Response {
    let listing = listing(&app).await;
    let owner = named(&listing).into_iter().find(|(name, _)| *name == id).map(|(_, owner)| owner).or_else(|| {
        let mut having = listing.models.iter().filter(|model| model.info.id == id);
        having.next().filter(|_| having.next().is_none()).map(|model| &*model.provider)
    });
    match owner.filter(|_| who.may_name(&id)) {
        Some(owned_by) => {
            let body = json!({"id": id, "object": "model", "created": CREATED, "owned_by": owned_by});
            json_response(StatusCode::OK, body.to_string())
        }
        None => {
            let error = ChatError::new(ErrorKind::NotFound, format!("there is no model \"{id}\""));
            failed(&error.with_hint("GET /v1/models lists all"))
        }
    }
}

async fn listing(app: &App) -> Listing {
    let listing = app.runtime.models().await;
    for (provider, error) in &listing.failed {
        tracing::warn!(%provider, kind = %error.kind, "a provider's models could not be listed: {error}");
    }
    listing
}

/// Each name with its owner: aliases, then models as `provider/model`.
fn named(listing: &Listing) -> Vec<(String, &str)> {
    let aliases = listing.aliases.iter().map(|alias| (alias.clone(), US));
    let full = |model: &crate::Model| format!("{}/{}", model.provider, model.info.id);
    aliases.chain(listing.models.iter().map(|model| (full(model), &*model.provider))).collect()
}
