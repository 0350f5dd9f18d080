//! A block of an answer, from its start to its end.

use serde_json::{Map, Value, json, value::RawValue};

use super::shape::{self, Delta, Str, Tag};
use crate::{calls::Calls, chat::ToolCallKind, event::ChatEvent, names::ToolNames, queue::Queue};

/// What an event or a block can fail for, in words fit to show; they never quote it.
pub(super) type Broken = &'static str;

/// A block that has begun and not ended.
#[derive(Debug)]
pub(super) enum Block {
    Text {
        text: String,
        citations: Vec<Value>,
    },
    Thinking {
        text: String,
        signature: String,
    },
    Call {
        index: u32,
        input: Option<String>,
        has_arguments: bool,
    },
    /// What goes back as it is: its start, and the JSON that its deltas write into `input`.
    Verbatim {
        json: Map<String, Value>,
        input: String,
    },
    /// What is not known.
    Unknown,
}

/// What a block is made with.
pub(super) struct Making<'a> {
    pub(super) queue: &'a mut Queue,
    pub(super) calls: &'a mut Calls,
    pub(super) names: &'a ToolNames,
    /// The answer's id.
    pub(super) answer: &'a str,
}

impl Block {
    /// Begins a block and says what its start says; with it, the fields of a tool call that nobody has a word for.
    ///
    /// # Errors
    ///
    /// It is of a known type, and not what that is.
    pub(super) fn begin(raw: &RawValue, making: Making<'_>) -> Result<(Self, Map<String, Value>), Broken> {
        const BROKEN: Broken = "a block of the answer is not what this wire allows";
        let tag = Tag::of(raw.get()).ok_or(BROKEN)?;
        let none = Map::new;
        match tag.kind() {
            "text" => {
                let block: shape::Block<'_> = serde_json::from_str(raw.get()).map_err(|_| BROKEN)?;
                let mut begun = Self::Text { text: String::new(), citations: Vec::new() };
                for citation in block.citations.iter().flatten() {
                    begun.cite(citation, making.queue)?;
                }
                begun.add_text(Str::filled(&block.text).unwrap_or_default(), making.queue);
                Ok((begun, none()))
            }
            "thinking" => {
                let block: shape::Block<'_> = serde_json::from_str(raw.get()).map_err(|_| BROKEN)?;
                let text = Str::filled(&block.thinking).unwrap_or_default();
                making.queue.thinking(text);
                let signature = Str::filled(&block.signature).unwrap_or_default().to_owned();
                Ok((Self::Thinking { text: text.to_owned(), signature }, none()))
            }
            "tool_use" => {
                let block: shape::Block<'_> = serde_json::from_str(raw.get()).map_err(|_| BROKEN)?;
                let name = Str::filled(&block.name).ok_or("a tool call has no name")?;
                let name = making.names.name(name).to_owned();
                let (index, id) = making.calls.begin(Str::filled(&block.id), making.answer);
                making.queue.push(ChatEvent::ToolCallStarted { index, id, name, kind: ToolCallKind::Function });
                let input = block.input.map(RawValue::get).filter(|input| !is_empty_object(input)).map(str::to_owned);
                let read = |raw: &RawValue| serde_json::from_str(raw.get()).ok();
                let rest = block.rest.iter().filter_map(|(key, raw)| Some((key.to_string(), read(raw)?))).collect();
                Ok((Self::Call { index, input, has_arguments: false }, rest))
            }
            kind if goes_back(kind) => {
                let json = serde_json::from_str(raw.get()).map_err(|_| BROKEN)?;
                Ok((Self::Verbatim { json, input: String::new() }, none()))
            }
            _ => Ok((Self::Unknown, none())),
        }
    }

    /// A block whose start was left out: what its first delta shows it to be.
    pub(super) fn guess(delta: &str) -> Option<Self> {
        match delta {
            "text_delta" | "citations_delta" => Some(Self::Text { text: String::new(), citations: Vec::new() }),
            "thinking_delta" | "signature_delta" => {
                Some(Self::Thinking { text: String::new(), signature: String::new() })
            }
            _ => None,
        }
    }

