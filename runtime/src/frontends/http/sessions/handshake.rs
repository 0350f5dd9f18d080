//! `GET /api/sessions/{id}/socket`: from HTTP to a WebSocket.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Request, State},
    response::Response,
};
use hyper_util::rt::TokioIo;
use tokio_tungstenite::tungstenite::handshake::server::create_response_with_body;

use super::{
    super::{site::App, who::Who},
    errors::ApiError,
    extract::{Asked, Id},
    socket::serve,
    sse::From,
};

/// Agrees on a WebSocket, which then has a task of its own. What the session has to say against it is said before.
pub(super) async fn socket(
    State(app): State<Arc<App>>,
    id: Id,
    from: Asked<From>,
    who: Who,
    mut request: Request,
) -> Result<Response, ApiError> {
    let agreed = create_response_with_body(&request, Body::empty).map_err(|error| {
        let hint = "connect with a WebSocket client, or read the events at …/events";
        ApiError::bad(format!("this is no opening of a WebSocket: {error}"), hint)
    })?;
    let session = id.open(&app, &who).await?;
    let reader = session.reader(from.0.place(None, &session).await?).await?;
    let upgrade = hyper::upgrade::on(&mut request);
    let of = Arc::clone(&app);
    app.sockets.spawn(async move {
        match upgrade.await {
            Ok(upgraded) => serve(TokioIo::new(upgraded), session, reader, &of, &who).await,
            Err(error) => tracing::debug!("a connection was lost before it became a WebSocket: {error}"),
        }
    });
    Ok(agreed)
}
