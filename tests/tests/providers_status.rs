//! What a daemon has learnt of its providers, seen from outside.

use std::time::Duration;

use greenroom_tests::{
    Script, ScriptedProvider, When,
    client::{get, post_json},
    harness::{Daemon, Home},
    openai::{self, Answer, CHAT, chat, models},
};
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(10);

async fn started() -> (ScriptedProvider, Home, Daemon) {
    let limited = openai::error(429, "rate_limit_error", Some("rate_limit_exceeded"), "slow down")
        .header("retry-after", "60")
        .when(When::bearer("key-one"))
        .always();
    let script = Script::new([models(["m"]), chat([limited, Answer::text(["hi"]).whole().always()])]);
    let provider = ScriptedProvider::start(script).await;
    let mut home = Home::new();
    home.env("KEY_ONE", "key-one").env("KEY_TWO", "key-two");
    home.config(&format!(
        "[providers.lab]\nkind = \"openai-compatible\"\nbase_url = \"{}/v1\"\nprofiles = [\n\
         {{ id = \"one\", key = \"env:KEY_ONE\" }},\n{{ id = \"two\", key = \"env:KEY_TWO\" }},\n\
         {{ id = \"three\", key = \"env:KEY_THREE\" }},\n]\n",
        provider.url()
    ));
    let daemon = home.serve(&[]).await;
    (provider, home, daemon)
}

/// The profiles of the only provider, as lines of `id state reason`.
fn profiles(provider: &Value) -> Vec<String> {
    let profiles = provider["profiles"].as_array().expect("a provider has profiles");
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let shown = profiles.iter().map(|profile| {
        let models = profile["models"].as_array().expect("a profile has models");
        let cooling = models.iter().map(|model| format!("{}:{}", text(&model["model"]), text(&model["reason"])));
        format!("{} {} {}", text(&profile["id"]), text(&profile["state"]), cooling.collect::<Vec<_>>().join(","))
    });
    shown.collect()
}

#[tokio::test]
async fn status_shows_what_the_daemon_has_learnt() {
    let (provider, home, daemon) = started().await;
    let before = home.run(&["providers", "status", "--json"]).await.succeeded();
    let shown: Value = serde_json::from_str(before.stdout.trim()).expect("a line of JSON for the one provider");
    assert_eq!(profiles(&shown), ["one ok ", "two ok ", "three down "]);
    assert!(before.stdout.contains("KEY_THREE"), "what is lacking is named: {}", before.stdout);

    let token = daemon.token();
    let body = json!({"model": "lab/m", "messages": [{"role": "user", "content": "hi"}]});
    let answer = post_json(daemon.url(), CHAT, Some(&token), &body).await.expect("an answer");
    assert_eq!(answer.status, 200);
    provider.wait_for(|stats| stats.route(CHAT).requests == 2, LIMIT).await.expect("both keys were asked");

    let after = home.run(&["providers", "status", "--json"]).await.succeeded();
    let shown: Value = serde_json::from_str(after.stdout.trim()).expect("a line of JSON for the one provider");
    assert_eq!(profiles(&shown), ["one ok m:rate_limited", "two ok ", "three down "]);
    let until = shown["profiles"][0]["models"][0]["until"].as_str().expect("a mark says until when");
    assert!(until.ends_with('Z'), "{until}");
    let table = home.run(&["providers"]).await.succeeded().stdout;
    assert!(table.contains("m cooling: rate_limited for "), "{table}");

    let over_http = get(daemon.url(), "/api/providers", Some(&token)).await.expect("an answer").json();
    assert_eq!(profiles(&over_http["providers"][0]), profiles(&shown));
    assert_eq!(get(daemon.url(), "/api/providers", None).await.expect("an answer").status, 401);
}

#[tokio::test]
async fn without_a_daemon_status_shows_how_one_would_start() {
    let (_provider, home, mut daemon) = started().await;
    daemon.signal(rustix::process::Signal::TERM);
    assert!(daemon.wait(LIMIT).await.success());
    let shown = home.run(&["providers", "status", "--json"]).await.succeeded();
    assert!(shown.stdout.contains("\"id\":\"one\",\"state\":\"ok\""), "{}", shown.stdout);
}