    /// Takes a delta; whether its type is known.
    ///
    /// # Errors
    ///
    /// The delta is not of this block.
    pub(super) fn take(&mut self, delta: &Delta<'_>, queue: &mut Queue) -> Result<bool, Broken> {
        const FOREIGN: Broken = "a delta of the answer does not belong to its block";
        let kind = Str::filled(&delta.kind).unwrap_or_default();
        if !is_delta(kind) {
            return Ok(false);
        }
        match (&mut *self, kind) {
            (Self::Unknown, _) => {}
            (Self::Text { .. }, "text_delta") => self.add_text(text_of(&delta.text), queue),
            (Self::Text { .. }, "citations_delta") => {
                if let Some(citation) = delta.citation {
                    self.cite(citation, queue)?;
                }
            }
            (Self::Thinking { text, .. }, "thinking_delta") => {
                let more = text_of(&delta.thinking);
                text.push_str(more);
                queue.thinking(more);
            }
            (Self::Thinking { signature, .. }, "signature_delta") => signature.push_str(text_of(&delta.signature)),
            (Self::Call { index, has_arguments, .. }, "input_json_delta") => {
                let more = text_of(&delta.partial_json);
                *has_arguments |= !more.is_empty();
                queue.arguments(*index, more);
            }
            (Self::Verbatim { input, .. }, "input_json_delta") => input.push_str(text_of(&delta.partial_json)),
            (Self::Verbatim { json, .. }, "compaction_delta") => {
                for (key, raw) in &delta.rest {
                    json.insert(key.to_string(), serde_json::from_str(raw.get()).map_err(|_| FOREIGN)?);
                }
            }
            _ => return Err(FOREIGN),
        }
        Ok(true)
    }

    /// Its type, if its end says nothing by which more of the same type could be told from more of this one.
    pub(super) fn ends_silently(&self) -> Option<&'static str> {
        match self {
            Self::Text { text, citations } if citations.is_empty() && !text.is_empty() => Some("text"),
            Self::Thinking { text, signature } if signature.is_empty() && !text.is_empty() => Some("thinking"),
            _ => None,
        }
    }

    /// Ends the block: says what could not be said before. Whether there was nothing that had to be left out.
    pub(super) fn end(self, queue: &mut Queue) -> bool {
        match self {
            Self::Text { text, citations } if !citations.is_empty() => {
                let data = json!({"type": "text", "text": text, "citations": citations});
                queue.push(ChatEvent::Opaque { data });
            }
            Self::Thinking { text, signature } if !signature.is_empty() => {
                let data = json!({"type": "thinking", "thinking": text, "signature": signature});
                queue.push(ChatEvent::Opaque { data });
            }
            Self::Text { .. } | Self::Thinking { .. } | Self::Unknown => {}
            Self::Call { index, input, has_arguments } => {
                if let Some(input) = input.filter(|_| !has_arguments) {
                    queue.arguments(index, &input);
                }
                queue.push(ChatEvent::ToolCallDone { index });
            }
            Self::Verbatim { mut json, input } => {
                if !input.is_empty() {
                    // A call that was cut cannot go back, since what it asks for is not JSON.
                    let Ok(input @ Value::Object(_)) = serde_json::from_str(&input) else { return false };
                    json.insert("input".into(), input);
                }
                queue.push(ChatEvent::Opaque { data: Value::Object(json) });
            }
        }
        true
    }

    fn add_text(&mut self, more: &str, queue: &mut Queue) {
        if let Self::Text { text, .. } = self {
            text.push_str(more);
            queue.text(more);
        }
    }

    fn cite(&mut self, citation: &RawValue, queue: &mut Queue) -> Result<(), Broken> {
        if let Self::Text { citations, .. } = self {
            let json: Value = serde_json::from_str(citation.get()).map_err(|_| "a citation is not JSON")?;
            citations.push(json.clone());
            queue.push(ChatEvent::Citation { json });
        }
        Ok(())
    }
}

fn text_of<'a>(text: &'a Option<Str<'_>>) -> &'a str {
    Str::filled(text).unwrap_or_default()
}

fn is_empty_object(json: &str) -> bool {
    json.strip_prefix('{').and_then(|json| json.strip_suffix('}')).is_some_and(|inside| inside.trim().is_empty())
}

/// Deltas that are known.
pub(super) fn is_delta(kind: &str) -> bool {
    matches!(
        kind,
        "text_delta"
            | "input_json_delta"
            | "thinking_delta"
            | "signature_delta"
            | "citations_delta"
            | "compaction_delta"
    )
}

/// Blocks that the provider wants to see again as they were: what its own tools were asked and gave (of which new ones
/// appear with each new tool), and what it hid, summed up or handed on.
pub(in crate::anthropic) fn goes_back(kind: &str) -> bool {
    kind.ends_with("_tool_result")
        || matches!(
            kind,
            "server_tool_use" | "mcp_tool_use" | "redacted_thinking" | "compaction" | "fallback" | "container_upload"
        )
}
