//! What becomes of a request: whether it is let in, who answers it, and what every response carries.

use std::{
    convert::Infallible,
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::Request,
    http::{HeaderValue, Response, StatusCode, header::CONNECTION},
    middleware::from_fn,
    response::IntoResponse as _,
    routing::{any, get, post},
};
use bytes::Bytes;
use futures::FutureExt as _;
use hyper::body::{Frame, Incoming, SizeHint};
use tokio_util::{
    sync::CancellationToken,
    task::{TaskTracker, task_tracker::TaskTrackerToken},
};
use tower::Service as _;
use tracing::Level;

use super::{
    admin::{self, AdminToken},
    anthropic, api, batches, body, clients, credentials,
    door::Door,
    errors::Refusal,
    guard::Guard,
    health, ipc,
    mcp::{self, Mcp},
    models, openai, owner, pull, sessions, texts, usage,
    who::{Who, owner_only},
};
use crate::Runtime;

/// The largest request body that is the owner's, in bytes: several pictures as the command line takes them, or a long
/// session to import.
const OWNERS_BODY: u64 = 256 << 20;

/// What handlers share.
#[derive(Debug, Clone)]
pub(super) struct App {
    pub(super) runtime: Runtime,
    /// The largest request body, in bytes.
    pub(super) max_body: u64,
    /// Silence after which a stream says that it is alive.
    pub(super) heartbeat: Duration,
    /// Cancelled once no more requests are taken; what never ends by itself ends with it.
    pub(super) draining: CancellationToken,
    /// The sessions that are not kept, as long as they are read.
    pub(super) ephemerals: Arc<sessions::Ephemerals>,
    /// Counts connections that have left HTTP, as long as they are open.
    pub(super) sockets: TaskTracker,
    /// The owner's token, if there is one here.
    pub(super) admin: Option<AdminToken>,
    /// The Model Context Protocol.
    pub(super) mcp: Mcp,
}

/// Marks a response whose body ends by itself once the server drains, so that it is not waited for.
#[derive(Debug, Clone, Copy)]
pub(super) struct EndsWithServer;

/// Everything behind the address.
#[derive(Debug)]
pub(super) struct Site {
    router: Router,
    /// What the owner can ask, who comes by another door.
    owner: Router,
    requests: TaskTracker,
    draining: CancellationToken,
    /// Whoever comes by the owner's door.
    at_the_door: Who,
}

impl Site {
    pub(super) fn new(app: App, door: Option<&Door>) -> Self {
        let draining = app.draining.clone();
        let owners = Arc::new(App { max_body: app.max_body.max(OWNERS_BODY), ..app.clone() });
        let mut owner = routes().merge(sessions::ephemeral_routes()).merge(ipc::routes()).with_state(owners);
        if let Some(door) = door {
            owner = owner.merge(owner::routes(door));
        }
        let router = routes().merge(routes_of_the_door()).with_state(Arc::new(app));
        // Nothing shuts the owner out there.
        let at_the_door = Who::owner(CancellationToken::new());
        Self { router, owner, requests: TaskTracker::new(), draining, at_the_door }
    }

    /// Takes no more requests, and waits for those in flight for at most `grace`. Whether none is left.
    pub(super) async fn drain(&self, grace: Duration) -> bool {
        self.draining.cancel();
        self.requests.close();
        tokio::time::timeout(grace, self.requests.wait()).await.is_ok()
    }

    /// Answers a request: the owner's if nobody guards the way that it came. Dropping the future, or the body it gives,
    /// cancels what was asked.
    pub(super) async fn answer(
        &self,
        request: Request<Incoming>,
        guard: Option<&Guard>,
    ) -> Result<Response<Counted>, Infallible> {
        // Counted before the flag is read: whoever drains either sees this request or refuses it.
        let counted = self.requests.token();
        let told = tracing::enabled!(Level::DEBUG).then(|| format!("{} {}", request.method(), request.uri().path()));
        let id = RequestId::new();
        let mut request = request;
        request.extensions_mut().insert(id.clone());
        let mut response = if self.draining.is_cancelled() {
            let mut response = shutting_down().told(&request);
            body::discard(request).await;
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            response
        } else {
            match guard.map_or_else(|| Ok(Some(self.at_the_door.clone())), |guard| guard.check(&request)) {
                Ok(who) => {
                    if let Some(who) = who {
                        request.extensions_mut().insert(who);
                    }
                    route(if guard.is_some() { &self.router } else { &self.owner }, request).await
                }
                Err(refusal) => {
                    let response = refusal.told(&request);
                    body::discard(request).await;
                    response
                }
            }
        };
        if let Some(request) = told {
            tracing::debug!(id = id.as_str(), status = response.status().as_u16(), "{request}");
        }
        // OpenAI's clients read the first, Anthropic's the second.
        for name in ["x-request-id", "request-id"] {
            response.headers_mut().insert(name, id.0.clone());
        }
        let counted = response.extensions_mut().remove::<EndsWithServer>().is_none().then_some(counted);
        Ok(response.map(|body| Counted { body, _counted: counted }))
    }
}

