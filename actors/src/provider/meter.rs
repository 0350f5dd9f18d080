//! What an attempt has used so far, known even if its task is dropped in the midst of it.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use greenroom_wire::{ChatEvent, RateLimits, Usage};
use tokio::time::Instant;

use super::{actor::ProviderMsg, limiter::Limiters, pace::Ticket};
use crate::handle::Handle;

/// About how many bytes of text are a token.
const BYTES_PER_TOKEN: u64 = 4;

/// What was asked for with a permit, in tokens.
#[derive(Debug, Clone, Copy)]
pub(super) struct Estimate {
    pub(super) prompt: u32,
    pub(super) answer: u32,
}

impl Estimate {
    pub(super) fn total(self) -> u32 {
        self.prompt.saturating_add(self.answer)
    }
}

/// Counts what one attempt uses, and hands on what its provider says is left.
pub(crate) struct Meter {
    limiters: Arc<Limiters>,
    actor: Handle<ProviderMsg>,
    /// The profile's place.
    at: usize,
    model: String,
    ticket: Ticket,
    begun: AtomicBool,
    /// Whether the provider is known to have counted the request.
    seen: AtomicBool,
    /// Bytes of the answer.
    bytes: AtomicU64,
    usage: Mutex<Option<Usage>>,
}

impl Meter {
    pub(super) fn new(
        limiters: Arc<Limiters>,
        actor: Handle<ProviderMsg>,
        at: usize,
        model: String,
        ticket: Ticket,
    ) -> Self {
        Self {
            limiters,
            actor,
            at,
            model,
            ticket,
            begun: AtomicBool::new(false),
            seen: AtomicBool::new(false),
            bytes: AtomicU64::new(0),
            usage: Mutex::default(),
        }
    }

    pub(super) fn begin(&self) {
        self.begun.store(true, Ordering::Relaxed);
    }

    pub(super) fn has_begun(&self) -> bool {
        self.begun.load(Ordering::Relaxed)
    }

    /// One read of the connection gave these.
    pub(crate) fn handle_events(&self, events: &[ChatEvent]) {
        let mut bytes = 0;
        for event in events {
            bytes += event.delta().map_or(0, |delta| delta.len() as u64);
            if let ChatEvent::Usage(usage) = event {
                *self.usage.lock().unwrap_or_else(PoisonError::into_inner) = Some(usage.clone());
            }
        }
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// The provider says that so much is left.
    pub(crate) fn handle_limits(&self, limits: &RateLimits) {
        let first = !self.seen.swap(true, Ordering::Relaxed);
        self.limiters.paces().handle_told(self.at, &self.model, &self.ticket, first, limits, Instant::now());
        // Whoever waits may go earlier for it.
        self.actor.cast(ProviderMsg::Freed);
    }

    /// The attempt is over, whatever came of it.
    pub(super) fn handle_end(&self) {
        let seen = self.seen.swap(true, Ordering::Relaxed);
        self.limiters.paces().handle_end(self.at, &self.model, &self.ticket, seen, self.has_begun());
    }

    /// Tokens of prompt and answer as they count against limits; `whole` is whether the answer came to its end.
    pub(super) fn used(&self, whole: bool, prompt: u32, counts_cached: bool) -> u32 {
        let usage = self.usage.lock().unwrap_or_else(PoisonError::into_inner);
        let told = usage.as_ref().map(|usage| prompt_of(usage, counts_cached));
        let prompt = told.filter(|told| whole || *told > 0).unwrap_or(prompt.into());
        u32::try_from(prompt.saturating_add(self.answer_of(usage.as_ref(), whole))).unwrap_or(u32::MAX)
    }

    /// Tokens of the answer so far.
    pub(super) fn answer(&self, whole: bool) -> u32 {
        let usage = self.usage.lock().unwrap_or_else(PoisonError::into_inner);
        u32::try_from(self.answer_of(usage.as_ref(), whole)).unwrap_or(u32::MAX)
    }

    fn answer_of(&self, usage: Option<&Usage>, whole: bool) -> u64 {
        let by_bytes = self.bytes.load(Ordering::Relaxed).div_ceil(BYTES_PER_TOKEN);
        match usage {
            Some(usage) if whole => usage.output,
            // Of an answer that was cut only a lower bound was told.
            Some(usage) => usage.output.max(by_bytes),
            None => by_bytes,
        }
    }
}

/// Tokens of a prompt as they count against limits.
fn prompt_of(usage: &Usage, counts_cached: bool) -> u64 {
    if counts_cached { usage.input_total() } else { usage.input_total() - usage.cache_read }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_from_a_cache_counts_where_the_provider_counts_it() {
        let usage = Usage { input: 1, cache_read: 20, cache_write_5m: 300, output: 4000, ..Usage::default() };
        assert_eq!((prompt_of(&usage, true), prompt_of(&usage, false)), (321, 301));
    }
}
