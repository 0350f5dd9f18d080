use proptest::prelude::*;

use super::*;

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000)
}

fn record() -> Record {
    Record::new("admin", "s/1".into(), now())
}

fn at(epoch: u64, position: u64) -> Cursor {
    Cursor { epoch, position }
}

#[test]
fn a_reader_of_an_older_epoch_goes_on_as_far_as_that_holds() {
    let mut record = record();
    record.handle_lost(100);
    record.handle_lost(60);
    assert_eq!(record.epoch, 3);
    let place = |cursor| record.place(cursor, 200, false);
    assert_eq!(place(at(1, 60)), Begin::At(60));
    assert_eq!(place(at(1, 61)), Begin::Reset(0), "what came later went back behind it");
    assert_eq!(place(at(2, 60)), Begin::At(60));
    assert_eq!(place(at(3, 200)), Begin::At(200));
    assert_eq!(place(at(3, 201)), Begin::Reset(0), "past the end");
    assert_eq!(place(at(4, 0)), Begin::Reset(0), "unknown");
    assert_eq!(place(at(0, 0)), Begin::Reset(0), "unknown");
    assert_eq!(record.place(at(1, 61), 200, true), Begin::Reset(60));
    assert_eq!(record.place(at(2, 150), 200, true), Begin::Reset(60));
    assert_eq!(record.place(at(9, 1), 200, true), Begin::Reset(0));
}

proptest! {
    /// What a reader has is a prefix of some history; where it is let go on, the histories since agree with it up to there.
    #[test]
    fn no_cursor_ever_leads_to_other_text(losses in proptest::collection::vec((0u64..50, 1u64..50), 0..6), seen in 0usize..7, position in 0u64..400) {
        let mut record = record();
        // Each epoch's text as a list of (epoch that wrote it) by position.
        let mut text: Vec<u64> = vec![1; 30];
        let mut shown = vec![text.clone()];
        for (lost, more) in losses {
            let end = text.len().saturating_sub(usize::try_from(lost).unwrap());
            text.truncate(end);
            record.handle_lost(u64::try_from(end).unwrap());
            text.extend(std::iter::repeat_n(record.epoch, usize::try_from(more).unwrap()));
            shown.push(text.clone());
        }
        let seen = seen.min(shown.len() - 1);
        let has = &shown[seen][..shown[seen].len().min(usize::try_from(position).unwrap())];
        let cursor = at(u64::try_from(seen).unwrap() + 1, u64::try_from(has.len()).unwrap());
        match record.place(cursor, u64::try_from(text.len()).unwrap(), true) {
            Begin::At(position) => prop_assert_eq!(has, &text[..usize::try_from(position).unwrap()]),
            Begin::Reset(position) => {
                let position = usize::try_from(position).unwrap();
                prop_assert_eq!(&has[..position], &text[..position]);
                prop_assert!(has.len() > text.len() || has != &text[..has.len()], "it could have gone on");
            }
        }
    }
}

#[test]
fn epochs_that_are_long_past_are_forgotten_and_their_readers_begin_anew() {
    let mut record = record();
    (0..100).for_each(|_| record.handle_lost(10));
    assert_eq!(record.before.len(), MOST_EPOCHS);
    assert_eq!(record.place(at(1, 5), 20, false), Begin::Reset(0));
    assert_eq!(record.place(at(100, 5), 20, false), Begin::At(5));
}

fn waiting() -> Record {
    let mut record = record();
    record.begin(1, 2);
    record.handle_waiting(1, &["a".into(), "b".into()]);
    record
}

#[test]
fn a_call_is_one_holders_until_the_claim_runs_out() {
    let mut record = waiting();
    let first = record.claim("a", None, "one".into(), now()).unwrap();
    assert_eq!((first.claim.as_str(), first.until), ("one", now() + CLAIM));
    let held = SessionError::Held { until: now() + CLAIM };
    assert_eq!(record.claim("a", None, "two".into(), now()), Err(held.clone()));
    assert_eq!(record.claim("a", Some("guessed"), "two".into(), now()), Err(held.clone()));
    assert_eq!(record.handle_result("a", None, 9, now()), Err(held));
    let later = now() + CLAIM / 2;
    assert_eq!(record.claim("a", Some("one"), "x".into(), later).unwrap().until, later + CLAIM, "renewed");
    let after = later + CLAIM;
    let second = record.claim("a", Some("one of somebody else"), "two".into(), after).unwrap();
    assert_eq!(second.claim, "two", "a claim is never what a client makes up");
    assert_eq!(record.handle_result("a", Some("two"), 9, after), Ok(()));
    assert_eq!(record.claim("a", None, "x".into(), after), Err(SessionError::ResultTaken));
    assert_eq!(record.handle_result("c", None, 9, after), Err(SessionError::NoCall));
}

#[test]
fn a_turn_goes_on_with_the_last_result_and_a_second_one_is_told_from_one_for_no_call() {
    let mut record = waiting();
    assert_eq!(record.state(), SessionState::Waiting);
    assert_eq!(record.handle_result("b", None, 7, now()), Ok(()));
    assert!(!record.is_running());
    assert_eq!(record.handle_result("a", None, 8, now()), Ok(()));
    assert!(record.is_running());
    assert_eq!(record.open.as_ref().unwrap().step_at, 9);
    assert_eq!(record.handle_result("a", None, 9, now()), Err(SessionError::ResultTaken));
    record.handle_ended(1);
    assert_eq!(record.handle_result("b", None, 9, now()), Err(SessionError::ResultTaken));
    assert_eq!(record.handle_result("c", None, 9, now()), Err(SessionError::NoCall));
}

#[test]
fn turns_that_wait_begin_in_their_order() {
    let mut record = record();
    record.begin(1, 2);
    record.queued.extend([Queued { turn: 2, at: 4 }, Queued { turn: 3, at: 5 }]);
    record.handle_ended(7);
    assert_eq!(record.open.as_ref().unwrap().turn, 1, "another turn's end");
    record.handle_ended(1);
    assert_eq!(record.open.as_ref().map(|open| (open.turn, open.at)), Some((2, 5)));
    record.handle_ended(2);
    record.handle_ended(3);
    assert_eq!(record.state(), SessionState::Idle);
}
