//! `POST /api/ipc`: a line of the [protocol on standard input and output](crate::frontends::ipc), answered with lines
//! without an id. It is asked by whoever has those, through the owner's door.

use std::{convert::Infallible, sync::Arc};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{
        HeaderValue,
        header::{CACHE_CONTROL, CONTENT_TYPE},
    },
    response::Response,
    routing::post,
};
use futures::StreamExt as _;

use super::{
    answer::caller,
    body,
    errors::failed,
    site::{App, EndsWithServer},
    who::Who,
};
use crate::frontends::ipc::{Answering, answer};

/// The route, which is the owner's.
pub(super) fn routes() -> Router<Arc<App>> {
    Router::new().route("/api/ipc", post(ask))
}

async fn ask(State(app): State<Arc<App>>, who: Who, request: Request) -> Response {
    let caller = match caller(&who, request.headers()) {
        Ok(caller) => caller,
        Err(error) => return failed(&error),
    };
    let line = match body::read(request, app.max_body).await {
        Ok(line) => line,
        Err(refusal) => return refusal.told_by_api(),
    };
    let Answering { lines, waits_for_person } = answer(&app.runtime, caller, &line, app.draining.clone());
    let mut response = Response::new(Body::from_stream(lines.map(Ok::<_, Infallible>)));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if waits_for_person {
        response.extensions_mut().insert(EndsWithServer);
    }
    response
}
