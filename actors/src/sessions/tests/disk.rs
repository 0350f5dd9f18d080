//! A disk that takes nothing any more.

use super::{lab::Say::*, lab::text, *};

#[tokio::test]
async fn on_a_disk_that_takes_nothing_an_open_turn_goes_on_and_nothing_else_begins() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    let lab = Lab::saying(vec![vec![text("Hel"), Wait, text("lo"), Stop]]).await;
    let system = system(&lab, Some(&store)).await;
    let talk = session(&system, "talk").await;
    let mut seen = Seen::from(&talk, None).await;
    say(&talk, "hi").await;
    seen.text(1, "Hel").await;
    std::fs::remove_dir_all(dir.path().join("store")).unwrap();
    let key = Outgoing { key: Some("k".into()), ..says("more") };
    let refused = talk.send(key.clone()).await;
    assert!(matches!(refused, Err(SessionError::NotKept(_))), "{refused:?}");
    lab.go_on().await;
    assert!(matches!(seen.end_of(1).await, EventBody::TurnFinished { .. }));
    assert_eq!(seen.said(1), "Hello");
    let refused = talk.send(key).await;
    assert!(matches!(refused, Err(SessionError::NotKept(_))), "{refused:?}");
    let update = Update { model: Some("n".into()), ..Update::default() };
    assert!(matches!(talk.update(update).await, Err(SessionError::NotKept(_))));
    let info = talk.info().await.unwrap();
    assert_eq!((info.summary.model.as_deref(), info.summary.state), (Some("lab/m"), SessionState::Idle));
    assert_eq!(lab.asked().len(), 1, "the turn is over, and not begun again");
    let events: Vec<_> = seen.events.iter().filter(|event| !event.body.is_told()).cloned().collect();
    let texts = |events: &[LogEvent]| events.iter().filter_map(|event| event.body.delta().cloned()).collect::<String>();
    assert_eq!(texts(&events), "Hello");
    let messages = events.iter().filter(|event| matches!(event.body, EventBody::MessageUser { .. })).count();
    assert_eq!(messages, 1, "nothing of what was refused is in the log");
    for _ in 0..2 {
        let new = NewSession { id: Some("other".into()), ..NewSession::default() };
        let refused = system.sessions().create(&Access::Admin, new).await;
        assert!(matches!(refused, Err(SessionError::NotKept(_))), "{refused:?}");
    }
    system.stop().await;
}
