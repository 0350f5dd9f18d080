//! What is taken from a request, and how each way that it can be wrong is told.

use axum::{
    extract::{
        FromRequestParts, Path, Query, Request,
        rejection::{PathRejection, QueryRejection},
    },
    http::{HeaderMap, request::Parts},
};
use bytes::Bytes;
use serde::{Deserializer, de::DeserializeOwned};

use super::{
    super::{body, site::App, who::Who},
    errors::ApiError,
};
use crate::{Session, SessionError, Sessions};

/// The sessions as whoever asks sees them.
pub(super) fn sessions(app: &App, who: &Who) -> Sessions {
    app.runtime.sessions().of(who.access())
}

/// Whether whoever asks may have a session's model answer there.
pub(super) async fn may_ask(app: &App, who: &Who, session: &Session) -> Result<(), ApiError> {
    if who.may_ask_all() {
        return Ok(());
    }
    let model = session.info().await?.summary.model;
    Ok(who.may_ask(model.as_deref(), &app.runtime)?)
}

/// The id in the path. Whether it can be one is the sessions' to say.
pub(super) struct Id(pub(super) String);

impl Id {
    /// The session of this id.
    pub(super) async fn open(&self, app: &App, who: &Who) -> Result<Session, ApiError> {
        // Those are the owner's.
        match app.ephemerals.get(&self.0).filter(|_| who.is_owner()) {
            Some(session) => Ok(session),
            None => Ok(sessions(app, who).open(&self.0).await?),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path: Result<Path<String>, PathRejection> = Path::from_request_parts(parts, state).await;
        // What can't be decoded is no id.
        path.map(|Path(id)| Self(id)).map_err(|_| SessionError::BadId.into())
    }
}

/// What stands behind the path.
pub(super) struct Asked<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let query: Result<Query<T>, QueryRejection> = Query::from_request_parts(parts, state).await;
        query.map(|Query(asked)| Self(asked)).map_err(|rejection| {
            ApiError::bad(format!("the query can't be read: {}", cause(&rejection)), "correct what is behind the '?'")
        })
    }
}

/// The words of what led to an error, which are more to the point than its own.
fn cause(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

/// The headers of a request, and what its body says.
pub(in super::super) async fn read<T: DeserializeOwned>(
    app: &App,
    request: Request,
) -> Result<(HeaderMap, T), ApiError> {
    let (headers, body) = raw(app, request).await?;
    if body.is_empty() {
        return Err(ApiError::bad("the request has no body", "send a JSON object"));
    }
    Ok((headers, parse(&body)?))
}

/// The same where a body says nothing by not being there.
pub(in super::super) async fn read_or_default<T>(app: &App, request: Request) -> Result<(HeaderMap, T), ApiError>
where
    T: DeserializeOwned + Default,
{
    let (headers, body) = raw(app, request).await?;
    let said = if body.is_empty() { T::default() } else { parse(&body)? };
    Ok((headers, said))
}

/// The headers of a request, and its body.
pub(super) async fn raw(app: &App, request: Request) -> Result<(HeaderMap, Bytes), ApiError> {
    let headers = request.headers().clone();
    Ok((headers, body::read(request, app.max_body).await?))
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    let mut json = serde_json::Deserializer::from_slice(body);
    let read = fields("the body", &mut json)?;
    let end = json.end().map_err(|error| format!("the body can't be read: {error}"));
    end.map_err(|message| ApiError::bad(message, "send one JSON object"))?;
    Ok(read)
}

/// Reads fields, and says of which one it is that they can't be read; `what` has them.
pub(super) fn fields<'de, T, D>(what: &str, json: D) -> Result<T, ApiError>
where
    T: DeserializeOwned,
    D: Deserializer<'de>,
    D::Error: std::fmt::Display,
{
    serde_path_to_error::deserialize(json).map_err(|error| {
        let path = error.path();
        let field = if path.iter().len() == 0 { String::new() } else { format!("'{path}': ") };
        ApiError::bad(format!("{what} can't be read: {field}{}", error.inner()), "send a JSON object in UTF-8")
    })
}

/// The idempotency key, if there is one.
pub(super) fn key(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let mut keys = headers.get_all("idempotency-key").into_iter();
    let Some(key) = keys.next() else { return Ok(None) };
    match (std::str::from_utf8(key.as_bytes()), keys.next()) {
        (Ok(key), None) => Ok(Some(key.to_owned())),
        _ => Err(SessionError::BadKey.into()),
    }
}
