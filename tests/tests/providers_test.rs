//! `providers test`: whether each key gets in, with a daemon and without.

use greenroom_tests::{
    Attempt, Script, ScriptedProvider, When,
    client::{get, post_json},
    harness::{Daemon, Home},
    openai::{self, models},
};
use serde_json::{Value, json};

/// A provider that knows one key, refuses another and lacks a third, and a provider that isn't there.
async fn home() -> (ScriptedProvider, Home) {
    let refused = openai::error(401, "authentication_error", Some("invalid_api_key"), "no such key: key-two")
        .when(When::bearer("key-two"))
        .always();
    let mut listed = models(["m", "n"]);
    listed.attempts.insert(0, refused);
    let provider = ScriptedProvider::start(Script::new([listed])).await;
    let mut home = Home::new();
    home.env("KEY_ONE", "key-one").env("KEY_TWO", "key-two");
    home.config(&format!(
        "[providers.lab]\nkind = \"openai-compatible\"\nbase_url = \"{}/v1\"\nprofiles = [\n\
         {{ id = \"one\", key = \"env:KEY_ONE\" }},\n{{ id = \"two\", key = \"env:KEY_TWO\" }},\n\
         {{ id = \"three\", key = \"env:KEY_THREE\" }},\n]\n\
         [providers.gone]\nkind = \"openai-compatible\"\nbase_url = \"http://127.0.0.1:1/v1\"\n",
        provider.url()
    ));
    (provider, home)
}

/// A line of `id outcome kind` for each profile.
fn profiles(tested: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let shown = tested["profiles"].as_array().expect("a provider has profiles").iter().map(|profile| {
        format!("{} {} {}", text(&profile["id"]), text(&profile["outcome"]), text(&profile["error"]["kind"]))
    });
    shown.collect()
}

const LAB: [&str; 3] = ["one ok -", "two failed auth", "three failed config"];

#[tokio::test]
async fn each_key_is_asked_and_nothing_is_learnt_of_it() {
    let (provider, home) = home().await;
    let daemon: Daemon = home.serve(&[]).await;
    let token = daemon.token();
    let tested = post_json(daemon.url(), "/api/providers/lab/test", Some(&token), &json!({})).await.unwrap();
    assert_eq!(tested.status, 200);
    let tested = tested.json();
    assert_eq!(profiles(&tested), LAB);
    assert_eq!((&tested["provider"], &tested["kind"]), (&json!("lab"), &json!("openai-compatible")));
    assert_eq!(tested["profiles"][0]["models"], 2);
    let (two, three) = (&tested["profiles"][1]["error"], &tested["profiles"][2]["error"]);
    assert!(!two["message"].to_string().contains("key-two") && two["hint"].is_string(), "{two}");
    assert!(three["message"].to_string().contains("KEY_THREE"), "{three}");
    let keys: Vec<_> = provider.requests().iter().filter_map(|asked| asked.bearer().map(str::to_owned)).collect();
    assert!(keys.iter().any(|key| key == "key-one") && keys.iter().any(|key| key == "key-two"), "{keys:?}");

    let shown = get(daemon.url(), "/api/providers", Some(&token)).await.unwrap().json();
    let states: Vec<_> =
        shown["providers"][0]["profiles"].as_array().unwrap().iter().map(|one| &one["state"]).collect();
    assert_eq!(states, ["ok", "ok", "down"], "a test marks nothing");

    let unknown = post_json(daemon.url(), "/api/providers/nobody/test", Some(&token), &json!({})).await.unwrap();
    assert_eq!(unknown.status, 404);
    assert!(unknown.json()["error"]["hint"].to_string().contains("lab"));

    let run = home.run(&["providers", "test", "--json"]).await;
    assert_eq!(run.status.code(), Some(1));
    let lines: Vec<Value> = run.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((lines.len(), profiles(&lines[0])), (2, LAB.map(str::to_owned).to_vec()));
    assert_eq!(profiles(&lines[1]), ["default failed network"]);
    let run = home.run(&["providers", "test", "nobody"]).await;
    assert_eq!(run.status.code(), Some(2));
    assert!(run.stderr.contains("there is no provider \"nobody\""), "{}", run.stderr);
}

#[tokio::test]
async fn without_a_daemon_the_command_asks_itself() {
    let (_provider, home) = home().await;
    let run = home.run(&["providers", "test", "lab"]).await;
    assert_eq!(run.status.code(), Some(1));
    for part in ["ok in ", ", 2 models", "failed: ", "KEY_THREE", "greenroom auth add"] {
        assert!(run.stdout.contains(part), "{part}: {}", run.stdout);
    }
    let run = home.run(&["providers", "test", "lba"]).await;
    assert_eq!(run.status.code(), Some(2));
    assert!(run.stderr.contains("lab"), "{}", run.stderr);
}

#[tokio::test]
async fn a_provider_that_lets_everybody_in_is_well() {
    let provider = ScriptedProvider::start(Script::new([models(["m"])])).await;
    let home = Home::new();
    home.config(&format!("[providers.lab]\nkind = \"openai-compatible\"\nbase_url = \"{}/v1\"\n", provider.url()));
    let _ = home.run(&["providers", "test"]).await.succeeded();
    // A provider that answers, but with a page.
    provider.set_script(Script::new([greenroom_tests::Route {
        attempts: vec![
            Attempt::new().status(200).header("content-type", "text/html").body("<html>hello</html>").always(),
        ],
        ..models(["m"])
    }]));
    let run = home.run(&["providers", "test", "--json"]).await;
    assert_eq!(run.status.code(), Some(1));
    let line: Value = serde_json::from_str(run.stdout.trim()).unwrap();
    assert_eq!(profiles(&line), ["default failed protocol"]);
}
