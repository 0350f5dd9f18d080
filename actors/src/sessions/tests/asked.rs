//! Turns that say all that they ask, in sessions that others use as well.

use greenroom_wire::{ChatRequest, ErrorKind, Message, Part, Role};

use super::{
    lab::{Say::*, text},
    *,
};
use crate::session::event::Asked;

fn asks(messages: Vec<Message>, instructions: &str) -> Outgoing {
    let request = ChatRequest { model: "lab/m".into(), messages, temperature: Some(0.5), ..ChatRequest::default() };
    let asked = Asked {
        instructions: (!instructions.is_empty()).then(|| instructions.to_owned()),
        request,
        told: serde_json::json!({"at": 7}),
        ..Asked::default()
    };
    Outgoing { parts: vec![Part::text("shown")], asked: Some(Box::new(asked)), ..Outgoing::default() }
}

fn gave(id: &str) -> Message {
    let result = Part::ToolResult { id: id.to_owned(), parts: vec![Part::text("rain")], error: false };
    Message::new(Role::Tool, vec![result])
}

async fn turn(talk: &SessionRef, message: Outgoing) -> EventBody {
    let sent = talk.send(message).await.unwrap();
    Seen::from(talk, None).await.end_of(sent.turn).await
}

#[tokio::test]
async fn such_a_turn_ends_with_its_calls_and_every_later_one_sees_what_was_said() {
    let answers = vec![
        vec![text("I look."), Call("c1"), Calls],
        vec![text("It rains."), Stop],
        vec![text("Yes."), Stop],
        vec![text("I look again."), Call("c2"), Calls],
        vec![text("Never mind."), Stop],
    ];
    let lab = Lab::saying(answers).await;
    let system = system(&lab, None).await;
    let talk = session(&system, "talk").await;
    let ended = turn(&talk, asks(vec![Message::user("weather?")], "be brief")).await;
    assert!(matches!(ended, EventBody::TurnFinished { .. }), "it waits for nothing: {ended:?}");
    assert_eq!(talk.info().await.unwrap().summary.state, SessionState::Idle);
    turn(&talk, asks(vec![gave("c1"), Message::user("so?")], "")).await;
    turn(&talk, says("plain")).await;
    turn(&talk, asks(vec![Message::user("again")], "be kind")).await;
    turn(&talk, says("end")).await;
    let asked = lab.asked();
    assert_eq!(asked[0], ["system: be brief", "user: weather?"]);
    let said = ["user: weather?", "assistant: I look.\"c1\"", "tool: rain", "user: so?"];
    assert_eq!(asked[1], said);
    let mut more = said.to_vec();
    more.extend(["assistant: It rains.", "user: plain"]);
    assert_eq!(asked[2], more);
    more.extend(["assistant: Yes.", "user: again"]);
    assert_eq!(asked[3], [&["system: be kind"], &more[..]].concat());
    more.extend(["assistant: I look again.", "user: end"]);
    assert_eq!(asked[4], more, "a call that nobody answered was never made");
    let lost = turn(&talk, asks(vec![gave("c9")], "")).await;
    let EventBody::TurnFailed { error } = lost else { panic!("{lost:?}") };
    assert_eq!((error.kind, error.param.as_deref()), (ErrorKind::InvalidRequest, Some("input")));
    assert_eq!(lab.asked().len(), 5);
    let empty = Outgoing { parts: Vec::new(), ..asks(vec![Message::user("hm")], "") };
    assert!(talk.send(empty).await.is_ok(), "what is shown of it may be nothing");
    system.stop().await;
}

