//! The first minute with the program: nothing set up, or the variables that every OpenAI client reads.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

mod cli_support;

use cli_support::{KEY, MODEL, home_of, saying};
use greenroom_tests::harness::Home;

#[tokio::test]
async fn with_nothing_set_up_the_demo_answers_and_says_how_to_add_a_provider() {
    let home = Home::new();
    let output = home.run(&["chat", "hello there"]).await.succeeded();
    assert!(output.stdout.contains("hello there"), "{output:?}");
    assert!(output.stdout.ends_with('\n') && !output.stdout.contains('\u{1b}'), "{output:?}");
    assert_eq!(output.stderr.lines().count(), 1, "one line beside the answer: {}", output.stderr);
    assert!(output.stderr.contains("demo") && output.stderr.contains("OPENAI_API_KEY"), "{}", output.stderr);
    assert!(output.stderr.contains(home.config_path().to_str().unwrap()), "{}", output.stderr);
    assert!(!home.data_dir().exists(), "a question leaves nothing behind");
}

#[tokio::test]
async fn without_even_a_home_it_answers() {
    let home = Home::new();
    let mut command = home.command(&["chat", "hello"]);
    command.env_clear().stdin(std::process::Stdio::null());
    let output = command.output().await.unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("hello"), "{output:?}");
}

#[tokio::test]
async fn the_usual_variables_name_a_provider_and_its_first_chat_model_answers() {
    let provider = saying("Hi from the provider.").await;
    let home = home_of(&provider);
    let output = home.run(&["chat", "hello"]).await.succeeded();
    assert_eq!(output.stdout, "Hi from the provider.\n");
    assert_eq!(output.stderr, "");
    let asked = provider.requests().into_iter().find(|request| request.method == "POST").unwrap();
    assert_eq!(asked.bearer(), Some(KEY));
    assert_eq!(asked.json()["model"], MODEL, "the first listed one that isn't for embedding");
    assert_eq!(asked.json()["messages"][0]["content"], "hello");
}

#[tokio::test]
async fn a_key_that_this_version_cannot_use_is_named() {
    let mut home = Home::new();
    home.env("GROQ_API_KEY", KEY);
    let output = home.run(&["chat", "hello"]).await.succeeded();
    assert!(output.stderr.contains("GROQ_API_KEY is set"), "{}", output.stderr);
    assert!(output.stderr.contains("openai-compatible"), "how it works all the same: {}", output.stderr);
    assert!(!output.stderr.contains(KEY), "{}", output.stderr);
}

#[tokio::test]
async fn version_and_help_say_what_they_should() {
    let home = Home::new();
    let version = home.run(&["--version"]).await.succeeded();
    assert!(version.stdout.starts_with("greenroom "), "{version:?}");
    let help = home.run(&["--help"]).await.succeeded();
    for command in ["chat", "serve", "models", "providers", "auth", "config", "completions"] {
        assert!(help.stdout.contains(command), "{command} in {}", help.stdout);
    }
    assert_eq!(home.run(&[]).await.code(), Some(2));
    let wrong = home.run(&["chta"]).await;
    assert_eq!(wrong.code(), Some(2));
    assert!(wrong.stderr.contains("chat"), "{}", wrong.stderr);
}

#[tokio::test]
async fn completions_name_the_commands() {
    let home = Home::new();
    for shell in ["bash", "zsh", "fish"] {
        let output = home.run(&["completions", shell]).await.succeeded();
        assert!(output.stdout.contains("providers"), "{shell}");
    }
}
