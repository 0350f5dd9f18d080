//! What becomes of a request: whether it is let in, who answers it, and what every response carries.

use std::{
    convert::Infallible,
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::Request,
    http::{HeaderValue, Response, StatusCode, header::CONNECTION},
    response::IntoResponse as _,
    routing::{get, post},
};
use bytes::Bytes;
use futures::FutureExt as _;
use hyper::body::{Frame, Incoming, SizeHint};
use tokio_util::task::{TaskTracker, task_tracker::TaskTrackerToken};
use tower::Service as _;
use tracing::Level;

use super::{api, body, errors::Refusal, guard::Guard, health, openai};
use crate::Runtime;

/// What handlers share.
#[derive(Debug)]
pub(super) struct App {
    pub(super) runtime: Runtime,
    /// The largest request body, in bytes.
    pub(super) max_body: u64,
    /// Silence after which a stream says that it is alive.
    pub(super) heartbeat: Duration,
}

/// Everything behind the address.
#[derive(Debug)]
pub(super) struct Site {
    guard: Guard,
    router: Router,
    requests: TaskTracker,
    draining: AtomicBool,
}

impl Site {
    pub(super) fn new(guard: Guard, runtime: Runtime, max_body: u64, heartbeat: Duration) -> Self {
        let router = Router::new()
            .route("/v1/chat/completions", post(openai::chat))
            .route("/v1/models", get(openai::models))
            .route("/v1/models/{*id}", get(openai::model))
            .route("/api/usage", get(api::usage))
            .route("/api/providers", get(api::providers))
            .route("/api/providers/{id}/reset", post(api::reset_provider))
            .route("/healthz", get(health::alive))
            .route("/readyz", get(health::ready))
            .fallback(unknown_route)
            .method_not_allowed_fallback(wrong_method)
            .with_state(Arc::new(App { runtime, max_body, heartbeat }));
        Self { guard, router, requests: TaskTracker::new(), draining: AtomicBool::new(false) }
    }

    /// Takes no more requests, and waits for those in flight for at most `grace`. Whether none is left.
    pub(super) async fn drain(&self, grace: Duration) -> bool {
        self.draining.store(true, Ordering::SeqCst);
        self.requests.close();
        tokio::time::timeout(grace, self.requests.wait()).await.is_ok()
    }

    /// Answers a request. Dropping the future, or the body it gives, cancels what was asked.
    pub(super) async fn answer(&self, request: Request<Incoming>) -> Result<Response<Counted>, Infallible> {
        // Counted before the flag is read: whoever drains either sees this request or refuses it.
        let counted = self.requests.token();
        let told = tracing::enabled!(Level::DEBUG).then(|| format!("{} {}", request.method(), request.uri().path()));
        let mut response = if self.draining.load(Ordering::SeqCst) {
            body::discard(request).await;
            let mut response = shutting_down().into_response();
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            response
        } else {
            match self.guard.check(&request) {
                Ok(()) => self.route(request).await,
                Err(refusal) => {
                    body::discard(request).await;
                    refusal.into_response()
                }
            }
        };
        let id = request_id();
        if let Some(request) = told {
            tracing::debug!(?id, status = response.status().as_u16(), "{request}");
        }
        response.headers_mut().insert("x-request-id", id);
        Ok(response.map(|body| Counted { body, _counted: counted }))
    }

    async fn route(&self, request: Request<Incoming>) -> Response<Body> {
        let answering = self.router.clone().call(request.map(Body::new));
        match AssertUnwindSafe(answering).catch_unwind().await {
            Ok(Ok(response)) => response,
            Ok(Err(never)) => match never {},
            // The hook of panics has said where; what is left to do is that the client is told something.
            Err(_) => Refusal::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "server_error",
                "internal_error",
                "greenroom failed on this request; its log says where, please report it",
            )
            .into_response(),
        }
    }
}

async fn unknown_route(request: Request) -> Refusal {
    let message = format!("there is no {} here; check the base URL, which ends in /v1", request.uri().path());
    body::discard(request).await;
    Refusal::new(StatusCode::NOT_FOUND, "invalid_request_error", "unknown_url", message)
}

async fn wrong_method(request: Request) -> Refusal {
    let (method, path) = (request.method(), request.uri().path());
    let message = format!("{path} does not take {method}; the header allow says what it takes");
    body::discard(request).await;
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "invalid_request_error", "method_not_allowed", message)
}

fn shutting_down() -> Refusal {
    let message = "greenroom is shutting down; ask again once it is back";
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded_error", "overloaded", message)
}

fn request_id() -> HeaderValue {
    let id = format!("req_{:032x}", rand::random::<u128>());
    HeaderValue::from_maybe_shared(Bytes::from(id)).expect("hexadecimal digits are fit for a header")
}

/// A body that counts as a request in flight until it is dropped.
pub(super) struct Counted {
    body: Body,
    _counted: TaskTrackerToken,
}

impl hyper::body::Body for Counted {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
