//! What a user has been shown of an answer, as far as going on depends on it.

use std::collections::BTreeMap;

use crate::session::event::EventBody;

/// What was shown of one answer, by all attempts at it.
#[derive(Debug, Default)]
pub(crate) struct Shown {
    text: String,
    /// Each tool call that was begun and not dropped, and whether it is whole.
    calls: BTreeMap<u32, bool>,
    /// The index that the next attempt's calls begin at.
    next_index: u32,
    /// A refusal, a picture or a sound was shown: nothing can be asked to go on from there.
    closed: bool,
    /// Bytes that the attempt that runs has shown, thinking and calls included.
    by_attempt: usize,
}

/// How an answer that was cut can go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WayOn {
    /// From the end of its text.
    Continue,
    /// From its start: nothing of it can be repeated by that.
    Anew,
    /// It can't.
    None,
}

impl Shown {
    /// An attempt begins.
    pub(crate) fn handle_attempt(&mut self) {
        self.by_attempt = 0;
        self.next_index = self.calls.keys().next_back().map_or(self.next_index, |last| self.next_index.max(last + 1));
    }

    /// Something is shown.
    pub(crate) fn handle(&mut self, body: &EventBody) {
        self.by_attempt += body.delta().map_or(0, String::len);
        match body {
            EventBody::Text { delta } => self.text.push_str(delta),
            EventBody::Refusal { .. } | EventBody::Media { .. } => self.closed = true,
            EventBody::ToolCall { index, .. } => {
                self.calls.insert(*index, false);
            }
            EventBody::ToolCallDone { index } => {
                self.calls.insert(*index, true);
            }
            EventBody::ToolCallDropped { index } => {
                self.calls.remove(index);
                self.next_index = self.next_index.max(index + 1);
            }
            EventBody::AnswerRestarted => *self = Self { next_index: self.next_index, ..Self::default() },
            _ => {}
        }
    }

    /// How it can go on from here.
    pub(crate) fn way_on(&self) -> WayOn {
        if self.closed || self.calls.values().any(|whole| *whole) {
            WayOn::None
        } else if self.text.trim().is_empty() {
            WayOn::Anew
        } else {
            WayOn::Continue
        }
    }

    /// Its tool calls that were begun and not ended.
    pub(crate) fn half_made(&self) -> impl Iterator<Item = u32> {
        self.calls.iter().filter(|(_, whole)| !**whole).map(|(index, _)| *index)
    }

    /// Its text.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Whether there is text and nothing else that counts as an answer.
    pub(crate) fn is_text_alone(&self) -> bool {
        self.calls.is_empty() && !self.closed && !self.text.is_empty()
    }

    /// What the running attempt's index of a call is in the whole answer, which may have had calls before.
    pub(crate) fn index_of(&self, index: u32) -> u32 {
        self.next_index + index
    }

    /// Bytes that the running attempt has shown.
    pub(crate) fn by_attempt(&self) -> usize {
        self.by_attempt
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(bodies: impl IntoIterator<Item = EventBody>) -> Shown {
        let mut shown = Shown::default();
        shown.handle_attempt();
        bodies.into_iter().for_each(|body| shown.handle(&body));
        shown
    }

    fn text(delta: &str) -> EventBody {
        EventBody::Text { delta: delta.to_owned() }
    }

    fn call(index: u32) -> EventBody {
        EventBody::ToolCall { index, id: "c".into(), name: "f".into(), kind: Default::default() }
    }

    #[test]
    fn text_goes_on_and_thinking_alone_is_made_anew() {
        let thinking = || EventBody::Thinking { delta: "hm".into() };
        assert_eq!(shown([thinking()]).way_on(), WayOn::Anew);
        assert_eq!(shown([thinking(), text("\n\n")]).way_on(), WayOn::Anew);
        assert_eq!(shown([thinking(), text("a")]).way_on(), WayOn::Continue);
        assert_eq!(shown([text("I can't"), EventBody::Refusal { delta: "no".into() }]).way_on(), WayOn::None);
        let media = EventBody::Media { media_type: "image/png".into(), data: "AA==".into() };
        assert_eq!(shown([media]).way_on(), WayOn::None);
    }

    #[test]
    fn a_half_made_call_is_dropped_and_a_whole_one_ends_all() {
        let mut half = shown([text("a"), call(0)]);
        assert_eq!((half.way_on(), half.half_made().collect::<Vec<_>>()), (WayOn::Continue, vec![0]));
        half.handle(&EventBody::ToolCallDropped { index: 0 });
        half.handle_attempt();
        assert_eq!((half.index_of(0), half.half_made().count()), (1, 0), "an index is not used twice");
        let whole = shown([call(0), EventBody::ToolCallDone { index: 0 }, call(1)]);
        assert_eq!(whole.way_on(), WayOn::None);
    }
}
