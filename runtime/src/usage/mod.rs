//! What answers used and cost, summed up as it is asked for, and each attempt at them.

mod attempts;
mod export;
mod range;

use std::{collections::BTreeMap, path::Path};

use greenroom_actors::{Asker, UsageKey, UsageRow};
use greenroom_providers::cost::Cost;
use greenroom_wire::{ChatError, Usage};
use serde::{Deserialize, Serialize};

use self::attempts::PAGE;
pub use self::{
    attempts::{AttemptPages, AttemptsAtRest, UsageAttempt},
    export::{ExportFormat, Exported, export},
    range::{BadDay, Day, DayRange},
};
use crate::{Runtime, StartError, StoreError, config::Durability, store};

/// By what sums are made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum UsageBy {
    /// `provider/model`.
    #[default]
    Model,
    /// The configured provider.
    Provider,
    /// `provider/profile`.
    Profile,
    /// The session's id; what no session asked for is under nothing.
    Session,
    /// The client's name, also of what its sessions asked for.
    Client,
    /// The day in UTC.
    Day,
}

impl UsageBy {
    /// The words for it.
    pub const WORDS: [(&'static str, Self); 6] = [
        ("model", Self::Model),
        ("provider", Self::Provider),
        ("profile", Self::Profile),
        ("session", Self::Session),
        ("client", Self::Client),
        ("day", Self::Day),
    ];

    /// What a word says.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::WORDS.iter().find(|(known, _)| *known == word).map(|(_, by)| *by)
    }

    fn of(self, key: UsageKey) -> String {
        let UsageKey { day, provider, model, profile, asker } = key;
        match (self, asker) {
            (Self::Model, _) => format!("{provider}/{model}"),
            (Self::Provider, _) => provider,
            (Self::Profile, _) => format!("{provider}/{profile}"),
            (Self::Session, Asker::Session { id, .. }) => id,
            (Self::Client, Asker::Client(name) | Asker::Session { client: name, .. }) => name,
            (Self::Session, Asker::Client(_)) => String::new(),
            (Self::Day, _) => day,
        }
    }
}

/// Sums of one model, provider, profile, session, client or day.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UsageSum {
    /// Which one.
    pub by: String,
    /// Answers that were sought. One that was handed on is counted where it was first asked for.
    pub requests: u64,
    /// Attempts at them.
    pub attempts: u64,
    /// Prompt tokens, cached ones left out.
    pub input: u64,
    /// Tokens of answers, reasoning included.
    pub output: u64,
    /// Of the output: reasoning.
    pub reasoning: u64,
    /// Prompt tokens read from caches.
    pub cache_read: u64,
    /// Prompt tokens written to caches.
    pub cache_write: u64,
    /// US dollars, as far as prices are known.
    #[serde(rename = "cost_usd", deserialize_with = "cost")]
    pub cost: Cost,
    /// Attempts whose tokens were estimated, since no provider told them.
    pub estimated: u64,
    /// Attempts whose price is not known.
    pub unpriced: u64,
}

/// Sixteen digits of a number that was shown are enough to show it again.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
fn cost<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Cost, D::Error> {
    Ok(Cost::from_parts((f64::deserialize(deserializer)? * 1e12).round() as u128))
}

#[derive(Default)]
struct Sum {
    requests: u64,
    attempts: u64,
    estimated: u64,
    unpriced: u64,
    usage: Usage,
    cost: Cost,
}

/// Sums of these days, in the order of what they are of.
pub(crate) fn sums(rows: Vec<UsageRow>, by: UsageBy, range: &DayRange) -> Vec<UsageSum> {
    let mut sums: BTreeMap<String, Sum> = BTreeMap::new();
    let rows = rows.into_iter().filter(|row| range.has(&row.key.day));
    for UsageRow { key, requests, attempts, estimated, unpriced, usage, cost } in rows {
        let sum = sums.entry(by.of(key)).or_default();
        sum.requests = sum.requests.saturating_add(requests);
        sum.attempts = sum.attempts.saturating_add(attempts);
        sum.estimated = sum.estimated.saturating_add(estimated);
        sum.unpriced = sum.unpriced.saturating_add(unpriced);
        sum.usage.input = sum.usage.input.saturating_add(usage.input);
        sum.usage.output = sum.usage.output.saturating_add(usage.output);
        sum.usage.reasoning = sum.usage.reasoning.saturating_add(usage.reasoning);
        sum.usage.cache_read = sum.usage.cache_read.saturating_add(usage.cache_read);
        sum.usage.cache_write_5m = sum.usage.cache_write_5m.saturating_add(usage.cache_write_5m);
        sum.usage.cache_write_1h = sum.usage.cache_write_1h.saturating_add(usage.cache_write_1h);
        sum.cost = sum.cost + cost;
    }
    let sum = |(by, sum): (String, Sum)| UsageSum {
        by,
        requests: sum.requests,
        attempts: sum.attempts,
        input: sum.usage.input,
        output: sum.usage.output,
        reasoning: sum.usage.reasoning,
        cache_read: sum.usage.cache_read,
        cache_write: sum.usage.cache_write_5m + sum.usage.cache_write_1h,
        cost: sum.cost,
        estimated: sum.estimated,
        unpriced: sum.unpriced,
    };
    sums.into_iter().map(sum).collect()
}

impl Runtime {
    /// What answers used and cost so far, in this process and those before it; what is under way is left out.
    ///
    /// # Errors
    /// The store can't be read, or there is none.
    pub async fn usage(&self, by: UsageBy) -> Result<Vec<UsageSum>, StoreError> {
        self.usage_of(by, &DayRange::default()).await
    }

    /// The same of some days.
    ///
    /// # Errors
    /// As for [`usage`](Self::usage).
    pub async fn usage_of(&self, by: UsageBy, range: &DayRange) -> Result<Vec<UsageSum>, StoreError> {
        Ok(sums(self.system.usage().await?, by, range))
    }

    /// What a client has spent in the time of its budget, in US dollars; `None` if it has no budget.
    ///
    /// # Errors
    /// It can't be read.
    pub async fn spent(&self, client: &str) -> Result<Option<f64>, ChatError> {
        Ok(self.system.spent(client).await?.map(Cost::dollars))
    }

    /// The next page of attempts; `None` after the last.
    ///
    /// # Errors
    /// They can't be read; there is no data directory.
    pub async fn attempts(&self, pages: &mut AttemptPages) -> Result<Option<Vec<UsageAttempt>>, StoreError> {
        let Some(after) = pages.place() else { return Ok(None) };
        let (entries, next) = self.system.attempts(after, PAGE).await?;
        Ok(Some(pages.handle_page(entries, next)))
    }
}

/// What is booked in the store of a data directory, where no runtime has it open. Where there is no store, nothing is.
///
/// # Errors
/// The store can't be opened or read.
pub async fn usage_at_rest(
    data_dir: &Path,
    durability: Durability,
    by: UsageBy,
    range: &DayRange,
) -> Result<Vec<UsageSum>, StartError> {
    let Some(store) = store::open_existing(data_dir, durability).await? else { return Ok(Vec::new()) };
    let rows = greenroom_actors::rows_of(&store).await;
    let closed = store.close().await;
    let rows = rows.and_then(|rows| closed.map(|()| rows)).map_err(StartError::NotKept)?;
    Ok(sums(rows, by, range))
}
