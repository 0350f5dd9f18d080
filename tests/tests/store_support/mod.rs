//! What the tests of what outlives the daemon share: a daemon that is killed and started anew.
#![allow(dead_code, unreachable_pub, reason = "each test program uses its own part")]
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

use std::{path::PathBuf, time::Duration};

use greenroom_tests::{
    Attempt, Script, ScriptedProvider, When,
    client::{self, Response},
    harness::{Daemon, Home},
    openai::{self, Answer, CHAT},
};
use rustix::process::Signal;
use serde_json::{Value, json};

/// Far more than anything takes that works.
pub const LIMIT: Duration = Duration::from_secs(30);

/// A home whose provider `lab` has the profiles `one`, `two` and `three`, and these further lines.
pub fn home(url: &str, more: &str) -> Home {
    let mut home = Home::new();
    configure(&mut home, url, more);
    home
}

pub fn configure(home: &mut Home, url: &str, more: &str) {
    let profiles: Vec<String> = ["one", "two", "three"]
        .iter()
        .map(|id| {
            home.env(&format!("KEY_{}", id.to_uppercase()), &format!("key-{id}"));
            format!("{{ id = \"{id}\", key = \"env:KEY_{}\" }}", id.to_uppercase())
        })
        .collect();
    home.config(&format!(
        "[providers.lab]\nkind = \"openai-compatible\"\nbase_url = \"{url}/v1\"\nprofiles = [{}]\n{more}",
        profiles.join(", ")
    ));
}

/// What a provider answers to the bearer of a profile's key that asks for this model.
pub fn to(profile: &str, model: &str, attempt: impl Into<Attempt>) -> Attempt {
    let bearer = When::bearer(&format!("key-{profile}"));
    attempt.into().when(When { model: Some(model.to_owned()), ..bearer })
}

pub fn limited(seconds: u32) -> Attempt {
    openai::error(429, "rate_limit_error", Some("rate_limit_exceeded"), "slow down")
        .header("retry-after", &seconds.to_string())
}

pub fn locked_out() -> Attempt {
    openai::error(401, "invalid_request_error", Some("invalid_api_key"), "bad key")
}

pub fn broken() -> Attempt {
    openai::error(500, "server_error", None, "oops")
}

pub fn fine() -> Attempt {
    Answer::text(["hi"]).whole()
}

pub async fn provider(attempts: impl IntoIterator<Item = Attempt>) -> ScriptedProvider {
    let models = openai::models(["m1", "m2", "m3"]);
    ScriptedProvider::start(Script::new([models, openai::chat(attempts)])).await
}

/// Asks for an answer, however that goes.
pub async fn ask(daemon: &Daemon, model: &str) -> Response {
    let body = json!({"model": model, "messages": [{"role": "user", "content": "hi"}]});
    client::post_json(daemon.url(), CHAT, Some(&daemon.token()), &body).await.unwrap()
}

pub async fn get(daemon: &Daemon, path: &str) -> Value {
    client::get(daemon.url(), path, Some(&daemon.token())).await.unwrap().json()
}

/// `/api/providers` of the only provider, without what may change by itself.
pub async fn shown(daemon: &Daemon) -> Value {
    get(daemon, "/api/providers").await["providers"][0].clone()
}

/// Every mark in a provider's state, as (what, reason, until).
pub fn marks(provider: &Value) -> Vec<(String, String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut marks = Vec::new();
    for profile in provider["profiles"].as_array().unwrap() {
        let id = text(&profile["id"]);
        if profile["state"] == "cooling" {
            marks.push((id.clone(), text(&profile["reason"]), text(&profile["until"])));
        }
        for model in profile["models"].as_array().unwrap() {
            marks.push((format!("{id}/{}", text(&model["model"])), text(&model["reason"]), text(&model["until"])));
        }
    }
    marks.sort();
    marks
}

pub async fn kill(mut daemon: Daemon) {
    daemon.signal(Signal::KILL);
    daemon.wait(LIMIT).await;
}

pub async fn stop(mut daemon: Daemon) {
    daemon.signal(Signal::TERM);
    let status = daemon.wait(LIMIT).await;
    assert_eq!(status.code(), Some(0), "{}", daemon.output());
}

/// The files of the store.
pub fn store_of(home: &Home) -> PathBuf {
    home.data_dir().join("store")
}
