//! What attempts take of limits and give back, by real actors.

use std::num::NonZeroU32;

use greenroom_wire::{ChatError, ChatEvent, ErrorKind, Usage};
use tokio::time::Instant;

use super::*;
use crate::{
    provider::{
        Limits,
        permit::{Permit, Refusal, Want},
    },
    store::Store,
};

/// A failure that marks nothing.
fn refused() -> ChatError {
    ChatError::new(ErrorKind::InvalidRequest, "no")
}

/// Ten tokens a second.
const TOKENS: u32 = 600;

fn limits(requests: u32, tokens: u32, concurrent: u32) -> Limits {
    Limits {
        requests_per_minute: NonZeroU32::new(requests),
        tokens_per_minute: NonZeroU32::new(tokens),
        concurrent: NonZeroU32::new(concurrent),
    }
}

async fn system(own: Limits, shared: Limits, store: Option<Store>) -> System {
    let (mut spec, can) = super::tests::spec("lab", "http://127.0.0.1:1", own);
    spec.args.shared_limits = shared;
    spec.args.queue = 2;
    super::tests::system_of(vec![(spec, can)], store).await
}

fn want(model: &str, prompt_tokens: u32) -> Want {
    Want {
        model: model.into(),
        owner: "one".into(),
        exclude: Vec::new(),
        only: None,
        prefer: None,
        prompt_tokens,
        answers: true,
        until: Instant::now(),
    }
}

async fn acquire(system: &System, want: Want) -> Result<Permit, Refusal> {
    let handle = &system.shared.provider("lab").unwrap().handle;
    handle.call(|reply| ProviderMsg::Acquire(want.clone(), reply)).await.unwrap()
}

/// A permit that was given at once.
async fn permit(system: &System, prompt: u32) -> Permit {
    acquire(system, want("m", prompt)).await.unwrap_or_else(|refusal| panic!("{refusal:?}"))
}

/// How many seconds a request without an answer would wait.
async fn wait_for(system: &System, prompt: u32) -> u64 {
    match acquire(system, Want { answers: false, ..want("m", prompt) }).await {
        Ok(_never_begun) => 0,
        Err(Refusal::Waited { after: Some(after) }) => after.as_secs_f64().round() as u64,
        Err(other) => panic!("{other:?}"),
    }
}

fn usage(input: u64, cache_read: u64, output: u64) -> Vec<ChatEvent> {
    vec![ChatEvent::Usage(Usage { input, cache_read, output, ..Usage::default() })]
}

fn text(bytes: usize) -> Vec<ChatEvent> {
    vec![ChatEvent::Text { delta: "x".repeat(bytes) }]
}

#[tokio::test]
async fn every_end_of_an_attempt_settles_what_it_took() {
    type End = fn(Permit);
    // What 100 tokens of prompt come to; 500 more are taken for the answer.
    let ends: [(&str, u64, End); 8] = [
        ("it used little", 60, |permit| {
            permit.begin().handle_events(&usage(30, 20, 10));
            permit.report(Ok(()), true);
        }),
        ("it used more than it took", 900, |permit| {
            permit.begin().handle_events(&usage(300, 0, 600));
            permit.report(Ok(()), true);
        }),
        ("nothing was reported", 120, |permit| {
            permit.begin().handle_events(&text(80));
            permit.report(Ok(()), true);
        }),
        ("it failed before a token", 0, |permit| {
            permit.begin();
            permit.report(Err(&refused()), false);
        }),
        ("it was cut", 110, |permit| {
            permit.begin().handle_events(&text(40));
            permit.report(Err(&refused()), true);
        }),
        ("it was cut when a little was reported", 60, |permit| {
            let meter = permit.begin();
            meter.handle_events(&usage(50, 0, 1));
            meter.handle_events(&text(40));
            permit.report(Err(&refused()), true);
        }),
        ("it was cancelled", 110, |permit| permit.begin().handle_events(&text(40))),
        ("it never began", 0, drop),
    ];
    for both in [[limits(0, TOKENS, 0), limits(0, 0, 0)], [limits(0, 0, 0), limits(0, TOKENS, 0)]] {
        for (what, used, end) in ends {
            let system = system(both[0], both[1], None).await;
            end(permit(&system, 100).await);
            let want = used.div_ceil(10);
            let got = wait_for(&system, TOKENS).await;
            assert!(got.abs_diff(want) <= 1, "{what}: a full bucket is {got} s away, not {want}");
            system.stop().await;
        }
    }
}

#[tokio::test]
async fn requests_stay_counted_unless_they_never_began() {
    let system = system(limits(2, 0, 0), limits(2, 0, 0), None).await;
    for _ in 0..5 {
        drop(permit(&system, 1).await);
    }
    for _ in 0..2 {
        let permit = permit(&system, 1).await;
        permit.begin();
        permit.report(Err(&refused()), false);
    }
    assert!(wait_for(&system, 1).await > 20);
}