#[tokio::test]
async fn what_it_asked_is_exported_and_forked_and_a_key_knows_it() {
    let lab = Lab::saying(Vec::new()).await;
    let system = system(&lab, None).await;
    let talk = session(&system, "talk").await;
    let message = asks(vec![Message::user("hi")], "be brief");
    let keyed = |message: Outgoing| Outgoing { key: Some("k".into()), ..message };
    let sent = talk.send(keyed(message.clone())).await.unwrap();
    assert_eq!(talk.send(keyed(message.clone())).await, Ok(sent));
    let other = keyed(asks(vec![Message::user("hi")], "be long"));
    assert_eq!(talk.send(other).await, Err(SessionError::KeyConflict));
    Seen::from(&talk, None).await.end_of(1).await;
    let mut export = talk.export().await.unwrap();
    let mut lines = Vec::new();
    while let Some(more) = export.next().await {
        lines.extend(more.unwrap());
    }
    let imported = system.sessions().import(&Access::Admin, Some("copy".into()), &lines).await.unwrap();
    let forked = talk.fork(&Access::Admin, talk.end().await.unwrap(), None).await.unwrap();
    for copy in [imported, forked] {
        let events = all(&copy).await;
        let asked = events.iter().find_map(|event| match &event.body {
            EventBody::MessageUser { asked, .. } => asked.clone(),
            _ => None,
        });
        assert_eq!(asked, message.asked);
        turn(&copy, says("more")).await;
        let last = lab.asked().pop().unwrap();
        assert_eq!(last[last.len() - 3..], ["user: hi", "assistant: ?", "user: more"]);
    }
    system.stop().await;
}

#[tokio::test]
async fn a_fork_behind_a_turn_has_nothing_of_those_that_waited_for_it() {
    let lab = Lab::saying(vec![vec![text("one "), Wait, text("two"), Stop]]).await;
    let system = system(&lab, None).await;
    let talk = session(&system, "talk").await;
    let mut seen = Seen::from(&talk, None).await;
    talk.send(asks(vec![Message::user("first")], "")).await.unwrap();
    seen.text(1, "one ").await;
    talk.send(asks(vec![Message::user("second")], "")).await.unwrap();
    lab.go_on().await;
    seen.end_of(1).await;
    let at = seen.cursor();
    seen.end_of(2).await;
    let fork = talk.fork_behind(&Access::Admin, 1, at, Some("fork".into())).await.unwrap();
    let turns: Vec<_> = all(&fork).await.iter().filter_map(|event| event.turn).collect();
    assert!(turns.iter().all(|turn| *turn == 1), "{turns:?}");
    assert!(!fork.is_response(1).await.unwrap());
    turn(&fork, asks(vec![Message::user("third")], "")).await;
    assert_eq!(lab.asked().pop().unwrap(), ["user: first", "assistant: one two", "user: third"]);
    assert!(fork.is_response(2).await.unwrap());
    fork.delete_response(2).await.unwrap();
    assert!(matches!(system.sessions().open(&Access::Admin, "fork").await, Err(SessionError::NotFound)));
    assert!(talk.is_response(1).await.unwrap(), "the other one has all its own");
    system.stop().await;
}

#[tokio::test]
async fn what_is_deleted_stays_deleted_and_the_last_one_takes_the_session_along() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    let lab = Lab::saying(Vec::new()).await;
    let first = system(&lab, Some(&store)).await;
    let talk = session(&first, "talk").await;
    for number in 1..=3 {
        turn(&talk, asks(vec![Message::user(number.to_string())], "")).await;
    }
    talk.delete_response(2).await.unwrap();
    assert_eq!(talk.delete_response(4).await, Err(SessionError::NoTurn));
    let (_copy, store) = killed(dir.path()).await;
    let second = system(&lab, Some(&store)).await;
    let talk = second.sessions().open(&Access::Admin, "talk").await.unwrap();
    let mut there = Vec::new();
    for number in 1..=3 {
        there.push(talk.is_response(number).await.unwrap());
    }
    assert_eq!(there, [true, false, true]);
    talk.delete_response(1).await.unwrap();
    turn(&talk, says("more")).await;
    let said = ["user: 1", "assistant: ?", "user: 2", "assistant: ?", "user: 3", "assistant: ?", "user: more"];
    assert_eq!(lab.asked().pop().unwrap(), said, "its words stay");
    for number in [3, 4] {
        assert!(second.sessions().open(&Access::Admin, "talk").await.is_ok());
        talk.delete_response(number).await.unwrap();
    }
    assert!(matches!(second.sessions().open(&Access::Admin, "talk").await, Err(SessionError::NotFound)));
    for system in [first, second] {
        system.stop().await;
    }
}

