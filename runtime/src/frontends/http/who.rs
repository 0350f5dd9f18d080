//! Who asks. The guard finds out once, and puts it into the request; whatever depends on it reads it there.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{FromRequestParts, Request},
    http::{StatusCode, request::Parts},
    middleware::Next,
    response::Response,
};
use tokio_util::sync::CancellationToken;

use super::{body, errors::Refusal};
use crate::{Access, Runtime, clients::Known};

/// What may be written for the default model.
const DEFAULT: &str = "default";

/// Who asks.
#[derive(Debug, Clone)]
pub(in crate::frontends) struct Who {
    /// Nobody's but the owner's if there is none.
    client: Option<Arc<Known>>,
    ended: CancellationToken,
}

/// A model that a client may not ask.
#[derive(Debug)]
pub(in crate::frontends) struct NotAllowed {
    pub(in crate::frontends) message: String,
    pub(in crate::frontends) hint: String,
}

impl Who {
    /// The owner, until this is cancelled.
    pub(super) fn owner(ended: CancellationToken) -> Self {
        Self { client: None, ended }
    }

    pub(super) fn client(client: Arc<Known>) -> Self {
        Self { ended: client.revoked.clone(), client: Some(client) }
    }

    pub(super) fn is_owner(&self) -> bool {
        self.client.is_none()
    }

    /// Which sessions it sees, and whose those are that it makes.
    pub(in crate::frontends) fn access(&self) -> Access {
        self.client.as_ref().map_or(Access::Admin, |client| Access::Client(Arc::clone(&client.name)))
    }

    /// Cancelled once what it showed does not let it in any more.
    pub(in crate::frontends) fn ended(&self) -> &CancellationToken {
        &self.ended
    }

    /// Counts a request. How long it is to wait instead, if it is one too many.
    pub(super) fn count(&self) -> Result<(), Duration> {
        self.client.as_ref().map_or(Ok(()), |client| client.count())
    }

    /// Whether it is let name any model.
    pub(super) fn may_ask_all(&self) -> bool {
        self.client.as_ref().is_none_or(|client| client.models().is_empty())
    }

    /// Whether it may name this model.
    pub(in crate::frontends) fn may_name(&self, model: &str) -> bool {
        self.client.as_ref().is_none_or(|client| client.may_ask(model))
    }

    /// Whether it may ask this model, by the name that it is asked by. Where that stands for the default, as none does, the
    /// name that is configured for that will do as well.
    pub(in crate::frontends) fn may_ask(&self, model: Option<&str>, runtime: &Runtime) -> Result<(), NotAllowed> {
        let Some(client) = self.client.as_ref().filter(|client| !client.models().is_empty()) else { return Ok(()) };
        let models = &runtime.settings().models;
        let named = model.filter(|model| !model.is_empty());
        let is_default = named.is_none_or(|model| model == DEFAULT && models.alias(model).is_none());
        let default = models.default.as_deref().filter(|_| is_default);
        if [named, default].into_iter().flatten().any(|model| client.may_ask(model)) {
            return Ok(());
        }
        let named = named.or(default);
        let message = match named {
            Some(model) => format!("the client \"{}\" may not ask the model \"{model}\"", client.name),
            None => format!("no model is named, and the client \"{}\" may not ask any", client.name),
        };
        Err(NotAllowed {
            message,
            hint: format!("it may ask {}; GET /v1/models lists them", client.models().join(", ")),
        })
    }
}

impl NotAllowed {
    /// What its client is told.
    pub(super) fn refusal(self) -> Refusal {
        let message = format!("{}; {}", self.message, self.hint);
        Refusal::new(StatusCode::FORBIDDEN, "permission_error", "model_not_allowed", message)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Who {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        // A route without its guard lets nobody in.
        parts.extensions.get().cloned().ok_or_else(nobody)
    }
}

/// Lets the owner alone go on to a route.
pub(super) async fn owner_only(request: Request, next: Next) -> Response {
    let who: Option<&Who> = request.extensions().get();
    let refusal = match who {
        Some(who) if who.is_owner() => return next.run(request).await,
        Some(_) => owners(),
        None => nobody(),
    };
    let response = refusal.told(&request);
    body::discard(request).await;
    response
}

fn owners() -> Refusal {
    let message = "this is the owner's alone, and the token is a client's; send that of `greenroom auth token`";
    Refusal::new(StatusCode::FORBIDDEN, "permission_error", "owner_only", message)
}

fn nobody() -> Refusal {
    let message = "greenroom does not know who asks, which is a fault of its own; please report it";
    Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "server_error", "internal_error", message)
}
