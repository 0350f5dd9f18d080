//! Two models asked beside each other: the first to speak answers, and the other is let go.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

mod http_support;

use std::time::Duration;

use greenroom_tests::harness::Signal;
use greenroom_tests::openai::{self, Answer};
use greenroom_tests::{Attempt, ScriptedProvider};
use http_support::{Greenroom, ask, ask_streamed, chats_asked, is_done, provider, scripted, text, until};

const HEDGED: &str = "[models.aliases]\nsmart = [\"first/m1\", \"second/m1\"]\n[failover]\nhedge = \"300ms\"\n";

async fn pair(first: impl Into<Attempt>, second: impl Into<Attempt>) -> (Greenroom, [ScriptedProvider; 2]) {
    let providers = [scripted([first.into().always()]).await, scripted([second.into().always()]).await];
    let config = provider("first", &providers[0]) + &provider("second", &providers[1]) + HEDGED;
    (Greenroom::start(&config).await, providers)
}

fn says(word: &str, after: u64) -> Answer {
    Answer::text([word, " indeed"]).first_token_after(Duration::from_millis(after))
}

#[tokio::test]
async fn where_the_first_is_silent_the_second_answers_and_the_first_is_let_go() {
    for silent in [says("late", 60_000).stream(), Answer::text(["x"]).stall_after(0).stream()] {
        let (greenroom, [first, _second]) = pair(silent, says("second", 0).stream()).await;
        let mut connection = greenroom.api.begin(&ask_streamed("smart")).await;
        let head = connection.head().await.unwrap();
        let header = |name| head.headers.get(name);
        assert_eq!((header("x-greenroom-provider"), header("x-greenroom-attempts")), (Some("second"), Some("2")));
        let events = http_support::events(&mut connection).await;
        assert_eq!((text(&events).as_str(), is_done(&events)), ("second indeed", true));
        until(&first, |stats| stats.route(http_support::CHAT).open == 0).await;
        let whole = greenroom.api.chat(&ask("smart")).await.json();
        assert_eq!(whole["choices"][0]["message"]["content"], "second indeed");
    }
}

#[tokio::test]
async fn one_that_speaks_in_time_is_asked_alone() {
    let (greenroom, [_first, second]) = pair(says("first", 0).stream(), says("second", 0).stream()).await;
    for _ in 0..5 {
        assert_eq!(text(&greenroom.api.events(&ask_streamed("smart")).await), "first indeed");
    }
    assert_eq!(chats_asked(&second).len(), 0);
}

#[tokio::test]
async fn the_first_may_still_be_first() {
    let (greenroom, [_first, second]) = pair(says("first", 800).stream(), says("second", 60_000).stream()).await;
    assert_eq!(text(&greenroom.api.events(&ask_streamed("smart")).await), "first indeed");
    assert_eq!(chats_asked(&second).len(), 1);
    until(&second, |stats| stats.route(http_support::CHAT).open == 0).await;
}

#[tokio::test]
async fn if_one_of_them_fails_the_other_answers() {
    let refusal = || openai::error(500, "server_error", None, "no").delayed(Duration::from_millis(600));
    let (greenroom, _providers) = pair(refusal(), says("second", 1200).stream()).await;
    assert_eq!(text(&greenroom.api.events(&ask_streamed("smart")).await), "second indeed");
    let (greenroom, _providers) =
        pair(says("first", 1200).stream(), openai::error(500, "server_error", None, "no")).await;
    assert_eq!(text(&greenroom.api.events(&ask_streamed("smart")).await), "first indeed");
    let bad_key = openai::error(401, "x", Some("invalid_api_key"), "bad key");
    let (greenroom, [first, second]) = pair(refusal(), bad_key).await;
    let response = greenroom.api.chat(&ask("smart")).await;
    assert_eq!(response.status, 503, "{}", response.text());
    assert!(http_support::message(&response).contains("first/m1"));
    assert_eq!(response.header("x-greenroom-attempts"), Some("3"), "the first is asked once more, as without a race");
    assert_eq!((chats_asked(&first).len(), chats_asked(&second).len()), (2, 1));
}

#[tokio::test]
async fn one_that_ends_without_a_word_answers_if_the_other_fails() {
    let refusal = openai::error(500, "server_error", None, "no").delayed(Duration::from_millis(600));
    let empty = Answer::new().first_token_after(Duration::from_millis(1200)).usage(7, 0);
    let (greenroom, _providers) = pair(refusal, empty.stream()).await;
    let whole = greenroom.api.chat(&ask("smart")).await;
    assert_eq!((whole.status, whole.header("x-greenroom-provider")), (200, Some("second")), "{}", whole.text());
    assert_eq!(whole.json()["usage"]["prompt_tokens"], 7);
}

#[tokio::test]
async fn what_the_winner_breaks_off_goes_on() {
    let cut = Answer::text(["second ", "x"]).cut_after(1).stream();
    let (greenroom, [first, second]) = pair(says("late", 60_000).stream(), cut).await;
    let script = || openai::chat([says("late", 60_000).stream(), Answer::text(["indeed"]).stream().always()]);
    first.set_script(script());
    assert_eq!(text(&greenroom.api.events(&ask_streamed("smart")).await), "second indeed");
    assert_eq!((chats_asked(&first).len(), chats_asked(&second).len()), (2, 1));
    first.set_script(script());
    let told = greenroom.home.run(&["chat", "hi", "-m", "smart", "--json"]).await.succeeded().stdout;
    let events = told.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let handed_on: Vec<String> = events
        .filter(|event| event["type"] == "failover")
        .map(|event| format!("{} {} {}", event["from"], event["to"], event["kind"]).replace('"', ""))
        .collect();
    assert_eq!(handed_on, ["first/m1 second/m1 timeout", "second/m1 first/m1 protocol"]);
}

#[tokio::test]
async fn a_model_that_may_be_well_again_is_looked_at_beside_the_next() {
    // Two failures open a window, in which the first request of a new process looks whether it is still needed.
    let failing = scripted([openai::error(500, "server_error", None, "no").always()]).await;
    let second = scripted([says("second", 0).stream().always()]).await;
    let config = provider("first", &failing)
        + &provider("second", &second)
        + "[models.aliases]\nsmart = [\"first/m1\", \"second/m1\"]\n";
    let Greenroom { api, mut daemon, home } = Greenroom::start(&config).await;
    assert_eq!(text(&api.events(&ask_streamed("smart")).await), "second indeed");
    // What is shown is kept.
    let shown = api.get("/api/providers").await.json();
    assert!(shown["providers"][0]["profiles"][0]["models"][0]["reason"] == "server", "{shown}");
    daemon.signal(Signal::KILL);
    daemon.wait(http_support::LIMIT).await;
    let slow = says("first", 2000).pace(Duration::from_secs(60));
    failing.set_script(openai::chat([slow.stream().always()]));
    let Greenroom { api, .. } = &Greenroom::start_in(home, &config).await;
    let events = api.events(&ask_streamed("smart")).await;
    assert_eq!((text(&events).as_str(), is_done(&events)), ("second indeed", true));
    // The one that was looked at is read to its first word, though the answer was over before, and no further.
    until(&failing, |stats| stats.route(http_support::CHAT).cancelled == 1).await;
    let role_chunk_and_word = failing.stats().route(http_support::CHAT).cancels[0].sent;
    assert!(role_chunk_and_word > 300, "{role_chunk_and_word} bytes were read");
    tokio::time::timeout(http_support::LIMIT, async {
        while api.get("/api/providers").await.json()["providers"][0]["state"] != "ok" {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .unwrap();
}
