//! The stream of an answer, as a state machine.

mod assembler;
mod calls;
mod finish;
mod pieces;
mod said;
mod shape;
mod usage;

pub(super) use assembler::Assembler;
pub(super) use usage::number;

use crate::{
    decode::{StreamDecoder, StreamState},
    event::ChatEvent,
    frame::{ObjectFramer, SseFramer},
    names::ToolNames,
};

/// Reads a streamed answer: server-sent events, or the array of objects that comes where those were not asked for.
#[derive(Debug)]
pub struct GeminiDecoder {
    framer: Framer,
    answer: Assembler,
}

#[derive(Debug)]
enum Framer {
    /// Nothing but white space and a byte order mark was seen yet.
    Unknown(Vec<u8>),
    Sse(SseFramer),
    Objects(ObjectFramer),
}

impl GeminiDecoder {
    /// A decoder of an answer to a request whose tools were renamed so; see [`encode_request`](super::encode_request).
    pub fn new(names: ToolNames) -> Self {
        Self { framer: Framer::Unknown(Vec::new()), answer: Assembler::new(names) }
    }

    fn is_open(&self) -> bool {
        matches!(self.answer.state(), StreamState::Open | StreamState::Finishing)
    }

    fn take_frames(&mut self) {
        while self.is_open() {
            let taken = match &mut self.framer {
                Framer::Unknown(_) => break,
                Framer::Sse(framer) => match framer.next_frame() {
                    None => break,
                    Some(frame) => frame.map(|frame| self.answer.take_frame(frame.data)),
                },
                Framer::Objects(framer) => match framer.next_object() {
                    None => break,
                    Some(object) => object.map(|object| self.answer.take_frame(object)),
                },
            };
            if let Err(error) = taken {
                self.answer.fail_protocol(&error.to_string());
            }
        }
    }
}

/// Which form a body has, once something of it is seen.
fn framer_of(start: &[u8]) -> Option<Framer> {
    const MARK: &[u8] = b"\xef\xbb\xbf";
    let bytes = start.strip_prefix(MARK).unwrap_or(start);
    let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace())?;
    if bytes.len() == start.len() && MARK.starts_with(start) {
        return None;
    }
    Some(match first {
        b'[' | b'{' => {
            let mut framer = ObjectFramer::new();
            framer.push(bytes);
            Framer::Objects(framer)
        }
        _ => {
            let mut framer = SseFramer::new();
            framer.push(start);
            Framer::Sse(framer)
        }
    })
}

impl StreamDecoder for GeminiDecoder {
    fn handle_bytes(&mut self, bytes: &[u8]) {
        if !self.is_open() {
            return;
        }
        match &mut self.framer {
            Framer::Unknown(start) => {
                // White space alone is no answer, and must not fill the memory.
                if start.len() < 1024 || bytes.iter().any(|byte| !byte.is_ascii_whitespace()) {
                    start.extend_from_slice(bytes);
                }
                if let Some(framer) = framer_of(start) {
                    self.framer = framer;
                }
            }
            Framer::Sse(framer) => framer.push(bytes),
            Framer::Objects(framer) => framer.push(bytes),
        }
        self.take_frames();
    }

    fn handle_end(&mut self) {
        match &mut self.framer {
            Framer::Unknown(_) => {}
            Framer::Sse(framer) => framer.end(),
            Framer::Objects(framer) => framer.end(),
        }
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
