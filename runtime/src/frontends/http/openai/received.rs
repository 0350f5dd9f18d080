//! What a client of OpenAI's API asks, before it is known whether it may.

use axum::{
    extract::Request,
    response::{IntoResponse as _, Response},
};
use greenroom_wire::{ChatError, ErrorKind};

use super::super::{body, errors::failed, site::App, who::Who};

/// Reads a request's body and what it asks by it; `wants` is what stands in such a body, for who sent none. The body is gone then:
/// pictures make it large, and the answer may take minutes.
///
/// # Errors
/// The response to a request that is wrong.
pub(super) async fn read<T>(
    app: &App,
    request: Request,
    wants: &str,
    decode: impl FnOnce(&[u8]) -> Result<T, ChatError>,
) -> Result<T, Box<Response>> {
    let body = body::read(request, app.max_body).await.map_err(|refusal| Box::new(refusal.into_response()))?;
    if body.is_empty() {
        let error = ChatError::new(ErrorKind::InvalidRequest, "the request has no body");
        return Err(Box::new(failed(&error.with_hint(format!("send a JSON object with {wants}")))));
    }
    decode(&body).map_err(|error| Box::new(failed(&error)))
}

/// That whoever asks may ask this model.
///
/// # Errors
/// The response to who may not.
pub(super) fn allow(app: &App, who: &Who, model: &str) -> Result<(), Box<Response>> {
    let allowed = who.may_ask(Some(model), &app.runtime);
    allowed.map_err(|not_allowed| Box::new(not_allowed.refusal().into_response()))
}
