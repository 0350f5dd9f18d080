//! The routes of sessions.

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{
        HeaderValue, StatusCode,
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
        who::Who,
    },
    errors::ApiError,
    extract::{Asked, Id, key, may_ask, raw, read, read_or_default, sessions},
    handshake, requests, sse,
};
use crate::{NewSession, Session, Update};

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

async fn create(State(app): Shared, who: Who, request: Request) -> Answer {
    let (_, new) = read_or_default::<requests::Create>(&app, request).await?;
    let new: NewSession = new.try_into()?;
    who.may_ask(new.model.as_deref(), &app.runtime)?;
    let (session, is_new) = sessions(&app, &who).create(new).await?;
    show_as(if is_new { StatusCode::CREATED } else { StatusCode::OK }, &session).await
}

/// What of a list is asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    after: Option<String>,
    limit: Option<usize>,
}

async fn list(State(app): Shared, who: Who, page: Asked<Page>) -> Answer {
    let Page { after, limit } = page.0;
    let limit = limit.unwrap_or(PAGE);
    if !(1..=MOST).contains(&limit) {
        return Err(ApiError::bad("the limit is not one that there is", format!("limit is 1 to {MOST}")));
    }
    // One more says whether more follow.
    let mut found = sessions(&app, &who).list(after.as_deref(), limit + 1).await?;
    let more = found.len() > limit;
    found.truncate(limit);
    let after = found.last().filter(|_| more).map(|last| last.id.clone());
    let mut body = json!({"sessions": found});
    if let Some(after) = after {
        body["after"] = after.into();
    }
    Ok(answer(StatusCode::OK, &body))
}

async fn show(State(app): Shared, id: Id, who: Who) -> Answer {
    show_as(StatusCode::OK, &id.open(&app, &who).await?).await
}

async fn update(State(app): Shared, id: Id, who: Who, request: Request) -> Answer {
    let (_, change) = read::<requests::Change>(&app, request).await?;
    let change: Update = change.try_into()?;
    if let Some(model) = &change.model {
        who.may_ask(Some(model), &app.runtime)?;
    }
    let session = id.open(&app, &who).await?;
    session.update(change).await?;
    show_as(StatusCode::OK, &session).await
}

async fn remove(State(app): Shared, id: Id, who: Who) -> Answer {
    sessions(&app, &who).remove(&id.0).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn send(State(app): Shared, id: Id, who: Who, request: Request) -> Answer {
    let (headers, say) = read::<requests::Say>(&app, request).await?;
    let key = key(&headers)?;
    let session = id.open(&app, &who).await?;
    may_ask(&app, &who, &session).await?;
    let message = say.outgoing(key, &session).await?;
    Ok(answer(StatusCode::OK, &session.post(message).await?))
}

async fn cancel(State(app): Shared, id: Id, who: Who, request: Request) -> Answer {
    let (_, cancel) = read::<requests::Cancel>(&app, request).await?;
    let state = id.open(&app, &who).await?.cancel(cancel.turn).await?;
    Ok(answer(StatusCode::OK, &json!({"turn": cancel.turn, "state": state})))
}

async fn claim(State(app): Shared, id: Id, who: Who, request: Request) -> Answer {
    let (_, call) = read::<requests::ClaimCall>(&app, request).await?;
    let claim = id.open(&app, &who).await?.claim(&call.id, call.claim).await?;
    Ok(answer(StatusCode::OK, &claim))
}

async fn result(State(app): Shared, id: Id, who: Who, request: Request) -> Answer {
    let (_, given) = read::<requests::Give>(&app, request).await?;
    let session = id.open(&app, &who).await?;
    // The last one has the model go on.
    may_ask(&app, &who, &session).await?;
    Ok(answer(StatusCode::OK, &session.result(given.try_into()?).await?))
}

async fn fork(State(app): Shared, id: Id, who: Who, request: Request) -> Answer {
    let (_, fork) = read::<requests::Fork>(&app, request).await?;
    let session = id.open(&app, &who).await?;
    let at = fork.at.cursor(&session).await?;
    show_as(StatusCode::CREATED, &session.fork(at, fork.id).await?).await
}

/// An export that fails in its midst breaks off, so that nobody takes it for whole.
async fn export(State(app): Shared, id: Id, who: Who) -> Answer {
    let export = id.open(&app, &who).await?.export().await?;
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

async fn import(State(app): Shared, id: Id, import: Asked<Import>, who: Who, request: Request) -> Answer {
    if id.0 != "import" {
        super::super::body::discard(request).await;
        let message = "a session takes no POST; new ones are posted to /api/sessions, and messages to …/messages";
        let kind = "invalid_request_error";
        let refusal = Refusal::new(StatusCode::METHOD_NOT_ALLOWED, kind, "method_not_allowed", message);
        let mut response = refusal.told_by_api();
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET,HEAD,PATCH,DELETE"));
        return Ok(response);
    }
    let (_, lines) = raw(&app, request).await?;
    show_as(StatusCode::CREATED, &sessions(&app, &who).import(import.0.id, &lines).await?).await
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
