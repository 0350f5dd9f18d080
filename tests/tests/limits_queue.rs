//! Requests that wait for a limit: fairly, in bounds, and not for anybody who has left.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

mod http_support;

use std::time::Duration;

use greenroom::config::{Environment, Source, load};
use greenroom::{Caller, ChatRequest, Message};
use greenroom_tests::client::Connection;
use greenroom_tests::harness::Home;
use greenroom_tests::openai::Answer;
use greenroom_tests::{Attempt, ScriptedProvider, When};
use http_support::{Api, CHAT, Greenroom, LIMIT, ask, chats_asked, message, provider, refusal, scripted, until, with};
use serde_json::{Value, json};
use tokio::task::JoinSet;

/// How long a request that is refused may take to be, which tells it from one that waits.
const REFUSED: Duration = Duration::from_millis(500);

/// Requests that come at once, of which each takes some 60 ms: much longer than a session's next turn needs to begin.
const FLOOD: usize = 100;

fn saying(text: &str) -> Value {
    with(ask("lab/m1"), json!({"messages": [{"role": "user", "content": text}]}))
}

fn prompts(scripted: &ScriptedProvider) -> Vec<String> {
    let prompt =
        |body: Value| body["messages"].as_array().unwrap().last().unwrap()["content"].as_str().unwrap().to_owned();
    chats_asked(scripted).iter().map(|request| prompt(request.json())).collect()
}

/// A daemon whose provider takes one request at a time; so many may wait, for so long.
async fn one_at_a_time(lab: &ScriptedProvider, waiting: u32, wait: &str) -> Greenroom {
    let limits =
        format!("limits = {{ concurrent = 1 }}\nqueue = {{ max_waiting = {waiting}, max_wait = \"{wait}\" }}\n");
    Greenroom::start(&format!("{}{limits}", provider("lab", lab))).await
}

/// Asks, and gives the connection if that was not refused at once, so that the request runs or waits.
async fn waits(api: &Api, text: &str) -> Option<Connection> {
    let mut connection = api.begin(&saying(text)).await;
    let refused = tokio::time::timeout(REFUSED, connection.head()).await;
    refused.is_err().then_some(connection)
}

