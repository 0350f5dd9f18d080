//! `/api/usage`: what answers used and cost, in sums and attempt by attempt.

use std::sync::Arc;

use axum::{
    body::{Body, Bytes},
    extract::{Query, State},
    http::{
        HeaderValue, StatusCode,
        header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE},
    },
    response::{IntoResponse as _, Response},
};
use futures::stream;
use serde::Deserialize;
use serde_json::json;

use super::{errors::json_response, sessions::ApiError, site::App};
use crate::{AttemptPages, BadDay, Day, DayRange, ErrorKind, ExportFormat, Runtime, StoreError, UsageBy, export};

/// What `GET /api/usage` may be asked with.
#[derive(Deserialize)]
pub(super) struct SumsQuery {
    by: Option<String>,
    since: Option<String>,
    until: Option<String>,
    format: Option<String>,
}

/// `GET /api/usage?by=model&since=2026-01-01&until=2026-01-31&format=csv`: sums.
pub(super) async fn sums(State(app): State<Arc<App>>, Query(query): Query<SumsQuery>) -> Result<Response, ApiError> {
    let word = query.by.as_deref().unwrap_or("model");
    let Some(by) = UsageBy::from_word(word) else {
        let known: Vec<&str> = UsageBy::WORDS.iter().map(|(word, _)| *word).collect();
        return Err(bad(format!("there are no sums by \"{word}\""), format!("by is {}", known.join(", "))));
    };
    let (range, format) = (range(query.since, query.until)?, format(query.format)?);
    let sums = app.runtime.usage_of(by, &range).await.map_err(|fault| unreadable(&fault))?;
    Ok(match format {
        Some(ExportFormat::Csv) => file(ExportFormat::Csv, Body::from(export(&sums, ExportFormat::Csv, true))),
        Some(ExportFormat::Json) | None => json_response(StatusCode::OK, json!({"usage": sums}).to_string()),
    })
}

/// What `GET /api/usage/attempts` may be asked with.
#[derive(Deserialize)]
pub(super) struct AttemptsQuery {
    since: Option<String>,
    until: Option<String>,
    format: Option<String>,
}

/// `GET /api/usage/attempts?since=2026-01-01&until=2026-01-31&format=csv`: each attempt, a line each. They are read from
/// the disk as the client takes them.
pub(super) async fn attempts(
    State(app): State<Arc<App>>,
    Query(query): Query<AttemptsQuery>,
) -> Result<Response, ApiError> {
    let mut pages = AttemptPages::of(range(query.since, query.until)?);
    let format = format(query.format)?.unwrap_or(ExportFormat::Json);
    // What can't be read at all is told by the status.
    let first = app.runtime.attempts(&mut pages).await.map_err(|fault| unreadable(&fault))?;
    let first = export(&first.unwrap_or_default(), format, true);
    let body = Lines { first: Some(first.into()), pages, runtime: app.runtime.clone(), format };
    Ok(file(format, Body::from_stream(stream::unfold(body, Lines::next))))
}

struct Lines {
    first: Option<Bytes>,
    pages: AttemptPages,
    runtime: Runtime,
    format: ExportFormat,
}

impl Lines {
    /// An error cuts the body off, so that nobody takes it for whole.
    async fn next(mut self) -> Option<(Result<Bytes, StoreError>, Self)> {
        if let Some(first) = self.first.take() {
            return Some((Ok(first), self));
        }
        match self.runtime.attempts(&mut self.pages).await {
            Ok(Some(page)) => Some((Ok(export(&page, self.format, false).into()), self)),
            Ok(None) => None,
            Err(fault) => {
                tracing::warn!("an export of attempts breaks off: {fault}");
                Some((Err(fault), self))
            }
        }
    }
}

fn file(format: ExportFormat, body: Body) -> Response {
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(format.media_type()));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if format == ExportFormat::Csv {
        headers.insert(CONTENT_DISPOSITION, HeaderValue::from_static("attachment; filename=\"usage.csv\""));
    }
    response
}

fn range(since: Option<String>, until: Option<String>) -> Result<DayRange, ApiError> {
    let day = |name: &str, text: Option<String>| match text.map(|text| text.parse::<Day>()).transpose() {
        Ok(day) => Ok(day),
        Err(BadDay) => Err(bad(format!("'{name}' is no day"), "write it as 2026-01-31")),
    };
    Ok(DayRange { since: day("since", since)?, until: day("until", until)? })
}

fn format(word: Option<String>) -> Result<Option<ExportFormat>, ApiError> {
    let Some(word) = word else { return Ok(None) };
    match ExportFormat::from_word(&word) {
        Some(format) => Ok(Some(format)),
        None => Err(bad(format!("there is no format \"{word}\""), "format is json or csv")),
    }
}

fn bad(message: impl Into<String>, hint: impl Into<String>) -> ApiError {
    ApiError::told(StatusCode::BAD_REQUEST, ErrorKind::InvalidRequest, message, hint)
}

fn unreadable(fault: &StoreError) -> ApiError {
    let message = format!("usage can't be read: {fault}");
    ApiError::told(StatusCode::SERVICE_UNAVAILABLE, ErrorKind::Server, message, fault.hint())
}
