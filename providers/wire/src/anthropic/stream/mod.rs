//! The stream of an answer, as a state machine.

mod assembler;
mod block;
mod shape;
mod usage;

pub(super) use assembler::Assembler;
pub(super) use block::goes_back;

use crate::{
    decode::{StreamDecoder, StreamState},
    event::ChatEvent,
    frame::SseFramer,
    names::ToolNames,
};

/// Reads a streamed answer of Anthropic's messages.
#[derive(Debug)]
pub struct AnthropicDecoder {
    framer: SseFramer,
    answer: Assembler,
}

impl AnthropicDecoder {
    /// A decoder of an answer to a request whose tools were renamed so; see [`encode_request`](super::encode_request).
    pub fn new(names: ToolNames) -> Self {
        Self { framer: SseFramer::new(), answer: Assembler::new(names) }
    }

    fn take_frames(&mut self) {
        while matches!(self.answer.state(), StreamState::Open | StreamState::Finishing) {
            match self.framer.next_frame() {
                None => break,
                Some(Ok(frame)) => self.answer.take_frame(frame),
                Some(Err(error)) => self.answer.fail_protocol(&error.to_string()),
            }
        }
    }
}

impl StreamDecoder for AnthropicDecoder {
    fn handle_bytes(&mut self, bytes: &[u8]) {
        if matches!(self.answer.state(), StreamState::Open | StreamState::Finishing) {
            self.framer.push(bytes);
            self.take_frames();
        }
    }

    fn handle_end(&mut self) {
        self.framer.end();
        self.take_frames();
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
