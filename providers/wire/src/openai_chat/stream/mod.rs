//! The stream of an answer, as a state machine.

mod assembler;
mod calls;
mod chunk;
mod details;
mod extras;
mod usage;

pub(super) use assembler::Assembler;

use crate::{
    decode::{StreamDecoder, StreamState},
    event::ChatEvent,
    frame::SseFramer,
    names::ToolNames,
};

/// Reads a streamed answer of OpenAI chat completions, from OpenAI or any compatible server.
///
/// What other servers do differently is told apart by what they send, never by who they are.
#[derive(Debug)]
pub struct OpenaiChatDecoder {
    framer: SseFramer,
    answer: Assembler,
}

impl OpenaiChatDecoder {
    /// A decoder of an answer for which this many choices were asked for (`n`).
    ///
    /// With 1, whatever choices come are parts of one answer (Copilot spreads one over several). With more, choice 0 is
    /// the answer, and the others go out as [`ChatEvent::Extra`]s at `/choices/{i}/…`.
    pub fn new(choices: u32) -> Self {
        Self { framer: SseFramer::new(), answer: Assembler::new(choices) }
    }

    /// A decoder of an answer to a request whose tools were renamed so; see
    /// [`encode_request`](super::encode_request).
    #[must_use]
    pub fn with_names(self, names: ToolNames) -> Self {
        Self { answer: self.answer.with_names(names), ..self }
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

impl StreamDecoder for OpenaiChatDecoder {
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
