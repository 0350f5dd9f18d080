//! What is there after the process has died, or ended in order.

use super::{lab::Say::*, lab::text, *};
use crate::OnCrash;

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_kill_and_no_reader_notices() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    let lab = Lab::saying(vec![vec![text("one "), text("two"), Stop]]).await;
    let first = system(&lab, Some(&store)).await;
    let talk = session(&first, "talk").await;
    let mut reader = Seen::from(&talk, None).await;
    let sent = say(&talk, "count").await;
    assert_eq!(sent, Sent { turn: 1, position: 1, next: 2 });
    assert!(matches!(reader.end_of(1).await, EventBody::TurnFinished { .. }));
    // What was shown last was kept before it was shown.
    let (_copy, store) = killed(dir.path()).await;
    let second = system(&lab, Some(&store)).await;
    let talk = second.sessions().open(&Access::Admin, "talk").await.unwrap();
    let info = talk.info().await.unwrap();
    assert_eq!((info.summary.state, info.summary.cursor.as_str()), (SessionState::Idle, &*reader.cursor().to_string()));
    let mut again = Seen::from(&talk, Some(reader.cursor())).await;
    again.more().await;
    assert_eq!(again.events.len(), 1, "synced at once: {:?}", again.events);
    let whole = all(&talk).await;
    let seen: Vec<_> = reader.events.iter().filter(|event| !event.body.is_told()).cloned().collect();
    let said = |events: &[LogEvent]| events.iter().filter_map(|event| event.body.delta().cloned()).collect::<String>();
    assert_eq!((said(&whole), whole.last()), (said(&seen), seen.last()));
    for system in [first, second] {
        system.stop().await;
    }
}

#[tokio::test]
async fn an_answer_that_a_kill_cut_goes_on_as_one_in_a_new_epoch() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    let lab = Lab::saying(vec![
        vec![text("The answer"), Wait, text(" never shown"), Wait],
        vec![text("The answer is forty-two."), Stop],
    ])
    .await;
    let first = system(&lab, Some(&store)).await;
    let talk = session(&first, "talk").await;
    let mut early = Seen::from(&talk, None).await;
    say(&talk, "what is it").await;
    early.text(1, "The answer").await;
    let kept = early.cursor();
    // As much later as what is said is written.
    tokio::time::sleep(4 * crate::session::core::SOON).await;
    let (_copy, store) = killed(dir.path()).await;
    lab.go_on().await;
    early.text(1, "The answer never shown").await;
    let late = early.cursor();
    let second = system(&lab, Some(&store)).await;
    let talk = second.sessions().open(&Access::Admin, "talk").await.unwrap();
    let mut whole = Seen::from(&talk, None).await;
    whole.end_of(1).await;
    assert_eq!(whole.said(1), "The answer is forty-two.");
    assert_eq!(talk.end().await.unwrap().epoch, 2);
    assert_eq!(whole.events.iter().filter(|event| event.body == EventBody::TurnStarted).count(), 1);
    let mut on_time = Seen::from(&talk, Some(kept)).await;
    on_time.end_of(1).await;
    assert!(!on_time.was_reset());
    assert_eq!(on_time.said(1), " is forty-two.");
    let mut too_late = Seen::from(&talk, Some(late)).await;
    too_late.end_of(1).await;
    assert!(too_late.was_reset(), "what it was shown last is not so any more");
    assert_eq!(too_late.said(1), "The answer is forty-two.");
    let asked = lab.asked();
    assert!(asked[1].iter().any(|message| message.contains("The answer")), "asked to go on: {:?}", asked[1]);
    for system in [first, second] {
        system.stop().await;
    }
}

#[tokio::test]
async fn an_end_in_order_suspends_a_turn_and_its_readers_just_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    let lab = Lab::saying(vec![vec![text("Hel"), Wait], vec![text("Hello"), Stop], vec![text("next"), Stop]]).await;
    let first = system(&lab, Some(&store)).await;
    let talk = session(&first, "talk").await;
    let mut reader = Seen::from(&talk, None).await;
    say(&talk, "hi").await;
    say(&talk, "and").await;
    reader.text(1, "Hel").await;
    first.stop().await;
    while let Some(events) = reader.reader.pull().await {
        assert!(!events.iter().any(|event| event.body.ends_turn()), "{events:?}");
        reader.position = events.last().unwrap().next;
    }
    store.close().await.unwrap();
    let store = open(dir.path()).await;
    let second = system(&lab, Some(&store)).await;
    let talk = second.sessions().open(&Access::Admin, "talk").await.unwrap();
    let mut after = Seen::from(&talk, Some(reader.cursor())).await;
    after.end_of(2).await;
    assert!(!after.was_reset());
    assert_eq!((after.said(1), after.said(2)), ("lo".into(), "next".into()));
    assert_eq!(talk.end().await.unwrap().epoch, 1, "nothing that was shown was lost");
    second.stop().await;
}

