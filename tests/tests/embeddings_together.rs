//! Small requests for vectors go to their provider together, and come back to each whoever asked.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

mod http_support;
mod session_support;

use std::time::Duration;

use greenroom_tests::harness::Home;
use greenroom_tests::{Attempt, Route, Script, ScriptedProvider, When, client::Response, openai};
use http_support::{Api, Greenroom, LIMIT, provider, refusal};
use serde_json::{Value, json};

const EMBEDDINGS: &str = "/v1/embeddings";

async fn making(attempts: impl IntoIterator<Item = Attempt>) -> ScriptedProvider {
    let attempts = attempts.into_iter().chain([openai::vectors().always()]);
    ScriptedProvider::start(Script::new([Route::new("POST", EMBEDDINGS, attempts), openai::models(["e"])])).await
}

async fn started(lab: &ScriptedProvider) -> Greenroom {
    let greenroom = Greenroom::start_in(Home::new(), &provider("lab", lab)).await;
    // The list of models is there, so that no request waits for it by itself.
    assert_eq!(made(&ask(&greenroom.api, json!("warm")).await), [[4, u64::from(b'w')]]);
    greenroom
}

async fn ask(api: &Api, input: Value) -> Response {
    api.post(EMBEDDINGS, &json!({"model": "lab/e", "input": input})).await
}

fn made(response: &Response) -> Vec<[u64; 2]> {
    assert_eq!(response.status, 200, "{}", response.text());
    let body = response.json();
    let vectors = body["data"].as_array().unwrap().iter();
    vectors.map(|one| [0, 1].map(|at| one["embedding"][at].as_f64().unwrap() as u64)).collect()
}

/// The texts of each request that the provider got.
fn sent(lab: &ScriptedProvider) -> Vec<Vec<Value>> {
    let requests = lab.requests().into_iter().filter(|request| request.path() == EMBEDDINGS).skip(1);
    requests.map(|request| request.json()["input"].as_array().unwrap().clone()).collect()
}

#[tokio::test]
async fn requests_of_the_same_moment_are_one_and_each_gets_its_own() {
    let lab = making([]).await;
    let greenroom = started(&lab).await;
    let api = &greenroom.api;
    let asks = (0..40u8).map(async |number| {
        let text = "x".repeat(usize::from(number) + 1);
        let answer = ask(api, json!([text, "a"])).await;
        assert_eq!(made(&answer), [[u64::from(number) + 1, u64::from(b'x')], [1, u64::from(b'a')]]);
        answer.json()["usage"]["prompt_tokens"].as_u64().unwrap()
    });
    let tokens: u64 = futures::future::join_all(asks).await.into_iter().sum();
    let sent = sent(&lab);
    assert!(sent.len() < 20, "{} requests", sent.len());
    assert_eq!(sent.iter().map(Vec::len).sum::<usize>(), 80);
    assert!(sent.iter().all(|texts| texts.len() <= 96));
    let used: u64 = (1..=40u64).map(|length| length + 1).sum();
    assert_eq!(tokens, used, "what each is told amounts to what was used");
    let usage = api.get("/api/usage").await.json();
    let sum = &usage["usage"][0];
    assert_eq!((&sum["requests"], &sum["input"]), (&json!(41), &json!(used + 4)));
    assert_eq!(sum["attempts"], sent.len() + 1);
}

#[tokio::test]
async fn an_error_of_one_is_told_to_it_alone() {
    let refused = openai::error(400, "invalid_request_error", None, "that can't be read");
    let lab = making([refused.when(When::body_contains("bad")).always()]).await;
    let greenroom = started(&lab).await;
    let api = &greenroom.api;
    let asks = (0..8u8).map(async |number| {
        let text = if number == 3 { "bad".to_owned() } else { "x".repeat(usize::from(number) + 1) };
        (number, ask(api, json!(text)).await)
    });
    for (number, answer) in futures::future::join_all(asks).await {
        if number == 3 {
            assert_eq!(refusal(&answer).0, 400);
            assert!(answer.text().contains("that can't be read"), "{}", answer.text());
        } else {
            assert_eq!(made(&answer), [[u64::from(number) + 1, u64::from(b'x')]]);
        }
    }
}

#[tokio::test]
async fn an_error_of_the_provider_is_told_to_all_of_them_once() {
    let lab = making([]).await;
    let greenroom = started(&lab).await;
    lab.set_script(Script::new([
        Route::new("POST", EMBEDDINGS, [openai::error(401, "x", Some("invalid_api_key"), "no").always()]),
        openai::models(["e"]),
    ]));
    let asks = (0..8).map(async |_| ask(&greenroom.api, json!("x")).await);
    for answer in futures::future::join_all(asks).await {
        // Who comes too late for the first request finds its profile left alone.
        assert!([401, 503].contains(&answer.status), "{}", answer.text());
    }
    assert!(lab.requests().iter().filter(|request| request.path() == EMBEDDINGS).count() < 8);
}

#[tokio::test]
async fn what_is_asked_otherwise_or_by_another_goes_by_itself() {
    let lab = making([]).await;
    let greenroom = started(&lab).await;
    let api = &greenroom.api;
    let other = api.posted("/api/clients", &json!({"name": "other"})).await;
    let other = Api { url: api.url.clone(), token: other["token"].as_str().unwrap().to_owned() };
    let wide = async |dimensions: u32| {
        let body = json!({"model": "lab/e", "input": "d", "dimensions": dimensions});
        made(&api.post(EMBEDDINGS, &body).await);
    };
    tokio::join!(
        async { made(&ask(api, json!("mine")).await) },
        async { made(&ask(&other, json!("theirs")).await) },
        wide(2),
        wide(3),
        async { made(&ask(api, json!(vec!["many"; 65])).await) },
    );
    let mut counts: Vec<usize> = sent(&lab).iter().map(Vec::len).collect();
    counts.sort_unstable();
    assert_eq!(counts, [1, 1, 1, 1, 65]);
}

#[tokio::test]
async fn who_leaves_takes_the_texts_of_nobody_else_along() {
    let slow = openai::vectors().delayed(Duration::from_millis(300)).when(When::body_contains("stays"));
    let stalled = Attempt::silent().when(When::body_contains("goes")).always();
    let lab = making([slow.always(), stalled]).await;
    let greenroom = started(&lab).await;
    let api = &greenroom.api;
    let (stayed, gone) = tokio::join!(
        ask(api, json!("stays")),
        tokio::time::timeout(Duration::from_millis(100), ask(api, json!("goes"))),
    );
    assert!(gone.is_err());
    assert_eq!(made(&stayed), [[5, u64::from(b's')]]);
    // Alone, its leaving reaches the provider.
    let gone = tokio::time::timeout(Duration::from_millis(200), ask(api, json!("goes"))).await;
    assert!(gone.is_err());
    tokio::time::timeout(LIMIT, async {
        while lab.stats().routes.iter().map(|route| route.cancelled).sum::<u64>() == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("the request is cancelled");
}
