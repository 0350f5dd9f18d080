//! A whole answer, for which no stream was asked, or which came though one was.

use super::stream::{Assembler, OllamaDecoder};
use crate::{
    decode::{StreamDecoder, StreamState},
    error::{ChatError, ErrorKind},
    error_response::not_json,
    event::ChatEvent,
};

/// Reads a whole answer: the events that it would have been as a stream, `Finished` last.
///
/// Some proxies send a stream under another content type; that is read as the stream it is.
///
/// # Errors
///
/// The body is not an answer, or not all of one (`Protocol`), or it is an error under status 200.
pub fn decode_answer(body: &[u8]) -> Result<Vec<ChatEvent>, ChatError> {
    let trimmed = body.trim_ascii();
    let trimmed = trimmed.strip_prefix(b"\xef\xbb\xbf").unwrap_or(trimmed);
    if !trimmed.starts_with(b"{") {
        return Err(not_json(trimmed, 200));
    }
    let text = str::from_utf8(trimmed).map_err(|_| ChatError::new(ErrorKind::Protocol, "the answer is not utf-8"))?;
    // One object may be written over several lines; several objects are lines.
    if serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok() {
        let mut answer = Assembler::default();
        answer.take_line(text);
        return match answer.state() {
            StreamState::Failed(error) => Err(error.clone()),
            StreamState::Done => Ok(std::iter::from_fn(|| answer.poll_event()).collect()),
            _ => Err(ChatError::new(ErrorKind::Protocol, "the answer is not complete")),
        };
    }
    let mut decoder = OllamaDecoder::new();
    decoder.handle_bytes(trimmed);
    decoder.handle_end();
    match decoder.state() {
        StreamState::Failed(error) => Err(error.clone()),
        _ => Ok(std::iter::from_fn(|| decoder.poll_event()).collect()),
    }
}
