//! Answers of before: who gets one, who does not, and how they are told.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

mod http_support;
mod session_support;

use std::time::Duration;

use greenroom_tests::When;
use greenroom_tests::client::Response;
use greenroom_tests::openai::{self, Answer};
use http_support::{
    Api, Greenroom, LIMIT, ask, ask_streamed, chats_asked, events, is_done, provider, refusal, scripted, text, until,
    with,
};
use serde_json::{Value, json};

const CACHED: &str = "[cache]\nmodels = [\"lab/cached\", \"alias\"]\n[models.aliases]\nalias = \"lab/m1\"\n";
const ON: [(&str, &str); 1] = [("x-greenroom-cache", "on")];

fn cached(response: &Response) -> Option<&str> {
    response.header("x-greenroom-cache")
}

fn content(response: &Response) -> Value {
    response.json()["choices"][0]["message"]["content"].clone()
}

async fn client(api: &Api, name: &str) -> Api {
    let made = api.posted("/api/clients", &json!({"name": name})).await;
    Api { url: api.url.clone(), token: made["token"].as_str().unwrap().to_owned() }
}

#[tokio::test]
async fn who_asks_the_same_again_is_told_the_same_in_any_shape_and_nobody_is_asked() {
    let lab = scripted([Answer::text(["It ", "rains."]).usage(10, 5).stream().always()]).await;
    let greenroom = Greenroom::start(&(provider("lab", &lab) + CACHED)).await;
    let api = &greenroom.api;
    let first = api.chat(&ask("lab/cached")).await;
    assert_eq!((cached(&first), first.header("age")), (Some("miss"), None));
    let again = api.chat(&ask("lab/cached")).await;
    assert_eq!((cached(&again), again.header("age"), again.status), (Some("hit"), Some("0"), 200));
    assert_eq!((content(&again), &again.json()["usage"]), (content(&first), &first.json()["usage"]));
    assert_eq!(again.header("x-greenroom-provider"), Some("lab"), "who said it then");
    let mut streamed = api.begin(&ask_streamed("lab/cached")).await;
    let head = streamed.head().await.unwrap();
    assert_eq!(head.headers.get("x-greenroom-cache"), Some("hit"), "as a stream, too");
    let told = events(&mut streamed).await;
    assert_eq!((text(&told), is_done(&told)), ("It rains.".to_owned(), true));
    assert_eq!(chats_asked(&lab).len(), 1);
    let reordered =
        br#"{"metadata": {"trace": "7"}, "messages": [{"content": "hi", "role": "user"}], "model": "lab/cached"}"#;
    let same = api.ask("POST", http_support::CHAT, &[], reordered).await;
    assert_eq!(cached(&same), Some("hit"), "the order of keys, and labels, change nothing: {}", same.text());
    let messages = json!({"model": "lab/cached", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]});
    let by_anthropic: Vec<Response> =
        [api.post("/v1/messages", &messages).await, api.post("/v1/messages", &messages).await].into();
    assert_eq!((cached(&by_anthropic[0]), cached(&by_anthropic[1])), (Some("miss"), Some("hit")), "another request");
    assert_eq!(by_anthropic[1].json()["content"][0]["text"], "It rains.");
    let usage = api.get("/api/usage").await.json();
    let attempts = u64::try_from(chats_asked(&lab).len()).unwrap();
    assert_eq!(usage["usage"][0]["attempts"], attempts, "what was kept is not paid for again");
}

#[tokio::test]
async fn only_what_asks_for_it_is_kept() {
    let lab = scripted([Answer::text(["fine"]).stream().always()]).await;
    let greenroom = Greenroom::start(&(provider("lab", &lab) + CACHED)).await;
    let api = &greenroom.api;
    for _ in 0..2 {
        assert_eq!(cached(&api.chat(&ask("lab/m1")).await), None, "another model");
    }
    assert_eq!(cached(&api.chat_with(&ask("lab/m1"), &ON).await), Some("miss"));
    assert_eq!(cached(&api.chat_with(&ask("lab/m1"), &ON).await), Some("hit"));
    assert_eq!(cached(&api.chat(&ask("lab/m1")).await), None);
    assert_eq!(cached(&api.chat(&ask("alias")).await), Some("miss"), "as it is asked for");
    assert_eq!(cached(&api.chat(&ask("alias")).await), Some("hit"));
    assert_eq!(cached(&api.chat_with(&ask("alias"), &[("x-greenroom-cache", "off")]).await), None);
    let other = client(api, "other").await;
    assert_eq!(cached(&other.chat(&ask("alias")).await), Some("miss"), "nobody is told what another was");
    for changed in [json!({"temperature": 0.5}), json!({"messages": [{"role": "user", "content": "hi!"}]})] {
        assert_eq!(cached(&api.chat(&with(ask("alias"), changed)).await), Some("miss"));
    }
    let bad = api.chat_with(&ask("alias"), &[("x-greenroom-cache", "perhaps")]).await;
    assert_eq!(refusal(&bad).0, 400);
    assert!(bad.text().contains("on or off"), "{}", bad.text());
}