/// What can be asked by every way.
fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/v1/chat/completions", post(openai::chat))
        .route("/v1/completions", post(openai::completions))
        .route("/v1/responses", post(openai::responses))
        .merge(openai::response_routes())
        .route("/v1/embeddings", post(openai::embeddings))
        .route("/v1/messages", post(anthropic::messages))
        .route("/v1/messages/count_tokens", post(anthropic::count))
        // One variable names the base URL to all of Anthropic's clients (`ANTHROPIC_BASE_URL`), and some of other makers
        // want it to end in /v1.
        .route("/messages", post(anthropic::messages))
        .route("/messages/count_tokens", post(anthropic::count))
        .route("/v1/models", get(models::list))
        .route("/v1/models/{*id}", get(models::one))
        .route("/mcp", any(mcp::answer))
        .merge(sessions::routes())
        .merge(owners_routes().route_layer(from_fn(owner_only)))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .fallback(unknown_route)
        .method_not_allowed_fallback(wrong_method)
}

/// What clients can't ask.
fn owners_routes() -> Router<Arc<App>> {
    Router::new()
        .route("/api/usage", get(usage::sums))
        .route("/api/usage/attempts", get(usage::attempts))
        .route("/api/models", get(api::models))
        .route("/api/candidates", get(api::candidates))
        .route("/api/providers", get(api::providers))
        .route("/api/providers/{id}/reset", post(api::reset_provider))
        .route("/api/providers/{id}/test", post(api::test_provider))
        .route("/api/token/rotate", post(admin::rotate))
        .merge(batches::routes())
        .merge(clients::routes())
        .merge(credentials::routes())
        .merge(pull::routes())
        .merge(texts::routes())
}

/// What is asked by the owner's door alone, as it is by the address: not there, which no client needs to hear.
fn routes_of_the_door() -> Router<Arc<App>> {
    let paths = ["/api/ephemeral", "/api/ipc", "/api/holder", "/api/hand-over"];
    let unknown = paths.iter().fold(Router::new(), |router, path| router.route(path, any(unknown_route)));
    unknown.route_layer(from_fn(owner_only))
}

async fn route(router: &Router, request: Request<Incoming>) -> Response<Body> {
    let answering = router.clone().call(request.map(Body::new));
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

async fn unknown_route(request: Request) -> Response<Body> {
    let path = request.uri().path();
    let message = format!(
        "there is no {path} here; check the base URL: OpenAI's clients want it to end in /v1, Anthropic's don't"
    );
    let refusal = Refusal::new(StatusCode::NOT_FOUND, "invalid_request_error", "unknown_url", message);
    let response = refusal.told(&request);
    body::discard(request).await;
    response
}

async fn wrong_method(request: Request) -> Response<Body> {
    let (method, path) = (request.method(), request.uri().path());
    let message = format!("{path} does not take {method}; the header allow says what it takes");
    let refusal = Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "invalid_request_error", "method_not_allowed", message);
    let response = refusal.told(&request);
    body::discard(request).await;
    response
}

fn shutting_down() -> Refusal {
    let message = "greenroom is shutting down; ask again once it is back";
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded_error", "overloaded", message)
}

/// By what name a request is found in the log. It is with the request from the beginning, for those who tell of errors.
#[derive(Debug, Clone)]
pub(super) struct RequestId(HeaderValue);

impl RequestId {
    fn new() -> Self {
        let id = format!("req_{:032x}", rand::random::<u128>());
        Self(HeaderValue::from_maybe_shared(Bytes::from(id)).expect("hexadecimal digits are fit for a header"))
    }

    /// That of a request.
    pub(super) fn of<B>(request: &Request<B>) -> Option<&Self> {
        request.extensions().get()
    }

    pub(super) fn as_str(&self) -> &str {
        self.0.to_str().expect("hexadecimal digits are text")
    }
}

/// A body that counts as a request in flight until it is dropped, unless it ends with the server.
pub(super) struct Counted {
    body: Body,
    _counted: Option<TaskTrackerToken>,
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
