//! What a model costs, and what an answer has cost.

use std::{fmt, iter::Sum, ops::Add};

use greenroom_wire::Usage;
use serde::{Serialize, Serializer};

/// Most tiers that a price has; no provider has more.
pub const MOST_TIERS: usize = 2;
/// Parts of a dollar that a [`Cost`] counts in.
const PER_DOLLAR: f64 = 1e12;
/// A price of one dollar per million tokens, in those parts per token.
const PER_TOKEN: f64 = 1e6;

/// A price per thousand searches, as one per million.
const SEARCH: f64 = 1000.0;
/// The name of a search on the web among the provider's own tools.
const SEARCHES: &str = "web_search";

/// A price in US dollars per million tokens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Price {
    /// Prompt.
    pub input: f64,
    /// Answer, thinking included.
    pub output: f64,
    /// Prompt read from a cache; `None` is as `input`.
    pub cache_read: Option<f64>,
    /// Prompt written to a cache for five minutes, or for the provider's only time; `None` is as `input`.
    pub cache_write: Option<f64>,
    /// Prompt written to a cache for an hour; `None` is as `cache_write`.
    pub cache_write_1h: Option<f64>,
    /// What long prompts cost instead.
    pub tiers: Tiers,
    /// What a batch costs instead, where the provider takes them.
    pub batch: Option<BatchPrice>,
    /// A thousand searches of the provider's own on the web, in US dollars; `None` is not billed apart, or not known.
    pub searches: Option<f64>,
}

/// What a request of a batch costs, in US dollars per million tokens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BatchPrice {
    /// Prompt.
    pub input: f64,
    /// Answer.
    pub output: f64,
}

/// What a request costs whose prompt is longer than a bound. The fields are those of [`Price`].
#[derive(Debug, Clone, Copy, PartialEq)]
#[allow(missing_docs, reason = "they are those of the price")]
pub struct Tier {
    /// The tier holds for prompts of more tokens than this, cached ones included.
    pub above_tokens: u64,
    pub input: f64,
    pub output: f64,
    pub cache_read: Option<f64>,
    pub cache_write: Option<f64>,
    pub cache_write_1h: Option<f64>,
}

/// The tiers of a price, by their bounds.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Tiers([Option<Tier>; MOST_TIERS]);

impl Tiers {
    /// These tiers, if their bounds grow and there are no more than [`MOST_TIERS`].
    pub fn new(tiers: &[Tier]) -> Option<Self> {
        if tiers.len() > MOST_TIERS || !tiers.is_sorted_by(|a, b| a.above_tokens < b.above_tokens) {
            return None;
        }
        let mut these = Self::default();
        these.0.iter_mut().zip(tiers).for_each(|(place, tier)| *place = Some(*tier));
        Some(these)
    }

    /// They, the lowest bound first.
    pub fn iter(&self) -> impl Iterator<Item = &Tier> {
        self.0.iter().flatten()
    }
}

impl Price {
    /// A price that is the same for every prompt, cached or not.
    pub fn flat(input: f64, output: f64) -> Self {
        Self {
            input,
            output,
            cache_read: None,
            cache_write: None,
            cache_write_1h: None,
            tiers: Tiers::default(),
            batch: None,
            searches: None,
        }
    }

    /// This, with what is not known of caches filled in from `other`, in the same proportion to the price of the prompt.
    #[must_use]
    pub fn or(self, other: &Self) -> Self {
        let factor = self.input / other.input;
        if !factor.is_finite() {
            return self;
        }
        let scaled = |price: Option<f64>| price.map(|price| scale(price, factor));
        Self {
            cache_read: self.cache_read.or(scaled(other.cache_read)),
            cache_write: self.cache_write.or(scaled(other.cache_write)),
            cache_write_1h: self.cache_write_1h.or(scaled(other.cache_write_1h)),
            searches: self.searches.or(other.searches),
            ..self
        }
    }

    /// All of it times `factor`.
    #[must_use]
    pub fn scaled(self, factor: f64) -> Self {
        let one = |price| scale(price, factor);
        let mut tiers = self.tiers;
        for tier in tiers.0.iter_mut().flatten() {
            *tier = Tier {
                above_tokens: tier.above_tokens,
                input: one(tier.input),
                output: one(tier.output),
                cache_read: tier.cache_read.map(one),
                cache_write: tier.cache_write.map(one),
                cache_write_1h: tier.cache_write_1h.map(one),
            };
        }
        Self {
            input: one(self.input),
            output: one(self.output),
            cache_read: self.cache_read.map(one),
            cache_write: self.cache_write.map(one),
            cache_write_1h: self.cache_write_1h.map(one),
            tiers,
            batch: self.batch.map(|batch| BatchPrice { input: one(batch.input), output: one(batch.output) }),
            searches: self.searches,
        }
    }