#[tokio::test]
async fn cache_control_is_obeyed() {
    let lab = scripted([Answer::text(["fine"]).stream().always()]).await;
    let greenroom = Greenroom::start(&(provider("lab", &lab) + CACHED)).await;
    let api = &greenroom.api;
    let asked = async |control: &str| {
        let before = chats_asked(&lab).len();
        let response = api.chat_with(&ask("alias"), &[("cache-control", control)]).await;
        (response.status, cached(&response).map(str::to_owned), chats_asked(&lab).len() - before)
    };
    let miss = || Some("miss".to_owned());
    assert_eq!(asked("only-if-cached").await, (504, None, 0));
    assert_eq!(asked("no-store").await, (200, miss(), 1));
    assert_eq!(asked("max-age=60").await, (200, miss(), 1), "it was not kept");
    assert_eq!(asked("max-age=60").await, (200, Some("hit".to_owned()), 0));
    assert_eq!(asked("only-if-cached").await, (200, Some("hit".to_owned()), 0));
    assert_eq!(asked("no-cache").await, (200, miss(), 1));
    assert_eq!(asked("max-age=0").await, (200, miss(), 1), "any age is too much");
}

#[tokio::test]
async fn an_answer_that_did_not_come_to_its_end_is_not_kept() {
    let refused = openai::error(400, "x", Some("nonsense"), "no").when(When::body_contains("refused")).always();
    let long = Answer::text(["On and on"]).finish("length").stream().when(When::body_contains("long")).always();
    let cut = Answer::text(["12345678", "x"]).cut_after(1).stream().when(When::body_contains("cut")).always();
    let lab = scripted([refused, long, cut]).await;
    let once = "[failover]\nattempts = 1\ncontinuations = 0\n";
    let greenroom = Greenroom::start(&(provider("lab", &lab) + once + CACHED)).await;
    for word in ["refused", "long", "cut"] {
        let body = with(ask("alias"), json!({"messages": [{"role": "user", "content": word}]}));
        for _ in 0..2 {
            let before = chats_asked(&lab).len();
            assert_ne!(cached(&greenroom.api.chat(&body).await), Some("hit"), "{word}");
            assert!(chats_asked(&lab).len() > before, "{word}");
        }
    }
}

#[tokio::test]
async fn those_who_ask_the_same_at_once_are_given_one_answer() {
    let slow = Answer::text(["one", " two", " three"]).pace(Duration::from_millis(150)).stream();
    let lab = scripted([slow.always()]).await;
    let greenroom = Greenroom::start(&(provider("lab", &lab) + CACHED)).await;
    let api = &greenroom.api;
    let whole = (0..4).map(async |_| content(&api.chat(&ask("alias")).await));
    let streamed = (0..4).map(async |_| text(&api.events(&ask_streamed("alias")).await));
    let (whole, streamed) = tokio::join!(futures::future::join_all(whole), futures::future::join_all(streamed));
    assert!(whole.iter().all(|said| said == "one two three"), "{whole:?}");
    assert!(streamed.iter().all(|said| said == "one two three"), "{streamed:?}");
    // Whether usage is wanted with a stream makes it no other request.
    assert!(chats_asked(&lab).len() <= 2, "{}", chats_asked(&lab).len());
    assert_eq!(cached(&api.chat(&ask("alias")).await), Some("hit"));
}

#[tokio::test]
async fn one_that_leaves_takes_the_answer_from_nobody_and_the_last_one_does() {
    let stalled = Answer::text(["one", " two"]).pace(Duration::from_secs(60)).stream();
    let lab = scripted([stalled.always()]).await;
    let greenroom = Greenroom::start(&(provider("lab", &lab) + CACHED)).await;
    let api = &greenroom.api;
    let begin = async || {
        let mut stream = api.begin(&ask_streamed("alias")).await;
        assert_eq!(stream.head().await.unwrap().status, 200);
        stream
    };
    let (first, second) = (begin().await, begin().await);
    drop(first);
    let third = begin().await;
    assert_eq!(chats_asked(&lab).len(), 1, "the third joins what goes on");
    drop((second, third));
    until(&lab, |stats| stats.route(http_support::CHAT).cancelled == 1).await;
    // Nobody waits for an answer that nobody seeks.
    let anew = tokio::time::timeout(LIMIT, begin()).await;
    drop(anew.expect("it is sought anew"));
    assert_eq!(chats_asked(&lab).len(), 2);
}

#[tokio::test]
async fn memory_is_bounded_by_what_is_configured() {
    let big = "x".repeat(40_000);
    let lab = scripted([Answer::text([big.as_str()]).stream().always()]).await;
    let config = provider("lab", &lab) + "[cache]\nenabled = true\nsize = \"100KiB\"\nmax_age = \"1h\"\n";
    let greenroom = Greenroom::start(&config).await;
    let asked = |word: &str| with(ask("lab/m1"), json!({"messages": [{"role": "user", "content": word}]}));
    for word in ["a", "b", "a", "c"] {
        greenroom.api.chat(&asked(word)).await;
    }
    let hit = async |word: &str| cached(&greenroom.api.chat(&asked(word)).await) == Some("hit");
    assert!(hit("a").await && hit("c").await, "those that were used last");
    assert!(!hit("b").await);
}