/// The same, however often it takes; a place may come free any moment.
async fn comes_to_wait(api: &Api, text: &str) -> Connection {
    for _ in 0..20 {
        if let Some(connection) = waits(api, text).await {
            return connection;
        }
    }
    panic!("there is no place in the queue");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_calm_session_is_not_kept_waiting_by_one_that_floods() {
    let lab = scripted([Answer::text(["yes"]).first_token_after(Duration::from_millis(60)).stream().always()]).await;
    let home = Home::new();
    home.config(&format!("{}shared_limits = {{ concurrent = 1 }}\n", provider("lab", &lab)));
    let settings = load(&Source::locate(Some(&home.config_path()), Environment::empty())).unwrap().settings;
    let runtime = std::sync::Arc::new(greenroom::Runtime::builder().settings(settings).start().await.unwrap());
    let mut flood = JoinSet::new();
    for _ in 0..FLOOD {
        let messages = vec![Message::user("flood")];
        let request = ChatRequest { model: "lab/m1".into(), messages, ..ChatRequest::default() };
        let runtime = std::sync::Arc::clone(&runtime);
        flood.spawn(async move { runtime.chat_events(request, Caller::from("flood")).await.len() });
    }
    until(&lab, |stats| stats.route(CHAT).requests >= 2).await;
    let new = greenroom::NewSession { model: Some("lab/m1".into()), ..Default::default() };
    let calm = runtime.ephemeral(new).await.unwrap();
    for _ in 0..8 {
        let turn = calm.send("calm").await.unwrap();
        assert_eq!(turn.text().await.unwrap(), "yes");
    }
    flood.shutdown().await;
    let prompts = prompts(&lab);
    let calm: Vec<usize> = (0..prompts.len()).filter(|&at| prompts[at] == "calm").collect();
    assert_eq!((calm.len(), lab.stats().route(CHAT).most_open), (8, 1), "{prompts:?}");
    let most = calm.windows(2).map(|two| two[1] - two[0]).max();
    // One that runs when it comes, and one whose turn may be before its own.
    assert!(most <= Some(3), "{prompts:?}");
    assert!(prompts.len() < FLOOD, "it did not wait until the flood was over: {prompts:?}");
}

#[tokio::test]
async fn too_many_that_wait_and_too_long_a_wait_are_told() {
    let lab = scripted([Attempt::silent().always()]).await;
    let greenroom = one_at_a_time(&lab, 2, "6s").await;
    let _running = waits(&greenroom.api, "running").await.unwrap();
    until(&lab, |stats| stats.route(CHAT).open == 1).await;
    let mut waiting = comes_to_wait(&greenroom.api, "first").await;
    let _second = comes_to_wait(&greenroom.api, "second").await;
    let full = greenroom.api.chat(&saying("third")).await;
    let told = message(&full);
    assert_eq!((full.status, refusal(&full).1.as_str()), (503, "overloaded_error"), "{}", full.text());
    assert!(told.contains("too many requests wait") && told.contains("; ") && told.contains("queue"), "{told}");
    waiting.set_limit(LIMIT);
    let late = waiting.response().await.unwrap();
    let told = message(&late);
    assert_eq!((late.status, refusal(&late).1.as_str()), (503, "overloaded_error"), "{}", late.text());
    assert!(told.contains("no place came free in time") && told.contains("limits"), "{told}");
    assert_eq!(prompts(&lab), ["running"], "who was refused was never asked for");
}

#[tokio::test]
async fn who_waited_in_vain_is_told_when_there_is_room() {
    let lab = scripted([Answer::text(["yes"]).stream().always()]).await;
    let limits = "limits = { requests_per_minute = 1 }\nqueue = { max_waiting = 1, max_wait = \"1s\" }\n";
    let greenroom = Greenroom::start(&format!("{}{limits}", provider("lab", &lab))).await;
    assert_eq!(greenroom.api.chat(&saying("first")).await.status, 200);
    let late = greenroom.api.chat(&saying("second")).await;
    assert_eq!(late.status, 503, "{}", late.text());
    let wait: u64 = late.header("retry-after").unwrap().parse().unwrap();
    assert!((20..=60).contains(&wait), "{wait} s");
    let _waiting = comes_to_wait(&greenroom.api, "third").await;
    let full = greenroom.api.chat(&saying("fourth")).await;
    let wait: u64 = full.header("retry-after").unwrap().parse().unwrap();
    assert!(full.status == 503 && (20..=60).contains(&wait), "{wait} s: {}", full.text());
}

#[tokio::test]
async fn one_that_leaves_the_queue_is_never_asked_for_and_gives_its_place_up() {
    let first = Attempt::silent();
    let then = Answer::text(["yes"]).stream().always();
    let lab = scripted([first, then]).await;
    let greenroom = one_at_a_time(&lab, 1, "60s").await;
    let running = waits(&greenroom.api, "running").await.unwrap();
    until(&lab, |stats| stats.route(CHAT).open == 1).await;
    let leaving = comes_to_wait(&greenroom.api, "leaves").await;
    assert!(waits(&greenroom.api, "is refused").await.is_none(), "the one place is taken");
    drop(leaving);
    let mut staying = comes_to_wait(&greenroom.api, "stays").await;
    assert_eq!(prompts(&lab), ["running"]);
    drop(running);
    staying.set_limit(LIMIT);
    assert_eq!(staying.response().await.unwrap().status, 200);
    assert_eq!(prompts(&lab), ["running", "stays"]);
}

/// An answer whose headers say that nothing is left.
fn last_one() -> Attempt {
    let answer = Answer::text(["yes"]).stream().always();
    let [limit, left, reset] = ["limit", "remaining", "reset"].map(|part| format!("x-ratelimit-{part}-requests"));
    answer.header(&limit, "50").header(&left, "0").header(&reset, "50s")
}

#[tokio::test]
async fn what_a_provider_says_is_left_is_heeded_before_it_refuses() {
    let lab = scripted([last_one()]).await;
    let queue = "queue = { max_wait = \"1s\" }\n";
    let greenroom = Greenroom::start(&format!("{}{queue}", provider("lab", &lab))).await;
    assert_eq!(greenroom.api.chat(&saying("first")).await.status, 200);
    let late = greenroom.api.chat(&saying("second")).await;
    let wait: u64 = late.header("retry-after").unwrap().parse().unwrap();
    assert!(late.status == 503 && (10..=50).contains(&wait), "{wait} s: {}", late.text());
    assert_eq!(prompts(&lab), ["first"]);
    let status = greenroom.api.get("/api/providers").await.json();
    let until = status["providers"][0]["profiles"][0]["paced_until"].as_str().unwrap_or_default();
    assert!(until.ends_with('Z'), "{status}");
    // Another model is another limit.
    assert_eq!(greenroom.api.chat(&ask("lab/m2")).await.status, 200);
}

#[tokio::test]
async fn while_one_profile_has_nothing_left_another_is_used() {
    let other = Answer::text(["yes"]).stream().when(When::bearer("two")).always();
    let lab = scripted([last_one().when(When::bearer("one")), other]).await;
    let mut home = Home::new();
    home.env("ONE", "one").env("TWO", "two");
    let profiles = "profiles = [{ id = \"one\", key = \"env:ONE\" }, { id = \"two\", key = \"env:TWO\" }]\n";
    let section = provider("lab", &lab).replace("key = \"lab-key\"\n", profiles);
    let greenroom = Greenroom::start_in(home, &section).await;
    for _ in 0..4 {
        assert_eq!(greenroom.api.chat(&saying("hi")).await.status, 200);
    }
    let keys: Vec<String> =
        chats_asked(&lab).iter().map(|asked| asked.headers.bearer().unwrap_or_default().to_owned()).collect();
    assert_eq!(keys, ["one", "two", "two", "two"]);
}
