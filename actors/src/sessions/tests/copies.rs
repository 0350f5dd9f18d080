//! Forks, exports and imports.

use super::{lab::Say::*, lab::text, *};

async fn exported(session: &SessionRef) -> Vec<u8> {
    let mut export = session.export().await.unwrap();
    let mut lines = Vec::new();
    while let Some(piece) = export.next().await {
        lines.extend(piece.unwrap());
    }
    lines
}

#[tokio::test]
async fn a_fork_has_what_was_said_up_to_a_place_and_goes_its_own_way() {
    let lab = Lab::saying(vec![vec![text("grün"), Stop], vec![text("blau"), Stop], vec![text("rot"), Stop]]).await;
    let system = system(&lab, None).await;
    let talk = session(&system, "talk").await;
    talk.update(Update { system: Some("colours".into()), ..Update::default() }).await.unwrap();
    let mut seen = Seen::from(&talk, None).await;
    for turn in 1..=2 {
        say(&talk, &format!("q{turn}")).await;
        seen.end_of(turn).await;
    }
    let whole = all(&talk).await;
    let first_end = whole.iter().find(|event| event.body.ends_turn()).unwrap().next;
    let at = |position| Cursor { epoch: 1, position };
    let fork = talk.fork(&Access::Admin, at(first_end), Some("fork".into())).await.unwrap();
    let copied: Vec<_> = whole.iter().filter(|event| event.next <= first_end).cloned().collect();
    assert_eq!(all(&fork).await, copied);
    say(&fork, "q3").await;
    let mut forked = Seen::from(&fork, None).await;
    forked.end_of(2).await;
    assert_eq!(lab.asked()[2], ["system: colours", "user: q1", "assistant: grün", "user: q3"]);
    assert_eq!(all(&talk).await, whole, "the other is as it was");
    // Inside of a character: from before it, and the turn is over there.
    let green = whole.iter().find(|event| event.body.delta().is_some()).unwrap().position;
    let inside = talk.fork(&Access::Admin, at(green + 3), None).await.unwrap();
    let cut = all(&inside).await;
    let [.., said, last] = &cut[..] else { panic!("{cut:?}") };
    assert_eq!((said.body.delta().map(String::as_str), &last.body), (Some("gr"), &EventBody::TurnCancelled));
    assert_eq!(last.position, said.next);
    assert_eq!(talk.fork(&Access::Admin, at(first_end), Some("talk".into())).await.err(), Some(SessionError::Taken));
    let past = Cursor { epoch: 1, position: seen.position + 1 };
    assert_eq!(talk.fork(&Access::Admin, past, None).await.err(), Some(SessionError::NoPlace));
    system.stop().await;
}

#[tokio::test]
async fn what_is_exported_can_be_imported_and_is_the_same() {
    let lab =
        Lab::saying(vec![vec![text("a\u{2028}b\nc"), Stop], vec![Call("c1"), Calls], vec![text("on"), Stop]]).await;
    let system = system(&lab, None).await;
    let talk = session(&system, "talk").await;
    let mut seen = Seen::from(&talk, None).await;
    say(&talk, "one").await;
    seen.end_of(1).await;
    say(&talk, "two").await;
    seen.until(|body| matches!(body, EventBody::TurnWaiting { .. })).await;
    let lines = exported(&talk).await;
    let text = String::from_utf8(lines.clone()).unwrap();
    assert!(!text.contains('\u{2028}'), "no reader of lines breaks one in two");
    let sessions = system.sessions();
    assert_eq!(sessions.import(&Access::Admin, None, &lines).await.err(), Some(SessionError::Taken));
    let copy = sessions.import(&Access::Admin, Some("copy".into()), &lines).await.unwrap();
    let (mut of_copy, of_talk) = (all(&copy).await, all(&talk).await);
    assert_eq!(of_copy.pop().map(|last| (last.turn, last.body)), Some((Some(2), EventBody::TurnCancelled)));
    assert_eq!(of_copy, of_talk);
    say(&copy, "three").await;
    Seen::from(&copy, None).await.end_of(3).await;
    assert_eq!(lab.asked()[2][2..], ["user: two", "user: three"], "a call without a result is left out");
    system.stop().await;
}

#[tokio::test]
async fn what_is_no_export_makes_nothing() {
    let lab = Lab::saying(Vec::new()).await;
    let system = system(&lab, None).await;
    let talk = session(&system, "talk").await;
    say(&talk, "one").await;
    Seen::from(&talk, None).await.end_of(1).await;
    let lines = String::from_utf8(exported(&talk).await).unwrap();
    let lines: Vec<&str> = lines.lines().collect();
    let bad = [
        (Vec::new(), 1),
        (vec!["{}"], 1),
        (vec![lines[0]], 2),
        ([&lines[..1], &lines[2..]].concat(), 2),
        ([&lines[..2], &lines[3..]].concat(), 3),
        ([&lines[..3], &["{\"type\":\"synced\",\"position\":2,\"next\":2}"], &lines[3..]].concat(), 4),
        ([&lines[..2], &lines[1..]].concat(), 3),
        ([&lines[..2], &["\u{fffd}"]].concat(), 3),
    ];
    for (lines, line) in bad {
        let outcome = system.sessions().import(&Access::Admin, Some("new".into()), lines.join("\n").as_bytes()).await;
        let Err(SessionError::BadImport { line: at, .. }) = outcome else { panic!("{lines:#?} {outcome:?}") };
        assert_eq!(at, line, "{lines:#?}");
    }
    assert_eq!(system.sessions().open(&Access::Admin, "new").await.err(), Some(SessionError::NotFound));
    system.stop().await;
}

#[tokio::test]
async fn nothing_is_left_of_what_was_removed_or_copied_in_vain() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    let lab = Lab::saying(Vec::new()).await;
    let system = system(&lab, Some(&store)).await;
    let talk = session(&system, "talk").await;
    talk.send(Outgoing { key: Some("k".into()), ..says("hi") }).await.unwrap();
    Seen::from(&talk, None).await.end_of(1).await;
    let lines = exported(&talk).await;
    assert_eq!(system.sessions().import(&Access::Admin, None, &lines).await.err(), Some(SessionError::Taken));
    let log = talk.core().await.unwrap().with_record(|record| record.log.clone());
    let gone = async || store.scan_page(&crate::session::record::GONE, None, 9).await.unwrap().len();
    assert_eq!(gone().await, 0, "the copy is swept away");
    system.sessions().remove(&Access::Admin, "talk").await.unwrap();
    let swept = async {
        while gone().await > 0 || store.log_end(&log).await.unwrap().is_some() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(20 * SECOND, swept).await.expect("its log is removed");
    assert!(store.scan_page(&KEYS, None, 9).await.unwrap().is_empty(), "and its keys");
    assert!(store.scan_page(&OWNED, None, 9).await.unwrap().is_empty());
    // What a process left of a copy, the next one sweeps away.
    let mut left = Batch::default();
    left.put(&crate::session::record::GONE, &"s/left".to_owned(), &()).unwrap();
    left.append_at("s/left", 0, vec![crate::store::Entry { span: 1, data: vec![1] }]);
    store.commit(left).await.unwrap();
    system.stop().await;
    let next = super::system(&lab, Some(&store)).await;
    let swept = async {
        while gone().await > 0 || store.log_end("s/left").await.unwrap().is_some() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(20 * SECOND, swept).await.expect("it is swept away");
    next.stop().await;
}
