//! `POST /v1/embeddings`.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{HeaderValue, StatusCode, header::CACHE_CONTROL},
    response::Response,
};
use greenroom_wire::openai_chat::{decode_embed_request, embeddings_body};

use super::{
    super::{
        errors::{failed, json_response, say_way},
        site::App,
        who::Who,
    },
    received,
};

/// Makes texts into vectors. The client's leaving cancels it.
pub(in super::super) async fn embeddings(State(app): State<Arc<App>>, who: Who, request: Request) -> Response {
    let served = received::read(&app, request, "'model' and 'input'", decode_embed_request).await;
    let served = match served.and_then(|served| received::allow(&app, &who, &served.request.model).map(|()| served)) {
        Ok(served) => served,
        Err(refused) => return *refused,
    };
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
