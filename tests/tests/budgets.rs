//! What a client's answers may cost: heeded by every route, over a restart, and for what is under way.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

mod cli_support;
mod http_support;
mod session_support;

use std::time::Duration;

use cli_support::{assert_failed, lines};
use greenroom_tests::When;
use greenroom_tests::harness::Signal;
use greenroom_tests::openai::Answer;
use http_support::{Api, Greenroom, LIMIT, ask, ask_streamed, chats_asked, provider, refusal, scripted, until};
use serde_json::{Value, json};
use session_support::{error as error_of, types};

const CLIENTS: &str = "/api/clients";
/// A dollar for each token of an answer, and none for the prompt.
const PRICED: &str = "[providers.lab.models.m1]\ncost = { input = 0.0, output = 1000000.0 }\n\
                      [providers.lab.models.slow]\ncost = { input = 0.0, output = 1000000.0 }\n";

async fn client(api: &Api, name: &str, budget: &str) -> Api {
    let made = api.posted(CLIENTS, &json!({"name": name, "budget": budget})).await;
    assert!(made["budget"].is_string(), "{made}");
    Api { url: api.url.clone(), token: made["token"].as_str().unwrap().to_owned() }
}

/// What each client has spent, as it is listed.
async fn spent(api: &Api, name: &str) -> Value {
    let listed = api.get(CLIENTS).await.json();
    let clients = listed["clients"].as_array().unwrap();
    clients.iter().find(|client| client["name"] == name).unwrap()["spent_usd"].clone()
}

