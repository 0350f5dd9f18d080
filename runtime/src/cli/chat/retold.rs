//! What of an answer was shown, so that what is told anew once a holder was lost is not shown twice.
//!
//! A killed holder may have shown up to a quarter of a second more than it kept. Whoever comes next tells the rest of the
//! answer from the last place that holds, and that begins with what was shown already, or differs from it.

/// The text of an answer as far as it was shown.
#[derive(Debug, Default)]
pub(crate) struct Retold {
    /// What holds: pieces of text, and their places in the log.
    pieces: Vec<(u64, String)>,
    /// What was shown behind that, and is to come again.
    again: String,
}

/// What is to be shown of a piece of text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next<'a> {
    /// This, behind what was shown.
    Show(&'a str),
    /// All of the answer so far: what was shown is not its beginning.
    Anew(String),
}

impl Retold {
    /// What comes next begins at this place.
    pub(crate) fn reset(&mut self, position: u64) {
        let mut taken = String::new();
        self.pieces.retain_mut(|(start, text)| {
            let kept = usize::try_from(position.saturating_sub(*start)).unwrap_or(usize::MAX).min(text.len());
            let kept = (0..=kept).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default();
            taken.push_str(&text[kept..]);
            text.truncate(kept);
            !text.is_empty()
        });
        self.again.insert_str(0, &taken);
    }

    /// The answer is made anew, and said to be.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// A piece of text at its place.
    pub(crate) fn text<'a>(&mut self, position: u64, delta: &'a str) -> Next<'a> {
        self.keep(position, delta);
        if let Some(rest) = delta.strip_prefix(self.again.as_str()) {
            self.again.clear();
            return Next::Show(rest);
        }
        if self.again.starts_with(delta) {
            self.again.drain(..delta.len());
            return Next::Show("");
        }
        self.again.clear();
        Next::Anew(self.whole())
    }

    /// The answer is over: all of it, if more was shown than it has.
    pub(crate) fn end(&mut self) -> Option<String> {
        (!std::mem::take(&mut self.again).is_empty()).then(|| self.whole())
    }

    fn keep(&mut self, position: u64, delta: &str) {
        match self.pieces.last_mut() {
            Some((start, text)) if *start + text.len() as u64 == position => text.push_str(delta),
            _ => self.pieces.push((position, delta.to_owned())),
        }
    }

    fn whole(&self) -> String {
        self.pieces.iter().map(|(_, text)| text.as_str()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{Next, Retold};

    /// An answer of two pieces around something else in the log.
    fn shown() -> Retold {
        let mut retold = Retold::default();
        assert_eq!(retold.text(10, "one "), Next::Show("one "));
        assert_eq!(retold.text(14, "two "), Next::Show("two "));
        assert_eq!(retold.text(20, "three"), Next::Show("three"));
        retold
    }

    #[test]
    fn what_comes_again_is_not_shown_again() {
        let mut retold = shown();
        retold.reset(16);
        assert_eq!(retold.text(16, "o "), Next::Show(""));
        assert_eq!(retold.text(20, "three four"), Next::Show(" four"));
        assert_eq!(retold.text(30, "!"), Next::Show("!"));
        assert_eq!(retold.end(), None);
    }

    #[test]
    fn what_comes_otherwise_is_shown_from_the_start() {
        let mut retold = shown();
        retold.reset(14);
        assert_eq!(retold.text(14, "2 "), Next::Anew("one 2 ".to_owned()));
        assert_eq!(retold.text(16, "3"), Next::Show("3"));
        assert_eq!(retold.end(), None);
    }

    #[test]
    fn an_answer_that_is_shorter_than_what_was_shown_is_shown_anew_at_its_end() {
        let mut retold = shown();
        retold.reset(0);
        assert_eq!(retold.text(3, "one "), Next::Show(""));
        assert_eq!(retold.end(), Some("one ".to_owned()));
    }

    #[test]
    fn a_second_reset_within_what_comes_again_loses_nothing() {
        let mut retold = shown();
        retold.reset(14);
        assert_eq!(retold.text(14, "two"), Next::Show(""));
        retold.reset(10);
        assert_eq!(retold.text(10, "one two three"), Next::Show(""));
        assert_eq!(retold.end(), None);
        retold.clear();
        assert_eq!(retold.text(10, "other"), Next::Show("other"));
    }

    #[test]
    fn a_place_within_a_letter_is_its_start() {
        let mut retold = Retold::default();
        assert_eq!(retold.text(0, "aé"), Next::Show("aé"));
        retold.reset(2);
        assert_eq!(retold.text(1, "éb"), Next::Show("b"));
    }
}
