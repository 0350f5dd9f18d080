//! Attempts by themselves, and what clients may spend of what they cost.

use std::{path::Path, time::UNIX_EPOCH};

use greenroom_providers::Price;
use greenroom_wire::{ChatEvent, Usage};

use super::*;
use crate::store::{Durability, StoreArgs};

async fn open(dir: &Path) -> Store {
    Store::open(StoreArgs { dir: dir.join("store"), durability: Durability::Process }).await.unwrap()
}

/// An attempt of this client, whose tokens cost a dollar each.
fn booking(client: &str) -> Booking {
    Booking {
        provider: "lab".into(),
        model: "m".into(),
        profile: "p".into(),
        asker: Asker::Client(client.into()),
        requests: 1,
        prompt: 3,
        answer: 2,
        price: Some(Price::flat(1e6, 1e6)),
    }
}

fn dollars(dollars: u64) -> Cost {
    Cost::from_parts(u128::from(dollars) * 1_000_000_000_000)
}

fn answer(ledger: &Ledger, client: &str, tokens: u64) {
    let mut attempt = ledger.open(booking(client));
    attempt.handle_sent();
    attempt.handle_events(&[ChatEvent::Usage(Usage { input: tokens, ..Usage::default() })]);
    attempt.handle_end(Ok(()), false);
}

fn rules(budgets: &[(&str, &str)]) -> UsageRules {
    let rules = UsageRules::default();
    budgets.iter().for_each(|(client, budget)| rules.budgets.set(client, Some(budget.parse().unwrap())));
    rules
}

#[tokio::test]
async fn each_attempt_is_kept_with_how_it_ended_in_the_order_in_which_they_began() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Ledger::start(Some(open(dir.path()).await), UsageRules::default());
    answer(&ledger, "a", 7);
    let mut refused = ledger.open(Booking { requests: 0, price: None, ..booking("b") });
    refused.handle_sent();
    refused.handle_end(Err(&ChatError::new(ErrorKind::RateLimited, "no")), false);
    drop(refused);
    let mut left = ledger.open(booking("c"));
    left.handle_sent();
    left.handle_events(&[ChatEvent::Text { delta: "x".repeat(400) }]);
    drop(left);
    drop(ledger.open(booking("never sent")));
    let (attempts, next) = ledger.attempts(None, 10).await.unwrap();
    let told: Vec<_> = attempts
        .iter()
        .map(|attempt| {
            let AttemptEntry { asker, is_first, outcome, estimated, usage, cost, .. } = attempt;
            (asker.client(), *is_first, *outcome, *estimated, usage.input, usage.output, *cost)
        })
        .collect();
    let want = [
        ("a", true, AttemptOutcome::Finished, false, 7, 0, Some(dollars(7))),
        ("b", false, AttemptOutcome::Failed(ErrorKind::RateLimited), false, 0, 0, Some(dollars(0))),
        ("c", true, AttemptOutcome::Left, true, 3, 100, Some(dollars(103))),
    ];
    assert_eq!((told.as_slice(), next), (want.as_slice(), None));
    let sums: u64 = ledger.rows().await.unwrap().iter().map(|row| row.usage.input).sum();
    assert_eq!(sums, attempts.iter().map(|attempt| attempt.usage.input).sum::<u64>(), "sums and entries are the same");

    let (first, next) = ledger.attempts(None, 2).await.unwrap();
    let (rest, end) = ledger.attempts(next, 2).await.unwrap();
    assert_eq!([first, rest].concat(), attempts, "by pages");
    assert_eq!(end, None);
    let since = AttemptPlace::before(attempts[2].began);
    assert_eq!(ledger.attempts(Some(since), 10).await.unwrap().0, attempts[2..]);
    let (none, _) = ledger.attempts(Some(AttemptPlace::before(SystemTime::now())), 10).await.unwrap();
    assert_eq!(none, []);
}

#[tokio::test]
async fn one_that_the_process_ended_within_is_kept_as_lost() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    let ledger = Ledger::start(Some(store.clone()), UsageRules::default());
    let mut attempt = ledger.open(booking("a"));
    attempt.handle_sent();
    ledger.settle().await;
    // As after a kill: nobody closes it.
    std::mem::forget(attempt);
    let next = Ledger::start(Some(store), rules(&[("a", "6")]));
    let (attempts, _) = tokio::time::timeout(Duration::from_secs(20), async {
        loop {
            let found = next.attempts(None, 10).await.unwrap();
            if !found.0.is_empty() {
                return found;
            }
        }
    })
    .await
    .unwrap();
    let lost = &attempts[0];
    assert_eq!((lost.outcome, lost.estimated, lost.cost), (AttemptOutcome::Lost, true, Some(dollars(5))));
    assert!(lost.began > SystemTime::now() - Duration::from_secs(60));
    assert_eq!(next.spent("a").await.unwrap(), Some(dollars(5)));
}