#[tokio::test]
async fn where_it_is_wanted_so_an_interrupted_turn_fails_and_the_next_begins() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    let lab = Lab::saying(vec![vec![text("Hel"), Wait], vec![text("next"), Stop]]).await;
    let first = system(&lab, Some(&store)).await;
    let talk = session(&first, "talk").await;
    say(&talk, "hi").await;
    say(&talk, "and").await;
    Seen::from(&talk, None).await.text(1, "Hel").await;
    tokio::time::sleep(4 * crate::session::core::SOON).await;
    let (_copy, store) = killed(dir.path()).await;
    let rules = SessionRules { on_crash: OnCrash::Mark, ..SessionRules::default() };
    let second = system_with(&lab, Some(&store), rules).await;
    let talk = second.sessions().open(&Access::Admin, "talk").await.unwrap();
    let mut seen = Seen::from(&talk, None).await;
    assert!(matches!(seen.end_of(1).await, EventBody::TurnFailed { .. }));
    assert!(matches!(seen.end_of(2).await, EventBody::TurnFinished { .. }));
    assert_eq!((seen.said(1), seen.said(2)), ("Hel".into(), "next".into()));
    for system in [first, second] {
        system.stop().await;
    }
}

#[tokio::test]
async fn a_turn_that_waits_for_results_waits_on_after_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    let lab = Lab::saying(vec![vec![text("looking"), Call("c1"), Calls], vec![text("found"), Stop]]).await;
    let first = system(&lab, Some(&store)).await;
    let talk = session(&first, "talk").await;
    say(&talk, "look").await;
    let mut seen = Seen::from(&talk, None).await;
    seen.until(|body| matches!(body, EventBody::TurnWaiting { .. })).await;
    let claim = talk.claim("c1", None).await.unwrap();
    let (_copy, store) = killed(dir.path()).await;
    let second = system(&lab, Some(&store)).await;
    let talk = second.sessions().open(&Access::Admin, "talk").await.unwrap();
    assert_eq!(talk.info().await.unwrap().waiting, ["c1"]);
    let result = CallResult { id: "c1".into(), parts: vec![Part::text("it")], ..CallResult::default() };
    assert!(matches!(talk.result(result.clone()).await, Err(SessionError::Held { .. })), "the claim holds, too");
    talk.result(CallResult { claim: Some(claim.claim), ..result }).await.unwrap();
    let mut after = Seen::from(&talk, Some(seen.cursor())).await;
    after.end_of(1).await;
    assert!(!after.was_reset());
    assert_eq!(after.said(1), "found");
    assert_eq!(lab.asked()[1], ["user: look", "assistant: looking\"c1\"", "tool: it"]);
    for system in [first, second] {
        system.stop().await;
    }
}

#[tokio::test]
async fn a_turn_that_was_cut_goes_on_though_nobody_asks_for_it_and_what_is_over_is_left_asleep() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    let lab = Lab::saying(vec![vec![text("done"), Stop], vec![text("Hel"), Wait], vec![text("Hello"), Stop]]).await;
    let first = system(&lab, Some(&store)).await;
    let over = session(&first, "over").await;
    say(&over, "hi").await;
    Seen::from(&over, None).await.end_of(1).await;
    let cut = session(&first, "cut").await;
    say(&cut, "hi").await;
    Seen::from(&cut, None).await.text(1, "Hel").await;
    let (_copy, store) = killed(dir.path()).await;
    let second = system(&lab, Some(&store)).await;
    let asked = async {
        while lab.asked().len() < 3 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(20 * SECOND, asked).await.expect("it is taken up by itself");
    assert_eq!(second.sessions().live(), 1, "the other is not woken");
    for system in [first, second] {
        system.stop().await;
    }
}
