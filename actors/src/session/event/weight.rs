//! Roughly how many bytes an event holds: what bounds how much of a log is in memory at once.

use greenroom_wire::{
    ChatRequest, Message, Part,
    chat::{Extra, MediaSource, Tool},
};
use serde_json::Value;

use super::{Asked, EventBody, Failure};

/// Of an event, a part or a tool without its texts.
const FRAME: usize = 64;

impl EventBody {
    /// Roughly how many bytes it holds, for bounds: of a delta those of its text alone.
    pub(crate) fn weight(&self) -> usize {
        FRAME
            + match self {
                Self::SessionCreated { model, system, tools, .. } => text(model) + text(system) + all(tools, of_tool),
                Self::SessionUpdated { model, system, tools, .. } => {
                    text(model) + text(system) + tools.as_ref().map_or(0, |tools| all(tools, of_tool))
                }
                Self::MessageUser { parts, asked, .. } => all(parts, of_part) + asked.as_deref().map_or(0, of_asked),
                Self::ToolResult { parts, .. } => all(parts, of_part),
                Self::TurnWaiting { ids } => all(ids, |id| FRAME + id.len()),
                Self::Context { summary, .. } => text(summary),
                Self::Media { data, .. } => data.len(),
                Self::Opaque { data, .. } | Self::Citation { citation: data } => of_value(data),
                Self::Extra(extra) => of_extra(extra),
                Self::TurnFailed { error } | Self::Error { error } => of_failure(error),
                body => return body.delta().map_or(FRAME, String::len),
            }
    }
}

fn all<T>(items: &[T], of: impl Fn(&T) -> usize) -> usize {
    items.iter().map(of).sum()
}

fn text(text: &Option<String>) -> usize {
    text.as_ref().map_or(0, String::len)
}

fn of_asked(asked: &Asked) -> usize {
    let Asked { instructions, request, told, .. } = asked;
    let ChatRequest { model, messages, tools, stop, metadata, extra, .. } = request;
    let messages = all(messages, |Message { parts, extra, .. }| FRAME + all(parts, of_part) + all(extra, of_extra));
    let labels = metadata.iter().map(|(key, value)| key.len() + of_value(value)).sum::<usize>();
    let said = text(instructions) + model.len() + messages + all(tools, of_tool) + all(stop, String::len);
    FRAME + said + labels + all(extra, of_extra) + of_value(told)
}

fn of_part(part: &Part) -> usize {
    FRAME
        + match part {
            Part::Text { text } | Part::Refusal { text } | Part::Thinking { text } => text.len(),
            Part::Image { source, .. } | Part::Document { source, .. } | Part::Audio { source } => of_source(source),
            Part::ToolCall { arguments, .. } => arguments.len(),
            Part::ToolResult { parts, .. } => all(parts, of_part),
            Part::Opaque { data, .. } => of_value(data),
        }
}

fn of_source(source: &MediaSource) -> usize {
    match source {
        MediaSource::Base64 { data, .. } => data.len(),
        MediaSource::Url { url } => url.len(),
        MediaSource::File { id } => id.len(),
    }
}

fn of_tool(tool: &Tool) -> usize {
    FRAME
        + match tool {
            Tool::Function { name, description, parameters, extra, .. } => {
                let parameters = parameters.as_ref().map_or(0, of_value);
                name.len() + text(description) + parameters + all(extra, of_extra)
            }
            Tool::Native { json, .. } => of_value(json),
        }
}

fn of_extra(extra: &Extra) -> usize {
    extra.path.len() + of_value(&extra.json)
}

fn of_failure(failure: &Failure) -> usize {
    FRAME + failure.message.len() + text(&failure.hint) + all(&failure.attempts, of_failure)
}

fn of_value(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len() + 2,
        Value::Array(items) => all(items, of_value) + 2,
        Value::Object(map) => map.iter().map(|(key, value)| key.len() + 3 + of_value(value)).sum::<usize>() + 2,
        _ => 8,
    }
}
