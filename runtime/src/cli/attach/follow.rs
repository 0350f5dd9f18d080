//! A durable session's events, from a cursor on, whoever holds it.

use axum::http::StatusCode;
use greenroom::event::LogEvent;

use super::{
    client::{Ask, Lost, path},
    events::EventStream,
    link::Link,
    refused::{accepted, failure},
};
use crate::cli::Failure;

/// Reads a session from a cursor on. When the holder is lost it goes on with the next one from where it was; what that
/// can't confirm is told by a `Reset` that begins at the last place that holds.
pub(crate) struct Follower<'a> {
    link: &'a Link<'a>,
    id: String,
    /// Behind the last event that was given; from the start if there is none yet.
    cursor: Option<String>,
    stream: Option<(EventStream, u64)>,
}

impl<'a> Follower<'a> {
    pub(crate) fn new(link: &'a Link<'a>, id: &str, cursor: Option<String>) -> Self {
        Self { link, id: id.to_owned(), cursor, stream: None }
    }

    /// The next event; `None` if the session was removed. Safe to drop while it waits.
    pub(crate) async fn next(&mut self) -> Result<Option<LogEvent>, Failure> {
        loop {
            let Some((stream, generation)) = &mut self.stream else {
                if !self.open().await? {
                    return Ok(None);
                }
                continue;
            };
            match stream.next().await {
                Ok(Some((event, cursor))) => {
                    if !cursor.is_empty() {
                        self.cursor = Some(cursor);
                    }
                    return Ok(Some(event));
                }
                // A holder that ends lets its readers go.
                Ok(None) => self.stream = None,
                Err(lost @ (Lost::Unreadable(_) | Lost::Silent)) => return Err(failure(&lost)),
                Err(lost) => {
                    tracing::debug!("the holder was lost: {lost}");
                    let generation = *generation;
                    self.stream = None;
                    self.link.renew(generation).await?;
                }
            }
        }
    }

    /// Reads no more for now; the next event is that behind the last one.
    pub(crate) fn pause(&mut self) {
        self.stream = None;
    }

    /// Whether there is a session to read.
    async fn open(&mut self) -> Result<bool, Failure> {
        let mut ask = Ask::get(path(&["sessions", &self.id, "events"], &[("truncate", "1")]));
        if let Some(cursor) = &self.cursor {
            ask = ask.header("last-event-id", cursor);
        }
        let (answer, generation) = self.link.ask_any(&ask, false).await?;
        if answer.status == StatusCode::NOT_FOUND && self.cursor.is_some() {
            return Ok(false);
        }
        let answer = accepted(answer).await?;
        self.stream = Some((EventStream::new(answer.body), generation));
        Ok(true)
    }
}
