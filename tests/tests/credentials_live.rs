//! Keys that come and go while a daemon runs, and what is left of them when it is killed.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

mod cli_support;
mod http_support;
mod key_support;

use std::collections::BTreeMap;
use std::time::Duration;

use cli_support::{assert_failed, run_well};
use greenroom_tests::client::Response;
use greenroom_tests::harness::{Home, Signal};
use greenroom_tests::openai::{Answer, CHAT, MODELS};
use greenroom_tests::{Route, Script, ScriptedProvider, When};
use http_support::{Api, Greenroom, LIMIT, ask, ask_streamed, events, is_done, message, text, until};
use key_support::{BAD, ONE, TWO, add, briefly, keys_of_chats, listed, name_of, taking, taking_script, waiting};
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::{Value, json};

async fn before(lab: &ScriptedProvider) -> Greenroom {
    Greenroom::start(&waiting("lab", &lab.url())).await
}

fn answer(response: &Response) -> String {
    assert_eq!(response.status, 200, "{}", response.text());
    response.json()["choices"][0]["message"]["content"].as_str().unwrap().to_owned()
}

/// The state of the provider of this name, as `/api/providers` has it.
async fn state(api: &Api, provider: &str) -> Value {
    let providers = api.get("/api/providers").await.json()["providers"].clone();
    let found = providers.as_array().unwrap().iter().find(|state| state["provider"] == provider);
    found.unwrap_or_else(|| panic!("no {provider} in {providers}")).clone()
}

#[tokio::test]
async fn a_daemon_that_has_no_key_yet_answers_once_one_is_added() {
    let lab = taking(&[ONE]).await;
    let Greenroom { api, daemon, home } = before(&lab).await;
    assert!(daemon.stderr().contains("warning: no credential for the provider \"lab\""), "{}", daemon.stderr());
    assert!(daemon.stderr().contains("hint: `greenroom auth add lab` adds a key"), "{}", daemon.stderr());
    assert_eq!(state(&api, "lab").await["state"], "down");
    for model in ["", "default", "lab/m1", "m1"] {
        let refused = api.chat(&ask(model)).await;
        assert_ne!(refused.status, 200);
        assert!(message(&refused).contains("`greenroom auth add lab` adds a key"), "{}", refused.text());
    }
    let chat = home.run(&["chat", "hi"]).await;
    assert_failed(&chat, chat.code().unwrap(), "no credential for lab", "`greenroom auth add lab` adds a key");
    assert!(lab.requests().is_empty(), "nobody is asked without a key");

    let _added = add(&home, &["lab"], ONE).await.succeeded();
    for model in ["", "default", "lab/m1", "m1"] {
        assert_eq!(answer(&api.chat(&ask(model)).await), name_of(ONE), "{model:?}");
    }
    let status = state(&api, "lab").await;
    assert_eq!((&status["state"], &status["profiles"][0]["state"]), (&json!("ok"), &json!("ok")), "{status}");
    assert_eq!(api.get("/v1/models").await.json()["data"][0]["id"], "lab/m1");
    assert_eq!(home.run(&["chat", "hi"]).await.succeeded().stdout.trim_end(), name_of(ONE));
}

#[tokio::test]
async fn a_provider_comes_in_beside_the_demo() {
    let lab = taking(&[ONE]).await;
    let demo = "[providers.demo]\nkind = \"demo\"\n";
    let Greenroom { api, home, daemon: _daemon } = Greenroom::start(&(waiting("lab", &lab.url()) + demo)).await;
    assert!(answer(&api.chat(&ask("")).await).contains("demo"));
    let refused = api.chat(&ask("lab/m1")).await;
    assert!(message(&refused).contains("`greenroom auth add lab` adds a key"), "{}", refused.text());
    let _added = add(&home, &["lab"], ONE).await.succeeded();
    assert_eq!(answer(&api.chat(&ask("lab/m1")).await), name_of(ONE));
    assert_eq!(answer(&api.chat(&ask("m1")).await), name_of(ONE));
    assert_eq!(state(&api, "lab").await["state"], "ok");
    let listed = home.run(&["models", "--json"]).await.succeeded().stdout;
    assert!(listed.contains("\"id\":\"m1\",\"provider\":\"lab\"") && listed.contains("\"demo\""), "{listed}");
    let own = home.run(&["models", "--provider", "lab"]).await.succeeded().stdout;
    assert!(own.contains("lab/m1") && !own.contains("demo"), "{own}");
    assert_failed(&home.run(&["models", "--provider", "labb"]).await, 2, "no provider \"labb\"", "lab");
    assert_eq!(
        answer(&api.chat(&ask("")).await),
        name_of(ONE),
        "the first that was written is the default, as after a restart"
    );
}

