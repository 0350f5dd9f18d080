use std::{path::Path, time::UNIX_EPOCH};

use greenroom_providers::{Price, cost::Cost};
use greenroom_wire::{ChatError, ChatEvent, ErrorKind, Usage};
use proptest::prelude::*;

use super::{attempt::Opened, sum::Sum, *};
use crate::store::{Durability, StoreArgs};

async fn open(dir: &Path) -> Store {
    Store::open(StoreArgs { dir: dir.join("store"), durability: Durability::Process }).await.unwrap()
}

fn session() -> Asker {
    Asker::Session { id: "s".into(), client: "c".into() }
}

fn booking(model: &str) -> Booking {
    Booking {
        provider: "lab".into(),
        model: model.into(),
        profile: "p".into(),
        asker: session(),
        requests: 1,
        prompt: 100,
        answer: 500,
        price: Some(Price::flat(1.0, 2.0)),
    }
}

fn told(input: u64, output: u64) -> ChatEvent {
    ChatEvent::Usage(Usage { input, output, ..Usage::default() })
}

fn said(bytes: usize) -> ChatEvent {
    ChatEvent::Text { delta: "x".repeat(bytes) }
}

/// What is booked of an attempt with these events that ends so; `None` is that it is dropped before its end.
async fn booked(events: &[ChatEvent], outcome: Option<Result<(), ErrorKind>>) -> UsageRow {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Ledger::start(Some(open(dir.path()).await), UsageRules::default());
    let mut attempt = ledger.open(booking("m"));
    attempt.handle_sent();
    attempt.handle_events(events);
    if let Some(outcome) = outcome {
        let outcome = outcome.map_err(|kind| ChatError::new(kind, "no"));
        attempt.handle_end(outcome.as_ref().copied(), false);
    }
    drop(attempt);
    let rows = ledger.rows().await.unwrap();
    assert_eq!((rows.len(), rows[0].attempts, rows[0].requests), (1, 1, 1));
    rows.into_iter().next().unwrap()
}

#[tokio::test]
async fn what_was_told_is_booked_and_what_was_not_is_estimated() {
    let whole = booked(&[said(4000), told(90, 30)], Some(Ok(()))).await;
    assert_eq!((whole.usage.input, whole.usage.output, whole.estimated), (90, 30, 0));
    assert_eq!(whole.cost, Cost::from_parts(150_000_000), "90 + 2 x 30 dollars a million tokens");
    let silent_provider = booked(&[said(4000)], Some(Ok(()))).await;
    assert_eq!((silent_provider.usage.input, silent_provider.usage.output, silent_provider.estimated), (100, 1000, 1));
    let cut = booked(&[told(90, 1), said(400)], Some(Err(ErrorKind::Protocol))).await;
    assert_eq!((cut.usage.input, cut.usage.output, cut.estimated), (90, 100, 1));
    let left = booked(&[said(400)], None).await;
    assert_eq!((left.usage.input, left.usage.output, left.estimated), (100, 100, 1), "the client went away");
    let refused = booked(&[], Some(Err(ErrorKind::RateLimited))).await;
    assert_eq!((refused.usage.clone(), refused.estimated, refused.cost), (Usage::default(), 0, Cost::default()));
    let unheard = booked(&[], Some(Err(ErrorKind::Timeout))).await;
    assert_eq!((unheard.usage.input, unheard.usage.output, unheard.estimated), (100, 0, 1));
}

#[tokio::test]
async fn what_a_provider_says_that_an_answer_cost_goes_before_its_price() {
    let costing = |parts| ChatEvent::Usage(Usage { input: 90, output: 30, cost: Some(parts), ..Usage::default() });
    let whole = booked(&[said(4), costing(7_000)], Some(Ok(()))).await;
    assert_eq!((whole.cost, whole.estimated, whole.unpriced), (Cost::from_parts(7_000), 0, 0));
    let free = booked(&[said(4), costing(0)], Some(Ok(()))).await;
    assert_eq!((free.cost, free.unpriced), (Cost::default(), 0), "what costs nothing has a price");
    let cut = booked(&[costing(7_000), said(400)], Some(Err(ErrorKind::Protocol))).await;
    assert_eq!((cut.cost, cut.estimated), (Cost::from_parts(290_000_000), 1), "it was told of less than was said");
}

