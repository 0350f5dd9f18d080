//! What every wire's decoder of a streamed answer has in common.

use crate::{ChatError, ChatEvent};

/// A provider's streamed answer as a state machine: bytes in, events out; no clock, no socket.
///
/// Feed it with [`handle_bytes`](Self::handle_bytes) as bytes come, in pieces of any size, and
/// [`handle_end`](Self::handle_end) when the body has ended or is no longer waited for. After each, take events with
/// [`poll_event`](Self::poll_event) until there is none, and then look at [`state`](Self::state). What comes out does
/// not depend on how the bytes were cut, but for where neighbouring deltas are merged.
pub trait StreamDecoder: Send {
    /// Takes the next bytes of the body. Ignored once the state is `Done` or `Failed`.
    fn handle_bytes(&mut self, bytes: &[u8]);

    /// The body has ended. From `Finishing` this completes the answer; from `Open` the answer was cut, which is a
    /// failure of kind `Protocol`.
    fn handle_end(&mut self);

    /// The next event, oldest first.
    fn poll_event(&mut self) -> Option<ChatEvent>;

    /// Where the answer stands.
    fn state(&self) -> &StreamState;

    /// How many frames were skipped because their tag is not known.
    fn skipped(&self) -> u64;
}

/// Where a streamed answer stands.
#[derive(Debug, Clone)]
pub enum StreamState {
    /// The model is still answering.
    Open,
    /// A finish reason was seen; usage or an end marker may still come, and is worth waiting for a moment.
    Finishing,
    /// The answer is complete: its last event is `Finished`.
    Done,
    /// The attempt failed; what came before it was polled or still can be.
    Failed(ChatError),
}
