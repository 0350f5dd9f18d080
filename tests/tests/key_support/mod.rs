//! What the tests of added keys share: a provider that takes some keys and no others.
#![allow(dead_code, unreachable_pub, reason = "each test program uses its own part")]
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

use greenroom_tests::harness::{Home, Output};
use greenroom_tests::openai::{self, Answer, CHAT, MODELS};
use greenroom_tests::{Attempt, Route, Script, ScriptedProvider, When};
use serde_json::{Value, json};

/// Two keys that [`taking`] may take, and one that nobody takes.
pub const ONE: &str = "sk-added-one-3f8a61c0d97e24b5";
pub const TWO: &str = "sk-added-two-b1c7e09d5a6f4382";
pub const BAD: &str = "sk-refused-77d0c4a9e1f25b36";

/// A section of the configuration: a server that wants a key, and has none.
pub fn waiting(name: &str, url: &str) -> String {
    format!("[providers.{name}]\nkind = \"openai\"\nbase_url = \"{url}/v1\"\n")
}

/// A home whose only provider is `lab`, which wants a key and has none.
pub fn home_of(lab: &ScriptedProvider) -> Home {
    let home = Home::new();
    home.config(&waiting("lab", &lab.url()));
    home
}

/// A provider that takes these keys, and answers each with itself.
pub async fn taking(keys: &[&str]) -> ScriptedProvider {
    ScriptedProvider::start(taking_script(keys)).await
}

pub fn taking_script(keys: &[&str]) -> Script {
    let list = json!({"object": "list", "data": [{"id": "m1", "object": "model", "created": 1, "owned_by": "lab"}]});
    let listed = keys.iter().map(|key| Attempt::json(200, &list).when(When::bearer(key)).always());
    let answers = keys.iter().map(|key| said_by(key).when(When::bearer(key)).always());
    let models: Vec<Attempt> = listed.chain([refusal(401)]).collect();
    let chat: Vec<Attempt> = answers.chain([refusal(401)]).collect();
    Script::new([Route::new("GET", MODELS, models), Route::new("POST", CHAT, chat)])
}

/// The answer to a key: what is behind its prefix, so that no whole key is in it.
pub fn said_by(key: &str) -> Attempt {
    Answer::text([name_of(key)]).stream()
}

/// What [`taking`] answers with for this key.
pub fn name_of(key: &str) -> &str {
    key.strip_prefix("sk-").unwrap().split_once("-").map_or(key, |(_, rest)| rest.split('-').next().unwrap())
}

/// An answer that refuses whoever asks, with the words of those that say which key that was.
pub fn refusal(status: u16) -> Attempt {
    let message = format!("incorrect API key provided: {BAD}");
    openai::error(status, "invalid_request_error", Some("invalid_api_key"), &message).always()
}

/// A provider that answers the question for its models so, and any other well.
pub async fn listing(models: impl Into<Attempt>) -> ScriptedProvider {
    let attempt = models.into().always();
    let answers = [Answer::text(["fine"]).stream().always()];
    ScriptedProvider::start(Script::new([Route::new("GET", MODELS, [attempt]), Route::new("POST", CHAT, answers)]))
        .await
}

/// Adds a key as a script does.
pub async fn add(home: &Home, arguments: &[&str], key: &str) -> Output {
    home.run_with_input(&[&["auth", "add"], arguments].concat(), &format!("{key}\n")).await
}

/// What `auth list --json` says, a value for each credential.
pub async fn listed(home: &Home) -> Vec<Value> {
    let listed = home.run(&["auth", "list", "--json"]).await.succeeded();
    listed.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The names and places of credentials, in a few words each.
pub fn briefly(list: &[Value]) -> Vec<String> {
    let text = |info: &Value, field: &str| info[field].as_str().unwrap().to_owned();
    let brief = |info: &Value| {
        let [provider, profile, place] = ["provider", "profile", "where"].map(|field| text(info, field));
        format!("{provider}/{profile} {place}")
    };
    list.iter().map(brief).collect()
}

/// Whose keys the provider was shown by those who chat, oldest first.
pub fn keys_of_chats(lab: &ScriptedProvider) -> Vec<String> {
    let chats = lab.requests().into_iter().filter(|request| request.path() == CHAT);
    chats.map(|request| request.bearer().unwrap_or_default().to_owned()).collect()
}
