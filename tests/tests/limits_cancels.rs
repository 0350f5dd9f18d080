//! Many quick cancels, at every stage of a request, leave nothing behind. `GREENROOM_CANCELS` says how many.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a helper of tests that fails is to fail the test")]

mod http_support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use greenroom_tests::openai::Answer;
use greenroom_tests::{Attempt, When};
use http_support::{Api, CHAT, Greenroom, LIMIT, ask_streamed, provider, scripted, until, with};
use serde_json::{Value, json};
use tokio::task::JoinSet;

/// Requests at once that are let through; those beyond wait.
const CONCURRENT: u64 = 24;
const CLIENTS: usize = 48;
/// How much the daemon may grow. One leaked stream is some tens of kilobytes.
const GROWTH: u64 = 24 << 20;

fn saying(text: &str) -> Value {
    with(ask_streamed("lab/m1"), json!({"messages": [{"role": "user", "content": text}]}))
}

/// Cancels so many requests, each after another while, and some by a reset.
async fn cancel(api: &Api, count: u64) {
    let left = Arc::new(AtomicU64::new(count));
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let (api, left) = (api.clone(), Arc::clone(&left));
        clients.spawn(async move {
            while let Ok(number) = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)) {
                let what = ["is silent", "has begun", "streams"][number as usize % 3];
                let mut connection = api.begin(&saying(what)).await;
                // Some are streaming for sure when they are left; most are wherever they have come to.
                let sure = number % 6 == 5;
                let while_ = if sure { LIMIT } else { Duration::from_millis(number * 7 % 41) };
                if number % 2 == 0 {
                    tokio::time::sleep(while_).await;
                } else {
                    let _late = tokio::time::timeout(while_, connection.head()).await;
                    let _late = tokio::time::timeout(while_, connection.event()).await;
                }
                if number % 5 == 0 {
                    connection.reset().unwrap();
                }
            }
        });
    }
    while let Some(ended) = clients.join_next().await {
        ended.unwrap();
    }
}

fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_left_of_requests_whose_clients_have_gone() {
    let count = std::env::var("GREENROOM_CANCELS").map_or(4000, |count| count.parse().unwrap());
    let pieces: Vec<&str> = vec!["word "; 1000];
    let streams = Answer::text(pieces).pace(Duration::from_millis(2)).stream();
    let begun = Attempt::new().status(200).header("content-type", "text/event-stream").stall();
    let lab = scripted([
        Attempt::silent().when(When::body_contains("is silent")).always(),
        begun.when(When::body_contains("has begun")).always(),
        streams.when(When::body_contains("streams")).always(),
    ])
    .await;
    let limits = format!("limits = {{ concurrent = {CONCURRENT}, tokens_per_minute = 1000000000 }}\n");
    let greenroom = Greenroom::start(&format!("{}{limits}", provider("lab", &lab))).await;
    cancel(&greenroom.api, count / 5).await;
    let before = resident(greenroom.daemon.pid());
    cancel(&greenroom.api, count - count / 5).await;
    let stats = until(&lab, |stats| stats.route(CHAT).open == 0 && stats.open_connections == 0).await;
    let asked = stats.route(CHAT).requests;
    assert!(asked > count / 10, "{asked} of {count} got as far as the provider");
    let grown = resident(greenroom.daemon.pid()).saturating_sub(before);
    eprintln!("{count} cancels, {asked} of them asked for; {} KiB more", grown >> 10);
    assert!(grown < GROWTH, "{} KiB more after {count} cancels", grown >> 10);
    // Every place is free, and nobody is before who asks now.
    let mut streams = Vec::new();
    for _ in 0..CONCURRENT {
        streams.push(greenroom.api.begin(&saying("is silent")).await);
    }
    until(&lab, |stats| stats.route(CHAT).open == CONCURRENT).await;
}
