//! An answer as lines: what it says, whole tool calls, and how it ends.

use greenroom_actors::session::event::EventBody;
use greenroom_wire::{ChatError, ErrorKind, FinishReason, Usage, chat::ToolCallKind};
use serde::Serialize;
use serde_json::{Map, Value};

use super::words::{Refusal, put_piece};

/// The most text of one line, in bytes: what has waited for its reader is one long text, and others are to have their
/// turn between its lines.
const PIECE: usize = 16 << 10;

/// Writes the events of one answer.
#[derive(Debug)]
pub(super) struct Chat {
    thinking: bool,
    calls: Vec<Call>,
    spoke: bool,
    who: Option<(String, String)>,
    is_kept: bool,
    usage: Option<Usage>,
    saying: Option<Saying>,
}

/// A text of which not all is written.
#[derive(Debug)]
struct Saying {
    is_thinking: bool,
    text: String,
    written: usize,
}

/// A call that is being made.
#[derive(Debug)]
struct Call {
    index: u32,
    id: String,
    name: String,
    kind: ToolCallKind,
    arguments: String,
}

/// How an answer ended.
#[derive(Debug)]
pub(super) enum End {
    Done(Spent),
    Failed(Refusal),
}

/// What a whole answer used.
#[derive(Debug)]
pub(super) struct Spent {
    /// Why it ended.
    pub(super) reason: FinishReason,
    /// As it was told.
    pub(super) usage: Option<Usage>,
    /// The provider and its model, as asked for.
    pub(super) who: Option<(String, String)>,
    /// Whether it was kept from before, and cost nothing.
    pub(super) is_kept: bool,
}

/// What a line says.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Said<'a> {
    Content { content: &'a str },
    Thinking { content: &'a str },
    ToolCall { tool_call: Whole<'a> },
}

#[derive(Serialize)]
struct Whole<'a> {
    id: &'a str,
    name: &'a str,
    arguments: Map<String, Value>,
}

impl Chat {
    /// With thinking, if that is shown.
    pub(super) fn new(thinking: bool) -> Self {
        Self { thinking, calls: Vec::new(), spoke: false, who: None, is_kept: false, usage: None, saying: None }
    }

    /// Takes the next event, appends its lines, and says how the answer ended, if it did. Of a text nothing is written
    /// yet: [`go_on`](Self::go_on) does that.
    pub(super) fn write(&mut self, event: EventBody, out: &mut Vec<u8>) -> Option<End> {
        match event {
            EventBody::Text { delta } | EventBody::Refusal { delta } => self.say(false, delta),
            EventBody::Thinking { delta } if self.thinking => self.say(true, delta),
            EventBody::ToolCall { index, id, name, kind } => {
                self.calls.push(Call { index, id, name, kind, arguments: String::new() });
            }
            EventBody::ToolCallArgs { index, delta } => {
                if let Some(call) = self.calls.iter_mut().find(|call| call.index == index) {
                    call.arguments.push_str(&delta);
                }
            }
            EventBody::ToolCallDone { index } => {
                let at = self.calls.iter().position(|call| call.index == index)?;
                if let Err(refusal) = self.calls.remove(at).put(out) {
                    return Some(End::Failed(refusal));
                }
                self.spoke = true;
            }
            EventBody::ToolCallDropped { index } => self.calls.retain(|call| call.index != index),
            EventBody::AnswerRestarted if self.spoke => {
                let error = ChatError::new(ErrorKind::Protocol, "the answer was interrupted: it is made anew");
                return Some(End::Failed(error.with_hint("ask again").into()));
            }
            EventBody::AnswerRestarted => self.calls.clear(),
            EventBody::Route { provider, model, .. } => self.who = Some((provider, model)),
            EventBody::Cache { hit, .. } => self.is_kept = hit,
            EventBody::Usage(usage) => self.usage = Some(usage),
            EventBody::TurnFailed { error } => return Some(End::Failed(ChatError::from(error).into())),
            EventBody::TurnCancelled => {
                let error = ChatError::new(ErrorKind::Cancelled, "the answer was cancelled");
                return Some(End::Failed(error.with_hint("ask again").into()));
            }
            EventBody::TurnFinished { reason } => {
                // Of a call that never was whole, nothing can be made.
                let (usage, who) = (self.usage.take(), self.who.take());
                return Some(End::Done(Spent { reason, usage, who, is_kept: self.is_kept }));
            }
            _ => {}
        }
        None
    }

    fn say(&mut self, is_thinking: bool, text: String) {
        debug_assert!(self.saying.is_none(), "each text is written before the next event is taken");
        self.spoke |= !text.is_empty();
        self.saying = Some(Saying { is_thinking, text, written: 0 });
    }

    /// Appends the next line of a text that was taken; whether there may be more of it. To be called until there is none
    /// before the next event is taken.
    pub(super) fn go_on(&mut self, out: &mut Vec<u8>) -> bool {
        let Some(Saying { is_thinking, text, written }) = &mut self.saying else { return false };
        let rest = &text[*written..];
        let content = &rest[..rest.floor_char_boundary(PIECE)];
        *written += content.len();
        match (content.is_empty(), *is_thinking) {
            (true, _) => {}
            (false, true) => put_piece(out, &Said::Thinking { content }),
            (false, false) => put_piece(out, &Said::Content { content }),
        }
        if *written == text.len() {
            self.saying = None;
        }
        true
    }
}

impl Call {
    fn put(self, out: &mut Vec<u8>) -> Result<(), Refusal> {
        let arguments = match (self.kind, self.arguments.trim()) {
            // It takes a text, which is no object.
            (ToolCallKind::Custom, _) => Map::from_iter([("input".to_owned(), self.arguments.into())]),
            (ToolCallKind::Function, "") => Map::new(),
            (ToolCallKind::Function, written) => serde_json::from_str(written).map_err(|_| {
                let what = format!("the model's arguments for {} are not a JSON object", self.name);
                Refusal::new(ErrorKind::Protocol.as_str(), what, "ask again, and allow more with options.maxTokens")
            })?,
        };
        put_piece(out, &Said::ToolCall { tool_call: Whole { id: &self.id, name: &self.name, arguments } });
        Ok(())
    }
}

#[cfg(test)]
#[path = "chat_tests.rs"]
mod tests;
