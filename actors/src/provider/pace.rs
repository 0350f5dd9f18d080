//! Ahead of the 429: requests are paced by what a provider's headers say is left. Pure: time is an argument.
//!
//! What a header says was true when the provider wrote it. Whatever was on its way then may or may not be counted in it, so
//! what is left is the greatest number that is sure: what was said, less all that went out and was not known to be counted
//! when this request went out. While more than half of a limit is left nobody waits; the other half is spread over the time
//! until the limit is whole again, and when nothing is left everybody waits for that.

use std::{collections::HashMap, time::Duration};

use greenroom_wire::{RateLimits, rate_limits::Allowance};
use tokio::time::Instant;

use super::meter::Estimate;

/// Nobody waits for longer on a header's word; after it one request goes out to hear whether it still holds.
const LONGEST: Duration = Duration::from_secs(60);
/// How far a late timer may be caught up with.
const CATCH_UP: Duration = Duration::from_millis(10);
/// Requests, tokens, tokens of prompts, tokens of answers.
const LIMITS: usize = 4;

/// What is known of each profile and model.
#[derive(Debug, Default)]
pub(super) struct Paces {
    profiles: Vec<HashMap<String, Pace>>,
}

/// What a request took when it went out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ticket {
    number: u64,
    costs: [u64; LIMITS],
    /// What was known to be counted then.
    seen: [u64; LIMITS],
}

#[derive(Debug, Default)]
struct Pace {
    /// Requests that went out, and of these those that are not over.
    sent: u64,
    out: u64,
    limits: [Limit; LIMITS],
}

#[derive(Debug, Default)]
struct Limit {
    /// All that ever went out, and what of it the provider is known to have counted.
    sent: u64,
    seen: u64,
    told: Option<Told>,
}

/// What was told of one limit, and what follows from it.
#[derive(Debug)]
struct Told {
    limit: u64,
    /// What is left for sure; may be negative when more goes out than was said to be left.
    left: i64,
    resets_at: Instant,
    /// How long it is from a reset to the next, as far as was seen.
    span: Duration,
    /// Whether the reset is too far away to be waited for.
    is_far: bool,
    /// After a far reset, or if nothing is known, one goes out whatever is left.
    probe: bool,
    /// Not before this, while the second half is spread.
    next_at: Instant,
    /// The last reset: when, and after which request and how much.
    since: Instant,
    since_number: u64,
    since_sent: u64,
    /// What was on its way over that reset, and may yet turn out to have been counted before it.
    crossing: u64,
}

fn costs(estimate: Estimate) -> [u64; LIMITS] {
    [1, estimate.total().into(), estimate.prompt.into(), estimate.answer.into()]
}

fn told(limits: &RateLimits) -> [Option<Allowance>; LIMITS] {
    // What the priority tier has left is no bound: what is beyond it falls to the others.
    [limits.requests, limits.tokens, limits.input_tokens, limits.output_tokens]
}

impl Paces {
    pub(super) fn new(profiles: usize) -> Self {
        Self { profiles: (0..profiles).map(|_| HashMap::new()).collect() }
    }

    /// One more profile.
    pub(super) fn add(&mut self) {
        self.profiles.push(HashMap::new());
    }

    /// How long a request has to wait, if it has to.
    pub(super) fn wait(&mut self, at: usize, model: &str, estimate: Estimate, now: Instant) -> Option<Duration> {
        let pace = self.profiles[at].get_mut(model)?;
        let sent = pace.sent;
        let waits = pace.limits.iter_mut().zip(costs(estimate)).filter_map(|(limit, cost)| limit.wait(cost, sent, now));
        waits.max()
    }

    /// A request goes out.
    pub(super) fn take(&mut self, at: usize, model: &str, estimate: Estimate, now: Instant) -> Ticket {
        let costs = costs(estimate);
        let pace = match self.profiles[at].get_mut(model) {
            Some(pace) => pace,
            None => self.profiles[at].entry(model.to_owned()).or_default(),
        };
        pace.sent += 1;
        pace.out += 1;
        let seen = pace.limits.each_ref().map(|limit| limit.seen);
        pace.limits.iter_mut().zip(costs).for_each(|(limit, cost)| limit.take(cost, now));
        Ticket { number: pace.sent, costs, seen }
    }

    /// The response to a request says so; `first` is whether it is the first to.
    pub(super) fn handle_told(
        &mut self,
        at: usize,
        model: &str,
        ticket: &Ticket,
        first: bool,
        limits: &RateLimits,
        now: Instant,
    ) {
        let Some(pace) = self.profiles[at].get_mut(model) else { return };
        for (index, allowance) in told(limits).into_iter().enumerate() {
            let limit = &mut pace.limits[index];
            if first {
                limit.seen += ticket.costs[index];
            }
            if let Some(allowance) = allowance {
                limit.handle_told(allowance, ticket, index, pace.sent, now);
            }
        }
    }

