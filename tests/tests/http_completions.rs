//! Text completions, as OpenAI's clients of old ask for them, before providers of chats.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

mod http_support;

use greenroom_tests::Script;
use greenroom_tests::client::{self, Connection, Event, Response};
use greenroom_tests::openai::{self, Answer};
use greenroom_tests::{ScriptedProvider, When};
use http_support::{Api, CHAT, Greenroom, chats_asked, events, is_done, last_error, message, scripted, until, with};
use serde_json::{Value, json};

const PATH: &str = "/v1/completions";

fn ask(prompt: Value) -> Value {
    json!({"model": "lab/m1", "prompt": prompt})
}

async fn post(api: &Api, body: &Value) -> Response {
    client::post_json(&api.url, PATH, Some(&api.token), body).await.unwrap()
}

async fn begin(api: &Api, body: &Value) -> Connection {
    let mut connection = Connection::open(&api.url).await.unwrap();
    connection.post_json(PATH, Some(&api.token), body).await.unwrap();
    connection
}

/// The texts that a stream tells, by their numbers.
fn texts(events: &[Event]) -> Vec<String> {
    let mut texts = Vec::<String>::new();
    for choice in events.iter().filter(|event| event.text() != "[DONE]").map(|event| event.json()["choices"][0].clone())
    {
        let Some(index) = choice["index"].as_u64() else { continue };
        texts.resize(texts.len().max(index as usize + 1), String::new());
        texts[index as usize] += choice["text"].as_str().unwrap();
    }
    texts
}

/// A provider that answers each of two prompts.
async fn lab() -> ScriptedProvider {
    let answer = |words: &str, said: [&str; 2]| Answer::text(said).stream().when(When::body_contains(words)).always();
    let answers = [answer("once", ["upon ", "a time"]), answer("twice", ["as ", "much"])];
    ScriptedProvider::start(Script::new([openai::chat(answers), openai::models(["m1"])])).await
}

#[tokio::test]
async fn a_text_is_asked_for_as_a_chat_and_told_as_a_text() {
    let lab = lab().await;
    let greenroom = Greenroom::before(&lab).await;
    let body = with(ask("once ".into()), json!({"max_tokens": 9, "seed": 5, "echo": true}));
    let response = post(&greenroom.api, &body).await;
    let whole = response.json();
    assert_eq!((response.status, response.header("x-greenroom-model")), (200, Some("m1")), "{whole}");
    assert_eq!(whole["object"], "text_completion");
    assert!(whole["id"].as_str().unwrap().starts_with("cmpl-"), "{whole}");
    let choice = json!({"text": "once upon a time", "index": 0, "logprobs": null, "finish_reason": "stop"});
    assert_eq!(whole["choices"], json!([choice]));
    assert_eq!(whole["usage"]["total_tokens"], 15);
    let asked = chats_asked(&lab)[0].json();
    assert_eq!(asked["messages"], json!([{"role": "user", "content": "once "}]));
    assert_eq!((&asked["max_tokens"], &asked["seed"]), (&json!(9), &json!(5)));
    assert!(["prompt", "echo"].iter().all(|key| asked.get(key).is_none()), "{asked}");
}

#[tokio::test]
async fn several_texts_come_in_the_order_of_their_prompts() {
    let lab = lab().await;
    let greenroom = Greenroom::before(&lab).await;
    let body = with(ask(json!(["once", "twice"])), json!({"n": 2}));
    let whole = post(&greenroom.api, &body).await.json();
    let told: Vec<_> =
        whole["choices"].as_array().unwrap().iter().map(|c| (c["index"].clone(), c["text"].clone())).collect();
    let want = ["upon a time", "upon a time", "as much", "as much"];
    let want: Vec<_> = want.iter().enumerate().map(|(index, text)| (json!(index), json!(text))).collect();
    assert_eq!(told, want);
    assert_eq!(whole["usage"]["total_tokens"], 60);

    let body = with(body, json!({"stream": true, "stream_options": {"include_usage": true}}));
    let mut connection = begin(&greenroom.api, &body).await;
    assert_eq!(connection.head().await.unwrap().status, 200);
    let events = events(&mut connection).await;
    assert_eq!(texts(&events), ["upon a time", "upon a time", "as much", "as much"]);
    assert!(is_done(&events));
    assert_eq!(events.iter().filter(|event| event.text() == "[DONE]").count(), 1);
    assert_eq!(events[events.len() - 2].json()["usage"]["total_tokens"], 60);
    assert_eq!(chats_asked(&lab).len(), 8);
}

