//! Building attempts in Rust, and giving a built one another shape.

use std::time::Duration;

use serde_json::Value;

use crate::payload::{Headers, Payload};
use crate::script::{Attempt, Framing, Status, Step, When};

impl Default for Attempt {
    fn default() -> Self {
        Self { when: None, times: 1, always: false, steps: Vec::new() }
    }
}

impl Attempt {
    /// An attempt without steps, to add them to.
    pub fn new() -> Self {
        Self::default()
    }

    /// A whole answer of JSON, with its length.
    pub fn json(status: u16, body: &Value) -> Self {
        Self::new().status(status).header("content-type", "application/json").body(body.to_string())
    }

    /// A connection broken before a byte of the answer.
    pub fn reset_at_once() -> Self {
        Self::new().reset()
    }

    /// A server that takes the request and never answers.
    pub fn silent() -> Self {
        Self::new().stall()
    }

    /// Adds a step.
    #[must_use]
    pub fn step(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    /// Adds the head, with chunked framing.
    #[must_use]
    pub fn status(self, code: u16) -> Self {
        self.step(Step::Status(Status { code, headers: Headers::default(), framing: Framing::Chunked }))
    }

    /// Adds a field to the head added last, or to one of status 200 put at the front.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let last = self.steps.iter_mut().rev().find_map(|step| match step {
            Step::Status(status) => Some(status),
            _ => None,
        });
        match last {
            Some(status) => status.headers.push(name, value),
            None => {
                let headers = [(name, value)].into_iter().collect();
                self.steps.insert(0, Step::Status(Status { code: 200, headers, framing: Framing::Chunked }));
            }
        }
        self
    }

    /// Adds a whole body; directly after the head it goes with its `content-length`.
    #[must_use]
    pub fn body(self, bytes: impl Into<Payload>) -> Self {
        self.step(Step::Body(bytes.into()))
    }

    /// Adds a piece of the body.
    #[must_use]
    pub fn send(self, bytes: impl Into<Payload>) -> Self {
        self.step(Step::Send(bytes.into()))
    }

    /// Adds bytes to the socket outside of any framing.
    #[must_use]
    pub fn raw(self, bytes: impl Into<Payload>) -> Self {
        self.step(Step::Raw(bytes.into()))
    }

    /// Adds `bytes` bytes that look like nothing.
    #[must_use]
    pub fn garbage(self, bytes: usize, seed: u64) -> Self {
        self.step(Step::Garbage { bytes, seed })
    }

    /// Adds a pause, in whole milliseconds.
    #[must_use]
    pub fn wait(self, pause: Duration) -> Self {
        self.step(wait(pause))
    }

    /// Adds silence until the client leaves.
    #[must_use]
    pub fn stall(self) -> Self {
        self.step(Step::Stall)
    }

    /// Adds a close in good order.
    #[must_use]
    pub fn cut(self) -> Self {
        self.step(Step::Cut)
    }

    /// Adds a break of the connection.
    #[must_use]
    pub fn reset(self) -> Self {
        self.step(Step::Reset)
    }

    /// Adds the end of the body.
    #[must_use]
    pub fn end(self) -> Self {
        self.step(Step::End)
    }

    /// Adds the steps of `of`, `times` times over.
    #[must_use]
    pub fn repeat(self, times: u32, of: Attempt) -> Self {
        self.step(Step::Repeat { times, steps: of.steps })
    }

    /// Answers only requests of which `when` holds.
    #[must_use]
    pub fn when(mut self, when: When) -> Self {
        self.when = Some(when);
        self
    }

    /// Answers this many requests before the next entry of the route has its turn.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = times;
        self
    }

    /// Is never used up.
    #[must_use]
    pub fn always(mut self) -> Self {
        self.always = true;
        self
    }

    /// Waits before anything of it is sent.
    #[must_use]
    pub fn delayed(mut self, pause: Duration) -> Self {
        self.steps.insert(0, wait(pause));
        self
    }

    /// Closes in good order once `bytes` bytes of the body were sent, wherever that falls. A body
    /// that is not longer than this stays whole.
    #[must_use]
    pub fn cut_at_byte(self, bytes: usize) -> Self {
        self.stopped_at_byte(bytes, Step::Cut)
    }

    /// Falls silent once `bytes` bytes of the body were sent. A body that is not longer stays whole.
    #[must_use]
    pub fn stall_at_byte(self, bytes: usize) -> Self {
        self.stopped_at_byte(bytes, Step::Stall)
    }

    fn stopped_at_byte(mut self, bytes: usize, last: Step) -> Self {
        let mut left = bytes;
        let mut kept = Vec::new();
        for step in flat(&self.steps) {
            let Some(body) = body_of(step) else {
                kept.push(step.clone());
                continue;
            };
            if body.len() > left {
                // A `body` would announce the length of what is left of it, and not be cut at all.
                kept.push(Step::Send(body.get(..left).unwrap_or_default().into()));
                kept.push(last);
                break;
            }
            left -= body.len();
            kept.push(step.clone());
        }
        self.steps = kept;
        self
    }

    /// Sends the same body in pieces of `bytes` bytes (the last of each piece may be shorter), so that
    /// lines, characters and frames are torn apart.
    ///
    /// # Panics
    /// If `bytes` is 0.
    #[must_use]
    pub fn in_pieces_of(mut self, bytes: usize) -> Self {
        let torn = flat(&self.steps).flat_map(|step| match body_of(step) {
            Some(body) => body.chunks(bytes).map(|piece| Step::Send(piece.into())).collect(),
            None => vec![step.clone()],
        });
        self.steps = torn.collect();
        self
    }
}

