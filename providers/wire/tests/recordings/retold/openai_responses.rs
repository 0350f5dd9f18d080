//! OpenAI's Responses API.

use greenroom_wire::openai_responses::{Echo, OpenaiResponsesDecoder, StreamWriter, ToolNames, decode_request};

use super::read;
use crate::load::Recording;

/// A recorded stream, told again.
pub(super) fn told(recording: &Recording) -> Option<String> {
    let (id, model, events) = read(OpenaiResponsesDecoder::new(ToolNames::default()), recording)?;
    let asked = decode_request(recording.request["body"].to_string().as_bytes());
    let echo = asked.map_or_else(|_| Echo::default(), |served| served.echo);
    let (mut writer, mut out) = (StreamWriter::new(id, 7, model, echo), Vec::new());
    events.iter().for_each(|event| writer.write(event, &mut out));
    String::from_utf8(out).ok()
}