#[tokio::test]
async fn one_that_nobody_wrote_comes_in_by_its_name_and_the_demo_goes() {
    let Greenroom { api, home, daemon: _daemon } = Greenroom::start("").await;
    assert!(answer(&api.chat(&ask("")).await).contains("demo"));
    let _added = add(&home, &["anthropic", "--no-verify"], ONE).await.succeeded();
    let names = async || -> Vec<Value> {
        let providers = api.get("/api/providers").await.json()["providers"].clone();
        providers.as_array().unwrap().iter().map(|state| state["provider"].clone()).collect()
    };
    assert_eq!(names().await, ["anthropic"]);
    run_well(&home, &["auth", "remove", "anthropic"], "").await;
    assert_eq!(names().await, ["demo"]);
    let answered = api.chat(&ask("demo/demo")).await;
    assert!(answer(&answered).contains("demo"), "it answers whoever means it: {}", answered.text());
}

#[tokio::test]
async fn keys_join_and_leave_and_without_any_the_way_to_add_one_is_told() {
    let lab = taking(&[ONE, TWO]).await;
    let Greenroom { api, home, daemon: _daemon } = before(&lab).await;
    let _one = add(&home, &["lab/one"], ONE).await.succeeded();
    let _two = add(&home, &["lab/two"], TWO).await.succeeded();
    for _ in 0..6 {
        answer(&api.chat(&ask("lab/m1")).await);
    }
    let used = keys_of_chats(&lab);
    for key in [ONE, TWO] {
        assert_eq!(used.iter().filter(|used| *used == key).count(), 3, "{used:?}");
    }
    run_well(&home, &["auth", "remove", "lab/one"], "").await;
    for _ in 0..3 {
        assert_eq!(answer(&api.chat(&ask("lab/m1")).await), name_of(TWO), "at once");
    }
    run_well(&home, &["auth", "remove", "lab/two"], "").await;
    let asked = lab.requests().len();
    let refused = api.chat(&ask("lab/m1")).await;
    assert!(message(&refused).contains("there is no credential for lab"), "{}", refused.text());
    assert!(message(&refused).contains("`greenroom auth add lab` adds a key"), "{}", refused.text());
    assert_eq!(lab.requests().len(), asked);
    let _again = add(&home, &["lab/one"], ONE).await.succeeded();
    assert_eq!(answer(&api.chat(&ask("lab/m1")).await), name_of(ONE));
}

#[tokio::test]
async fn a_good_key_in_the_place_of_a_bad_one_answers_at_once() {
    let lab = taking(&[TWO]).await;
    let Greenroom { api, mut daemon, home } = before(&lab).await;
    let _bad = add(&home, &["lab", "--no-verify"], BAD).await.succeeded();
    assert_ne!(api.chat(&ask("lab/m1")).await.status, 200);
    let profile = state(&api, "lab").await["profiles"][0].clone();
    assert_eq!((&profile["state"], &profile["reason"]), (&json!("cooling"), &json!("auth")), "{profile}");
    let _good = add(&home, &["lab"], TWO).await.succeeded();
    assert_eq!(answer(&api.chat(&ask("lab/m1")).await), name_of(TWO));
    let status = home.run(&["providers", "status", "--json"]).await.succeeded().stdout;
    assert!(!status.contains("cooling"), "{status}");
    // The mark was of the other key, so it does not come back either; the same where both are done after one another.
    let _bad = add(&home, &["lab", "--no-verify"], BAD).await.succeeded();
    assert_ne!(api.chat(&ask("lab/m1")).await.status, 200);
    run_well(&home, &["auth", "remove", "lab"], "").await;
    let _good = add(&home, &["lab"], TWO).await.succeeded();
    daemon.signal(Signal::KILL);
    daemon.wait(LIMIT).await;
    let daemon = home.serve(&[]).await;
    let api = Api { url: daemon.url().to_owned(), token: daemon.token() };
    assert_eq!(answer(&api.chat(&ask("lab/m1")).await), name_of(TWO));
}