fn wait(pause: Duration) -> Step {
    Step::Wait { ms: u64::try_from(pause.as_millis()).unwrap_or(u64::MAX) }
}

fn body_of(step: &Step) -> Option<std::borrow::Cow<'_, [u8]>> {
    match step {
        Step::Body(payload) | Step::Send(payload) => Some(payload.as_bytes().into()),
        Step::Garbage { bytes, seed } => Some(garbage(*bytes, *seed).into()),
        _ => None,
    }
}

/// The steps with every `repeat` unrolled, one after the other and without a copy.
pub(crate) fn flat(steps: &[Step]) -> Flat<'_> {
    Flat { open: vec![Round { steps, next: 0, left: 1 }] }
}

pub(crate) struct Flat<'a> {
    open: Vec<Round<'a>>,
}

struct Round<'a> {
    steps: &'a [Step],
    next: usize,
    left: u32,
}

impl<'a> Iterator for Flat<'a> {
    type Item = &'a Step;

    fn next(&mut self) -> Option<&'a Step> {
        loop {
            let round = self.open.last_mut()?;
            let step = (round.left > 0).then(|| round.steps.get(round.next)).flatten();
            match step {
                Some(Step::Repeat { times, steps }) => {
                    round.next += 1;
                    // An empty round would turn `times` times over nothing.
                    let left = if steps.is_empty() { 0 } else { *times };
                    self.open.push(Round { steps, next: 0, left });
                }
                Some(step) => {
                    round.next += 1;
                    return Some(step);
                }
                None if round.left > 1 => {
                    round.left -= 1;
                    round.next = 0;
                }
                None => {
                    self.open.pop();
                }
            }
        }
    }
}

/// Bytes from SplitMix64: the same seed gives the same bytes on every machine.
pub(crate) fn garbage(bytes: usize, seed: u64) -> Vec<u8> {
    let mut state = seed;
    let mut made = Vec::with_capacity(bytes + 8);
    while made.len() < bytes {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        made.extend_from_slice(&(word ^ (word >> 31)).to_le_bytes());
    }
    made.truncate(bytes);
    made
}
