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
