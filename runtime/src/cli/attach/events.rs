//! A stream of a session's events, decoded as it comes.

use greenroom::{event::LogEvent, wire::frame::SseFramer};

use super::client::{Lost, Pieces};

/// The events of a response of server-sent events.
pub(super) struct EventStream {
    pieces: Pieces,
    framer: SseFramer,
}

impl EventStream {
    pub(super) fn new(pieces: Pieces) -> Self {
        Self { pieces, framer: SseFramer::new() }
    }

    /// The next event, and the cursor behind it; `None` once the stream has ended. Safe to drop while it waits.
    pub(super) async fn next(&mut self) -> Result<Option<(LogEvent, String)>, Lost> {
        loop {
            match self.framer.next_frame() {
                Some(Ok(frame)) => {
                    let event = serde_json::from_str(frame.data)
                        .map_err(|error| Lost::Unreadable(format!("an event: {error}")))?;
                    return Ok(Some((event, self.framer.last_id().to_owned())));
                }
                Some(Err(error)) => return Err(Lost::Unreadable(error.to_string())),
                None => {}
            }
            match self.pieces.next().await {
                Some(piece) => self.framer.push(&piece?),
                // What has no blank line behind it was cut.
                None => return Ok(None),
            }
        }
    }
}
