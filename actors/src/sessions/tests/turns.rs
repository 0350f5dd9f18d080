//! One turn at a time, and what is asked of a session meanwhile.

use super::{lab::Say::*, lab::text, *};
use crate::session::Busy;

#[tokio::test]
async fn a_key_is_one_message_also_after_its_session_has_slept() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    let lab = Lab::saying(Vec::new()).await;
    let rules = SessionRules { hibernate_after: Duration::ZERO, ..SessionRules::default() };
    let system = system_with(&lab, Some(&store), rules).await;
    let talk = session(&system, "talk").await;
    let keyed = |text: &str| Outgoing { key: Some("k".into()), ..says(text) };
    let (sent, again) = tokio::join!(talk.send(keyed("hi")), talk.send(keyed("hi")));
    let sent = sent.unwrap();
    assert_eq!(again, Ok(sent), "while the first is on its way");
    assert_eq!(talk.send(keyed("hi")).await, Ok(sent));
    Seen::from(&talk, None).await.end_of(1).await;
    tokio::time::timeout(20 * SECOND, async {
        while system.sessions().live() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .expect("it leaves memory");
    assert_eq!(talk.send(keyed("hi")).await, Ok(sent));
    assert_eq!(talk.send(keyed("ho")).await, Err(SessionError::KeyConflict));
    assert_eq!(all(&talk).await.iter().filter(|event| matches!(event.body, EventBody::MessageUser { .. })).count(), 1);
    let long = Outgoing { key: Some("k".repeat(256)), ..says("hi") };
    assert_eq!(talk.send(long).await, Err(SessionError::BadKey));
    system.stop().await;
}

#[tokio::test]
async fn a_message_is_refused_where_it_was_written_against_an_older_end() {
    let lab = Lab::saying(Vec::new()).await;
    let system = system(&lab, None).await;
    let talk = session(&system, "talk").await;
    let end = talk.end().await.unwrap();
    let at = |cursor| Outgoing { at: Some(cursor), ..says("hi") };
    let (one, two) = tokio::join!(talk.send(at(end)), talk.send(at(end)));
    assert!(one.is_ok() != two.is_ok(), "one alone is first: {one:?} {two:?}");
    let ((Err(SessionError::Stale { end: now }), _) | (_, Err(SessionError::Stale { end: now }))) = (one, two) else {
        panic!("the other is told why");
    };
    assert!(now.position > end.position);
    Seen::from(&talk, None).await.end_of(1).await;
    talk.send(at(talk.end().await.unwrap())).await.unwrap();
    assert_eq!(talk.send(says("")).await.map(|sent| sent.turn), Ok(3), "an empty text is a part");
    assert_eq!(talk.send(Outgoing::default()).await, Err(SessionError::Empty));
    system.stop().await;
}

#[tokio::test]
async fn turns_run_one_at_a_time_in_their_order_and_are_cancelled_by_name() {
    let lab = Lab::saying(vec![vec![text("a"), Wait, Stop], vec![text("c"), Stop]]).await;
    let system = system(&lab, None).await;
    let talk = session(&system, "talk").await;
    let mut seen = Seen::from(&talk, None).await;
    for turn in 1..=3 {
        assert_eq!(say(&talk, &turn.to_string()).await.turn, turn);
    }
    seen.text(1, "a").await;
    assert_eq!(talk.send(Outgoing { busy: Busy::Refuse, ..says("no") }).await, Err(SessionError::Busy));
    assert_eq!(talk.info().await.unwrap().queued, [2, 3]);
    assert_eq!(talk.cancel(2).await, Ok(Cancelled::Cancelled));
    assert_eq!(talk.cancel(2).await, Ok(Cancelled::Ended));
    assert_eq!(talk.cancel(9).await, Err(SessionError::NoTurn));
    assert_eq!(talk.cancel(1).await, Ok(Cancelled::Cancelled));
    assert_eq!(seen.end_of(1).await, EventBody::TurnCancelled);
    seen.end_of(3).await;
    assert_eq!(seen.said(3), "c");
    assert_eq!(lab.asked()[1], ["user: 1", "assistant: a", "user: 2", "user: 3"]);
    system.stop().await;
}

#[tokio::test]
async fn a_call_is_run_once_and_its_turn_goes_on() {
    let lab = Lab::saying(vec![vec![Call("c1"), Calls], vec![Call("c2"), Calls], vec![text("done"), Stop]]).await;
    let system = system(&lab, None).await;
    let talk = session(&system, "talk").await;
    let mut seen = Seen::from(&talk, None).await;
    let result = |id: &str| CallResult { id: id.into(), parts: vec![Part::text("r")], ..CallResult::default() };
    assert_eq!(talk.result(result("c1")).await, Err(SessionError::NoCall));
    say(&talk, "go").await;
    seen.until(|body| *body == EventBody::TurnWaiting { ids: vec!["c1".into()] }).await;
    assert_eq!(talk.info().await.unwrap().summary.state, SessionState::Waiting);
    let claim = talk.claim("c1", None).await.unwrap();
    assert!(matches!(talk.claim("c1", None).await, Err(SessionError::Held { .. })));
    assert!(talk.claim("c1", Some(claim.claim.clone())).await.is_ok(), "renewed");
    let (one, two) = {
        let mine = CallResult { claim: Some(claim.claim), ..result("c1") };
        tokio::join!(talk.result(mine.clone()), talk.result(mine))
    };
    assert!(one.is_ok() && two == Err(SessionError::ResultTaken), "{one:?} {two:?}");
    seen.until(|body| *body == EventBody::TurnWaiting { ids: vec!["c2".into()] }).await;
    say(&talk, "queued").await;
    assert_eq!(talk.cancel(1).await, Ok(Cancelled::Cancelled), "one that waits for a result");
    assert_eq!(talk.result(result("c2")).await, Err(SessionError::NoCall));
    seen.end_of(2).await;
    assert_eq!(lab.asked()[2], ["user: go", "assistant: \"c1\"", "tool: r", "user: queued"]);
    system.stop().await;
}

#[tokio::test]
async fn what_is_asked_can_change_between_turns() {
    let lab = Lab::saying(Vec::new()).await;
    let system = system(&lab, None).await;
    let talk = session(&system, "talk").await;
    talk.update(Update { system: Some("be brief".into()), ..Update::default() }).await.unwrap();
    say(&talk, "hi").await;
    let mut seen = Seen::from(&talk, None).await;
    seen.end_of(1).await;
    let update = Update { model: Some("lab/n".into()), system: Some(String::new()), ..Update::default() };
    talk.update(update).await.unwrap();
    say(&talk, "ho").await;
    seen.end_of(2).await;
    let info = talk.info().await.unwrap();
    assert_eq!((info.summary.model.as_deref(), info.system), (Some("lab/n"), None));
    assert_eq!(lab.asked()[0], ["system: be brief", "user: hi"]);
    assert_eq!(lab.asked()[1][0], "user: hi");
    system.stop().await;
}

#[tokio::test]
async fn a_session_that_is_removed_is_gone_with_its_readers_and_its_turn() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    let lab = Lab::saying(vec![vec![text("a"), Wait, Stop]]).await;
    let system = system(&lab, Some(&store)).await;
    let talk = session(&system, "talk").await;
    talk.send(Outgoing { key: Some("k".into()), ..says("hi") }).await.unwrap();
    let mut seen = Seen::from(&talk, None).await;
    seen.text(1, "a").await;
    system.sessions().remove(&Access::Admin, "talk").await.unwrap();
    let ended = async { while seen.reader.pull().await.is_some() {} };
    tokio::time::timeout(20 * SECOND, ended).await.expect("readers end");
    assert_eq!(talk.info().await.err(), Some(SessionError::NotFound));
    assert_eq!(talk.send(says("hi")).await, Err(SessionError::NotFound));
    assert_eq!(system.sessions().remove(&Access::Admin, "talk").await, Err(SessionError::NotFound));
    // One of the same id begins anew, and knows no key of the other.
    let anew = session(&system, "talk").await;
    assert_eq!(all(&anew).await.len(), 1);
    assert_eq!(anew.send(Outgoing { key: Some("k".into()), ..says("ho") }).await.unwrap().turn, 1);
    system.stop().await;
    store.close().await.unwrap();
}

