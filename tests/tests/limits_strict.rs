//! A provider that enforces a strict limit is used to the full and never run into, once it has said what is left.
#![allow(clippy::print_stderr, reason = "what was measured is worth a look")]

mod http_support;

use std::time::Duration;

use greenroom_tests::strict::{Limit, StrictProvider, Window};
use http_support::{Api, Greenroom, ask, provider_at, with};
use serde_json::json;
use tokio::task::JoinSet;

/// Of the windows after the first, so many are looked at.
const WINDOWS: usize = 5;
const CLIENTS: usize = 120;
const WINDOW: Duration = Duration::from_secs(3);

/// Has clients ask for more than there is until so many windows are over, and gives these, the first one left out.
async fn drive(limit: Limit, answer: u64, prompt: &str) -> Vec<Window> {
    let strict = StrictProvider::start(limit, answer).await;
    let greenroom = Greenroom::start(&provider_at("lab", &strict.url())).await;
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let (api, prompt) = (greenroom.api.clone(), prompt.to_owned());
        clients.spawn(async move { ask_again_and_again(&api, &prompt).await });
    }
    while strict.windows().len() < WINDOWS + 2 {
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(clients.try_join_next().is_none(), "no client ends by itself\n{}", greenroom.daemon.output());
    }
    clients.shutdown().await;
    eprintln!("{limit:?}: {:?}", strict.windows());
    strict.windows()[1..=WINDOWS].to_vec()
}

async fn ask_again_and_again(api: &Api, prompt: &str) {
    let body = with(ask("lab/m1"), json!({"messages": [{"role": "user", "content": prompt}]}));
    loop {
        let answer = api.chat(&body).await;
        assert_eq!(answer.status, 200, "whoever waits is answered: {}", answer.text());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_requests() {
    let windows = drive(Limit { window: WINDOW, requests: 60, tokens: 1_000_000 }, 5, "a question").await;
    let granted: u64 = windows.iter().map(|window| window.granted).sum();
    assert!(windows.iter().all(|window| window.refused == 0), "{windows:?}");
    assert!(granted * 100 >= 60 * WINDOWS as u64 * 95, "{granted} of {}: {windows:?}", 60 * WINDOWS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_tokens() {
    // A request is 100 tokens, of which 60 are the prompt's.
    let prompt = "word ".repeat(48);
    let windows = drive(Limit { window: WINDOW, requests: 1_000_000, tokens: 6000 }, 40, &prompt).await;
    let tokens: u64 = windows.iter().map(|window| window.tokens).sum();
    assert!(windows.iter().all(|window| window.refused == 0), "{windows:?}");
    assert!(tokens * 100 >= 6000 * WINDOWS as u64 * 95, "{tokens} of {}: {windows:?}", 6000 * WINDOWS);
}