#[tokio::test]
async fn a_spent_budget_is_told_to_each_client_in_its_own_shape_and_nobody_is_asked() {
    let lab = scripted([Answer::text(["fine"]).usage(10, 5).stream().always()]).await;
    let Greenroom { api, mut daemon, home } = Greenroom::start(&(provider("lab", &lab) + PRICED)).await;
    let bot = client(&api, "bot", "12/month").await;
    let free = client(&api, "free", "1").await;
    for body in [ask("lab/m1"), ask_streamed("lab/m1"), ask("lab/m1")] {
        assert_eq!(bot.chat(&body).await.status, 200, "the last one may go over");
    }
    assert_eq!(spent(&api, "bot").await, json!(15.0));
    let asked = chats_asked(&lab).len();

    let refused = bot.chat(&ask("lab/m1")).await;
    assert_eq!(refusal(&refused), (429, "insufficient_quota".into(), "insufficient_quota".into()));
    assert_eq!(refused.header("x-should-retry"), Some("false"));
    let seconds: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=31 * 24 * 60 * 60).contains(&seconds), "{seconds}");
    let said = refused.json()["error"]["message"].as_str().unwrap().to_owned();
    assert!(said.contains("$15.00 of $12.00/month") && said.contains("auth client budget bot"), "{said}");
    assert_eq!(bot.chat(&ask_streamed("lab/m1")).await.status, 429);
    let responses = json!({"model": "lab/m1", "input": "hi", "store": false});
    assert_eq!(bot.post("/v1/responses", &responses).await.json()["error"]["code"], "insufficient_quota");
    let messages = json!({"model": "lab/m1", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]});
    let refused = bot.post("/v1/messages", &messages).await;
    assert_eq!((refused.status, &refused.json()["error"]["type"]), (402, &json!("billing_error")));
    let embedded = bot.post("/v1/embeddings", &json!({"model": "lab/m1", "input": "hi"})).await;
    assert_eq!(embedded.status, 429);
    let turn = async |api: &Api, id: &str| {
        api.create(id).await;
        let patched = api.ask("PATCH", &session_support::at(id, ""), &[], br#"{"model": "lab/m1"}"#).await;
        assert_eq!(patched.status, 200);
        types(&api.turn(id, "hello").await)
    };
    assert!(turn(&bot, "of-bot").await.contains(&"turn.failed".to_owned()), "its sessions' turns as well");
    assert_eq!(chats_asked(&lab).len(), asked, "nobody was asked");

    assert!(turn(&free, "of-free").await.contains(&"turn.finished".to_owned()), "another's budget is its own");
    assert_eq!(api.chat(&ask("lab/m1")).await.status, 200, "the owner has none");

    // It holds over a restart, until it is raised or taken away.
    daemon.signal(Signal::TERM);
    daemon.wait(LIMIT).await;
    let listed = home.run(&["auth", "client", "list"]).await.succeeded().stdout;
    assert!(listed.contains("$12.00/month") && listed.contains("$15.00"), "{listed}");
    let daemon = home.serve(&[]).await;
    let of = |token: &str| Api { url: daemon.url().to_owned(), token: token.to_owned() };
    let (api, bot) = (of(&daemon.token()), of(&bot.token));
    assert_eq!(bot.chat(&ask("lab/m1")).await.status, 429);
    let raised = home.run(&["auth", "client", "budget", "bot", "16/month"]).await.succeeded();
    assert_eq!(raised.stdout, "bot may spend $16.00/month\n");
    assert_eq!(bot.chat(&ask("lab/m1")).await.status, 200, "at once");
    assert_eq!(bot.chat(&ask("lab/m1")).await.status, 429);
    let changed = api.ask("PATCH", "/api/clients/bot", &[], br#"{"budget": null}"#).await;
    assert_eq!((changed.status, &changed.json()["budget"]), (200, &Value::Null));
    assert_eq!(bot.chat(&ask("lab/m1")).await.status, 200);
    for bad in ["{}", r#"{"budget": "much"}"#, r#"{"budget": "1", "models": []}"#, "[]"] {
        let refused = api.ask("PATCH", "/api/clients/bot", &[], bad.as_bytes()).await;
        assert_eq!(error_of(&refused), session_support::bad(), "{bad}");
    }
    assert_eq!(api.ask("PATCH", "/api/clients/nobody", &[], br#"{"budget": "1"}"#).await.status, 404);
}

#[tokio::test]
async fn many_at_once_do_not_go_past_a_budget_together() {
    let slow = Answer::text(["a", "b"]).usage(10, 5).pace(Duration::from_secs(60)).stream();
    let lab = scripted([slow.when(When::model("slow")).always()]).await;
    let greenroom = Greenroom::start(&(provider("lab", &lab) + PRICED)).await;
    let api = &greenroom.api;
    // An answer is expected to have some hundred tokens.
    let bot = client(api, "bot", "700/day").await;
    let mut under_way = Vec::new();
    for _ in 0..2 {
        let mut stream = bot.begin(&ask_streamed("lab/slow")).await;
        assert_eq!(stream.head().await.unwrap().status, 200);
        under_way.push(stream);
    }
    let refused = bot.chat(&ask("lab/slow")).await;
    assert_eq!(refused.status, 429);
    assert!(refused.text().contains("under way"), "{}", refused.text());
    drop(under_way);
    until(&lab, |stats| stats.route(http_support::CHAT).cancelled == 2).await;
    tokio::time::timeout(LIMIT, async {
        loop {
            let mut next = bot.begin(&ask_streamed("lab/slow")).await;
            if next.head().await.unwrap().status == 200 {
                return;
            }
        }
    })
    .await
    .expect("what ended is not under way any more");
}

#[tokio::test]
async fn a_client_is_given_a_budget_on_the_command_line() {
    let home = greenroom_tests::harness::Home::new();
    cli_support::run_well(&home, &["auth", "client", "add", "bot", "--budget", "0.5/day"], "").await;
    let listed = home.run(&["auth", "client", "list", "--json"]).await.succeeded().stdout;
    let bot = &lines(&listed)[0];
    assert_eq!((&bot["budget"], &bot["spent_usd"]), (&json!("0.50/day"), &json!(0.0)));
    let none = home.run(&["auth", "client", "budget", "bot", "none"]).await.succeeded();
    assert_eq!(none.stdout, "bot may spend what it likes\n");
    assert_failed(&home.run(&["auth", "client", "budget", "nobody", "1"]).await, 2, "no client", "list");
    for bad in ["much", "-1", "1/week"] {
        let refused = home.run(&["auth", "client", "budget", "bot", bad]).await;
        assert!(refused.code() == Some(2) && !refused.stderr.contains("panicked"), "{}", refused.stderr);
    }
}

#[tokio::test]
async fn a_sessions_budget_holds_until_it_is_raised_and_goes_with_it() {
    let lab = scripted([Answer::text(["fine"]).usage(10, 5).stream().always()]).await;
    let Greenroom { api, mut daemon, home } = Greenroom::start(&(provider("lab", &lab) + PRICED)).await;
    let path = session_support::at("talk", "");
    let made = api.posted("/api/sessions", &json!({"id": "talk", "model": "lab/m1", "budget": "8"})).await;
    assert_eq!((&made["budget"], &made["spent_usd"]), (&json!("8.00"), &json!(0.0)));
    let said = async |api: &Api| types(&api.turn("talk", "hello").await).last().cloned().unwrap();
    assert_eq!([said(&api).await, said(&api).await], ["turn.finished", "turn.finished"], "the last one may go over");
    let events = api.turn("talk", "more").await;
    let error = &events.last().unwrap().json()["error"];
    assert_eq!(error["kind"], "billing");
    assert!(error["message"].as_str().unwrap().contains("$10.00 of $8.00"), "{error}");
    assert!(error["hint"].as_str().unwrap().contains("sessions budget talk"), "{error}");
    assert_eq!(chats_asked(&lab).len(), 2);

    // Over a restart, from the command line, and over HTTP.
    daemon.signal(Signal::TERM);
    daemon.wait(LIMIT).await;
    let mut daemon = home.serve(&[]).await;
    let api = Api { url: daemon.url().to_owned(), token: daemon.token() };
    assert_eq!(said(&api).await, "turn.failed");
    let raised = home.run(&["sessions", "budget", "talk", "12"]).await.succeeded().stdout;
    assert_eq!(raised, "talk may cost $12.00, and has cost $10.000000\n");
    assert_eq!(said(&api).await, "turn.finished");
    assert_eq!(said(&api).await, "turn.failed");
    let freed = api.ask("PATCH", &path, &[], br#"{"budget": null}"#).await;
    assert_eq!((freed.status, freed.json().get("budget")), (200, None));
    assert_eq!(said(&api).await, "turn.finished");
    for bad in [json!("much"), json!("1/day"), json!(5), json!("-1")] {
        let body = json!({"budget": bad}).to_string();
        assert_eq!(error_of(&api.ask("PATCH", &path, &[], body.as_bytes()).await), session_support::bad(), "{bad}");
        let new = json!({"id": "other", "budget": bad});
        assert_eq!(error_of(&api.post("/api/sessions", &new).await), session_support::bad(), "{bad}");
    }

    // A fork has the budget and has spent nothing; nor has one that takes the place of one that was removed.
    api.ask("PATCH", &path, &[], br#"{"budget": "3"}"#).await;
    let end = api.get(&path).await.json()["cursor"].clone();
    let fork = api.posted(&session_support::at("talk", "/fork"), &json!({"at": end, "id": "fork"})).await;
    assert_eq!((&fork["budget"], &fork["spent_usd"]), (&json!("3.00"), &json!(0.0)));
    assert_eq!(api.ask("DELETE", &path, &[], b"").await.status, 204);
    let anew = api.posted("/api/sessions", &json!({"id": "talk", "model": "lab/m1", "budget": "3"})).await;
    assert_eq!(anew["spent_usd"], 0.0);
    assert_eq!(said(&api).await, "turn.finished");
    daemon.signal(Signal::TERM);
    daemon.wait(LIMIT).await;
    let alone = home.run(&["sessions", "budget", "talk", "none"]).await.succeeded().stdout;
    assert_eq!(alone, "talk may cost whatever it does\n");
    assert_failed(&home.run(&["sessions", "budget", "nobody", "1"]).await, 1, "no session", "sessions list");
}