#[tokio::test]
async fn an_attempt_that_was_open_when_the_process_died_is_booked_by_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    let ledger = Ledger::start(Some(store.clone()), UsageRules::default());
    let open_attempts: Vec<_> = (0..3).map(|n| ledger.open(booking(&format!("m{n}")))).collect();
    ledger.settle().await;
    assert_eq!(store.scan(&OPEN).await.unwrap().len(), 3);
    // Nothing is booked for it in this process any more, as for one that is killed.
    open_attempts.into_iter().for_each(std::mem::forget);
    for _ in 0..2 {
        let next = Ledger::start(Some(store.clone()), UsageRules::default());
        tokio::time::timeout(Duration::from_secs(20), async {
            while !store.scan(&OPEN).await.unwrap().is_empty() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await
        .unwrap();
        let rows = next.rows().await.unwrap();
        let models: Vec<&str> = rows.iter().map(|row| row.key.model.as_str()).collect();
        assert_eq!(models, ["m0", "m1", "m2"]);
        for row in rows {
            assert_eq!((row.attempts, row.estimated), (1, 1), "once, and not again by the one after");
            assert_eq!((row.usage.input, row.usage.output), (100, 500));
        }
    }
}

#[tokio::test]
async fn many_attempts_are_summed_exactly_and_leave_nothing_open() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    let ledger = Ledger::start(Some(store.clone()), UsageRules::default());
    let attempts = (0..50).map(|n: u64| {
        let ledger = ledger.clone();
        tokio::spawn(async move {
            for turn in 0..20 {
                let mut attempt = ledger.open(Booking { requests: u64::from(turn % 2 == 0), ..booking("m") });
                tokio::time::sleep(Duration::from_millis(n % 7 * 3)).await;
                attempt.handle_sent();
                attempt.handle_events(&[told(1, n)]);
                attempt.handle_end(Ok(()), false);
            }
        })
    });
    for attempt in attempts.collect::<Vec<_>>() {
        attempt.await.unwrap();
    }
    let rows = ledger.rows().await.unwrap();
    let [row] = &rows[..] else { panic!("{rows:?}") };
    assert_eq!((row.attempts, row.requests, row.estimated), (1000, 500, 0));
    assert_eq!((row.usage.input, row.usage.output), (1000, 20 * (0..50).sum::<u64>()));
    assert_eq!(store.scan(&OPEN).await.unwrap(), []);
}

#[tokio::test]
async fn one_that_was_never_sent_is_no_attempt() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    let ledger = Ledger::start(Some(store.clone()), UsageRules::default());
    let late = ledger.open(booking("m"));
    ledger.settle().await;
    drop((late, ledger.open(booking("m"))));
    assert_eq!(ledger.rows().await, Ok(vec![]));
    assert_eq!(store.scan(&OPEN).await.unwrap(), []);
}

#[tokio::test]
async fn one_that_was_left_at_its_bound_is_an_estimate() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Ledger::start(Some(open(dir.path()).await), UsageRules::default());
    let mut attempt = ledger.open(booking("m"));
    attempt.handle_sent();
    attempt.handle_events(&[told(90, 1), said(4000)]);
    attempt.handle_end(Ok(()), true);
    drop(attempt);
    let row = ledger.rows().await.unwrap().remove(0);
    assert_eq!((row.usage.output, row.estimated), (1000, 1));
}

#[tokio::test]
async fn what_can_not_be_written_is_not_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    let ledger = Ledger::start(Some(store.clone()), UsageRules::default());
    assert_eq!(ledger.rows().await, Ok(vec![]));
    store.close().await.unwrap();
    ledger.open(booking("m")).handle_sent();
    let mut tried = ledger.shared.tried.subscribe();
    tokio::time::timeout(Duration::from_secs(20), tried.changed()).await.unwrap().unwrap();
    let batch = ledger.state().books.take();
    assert_eq!(batch.sums.len(), 1, "{batch:?}");
}

