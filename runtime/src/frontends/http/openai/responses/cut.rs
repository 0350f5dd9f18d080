//! Text cut at places that depend on the text alone, however its pieces came or were merged since. Pure.

use greenroom_actors::session::event::{EventBody, LogEvent};

/// Most bytes of a piece: what has no white space in it is cut there, at a character.
const MOST: usize = 16;

/// Cuts what is said before each run of white space. What may still be a part of a longer piece is held back until that is
/// known, or something else comes.
#[derive(Debug, Default)]
pub(super) struct Cutter {
    held: Option<Held>,
}

#[derive(Debug)]
struct Held {
    /// A delta of these, with what is left of the text.
    of: LogEvent,
    text: String,
}

impl Cutter {
    /// Takes the next event of an answer and gives what is certain now. Of what it gives, `next` is up to where the log had
    /// to be known for that.
    pub(super) fn take(&mut self, event: LogEvent, out: &mut Vec<LogEvent>) {
        let Some(delta) = delta(&event.body) else {
            if !matches!(event.body, EventBody::Synced) {
                self.flush(&event, out);
            }
            out.push(event);
            return;
        };
        match &mut self.held {
            Some(held) if is_same(&held.of.body, &event.body) => held.text.push_str(delta),
            _ => {
                let text = delta.to_owned();
                self.flush(&event, out);
                self.held = Some(Held { of: event, text });
            }
        }
        if let Some(held) = &mut self.held {
            held.cut(out);
        }
    }

    /// Gives what is held back, as something else begins.
    fn flush(&mut self, other: &LogEvent, out: &mut Vec<LogEvent>) {
        if let Some(Held { of, text }) = self.held.take().filter(|held| !held.text.is_empty()) {
            // That it begins is enough, however much of it has come.
            out.push(LogEvent { body: with_delta(&of.body, text), next: other.position + 1, ..of });
        }
    }
}

impl Held {
    /// Takes off the pieces that are certain.
    fn cut(&mut self, out: &mut Vec<LogEvent>) {
        let mut from = 0;
        while let Some(Piece { end, known }) = piece(&self.text[from..]) {
            let body = with_delta(&self.of.body, self.text[from..from + end].to_owned());
            let known = self.of.position + width(known);
            out.push(LogEvent { body, turn: self.of.turn, position: self.of.position, next: known });
            from += end;
            self.of.position += width(end);
        }
        self.text.drain(..from);
    }
}

/// The first piece of a text.
struct Piece {
    end: usize,
    /// How much of the text had to be known for that.
    known: usize,
}

/// The first piece, if more text can't make it longer.
fn piece(text: &str) -> Option<Piece> {
    let mut word = false;
    for (at, character) in text.char_indices() {
        let end = at + character.len_utf8();
        if word && character.is_whitespace() {
            return Some(Piece { end: at, known: end });
        }
        if end >= MOST {
            return Some(Piece { end: if end == MOST { end } else { at }, known: end });
        }
        word |= !character.is_whitespace();
    }
    None
}

fn delta(body: &EventBody) -> Option<&str> {
    match body {
        EventBody::Text { delta }
        | EventBody::Refusal { delta }
        | EventBody::Thinking { delta }
        | EventBody::ToolCallArgs { delta, .. } => Some(delta),
        _ => None,
    }
}

fn with_delta(body: &EventBody, delta: String) -> EventBody {
    match body {
        EventBody::Refusal { .. } => EventBody::Refusal { delta },
        EventBody::Thinking { .. } => EventBody::Thinking { delta },
        EventBody::ToolCallArgs { index, .. } => EventBody::ToolCallArgs { index: *index, delta },
        _ => EventBody::Text { delta },
    }
}

/// Whether two deltas are of one piece.
fn is_same(one: &EventBody, other: &EventBody) -> bool {
    match (one, other) {
        (EventBody::ToolCallArgs { index, .. }, EventBody::ToolCallArgs { index: of, .. }) => index == of,
        _ => std::mem::discriminant(one) == std::mem::discriminant(other),
    }
}

