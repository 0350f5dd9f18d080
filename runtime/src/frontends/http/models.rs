//! `GET /v1/models`, and one model of it, in the words of whoever asks.

use std::sync::Arc;

use axum::{
    extract::{Path, Request, State},
    response::Response,
};
use greenroom_wire::{ChatError, ErrorKind};

use super::{
    anthropic,
    errors::{failed_to_anthropic, is_of_anthropic},
    openai,
    site::{App, RequestId},
    who::Who,
};
use crate::{Listing, Model};

/// A name that a request may give as its model.
#[derive(Debug)]
pub(super) struct Named<'a> {
    pub(super) id: String,
    /// The model of that name; none where it is an alias.
    pub(super) model: Option<&'a Model>,
}

/// Everything that whoever asks may name as a model.
pub(super) async fn list(State(app): State<Arc<App>>, who: Who, request: Request) -> Response {
    let listing = listing(&app).await;
    let mut named = named(&listing);
    named.retain(|named| who.may_name(&named.id));
    if !is_of_anthropic(request.headers()) {
        return openai::models(&named);
    }
    match anthropic::models(&named, request.uri().query()) {
        Ok(response) => response,
        Err(error) => failed_to_anthropic(&error, RequestId::of(&request)),
    }
}

/// One of them; the bare id of a model that only one provider has will do.
pub(super) async fn one(State(app): State<Arc<App>>, who: Who, Path(id): Path<String>, request: Request) -> Response {
    let listing = listing(&app).await;
    let found = find(&listing, &id).filter(|_| who.may_name(&id)).ok_or_else(|| {
        let error = ChatError::new(ErrorKind::NotFound, format!("there is no model \"{id}\""));
        error.with_hint("GET /v1/models lists all")
    });
    match is_of_anthropic(request.headers()) {
        true => anthropic::model(found, RequestId::of(&request)),
        false => openai::model(found),
    }
}

async fn listing(app: &App) -> Listing {
    let listing = app.runtime.models().await;
    for (provider, error) in &listing.failed {
        tracing::warn!(%provider, kind = %error.kind, "a provider's models could not be listed: {error}");
    }
    listing
}

/// All names: aliases, then models as `provider/model`.
fn named(listing: &Listing) -> Vec<Named<'_>> {
    let aliases = listing.aliases.iter().map(|alias| Named { id: alias.clone(), model: None });
    let full = |model: &Model| format!("{}/{}", model.provider, model.info.id);
    aliases.chain(listing.models.iter().map(|model| Named { id: full(model), model: Some(model) })).collect()
}

fn find<'a>(listing: &'a Listing, id: &str) -> Option<Named<'a>> {
    named(listing).into_iter().find(|named| named.id == id).or_else(|| {
        let mut having = listing.models.iter().filter(|model| model.info.id == id);
        let model = having.next().filter(|_| having.next().is_none())?;
        Some(Named { id: id.to_owned(), model: Some(model) })
    })
}
