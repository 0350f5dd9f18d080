//! The conversation so far, folded from the log by turn: what a model is shown. Pure.

use std::collections::BTreeMap;

use greenroom_wire::{Message, Part, Role, chat::ToolCallKind};

use super::{
    event::{EventBody, LogEvent},
    log::Log,
};

/// A conversation that is being folded.
///
/// By turn and not by position, since a message that was queued stands in the log before the answer it waited for.
/// What a turn that failed or was cancelled had said stays: the user has seen it.
#[derive(Debug, Default)]
pub(super) struct History {
    turns: BTreeMap<u64, Turn>,
}

/// What was said in one turn.
#[derive(Debug, PartialEq)]
pub(super) struct Said {
    pub(super) turn: u64,
    /// Where its first event is.
    pub(super) at: u64,
    pub(super) messages: Vec<Message>,
}

impl History {
    /// Takes the next event of the log.
    pub(super) fn take(&mut self, event: LogEvent) {
        if let Some(turn) = event.turn {
            let turn = self.turns.entry(turn).or_insert_with(|| Turn { at: event.position, ..Turn::default() });
            turn.take(event.body);
        }
    }

    /// The turns from `first` up to and including `last`, oldest first. What they say together is for [`paired`](super::pairing::paired) to make whole.
    pub(super) fn finish(self, first: u64, last: u64) -> Vec<Said> {
        let wanted = self.turns.into_iter().filter(|(turn, _)| (first..=last).contains(turn));
        wanted.map(|(turn, folded)| Said { turn, at: folded.at, messages: folded.into_messages() }).collect()
    }
}

#[derive(Debug, Default)]
struct Turn {
    at: u64,
    user: Vec<Part>,
    /// What was said in its place, where the turn has a request of its own.
    input: Vec<Message>,
    steps: Vec<Step>,
}

/// What the model said in one go, and what the calls in it gave.
#[derive(Debug, Default)]
struct Step {
    assistant: Vec<Part>,
    calls: BTreeMap<u32, usize>,
    /// Calls that were begun and not ended: half of one is of no use to a model.
    half_made: Vec<u32>,
    results: Vec<Part>,
}

impl Turn {
    fn take(&mut self, body: EventBody) {
        match body {
            EventBody::MessageUser { asked: Some(asked), .. } => self.input.extend(asked.request.messages),
            EventBody::MessageUser { mut parts, .. } => self.user.append(&mut parts),
            EventBody::ToolResult { id, parts, error } => {
                self.last().results.push(Part::ToolResult { id, parts, error });
            }
            body => self.speaking().take(body),
        }
    }

    fn last(&mut self) -> &mut Step {
        if self.steps.is_empty() {
            self.steps.push(Step::default());
        }
        self.steps.last_mut().expect("one was pushed")
    }

    /// The step that the model speaks in: what it says after results is another.
    fn speaking(&mut self) -> &mut Step {
        if self.steps.last().is_some_and(|step| !step.results.is_empty()) {
            self.steps.push(Step::default());
        }
        self.last()
    }

    fn into_messages(self) -> Vec<Message> {
        let user = [(Role::User, self.user)];
        let steps = self.steps.into_iter().flat_map(Step::into_messages);
        let said = user.into_iter().chain(steps).filter(|(_, parts)| !parts.is_empty());
        self.input.into_iter().chain(said.map(|(role, parts)| Message::new(role, parts))).collect()
    }
}

impl Step {
    fn take(&mut self, body: EventBody) {
        match body {
            EventBody::Text { delta } => match self.assistant.last_mut() {
                Some(Part::Text { text }) => text.push_str(&delta),
                _ => self.assistant.push(Part::Text { text: delta }),
            },
            EventBody::Refusal { delta } => match self.assistant.last_mut() {
                Some(Part::Refusal { text }) => text.push_str(&delta),
                _ => self.assistant.push(Part::Refusal { text: delta }),
            },
            EventBody::Thinking { delta } => match self.assistant.last_mut() {
                Some(Part::Thinking { text }) => text.push_str(&delta),
                _ => self.assistant.push(Part::Thinking { text: delta }),
            },
            EventBody::Opaque { provider, model, data } => {
                self.assistant.push(Part::Opaque { provider, model, data });
            }
            EventBody::ToolCall { index, id, name, kind } => {
                self.calls.insert(index, self.assistant.len());
                self.half_made.push(index);
                self.assistant.push(call(id, name, kind));
            }
            EventBody::ToolCallArgs { index, delta } => {
                if let Some(Part::ToolCall { arguments, .. }) =
                    self.calls.get(&index).and_then(|at| self.assistant.get_mut(*at))
                {
                    arguments.push_str(&delta);
                }
            }
            EventBody::ToolCallDone { index } => self.half_made.retain(|half_made| *half_made != index),
            EventBody::AnswerRestarted => *self = Self::default(),
            _ => {}
        }
    }

    fn into_messages(mut self) -> [(Role, Vec<Part>); 2] {
        let mut half_made: Vec<usize> = self.half_made.iter().filter_map(|index| self.calls.remove(index)).collect();
        half_made.sort_unstable();
        for at in half_made.into_iter().rev() {
            self.assistant.remove(at);
        }
        [(Role::Assistant, self.assistant), (Role::Tool, self.results)]
    }
}

fn call(id: String, name: String, kind: ToolCallKind) -> Part {
    Part::ToolCall { id, name, arguments: String::new(), kind }
}

/// The ids of the whole calls in what a turn has said last, in their order.
pub(super) fn calls(log: &Log, turn: u64) -> Vec<String> {
    let mut calls: Vec<(u32, String, bool)> = Vec::new();
    for body in log.iter().filter(|(of, _)| *of == Some(turn)).map(|(_, body)| body) {
        match body {
            EventBody::ToolCall { index, id, .. } => calls.push((*index, id.clone(), false)),
            EventBody::ToolCallDone { index } => {
                calls.iter_mut().filter(|(of, ..)| of == index).for_each(|(.., whole)| *whole = true);
            }
            EventBody::ToolCallDropped { index } => calls.retain(|(of, ..)| of != index),
            EventBody::AnswerRestarted | EventBody::ToolResult { .. } => calls.clear(),
            _ => {}
        }
    }
    calls.into_iter().filter(|(.., whole)| *whole).map(|(_, id, _)| id).collect()
}

#[cfg(test)]
#[path = "history_tests.rs"]
mod tests;
