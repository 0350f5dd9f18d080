//! The sums as they are read.

use greenroom_providers::cost::Cost;
use greenroom_wire::Usage;

use crate::store::Amounts;

/// Who asks for an answer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Asker {
    /// A session, by its id.
    Session(String),
    /// A client without one, by its name.
    Client(String),
}

/// What is summed up under one key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct UsageKey {
    /// The day it began, `YYYY-MM-DD` in UTC.
    pub day: String,
    /// The configured provider.
    pub provider: String,
    /// The provider's id of the model.
    pub model: String,
    /// The auth profile.
    pub profile: String,
    /// Who asked.
    pub asker: Asker,
}

/// Sums of attempts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageRow {
    /// Of what.
    pub key: UsageKey,
    /// Answers that were sought, counted where they were first asked for.
    pub requests: u64,
    /// Attempts.
    pub attempts: u64,
    /// Those of them whose tokens were estimated, since no provider told them.
    pub estimated: u64,
    /// Those of them whose price is not known.
    pub unpriced: u64,
    /// Tokens.
    pub usage: Usage,
    /// What they cost, as far as prices are known.
    pub cost: Cost,
}

const SESSION: &str = "session";
const CLIENT: &str = "client";

impl UsageKey {
    /// As the store has it: an array, so that no name can be taken for two, and days sort.
    pub(super) fn text(&self) -> String {
        let Self { day, provider, model, profile, asker } = self;
        let (kind, asker) = match asker {
            Asker::Session(id) => (SESSION, id),
            Asker::Client(name) => (CLIENT, name),
        };
        serde_json::json!([day, provider, model, profile, kind, asker]).to_string()
    }

    fn parse(text: &str) -> Option<Self> {
        let [day, provider, model, profile, kind, asker] = serde_json::from_str::<[String; 6]>(text).ok()?;
        let asker = match kind.as_str() {
            SESSION => Asker::Session(asker),
            CLIENT => Asker::Client(asker),
            _ => return None,
        };
        Some(Self { day, provider, model, profile, asker })
    }
}

/// The names of the sums.
pub(super) mod names {
    pub(in super::super) const REQUESTS: &str = "requests";
    pub(in super::super) const ATTEMPTS: &str = "attempts";
    pub(in super::super) const ESTIMATED: &str = "estimated";
    pub(in super::super) const UNPRICED: &str = "unpriced";
    /// In parts of a dollar, as a [`Cost`](greenroom_providers::cost::Cost) counts.
    pub(in super::super) const COST: &str = "cost";
}

/// The parts of a usage that are summed up, by name.
pub(super) fn parts(usage: &Usage) -> [(&'static str, u64); 6] {
    [
        ("input", usage.input),
        ("output", usage.output),
        ("reasoning", usage.reasoning),
        ("cache_read", usage.cache_read),
        ("cache_write_5m", usage.cache_write_5m),
        ("cache_write_1h", usage.cache_write_1h),
    ]
}

impl UsageRow {
    /// A row that the store has; `None` for one that a later version wrote in another form.
    pub(super) fn read(key: &str, amounts: &Amounts) -> Option<Self> {
        let of = |name: &str| amounts.get(name).copied().and_then(|amount| u64::try_from(amount).ok()).unwrap_or(0);
        Some(Self {
            key: UsageKey::parse(key)?,
            requests: of(names::REQUESTS),
            attempts: of(names::ATTEMPTS),
            estimated: of(names::ESTIMATED),
            unpriced: of(names::UNPRICED),
            usage: Usage {
                input: of("input"),
                output: of("output"),
                reasoning: of("reasoning"),
                cache_read: of("cache_read"),
                cache_write_5m: of("cache_write_5m"),
                cache_write_1h: of("cache_write_1h"),
                ..Usage::default()
            },
            cost: Cost::from_parts(u128::from(of(names::COST))),
        })
    }
}
