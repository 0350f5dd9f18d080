//! How long an answer may keep one waiting, as a pure value: time is an argument.

use std::time::{Duration, Instant};

use greenroom_wire::{ChatError, ErrorKind};

/// How long to wait for what, for one attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadlines {
    /// From the start of connecting to the first content.
    pub first_content: Duration,
    /// Between bytes, once there was content. Heartbeats count as bytes.
    pub idle: Duration,
    /// Between pieces of content, once there was some.
    pub silent: Duration,
    /// From a finish reason to usage or the end marker; when it runs out the answer is complete.
    pub finish: Duration,
}

/// Watches one attempt. Tell it what happens; it tells when to stop waiting, and what that means.
#[derive(Debug)]
pub struct Watchdog {
    deadlines: Deadlines,
    started: Instant,
    last_byte: Option<Instant>,
    last_content: Option<Instant>,
    finishing: Option<Instant>,
}

/// What a deadline that has passed means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// No content came in time.
    NoFirstContent,
    /// Bytes stopped coming.
    Idle,
    /// Bytes come, but no content.
    Silent,
    /// The answer was finished before; nothing more needs to be waited for.
    Finished,
}

impl Watchdog {
    /// Watches an attempt that begins to connect at `now`.
    pub fn new(deadlines: Deadlines, now: Instant) -> Self {
        Self { deadlines, started: now, last_byte: None, last_content: None, finishing: None }
    }

    /// Bytes came.
    pub fn handle_bytes(&mut self, now: Instant) {
        self.last_byte = Some(now);
    }

    /// The model said something.
    pub fn handle_content(&mut self, now: Instant) {
        self.last_content = Some(now);
    }

    /// A finish reason came; only the first counts, so that a talkative server can't draw the end out.
    pub fn handle_finishing(&mut self, now: Instant) {
        self.finishing.get_or_insert(now);
    }

    /// Until when to wait for the next bytes, and what it means if none have come by then.
    pub fn deadline(&self) -> (Instant, Verdict) {
        if let Some(since) = self.finishing {
            return (since + self.deadlines.finish, Verdict::Finished);
        }
        let Some(content) = self.last_content else {
            return (self.started + self.deadlines.first_content, Verdict::NoFirstContent);
        };
        let idle = self.last_byte.unwrap_or(content) + self.deadlines.idle;
        let silent = content + self.deadlines.silent;
        if idle <= silent { (idle, Verdict::Idle) } else { (silent, Verdict::Silent) }
    }

    /// The failure that a verdict amounts to; `None` for [`Verdict::Finished`].
    pub fn failure(&self, verdict: Verdict) -> Option<ChatError> {
        let (what, limit) = match verdict {
            Verdict::Finished => return None,
            Verdict::NoFirstContent => ("no first token", self.deadlines.first_content),
            Verdict::Idle => ("nothing more", self.deadlines.idle),
            Verdict::Silent => ("only heartbeats", self.deadlines.silent),
        };
        let message = format!("the provider sent {what} within {:.3} s", limit.as_secs_f64());
        Some(ChatError::new(ErrorKind::Timeout, message.replace(".000 s", " s")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEADLINES: Deadlines = Deadlines {
        first_content: Duration::from_secs(12),
        idle: Duration::from_secs(30),
        silent: Duration::from_secs(120),
        finish: Duration::from_secs(1),
    };

    fn after(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn bytes_without_content_do_not_extend_the_first_deadline() {
        let start = Instant::now();
        let mut watchdog = Watchdog::new(DEADLINES, start);
        watchdog.handle_bytes(after(start, 11));
        assert_eq!(watchdog.deadline(), (after(start, 12), Verdict::NoFirstContent));
    }

    #[test]
    fn heartbeats_extend_idle_but_not_silent() {
        let start = Instant::now();
        let mut watchdog = Watchdog::new(DEADLINES, start);
        watchdog.handle_bytes(after(start, 5));
        watchdog.handle_content(after(start, 5));
        assert_eq!(watchdog.deadline(), (after(start, 35), Verdict::Idle));
        watchdog.handle_bytes(after(start, 100));
        assert_eq!(watchdog.deadline(), (after(start, 125), Verdict::Silent));
    }

    #[test]
    fn after_a_finish_reason_only_the_first_second_is_waited() {
        let start = Instant::now();
        let mut watchdog = Watchdog::new(DEADLINES, start);
        watchdog.handle_content(after(start, 5));
        watchdog.handle_finishing(after(start, 6));
        watchdog.handle_bytes(after(start, 7));
        watchdog.handle_finishing(after(start, 7));
        assert_eq!(watchdog.deadline(), (after(start, 7), Verdict::Finished));
        assert!(watchdog.failure(Verdict::Finished).is_none());
    }
}
