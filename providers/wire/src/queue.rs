//! Events that wait to be polled; neighbouring deltas become one.

use std::collections::VecDeque;

use crate::event::ChatEvent;

#[derive(Debug, Default)]
pub(crate) struct Queue(VecDeque<ChatEvent>);

impl Queue {
    pub(crate) fn pop(&mut self) -> Option<ChatEvent> {
        self.0.pop_front()
    }

    pub(crate) fn push(&mut self, event: ChatEvent) {
        self.0.push_back(event);
    }

    pub(crate) fn text(&mut self, text: &str) {
        match self.0.back_mut() {
            _ if text.is_empty() => {}
            Some(ChatEvent::Text { delta }) => delta.push_str(text),
            _ => self.push(ChatEvent::Text { delta: text.to_owned() }),
        }
    }

    pub(crate) fn refusal(&mut self, text: &str) {
        match self.0.back_mut() {
            _ if text.is_empty() => {}
            Some(ChatEvent::Refusal { delta }) => delta.push_str(text),
            _ => self.push(ChatEvent::Refusal { delta: text.to_owned() }),
        }
    }

    pub(crate) fn thinking(&mut self, text: &str) {
        match self.0.back_mut() {
            _ if text.is_empty() => {}
            Some(ChatEvent::Thinking { delta }) => delta.push_str(text),
            _ => self.push(ChatEvent::Thinking { delta: text.to_owned() }),
        }
    }

    pub(crate) fn arguments(&mut self, call: u32, text: &str) {
        match self.0.back_mut() {
            _ if text.is_empty() => {}
            Some(ChatEvent::ToolCallArgs { index, delta }) if *index == call => delta.push_str(text),
            _ => self.push(ChatEvent::ToolCallArgs { index: call, delta: text.to_owned() }),
        }
    }
}
