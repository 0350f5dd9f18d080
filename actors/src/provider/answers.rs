//! How long the answers of each model usually are, to estimate what a request will take. Pure.

use std::collections::{BTreeMap, HashMap};

/// What an answer is taken to have in tokens before anything is known.
const AT_FIRST: u32 = 500;
/// What the newest answer counts for, as a fraction of one.
const NEWEST: f64 = 0.2;

/// The recent mean length of each model's answers, in tokens.
#[derive(Debug, Default)]
pub(super) struct Answers {
    means: HashMap<String, f64>,
}

impl Answers {
    /// About how long the next answer of this model is.
    pub(super) fn expected(&self, model: &str) -> u32 {
        self.means.get(model).map_or(AT_FIRST, |mean| rounded(*mean))
    }

    /// A whole answer had so many tokens. Whether the mean has changed by it.
    pub(super) fn handle_answer(&mut self, model: &str, tokens: u32) -> bool {
        let before = self.expected(model);
        match self.means.get_mut(model) {
            Some(mean) => *mean += (f64::from(tokens) - *mean) * NEWEST,
            None => drop(self.means.insert(model.to_owned(), f64::from(tokens))),
        }
        self.expected(model) != before
    }

    /// What is to be kept.
    pub(super) fn snapshot(&self) -> BTreeMap<String, u32> {
        self.means.iter().map(|(model, mean)| (model.clone(), rounded(*mean))).collect()
    }

    /// Takes up what was kept of a model.
    pub(super) fn restore(&mut self, model: String, mean: u32) {
        self.means.insert(model, f64::from(mean));
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a mean of such numbers is one")]
fn rounded(mean: f64) -> u32 {
    mean.round() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_answer_replaces_the_guess_and_later_ones_move_the_mean() {
        let mut answers = Answers::default();
        assert_eq!(answers.expected("m"), 500);
        assert!(answers.handle_answer("m", 100));
        assert_eq!((answers.expected("m"), answers.expected("other")), (100, 500));
        assert!(!answers.handle_answer("m", 100));
        answers.handle_answer("m", 200);
        assert_eq!(answers.expected("m"), 120);
        for _ in 0..40 {
            answers.handle_answer("m", 1000);
        }
        assert_eq!(answers.expected("m"), 1000, "what is long past is forgotten");
        let mut next = Answers::default();
        answers.snapshot().into_iter().for_each(|(model, mean)| next.restore(model, mean));
        assert_eq!(next.expected("m"), 1000);
    }
}
