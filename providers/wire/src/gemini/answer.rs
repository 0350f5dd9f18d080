//! A whole answer, for which no stream was asked, or which came though one was.

use super::stream::{Assembler, GeminiDecoder};
use crate::{
    decode::{StreamDecoder, StreamState},
    error::{ChatError, ErrorKind},
    error_response::not_json,
    event::ChatEvent,
    names::ToolNames,
};

/// Reads a whole answer: the events that it would have been as a stream, `Finished` last. `names` is what
/// [`encode_request`](super::encode_request) gave.
///
/// A stream that was read to its end is read as well, in either of its forms.
///
/// # Errors
///
/// The body is not an answer, or not all of one (`Protocol`), or it is an error under status 200, or its prompt was
/// blocked (`ContentFilter`).
pub fn decode_answer(body: &[u8], names: &ToolNames) -> Result<Vec<ChatEvent>, ChatError> {
    let body = body.trim_ascii();
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    if body.starts_with(b"{") {
        let text = str::from_utf8(body).map_err(|_| ChatError::new(ErrorKind::Protocol, "the answer is not utf-8"))?;
        return Assembler::new(names.clone()).whole(text);
    }
    if !body.starts_with(b"[") && !body.starts_with(b"data:") && !body.starts_with(b":") {
        return Err(not_json(body, 200));
    }
    let mut decoder = GeminiDecoder::new(names.clone());
    decoder.handle_bytes(body);
    decoder.handle_end();
    match decoder.state() {
        StreamState::Failed(error) => Err(error.clone()),
        _ => Ok(std::iter::from_fn(|| decoder.poll_event()).collect()),
    }
}
