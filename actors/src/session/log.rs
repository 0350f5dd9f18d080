//! A session's log as a pure value: append-only, addressed by position, merged as it grows.

use std::collections::VecDeque;

use crate::session::event::{EventBody, LogEvent};

/// Where one may read on: an epoch and a position in it, written `EPOCH-POSITION`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Cursor {
    /// Counts recoveries in which deltas that had been shown may be missing.
    pub epoch: u64,
    /// The position of the next event.
    pub position: u64,
}

/// A text that isn't a cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a cursor is EPOCH-POSITION, such as 1-4711, or a position alone")]
pub struct NotACursor;

impl Cursor {
    /// Reads a cursor; a bare number is a position of `current`, the epoch that the log is in.
    ///
    /// # Errors
    /// The text is neither.
    pub fn parse(text: &str, current: u64) -> Result<Self, NotACursor> {
        let number = |digits: &str| {
            let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            plain.then(|| digits.parse().ok()).flatten().ok_or(NotACursor)
        };
        match text.split_once('-') {
            Some((epoch, position)) => Ok(Self { epoch: number(epoch)?, position: number(position)? }),
            None => Ok(Self { epoch: current, position: number(text)? }),
        }
    }
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.epoch, self.position)
    }
}

/// The events from some position on. Positions never move and do not depend on how deltas were merged.
#[derive(Debug, Default)]
pub struct Log {
    entries: VecDeque<Entry>,
    next: u64,
}

#[derive(Debug)]
struct Entry {
    position: u64,
    turn: Option<u64>,
    body: EventBody,
}

impl Entry {
    fn next(&self) -> u64 {
        self.position + self.body.width()
    }
}

impl Log {
    /// An empty log whose next event gets this position.
    pub(crate) fn starting_at(position: u64) -> Self {
        Self { entries: VecDeque::new(), next: position }
    }

    /// The position that the next event gets.
    pub fn next_position(&self) -> u64 {
        self.next
    }

    /// Where what it still holds begins.
    pub(crate) fn first_position(&self) -> u64 {
        self.entries.front().map_or(self.next, |entry| entry.position)
    }

    /// Forgets the oldest events that end at or before a position, so that about `most` bytes are left at most.
    pub(crate) fn trim(&mut self, most: usize, until: u64) {
        let mut weight: usize = self.entries.iter().map(|entry| entry.body.weight()).sum();
        while weight > most
            && let Some(oldest) = self.entries.front().filter(|entry| entry.next() <= until)
        {
            weight -= oldest.body.weight();
            self.entries.pop_front();
        }
    }

    /// Takes a structural event back that nobody has seen; what comes after it moves up.
    pub(crate) fn retract(&mut self, position: u64) {
        let at = self.entries.partition_point(|entry| entry.position < position);
        if self.entries.get(at).is_some_and(|entry| entry.position == position && entry.body.delta().is_none()) {
            self.entries.remove(at);
            self.entries.iter_mut().skip(at).for_each(|entry| entry.position -= 1);
            self.next -= 1;
        }
    }

    /// Appends an event and gives its position. A delta that goes on where the log ends joins the last one; an empty
    /// delta is not logged.
    pub fn append(&mut self, turn: Option<u64>, body: EventBody) -> u64 {
        let position = self.next;
        let width = body.width();
        if width == 0 {
            return position;
        }
        self.next += width;
        let body = match self.entries.back_mut() {
            Some(last) if last.turn == turn => match last.body.merge(body) {
                None => return position,
                Some(body) => body,
            },
            _ => body,
        };
        self.entries.push_back(Entry { position, turn, body });
        position
    }

    /// Events from `from` on, about `most` bytes of them but at least one if there is any. A position inside a
    /// character means the character's start.
    pub fn read(&self, from: u64, most: usize) -> Vec<LogEvent> {
        self.read_until(from, self.next, most)
    }

    /// The same, without what begins at or after `until`.
    pub(crate) fn read_until(&self, from: u64, until: u64, most: usize) -> Vec<LogEvent> {
        let first = self.entries.partition_point(|entry| entry.next() <= from);
        let mut events = Vec::new();
        let mut room = most;
        for entry in self.entries.range(first..).take_while(|entry| entry.position < until) {
            let (event, weight) = cut(entry, from, room.max(4));
            // What is left of a piece comes before what is after it.
            let whole = event.next == entry.next();
            events.push(event);
            if weight >= room || !whole {
                break;
            }
            room -= weight;
        }
        events
    }

    /// Takes the oldest events out, about `most` bytes of them; for a log that has only one reader.
    pub fn take(&mut self, most: usize) -> Vec<LogEvent> {
        let mut events = Vec::new();
        let mut room = most;
        while let Some(entry) = self.entries.front() {
            let weight = entry.body.weight();
            if weight > room && entry.body.delta().is_some() {
                let (event, _) = cut(entry, entry.position, room.max(4));
                self.skip_front(event.next);
                events.push(event);
                break;
            }
            let entry = self.entries.pop_front().expect("a front was seen");
            events.push(LogEvent { next: entry.next(), turn: entry.turn, position: entry.position, body: entry.body });
            if weight >= room {
                break;
            }
            room -= weight;
        }
        events
    }

    /// Drops what the front delta has before `until`.
    fn skip_front(&mut self, until: u64) {
        let Some(front) = self.entries.front_mut() else { return };
        let rest = front.body.delta().map(|delta| delta[offset(until - front.position)..].to_owned());
        match rest {
            Some(rest) if !rest.is_empty() => {
                front.body = front.body.with_delta(rest);
                front.position = until;
            }
            _ => drop(self.entries.pop_front()),
        }
    }

