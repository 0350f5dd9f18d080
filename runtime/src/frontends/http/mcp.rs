//! `/mcp`: the Model Context Protocol over streamable HTTP.
//!
//! Clients have sessions of the transport, as the revisions of the protocol with a handshake want them. Who asks so that
//! each request stands by itself has none, as in the revisions without one: `greenroom mcp` does, for a client of which it
//! knows what there is to know, so that it can ask the next holder once one is gone.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{
    body::Body,
    extract::{Request, State},
    http::{
        HeaderMap, HeaderName, Method, StatusCode,
        header::{AUTHORIZATION, CONTENT_TYPE, COOKIE},
    },
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use hyper::body::Frame;
use rmcp::transport::streamable_http_server::{
    StreamableHttpServerConfig, StreamableHttpService,
    session::local::{LocalSessionManager, SessionConfig},
};
use tokio_util::sync::{CancellationToken, DropGuard, WaitForCancellationFutureOwned};

use super::{
    body,
    errors::Refusal,
    line_safe::LineSafe,
    mcp_sessions::Owners,
    site::{App, EndsWithServer},
    unread::Unread,
    who::Who,
};
use crate::{
    Runtime,
    frontends::mcp::{Added, Handler},
};

/// How long a session of the transport is kept that nobody uses; longer than a turn may last.
const IDLE: Duration = Duration::from_secs(2 * 60 * 60);
/// A request that has it stands by itself, whichever revision of the protocol it is of.
const ALONE: HeaderName = HeaderName::from_static("x-greenroom-alone");
const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");

type Service = StreamableHttpService<Handler, LocalSessionManager>;

/// What answers the protocol. Clones are the same.
#[derive(Clone)]
pub(super) struct Mcp {
    with_sessions: Service,
    alone: Service,
    sessions: Arc<LocalSessionManager>,
    owners: Arc<Mutex<Owners>>,
    unread: Duration,
    /// Ends all sessions once the server is gone.
    _ends: Arc<DropGuard>,
}

impl Mcp {
    /// Streams of sessions end that nobody reads for `unread`: all else that their session is asked waits for them.
    pub(super) fn new(
        runtime: &Runtime,
        added: Added,
        heartbeat: Duration,
        unread: Duration,
        draining: &CancellationToken,
    ) -> Self {
        let mut each = SessionConfig::default();
        each.keep_alive = Some(IDLE);
        let mut sessions = LocalSessionManager::default();
        sessions.session_config = each;
        let sessions = Arc::new(sessions);
        let ends = CancellationToken::new();
        // Names of hosts and pages are the guard's to judge, and bodies are bounded before they come here.
        let config = StreamableHttpServerConfig::default()
            .disable_allowed_hosts()
            .disable_allowed_origins()
            .with_sse_keep_alive(Some(heartbeat))
            .with_max_request_body_bytes(usize::MAX)
            .with_cancellation_token(ends.clone());
        let handler = Handler::new(runtime.clone(), added, draining.clone());
        let service = |has_sessions| {
            let (handler, config) = (handler.clone(), config.clone().with_legacy_session_mode(has_sessions));
            StreamableHttpService::new(move || Ok(handler.another()), Arc::clone(&sessions), config)
        };
        let (with_sessions, alone) = (service(true), service(false));
        Self { with_sessions, alone, sessions, owners: Arc::default(), unread, _ends: Arc::new(ends.drop_guard()) }
    }

    /// Whether a request names no session, or one of its client's.
    fn may_use(&self, headers: &HeaderMap, who: &Who) -> bool {
        let Some(id) = headers.get(SESSION) else { return true };
        let access = who.access();
        id.to_str().is_ok_and(|id| self.owners().is_of(id, access.client()))
    }

