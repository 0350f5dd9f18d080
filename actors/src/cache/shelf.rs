//! Answers that are kept: the ones that were used last, within a number of bytes and an age. Pure.

use std::{sync::Arc, time::Duration};

use lru::LruCache;
use tokio::time::Instant;

use super::key::RequestKey;
use crate::session::event::EventBody;

/// What an answer takes beside its events, in bytes.
const FRAME: usize = 256;

/// A whole answer.
pub(super) type Events = Arc<[EventBody]>;

#[derive(Debug)]
struct Kept {
    events: Events,
    at: Instant,
    bytes: usize,
}

/// Answers by their requests.
#[derive(Debug)]
pub(super) struct Shelf {
    kept: LruCache<RequestKey, Kept>,
    bytes: usize,
    most: usize,
}

impl Shelf {
    /// Room for so many bytes.
    pub(super) fn new(most: usize) -> Self {
        // What bounds it is bytes.
        Self { kept: LruCache::unbounded(), bytes: 0, most }
    }

    /// The answer to this request if it is no older than this, and its age. One that is older than it may ever be is
    /// forgotten.
    pub(super) fn get(
        &mut self,
        key: &RequestKey,
        wanted: Duration,
        oldest: Duration,
        now: Instant,
    ) -> Option<(Events, Duration)> {
        let kept = self.kept.get(key)?;
        let age = now.saturating_duration_since(kept.at);
        if age > oldest {
            self.remove(key);
            return None;
        }
        (age <= wanted).then(|| (Arc::clone(&kept.events), age))
    }

    /// Keeps an answer, in place of an older one. One for which there is no room at all is not kept.
    pub(super) fn put(&mut self, key: RequestKey, events: Events, now: Instant) {
        self.remove(&key);
        let bytes = FRAME + events.iter().map(EventBody::weight).sum::<usize>();
        if bytes > self.most {
            return;
        }
        self.bytes += bytes;
        self.kept.put(key, Kept { events, at: now, bytes });
        while self.bytes > self.most
            && let Some((_, oldest)) = self.kept.pop_lru()
        {
            self.bytes -= oldest.bytes;
        }
    }

    fn remove(&mut self, key: &RequestKey) {
        if let Some(kept) = self.kept.pop(key) {
            self.bytes -= kept.bytes;
        }
    }

    /// How many there are, and how many bytes they take.
    #[cfg(test)]
    pub(super) fn count(&self) -> (usize, usize) {
        (self.kept.len(), self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use greenroom_wire::ChatRequest;
    use proptest::prelude::*;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn key(name: u8) -> RequestKey {
        RequestKey::of(&name.to_string(), None, &ChatRequest::default())
    }

    fn answer(bytes: usize) -> Events {
        [EventBody::Text { delta: "x".repeat(bytes) }].into()
    }

    #[test]
    fn what_was_used_last_stays() {
        let now = Instant::now();
        let mut shelf = Shelf::new(3 * (FRAME + 100));
        (0..3).for_each(|name| shelf.put(key(name), answer(100), now));
        assert!(shelf.get(&key(0), HOUR, HOUR, now).is_some());
        shelf.put(key(3), answer(100), now);
        let there: Vec<bool> = (0..4).map(|name| shelf.get(&key(name), HOUR, HOUR, now).is_some()).collect();
        assert_eq!(there, [true, false, true, true]);
        shelf.put(key(4), answer(3 * (FRAME + 100)), now);
        assert_eq!(shelf.count().0, 3, "one that has no room takes none from others");
    }

    #[test]
    fn an_answer_ages() {
        let then = Instant::now();
        let mut shelf = Shelf::new(1 << 20);
        shelf.put(key(0), answer(1), then);
        let later = then + Duration::from_secs(60);
        assert_eq!(shelf.get(&key(0), HOUR, HOUR, later).map(|(_, age)| age), Some(Duration::from_secs(60)));
        assert!(shelf.get(&key(0), Duration::from_secs(59), HOUR, later).is_none());
        assert_eq!(shelf.count().0, 1, "it will do for others");
        assert!(shelf.get(&key(0), HOUR, Duration::from_secs(59), later).is_none());
        assert_eq!(shelf.count(), (0, 0));
    }

    proptest! {
        #[test]
        fn bytes_are_counted_and_bounded(puts in prop::collection::vec((0u8..8, 0usize..2000), 0..60)) {
            let now = Instant::now();
            let mut shelf = Shelf::new(4096);
            for (name, bytes) in puts {
                shelf.put(key(name), answer(bytes), now);
                let sum: usize = shelf.kept.iter().map(|(_, kept)| kept.bytes).sum();
                prop_assert_eq!(sum, shelf.bytes);
                prop_assert!(shelf.bytes <= 4096);
            }
        }
    }
}
