//! `GET /api/sessions/{id}/events`: a session's log as server-sent events.
//!
//! The body pulls when the client's connection has room, and at no other time: there is neither a channel nor a task, and
//! a client that stops reading costs what one pull gave, and what hyper buffers for its connection (some 600 KiB).

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::{extract::State, http::HeaderMap, response::Response};
use bytes::Bytes;
use hyper::body::Frame;
use serde::Deserialize;

use super::{
    super::{
        event_stream::{Silence, reading_stream},
        site::App,
        who::Who,
    },
    errors::ApiError,
    extract::{Asked, Id},
    requests,
    wire::put_event,
};
use crate::{ReadFrom, Reader, Session};

/// Said in silence, which real clients pass over.
pub(super) const HEARTBEAT: &[u8] = b": keep-alive\n\n";

/// From where events are asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct From {
    from: Option<String>,
    truncate: Option<String>,
}

impl From {
    /// Where to read from. The id of the last event that a browser saw comes with each of its attempts, and what it was
    /// first given as an address as well.
    pub(super) async fn place(self, last_seen: Option<&str>, session: &Session) -> Result<ReadFrom, ApiError> {
        let truncate = match self.truncate.as_deref() {
            None | Some("0" | "false") => false,
            Some("" | "1" | "true") => true,
            Some(_) => return Err(ApiError::bad("what 'truncate' is can't be read", "it is 1 or 0")),
        };
        let cursor = match last_seen.or(self.from.as_deref()) {
            Some(text) => Some(requests::cursor(session, text).await?),
            None => None,
        };
        Ok(ReadFrom { cursor, truncate })
    }
}

/// All events from a place on, and those to come.
pub(super) async fn events(
    State(app): State<Arc<App>>,
    id: Id,
    from: Asked<From>,
    who: Who,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let session = id.open(&app, &who).await?;
    // A browser that has seen no id yet sends none, or an empty one.
    let last_seen = headers.get("last-event-id").filter(|id| !id.is_empty());
    let last_seen = last_seen.map(|id| id.to_str().unwrap_or("?"));
    let reader = session.reader(from.0.place(last_seen, &session).await?).await?;
    let body = Events { reader, silence: Silence::new(app.heartbeat), scratch: Vec::new(), over: false };
    Ok(reading_stream(body, &app, &who))
}

/// The events of a session, written for the client. Dropping it leaves the session as it is.
struct Events {
    reader: Reader,
    silence: Silence,
    scratch: Vec<u8>,
    over: bool,
}

impl hyper::body::Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = &mut *self;
        match this.reader.poll_pull(cx) {
            Poll::Ready(Some(events)) => {
                this.silence.broken();
                let epoch = this.reader.epoch();
                let mut out = Vec::new();
                for event in &events {
                    put_event(&mut out, &mut this.scratch, event, epoch);
                }
                Poll::Ready(Some(Ok(Frame::data(out.into()))))
            }
            Poll::Ready(None) => {
                this.over = true;
                Poll::Ready(None)
            }
            Poll::Pending => this.silence.poll(cx).map(|()| Some(Ok(Frame::data(Bytes::from_static(HEARTBEAT))))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.over
    }
}
