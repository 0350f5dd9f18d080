//! `POST /v1/embeddings`.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{HeaderValue, StatusCode, header::CACHE_CONTROL},
    response::{IntoResponse as _, Response},
};
use greenroom_wire::{
    ChatError, ErrorKind,
    openai_chat::{decode_embed_request, embeddings_body},
};

use super::super::{
    body,
    errors::{failed, json_response, say_way},
    site::App,
    who::Who,
};

/// Makes texts into vectors. The client's leaving cancels it.
pub(in super::super) async fn embeddings(State(app): State<Arc<App>>, who: Who, request: Request) -> Response {
    let body = match body::read(request, app.max_body).await {
        Ok(body) => body,
        Err(refusal) => return refusal.into_response(),
    };
    if body.is_empty() {
        let error = ChatError::new(ErrorKind::InvalidRequest, "the request has no body");
        return failed(&error.with_hint("send a JSON object with 'model' and 'input'"));
    }
    let served = match decode_embed_request(&body) {
        Ok(served) => served,
        Err(error) => return failed(&error),
    };
    if let Err(not_allowed) = who.may_ask(Some(&served.request.model), &app.runtime) {
        return not_allowed.refusal().into_response();
    }
    match app.runtime.embed_for(&served.request, who.access().client().into()).await {
        Ok(made) => {
            let told = if made.embeddings.model.is_empty() { &made.model } else { &made.embeddings.model };
            let mut response = json_response(StatusCode::OK, embeddings_body(&made.embeddings, told, served.base64));
            let headers = response.headers_mut();
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
            say_way(&made.provider, &made.model, 1, headers);
            response
        }
        Err(error) => failed(&error),
    }
}
