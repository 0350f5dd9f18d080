//! One attempt, from before it is sent until it is booked, however it ends.

use std::{sync::Arc, time::SystemTime};

use greenroom_providers::{Price, Terms};
use greenroom_wire::{ChatError, ChatEvent, ErrorKind, Usage};

use super::{
    Ledger,
    books::Expected,
    entry::{AttemptOutcome, Ended},
    row::{Asker, UsageKey},
    sum::Sum,
};

/// What an attempt is booked under, and what it is expected to use.
#[derive(Debug, Clone)]
pub(crate) struct Booking {
    pub(crate) provider: String,
    pub(crate) model: String,
    pub(crate) profile: String,
    pub(crate) asker: Asker,
    /// How many requests it is the first attempt at.
    pub(crate) requests: u64,
    /// About how many tokens its prompt has, and its answer will.
    pub(crate) prompt: u64,
    pub(crate) answer: u64,
    pub(crate) price: Option<Price>,
}

/// What is known of an attempt when it begins.
#[derive(Debug)]
pub(super) struct Opened {
    key: UsageKey,
    began: SystemTime,
    requests: u64,
    prompt: u64,
    answer: u64,
    price: Option<Price>,
}

impl Opened {
    /// What is booked if nobody closes it.
    pub(super) fn expected(&self) -> Expected {
        let usage = Usage { input: self.prompt, output: self.answer, ..Usage::default() };
        let amounts = self.sum(&usage, &Terms::default(), true).amounts();
        Expected { key: self.key.text(), amounts, began: Some(self.began) }
    }

    #[cfg(test)]
    pub(super) fn of_key(key: UsageKey) -> Self {
        Self { key, began: SystemTime::now(), requests: 1, prompt: 0, answer: 0, price: None }
    }

    fn sum(&self, usage: &Usage, terms: &Terms, estimated: bool) -> Sum {
        let price = self.price.and_then(|price| terms.price(price));
        Sum::of(usage, price.as_ref(), self.requests, estimated)
    }
}

/// An attempt that is under way. Dropping it books what is known by then.
#[derive(Debug)]
pub(crate) struct OpenAttempt {
    ledger: Option<Ledger>,
    id: u64,
    opened: Arc<Opened>,
    /// What its provider has told so far.
    told: Option<Usage>,
    terms: Terms,
    /// Bytes that it has said.
    said: usize,
    spoke: bool,
    sent: bool,
    known: Option<Known>,
    outcome: AttemptOutcome,
}

/// What is known of what it used, once it has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    /// Its provider told.
    Whole,
    /// Refused before a token: nothing was used.
    Refused,
}

impl OpenAttempt {
    pub(super) fn new(ledger: Option<Ledger>, booking: Booking) -> Self {
        let Booking { provider, model, profile, asker, requests, prompt, answer, price } = booking;
        let began = SystemTime::now();
        let key = UsageKey { day: day(began), provider, model, profile, asker };
        let opened = Arc::new(Opened { key, began, requests, prompt, answer, price });
        let id = rand::random();
        if let Some(ledger) = &ledger {
            ledger.state().handle_open(id, Arc::clone(&opened));
            ledger.shared.changed.notify_one();
        }
        Self {
            ledger,
            id,
            opened,
            told: None,
            terms: Terms::default(),
            said: 0,
            spoke: false,
            sent: false,
            known: None,
            outcome: AttemptOutcome::Left,
        }
    }

    /// It is sent. One that never was is not booked.
    pub(crate) fn handle_sent(&mut self) {
        self.sent = true;
    }

    /// The model says something, or its provider tells what it used.
    pub(crate) fn handle_events(&mut self, events: &[ChatEvent]) {
        for event in events {
            self.spoke |= event.is_content();
            self.said += event.delta().map_or(0, str::len);
            self.terms.handle_event(event);
            if let ChatEvent::Usage(usage) = event {
                self.told = Some(usage.clone());
            }
        }
    }

    /// It has ended by itself; `left` is whether it was left before its end.
    pub(crate) fn handle_end(&mut self, outcome: Result<(), &ChatError>, left: bool) {
        self.outcome = match outcome {
            _ if left => AttemptOutcome::Left,
            Ok(()) => AttemptOutcome::Finished,
            Err(error) => AttemptOutcome::Failed(error.kind),
        };
        self.known = match outcome {
            Ok(()) if !left && self.told.is_some() => Some(Known::Whole),
            // Where nobody knows whether the model had begun, it had.
            Err(error) if !self.spoke && !matches!(error.kind, ErrorKind::Timeout | ErrorKind::Protocol) => {
                Some(Known::Refused)
            }
            _ => None,
        };
    }

    /// What it used, and whether that is an estimate.
    fn used(&self) -> (Usage, bool) {
        match self.known {
            Some(Known::Whole) => (self.told.clone().unwrap_or_default(), false),
            Some(Known::Refused) => (Usage::default(), false),
            None => {
                // What was told before the end is a lower bound.
                let mut usage = self.told.clone().unwrap_or_default();
                if usage.input_total() == 0 {
                    usage.input = self.opened.prompt;
                }
                let said = u64::try_from(self.said.div_ceil(4)).unwrap_or(u64::MAX);
                if said > usage.output {
                    usage.output = said;
                    // What was told was of less.
                    usage.cost = None;
                }
                (usage, true)
            }
        }
    }
}

impl Drop for OpenAttempt {
    fn drop(&mut self) {
        let Some(ledger) = self.ledger.take() else { return };
        if !self.sent {
            ledger.state().handle_never_sent(self.id);
            ledger.shared.changed.notify_one();
            return;
        }
        let (usage, estimated) = self.used();
        let sum = self.opened.sum(&usage, &self.terms, estimated);
        let ended = Ended::new(self.id, self.opened.began, &self.opened.key, &sum, self.outcome);
        ledger.state().handle_close(&self.opened.key, &sum, ended);
        ledger.shared.changed.notify_one();
    }
}

/// The day of a moment, `YYYY-MM-DD` in UTC.
pub(super) fn day(at: SystemTime) -> String {
    humantime::format_rfc3339_seconds(at).to_string()[..10].to_owned()
}
