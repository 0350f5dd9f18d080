//! What a session's log has, wherever it lies: the disk's part page by page, then what memory has.

use super::{
    core::Core,
    entry::decode,
    event::{EventBody, LogEvent},
    mailbox::PULL,
};
use crate::store::StoreError;

impl Core {
    /// The next events from `at` on that begin before `until`, about a page of them; none if there are none.
    ///
    /// # Errors
    /// The disk doesn't give them.
    pub(crate) async fn page(&self, at: u64, until: u64) -> Result<Vec<LogEvent>, StoreError> {
        if at >= until {
            return Ok(Vec::new());
        }
        let in_memory = self.log.with(|log| {
            let first = log.first_position();
            if at < first { Err(first) } else { Ok(log.read_until(at, until, PULL)) }
        });
        match in_memory {
            Ok(events) => Ok(events),
            Err(first) => self.page_on_disk(at, until.min(first)).await,
        }
    }

    /// The same of what the disk alone has.
    pub(crate) async fn page_on_disk(&self, at: u64, until: u64) -> Result<Vec<LogEvent>, StoreError> {
        let log = self.with_record(|record| record.log.clone());
        let entries = self.store.read(&log, at, PULL).await?;
        let mut events = Vec::new();
        for entry in &entries {
            // One entry has several events, of which a reader may be past some, and memory may have some.
            events.extend(decode(entry)?.into_iter().filter(|event| event.next > at && event.next <= until));
        }
        if events.is_empty() {
            return Err(StoreError::Damaged { what: format!("a session's log has nothing at {at}") });
        }
        // A reader may begin inside of the first one.
        let begun = events.into_iter().enumerate().map(|(n, event)| if n == 0 { event.begin_at(at) } else { event });
        Ok(begun.collect())
    }

    /// The event at a position where one begins.
    ///
    /// # Errors
    /// The disk doesn't give it.
    pub(crate) async fn event_at(&self, position: u64) -> Result<Option<EventBody>, StoreError> {
        let mut events = self.page(position, position + 1).await?.into_iter();
        Ok(events.next().filter(|event| event.position == position).map(|event| event.body))
    }
}
