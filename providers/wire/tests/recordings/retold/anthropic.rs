//! Anthropic's messages.

use greenroom_wire::anthropic::{AnthropicDecoder, StreamWriter, ToolNames};

use super::read;
use crate::load::Recording;

/// A recorded stream, told again.
pub(super) fn told(recording: &Recording) -> Option<String> {
    let (id, model, events) = read(AnthropicDecoder::new(ToolNames::default()), recording)?;
    let (mut writer, mut out) = (StreamWriter::new(id, model), Vec::new());
    events.iter().for_each(|event| writer.write(event, &mut out));
    String::from_utf8(out).ok()
}