#[tokio::test]
async fn one_text_that_fails_ends_all_of_them() {
    let refused = openai::error(400, "invalid_request_error", Some("bad_thing"), "no such thing");
    let said = Answer::text(["upon ", "a time"]).stream().when(When::body_contains("once")).always();
    let refused = refused.when(When::body_contains("twice")).always();
    let script = Script::new([openai::chat([said, refused]), openai::models(["m1"])]);
    let lab = ScriptedProvider::start(script).await;
    let greenroom = Greenroom::before(&lab).await;
    let response = post(&greenroom.api, &ask(json!(["once", "twice"]))).await;
    assert_eq!((response.status, response.json()["error"]["code"].clone()), (400, json!("bad_thing")));
    let mut connection = begin(&greenroom.api, &with(ask(json!(["once", "twice"])), json!({"stream": true}))).await;
    assert_eq!(connection.head().await.unwrap().status, 200);
    let events = events(&mut connection).await;
    assert_eq!(last_error(&events)["code"], "bad_thing");
    assert!(!is_done(&events));
    assert_eq!(texts(&events[..events.len() - 1]), ["upon a time"]);
}

#[tokio::test]
async fn what_can_not_be_asked_asks_nobody() {
    let lab = scripted([Answer::text(["a"])]).await;
    let greenroom = Greenroom::before(&lab).await;
    let cases = [
        ("{\"model\": \"m1\",", Value::Null, "line 1"),
        ("", Value::Null, "no body"),
        ("[]", Value::Null, "JSON object"),
        (r#"{"model":"m1"}"#, "prompt".into(), "missing"),
        (r#"{"model":"m1","prompt":[1,2]}"#, "prompt".into(), "as a text"),
        (r#"{"model":"m1","prompt":"a","suffix":"b"}"#, "suffix".into(), "insert"),
        (r#"{"model":"m1","prompt":"a","logprobs":1}"#, "logprobs".into(), "/v1/chat/completions"),
        (r#"{"model":"m1","prompt":"a","best_of":2}"#, "best_of".into(), "as many"),
        (r#"{"model":"m1","prompt":"\ud800"}"#, Value::Null, "not valid JSON"),
    ];
    for (body, param, told) in cases {
        let bearer = format!("Bearer {}", greenroom.api.token);
        let headers = [("authorization", bearer.as_str())];
        let response = client::request(&greenroom.api.url, "POST", PATH, &headers, body.as_bytes()).await.unwrap();
        assert_eq!((response.status, &response.json()["error"]["param"]), (400, &param), "{body}: {}", response.text());
        assert!(message(&response).contains(told), "{body}: {}", response.text());
    }
    let unknown = post(&greenroom.api, &json!({"model": "lap/m1", "prompt": "a"})).await;
    assert_eq!((unknown.status, unknown.json()["error"]["code"].clone()), (404, json!("model_not_found")));
    assert_eq!(client::get(&greenroom.api.url, PATH, Some(&greenroom.api.token)).await.unwrap().status, 405);
    assert_eq!(client::post_json(&greenroom.api.url, PATH, None, &ask("a".into())).await.unwrap().status, 401);
    assert_eq!(chats_asked(&lab).len(), 0);
}

#[tokio::test]
async fn whoever_leaves_cancels_every_text_that_is_under_way() {
    let lab = scripted([Answer::text(["a", "b"]).stall_after(1).stream().always()]).await;
    let greenroom = Greenroom::before(&lab).await;
    let connection = begin(&greenroom.api, &with(ask("once".into()), json!({"n": 3}))).await;
    until(&lab, |stats| stats.route(CHAT).open == 3).await;
    drop(connection);
    until(&lab, |stats| stats.route(CHAT).cancelled == 3).await;
    assert_eq!(lab.stats().route(CHAT).requests, 3);
}
