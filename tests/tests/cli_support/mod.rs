//! What the tests of the command line share.
#![allow(dead_code, reason = "each test takes what it needs")]
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

pub(crate) mod running;
pub(crate) mod terminal;

use std::time::Duration;

use greenroom_tests::harness::{Home, Output};
use greenroom_tests::openai::{self, Answer};
use greenroom_tests::{Attempt, Script, ScriptedProvider};
use serde_json::Value;

/// How long anything may take before a test has failed.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);
/// The key of [`home_of`]; nothing that is printed may hold it.
pub(crate) const KEY: &str = "sk-test-7d1f0a";
/// The first model of [`answering`].
pub(crate) const MODEL: &str = "scripted-model";

/// A provider that lists [`MODEL`] behind one that can't chat, and gives these answers.
pub(crate) async fn answering<A: Into<Attempt>>(answers: impl IntoIterator<Item = A>) -> ScriptedProvider {
    let models = openai::models(["text-embedding-3-small", MODEL, "other-model"]);
    ScriptedProvider::start(Script::new([models, openai::chat(answers)])).await
}

/// A home whose variables name this provider, as those of any OpenAI client do.
pub(crate) fn home_of(provider: &ScriptedProvider) -> Home {
    let mut home = Home::new();
    home.env("OPENAI_BASE_URL", &format!("{}/v1", provider.url())).env("OPENAI_API_KEY", KEY);
    home
}

/// A provider that answers everything with this text.
pub(crate) async fn saying(text: &str) -> ScriptedProvider {
    answering([Answer::text([text]).stream().always()]).await
}

/// Runs the program where only its success and what it does elsewhere matter.
pub(crate) async fn run_well(home: &Home, arguments: &[&str], input: &str) {
    let _only_its_effects = home.run_with_input(arguments, input).await.succeeded();
}

/// Each line of NDJSON.
pub(crate) fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

/// Asserts how a command failed: the exit code, and these words in its `error:` and `hint:` lines.
pub(crate) fn assert_failed(output: &Output, code: i32, error: &str, hint: &str) {
    assert_eq!(output.code(), Some(code), "{output:?}");
    let line = |label: &str| output.stderr.lines().find(|line| line.starts_with(label)).unwrap_or_default();
    assert!(line("error: ").contains(error), "no error {error:?} in {}", output.stderr);
    assert!(line("hint: ").contains(hint), "no hint {hint:?} in {}", output.stderr);
    assert!(!output.stderr.contains("panicked"), "{}", output.stderr);
    assert!(!output.stderr.contains(KEY) && !output.stdout.contains(KEY), "a key is shown: {output:?}");
}

/// What a provider was asked to chat about.
pub(crate) fn requests(provider: &ScriptedProvider) -> Vec<Value> {
    provider.requests().iter().filter(|request| request.method == "POST").map(|request| request.json()).collect()
}

/// Who said what in a request.
pub(crate) fn said(request: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let messages = request["messages"].as_array().unwrap();
    messages.iter().map(|message| (text(&message["role"]), text(&message["content"]))).collect()
}

/// The same, written down.
pub(crate) fn pairs(messages: &[(&str, &str)]) -> Vec<(String, String)> {
    messages.iter().map(|(role, text)| ((*role).to_owned(), (*text).to_owned())).collect()
}
