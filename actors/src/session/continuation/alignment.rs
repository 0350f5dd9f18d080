//! Where a continuation joins what was shown: models that are to go on often repeat some of it first. Pure.
//!
//! Nothing is kept but what was shown: as long as it is not decided whether a continuation repeats something, what has
//! come of it equals a piece of that.

/// After asking, a repeat or an overlap shorter than this (in bytes) may be chance; if less was shown in all, all of it.
const LEAST_ASKED: usize = 24;
/// After a prefill the model goes on by itself; only a repeat from the start of this many bytes shows that it did not.
const LEAST_PREFILLED: usize = 64;
/// Most bytes that may be new and are held back, while a longer overlap may still show.
const MOST_HELD: usize = 64;
/// How far from its end an overlap may begin, in bytes.
const TAIL: usize = 4096;

/// How the model was made to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    /// What was shown stood as the beginning of its answer, without its trailing whitespace.
    Prefilled,
    /// It was shown what it had said, and asked to go on.
    Asked,
}

/// The model began its answer anew and then said something else, so nothing of it fits what was shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Diverged;

/// Joins one continuation, piece by piece.
#[derive(Debug)]
pub(crate) struct Alignment {
    shown: String,
    state: State,
    /// Bytes that were left out since they had been shown already.
    skipped: usize,
}

#[derive(Debug)]
enum State {
    /// After a prefill, whitespace at the end of what was shown may come again; how much of it may.
    Whitespace(usize),
    /// What has come equals what was shown from each of these places on.
    Matching(Matching),
    /// All that comes is new.
    Joined,
}

#[derive(Debug)]
struct Matching {
    /// Places in what was shown, oldest first. Never empty.
    alive: Vec<usize>,
    /// Bytes that have come.
    come: usize,
    /// The longest overlap with the end that is complete.
    overlap: Option<usize>,
    /// From how many bytes on a match is no chance.
    least: usize,
}

impl Alignment {
    /// Joins what comes to `shown`.
    pub(crate) fn new(shown: String, how: How) -> Self {
        let state = match how {
            How::Asked => {
                let tail = shown.ceil_char_boundary(shown.len().saturating_sub(TAIL));
                let places = shown[tail..].char_indices().map(|(at, _)| tail + at);
                let from_start = (tail > 0).then_some(0);
                State::matching(from_start.into_iter().chain(places).collect(), LEAST_ASKED.min(shown.len()))
            }
            How::Prefilled => match shown.len() - shown.trim_end().len() {
                0 => Self::after_prefill(&shown),
                whitespace => State::Whitespace(whitespace),
            },
        };
        Self { shown, state, skipped: 0 }
    }

    fn after_prefill(shown: &str) -> State {
        if shown.len() < LEAST_PREFILLED { State::Joined } else { State::matching(vec![0], LEAST_PREFILLED) }
    }

    /// Takes the next piece; gives what is to be shown of what has come.
    ///
    /// # Errors
    /// The continuation doesn't fit. Nothing of it was given, and nothing will be.
    pub(crate) fn handle_text(&mut self, delta: String) -> Result<String, Diverged> {
        match &mut self.state {
            State::Joined => Ok(delta),
            State::Whitespace(left) => {
                let known = &self.shown[self.shown.len() - *left..];
                let same = common_prefix(known, &delta);
                self.skipped += same;
                *left -= same;
                if *left > 0 && same == delta.len() {
                    return Ok(String::new());
                }
                self.state = Self::after_prefill(&self.shown);
                self.handle_text(delta[same..].to_owned())
            }
            State::Matching(matching) => match matching.take(&self.shown, &delta) {
                Outcome::Undecided => Ok(String::new()),
                Outcome::Decided { skip, from, used } => {
                    // What came before this piece is known by the place that it matched.
                    let known = &self.shown[from..];
                    let before = matching.come - used;
                    let mut new = known[skip.min(before)..before].to_owned();
                    new.push_str(&delta[skip.saturating_sub(before)..]);
                    self.skipped += skip;
                    self.state = State::Joined;
                    Ok(new)
                }
                Outcome::Diverged => Err(Diverged),
            },
        }
    }

    /// Nothing more comes; gives what was held back.
    ///
    /// # Errors
    /// As for [`handle_text`](Self::handle_text).
    pub(crate) fn finish(&mut self) -> Result<String, Diverged> {
        let State::Matching(matching) = std::mem::replace(&mut self.state, State::Joined) else {
            return Ok(String::new());
        };
        let skip = matching.skip(&self.shown)?;
        let from = matching.alive.last().copied().unwrap_or_default();
        self.skipped += skip;
        Ok(self.shown[from + skip..from + matching.come].to_owned())
    }

    /// Bytes that were left out since they had been shown already.
    pub(crate) fn skipped(&self) -> usize {
        self.skipped
    }
}

impl State {
    fn matching(alive: Vec<usize>, least: usize) -> Self {
        if alive.is_empty() {
            return Self::Joined;
        }
        Self::Matching(Matching { alive, come: 0, overlap: None, least })
    }
}

enum Outcome {
    Undecided,
    Decided {
        /// Bytes of all that has come that were shown already.
        skip: usize,
        /// A place that all before the last piece equals, and `used` bytes of that piece.
        from: usize,
        used: usize,
    },
    Diverged,
}

impl Matching {
    fn take(&mut self, shown: &str, delta: &str) -> Outcome {
        let mut used = 0;
        for character in delta.chars() {
            let width = character.len_utf8();
            let last = self.alive[self.alive.len() - 1];
            let come = self.come;
            self.alive.retain(|&at| shown[at + come..].starts_with(character));
            if self.alive.is_empty() {
                // The place that was alive until now stands for what came before.
                self.alive.push(last);
                return match self.skip(shown) {
                    Ok(skip) => Outcome::Decided { skip, from: last, used },
                    Err(Diverged) => Outcome::Diverged,
                };
            }
            self.come += width;
            used += width;
            let end = shown.len() - self.come;
            // At most one place ends here, and no later one is alive.
            if self.alive.last() == Some(&end) {
                if self.come >= self.least {
                    self.overlap = Some(self.come);
                }
                self.alive.pop();
            }
            let held = self.come - self.overlap.unwrap_or(self.come);
            if self.alive.is_empty() || held >= MOST_HELD {
                let from = self.alive.last().copied().unwrap_or(end);
                let skip = self.overlap.unwrap_or(0);
                return Outcome::Decided { skip, from, used };
            }
        }
        Outcome::Undecided
    }

    /// How much of what has come was shown already, if no more of it matches.
    fn skip(&self, shown: &str) -> Result<usize, Diverged> {
        match self.overlap {
            Some(overlap) => Ok(overlap),
            None if self.alive == [0] && self.come >= self.least && self.come < shown.len() => Err(Diverged),
            None => Ok(0),
        }
    }
}

/// How many bytes two texts begin with alike, in whole characters.
fn common_prefix(a: &str, b: &str) -> usize {
    a.chars().zip(b.chars()).take_while(|(a, b)| a == b).map(|(a, _)| a.len_utf8()).sum()
}

#[cfg(test)]
#[path = "alignment_tests.rs"]
mod tests;
