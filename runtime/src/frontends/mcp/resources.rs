//! Resources: sessions, each as Markdown and as its events, and the list of models.

use futures::StreamExt as _;
use greenroom_wire::json::put_value;
use percent_encoding::percent_decode_str;
use rmcp::{
    ErrorData,
    model::{ListResourcesResult, ReadResourceResult, Resource, ResourceContents, ResourceTemplate},
};
use serde_json::json;

use super::{added::Added, tools::visible, transcript::markdown, wrong};
use crate::{
    Runtime, SessionError, SessionSummary,
    event::{EventBody, LogEvent},
    frontends::http::Who,
};

const MODELS: &str = "greenroom://models";
const SESSIONS: &str = "greenroom://sessions/";
/// Behind a session's address: its events in place of what was said.
const EVENTS: &str = "/events";
const MARKDOWN: &str = "text/markdown";
const JSON: &str = "application/json";
/// Sessions on a page of the list.
const PAGE: usize = 100;
/// The largest log that is read as one resource, in bytes: all of it is in memory, and on its way in one line.
const LARGEST: u64 = 8 << 20;

/// What an address leads to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Place {
    Models,
    Session { id: String, events: bool },
}

/// A page of what there is to whoever asks; `after` is the cursor that the page before gave.
pub(super) async fn list(runtime: &Runtime, who: &Who, after: Option<&str>) -> Result<ListResourcesResult, ErrorData> {
    // One more says whether more follow.
    let found = runtime.sessions().of(who.access()).list(after, PAGE + 1).await;
    let mut found = found.map_err(|error| not_read(&error))?;
    let more = found.len() > PAGE;
    found.truncate(PAGE);
    let next = found.last().filter(|_| more).map(|last| last.id.clone());
    let models = after.is_none().then(|| {
        let models = Resource::new(MODELS, "models").with_title("Models").with_mime_type(JSON);
        models.with_description("Every model that can be named, and what is known of it")
    });
    let resources = models.into_iter().chain(found.iter().map(session)).collect();
    let mut page = ListResourcesResult::with_all_items(resources);
    page.next_cursor = next;
    Ok(page)
}

fn session(summary: &SessionSummary) -> Resource {
    let model = summary.model.as_deref().unwrap_or("the default model");
    Resource::new(format!("{SESSIONS}{}", summary.id), summary.id.clone())
        .with_title(format!("Session {}", summary.id))
        .with_description(format!("A conversation with {model}"))
        .with_mime_type(MARKDOWN)
}

/// The forms of addresses.
pub(super) fn templates() -> Vec<ResourceTemplate> {
    let said = ResourceTemplate::new(format!("{SESSIONS}{{id}}"), "session").with_title("Session");
    let events = ResourceTemplate::new(format!("{SESSIONS}{{id}}{EVENTS}"), "session_events").with_title("Events");
    vec![
        said.with_description("What was said in a session").with_mime_type(MARKDOWN),
        events.with_description("All events of a session").with_mime_type(JSON),
    ]
}

/// What an address leads to, as whoever asks may see it.
///
/// # Errors
/// It leads nowhere, or what it leads to can't be read.
pub(super) async fn read(
    runtime: &Runtime,
    added: &Added,
    who: &Who,
    uri: &str,
) -> Result<ReadResourceResult, ErrorData> {
    let Some(place) = place(uri) else { return added.read(uri).await.unwrap_or_else(|| Err(nothing(uri))) };
    let (text, mime) = match place {
        Place::Models => {
            let listing = runtime.models().await;
            (json!(visible((&listing).into(), who)).to_string(), JSON)
        }
        Place::Session { id, events } => {
            let log = log(runtime, who, &id).await?;
            match events {
                false => (markdown(&id, &log), MARKDOWN),
                true => {
                    let mut text = Vec::new();
                    put_value(&mut text, &log);
                    (String::from_utf8(text).expect("JSON is UTF-8"), JSON)
                }
            }
        }
    };
    Ok(ReadResourceResult::new(vec![ResourceContents::text(text, uri).with_mime_type(mime)]))
}

/// All events of a session up to now.
async fn log(runtime: &Runtime, who: &Who, id: &str) -> Result<Vec<LogEvent>, ErrorData> {
    let of_session = |error| of_session(id, error);
    let session = runtime.sessions().of(who.access()).open(id).await.map_err(of_session)?;
    let size = session.info().await.map_err(of_session)?.summary.bytes;
    if size > LARGEST {
        let hint =
            format!("its log has {size} bytes, and {LARGEST} is the most; `greenroom sessions export {id}` gives it");
        return Err(wrong("the session is too large to be read at once", hint));
    }
    let mut events = session.events_from(None).await.map_err(of_session)?;
    let mut log = Vec::new();
    while let Some(event) = events.next().await {
        match event.body {
            EventBody::Synced => break,
            EventBody::Error { error } => return Err(ErrorData::internal_error(error.message, None)),
            _ => log.push(event),
        }
    }
    Ok(log)
}

/// Why there is nothing of a session.
pub(super) fn of_session(id: &str, error: SessionError) -> ErrorData {
    match error {
        SessionError::NotFound | SessionError::BadId => nothing(&format!("{SESSIONS}{id}")),
        error => not_read(&error),
    }
}

pub(super) fn place(uri: &str) -> Option<Place> {
    if uri == MODELS {
        return Some(Place::Models);
    }
    let path = uri.strip_prefix(SESSIONS)?;
    let (id, events) = match path.strip_suffix(EVENTS) {
        Some(id) => (id, true),
        None => (path, false),
    };
    let id = percent_decode_str(id).decode_utf8().ok()?;
    (!id.is_empty()).then(|| Place::Session { id: id.into_owned(), events })
}

/// Nothing that whoever asks may see.
pub(super) fn nothing(uri: &str) -> ErrorData {
    let message = format!("there is nothing at {uri}");
    ErrorData::resource_not_found(message, Some(json!({"uri": uri, "hint": "resources/list lists what there is"})))
}

pub(super) fn not_read(error: &SessionError) -> ErrorData {
    ErrorData::internal_error(error.to_string(), Some(json!({"hint": error.hint()})))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_lead_to_sessions_however_they_are_escaped() {
        let session = |id: &str, events| Some(Place::Session { id: id.to_owned(), events });
        assert_eq!(place("greenroom://models"), Some(Place::Models));
        assert_eq!(place("greenroom://sessions/telegram:42@x"), session("telegram:42@x", false));
        assert_eq!(place("greenroom://sessions/telegram%3A42%40x/events"), session("telegram:42@x", true));
        for nowhere in
            ["", "greenroom://", "greenroom://sessions/", "greenroom://sessions//events", "file:///etc/passwd"]
        {
            assert_eq!(place(nowhere), None, "{nowhere}");
        }
    }
}