    /// All events in order, whole.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Option<u64>, &EventBody)> {
        self.entries.iter().map(|entry| (entry.turn, &entry.body))
    }
}

impl LogEvent {
    /// The event from `from` on, which is its own beginning unless it is a delta: of one, from the start of the character
    /// that `from` is in.
    pub(crate) fn begin_at(mut self, from: u64) -> Self {
        let rest = self.body.delta().filter(|_| from > self.position).map(|delta| {
            let start = delta.floor_char_boundary(offset(from - self.position));
            (start, delta[start..].to_owned())
        });
        if let Some((start, rest)) = rest {
            self.position += width(start);
            self.body = self.body.with_delta(rest);
        }
        self
    }
}

impl LogEvent {
    /// The event up to `until`: of a delta, as much as there is before that of whole characters. `None` if nothing is left.
    pub(crate) fn end_at(mut self, until: u64) -> Option<Self> {
        if self.next <= until {
            return Some(self);
        }
        let delta = self.body.delta()?;
        let end = delta.floor_char_boundary(offset(until.saturating_sub(self.position)));
        self.body = self.body.with_delta(delta[..end].to_owned());
        self.next = self.position + width(end);
        (end > 0).then_some(self)
    }
}

/// The event of an entry from `from` on, with at most `room` bytes of its delta; and what it weighs.
fn cut(entry: &Entry, from: u64, room: usize) -> (LogEvent, usize) {
    let Some(delta) = entry.body.delta() else {
        let event =
            LogEvent { body: entry.body.clone(), turn: entry.turn, position: entry.position, next: entry.next() };
        return (event, entry.body.weight());
    };
    let start = delta.floor_char_boundary(offset(from.saturating_sub(entry.position)));
    let mut end = delta.floor_char_boundary((start + room).min(delta.len()));
    if end == start {
        end = delta.ceil_char_boundary(start + 1);
    }
    let position = entry.position + width(start);
    let body = entry.body.with_delta(delta[start..end].to_owned());
    (LogEvent { body, turn: entry.turn, position, next: entry.position + width(end) }, end - start)
}

fn offset(width: u64) -> usize {
    usize::try_from(width).expect("a delta in memory is shorter than the address space")
}

fn width(offset: usize) -> u64 {
    u64::try_from(offset).expect("usize is at most 64 bits")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(delta: &str) -> EventBody {
        EventBody::Text { delta: delta.to_owned() }
    }

    fn log(bodies: impl IntoIterator<Item = EventBody>) -> Log {
        let mut log = Log::default();
        for body in bodies {
            log.append(Some(1), body);
        }
        log
    }

    fn texts(events: &[LogEvent]) -> String {
        events.iter().filter_map(|event| event.body.delta().map(String::as_str)).collect()
    }

    #[test]
    fn neighbours_merge_and_positions_do_not_depend_on_it() {
        let log = log([EventBody::TurnStarted, text("Hel"), text(""), text("lo"), EventBody::TurnCancelled]);
        let events = log.read(0, 1000);
        let places: Vec<_> = events.iter().map(|event| (event.position, event.next)).collect();
        assert_eq!(places, [(0, 1), (1, 6), (6, 7)]);
        assert_eq!(events[1].body, text("Hello"));
    }

    #[test]
    fn other_turns_and_indices_do_not_merge() {
        let mut log = Log::default();
        log.append(Some(1), text("a"));
        log.append(Some(2), text("b"));
        log.append(Some(2), EventBody::ToolCallArgs { index: 0, delta: "c".into() });
        log.append(Some(2), EventBody::ToolCallArgs { index: 1, delta: "d".into() });
        assert_eq!(log.read(0, 1000).len(), 4);
    }

    #[test]
    fn any_position_resumes_at_the_start_of_its_character() {
        let log = log([text("aäb"), text("😀c")]);
        let whole = "aäb😀c";
        for from in 0..=whole.len() {
            let start = whole.floor_char_boundary(from);
            let events = log.read(width(from), 1000);
            assert_eq!(texts(&events), whole[start..], "from {from}");
            assert_eq!(events.first().map(|event| event.position), (start < whole.len()).then(|| width(start)));
        }
    }

    #[test]
    fn small_reads_give_everything_once() {
        let bodies = || [EventBody::TurnStarted, text("ä😀bcdefgh"), EventBody::TurnCancelled, text("xyz")];
        for most in 0..20 {
            let kept = log(bodies());
            let mut from = 0;
            let mut all = String::new();
            while let events = kept.read(from, most)
                && !events.is_empty()
            {
                assert_eq!(events[0].position, from);
                from = events.last().unwrap().next;
                all += &texts(&events);
            }
            assert_eq!((all.as_str(), from), ("ä😀bcdefghxyz", kept.next_position()), "most {most}");
            let mut taken = log(bodies());
            let mut all = String::new();
            while let events = taken.take(most)
                && !events.is_empty()
            {
                all += &texts(&events);
            }
            assert_eq!(all, "ä😀bcdefghxyz", "most {most}");
        }
    }

    #[test]
    fn cursors_are_read_strictly() {
        assert_eq!(Cursor::parse("3-18240", 1), Ok(Cursor { epoch: 3, position: 18240 }));
        assert_eq!(Cursor::parse("7", 2), Ok(Cursor { epoch: 2, position: 7 }));
        for bad in ["", "-", "1-", "-1", "1-2-3", "+1", "1- 2", "0x1", "99999999999999999999"] {
            assert_eq!(Cursor::parse(bad, 1), Err(NotACursor), "{bad:?}");
        }
    }
}
