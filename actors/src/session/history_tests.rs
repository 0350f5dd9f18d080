use super::{super::pairing::paired, *};

fn text(delta: &str) -> EventBody {
    EventBody::Text { delta: delta.to_owned() }
}

fn user(text: &str) -> EventBody {
    EventBody::MessageUser { parts: vec![Part::text(text)], queued: false, asked: None }
}

fn begun(index: u32) -> EventBody {
    EventBody::ToolCall { index, id: format!("c{index}"), name: "f".into(), kind: ToolCallKind::Function }
}

fn args(index: u32, delta: &str) -> EventBody {
    EventBody::ToolCallArgs { index, delta: delta.to_owned() }
}

fn done(index: u32) -> EventBody {
    EventBody::ToolCallDone { index }
}

fn result(id: &str) -> EventBody {
    EventBody::ToolResult { id: id.into(), parts: vec![Part::text("r")], error: false }
}

fn log(bodies: impl IntoIterator<Item = (u64, EventBody)>) -> Log {
    let mut log = Log::default();
    for (turn, body) in bodies {
        log.append(Some(turn), body);
    }
    log
}

fn messages(log: &Log, first: u64, last: u64) -> Vec<Message> {
    let mut history = History::default();
    log.read(0, usize::MAX).into_iter().for_each(|event| history.take(event));
    paired(history.finish(first, last).into_iter().flat_map(|said| said.messages).collect())
}

fn called(id: &str, arguments: &str) -> Part {
    Part::ToolCall { id: id.into(), name: "f".into(), arguments: arguments.into(), kind: ToolCallKind::Function }
}

fn gave(id: &str) -> Part {
    Part::ToolResult { id: id.into(), parts: vec![Part::text("r")], error: false }
}

#[test]
fn what_was_half_made_made_anew_or_not_answered_was_never_said() {
    let all = [
        text("no"),
        EventBody::AnswerRestarted,
        text("yes"),
        begun(0),
        begun(1),
        args(0, "{"),
        args(1, "[]"),
        done(1),
        EventBody::ToolCallDropped { index: 0 },
        begun(2),
        args(2, "{}"),
        done(2),
        begun(3),
        result("c1"),
        result("nobody's"),
        EventBody::TurnCancelled,
    ];
    let log = log(all.map(|body| (1, body)));
    assert_eq!(calls(&log, 1), Vec::<String>::new(), "they have a result");
    let expected = [
        Message::new(Role::Assistant, vec![Part::text("yes"), called("c1", "[]")]),
        Message::new(Role::Tool, vec![gave("c1")]),
    ];
    assert_eq!(messages(&log, 1, 1), expected);
}

#[test]
fn what_comes_after_results_is_said_anew() {
    let all = [user("q"), begun(0), done(0), begun(1), done(1)];
    let waiting = log(all.clone().map(|body| (1, body)));
    assert_eq!(calls(&waiting, 1), ["c0", "c1"]);
    let more = [result("c1"), result("c0"), text("so"), begun(0), done(0), result("c0"), text("end")];
    let log = log(all.into_iter().chain(more).map(|body| (1, body)));
    let expected = [
        Message::user("q"),
        Message::new(Role::Assistant, vec![called("c0", ""), called("c1", "")]),
        Message::new(Role::Tool, vec![gave("c1"), gave("c0")]),
        Message::new(Role::Assistant, vec![Part::text("so"), called("c0", "")]),
        Message::new(Role::Tool, vec![gave("c0")]),
        Message::new(Role::Assistant, vec![Part::text("end")]),
    ];
    assert_eq!(messages(&log, 1, 1), expected);
}

#[test]
fn a_queued_message_comes_after_the_answer_it_waited_for() {
    let log = log([(1, user("first")), (1, text("an")), (2, user("second")), (1, text("swer")), (3, user("third"))]);
    let answer = Message::new(Role::Assistant, vec![Part::text("answer")]);
    assert_eq!(messages(&log, 1, 2), [Message::user("first"), answer, Message::user("second")]);
    assert_eq!(messages(&log, 2, 3), [Message::user("second"), Message::user("third")]);
}

#[test]
fn what_a_turn_with_a_request_of_its_own_called_is_answered_by_the_next() {
    let asks = |messages: Vec<Message>| {
        let request = greenroom_wire::ChatRequest { messages, ..Default::default() };
        let asked = super::super::event::Asked { instructions: Some("brief".into()), request, ..Default::default() };
        EventBody::MessageUser { parts: vec![Part::text("shown")], queued: false, asked: Some(Box::new(asked)) }
    };
    let results = vec![Message::new(Role::Tool, vec![gave("c1")]), Message::user("and?")];
    let log = log([
        (1, asks(vec![Message::user("q")])),
        (1, begun(0)),
        (1, done(0)),
        (1, begun(1)),
        (1, done(1)),
        (2, asks(results.clone())),
        (2, text("so")),
        (3, user("plain")),
    ]);
    let mut expected = vec![Message::user("q"), Message::new(Role::Assistant, vec![called("c1", "")])];
    expected.extend(results);
    expected.extend([Message::new(Role::Assistant, vec![Part::text("so")]), Message::user("plain")]);
    assert_eq!(messages(&log, 1, 3), expected);
    assert_eq!(messages(&log, 2, 3)[0], Message::user("and?"), "its call is not shown any more");
}
