//! Answers of batches: booked as they are read, together with how far that has come, so that none is booked twice.

use std::time::SystemTime;

use greenroom_providers::Price;
use greenroom_wire::{ErrorKind, Usage};

use super::{
    Ledger,
    attempt::day,
    books::Books,
    entry::{AttemptOutcome, Ended},
    row::{Asker, UsageKey},
    sum::Sum,
};
use crate::store::{Batch, StoreError};

/// An answer of a batch, to be booked.
#[derive(Debug, Clone)]
pub struct BookedLine {
    /// The configured provider.
    pub provider: String,
    /// The provider's id of the model.
    pub model: String,
    /// The auth profile.
    pub profile: String,
    /// Who asked.
    pub asker: Asker,
    /// When the batch was handed over.
    pub began: SystemTime,
    /// What it used, or why there is no answer. An answer whose tokens were not told counts as estimated.
    pub outcome: Result<Option<Usage>, ErrorKind>,
    /// What it costs in a batch.
    pub price: Option<Price>,
}

impl Ledger {
    /// Books answers of a batch, and makes another change with it: both are kept, or none.
    ///
    /// # Errors
    /// Nothing is kept; there is no store.
    pub(crate) async fn book_batch(&self, lines: &[BookedLine], also: Batch) -> Result<(), StoreError> {
        let store = self.shared.store.as_ref().ok_or(StoreError::Closed)?;
        let mut books = Books::default();
        let mut costs = Vec::new();
        for line in lines {
            let BookedLine { provider, model, profile, asker, began, outcome, price } = line.clone();
            let key = UsageKey { day: day(began), provider, model, profile, asker };
            let (usage, estimated, outcome) = match outcome {
                Ok(Some(usage)) => (usage, false, AttemptOutcome::Finished),
                Ok(None) => (Usage::default(), true, AttemptOutcome::Finished),
                Err(kind) => (Usage::default(), false, AttemptOutcome::Failed(kind)),
            };
            let sum = Sum::of(&usage, price.as_ref(), 1, estimated);
            costs.push((key.asker.client().to_owned(), key.day.clone(), sum.cost()));
            books.book(&key, &sum, Ended::new(rand::random(), began, &key, &sum, outcome));
        }
        let mut batch = also;
        books.add_to(&mut batch)?;
        store.commit(batch).await?;
        if let Some(spending) = &mut self.state().spending {
            costs.iter().for_each(|(client, day, cost)| spending.add(client, day, *cost));
        }
        Ok(())
    }
}
