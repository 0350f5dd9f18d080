//! `POST /api/pull`: has a provider fetch a model, asked by the command of that name where a daemon runs. A line of JSON for
//! each step, and one for the end.

use std::{convert::Infallible, ops::ControlFlow, sync::Arc};

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
use bytes::Bytes;
use futures::{FutureExt as _, future::BoxFuture, stream};
use greenroom_providers::PullSink;
use greenroom_wire::json::put_value;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use super::{
    errors::failed_in_api,
    sessions::{ApiError, read},
    site::App,
};
use crate::{ChatError, ErrorKind, PullProgress, event::Failure};

/// The route, which is the owner's.
pub(super) fn routes() -> Router<Arc<App>> {
    Router::new().route("/api/pull", post(pull))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    model: String,
}

/// A line.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Line {
    Progress(PullProgress),
    End(End),
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum End {
    Done,
    Failed { error: Box<Failure> },
}

/// Whoever leaves cancels it, up to the provider's socket. It holds no place of an answer, and its server waits for it as for
/// any request that is in flight.
async fn pull(State(app): State<Arc<App>>, request: Request) -> Result<Response, ApiError> {
    let (_, Asked { model }) = read(&app, request).await?;
    // A place for one step: the provider is read no faster than the client reads.
    let (sender, mut lines) = mpsc::channel(1);
    let runtime = app.runtime.clone();
    let running = AbortOnDropHandle::new(tokio::spawn(async move {
        let mut sink = Sender(sender);
        let end = match runtime.pull(&model, &mut sink).await {
            Ok(()) => End::Done,
            Err(error) => End::Failed { error: Box::new(Failure::from(&error)) },
        };
        let _left = sink.0.send(Line::End(end)).await;
    }));
    // What can't even begin has a status of its own.
    let first = match lines.recv().await {
        Some(Line::End(End::Failed { error })) => return Ok(failed_in_api(&ChatError::from(*error))),
        Some(line) => line,
        None => return Ok(failed_in_api(&ChatError::new(ErrorKind::Server, "the pull broke off inside greenroom"))),
    };
    let lines = stream::unfold((Some(first), lines, running), |(next, mut lines, running)| async move {
        let line = match next {
            Some(line) => line,
            None => lines.recv().await?,
        };
        let mut bytes = Vec::new();
        put_value(&mut bytes, &line);
        bytes.push(b'\n');
        Some((Ok::<_, Infallible>(Bytes::from(bytes)), (None, lines, running)))
    });
    let mut response = Response::new(Body::from_stream(lines));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

struct Sender(mpsc::Sender<Line>);

impl PullSink for Sender {
    fn take(&mut self, progress: PullProgress) -> BoxFuture<'_, ControlFlow<()>> {
        let taken = |sent: Result<(), _>| if sent.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) };
        self.0.send(Line::Progress(progress)).map(taken).boxed()
    }
}