    /// Takes in a session that was begun by this response, if one was.
    async fn begin(&self, headers: &HeaderMap, who: &Who) {
        let Some(id) = headers.get(SESSION).and_then(|id| id.to_str().ok()) else { return };
        let given_up = {
            let living = self.sessions.sessions.read().await;
            let mut owners = self.owners();
            owners.keep(|id| living.contains_key(id));
            owners.begin(id, who.access().client())
        };
        if let Some(id) = given_up {
            use rmcp::transport::streamable_http_server::session::SessionManager as _;

            if let Err(error) = self.sessions.close_session(&id.into()).await {
                tracing::debug!("a session of MCP's transport could not be closed: {error}");
            }
        }
    }

    fn owners(&self) -> std::sync::MutexGuard<'_, Owners> {
        // Whoever panicked there left a whole list behind.
        self.owners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Mcp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mcp").finish_non_exhaustive()
    }
}

/// Answers a request of the protocol.
pub(super) async fn answer(State(app): State<Arc<App>>, who: Who, request: Request) -> Response {
    let reads_only = request.method() == Method::GET;
    let ends_session = request.method() == Method::DELETE;
    if !app.mcp.may_use(request.headers(), &who) {
        body::discard(request).await;
        let message = "there is no such session of the transport; begin one with initialize";
        let refusal = Refusal::new(StatusCode::NOT_FOUND, "invalid_request_error", "not_found", message);
        return refusal.told_by_api();
    }
    let begins = !request.headers().contains_key(SESSION);
    let is_alone = request.headers().contains_key(ALONE);
    let service = if is_alone { &app.mcp.alone } else { &app.mcp.with_sessions };
    let (mut parts, sent) = request.into_parts();
    let kept = axum::http::request::Parts::clone(&parts);
    let body = match body::read(Request::from_parts(kept, sent), app.max_body).await {
        Ok(body) => body,
        Err(refusal) => return refusal.told_by_api(),
    };
    // Whoever reads what came with a call, or logs it, has no use for what lets in.
    for secret in [AUTHORIZATION, COOKIE, HeaderName::from_static("x-api-key")] {
        parts.headers.remove(secret);
    }
    let response = service.handle(Request::from_parts(parts, Body::from(body))).await;
    if begins {
        app.mcp.begin(response.headers(), &who).await;
    }
    let mut ends = vec![Box::pin(who.ended().clone().cancelled_owned())];
    if reads_only {
        ends.push(Box::pin(app.draining.clone().cancelled_owned()));
    }
    let (mut parts, inner) = response.into_parts();
    // The session is gone by then, and clients take an acceptance alone for a failure.
    if ends_session && parts.status == StatusCode::ACCEPTED {
        parts.status = StatusCode::NO_CONTENT;
    }
    let is_stream = parts.headers.get(CONTENT_TYPE).is_some_and(|kind| kind == "text/event-stream");
    let told = Told { inner, safe: LineSafe::default(), ends, over: false };
    let body = match is_stream && !is_alone {
        true => Body::new(Unread::new(told, app.mcp.unread)),
        false => Body::new(told),
    };
    let mut response = Response::from_parts(parts, body);
    if reads_only {
        response.extensions_mut().insert(EndsWithServer);
    }
    response.into_response()
}

/// A body of the protocol on its way out.
struct Told<B> {
    inner: B,
    safe: LineSafe,
    /// The token that it was asked with is refused, or the server drains.
    ends: Vec<Pin<Box<WaitForCancellationFutureOwned>>>,
    over: bool,
}

impl<B> hyper::body::Body for Told<B>
where
    B: hyper::body::Body<Data = Bytes, Error = Infallible> + Unpin,
{
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = &mut *self;
        if this.over || this.ends.iter_mut().any(|end| end.as_mut().poll(cx).is_ready()) {
            this.over = true;
            return Poll::Ready(None);
        }
        loop {
            let data = match ready!(Pin::new(&mut this.inner).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => this.safe.push(data),
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
                Some(Err(never)) => match never {},
                None => {
                    this.over = true;
                    let rest = this.safe.finish();
                    return Poll::Ready((!rest.is_empty()).then(|| Ok(Frame::data(rest))));
                }
            };
            if !data.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(data))));
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.over
    }
}
