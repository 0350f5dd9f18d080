//! Providers that come back: served throughout, and asked again soon after they are well.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

mod fault_support;

use std::time::{Duration, SystemTime};

use fault_support::http_support::{Api, Greenroom, ask};
use fault_support::marks::state_of;
use fault_support::{Wire, server};
use greenroom_tests::{Attempt, ScriptedProvider};

const BOTH: [Wire; 2] = [Wire::OpenAi, Wire::Anthropic];

/// A daemon before a provider that plays these, and a good one behind it under the alias `smart`.
async fn pair(wire: Wire, attempts: Vec<Attempt>) -> (Greenroom, ScriptedProvider, ScriptedProvider) {
    let first = server(wire, attempts).await;
    let second = server(wire.other(), wire.other().behind()).await;
    let sections = wire.section("first", &first.url()) + &wire.other().section("second", &second.url());
    let config = format!("{sections}[models.aliases]\nsmart = [\"first/m1\", \"second/m1\"]\n");
    (Greenroom::start(&config).await, first, second)
}

/// Who answers, and after how many attempts.
async fn answers(api: &Api) -> (String, String) {
    let response = api.chat(&ask("smart")).await;
    assert_eq!(response.status, 200, "{}", response.text());
    let header = |name| response.header(name).unwrap_or_default().to_owned();
    (header("x-greenroom-provider"), header("x-greenroom-attempts"))
}

fn chats(server: &ScriptedProvider) -> usize {
    server.requests().iter().filter(|request| request.method == "POST").count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_fails_every_second_time_is_not_noticed() {
    for wire in BOTH {
        let flapping = (0..10).flat_map(|_| [wire.error(500), wire.good()]);
        let (greenroom, first, second) = pair(wire, flapping.collect()).await;
        for _ in 0..10 {
            assert_eq!(answers(&greenroom.api).await, ("first".to_owned(), "2".to_owned()));
        }
        assert_eq!((chats(&first), chats(&second)), (20, 0));
        assert_eq!(state_of(&greenroom.api, "first").await["profiles"][0]["models"], serde_json::json!([]));
    }
}

/// When the model is asked again that is left alone now.
fn until(state: &serde_json::Value) -> SystemTime {
    let until = state["profiles"][0]["models"][0]["until"].as_str().unwrap_or_else(|| panic!("{state}"));
    humantime::parse_rfc3339(until).unwrap()
}

async fn comes_back(wire: Wire, failing: Attempt, times: u32) {
    let (greenroom, first, _second) = pair(wire, vec![failing.times(times), wire.good().always()]).await;
    let api = &greenroom.api;
    assert_eq!(answers(api).await, ("second".to_owned(), (times + 1).to_string()));
    let end = until(&state_of(api, "first").await);
    while SystemTime::now() + Duration::from_millis(500) < end {
        let before = chats(&first);
        let answered = answers(api).await;
        // What came late says nothing.
        if SystemTime::now() < end {
            assert_eq!(answered, ("second".to_owned(), "1".to_owned()), "it is left alone");
            assert_eq!(chats(&first), before);
        }
        tokio::time::sleep(Duration::from_millis(400)).await;
    }
    // The moment that is shown is cut to whole seconds.
    let wait = (end + Duration::from_millis(1050)).duration_since(SystemTime::now()).unwrap_or_default();
    tokio::time::sleep(wait).await;
    assert_eq!(answers(api).await, ("first".to_owned(), "1".to_owned()), "its window is over");
    assert_eq!(state_of(api, "first").await["profiles"][0]["models"], serde_json::json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_is_well_again_is_asked_first_again() {
    let tests = BOTH.into_iter().flat_map(|wire| {
        [
            tokio::spawn(comes_back(wire, wire.error(500), 2)),
            // Longer than what is waited for.
            tokio::spawn(comes_back(wire, wire.error(429).header("retry-after-ms", "3100"), 1)),
        ]
    });
    for test in tests.collect::<Vec<_>>() {
        test.await.unwrap();
    }
}