    /// A request is over, or never `begun`. `seen` is whether its response had begun.
    pub(super) fn handle_end(&mut self, at: usize, model: &str, ticket: &Ticket, seen: bool, begun: bool) {
        let Some(pace) = self.profiles[at].get_mut(model) else { return };
        pace.out -= 1;
        for (limit, cost) in pace.limits.iter_mut().zip(ticket.costs) {
            if !seen {
                limit.seen += cost;
            }
            if let Some(told) = limit.told.as_mut().filter(|_| !begun) {
                told.left = told.left.saturating_add_unsigned(cost);
            }
        }
        // What says nothing is nothing to keep, or every name that was ever asked for would stay.
        if pace.out == 0 && pace.limits.iter().all(|limit| limit.told.is_none()) {
            self.profiles[at].remove(model);
        }
    }

    /// For how long the next request with this profile waits, of whichever model that is the longest.
    pub(super) fn held(&mut self, at: usize, now: Instant) -> Option<Duration> {
        let models = self.profiles[at].values_mut();
        let waits = models.filter_map(|pace| {
            let sent = pace.sent;
            pace.limits.iter_mut().filter_map(|limit| limit.wait(1, sent, now)).max()
        });
        waits.max()
    }
}

impl Limit {
    fn wait(&mut self, cost: u64, number: u64, now: Instant) -> Option<Duration> {
        let unseen = self.sent - self.seen;
        let sent = self.sent;
        let told = self.told.as_mut()?;
        told.roll(number, sent, unseen, now);
        if told.probe || cost == 0 {
            return None;
        }
        // What is larger than the limit waits for a whole one.
        let needed = signed(cost.min(told.limit));
        let until = if told.left < needed {
            told.resets_at
        } else if told.is_spread() {
            told.next_at.min(told.resets_at)
        } else {
            return None;
        };
        (until > now).then(|| until - now)
    }

    fn take(&mut self, cost: u64, now: Instant) {
        self.sent += cost;
        let Some(told) = &mut self.told else { return };
        told.left = told.left.saturating_sub_unsigned(cost);
        told.probe = false;
        if told.is_spread() && cost > 0 {
            // A little early, so that the last one is not overtaken by the reset.
            let time = told.resets_at.saturating_duration_since(now).mul_f64(0.9);
            let left = u64::try_from(told.left).unwrap_or(0).max(cost);
            #[expect(clippy::cast_precision_loss, reason = "a share need not be exact")]
            let share = cost as f64 / left as f64;
            let from = told.next_at.max(now.checked_sub(CATCH_UP).unwrap_or(now));
            told.next_at = from + time.mul_f64(share);
        }
    }

    fn handle_told(&mut self, allowance: Allowance, ticket: &Ticket, index: usize, number: u64, now: Instant) {
        let Some(resets_in) = allowance.resets_in else { return };
        let unsure = self.sent - ticket.seen[index] - ticket.costs[index];
        let sure = signed(allowance.remaining) - signed(unsure);
        let is_far = resets_in > LONGEST;
        let resets_at = now + resets_in.min(LONGEST);
        let whole = allowance.limit.unwrap_or(allowance.remaining + ticket.costs[index]);
        let Some(told) = &mut self.told else {
            self.told = Some(Told {
                limit: whole,
                left: sure,
                resets_at,
                span: resets_at - now,
                is_far,
                probe: false,
                next_at: now,
                since: now,
                since_number: 0,
                since_sent: 0,
                crossing: 0,
            });
            return;
        };
        // From before the last reset: it says nothing of what is left since.
        if ticket.number <= told.since_number && resets_at <= told.since + told.span / 2 {
            let counted_before = ticket.costs[index].min(told.crossing);
            told.crossing -= counted_before;
            told.left = told.left.saturating_add_unsigned(counted_before);
            return;
        }
        told.limit = if allowance.limit.is_some() { whole } else { told.limit.max(whole) };
        told.left = told.left.max(sure).min(signed(allowance.remaining));
        if resets_at > told.resets_at + told.span / 2 {
            (told.since, told.since_number, told.since_sent, told.crossing) = (now, number, self.sent, 0);
        }
        (told.resets_at, told.is_far) = (resets_at, is_far);
        told.span = told.span.max(resets_at - now);
    }
}

impl Told {
    /// Whether so little is left that it is spread.
    fn is_spread(&self) -> bool {
        !self.is_far && self.left.saturating_mul(2) <= signed(self.limit)
    }

    /// Takes the limit for whole once its reset has passed.
    fn roll(&mut self, number: u64, sent: u64, unseen: u64, now: Instant) {
        if now < self.resets_at {
            return;
        }
        if self.is_far {
            self.probe = true;
        } else {
            // What is on its way since the last reset may only be counted after this one.
            self.crossing = unseen.min(sent - self.since_sent);
            self.left = signed(self.limit) - signed(self.crossing);
        }
        (self.since, self.since_number, self.since_sent) = (now, number, sent);
        self.resets_at = now + self.span;
        self.next_at = now;
    }
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
#[path = "pace_tests.rs"]
mod tests;
