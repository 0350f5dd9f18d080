//! The routes of sessions.

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{
        HeaderMap, HeaderValue, StatusCode,
        header::{ALLOW, CONTENT_TYPE},
    },
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use greenroom_wire::json::put_value;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    super::{
        errors::{Refusal, json_response},
        site::App,
    },
    errors::ApiError,
    extract::{Asked, Id, key, raw, read, read_or_default, sessions},
    handshake, requests, sse,
};
use crate::Session;

/// Sessions in a page of a list, if it is not said how many, and at most.
const PAGE: usize = 100;
const MOST: usize = 1000;

/// The routes of sessions.
pub(in super::super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/api/sessions", post(create).get(list))
        // An import is posted to what would be a session of this name, which may be one all the same.
        .route("/api/sessions/{id}", get(show).patch(update).delete(remove).post(import))
        .route("/api/sessions/{id}/messages", post(send))
        .route("/api/sessions/{id}/cancel", post(cancel))
        .route("/api/sessions/{id}/tool_claims", post(claim))
        .route("/api/sessions/{id}/tool_results", post(result))
        .route("/api/sessions/{id}/fork", post(fork))
        .route("/api/sessions/{id}/export", get(export))
        .route("/api/sessions/{id}/events", get(sse::events))
        .route("/api/sessions/{id}/socket", get(handshake::socket))
        .route("/api/events.schema.json", get(schema))
}

type Shared = State<Arc<App>>;
type Answer = Result<Response, ApiError>;

async fn create(State(app): Shared, request: Request) -> Answer {
    let (headers, new) = read_or_default::<requests::Create>(&app, request).await?;
    let (session, is_new) = sessions(&app, &headers).create(new.try_into()?).await?;
    show_as(if is_new { StatusCode::CREATED } else { StatusCode::OK }, &session).await
}

/// What of a list is asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    after: Option<String>,
    limit: Option<usize>,
}

async fn list(State(app): Shared, headers: HeaderMap, page: Asked<Page>) -> Answer {
    let Page { after, limit } = page.0;
    let limit = limit.unwrap_or(PAGE);
    if !(1..=MOST).contains(&limit) {
        return Err(ApiError::bad("the limit is not one that there is", format!("limit is 1 to {MOST}")));
    }
    // One more says whether more follow.
    let mut found = sessions(&app, &headers).list(after.as_deref(), limit + 1).await?;
    let more = found.len() > limit;
    found.truncate(limit);
    let after = found.last().filter(|_| more).map(|last| last.id.clone());
    let mut body = json!({"sessions": found});
    if let Some(after) = after {
        body["after"] = after.into();
    }
    Ok(answer(StatusCode::OK, &body))
}

async fn show(State(app): Shared, id: Id, headers: HeaderMap) -> Answer {
    show_as(StatusCode::OK, &id.open(&app, &headers).await?).await
}

async fn update(State(app): Shared, id: Id, request: Request) -> Answer {
    let (headers, change) = read::<requests::Change>(&app, request).await?;
    let session = id.open(&app, &headers).await?;
    session.update(change.try_into()?).await?;
    show_as(StatusCode::OK, &session).await
}

async fn remove(State(app): Shared, id: Id, headers: HeaderMap) -> Answer {
    sessions(&app, &headers).remove(&id.0).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn send(State(app): Shared, id: Id, request: Request) -> Answer {
    let (headers, say) = read::<requests::Say>(&app, request).await?;
    let key = key(&headers)?;
    let session = id.open(&app, &headers).await?;
    let message = say.outgoing(key, &session).await?;
    Ok(answer(StatusCode::OK, &session.post(message).await?))
}

async fn cancel(State(app): Shared, id: Id, request: Request) -> Answer {
    let (headers, cancel) = read::<requests::Cancel>(&app, request).await?;
    let state = id.open(&app, &headers).await?.cancel(cancel.turn).await?;
    Ok(answer(StatusCode::OK, &json!({"turn": cancel.turn, "state": state})))
}

async fn claim(State(app): Shared, id: Id, request: Request) -> Answer {
    let (headers, call) = read::<requests::ClaimCall>(&app, request).await?;
    let claim = id.open(&app, &headers).await?.claim(&call.id, call.claim).await?;
    Ok(answer(StatusCode::OK, &claim))
}

async fn result(State(app): Shared, id: Id, request: Request) -> Answer {
    let (headers, given) = read::<requests::Give>(&app, request).await?;
    let sent = id.open(&app, &headers).await?.result(given.try_into()?).await?;
    Ok(answer(StatusCode::OK, &sent))
}

async fn fork(State(app): Shared, id: Id, request: Request) -> Answer {
    let (headers, fork) = read::<requests::Fork>(&app, request).await?;
    let session = id.open(&app, &headers).await?;
    let at = fork.at.cursor(&session).await?;
    show_as(StatusCode::CREATED, &session.fork(at, fork.id).await?).await
}

/// An export that fails in its midst breaks off, so that nobody takes it for whole.
async fn export(State(app): Shared, id: Id, headers: HeaderMap) -> Answer {
    let export = id.open(&app, &headers).await?.export().await?;
    let pieces = futures::stream::unfold(export, async |mut export| export.next().await.map(|piece| (piece, export)));
    let mut response = Response::new(Body::from_stream(pieces));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    Ok(response)
}

/// What an import is asked with.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Import {
    id: Option<String>,
}

async fn import(State(app): Shared, id: Id, import: Asked<Import>, request: Request) -> Answer {
    if id.0 != "import" {
        super::super::body::discard(request).await;
        let message = "a session takes no POST; new ones are posted to /api/sessions, and messages to …/messages";
        let kind = "invalid_request_error";
        let refusal = Refusal::new(StatusCode::METHOD_NOT_ALLOWED, kind, "method_not_allowed", message);
        let mut response = refusal.told_by_api();
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET,HEAD,PATCH,DELETE"));
        return Ok(response);
    }
    let (headers, lines) = raw(&app, request).await?;
    show_as(StatusCode::CREATED, &sessions(&app, &headers).import(import.0.id, &lines).await?).await
}

/// What every event looks like.
async fn schema() -> Response {
    let mut response = Response::new(Body::from(include_str!("events.schema.json")));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/schema+json"));
    response
}

async fn show_as(status: StatusCode, session: &Session) -> Answer {
    Ok(answer(status, &session.info().await?))
}

fn answer(status: StatusCode, value: &impl Serialize) -> Response {
    let mut body = Vec::new();
    put_value(&mut body, value);
    json_response(status, body)
}
