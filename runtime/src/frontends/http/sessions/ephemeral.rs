//! `POST /api/ephemeral`: a session in memory alone, for as long as its events are read. It begins with what the body
//! says of it, or with all that an export had.

use std::{
    collections::HashMap,
    convert::Infallible,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderValue, header::CONTENT_TYPE},
    response::Response,
    routing::post,
};
use bytes::Bytes;
use greenroom_actors::session::event::EventBody;
use hyper::body::Frame;
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::{
    super::{
        event_stream::{Silence, event_stream},
        site::App,
    },
    errors::ApiError,
    extract::{raw, read_or_default},
    requests,
    sse::HEARTBEAT,
    wire::put_event,
};
use crate::{ReadFrom, Reader, Session};

/// Says which session the events are of.
const SESSION: &str = "x-greenroom-session";

/// The ephemeral sessions that are read, by their ids. Nobody can guess one.
#[derive(Debug, Default)]
pub(in super::super) struct Ephemerals(Mutex<HashMap<String, Session>>);

impl Ephemerals {
    fn all(&self) -> MutexGuard<'_, HashMap<String, Session>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The one of this id.
    pub(super) fn get(&self, id: &str) -> Option<Session> {
        self.all().get(id).cloned()
    }
}

/// The route of ephemeral sessions, which are the owner's.
pub(in super::super) fn ephemeral_routes() -> Router<Arc<App>> {
    Router::new().route("/api/ephemeral", post(begin))
}

async fn begin(State(app): State<Arc<App>>, request: Request) -> Result<Response, ApiError> {
    let is_export = request.headers().get(CONTENT_TYPE).is_some_and(|kind| kind == "application/x-ndjson");
    let (session, from) = if is_export {
        let (_, lines) = raw(&app, request).await?;
        let session = app.runtime.ephemeral_of(&lines).await?;
        // Who gives it has what is in it.
        let end = session.end().await?;
        (session, Some(end))
    } else {
        let (_, new) = read_or_default::<requests::Create>(&app, request).await?;
        (app.runtime.ephemeral(new.try_into()?).await?, None)
    };
    let reader = session.reader(ReadFrom { cursor: from, ..ReadFrom::default() }).await?;
    let id = HeaderValue::from_str(session.id()).expect("an id is of letters that a header may have");
    app.ephemerals.all().insert(session.id().to_owned(), session.clone());
    let body = Events {
        reader,
        silence: Silence::new(app.heartbeat),
        draining: Box::pin(app.draining.clone().cancelled_owned()),
        open: 0,
        id: session.id().to_owned(),
        app,
        scratch: Vec::new(),
        over: false,
    };
    let mut response = event_stream(Body::new(body));
    response.headers_mut().insert(SESSION, id);
    Ok(response)
}

/// The events of an ephemeral session. Dropping it ends the session, which cancels what is asked there. Once the server
/// drains it counts as a request in flight as long as a turn is open, and no longer.
struct Events {
    reader: Reader,
    silence: Silence,
    draining: Pin<Box<WaitForCancellationFutureOwned>>,
    /// Turns that were begun and are not over.
    open: usize,
    id: String,
    app: Arc<App>,
    scratch: Vec<u8>,
    over: bool,
}

impl hyper::body::Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = &mut *self;
        if this.over {
            return Poll::Ready(None);
        }
        if let Poll::Ready(events) = this.reader.poll_pull(cx) {
            let Some(events) = events else {
                this.over = true;
                return Poll::Ready(None);
            };
            this.silence.broken();
            let epoch = this.reader.epoch();
            let mut out = Vec::new();
            for event in &events {
                match &event.body {
                    EventBody::MessageUser { .. } => this.open += 1,
                    body if body.ends_turn() => this.open = this.open.saturating_sub(1),
                    _ => {}
                }
                put_event(&mut out, &mut this.scratch, event, epoch);
            }
            return Poll::Ready(Some(Ok(Frame::data(out.into()))));
        }
        if this.open == 0 && this.draining.as_mut().poll(cx).is_ready() {
            this.over = true;
            return Poll::Ready(None);
        }
        this.silence.poll(cx).map(|()| Some(Ok(Frame::data(Bytes::from_static(HEARTBEAT)))))
    }

    fn is_end_stream(&self) -> bool {
        self.over
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.app.ephemerals.all().remove(&self.id);
    }
}
