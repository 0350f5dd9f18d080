//! The stream of an answer, as a state machine.

mod assembler;
mod extras;
mod line;

pub(super) use assembler::Assembler;

use crate::{
    decode::{StreamDecoder, StreamState},
    event::ChatEvent,
    frame::NdjsonFramer,
};

/// Reads a streamed answer of `/api/chat` or `/api/generate`.
#[derive(Debug, Default)]
pub struct OllamaDecoder {
    framer: NdjsonFramer,
    answer: Assembler,
}

impl OllamaDecoder {
    /// A decoder at the start of an answer.
    pub fn new() -> Self {
        Self::default()
    }

    fn take_lines(&mut self) {
        while matches!(self.answer.state(), StreamState::Open) {
            match self.framer.next_line() {
                None => break,
                Some(Ok(line)) => self.answer.take_line(line),
                Some(Err(error)) => self.answer.fail_protocol(&error.to_string()),
            }
        }
    }
}

impl StreamDecoder for OllamaDecoder {
    fn handle_bytes(&mut self, bytes: &[u8]) {
        if matches!(self.answer.state(), StreamState::Open) {
            self.framer.push(bytes);
            self.take_lines();
        }
    }

    fn handle_end(&mut self) {
        self.framer.end();
        self.take_lines();
        self.answer.end();
    }

    fn poll_event(&mut self) -> Option<ChatEvent> {
        self.answer.poll_event()
    }

    fn state(&self) -> &StreamState {
        self.answer.state()
    }

    fn skipped(&self) -> u64 {
        self.answer.skipped()
    }
}