    /// What it is in a batch, caches and tiers in proportion; `None` where that is not known.
    pub fn in_batch(self) -> Option<Self> {
        self.batch.map(|_| self.of_batch())
    }

    /// The price of the same in a batch: what is known of that, else half of it, which is what every provider asks. What is
    /// read from and written to caches is cheaper in the proportion of the prompt.
    #[must_use]
    pub fn of_batch(self) -> Self {
        const HALF: f64 = 0.5;
        let Some(batch) = self.batch else { return self.scaled(HALF) };
        let factor = |of: f64, all: f64| if all > 0.0 { of / all } else { HALF };
        let scaled = self.scaled(factor(batch.input, self.input));
        let output = factor(batch.output, self.output);
        let mut tiers = scaled.tiers;
        for (tier, before) in tiers.0.iter_mut().flatten().zip(self.tiers.iter()) {
            tier.output = scale(before.output, output);
        }
        Self { input: batch.input, output: batch.output, tiers, ..scaled }
    }

    /// What a request with this usage costs.
    ///
    /// A tier is that of the *whole* request, answer included, once the prompt with all of its cached parts is longer
    /// than the bound; that is how Anthropic ("Long context pricing"), Google ("prompts > 200k tokens") and OpenAI
    /// ("prompts with >272K input tokens … for the full session") write it on their pages of prices.
    pub fn cost(&self, usage: &Usage) -> Cost {
        let prompt = usage.input_total();
        let tier = self.tiers.iter().take_while(|tier| prompt > tier.above_tokens).last();
        let Tier { input, output, cache_read, cache_write, cache_write_1h, .. } = tier.copied().unwrap_or(Tier {
            above_tokens: 0,
            input: self.input,
            output: self.output,
            cache_read: self.cache_read,
            cache_write: self.cache_write,
            cache_write_1h: self.cache_write_1h,
        });
        let cache_write = cache_write.unwrap_or(input);
        let searches = usage.server_tools.get(SEARCHES).copied().unwrap_or(0);
        [
            (usage.input, input),
            (usage.output, output),
            (usage.cache_read, cache_read.unwrap_or(input)),
            (usage.cache_write_5m, cache_write),
            (usage.cache_write_1h, cache_write_1h.unwrap_or(cache_write)),
        ]
        .into_iter()
        .map(|(tokens, price)| Cost::of(tokens, price))
        .chain(self.searches.map(|price| Cost::of(searches, price * SEARCH)))
        .sum()
    }
}

/// Providers say prices with at most six places; more are traces of binary fractions.
fn scale(price: f64, factor: f64) -> f64 {
    (price * factor * PER_TOKEN).round() / PER_TOKEN
}

/// An amount of money: exact, so that a ledger's sum doesn't depend on its order and no stray digits are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Cost(u128);

impl Cost {
    fn of(tokens: u64, price: f64) -> Self {
        // A price that isn't one (negative, not a number) counts as nothing: the cast sees to it.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
        let per_token = (price * PER_TOKEN).round() as u64;
        Self(u128::from(tokens).saturating_mul(u128::from(per_token)))
    }

    /// An amount in parts of a dollar, of which there are 1,000,000,000,000; as [`parts`](Self::parts) gave it.
    pub fn from_parts(parts: u128) -> Self {
        Self(parts)
    }

    /// The amount in parts of a dollar, for a ledger.
    pub fn parts(self) -> u128 {
        self.0
    }

    /// US dollars, for a wire or a file; what is added up should be added up before.
    #[allow(clippy::cast_precision_loss, reason = "sixteen digits are enough for a number that is shown")]
    pub fn dollars(self) -> f64 {
        self.0 as f64 / PER_DOLLAR
    }
}

impl Add for Cost {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sum for Cost {
    fn sum<I: Iterator<Item = Self>>(costs: I) -> Self {
        costs.fold(Self::default(), Add::add)
    }
}

/// Dollars with at least two places, and all that are not zero: `$0.40`, `$0.000125`.
impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const PARTS: u128 = 1_000_000_000_000;
        let places = format!("{:012}", self.0 % PARTS);
        let (cents, rest) = places.split_at(2);
        write!(f, "${}.{cents}{}", self.0 / PARTS, rest.trim_end_matches('0'))
    }
}

impl Serialize for Cost {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.dollars())
    }
}

#[cfg(test)]
#[path = "cost_tests.rs"]
mod tests;
