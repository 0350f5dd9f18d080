//! What is asked and what is answered, as the mock provider and the load generator agree on it.

use std::fmt::Write as _;
use std::time::Duration;

/// Bytes of each token.
pub(crate) const TOKEN: usize = 5;
/// Bytes of the prompt, which holds the plan at its start.
const PROMPT: usize = 400;

/// How an answer is to be. It stands in the prompt, which every proxy passes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Plan {
    /// How many tokens it has.
    pub(crate) tokens: u32,
    /// From one token to the next of a streamed answer; zero for as fast as it goes.
    pub(crate) gap: Duration,
}

const START: &str = "Answer with tokens=";
const GAP: &str = " gap_ms=";

impl Plan {
    /// An answer without delay.
    pub(crate) fn fast(tokens: u32) -> Self {
        Self { tokens, gap: Duration::ZERO }
    }

    /// The prompt that asks for it, without a character that JSON escapes.
    pub(crate) fn prompt(&self) -> String {
        let mut prompt = format!("{START}{}{GAP}{} please.", self.tokens, self.gap.as_millis());
        while prompt.len() < PROMPT {
            prompt.push_str(" word");
        }
        prompt
    }

    /// The plan in a request's body.
    pub(crate) fn find(request: &[u8]) -> Option<Self> {
        let rest = &request[memchr::memmem::find(request, START.as_bytes())? + START.len()..];
        let rest = std::str::from_utf8(&rest[..rest.len().min(64)]).ok()?;
        let (tokens, rest) = rest.split_once(GAP)?;
        let (gap, _) = rest.split_once(' ')?;
        Some(Self { tokens: tokens.parse().ok()?, gap: Duration::from_millis(gap.parse().ok()?) })
    }

    /// The whole text of the answer. Each token differs from its neighbours, so that one that is lost, doubled or
    /// misplaced shows.
    pub(crate) fn text(&self) -> String {
        let mut text = String::with_capacity(self.tokens as usize * TOKEN);
        for index in 0..self.tokens {
            let _infallible = write!(text, "{:04} ", index % 10_000);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_found_in_the_request_that_asks_for_it() {
        let plan = Plan { tokens: 200, gap: Duration::from_millis(50) };
        let request = format!("{{\"messages\":[{{\"content\":\"{}\"}}]}}", plan.prompt());
        assert_eq!(Plan::find(request.as_bytes()), Some(plan));
        assert_eq!(Plan::find(b"{\"messages\":[]}"), None);
        assert!(plan.prompt().len() >= PROMPT);
    }

    #[test]
    fn tokens_have_their_width_and_differ() {
        assert_eq!(Plan::fast(3).text(), "0000 0001 0002 ");
        assert_eq!(Plan::fast(10_001).text().len(), 10_001 * TOKEN);
    }
}
