//! What can be asked of a response that is kept.

use std::sync::Arc;

use axum::{
    Router,
    extract::{FromRequestParts, Path, Query, Request, State, rejection::QueryRejection},
    http::{StatusCode, request::Parts},
    response::Response,
    routing::{get, post},
};
use greenroom_wire::openai_responses::input_items;
use serde::Deserialize;
use serde_json::json;

use super::{
    super::super::{answer::Route, body, errors::json_response, site::App, who::Who},
    errors::Refused,
    found::{Found, found},
    items::{Page, page},
    resumable, retrieved,
};

/// The routes to a response.
pub(in super::super::super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/v1/responses/{id}", get(retrieve).delete(delete))
        .route("/v1/responses/{id}/cancel", post(cancel))
        .route("/v1/responses/{id}/input_items", get(list_input))
}

type Shared = State<Arc<App>>;
type Answer = Result<Response, Refused>;

/// The id in the path. What can't be decoded is none.
struct Id(String);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        path.map(|Path(id)| Self(id)).map_err(|_| Refused::no_response(""))
    }
}

/// How a response is to be told. What else stands there asks for what is there in any case, or not at all.
#[derive(Debug, Deserialize)]
struct How {
    stream: Option<String>,
    starting_after: Option<String>,
}

async fn retrieve(State(app): Shared, Id(id): Id, how: Result<Query<How>, QueryRejection>, who: Who) -> Answer {
    let How { stream, starting_after } = query(how)?;
    let stream = match stream.as_deref() {
        None | Some("" | "false" | "0" | "False") => false,
        Some("true" | "1" | "True") => true,
        Some(_) => return Err(Refused::bad("stream", "'stream' must be true or false", "correct it, or leave it out")),
    };
    let after = match starting_after.as_deref().map(str::parse::<u64>) {
        None => None,
        Some(Ok(after)) if stream => Some(after),
        Some(Ok(_)) => {
            return Err(Refused::bad("starting_after", "'starting_after' is of a stream", "set 'stream' to true"));
        }
        Some(Err(_)) => {
            let what = "'starting_after' must be the sequence number of an event";
            return Err(Refused::bad("starting_after", what, "use the last one that was seen, or leave it out"));
        }
    };
    let found = found(&app, &who, &id).await?;
    if after.is_some() && !found.told.background {
        let what = "only the stream of a response that was made in the background can be gone on with";
        return Err(Refused::bad("starting_after", what, "leave it out, to read the stream from its start"));
    }
    if stream {
        return Ok(resumable::stream(&app, &who, found, after).await?);
    }
    told(found).await
}

/// The response as it stands.
async fn told(mut found: Found) -> Answer {
    let events = found.events.there().await?;
    let mut route = Route::default();
    for event in &events {
        route.take(&event.body);
    }
    let body = retrieved::so_far(&found.head(), events, found.queued);
    let mut response = json_response(StatusCode::OK, body);
    route.say(response.headers_mut());
    Ok(response)
}

async fn cancel(State(app): Shared, Id(id): Id, who: Who, request: Request) -> Answer {
    body::discard(request).await;
    let mut found = found(&app, &who, &id).await?;
    if !found.told.background {
        let what = "only a response that is made in the background can be cancelled";
        return Err(Refused::bad("response_id", what, "leave its request to cancel one that is waited for"));
    }
    found.session.cancel(found.turn).await?;
    let events = found.events.whole().await?;
    Ok(json_response(StatusCode::OK, retrieved::so_far(&found.head(), events, false)))
}

async fn delete(State(app): Shared, Id(id): Id, who: Who) -> Answer {
    let found = found(&app, &who, &id).await?;
    found.session.cancel(found.turn).await?;
    // A reader would keep the session in memory.
    drop(found.events);
    found.session.delete_response(found.turn).await?;
    let body = json!({"id": found.id.to_string(), "object": "response", "deleted": true});
    Ok(json_response(StatusCode::OK, body.to_string()))
}

/// Which page of the input is asked for.
#[derive(Debug, Deserialize)]
struct Asked {
    limit: Option<String>,
    order: Option<String>,
    after: Option<String>,
    before: Option<String>,
}

async fn list_input(State(app): Shared, Id(id): Id, asked: Result<Query<Asked>, QueryRejection>, who: Who) -> Answer {
    let Asked { limit, order, after, before } = query(asked)?;
    let found = found(&app, &who, &id).await?;
    let items = input_items(&found.asked.request.messages, &found.id.tail());
    let listed = page(items, &Page { limit, order, after, before })?;
    let mut body = Vec::new();
    greenroom_wire::json::put_value(&mut body, &listed);
    Ok(json_response(StatusCode::OK, body))
}

fn query<T>(query: Result<Query<T>, QueryRejection>) -> Result<T, Refused> {
    query
        .map(|Query(asked)| asked)
        .map_err(|_| Refused::bad("query", "the query can't be read", "correct what is behind the '?'"))
}
