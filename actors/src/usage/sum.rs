//! Amounts of attempts, added up: as numbers in memory, by name in the store.

use greenroom_providers::{Price, cost::Cost};
use greenroom_wire::Usage;

use crate::store::Amounts;

/// How many amounts there are.
const COUNT: usize = 11;

/// Their names in the store, in the order of [`Sum`].
const NAMES: [&str; COUNT] = [
    "requests",
    "attempts",
    "estimated",
    "unpriced",
    "cost",
    "input",
    "output",
    "reasoning",
    "cache_read",
    "cache_write_5m",
    "cache_write_1h",
];

/// What an attempt costs that used this, in parts of a dollar: as its provider says, else by the price, if there is one. Who sends
/// the bill knows best what is on it.
pub(crate) fn cost_of(usage: &Usage, price: Option<&Price>) -> Option<u64> {
    usage.cost.or_else(|| price.map(|price| u64::try_from(price.cost(usage).parts()).unwrap_or(u64::MAX)))
}

/// What attempts amount to: their counts, their cost in parts of a dollar (as [`Cost::parts`]) and their tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Sum([i64; COUNT]);

impl Sum {
    /// One attempt that used this.
    pub(super) fn of(usage: &Usage, price: Option<&Price>, requests: u64, estimated: bool) -> Self {
        let signed = |amount: u64| i64::try_from(amount).unwrap_or(i64::MAX);
        let cost = cost_of(usage, price);
        let unpriced = cost.is_none() && *usage != Usage::default();
        let cost = i64::try_from(cost.unwrap_or(0)).unwrap_or(i64::MAX);
        Self([
            signed(requests),
            1,
            i64::from(estimated),
            i64::from(unpriced),
            cost,
            signed(usage.input),
            signed(usage.output),
            signed(usage.reasoning),
            signed(usage.cache_read),
            signed(usage.cache_write_5m),
            signed(usage.cache_write_1h),
        ])
    }

    pub(super) fn add(&mut self, other: &Self) {
        for (sum, amount) in self.0.iter_mut().zip(other.0) {
            *sum = sum.saturating_add(amount);
        }
    }

    /// The cost.
    pub(super) fn cost(&self) -> Cost {
        let [_, _, _, _, cost, ..] = self.0;
        Cost::from_parts(u128::try_from(cost).unwrap_or(0))
    }

    /// By name; what is nothing is left out.
    pub(super) fn amounts(&self) -> Amounts {
        let named = NAMES.iter().zip(self.0).filter(|(_, amount)| *amount != 0);
        named.map(|(name, amount)| ((*name).to_owned(), amount)).collect()
    }

    /// Those that the store has.
    pub(super) fn read(amounts: &Amounts) -> Self {
        Self(NAMES.map(|name| amounts.get(name).copied().unwrap_or(0)))
    }

    /// As they are shown: requests, attempts, estimated and unpriced ones, the cost, the tokens.
    pub(super) fn shown(&self) -> ([u64; 4], Cost, Usage) {
        let [requests, attempts, estimated, unpriced, cost, input, output, reasoning, read, write_5m, write_1h] =
            self.0.map(|amount| u64::try_from(amount).unwrap_or(0));
        let usage = Usage {
            input,
            output,
            reasoning,
            cache_read: read,
            cache_write_5m: write_5m,
            cache_write_1h: write_1h,
            ..Usage::default()
        };
        ([requests, attempts, estimated, unpriced], Cost::from_parts(u128::from(cost)), usage)
    }
}