#[tokio::test]
async fn names_can_not_be_taken_for_others() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Ledger::start(Some(open(dir.path()).await), UsageRules::default());
    for (model, profile) in [("a\",\"b", "c"), ("a", "b\",\"c"), ("a\u{0}", "b")] {
        ledger.open(Booking { profile: profile.into(), ..booking(model) }).handle_sent();
    }
    let rows = ledger.rows().await.unwrap();
    assert_eq!(rows.len(), 3);
    assert!(rows.iter().all(|row| row.key.asker == session()));
    assert!(rows.iter().any(|row| row.key.model == "a\",\"b" && row.key.profile == "c"));
    assert!(rows[0].key.day.len() == 10 && rows[0].key.day.starts_with("20"), "{}", rows[0].key.day);
}

#[tokio::test]
async fn without_a_store_nothing_is_booked_and_asking_says_so() {
    let ledger = Ledger::start(None, UsageRules::default());
    drop(ledger.open(booking("m")));
    assert_eq!(ledger.rows().await, Err(StoreError::Closed));
}

/// What becomes of the books, in any order.
#[derive(Debug, Clone)]
enum Step {
    Open(u64),
    Close(u64),
    Write { fails: bool },
}

proptest! {
    /// Against the simplest model: each attempt is booked once, and what is neither closed nor lost is open on disk.
    #[test]
    fn however_writes_go_each_attempt_is_booked_once(
        steps in prop::collection::vec(
            prop_oneof![
                3 => (0_u64..8).prop_map(Step::Open),
                3 => (0_u64..8).prop_map(Step::Close),
                2 => any::<bool>().prop_map(|fails| Step::Write { fails }),
            ],
            0..60,
        ),
        late in any::<bool>(),
    ) {
        let key = UsageKey {
            day: "d".into(),
            provider: "p".into(),
            model: "m".into(),
            profile: "f".into(),
            asker: Asker::Client("c".into()),
        };
        let one = Sum::of(&Usage::default(), None, 1, false);
        let ended = |id| Ended::new(id, UNIX_EPOCH, &key, &one, AttemptOutcome::Finished);
        let opened = std::sync::Arc::new(Opened::of_key(key.clone()));
        let attempts = |books: &Books| books.sums.get(&key).map_or(0, |sum| sum.shown().0[1]);
        let mut books = Books::default();
        let (mut on_disk, mut booked, mut kept) = (std::collections::BTreeSet::new(), 0, 0);
        let (mut open, mut closed) = (std::collections::BTreeSet::new(), 0);
        let mut next = 0_u64;
        let mut ids = [0_u64; 8];
        for step in steps.into_iter().chain([Step::Write { fails: false }]) {
            match step {
                Step::Open(slot) => {
                    // An id is never used twice.
                    let id = &mut ids[usize::try_from(slot).unwrap()];
                    if !open.contains(id) {
                        next += 1;
                        *id = next;
                        open.insert(*id);
                        books.handle_open(*id, std::sync::Arc::clone(&opened));
                    }
                }
                Step::Close(slot) => {
                    let id = ids[usize::try_from(slot).unwrap()];
                    if open.remove(&id) {
                        closed += 1;
                        books.handle_close(&key, &one, ended(id));
                    }
                }
                Step::Write { fails } => {
                    let taken = books.take();
                    // One that was opened is closed while the write is under way.
                    if late && let Some(id) = open.pop_last() {
                        closed += 1;
                        books.handle_close(&key, &one, ended(id));
                    }
                    if fails {
                        books.give_back(taken);
                    } else {
                        on_disk.extend(taken.opened.keys().copied());
                        on_disk.retain(|id| !taken.closed.contains(id));
                        booked += attempts(&taken);
                        kept += taken.entries.len();
                    }
                }
            }
        }
        let taken = books.take();
        on_disk.extend(taken.opened.keys().copied());
        on_disk.retain(|id| !taken.closed.contains(id));
        booked += attempts(&taken);
        kept += taken.entries.len();
        prop_assert_eq!((booked, on_disk), (closed, open));
        prop_assert_eq!(i64::try_from(kept).unwrap(), i64::try_from(closed).unwrap());
    }
}
