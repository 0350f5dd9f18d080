//! What answers used is booked whatever becomes of them: it is there after a kill, and in no sum twice.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

mod anthropic_support;
mod http_support;

use std::time::Duration;

use greenroom_tests::When;
use greenroom_tests::harness::{Home, Signal};
use greenroom_tests::openai::{self, Answer};
use http_support::{Api, Greenroom, LIMIT, ask, ask_streamed, provider, scripted, until};
use serde_json::{Value, json};

const PRICED: &str = "[providers.lab.models.m1]\ncost = { input = 1.0, output = 2.0 }\n";

async fn usage(api: &Api, by: &str) -> Vec<Value> {
    let answer = api.get(&format!("/api/usage?by={by}")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["usage"].as_array().unwrap().clone()
}

fn lines(stdout: &str) -> Vec<Value> {
    stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn each_attempt_is_booked_by_what_is_known_of_it() {
    let cut = Answer::text(["12345678", "x"]).usage(10, 5).cut_after(1).stream().when(When::model("m2"));
    let refused = openai::error(401, "x", Some("invalid_api_key"), "no").when(When::model("m3")).always();
    let lab = scripted([cut, refused, Answer::text(["hello"]).usage(1000, 500).stream().always()]).await;
    let Greenroom { api, mut daemon, home } = Greenroom::start(&(provider("lab", &lab) + PRICED)).await;
    for body in [ask("lab/m1"), ask_streamed("lab/m1"), ask("lab/m2"), ask("lab/m3")] {
        api.chat(&body).await;
    }
    let by_model = usage(&api, "model").await;
    let named = |name: &str| by_model.iter().find(|sum| sum["by"] == name).unwrap().clone();
    let of =
        |sum: &Value| ["requests", "attempts", "input", "output", "estimated"].map(|name| sum[name].as_u64().unwrap());
    assert_eq!(of(&named("lab/m1")), [2, 2, 2000, 1000, 0]);
    assert_eq!(named("lab/m1")["cost_usd"], json!(0.004));
    // Cut after eight bytes, and gone on with.
    let cut = named("lab/m2");
    assert_eq!(
        (&cut["requests"], &cut["attempts"], &cut["estimated"], &cut["output"]),
        (&json!(1), &json!(2), &json!(1), &json!(502))
    );
    assert_eq!(cut["unpriced"], 2);
    assert_eq!(of(&named("lab/m3")), [1, 1, 0, 0, 0], "a refusal costs nothing");
    for (by, want) in [("provider", "lab"), ("profile", "lab/default"), ("client", "admin"), ("session", "")] {
        let sums = usage(&api, by).await;
        assert_eq!((sums.len(), &sums[0]["by"], &sums[0]["requests"]), (1, &json!(want), &json!(4)), "{by}");
    }
    assert_eq!(usage(&api, "day").await[0]["by"].as_str().unwrap().len(), 10);
    let bad = api.get("/api/usage?by=colour").await;
    assert_eq!((bad.status, bad.json()["error"]["kind"].as_str()), (400, Some("invalid_request")));

    // The command says the same, beside a daemon and without one.
    let beside = home.run(&["usage", "--json"]).await.succeeded().stdout;
    assert_eq!(lines(&beside), by_model);
    daemon.signal(Signal::TERM);
    daemon.wait(LIMIT).await;
    assert_eq!(home.run(&["usage", "--json"]).await.succeeded().stdout, beside);
    let table = home.run(&["usage", "--by", "provider"]).await.succeeded();
    assert!(table.stdout.starts_with("PROVIDER") && table.stdout.contains("$0.004"), "{}", table.stdout);
    assert!(table.stderr.contains("estimated") && table.stderr.contains("price"), "{}", table.stderr);
    assert_eq!(home.run(&["usage", "--by", "colour"]).await.code(), Some(2));
    let nothing = Home::new().run(&["usage"]).await.succeeded();
    assert!(nothing.stdout.is_empty() && nothing.stderr.contains("nothing"), "{}", nothing.stderr);
}

#[tokio::test]
async fn what_is_cut_off_by_a_leaving_client_or_a_kill_is_booked_once() {
    let slow = Answer::text(["12345678", "x"]).pace(Duration::from_secs(60)).stream();
    let lab = scripted([slow.always()]).await;
    let config = provider("lab", &lab);
    let Greenroom { api, mut daemon, home } = Greenroom::start(&config).await;
    let mut leaving = api.begin(&ask_streamed("lab/m1")).await;
    leaving.head().await.unwrap();
    drop(leaving);
    until(&lab, |stats| stats.route(http_support::CHAT).cancelled == 1).await;
    let mut sums = Vec::new();
    tokio::time::timeout(LIMIT, async {
        while sums.is_empty() {
            sums = usage(&api, "model").await;
        }
    })
    .await
    .unwrap();
    assert_eq!((&sums[0]["attempts"], &sums[0]["estimated"], &sums[0]["output"]), (&json!(1), &json!(1), &json!(2)));
    // Two are under way, and the sums that are asked for mean that they are on disk.
    let mut streams = Vec::new();
    for _ in 0..2 {
        let mut stream = api.begin(&ask_streamed("lab/m2")).await;
        stream.head().await.unwrap();
        streams.push(stream);
    }
    assert_eq!(usage(&api, "model").await, sums, "what is under way is not booked yet");
    daemon.signal(Signal::KILL);
    daemon.wait(LIMIT).await;
    for _ in 0..2 {
        let mut daemon = home.serve(&[]).await;
        let api = Api { url: daemon.url().to_owned(), token: daemon.token() };
        let cut = tokio::time::timeout(LIMIT, async {
            loop {
                let sums = usage(&api, "model").await;
                if let Some(sum) = sums.iter().find(|sum| sum["by"] == "lab/m2") {
                    return sum.clone();
                }
            }
        });
        let cut = cut.await.unwrap();
        assert_eq!((&cut["requests"], &cut["attempts"], &cut["estimated"]), (&json!(2), &json!(2), &json!(2)));
        daemon.signal(Signal::KILL);
        daemon.wait(LIMIT).await;
    }
}

/// The attempts that are kept, as an export has them.
async fn attempts(api: &Api) -> Vec<Value> {
    let answer = api.get("/api/usage/attempts").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/x-ndjson")));
    lines(&answer.text())
}

#[tokio::test]
async fn each_attempt_can_be_exported_and_they_amount_to_the_sums() {
    let cut = Answer::text(["12345678", "x"]).usage(10, 5).cut_after(1).stream().when(When::model("m2"));
    let refused = openai::error(401, "x", Some("invalid_api_key"), "no").when(When::model("m3")).always();
    let slow = Answer::text(["12345678", "x"]).pace(Duration::from_secs(60)).stream().when(When::model("m4"));
    let lab = scripted([cut, refused, slow.always(), Answer::text(["hello"]).usage(1000, 500).stream().always()]).await;
    let Greenroom { api, mut daemon, home } = Greenroom::start(&(provider("lab", &lab) + PRICED)).await;
    for model in ["lab/m1", "lab/m2"] {
        api.chat(&ask(model)).await;
    }
    let mut leaving = api.begin(&ask_streamed("lab/m4")).await;
    leaving.head().await.unwrap();
    drop(leaving);
    // The last, since the profile is left alone after it.
    api.chat(&ask("lab/m3")).await;
    let entries = tokio::time::timeout(LIMIT, async {
        loop {
            let entries = attempts(&api).await;
            if entries.len() == 5 {
                return entries;
            }
        }
    });
    let entries = entries.await.expect("each attempt is there");
    let told: Vec<Value> = entries
        .iter()
        .map(|entry| json!([entry["model"], entry["outcome"], entry["error"], entry["first"], entry["estimated"]]))
        .collect();
    assert_eq!(
        told,
        [
            json!(["m1", "finished", null, true, false]),
            json!(["m2", "failed", "protocol", true, true]),
            json!(["m2", "finished", null, false, false]),
            json!(["m4", "left", null, true, true]),
            json!(["m3", "failed", "auth", true, false]),
        ]
    );
    assert_eq!((&entries[0]["cost_usd"], &entries[1]["cost_usd"]), (&json!(0.002), &Value::Null));
    assert_eq!((&entries[0]["client"], &entries[0]["session"]), (&json!("admin"), &Value::Null));
    for name in ["input", "output", "reasoning", "cache_read", "cache_write"] {
        let of = |rows: &[Value]| rows.iter().map(|row| row[name].as_u64().unwrap()).sum::<u64>();
        assert_eq!(of(&entries), of(&usage(&api, "model").await), "{name}");
    }

    // As CSV, and by days.
    let csv = api.get("/api/usage/attempts?format=csv").await;
    assert_eq!(csv.header("content-type"), Some("text/csv; charset=utf-8"));
    let rows: Vec<String> = csv.text().lines().map(str::to_owned).collect();
    assert_eq!(rows.len(), 6);
    assert!(
        rows[0].starts_with("began,millis,provider,model")
            && rows[1].contains(",lab,m1,default,admin,,true,finished,,")
    );
    let sums = api.get("/api/usage?by=model&format=csv").await.text();
    assert!(sums.starts_with("by,requests,attempts") && sums.contains("lab/m1,1,1,1000,500,0,0,0,0.002,0,0"), "{sums}");
    for (days, want) in [("since=2020-01-01", 5), ("until=2020-01-01", 0), ("since=2999-12-31", 0)] {
        let text = api.get(&format!("/api/usage/attempts?{days}")).await.text();
        assert_eq!(lines(&text).len(), want, "{days}");
        let sums = api.get(&format!("/api/usage?{days}")).await.json();
        assert_eq!(sums["usage"].as_array().unwrap().is_empty(), want == 0, "{days}");
    }
    for bad in ["since=yesterday", "until=2026-02-30", "format=xml"] {
        for route in ["/api/usage", "/api/usage/attempts"] {
            let refused = api.get(&format!("{route}?{bad}")).await;
            assert_eq!((refused.status, refused.json()["error"]["kind"].as_str()), (400, Some("invalid_request")));
        }
    }

    // The command says the same, beside a daemon and without one.
    let beside = home.run(&["usage", "--attempts"]).await.succeeded().stdout;
    assert_eq!(beside, csv.text());
    let json = home.run(&["usage", "--attempts", "--json", "--since", "2020-01-01"]).await.succeeded().stdout;
    assert_eq!(lines(&json), entries);
    let sums_beside = home.run(&["usage", "--csv"]).await.succeeded().stdout;
    assert_eq!(sums_beside, sums);
    daemon.signal(Signal::TERM);
    daemon.wait(LIMIT).await;
    assert_eq!(home.run(&["usage", "--attempts", "--csv"]).await.succeeded().stdout, beside);
    assert_eq!(home.run(&["usage", "--attempts", "--json"]).await.succeeded().stdout, json);
    assert_eq!(home.run(&["usage", "--csv"]).await.succeeded().stdout, sums);
    let none = home.run(&["usage", "--attempts", "--until", "2020-01-01"]).await.succeeded().stdout;
    assert_eq!(none.lines().count(), 1, "a head: {none}");
    for bad in
        [&["usage", "--since", "today"][..], &["usage", "--csv", "--json"], &["usage", "--attempts", "--by", "day"]]
    {
        assert_eq!(home.run(bad).await.code(), Some(2), "{bad:?}");
    }
}

#[tokio::test]
async fn an_export_of_many_attempts_comes_by_pages_in_order() {
    let lab = scripted([Answer::text(["hello"]).usage(1, 1).stream().always()]).await;
    let greenroom = Greenroom::start(&provider("lab", &lab)).await;
    let api = &greenroom.api;
    const MANY: usize = 1100;
    let asks = (0..8).map(async |_| {
        for _ in 0..MANY.div_ceil(8) {
            assert_eq!(api.chat(&ask("lab/m1")).await.status, 200);
        }
    });
    futures::future::join_all(asks).await;
    let entries = attempts(api).await;
    assert!(entries.len() >= MANY, "{}", entries.len());
    assert!(entries.is_sorted_by_key(|entry| entry["began"].as_str().unwrap().to_owned()));
}

#[tokio::test]
async fn what_a_provider_counted_of_a_prompt_is_booked_however_its_answer_is_cut() {
    use greenroom_tests::anthropic;
    let start = json!({"input_tokens": 1234, "cache_read_input_tokens": 100, "output_tokens": 1});
    let answer =
        || anthropic::Answer::text(["12345678", "x"]).usage_details(start.clone(), json!({"output_tokens": 9}));
    let cases = [
        (answer().stream(), "finished", 9),
        (answer().cut_after(1).stream(), "failed", 2),
        (answer().reset_after(1).stream(), "failed", 2),
        (answer().error_after(1, "overloaded_error", "no").stream(), "failed", 2),
        (answer().without_message_stop().stream(), "finished", 9),
        (answer().stall_after(1).stream(), "left", 2),
    ];
    for (attempt, outcome, output) in cases {
        let lab = anthropic_support::scripted([attempt.always()]).await;
        let once = "[failover]\nattempts = 1\ncontinuations = 0\n";
        let greenroom = Greenroom::start(&(anthropic_support::claude(&lab) + once)).await;
        let mut stream = greenroom.api.begin(&ask_streamed("claude/m")).await;
        stream.head().await.unwrap();
        if outcome != "left" {
            let _said = http_support::events(&mut stream).await;
        }
        drop(stream);
        let entry = tokio::time::timeout(LIMIT, async {
            loop {
                if let Some(entry) = attempts(&greenroom.api).await.pop() {
                    return entry;
                }
            }
        });
        let entry = entry.await.expect("the attempt is booked");
        assert_eq!((&entry["input"], &entry["cache_read"]), (&json!(1234), &json!(100)), "{outcome}: {entry}");
        assert_eq!((&entry["outcome"], &entry["output"]), (&json!(outcome), &json!(output)), "{entry}");
        assert_eq!(entry["estimated"], outcome != "finished", "{entry}");
    }
}