#[tokio::test]
async fn a_client_sees_its_own_sessions_alone() {
    let lab = Lab::saying(Vec::new()).await;
    let system = system(&lab, None).await;
    let (ada, bob) = (Access::Client("ada".into()), Access::Client("bob".into()));
    let named = |id: &str| NewSession { id: Some(id.into()), ..NewSession::default() };
    let sessions = system.sessions();
    for id in ["a1", "a2", "a3"] {
        assert!(sessions.create(&ada, named(id)).await.unwrap().1);
    }
    sessions.create(&bob, named("b1")).await.unwrap();
    assert!(!sessions.create(&ada, named("a1")).await.unwrap().1, "its own is given");
    assert_eq!(sessions.create(&bob, named("a1")).await.err(), Some(SessionError::Taken));
    assert_eq!(sessions.open(&bob, "a1").await.err(), Some(SessionError::NotFound));
    assert_eq!(sessions.remove(&bob, "a1").await, Err(SessionError::NotFound));
    let list = async |access: &Access, after: Option<&str>, most| {
        let found = sessions.list(access, after, most).await.unwrap();
        found.into_iter().map(|summary| summary.id).collect::<Vec<_>>()
    };
    assert_eq!(list(&ada, None, 2).await, ["a1", "a2"]);
    assert_eq!(list(&ada, Some("a2"), 9).await, ["a3"]);
    assert_eq!(list(&bob, None, 9).await, ["b1"]);
    assert_eq!(list(&Access::Admin, Some("a1"), 9).await, ["a2", "a3", "b1"]);
    for bad in ["", "a b", "../x", "ä", &"x".repeat(129)] {
        assert_eq!(sessions.create(&ada, named(bad)).await.err(), Some(SessionError::BadId), "{bad:?}");
    }
    system.stop().await;
}
