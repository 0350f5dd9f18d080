//! Calls and their results in a conversation of several turns: what one turn calls, a later one may bring. Pure.

use std::collections::{BTreeMap, HashMap, HashSet};

use greenroom_wire::{Message, Part, Role};

/// A message and a part of it.
type Place = (usize, usize);

/// The messages of turns that follow one another, with each result behind its call, also where somebody else was answered
/// between the two. A call without its result is left out, as is a result without its call: no model takes one alone.
pub(super) fn paired(messages: Vec<Message>) -> Vec<Message> {
    let pairs = pairs(&messages);
    let answered: HashSet<Place> = pairs.values().copied().collect();
    let mut paired: Vec<(usize, Message)> = Vec::with_capacity(messages.len());
    // By the message that has their calls.
    let mut late: BTreeMap<usize, Vec<Message>> = BTreeMap::new();
    let mut answer = None;
    for (at, mut message) in messages.into_iter().enumerate() {
        let parts = std::mem::take(&mut message.parts);
        let said_something = !parts.is_empty();
        let (mut stays, mut moves) = (Vec::with_capacity(parts.len()), Vec::new());
        for (nth, part) in parts.into_iter().enumerate() {
            match (&part, pairs.get(&(at, nth))) {
                (Part::ToolCall { .. }, _) if !answered.contains(&(at, nth)) => {}
                (Part::ToolResult { .. }, None) => {}
                (Part::ToolResult { .. }, Some((of, _))) if *of != at && answer != Some(*of) => moves.push((*of, part)),
                _ => stays.push(part),
            }
        }
        if stays.is_empty() && moves.len() == 1 {
            let (of, part) = moves.remove(0);
            message.parts.push(part);
            late.entry(of).or_default().push(message);
            continue;
        }
        for (of, part) in moves {
            late.entry(of).or_default().push(Message::new(Role::Tool, vec![part]));
        }
        if said_something && stays.is_empty() {
            continue;
        }
        if message.role == Role::Assistant {
            answer = Some(at);
        }
        message.parts = stays;
        paired.push((at, message));
    }
    let said = paired.into_iter();
    said.flat_map(|(at, message)| [message].into_iter().chain(late.remove(&at).unwrap_or_default())).collect()
}

/// The call of each result that has one, by their places. Of calls with the same id the last one before it counts.
fn pairs(messages: &[Message]) -> HashMap<Place, Place> {
    let (mut open, mut pairs) = (HashMap::<&str, Place>::new(), HashMap::new());
    for (at, message) in messages.iter().enumerate() {
        for (nth, part) in message.parts.iter().enumerate() {
            match part {
                Part::ToolCall { id, .. } => {
                    open.insert(id, (at, nth));
                }
                Part::ToolResult { id, .. } => {
                    if let Some(call) = open.remove(id.as_str()) {
                        pairs.insert((at, nth), call);
                    }
                }
                _ => {}
            }
        }
    }
    pairs
}

/// The id of a result among the `last` messages whose call stands nowhere before it.
pub(super) fn result_of_no_call<'a>(
    before: impl IntoIterator<Item = &'a Message>,
    last: &'a [Message],
) -> Option<&'a str> {
    let parts = |message: &'a Message| message.parts.iter();
    let mut calls: HashSet<&str> = HashSet::new();
    for part in before.into_iter().flat_map(parts) {
        if let Part::ToolCall { id, .. } = part {
            calls.insert(id);
        }
    }
    last.iter().flat_map(parts).find_map(|part| match part {
        Part::ToolCall { id, .. } => {
            calls.insert(id);
            None
        }
        Part::ToolResult { id, .. } => (!calls.contains(id.as_str())).then_some(id.as_str()),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use greenroom_wire::chat::ToolCallKind;

    use super::*;

    fn call(id: &str) -> Part {
        Part::ToolCall { id: id.into(), name: "f".into(), arguments: "{}".into(), kind: ToolCallKind::Function }
    }

    fn gave(id: &str, what: &str) -> Part {
        Part::ToolResult { id: id.into(), parts: vec![Part::text(what)], error: false }
    }

    fn model(parts: impl Into<Vec<Part>>) -> Message {
        Message::new(Role::Assistant, parts.into())
    }

    fn tool(parts: impl Into<Vec<Part>>) -> Message {
        Message::new(Role::Tool, parts.into())
    }

    #[test]
    fn results_of_a_later_turn_have_their_calls_and_what_has_no_other_half_is_left_out() {
        let said = vec![
            Message::user("q"),
            model([Part::text("so"), call("a"), call("b"), call("lost")]),
            tool([gave("b", "1")]),
            tool([gave("a", "2")]),
            tool([gave("nobody's", "3")]),
            Message::user("and?"),
            model([call("alone")]),
        ];
        let want = [
            Message::user("q"),
            model([Part::text("so"), call("a"), call("b")]),
            tool([gave("b", "1")]),
            tool([gave("a", "2")]),
            Message::user("and?"),
        ];
        assert_eq!(paired(said), want);
    }

    #[test]
    fn a_result_that_comes_after_another_answer_stands_behind_its_call_all_the_same() {
        let said = vec![
            model([call("a"), call("b")]),
            Message::user("meanwhile"),
            model([Part::text("yes")]),
            tool([gave("a", "1"), gave("b", "2")]),
            Message::user("now"),
        ];
        let want = [
            model([call("a"), call("b")]),
            tool([gave("a", "1")]),
            tool([gave("b", "2")]),
            Message::user("meanwhile"),
            model([Part::text("yes")]),
            Message::user("now"),
        ];
        assert_eq!(paired(said), want);
    }

    #[test]
    fn an_id_that_is_used_again_is_of_the_last_call() {
        let said = vec![model([call("0")]), tool([gave("0", "1")]), model([call("0")]), tool([gave("0", "2")])];
        assert_eq!(paired(said.clone()), said);
        let unanswered = vec![model([Part::text("x"), call("0")]), model([call("0")]), tool([gave("0", "2")])];
        assert_eq!(paired(unanswered.clone())[0], model([Part::text("x")]));
        assert_eq!(paired(unanswered.clone())[1..], unanswered[1..]);
    }

    #[test]
    fn a_result_of_no_call_is_found_among_the_last_messages_alone() {
        let before = [model([call("a")]), tool([gave("x", "")])];
        let of = |last: &[Message]| result_of_no_call(&before, last).map(str::to_owned);
        assert_eq!(of(&[tool([gave("a", "")])]), None);
        assert_eq!(of(&[model([call("b")]), tool([gave("b", "")])]), None);
        assert_eq!(of(&[tool([gave("b", "")]), model([call("b")])]), Some("b".to_owned()));
    }
}
