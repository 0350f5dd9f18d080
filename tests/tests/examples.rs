//! The examples as a user would run them, against a provider.

use std::path::PathBuf;

use greenroom_tests::{
    Script, ScriptedProvider, When,
    harness::Home,
    openai::{Answer, chat, models},
};
use serde_json::Value;

/// The built example, beside the directory of the running test.
fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a running test has a path");
    let profile = test.ancestors().nth(2).expect("a test lies in a profile's directory");
    let path = profile.join("examples").join(name);
    assert!(path.is_file(), "{} is not built: cargo build -p greenroom-examples --examples", path.display());
    path
}

async fn run(name: &str, provider: &ScriptedProvider, input: &str) -> String {
    let mut home = Home::of_program(example(name));
    home.env("OPENAI_BASE_URL", &format!("{}/v1", provider.url())).env("OPENAI_API_KEY", "key-1");
    home.run_with_input(&[], input).await.succeeded().stdout
}

#[tokio::test]
async fn embed_streams_one_answer() {
    let answer = chat([Answer::text(["Good ", "morning"]).stream()]);
    let provider = ScriptedProvider::start(Script::new([models(["m"]), answer])).await;
    assert_eq!(run("embed", &provider, "").await, "Good morning");
}

#[tokio::test]
async fn bot_keeps_chats_apart_and_remembers_what_was_said() {
    let answers = ["one", "two"].map(|text| Answer::text([text]).stream().always());
    let [one, two] = answers;
    let answers = chat([one.when(When::body_contains("I am Ann")), two]);
    let provider = ScriptedProvider::start(Script::new([models(["m"]), answers])).await;
    let printed = run("bot", &provider, "ann: I am Ann\nbob: I am Bob\nann: who am I?\nnonsense\n").await;
    let mut lines: Vec<&str> = printed.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["ann: one", "ann: one", "bob: two"]);
    let said: Vec<String> = provider
        .requests()
        .iter()
        .filter(|request| request.path() == "/v1/chat/completions")
        .map(|request| {
            let body = request.json();
            let texts = body["messages"].as_array().unwrap().iter().map(|message| match &message["content"] {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            });
            texts.collect::<Vec<_>>().join("|")
        })
        .collect();
    assert!(said.contains(&"I am Ann|one|who am I?".to_owned()), "{said:?}");
}

#[tokio::test]
async fn assistant_has_two_frontends_that_see_the_same_and_goes_on_where_it_ended() {
    let home = Home::of_program(example("assistant"));
    let directory = home.path().join("kept");
    let directory = directory.to_str().unwrap();
    let first = home.run(&[directory]).await.succeeded().stdout;
    assert!(first.contains("> what is greenroom?\nHello from greenroom!"), "{first}");
    assert!(first.ends_with("They are the same.\n"), "{first}");
    let start = |printed: &str| printed.lines().next().unwrap_or_default().to_owned();
    let second = home.run(&[directory]).await.succeeded().stdout;
    assert!(second.ends_with("They are the same.\n"), "{second}");
    assert_ne!(start(&first), start(&second), "the session is still there");
    let fresh = home.run(&[]).await.succeeded().stdout;
    assert_eq!(start(&first), start(&fresh), "without a directory nothing is kept");
}