#[tokio::test]
async fn attempts_that_are_too_old_are_forgotten_and_their_sums_stay() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    let ledger = Ledger::start(Some(store.clone()), UsageRules::default());
    for _ in 0..3 {
        answer(&ledger, "a", 1);
    }
    let (attempts, _) = ledger.attempts(None, 10).await.unwrap();
    assert_eq!(entry::forget(&store, attempts[1].began).await, Ok(1));
    assert_eq!(ledger.attempts(None, 10).await.unwrap().0, attempts[1..]);
    assert_eq!(entry::forget(&store, UNIX_EPOCH).await, Ok(0));
    assert_eq!(ledger.rows().await.unwrap()[0].attempts, 3);
}

#[tokio::test]
async fn a_budget_holds_over_processes_and_for_what_is_not_written_yet() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    let ledger = Ledger::start(Some(store.clone()), UsageRules::default());
    answer(&ledger, "a", 4);
    answer(&ledger, "b", 100);
    ledger.settle().await;
    drop(ledger);
    let ledger = Ledger::start(Some(store), rules(&[("a", "10")]));
    answer(&ledger, "a", 3);
    let (a, b) = (Asker::Client("a".into()), Asker::Client("b".into()));
    assert_eq!(ledger.spent("a").await.unwrap(), Some(dollars(7)));
    assert_eq!(ledger.spent("b").await.unwrap(), None);
    assert!(ledger.admit(&b, dollars(1)).await.unwrap().is_none(), "who has no budget is not counted");
    let reserved = ledger.admit(&a, dollars(3)).await.unwrap();
    assert!(reserved.is_some());
    let in_session = Asker::Session { id: "s".into(), client: "a".into() };
    let refused = ledger.admit(&in_session, dollars(1)).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Billing, "with what is under way, of its sessions as well");
    drop(reserved);
    let last = ledger.admit(&in_session, dollars(1)).await.unwrap();
    answer(&ledger, "a", 3);
    drop(last);
    assert_eq!(ledger.admit(&a, dollars(1)).await.unwrap_err().kind, ErrorKind::Billing);
    ledger.shared.budgets.set("a", Some("11".parse().unwrap()));
    assert!(ledger.admit(&a, dollars(1)).await.is_ok(), "it is raised");
    ledger.shared.budgets.set("a", None);
    assert!(ledger.admit(&a, dollars(1)).await.unwrap().is_none());
}

#[tokio::test]
async fn a_budget_is_heeded_where_nothing_is_kept_and_refused_where_nobody_knows_what_was_spent() {
    let ledger = Ledger::start(None, rules(&[("a", "5")]));
    let a = Asker::Client("a".into());
    answer(&ledger, "a", 4);
    assert!(ledger.admit(&a, dollars(1)).await.is_ok());
    answer(&ledger, "a", 1);
    assert_eq!(ledger.admit(&a, dollars(1)).await.unwrap_err().kind, ErrorKind::Billing);

    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    store.close().await.unwrap();
    let ledger = Ledger::start(Some(store), rules(&[("a", "5")]));
    let unknown = ledger.admit(&a, dollars(1)).await.unwrap_err();
    assert_eq!(unknown.kind, ErrorKind::Overloaded, "{unknown}");
}

#[test]
fn a_disk_that_takes_nothing_does_not_fill_memory() {
    let key = UsageKey {
        day: "d".into(),
        provider: "p".into(),
        model: "m".into(),
        profile: "f".into(),
        asker: Asker::Client("c".into()),
    };
    let sum = Sum::of(&Usage::default(), None, 1, false);
    let mut books = Books::default();
    let close = |books: &mut Books, id| {
        books.handle_close(&key, &sum, Ended::new(id, UNIX_EPOCH, &key, &sum, AttemptOutcome::Finished));
    };
    let most = books::MOST_ENTRIES as u64;
    (0..most).for_each(|id| close(&mut books, id));
    let taken = books.take();
    (most..most + 5).for_each(|id| close(&mut books, id));
    books.give_back(taken);
    assert_eq!((books.entries.len() as u64, books.unkept), (most, 5));
    assert_eq!(books.sums.values().next().unwrap().shown().0[1], most + 5, "the sums have them all");
}