#[tokio::test]
async fn an_added_key_takes_the_line_that_was_written_for_it() {
    let lab = taking(&[ONE, TWO]).await;
    let profiles =
        "profiles = [{ id = \"work\", weight = 3, limits = { requests_per_minute = 100 } }, { id = \"home\" }]\n";
    let Greenroom { api, mut daemon, home } = Greenroom::start(&(waiting("lab", &lab.url()) + profiles)).await;
    let _work = add(&home, &["lab/work"], ONE).await.succeeded();
    let _home = add(&home, &["lab/home"], TWO).await.succeeded();
    let shares = async |api: &Api| {
        lab.reset();
        for _ in 0..8 {
            answer(&api.chat(&ask("lab/m1")).await);
        }
        let mut shares: BTreeMap<String, usize> = BTreeMap::new();
        keys_of_chats(&lab).into_iter().for_each(|key| *shares.entry(key).or_default() += 1);
        let limits = state(api, "lab").await["profiles"][0]["limits"]["requests_per_minute"].clone();
        (shares, limits)
    };
    let wanted = (BTreeMap::from([(ONE.to_owned(), 6), (TWO.to_owned(), 2)]), json!(100));
    assert_eq!(shares(&api).await, wanted);
    daemon.signal(Signal::KILL);
    daemon.wait(LIMIT).await;
    let daemon = home.serve(&[]).await;
    let api = Api { url: daemon.url().to_owned(), token: daemon.token() };
    assert_eq!(shares(&api).await, wanted, "the same after a restart");
}

#[tokio::test]
async fn a_server_that_wanted_no_key_takes_one_and_does_without_it_again() {
    let open = Answer::text(["open"]).stream().always();
    let keyed = Answer::text(["keyed"]).stream().when(When::bearer(ONE)).always();
    let models = taking_script(&[]).routes.remove(0);
    assert_eq!(models.path, MODELS);
    let lab = ScriptedProvider::start(Script::new([models, Route::new("POST", CHAT, [keyed, open])])).await;
    let config = waiting("lab", &lab.url()).replace("\"openai\"", "\"openai-compatible\"");
    let Greenroom { api, home, daemon: _daemon } = Greenroom::start(&config).await;
    assert_eq!(answer(&api.chat(&ask("lab/m1")).await), "open");
    assert!(listed(&home).await.is_empty());
    let _added = add(&home, &["lab/me", "--no-verify"], ONE).await.succeeded();
    for _ in 0..2 {
        assert_eq!(answer(&api.chat(&ask("lab/m1")).await), "keyed");
    }
    assert_eq!(briefly(&listed(&home).await), ["lab/me store"]);
    run_well(&home, &["auth", "remove", "lab/me"], "").await;
    assert_eq!(answer(&api.chat(&ask("lab/m1")).await), "open");
}

#[tokio::test]
async fn a_key_that_was_told_as_added_survives_a_kill() {
    let lab = taking(&[ONE, TWO]).await;
    let home = Home::new();
    home.config(&waiting("lab", &lab.url()));
    for round in 0..4 {
        let mut daemon = home.serve(&[]).await;
        let (key, profile) = if round % 2 == 0 { (ONE, "lab/even") } else { (TWO, "lab/odd") };
        let _added = add(&home, &[profile], key).await.succeeded();
        daemon.signal(Signal::KILL);
        daemon.wait(LIMIT).await;
        let mut daemon = home.serve(&[]).await;
        let api = Api { url: daemon.url().to_owned(), token: daemon.token() };
        assert!(listed(&home).await.iter().any(|info| format!("lab/{}", info["profile"].as_str().unwrap()) == profile));
        assert_eq!(answer(&api.chat(&ask("lab/m1")).await), name_of(key));
        run_well(&home, &["auth", "remove", profile], "").await;
        daemon.signal(Signal::KILL);
        daemon.wait(LIMIT).await;
        assert!(listed(&home).await.is_empty(), "and so does its end");
    }
}

