//! One attempt, from before it is sent until it is booked, however it ends.

use std::time::SystemTime;

use greenroom_providers::Price;
use greenroom_wire::{ChatError, ChatEvent, ErrorKind, Usage};
use serde::{Deserialize, Serialize};

use super::{
    Ledger,
    row::{Asker, UsageKey, names, parts},
};
use crate::store::Amounts;

/// What an attempt is booked under, and what it is expected to use.
#[derive(Debug, Clone)]
pub(crate) struct Booking {
    pub(crate) provider: String,
    pub(crate) model: String,
    pub(crate) profile: String,
    pub(crate) asker: Asker,
    /// Whether it is the first attempt at its answer.
    pub(crate) is_first: bool,
    /// About how many tokens its prompt has, and its answer will.
    pub(crate) prompt: u64,
    pub(crate) answer: u64,
    pub(crate) price: Option<Price>,
}

/// An attempt as the store has it while it is open: under which key which amounts are booked if nobody closes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Expected {
    pub(super) key: String,
    pub(super) amounts: Amounts,
}

/// An attempt that is under way. Dropping it books what is known by then.
#[derive(Debug)]
pub(crate) struct OpenAttempt {
    ledger: Option<Ledger>,
    id: u64,
    key: UsageKey,
    booking: Booking,
    /// What its provider has told so far.
    told: Option<Usage>,
    /// Bytes that it has said.
    said: usize,
    spoke: bool,
    sent: bool,
    outcome: Option<Outcome>,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// Its provider told what it used.
    Whole,
    /// Refused before a token: nothing was used.
    Refused,
}

impl OpenAttempt {
    pub(super) fn new(ledger: Option<Ledger>, booking: Booking) -> Self {
        let key = UsageKey {
            day: day(SystemTime::now()),
            provider: booking.provider.clone(),
            model: booking.model.clone(),
            profile: booking.profile.clone(),
            asker: booking.asker.clone(),
        };
        let open = Self {
            ledger,
            id: rand::random(),
            key,
            booking,
            told: None,
            said: 0,
            spoke: false,
            sent: false,
            outcome: None,
        };
        if let Some(ledger) = &open.ledger {
            let usage = Usage { input: open.booking.prompt, output: open.booking.answer, ..Usage::default() };
            let expected = Expected { key: open.key.text(), amounts: open.amounts(&usage, true) };
            ledger.books().handle_open(open.id, expected);
            ledger.shared.changed.notify_one();
        }
        open
    }

    /// It is sent. One that never was is not booked.
    pub(crate) fn handle_sent(&mut self) {
        self.sent = true;
    }

    /// The model says something, or its provider tells what it used.
    pub(crate) fn handle_events(&mut self, events: &[ChatEvent]) {
        for event in events {
            self.spoke |= event.is_content();
            match event {
                ChatEvent::Text { delta }
                | ChatEvent::Thinking { delta }
                | ChatEvent::Refusal { delta }
                | ChatEvent::ToolCallArgs { delta, .. } => self.said += delta.len(),
                ChatEvent::Usage(usage) => self.told = Some(usage.clone()),
                _ => {}
            }
        }
    }

    /// It has ended by itself; `left` is whether it was left before its end.
    pub(crate) fn handle_end(&mut self, outcome: Result<(), &ChatError>, left: bool) {
        self.outcome = match outcome {
            Ok(()) if !left && self.told.is_some() => Some(Outcome::Whole),
            // Where nobody knows whether the model had begun, it had.
            Err(error) if !self.spoke && !matches!(error.kind, ErrorKind::Timeout | ErrorKind::Protocol) => {
                Some(Outcome::Refused)
            }
            _ => None,
        };
    }

    /// What it used, and whether that is an estimate.
    fn used(&self) -> (Usage, bool) {
        match self.outcome {
            Some(Outcome::Whole) => (self.told.clone().unwrap_or_default(), false),
            Some(Outcome::Refused) => (Usage::default(), false),
            None => {
                // What was told before the end is a lower bound.
                let mut usage = self.told.clone().unwrap_or_default();
                if usage.input_total() == 0 {
                    usage.input = self.booking.prompt;
                }
                usage.output = usage.output.max(u64::try_from(self.said.div_ceil(4)).unwrap_or(u64::MAX));
                (usage, true)
            }
        }
    }

    fn amounts(&self, usage: &Usage, estimated: bool) -> Amounts {
        let signed = |amount: u64| i64::try_from(amount).unwrap_or(i64::MAX);
        let mut amounts = Amounts::from([(names::ATTEMPTS.to_owned(), 1)]);
        let mut add = |name: &str, amount: i64| {
            if amount != 0 {
                amounts.insert(name.to_owned(), amount);
            }
        };
        add(names::REQUESTS, i64::from(self.booking.is_first));
        add(names::ESTIMATED, i64::from(estimated));
        parts(usage).into_iter().for_each(|(name, amount)| add(name, signed(amount)));
        match &self.booking.price {
            Some(price) => add(names::COST, i64::try_from(price.cost(usage).parts()).unwrap_or(i64::MAX)),
            None => add(names::UNPRICED, i64::from(*usage != Usage::default())),
        }
        amounts
    }
}

impl Drop for OpenAttempt {
    fn drop(&mut self) {
        let Some(ledger) = self.ledger.take() else { return };
        if !self.sent {
            ledger.books().handle_never_sent(self.id);
            ledger.shared.changed.notify_one();
            return;
        }
        let (usage, estimated) = self.used();
        let amounts = self.amounts(&usage, estimated);
        ledger.books().handle_close(self.id, self.key.text(), &amounts);
        ledger.shared.changed.notify_one();
    }
}

/// The day of a moment, `YYYY-MM-DD` in UTC.
fn day(at: SystemTime) -> String {
    humantime::format_rfc3339_seconds(at).to_string()[..10].to_owned()
}
