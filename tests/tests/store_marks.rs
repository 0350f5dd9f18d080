//! What a daemon has learnt of its providers is there when it is killed and comes back.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

mod store_support;

use std::time::{Duration, Instant};

use greenroom_tests::client;
use serde_json::json;
use store_support::{ask, broken, fine, get, home, kill, limited, locked_out, marks, provider, shown, stop, to};

#[tokio::test]
async fn marks_are_there_after_a_kill_with_the_same_end() {
    let answers = [
        to("one", "m1", limited(120)).always(),
        to("two", "m1", locked_out()).always(),
        to("three", "m1", fine()).always(),
        to("three", "m2", broken()).times(2),
        fine().always(),
    ];
    let provider = provider(answers).await;
    let home = home(&provider.url(), "");
    let daemon = home.serve(&[]).await;
    for model in ["lab/m1", "lab/m1", "lab/m1"] {
        assert_eq!(ask(&daemon, model).await.status, 200);
    }
    let seen = marks(&shown(&daemon).await);
    let whats: Vec<_> = seen.iter().map(|(what, reason, _)| format!("{what} {reason}")).collect();
    assert_eq!(whats, ["one/m1 rate_limited", "two auth"]);
    kill(daemon).await;
    // Without a daemon the store says so, with one what that has read.
    let at_rest = home.run(&["providers", "status", "--json"]).await.succeeded();
    let at_rest: serde_json::Value = serde_json::from_str(at_rest.stdout.trim()).unwrap();
    assert_eq!(marks(&at_rest), seen);
    assert_eq!(at_rest["store"], json!({"state": "ok"}));
    let daemon = home.serve(&[]).await;
    assert_eq!(marks(&shown(&daemon).await), seen);
    let by_command = home.run(&["providers", "status", "--json"]).await.succeeded();
    assert_eq!(marks(&serde_json::from_str(by_command.stdout.trim()).unwrap()), seen);
    // And they are heeded: neither of the two is asked.
    provider.reset();
    assert_eq!(ask(&daemon, "lab/m1").await.status, 200);
    let bearers: Vec<_> = provider
        .requests()
        .iter()
        .filter(|request| request.path() == greenroom_tests::openai::CHAT)
        .map(|request| request.headers.bearer().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(bearers, ["key-three"]);
    stop(daemon).await;
    let daemon = home.serve(&[]).await;
    assert_eq!(marks(&shown(&daemon).await), seen, "after a stop in good order");
}

#[tokio::test]
async fn a_bad_model_stays_bad_and_is_probed_once_after_a_start() {
    let provider = provider([broken().always()]).await;
    let home = home(&provider.url(), "[failover]\nmax_wait = \"1s\"\n");
    let daemon = home.serve(&[]).await;
    let begun = Instant::now();
    assert_ne!(ask(&daemon, "lab/m1").await.status, 200);
    let seen = marks(&shown(&daemon).await);
    assert_eq!(seen.len(), 3, "a model's health is with every profile: {seen:?}");
    assert!(seen.iter().all(|(_, reason, _)| reason == "server"), "{seen:?}");
    kill(daemon).await;
    let daemon = home.serve(&[]).await;
    assert_eq!(marks(&shown(&daemon).await), seen);
    let before = provider.stats().route(greenroom_tests::openai::CHAT).requests;
    assert_ne!(ask(&daemon, "lab/m1").await.status, 200);
    assert_ne!(ask(&daemon, "lab/m1").await.status, 200);
    let asked = provider.stats().route(greenroom_tests::openai::CHAT).requests - before;
    // The window is of five seconds.
    if begun.elapsed() < Duration::from_secs(4) {
        assert_eq!(asked, 1, "somebody may have mended it, so it is asked once");
    }
}

#[tokio::test]
async fn limits_stay_spent() {
    let provider = provider([fine().always()]).await;
    let config =
        "shared_limits = { requests_per_minute = 6 }\nqueue = { max_wait = \"1ms\" }\n[failover]\nmax_wait = \"1ms\"\n";
    let home = home(&provider.url(), config);
    let daemon = home.serve(&[]).await;
    let begun = Instant::now();
    for _ in 0..6 {
        assert_eq!(ask(&daemon, "lab/m1").await.status, 200);
    }
    assert_ne!(ask(&daemon, "lab/m1").await.status, 200, "six a minute are six");
    // Limits may be 250 ms behind.
    tokio::time::sleep(Duration::from_millis(300)).await;
    kill(daemon).await;
    for clean in [false, true] {
        let daemon = home.serve(&[]).await;
        let answer = ask(&daemon, "lab/m1").await;
        // One comes free in ten seconds.
        if begun.elapsed() < Duration::from_secs(9) {
            assert_ne!(answer.status, 200, "after a {} stop", if clean { "clean" } else { "sudden" });
        }
        stop(daemon).await;
    }
}

#[tokio::test]
async fn a_reset_lasts_and_is_done_by_whoever_has_the_store() {
    let provider = provider([to("one", "m1", locked_out()).always(), fine().always()]).await;
    let home = home(&provider.url(), "");
    let daemon = home.serve(&[]).await;
    let mark = async |daemon: &greenroom_tests::harness::Daemon| {
        // Whose turn it is depends on who was asked before.
        while marks(&shown(daemon).await).is_empty() {
            ask(daemon, "lab/m1").await;
        }
    };
    mark(&daemon).await;
    let post =
        async |path: &str| client::post_json(daemon.url(), path, Some(&daemon.token()), &json!({})).await.unwrap();
    let unknown = post("/api/providers/laboratory/reset").await;
    assert_eq!((unknown.status, &unknown.json()["error"]["kind"]), (404, &json!("not_found")));
    assert!(unknown.json()["error"]["hint"].as_str().unwrap().contains("lab"), "{}", unknown.text());
    let url = daemon.url();
    let refused = client::post_json(url, "/api/providers/lab/reset", None, &json!({})).await.unwrap();
    assert_eq!(refused.status, 401);
    let done = post("/api/providers/lab/reset").await;
    assert_eq!((done.status, done.json()), (200, json!({"provider": "lab", "kept": true})));
    kill(daemon).await;
    let daemon = home.serve(&[]).await;
    assert_eq!(marks(&shown(&daemon).await), []);
    // By the command, beside a daemon and without one.
    mark(&daemon).await;
    let said = home.run(&["providers", "reset", "lab"]).await.succeeded();
    assert_eq!(said.stdout, "lab is asked again\n");
    assert_eq!(marks(&shown(&daemon).await), []);
    mark(&daemon).await;
    kill(daemon).await;
    let wrong = home.run(&["providers", "reset", "labb"]).await;
    assert_eq!(wrong.code(), Some(2), "{wrong:?}");
    assert!(wrong.stderr.contains("did you mean \"lab\"?"), "{wrong:?}");
    let said = home.run(&["providers", "reset", "--json"]).await.succeeded();
    assert_eq!(said.stdout, "{\"provider\":\"lab\",\"reset\":true}\n");
    let daemon = home.serve(&[]).await;
    assert_eq!(marks(&shown(&daemon).await), []);
    assert_eq!(get(&daemon, "/readyz").await, json!({"status": "ready", "store": "ok"}));
}
