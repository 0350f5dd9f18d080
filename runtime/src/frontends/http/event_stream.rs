//! What every stream of server-sent events has: its headers, and a word when it is silent.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{
    body::Body,
    http::{
        HeaderValue,
        header::{CACHE_CONTROL, CONTENT_TYPE},
    },
    response::Response,
};
use bytes::Bytes;
use hyper::body::Frame;
use tokio::time::{Instant, Sleep, sleep};
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::{
    site::{App, EndsWithServer},
    who::Who,
};

/// Said last to who only reads.
const STOPPING: &[u8] = b": greenroom is shutting down\n\n";
const SHUT_OUT: &[u8] = b": the token is not valid any more\n\n";

/// A response of server-sent events.
pub(super) fn event_stream(body: Body) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, no-store"));
    // Proxies that gather a response before they pass it on leave this one alone.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

/// What ends a stream of what is there all the same, whoever reads it: the server drains, or the token by which it is read
/// is refused.
pub(super) struct Ending {
    draining: Pin<Box<WaitForCancellationFutureOwned>>,
    shut_out: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Ending {
    pub(super) fn new(app: &App, who: &Who) -> Self {
        Self {
            draining: Box::pin(app.draining.clone().cancelled_owned()),
            shut_out: Box::pin(who.ended().clone().cancelled_owned()),
        }
    }

    /// What is said last, if it ends now.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Option<&'static [u8]> {
        if self.draining.as_mut().poll(cx).is_ready() {
            return Some(STOPPING);
        }
        self.shut_out.as_mut().poll(cx).is_ready().then_some(SHUT_OUT)
    }
}

/// A body of server-sent events that ends with the server, and with its reader's token.
struct Ends<B> {
    body: B,
    ending: Ending,
    over: bool,
}

impl<B> hyper::body::Body for Ends<B>
where
    B: hyper::body::Body<Data = Bytes, Error = Infallible> + Unpin,
{
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = &mut *self;
        if this.over {
            return Poll::Ready(None);
        }
        if let Some(last) = this.ending.poll(cx) {
            this.over = true;
            return Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(last)))));
        }
        Pin::new(&mut this.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.over || self.body.is_end_stream()
    }
}

/// A response of server-sent events about what is there all the same, whoever reads it: it ends with the server, and with the
/// token by which it is read.
pub(super) fn reading_stream<B>(body: B, app: &App, who: &Who) -> Response
where
    B: hyper::body::Body<Data = Bytes, Error = Infallible> + Unpin + Send + 'static,
{
    let mut response = event_stream(Body::new(Ends { body, ending: Ending::new(app, who), over: false }));
    response.extensions_mut().insert(EndsWithServer);
    response
}

/// Notices when nothing was said for a while. A token costs it a look at the clock; the timer is only set anew when it
/// has run out.
pub(super) struct Silence {
    most: Duration,
    since: Instant,
    timer: Pin<Box<Sleep>>,
}

impl Silence {
    pub(super) fn new(most: Duration) -> Self {
        Self { most, since: Instant::now(), timer: Box::pin(sleep(most)) }
    }

    /// Something was said.
    pub(super) fn broken(&mut self) {
        self.since = Instant::now();
    }

    /// Ready once the silence has lasted; it then begins anew.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            ready!(self.timer.as_mut().poll(cx));
            let now = Instant::now();
            let until = self.since + self.most;
            if now >= until {
                self.since = now;
                self.timer.as_mut().reset(now + self.most);
                return Poll::Ready(());
            }
            self.timer.as_mut().reset(until);
        }
    }
}