#[tokio::test]
async fn an_answer_goes_on_while_its_key_is_replaced_and_removed() {
    let slow = Answer::text(["one ", "two ", "three ", "four"]).pace(Duration::from_millis(400)).stream();
    let models = taking_script(&[ONE, TWO]).routes.remove(0);
    let lab = ScriptedProvider::start(Script::new([models, Route::new("POST", CHAT, [slow.clone(), slow])])).await;
    let Greenroom { api, home, daemon: _daemon } = before(&lab).await;
    let _one = add(&home, &["lab"], ONE).await.succeeded();
    let mut first = api.begin(&ask_streamed("lab/m1")).await;
    until(&lab, |stats| stats.route(CHAT).requests == 1).await;
    let _two = add(&home, &["lab"], TWO).await.succeeded();
    let mut second = api.begin(&ask_streamed("lab/m1")).await;
    until(&lab, |stats| stats.route(CHAT).requests == 2).await;
    run_well(&home, &["auth", "remove", "lab"], "").await;
    assert!(listed(&home).await.is_empty());
    for connection in [&mut first, &mut second] {
        assert_eq!(connection.head().await.unwrap().status, 200);
        let events = events(connection).await;
        assert!(is_done(&events) && text(&events) == "one two three four", "{events:?}");
    }
    assert_eq!(keys_of_chats(&lab), [ONE, TWO]);
    assert_ne!(api.chat(&ask("lab/m1")).await.status, 200, "and nothing more is asked by it");
}

#[tokio::test]
async fn on_a_full_disk_nothing_is_added_and_nothing_is_removed() {
    let lab = taking(&[ONE, TWO]).await;
    let Greenroom { api, mut daemon, home } = before(&lab).await;
    let pid = Pid::from_raw(daemon.pid().cast_signed());
    let fill = |full: bool| {
        let current = if full { Some(0) } else { None };
        prlimit(pid, Resource::Fsize, Rlimit { current, maximum: None }).unwrap();
    };
    let until_ok = async || {
        let waited = async {
            while api.get("/readyz").await.json()["store"] != "ok" {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(LIMIT, waited).await.unwrap();
    };
    let names = || {
        let files = std::fs::read_dir(home.data_dir()).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<_> = files.collect();
        names.sort_unstable();
        names
    };
    let files = names();
    fill(true);
    // The sealing key can't be made; later, the sealed key not be kept.
    assert_failed(&add(&home, &["lab"], ONE).await, 1, "the sealing key can't be had", "data directory");
    assert_eq!((listed(&home).await.len(), names()), (0, files), "nothing is left half-done");
    assert_ne!(api.chat(&ask("lab/m1")).await.status, 200);
    fill(false);
    let _one = add(&home, &["lab"], ONE).await.succeeded();
    fill(true);
    for profile in ["lab", "lab/other"] {
        assert_failed(&add(&home, &[profile], TWO).await, 1, "it can't be kept", "");
    }
    assert_failed(&home.run(&["auth", "remove", "lab"]).await, 1, "it can't be kept", "");
    assert_eq!(briefly(&listed(&home).await), ["lab/default store"]);
    assert_eq!(answer(&api.chat(&ask("lab/m1")).await), name_of(ONE));
    fill(false);
    until_ok().await;
    daemon.signal(Signal::KILL);
    daemon.wait(LIMIT).await;
    let daemon = home.serve(&[]).await;
    let api = Api { url: daemon.url().to_owned(), token: daemon.token() };
    assert_eq!(briefly(&listed(&home).await), ["lab/default store"], "what was refused does not come later");
    assert_eq!(answer(&api.chat(&ask("lab/m1")).await), name_of(ONE));
    let _two = add(&home, &["lab"], TWO).await.succeeded();
    assert_eq!(answer(&api.chat(&ask("lab/m1")).await), name_of(TWO));
}