#[tokio::test]
async fn one_that_is_waited_for_does_not_go_on_in_the_next_process() {
    for runs_on in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path()).await;
        let lab = Lab::saying(vec![vec![text("one "), Wait], vec![text("one two"), Stop]]).await;
        let first = system(&lab, Some(&store)).await;
        let talk = session(&first, "talk").await;
        let mut message = asks(vec![Message::user("count")], "");
        message.asked.iter_mut().for_each(|asked| asked.runs_on = runs_on);
        talk.send(message).await.unwrap();
        Seen::from(&talk, None).await.text(1, "one ").await;
        let (_copy, store) = killed(dir.path()).await;
        let second = system(&lab, Some(&store)).await;
        let talk = second.sessions().open(&Access::Admin, "talk").await.unwrap();
        let end = Seen::from(&talk, None).await.end_of(1).await;
        assert_eq!(end == EventBody::TurnCancelled, !runs_on, "{end:?}");
        assert_eq!(lab.asked().len(), if runs_on { 2 } else { 1 });
        for system in [first, second] {
            system.stop().await;
        }
    }
}

#[tokio::test]
async fn a_brief_session_goes_after_a_day_unless_somebody_keeps_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    let lab = Lab::saying(Vec::new()).await;
    let system = system(&lab, Some(&store)).await;
    let keeping = || {
        let mut message = asks(vec![Message::user("hi")], "");
        message.asked.iter_mut().for_each(|asked| asked.keeps = true);
        message
    };
    let messages = [("goes", asks(vec![Message::user("hi")], "")), ("kept", keeping()), ("used", says("hi"))];
    for (id, message) in messages {
        let new = NewSession { id: Some(id.into()), model: Some("lab/m".into()), brief: true, ..NewSession::default() };
        let (talk, _) = system.sessions().create(&Access::Admin, new).await.unwrap();
        turn(&talk, message).await;
    }
    let live = system.sessions().durable().unwrap();
    let in_hours = |hours: u64| std::time::SystemTime::now() + Duration::from_secs(hours * 3600);
    let there = async || {
        let listed = system.sessions().list(&Access::Admin, None, 10).await.unwrap();
        listed.into_iter().map(|session| session.id).collect::<Vec<_>>()
    };
    sweep::sweep_brief(live, in_hours(23)).await.unwrap();
    assert_eq!(there().await, ["goes", "kept", "used"]);
    for _ in 0..2 {
        sweep::sweep_brief(live, in_hours(25)).await.unwrap();
        assert_eq!(there().await, ["kept", "used"]);
    }
    system.stop().await;
}

#[tokio::test]
async fn its_conversation_is_shortened_as_any_and_its_instructions_stay() {
    let (lab, system) = super::rules::small_window(crate::ContextPolicy::Trim, "1234567890").await;
    let talk = session(&system, "talk").await;
    let mut seen = Seen::from(&talk, None).await;
    for number in 1..=5 {
        let sent = talk.send(asks(vec![Message::user(format!("q{number}"))], "be brief")).await.unwrap();
        assert!(matches!(seen.end_of(sent.turn).await, EventBody::TurnFinished { .. }));
    }
    let asked = lab.asked();
    assert_eq!(asked[3][..2], ["system: be brief", "user: q1"]);
    assert_eq!(asked[4][..2], ["system: be brief", "user: q3"]);
    talk.send(asks(vec![gave("c1"), Message::user("q6")], "")).await.unwrap();
    assert!(matches!(seen.end_of(6).await, EventBody::TurnFinished { .. }), "its call may be among what is not shown");
    let last = lab.asked().pop().unwrap();
    assert_eq!((&*last[0], &**last.last().unwrap()), ("user: q3", "user: q6"));
    assert!(!last.iter().any(|message| message.starts_with("tool")), "{last:?}");
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_turn_that_ends_as_its_session_goes_does_not_bring_it_back() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    let lab = Lab::start(|_, _| vec![text("one "), Wait]).await;
    let system = system(&lab, Some(&store)).await;
    for round in 0..40 {
        let id = format!("talk{round}");
        let talk = session(&system, &id).await;
        let sent = talk.send(asks(vec![Message::user("count")], "")).await.unwrap();
        Seen::from(&talk, None).await.text(1, "one ").await;
        talk.cancel(sent.turn).await.unwrap();
        talk.delete_response(sent.turn).await.unwrap();
        system.settle().await;
        let found = system.sessions().open(&Access::Admin, &id).await;
        assert!(matches!(found, Err(SessionError::NotFound)), "round {round}: {found:?}");
    }
    assert!(system.sessions().list(&Access::Admin, None, 9).await.unwrap().is_empty());
    system.stop().await;
}
