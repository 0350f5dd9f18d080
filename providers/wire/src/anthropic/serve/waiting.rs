//! What was said while a call was being made.
//!
//! Blocks of this wire don't interleave, and calls of other wires do. What is said before the open call is whole waits
//! here, neighbouring deltas as one, and follows in the order in which it came.

use std::collections::VecDeque;

use serde_json::{Value, json};

use crate::{anthropic::field_of_call, chat::Extra, event::ChatEvent};

#[derive(Debug, Default)]
pub(super) struct Waiting(VecDeque<ChatEvent>);

impl Waiting {
    pub(super) fn push(&mut self, event: &ChatEvent) {
        let of = |one: &ChatEvent| match one {
            ChatEvent::ToolCallArgs { index, .. } => Some(*index),
            _ => None,
        };
        if let (Some(last), Some(more)) = (self.0.back_mut(), event.delta())
            && std::mem::discriminant(last) == std::mem::discriminant(event)
            && of(last) == of(event)
        {
            return grow(last, more);
        }
        match (event, self.0.back()) {
            // A field of the call that has just begun, which is known by its place alone.
            (ChatEvent::Extra(Extra { path, json, .. }), Some(ChatEvent::ToolCallStarted { index, .. })) => {
                if let Some(key) = field(path) {
                    let index = *index;
                    self.0.push_back(ChatEvent::Opaque { data: json!({"tool_call": index, key: json}) });
                }
            }
            _ => self.0.push_back(event.clone()),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn pop(&mut self) -> Option<ChatEvent> {
        self.0.pop_front()
    }

    /// Takes out what belongs to this call, up to its end.
    pub(super) fn take_of(&mut self, call: u32) -> Vec<ChatEvent> {
        let (mut own, mut others, mut over) = (Vec::new(), VecDeque::with_capacity(self.0.len()), false);
        for event in self.0.drain(..) {
            let is_own = match &event {
                ChatEvent::ToolCallArgs { index, .. } | ChatEvent::ToolCallDone { index } => *index == call,
                ChatEvent::Opaque { data } => field_of_call(data) == Some(call),
                _ => false,
            };
            if is_own && !over {
                over = matches!(event, ChatEvent::ToolCallDone { .. });
                own.push(event);
            } else {
                others.push_back(event);
            }
        }
        self.0 = others;
        own
    }
}

fn grow(event: &mut ChatEvent, more: &str) {
    if let ChatEvent::Text { delta }
    | ChatEvent::Thinking { delta }
    | ChatEvent::Refusal { delta }
    | ChatEvent::ToolCallArgs { delta, .. } = event
    {
        delta.push_str(more);
    }
}

/// The key of a field of a block (`/content/2/caller`), but for its type.
pub(super) fn field(path: &str) -> Option<&str> {
    let (number, key) = path.strip_prefix("/content/")?.split_once('/')?;
    (number.parse::<u32>().is_ok() && key != "type" && !key.contains('/')).then_some(key)
}

/// Whether an extra is a block that nobody has a word for (`/content/2`).
pub(super) fn is_block(path: &str, json: &Value) -> bool {
    let number = path.strip_prefix("/content/").map(str::parse::<u32>);
    matches!(number, Some(Ok(_))) && json.is_object()
}
