//! A whole answer, for which no stream was asked, or which came though one was.

use super::stream::Assembler;
use crate::{
    error::{ChatError, ErrorKind},
    error_response::not_json,
    event::ChatEvent,
    names::ToolNames,
};

/// Reads a whole answer: the events that it would have been as a stream, `Finished` last. `names` is what
/// [`encode_request`](super::encode_request) gave.
///
/// White space around it is allowed: OpenRouter keeps the connection alive with it.
///
/// # Errors
///
/// The body is not an answer (`Protocol`), it is one that is still being made, or it is an error under status 200.
pub fn decode_answer(body: &[u8], names: &ToolNames) -> Result<Vec<ChatEvent>, ChatError> {
    let body = body.trim_ascii();
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    if !body.starts_with(b"{") {
        return Err(not_json(body, 200));
    }
    let text = str::from_utf8(body).map_err(|_| ChatError::new(ErrorKind::Protocol, "the answer is not utf-8"))?;
    Assembler::new(names.clone()).whole(text)
}
