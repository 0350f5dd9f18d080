//! The conversation so far, folded from the log by turn: what a model is shown. Pure.

use std::collections::BTreeMap;

use greenroom_wire::{Message, Part, Role, chat::ToolCallKind};

use super::{event::EventBody, log::Log};

/// The messages of the turns before and including `until`, oldest turn first.
///
/// By turn and not by position, since a message that was queued stands in the log before the answer it waited for.
/// What a turn that failed or was cancelled had said stays: the user has seen it.
pub(super) fn messages(log: &Log, until: u64) -> Vec<Message> {
    let mut turns: BTreeMap<u64, Turn> = BTreeMap::new();
    for (turn, body) in log.iter() {
        if let Some(turn) = turn.filter(|turn| *turn <= until) {
            turns.entry(turn).or_default().take(body);
        }
    }
    turns.into_values().flat_map(Turn::into_messages).collect()
}

#[derive(Default)]
struct Turn {
    user: Vec<Part>,
    assistant: Vec<Part>,
    calls: BTreeMap<u32, usize>,
    /// Calls that were begun and not ended: half of one is of no use to a model.
    half_made: Vec<u32>,
}

impl Turn {
    fn take(&mut self, body: &EventBody) {
        match body {
            EventBody::MessageUser { parts, .. } => self.user.extend(parts.iter().cloned()),
            EventBody::Text { delta } => match self.assistant.last_mut() {
                Some(Part::Text { text }) => text.push_str(delta),
                _ => self.assistant.push(Part::Text { text: delta.clone() }),
            },
            EventBody::Refusal { delta } => self.assistant.push(Part::Refusal { text: delta.clone() }),
            EventBody::Thinking { delta } => self.assistant.push(Part::Thinking { text: delta.clone() }),
            EventBody::Opaque { provider, model, data } => self.assistant.push(Part::Opaque {
                provider: provider.clone(),
                model: model.clone(),
                data: data.clone(),
            }),
            EventBody::ToolCall { index, id, name, kind } => {
                self.calls.insert(*index, self.assistant.len());
                self.half_made.push(*index);
                self.assistant.push(call(id, name, *kind));
            }
            EventBody::ToolCallArgs { index, delta } => {
                if let Some(Part::ToolCall { arguments, .. }) =
                    self.calls.get(index).and_then(|at| self.assistant.get_mut(*at))
                {
                    arguments.push_str(delta);
                }
            }
            EventBody::ToolCallDone { index } => self.half_made.retain(|half_made| half_made != index),
            EventBody::AnswerRestarted => {
                self.assistant.clear();
                self.calls.clear();
                self.half_made.clear();
            }
            _ => {}
        }
    }

    fn into_messages(mut self) -> impl Iterator<Item = Message> {
        let mut half_made: Vec<usize> = self.half_made.iter().filter_map(|index| self.calls.remove(index)).collect();
        half_made.sort_unstable();
        for at in half_made.into_iter().rev() {
            self.assistant.remove(at);
        }
        let messages = [(Role::User, self.user), (Role::Assistant, self.assistant)];
        messages.into_iter().filter(|(_, parts)| !parts.is_empty()).map(|(role, parts)| Message::new(role, parts))
    }
}

fn call(id: &str, name: &str, kind: ToolCallKind) -> Part {
    Part::ToolCall { id: id.to_owned(), name: name.to_owned(), arguments: String::new(), kind }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_half_made_or_made_anew_was_never_said() {
        let mut log = Log::default();
        let text = |delta: &str| EventBody::Text { delta: delta.to_owned() };
        let tool_call =
            |index| EventBody::ToolCall { index, id: format!("c{index}"), name: "f".into(), kind: Default::default() };
        let args = |index, delta: &str| EventBody::ToolCallArgs { index, delta: delta.to_owned() };
        let all = [
            text("no"),
            EventBody::AnswerRestarted,
            text("yes"),
            tool_call(0),
            tool_call(1),
            args(0, "{"),
            args(1, "[]"),
            EventBody::ToolCallDone { index: 1 },
            EventBody::ToolCallDropped { index: 0 },
            tool_call(2),
            args(2, "{}"),
            EventBody::ToolCallDone { index: 2 },
            tool_call(3),
            EventBody::TurnCancelled,
        ];
        for body in all {
            log.append(Some(1), body);
        }
        let called = |id: &str, arguments: &str| {
            let Part::ToolCall { name, kind, .. } = call(id, "f", ToolCallKind::Function) else { unreachable!() };
            Part::ToolCall { id: id.into(), name, arguments: arguments.into(), kind }
        };
        let parts = vec![Part::text("yes"), called("c1", "[]"), called("c2", "{}")];
        assert_eq!(messages(&log, 1), [Message::new(Role::Assistant, parts)]);
    }

    #[test]
    fn a_queued_message_comes_after_the_answer_it_waited_for() {
        let mut log = Log::default();
        let user = |text: &str| EventBody::MessageUser { parts: vec![Part::text(text)], queued: false };
        let text = |delta: &str| EventBody::Text { delta: delta.to_owned() };
        log.append(Some(1), user("first"));
        log.append(Some(1), text("an"));
        log.append(Some(2), user("second"));
        log.append(Some(1), text("swer"));
        log.append(Some(3), user("third"));
        let said: Vec<_> = messages(&log, 2);
        let expected = [
            Message::user("first"),
            Message::new(Role::Assistant, vec![Part::text("answer")]),
            Message::user("second"),
        ];
        assert_eq!(said, expected);
    }
}