fn width(bytes: usize) -> u64 {
    u64::try_from(bytes).expect("usize is at most 64 bits")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Events at their places.
    fn log(bodies: impl IntoIterator<Item = EventBody>) -> Vec<LogEvent> {
        let mut position = 0;
        let placed = bodies.into_iter().map(|body| {
            let next = position + delta(&body).map_or(1, |delta| width(delta.len()));
            let event = LogEvent { body, turn: Some(1), position, next };
            position = next;
            event
        });
        placed.collect()
    }

    fn cut(events: Vec<LogEvent>) -> Vec<LogEvent> {
        let (mut cutter, mut out) = (Cutter::default(), Vec::new());
        events.into_iter().for_each(|event| cutter.take(event, &mut out));
        out
    }

    fn text(delta: &str) -> EventBody {
        EventBody::Text { delta: delta.to_owned() }
    }

    fn pieces(events: &[LogEvent]) -> Vec<&str> {
        events.iter().filter_map(|event| delta(&event.body)).collect()
    }

    #[test]
    fn a_word_is_a_piece_and_the_last_one_waits() {
        let said = log([text("Hello wor"), text("ld,  and so"), EventBody::TurnCancelled]);
        assert_eq!(pieces(&cut(said.clone())), ["Hello", " world,", "  and", " so"]);
        assert_eq!(pieces(&cut(said[..2].to_vec())), ["Hello", " world,", "  and"]);
        let long = log([text("ääääääääääää0123456789abcdef0123456789 x"), EventBody::TurnCancelled]);
        assert_eq!(pieces(&cut(long)), ["ääääääää", "ääää01234567", "89abcdef01234567", "89", " x"]);
    }

    #[test]
    fn what_is_given_says_up_to_where_the_log_was_known_for_it() {
        let given = cut(log([text("foo ba"), EventBody::AnswerRestarted, text("r")]));
        let places: Vec<_> = given.iter().map(|event| (event.position, event.next)).collect();
        assert_eq!(places, [(0, 4), (3, 7), (6, 7)], "{given:?}");
        let capped = cut(log([text("0123456789abcdef")]));
        assert_eq!((capped[0].position, capped[0].next), (0, 16));
    }

    fn body() -> impl Strategy<Value = EventBody> {
        let words = || "[a-c ä😀\n]{1,30}";
        prop_oneof![
            4 => words().prop_map(|delta| EventBody::Text { delta }),
            1 => words().prop_map(|delta| EventBody::Thinking { delta }),
            1 => (0_u32..2, words()).prop_map(|(index, delta)| EventBody::ToolCallArgs { index, delta }),
            1 => Just(EventBody::TurnStarted),
        ]
    }

    /// The same log with its deltas in other pieces: neighbours merged, and cut where `cuts` says.
    fn otherwise(events: &[LogEvent], cuts: &[u64]) -> Vec<LogEvent> {
        let mut merged: Vec<EventBody> = Vec::new();
        for event in events {
            match (merged.last_mut(), delta(&event.body)) {
                (Some(last), Some(more)) if is_same(last, &event.body) && delta(last).is_some() => {
                    let whole = format!("{}{more}", delta(last).unwrap());
                    *last = with_delta(last, whole);
                }
                _ => merged.push(event.body.clone()),
            }
        }
        let mut pieces = Vec::new();
        for event in log(merged) {
            let Some(delta) = delta(&event.body) else {
                pieces.push(event.body);
                continue;
            };
            let mut from = 0;
            for (at, _) in delta.char_indices().skip(1) {
                if cuts.contains(&(event.position + width(at))) {
                    pieces.push(with_delta(&event.body, delta[from..at].to_owned()));
                    from = at;
                }
            }
            pieces.push(with_delta(&event.body, delta[from..].to_owned()));
        }
        log(pieces)
    }

    proptest! {
        #[test]
        fn how_a_text_came_changes_nothing(bodies in proptest::collection::vec(body(), 1..12), cuts in proptest::collection::vec(0_u64..200, 0..20), until in 0_usize..12) {
            let first = log(bodies);
            let second = otherwise(&first, &cuts);
            let whole = cut(first.clone());
            prop_assert_eq!(&whole, &cut(second));
            prop_assert!(pieces(&whole).iter().all(|piece| (1..=MOST).contains(&piece.len())));
            // What was given of a beginning stays, and nothing of it was known by more than that.
            let beginning = &first[..until.min(first.len())];
            let given = cut(beginning.to_vec());
            prop_assert!(whole.starts_with(&given));
            let end = beginning.last().map_or(0, |last| last.next);
            prop_assert!(given.iter().all(|event| event.next <= end));
            prop_assert!(whole[given.len()..].iter().all(|event| event.next > end));
        }
    }
}