#[tokio::test]
async fn what_is_taken_follows_the_recent_answers_and_is_kept() {
    let store = Store::temporary("a test").unwrap();
    let first = system(limits(0, TOKENS, 0), limits(0, 0, 0), Some(store.clone())).await;
    let answered = permit(&first, 100).await;
    answered.begin().handle_events(&usage(100, 0, 20));
    answered.report(Ok(()), true);
    drop(answered);
    // 120 are gone; 120 each are taken now, where 600 would not be there.
    let held = [permit(&first, 100).await, permit(&first, 100).await];
    assert!(acquire(&first, want("other", 100)).await.is_err(), "of another model nothing is known");
    first.stop().await;
    drop(held);
    let second = system(limits(0, TOKENS, 0), limits(0, 0, 0), Some(store)).await;
    assert!(acquire(&second, want("m", 100)).await.is_ok(), "120 are there, 600 are not");
    assert!(acquire(&second, want("other", 100)).await.is_err());
}

#[tokio::test]
async fn what_comes_back_lets_go_whoever_waits() {
    let system = system(limits(0, TOKENS, 0), limits(0, 0, 0), None).await;
    let held = permit(&system, 100).await;
    let handle = system.shared.provider("lab").unwrap().handle.clone();
    let waits = Want { until: Instant::now() + Duration::from_secs(30), ..want("m", 50) };
    let waiting =
        tokio::spawn(
            async move { handle.call(|reply| ProviderMsg::Acquire(waits.clone(), reply)).await.unwrap().is_ok() },
        );
    while system.status("lab").await.unwrap().waiting == 0 {
        tokio::task::yield_now().await;
    }
    held.begin();
    held.report(Err(&refused()), false);
    let soon = tokio::time::timeout(Duration::from_secs(10), waiting).await;
    assert!(soon.expect("not after the 55 s of a refill").unwrap());
}

#[tokio::test]
async fn a_place_in_the_queue_is_free_once_its_caller_has_left() {
    let system = system(limits(0, 0, 1), limits(0, 0, 0), None).await;
    let held = permit(&system, 1).await;
    let later = Instant::now() + Duration::from_secs(60);
    for _ in 0..20 {
        let waits = Want { until: later, ..want("m", 1) };
        let left = tokio::time::timeout(Duration::from_millis(5), acquire(&system, waits)).await;
        assert!(left.is_err(), "neither refused, nor let through");
    }
    assert_eq!(system.status("lab").await.unwrap().waiting, 0);
    drop(held);
    assert!(acquire(&system, want("m", 1)).await.is_ok());
}

#[tokio::test]
async fn whoever_waits_behind_another_waits_no_longer_than_it_may() {
    let system = system(limits(0, 0, 1), limits(0, 0, 0), None).await;
    let _held = permit(&system, 1).await;
    let handle = system.shared.provider("lab").unwrap().handle.clone();
    let first = Want { until: Instant::now() + Duration::from_secs(60), ..want("m", 1) };
    let _first =
        tokio::spawn(async move { handle.call(|reply| ProviderMsg::Acquire(first.clone(), reply)).await.map(drop) });
    while system.status("lab").await.unwrap().waiting == 0 {
        tokio::task::yield_now().await;
    }
    let second = Want { until: Instant::now() + Duration::from_millis(50), ..want("m", 1) };
    let waited = tokio::time::timeout(Duration::from_secs(20), acquire(&system, second)).await;
    assert!(matches!(waited.expect("not for as long as the first"), Err(Refusal::Waited { .. })));
}

#[tokio::test]
async fn nothing_is_left_of_ten_thousand_that_leave() {
    let system = Arc::new(system(limits(0, TOKENS, 3), limits(0, TOKENS, 3), None).await);
    let mut callers = tokio::task::JoinSet::new();
    for caller in 0..4 {
        let system = Arc::clone(&system);
        callers.spawn(async move {
            for number in 0..2500 {
                let waits = Want {
                    until: Instant::now() + Duration::from_secs(60),
                    owner: format!("{caller}").into(),
                    ..want("m", 10)
                };
                tokio::select! {
                    biased;
                    given = acquire(&system, waits) => if let Ok(permit) = given && number % 2 == 0 {
                        permit.begin();
                        permit.report(Err(&refused()), false);
                    },
                    () = async { for _ in 0..number % 7 { tokio::task::yield_now().await } } => {}
                }
            }
        });
    }
    while callers.join_next().await.is_some() {}
    assert_eq!(wait_for(&system, TOKENS).await, 0, "every token is back");
    let status = system.status("lab").await.unwrap();
    assert_eq!((status.waiting, status.profiles[0].in_flight, status.profiles[0].paced_until), (0, Some(0), None));
}
