//! What a client asks, read and allowed.

use axum::{extract::Request, http::HeaderMap, response::Response};
use greenroom_wire::{
    ChatError, ErrorKind,
    anthropic::{BETAS, ServedRequest, decode_request},
    chat::{Extra, Wire},
};

use super::super::{
    answer::caller,
    body,
    errors::failed_to_anthropic,
    site::{App, RequestId},
    who::Who,
};
use crate::Caller;

/// A request that may be answered.
pub(super) struct Asked {
    pub(super) served: ServedRequest,
    pub(super) caller: Caller,
    pub(super) id: Option<RequestId>,
}

impl Asked {
    /// Reads a request.
    ///
    /// # Errors
    /// The response to one that is wrong, or may not be asked.
    pub(super) async fn read(app: &App, who: &Who, request: Request) -> Result<Self, Box<Response>> {
        let id = RequestId::of(&request).cloned();
        let failed = |error: &ChatError| Box::new(failed_to_anthropic(error, id.as_ref()));
        let caller = caller(who, request.headers()).map_err(|error| failed(&error))?;
        let betas = betas(request.headers());
        let body = body::read(request, app.max_body).await;
        let body = body.map_err(|refusal| Box::new(refusal.told_to_anthropic(id.as_ref())))?;
        if body.is_empty() {
            let error = ChatError::new(ErrorKind::InvalidRequest, "the request has no body");
            return Err(failed(&error.with_hint("send a JSON object with 'model', 'max_tokens' and 'messages'")));
        }
        let mut served = decode_request(&body).map_err(|error| failed(&error))?;
        // Pictures make it large, and the answer may take minutes.
        drop(body);
        if let Some(betas) = betas {
            served.request.extra.push(betas);
        }
        who.may_ask(Some(&served.request.model), &app.runtime)
            .map_err(|not_allowed| Box::new(not_allowed.refusal().told_to_anthropic(id.as_ref())))?;
        Ok(Self { served, caller, id })
    }

    /// The response to a request that could not be answered.
    pub(super) fn failed(&self, error: &ChatError) -> Response {
        failed_to_anthropic(error, self.id.as_ref())
    }
}

/// The features that a client asks for by header, on their way to a provider that knows them.
fn betas(headers: &HeaderMap) -> Option<Extra> {
    let values = headers.get_all("anthropic-beta").into_iter().filter_map(|value| value.to_str().ok());
    let names = values.flat_map(|value| value.split(',')).map(str::trim).filter(|name| !name.is_empty());
    let names: Vec<_> = names.map(serde_json::Value::from).collect();
    (!names.is_empty()).then(|| Extra { wire: Wire::Anthropic, path: BETAS.to_owned(), json: names.into() })
}
