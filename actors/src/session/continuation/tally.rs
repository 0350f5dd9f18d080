//! What an answer used, over all attempts at it.

use greenroom_wire::Usage;

use super::tokens_of;

/// Adds up the attempts that were cut.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    cut: u32,
    /// The prompt of the first attempt, if its provider told.
    first: Option<Usage>,
    /// What the cut attempts gave; its prompt is without meaning.
    given: Usage,
    /// What the cut attempts cost together, as long as that is known of each.
    cost: Option<u64>,
    told: bool,
}

impl Tally {
    /// An attempt was cut that had shown so many bytes. What its provider told is a lower bound: the true count comes
    /// last.
    pub(crate) fn handle_cut(&mut self, told: Option<Usage>, shown: usize) {
        self.told |= told.is_some();
        let told = told.unwrap_or_default();
        // One that was cut tells of less than it gave; what it costs is then unknown, not less.
        let is_all = told.output >= tokens_of(shown);
        let before = if self.cut == 0 { Some(0) } else { self.cost };
        self.cost = before.zip(told.cost.filter(|_| is_all)).map(|(before, cost)| before.saturating_add(cost));
        if self.cut == 0 && told.input_total() > 0 {
            self.first = Some(told.clone());
        }
        self.cut += 1;
        self.given.output = self.given.output.saturating_add(told.output.max(tokens_of(shown)));
        self.given.reasoning = self.given.reasoning.saturating_add(told.reasoning);
        for (tool, runs) in told.server_tools {
            let sum = self.given.server_tools.entry(tool).or_default();
            *sum = sum.saturating_add(runs);
        }
    }

    /// Whether any attempt was cut.
    pub(crate) fn has_cut(&self) -> bool {
        self.cut > 0
    }

    /// What the whole answer used: the prompt of the first attempt, and all output that was shown. `last` is what the
    /// last attempt's provider told, whose prompt was longer by `more` bytes, and of whose answer `skipped` bytes were
    /// left out. `None` if nobody told anything.
    pub(crate) fn finish(&self, last: Option<Usage>, more: usize, skipped: usize) -> Option<Usage> {
        if self.cut == 0 {
            return last;
        }
        if !self.told && last.is_none() {
            return None;
        }
        let mut usage = last.unwrap_or_default();
        // Each attempt has its own prompt to pay for, and its own price.
        usage.cost = self.cost.zip(usage.cost).map(|(before, last)| before.saturating_add(last));
        match &self.first {
            Some(first) => {
                usage.input = first.input;
                usage.cache_read = first.cache_read;
                usage.cache_write_5m = first.cache_write_5m;
                usage.cache_write_1h = first.cache_write_1h;
            }
            None => usage.input = usage.input.saturating_sub(tokens_of(more)),
        }
        usage.output = usage.output.saturating_sub(tokens_of(skipped)).saturating_add(self.given.output);
        usage.reasoning = usage.reasoning.saturating_add(self.given.reasoning);
        for (tool, runs) in &self.given.server_tools {
            let sum = usage.server_tools.entry(tool.clone()).or_default();
            *sum = sum.saturating_add(*runs);
        }
        Some(usage)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(input: u64, cache_read: u64, output: u64) -> Usage {
        Usage { input, cache_read, output, ..Usage::default() }
    }

    #[test]
    fn an_answer_of_one_piece_used_what_its_provider_told() {
        assert_eq!(Tally::default().finish(Some(usage(1, 2, 3)), 0, 0), Some(usage(1, 2, 3)));
        assert_eq!(Tally::default().finish(None, 0, 0), None);
    }

    #[test]
    fn the_prompt_is_the_first_ones_and_the_output_is_all_that_was_shown() {
        let mut tally = Tally::default();
        tally.handle_cut(Some(usage(10, 90, 1)), 40);
        tally.handle_cut(None, 20);
        assert_eq!(tally.finish(Some(usage(300, 0, 50)), 800, 100), Some(usage(10, 90, 10 + 5 + 25)));
    }

    #[test]
    fn what_a_cut_attempt_told_is_no_less_than_what_it_gave() {
        let mut tally = Tally::default();
        tally.handle_cut(Some(Usage { output: 90, reasoning: 80, ..usage(10, 0, 0) }), 40);
        let used = tally.finish(Some(Usage { reasoning: 5, ..usage(300, 0, 6) }), 0, 0).unwrap();
        assert_eq!((used.output, used.reasoning), (96, 85));
    }

    #[test]
    fn a_prompt_that_was_not_told_is_the_last_one_without_what_was_added() {
        let mut tally = Tally::default();
        tally.handle_cut(None, 40);
        assert_eq!(tally.finish(Some(usage(300, 0, 50)), 800, 0), Some(usage(100, 0, 60)));
        assert_eq!(tally.finish(None, 800, 0), None, "nobody told anything");
    }

    #[test]
    fn an_answer_costs_what_all_attempts_at_it_cost_or_nobody_knows() {
        let costing = |cost, output| Some(Usage { cost, ..usage(10, 0, output) });
        let cost = |cut: [Option<Usage>; 2], last| {
            let mut tally = Tally::default();
            cut.into_iter().for_each(|told| tally.handle_cut(told, 20));
            tally.finish(last, 0, 0).unwrap().cost
        };
        assert_eq!(Tally::default().finish(costing(Some(7), 1), 0, 0).unwrap().cost, Some(7));
        assert_eq!(cost([costing(Some(7), 5), costing(Some(u64::MAX), 9)], costing(Some(1), 1)), Some(u64::MAX));
        assert_eq!(cost([costing(Some(7), 5), costing(Some(30), 5)], costing(Some(200), 1)), Some(237));
        assert_eq!(cost([costing(Some(7), 5), costing(None, 5)], costing(Some(200), 1)), None, "one has no price");
        assert_eq!(cost([costing(None, 5), costing(Some(7), 5)], costing(Some(200), 1)), None);
        assert_eq!(cost([costing(Some(7), 5), None], costing(Some(200), 1)), None, "one did not tell");
        assert_eq!(cost([costing(Some(7), 5), costing(Some(7), 4)], costing(Some(200), 1)), None, "one told of less");
        assert_eq!(cost([costing(Some(7), 5), costing(Some(7), 5)], None), None);
    }
}
