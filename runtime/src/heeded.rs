//! A whole answer without what was taken back of it.

use greenroom_actors::session::event::{EventBody, LogEvent};

/// The events of one turn that are to be heeded: without tool calls that were begun and dropped, and without what came
/// before an answer that was made anew. Calls are numbered anew from 0.
pub fn heeded(events: Vec<LogEvent>) -> Vec<LogEvent> {
    let from = events.iter().rposition(|event| event.body == EventBody::AnswerRestarted).map_or(0, |at| at + 1);
    let dropped: Vec<u32> = events[from..]
        .iter()
        .filter_map(|event| match event.body {
            EventBody::ToolCallDropped { index } => Some(index),
            _ => None,
        })
        .collect();
    let mut calls: Vec<u32> = Vec::new();
    let heeded = events.into_iter().enumerate().filter_map(|(at, mut event)| {
        let taken_back = at < from && is_of_answer(&event.body);
        if taken_back || matches!(event.body, EventBody::ToolCallDropped { .. } | EventBody::AnswerRestarted) {
            return None;
        }
        if let EventBody::ToolCall { index, .. }
        | EventBody::ToolCallArgs { index, .. }
        | EventBody::ToolCallDone { index } = &mut event.body
        {
            if dropped.contains(index) {
                return None;
            }
            let known = calls.iter().position(|call| call == index).unwrap_or_else(|| {
                calls.push(*index);
                calls.len() - 1
            });
            *index = u32::try_from(known).expect("calls are numbered in 32 bits");
        }
        Some(event)
    });
    heeded.collect()
}

/// Whether it is a piece of an answer, which an answer made anew replaces.
fn is_of_answer(body: &EventBody) -> bool {
    matches!(
        body,
        EventBody::Text { .. }
            | EventBody::Refusal { .. }
            | EventBody::Thinking { .. }
            | EventBody::ToolCall { .. }
            | EventBody::ToolCallArgs { .. }
            | EventBody::ToolCallDone { .. }
            | EventBody::Opaque { .. }
            | EventBody::Media { .. }
            | EventBody::Citation { .. }
            | EventBody::Extra(_)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(bodies: impl IntoIterator<Item = EventBody>) -> Vec<LogEvent> {
        let events = bodies.into_iter().enumerate();
        events.map(|(at, body)| LogEvent { body, turn: Some(1), position: at as u64, next: at as u64 + 1 }).collect()
    }

    fn text(delta: &str) -> EventBody {
        EventBody::Text { delta: delta.to_owned() }
    }

    fn call(index: u32, id: &str) -> EventBody {
        EventBody::ToolCall { index, id: id.into(), name: "f".into(), kind: Default::default() }
    }

    #[test]
    fn a_dropped_call_leaves_no_gap_and_an_answer_made_anew_nothing_of_the_old() {
        let args = |index| EventBody::ToolCallArgs { index, delta: "{}".into() };
        let events = log([
            text("old"),
            call(0, "old"),
            EventBody::AnswerRestarted,
            EventBody::TurnStarted,
            text("new"),
            call(1, "half"),
            args(1),
            EventBody::ToolCallDropped { index: 1 },
            call(2, "whole"),
            args(2),
            EventBody::ToolCallDone { index: 2 },
        ]);
        let bodies: Vec<_> = heeded(events).into_iter().map(|event| event.body).collect();
        let done = EventBody::ToolCallDone { index: 0 };
        assert_eq!(bodies, [EventBody::TurnStarted, text("new"), call(0, "whole"), args(0), done]);
    }
}
