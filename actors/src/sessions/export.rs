//! A session as lines of JSON.

use std::sync::Arc;

use greenroom_wire::json::put_value;

use super::copy::{HEAD, Head, VERSION};
use crate::session::{core::Core, error::SessionError, info::SessionSummary, log::Cursor};

/// A session as lines of JSON: a head that says whose it is, and its events as frontends are shown them.
pub struct Export {
    core: Arc<Core>,
    head: Option<Head>,
    at: u64,
    until: u64,
    _keeps: Option<Arc<dyn Send + Sync>>,
}

impl Export {
    pub(super) fn new(core: Arc<Core>, summary: SessionSummary, keeps: Option<Arc<dyn Send + Sync>>) -> Self {
        let SessionSummary { id, client, created, cursor, .. } = summary;
        let until = Cursor::parse(&cursor, 0).map_or(0, |cursor| cursor.position);
        let head = Head { kind: HEAD.to_owned(), version: VERSION, id, client, created, cursor };
        Self { core, head: Some(head), at: 0, until, _keeps: keeps }
    }

    /// The next whole lines, about 64 KiB of them at most; `None` after the last.
    pub async fn next(&mut self) -> Option<Result<Vec<u8>, SessionError>> {
        let mut lines = Vec::new();
        if let Some(head) = self.head.take() {
            put_value(&mut lines, &head);
            lines.push(b'\n');
            return Some(Ok(lines));
        }
        let events = match self.core.page(self.at, self.until).await {
            Ok(events) => events,
            Err(fault) => {
                self.at = self.until;
                return Some(Err(SessionError::Unreadable(fault)));
            }
        };
        self.at = events.last()?.next;
        for event in events.into_iter().filter_map(|event| event.end_at(self.until)) {
            put_value(&mut lines, &event);
            lines.push(b'\n');
        }
        Some(Ok(lines))
    }
}

impl std::fmt::Debug for Export {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Export").field("core", &self.core).field("at", &self.at).finish_non_exhaustive()
    }
}
