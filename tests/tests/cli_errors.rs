//! Whatever is wrong, two lines say what and what to do, and the exit code says whose fault it is.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

mod cli_support;

use cli_support::{KEY, assert_failed, home_of, lines, saying};
use greenroom_tests::harness::Home;
use greenroom_tests::{Attempt, Route, Script, ScriptedProvider, openai};
use serde_json::json;

/// A home with one provider `lab` at this address.
fn home_at(base_url: &str) -> Home {
    let home = Home::new();
    home.config(&format!("[providers.lab]\nkind = \"openai-compatible\"\nbase_url = \"{base_url}\"\n"));
    home
}

#[tokio::test]
async fn an_unknown_model_is_named_with_what_was_meant() {
    let provider = saying("never asked").await;
    let home = home_of(&provider);
    let output = home.run(&["chat", "hello", "-m", "scriptd-model"]).await;
    assert_failed(&output, 2, "there is no model \"scriptd-model\"", "did you mean \"openai/scripted-model\"?");
    assert_eq!(provider.stats().route(openai::CHAT).requests, 0);
}

#[tokio::test]
async fn a_misspelt_setting_is_shown_where_it_stands() {
    let home = Home::new();
    home.config("[server]\nlisten = \"127.0.0.1:0\"\n\n[sesions]\nmax_turn_time = \"1h\"\n");
    let place = format!("{}:4:2", home.config_path().display());
    for command in [&["chat", "hello"][..], &["models"], &["serve"], &["config", "show"], &["providers"]] {
        let output = home.run(command).await;
        assert_failed(&output, 2, &format!("{place}: unknown key \"sesions\""), "sessions");
        assert_eq!(output.stdout, "");
    }
    let output = home.run(&["config", "check"]).await;
    assert_eq!(output.code(), Some(2));
    assert!(output.stderr.lines().any(|line| line.starts_with(&format!("{place}: "))), "{}", output.stderr);
    assert!(!output.stdout.contains("ok"), "{output:?}");
}

#[tokio::test]
async fn an_address_that_refuses_is_told() {
    let provider = saying("gone").await;
    let address = provider.url();
    provider.stop().await;
    let output = home_at(&format!("{address}/v1")).run(&["chat", "hello", "-m", "lab/any"]).await;
    assert_failed(&output, 1, "lab/any: can't connect: connection refused", "base_url");
    // Without a model the list is what can't be had.
    let output = home_at(&format!("{address}/v1")).run(&["chat", "hello"]).await;
    assert_failed(&output, 1, "lab does not list its models: can't connect: connection refused", "base_url");
}

#[tokio::test]
async fn an_address_that_answers_with_a_web_page_is_told() {
    let page =
        || Attempt::new().status(200).header("content-type", "text/html").body("<!doctype html><h1>Hi</h1>").always();
    let site = ScriptedProvider::start(Script::new([Route::new("*", "*", [page()])])).await;
    let output = home_at(&site.url()).run(&["chat", "hello", "-m", "lab/any"]).await;
    assert_failed(&output, 1, "lab/any", "base_url");
    assert!(!output.stderr.contains("<h1>"), "{}", output.stderr);
}

#[tokio::test]
async fn a_provider_that_nothing_lets_in_to_is_told_of_with_the_way_to_add_a_key() {
    let home = Home::new();
    home.config("[providers.anthropic]\n");
    let (what, todo) = ("no credential for the provider \"anthropic\"", "`greenroom auth add anthropic` adds a key");
    for command in [&["chat", "hello"][..], &["models"]] {
        assert_failed(&home.run(command).await, 2, what, todo);
    }
    let status = home.run(&["providers", "status"]).await.succeeded();
    assert!(status.stdout.contains(what), "{}", status.stdout);
    // Beside one that works, only who asks for it hears of it as an error.
    let provider = saying("from the other").await;
    home.config(&format!(
        "[providers.lab]\nkind = \"openai-compatible\"\nbase_url = \"{}/v1\"\n\
         [providers.anthropic]\n[providers.openai]\nprofiles = [{{ id = \"work\" }}]\n",
        provider.url()
    ));
    let output = home.run(&["chat", "hello"]).await.succeeded();
    assert_eq!(output.stdout, "from the other\n");
    assert!(output.stderr.contains(&format!("warning: {what}")), "{}", output.stderr);
    assert_failed(&home.run(&["chat", "hello", "-m", "anthropic/claude-opus-4-6"]).await, 2, what, todo);
    let output = home.run(&["chat", "hello", "-m", "openai/gpt-5.1"]).await;
    assert_failed(&output, 2, "no secret for the profile \"work\"", "`greenroom auth add");
    assert!(output.stderr.contains("hint: `greenroom auth add openai/work` adds a key"), "{}", output.stderr);
    let status = home.run(&["providers", "status", "--json"]).await.succeeded();
    let anthropic = lines(&status.stdout).into_iter().find(|line| line["provider"] == "anthropic").unwrap();
    assert_eq!((&anthropic["state"], &anthropic["profiles"]), (&json!("down"), &json!([])));
    assert!(anthropic["reason"].as_str().unwrap().starts_with(what), "{anthropic}");
}

#[cfg(unix)]
#[tokio::test]
async fn a_command_that_gives_no_key_is_told_of_without_what_it_said() {
    let provider = saying("hello").await;
    let home = Home::new();
    let with = |command: &str| {
        let url = provider.url();
        home.config(&format!(
            "[providers.lab]\nkind = \"openai-compatible\"\nbase_url = \"{url}/v1\"\nkey = \"command:{command}\"\n"
        ));
    };
    with(&format!("sh -c 'echo {KEY}; exit 4'"));
    let failed = home.run(&["chat", "hello"]).await;
    assert_failed(&failed, 2, "the command sh does not give it: it ended with exit code 4", "run it by hand");
    with("no-such-program-here --key");
    assert_failed(&home.run(&["chat", "hello"]).await, 2, "the command no-such-program-here", "in PATH");
    with(&format!("sh -c 'echo {KEY}; echo {KEY}'"));
    assert_failed(&home.run(&["chat", "hello"]).await, 2, "does not hold a single line of text", "the key alone");
    with(&format!("echo {KEY}"));
    let answered = home.run(&["chat", "hello", "-m", "lab/m"]).await.succeeded();
    assert_eq!(answered.stdout, "hello\n");
    assert!(provider.requests().iter().any(|request| request.bearer() == Some(KEY)));
}

#[tokio::test]
async fn a_key_that_is_not_set_is_named() {
    let home = Home::new();
    home.config("[providers.openai]\nkey = \"env:MY_KEY\"\n");
    for command in [&["chat", "hello"][..], &["models"]] {
        assert_failed(&home.run(command).await, 2, "MY_KEY", "export MY_KEY=");
    }
    // Beside one that works, only who asks for it hears of it as an error.
    let provider = saying("from the other").await;
    home.config(&format!(
        "[providers.lab]\nkind = \"openai-compatible\"\nbase_url = \"{}/v1\"\n[providers.openai]\nkey = \"env:MY_KEY\"\n",
        provider.url()
    ));
    let output = home.run(&["chat", "hello"]).await.succeeded();
    assert_eq!(output.stdout, "from the other\n");
    assert!(output.stderr.contains("warning: ") && output.stderr.contains("MY_KEY"), "{}", output.stderr);
    assert_failed(&home.run(&["chat", "hello", "-m", "openai/gpt-5.1"]).await, 2, "MY_KEY", "export MY_KEY=");
}

#[tokio::test]
async fn a_wrong_key_is_told_without_the_key() {
    let refusal =
        openai::error(401, "invalid_request_error", Some("invalid_api_key"), &format!("Incorrect API key: {KEY}"));
    let provider =
        ScriptedProvider::start(Script::new([openai::models(["m"]), openai::chat([refusal.always()])])).await;
    let output = home_of(&provider).run(&["-vvv", "chat", "hello"]).await;
    assert_failed(&output, 1, "openai/m", "key");
    assert_eq!(provider.stats().route(openai::CHAT).requests, 1, "a key that is refused isn't tried twice");
}

#[tokio::test]
async fn pictures_that_are_none_are_told() {
    let home = Home::new();
    std::fs::write(home.path().join("notes.png"), "just text").unwrap();
    std::fs::write(home.path().join("empty.png"), "").unwrap();
    let ask = |file: &'static str| ["chat", "what is it?", "--image", file];
    assert_failed(&home.run(&ask("missing.png")).await, 2, "missing.png", "--image");
    assert_failed(&home.run(&ask("notes.png")).await, 2, "notes.png is no image", "png, jpeg, gif or webp");
    assert_failed(&home.run(&ask("empty.png")).await, 2, "empty.png is no image", "png, jpeg, gif or webp");
    assert_failed(&home.run(&ask(".")).await, 2, "can't read the image", "file");
    std::fs::write(home.path().join("good.png"), b"\x89PNG\r\n\x1a\n").unwrap();
    assert_failed(&home.run(&ask("good.png")).await, 1, "can't take images", "");
}

#[tokio::test]
async fn a_configuration_that_is_named_has_to_be_there() {
    let home = Home::new();
    assert_failed(&home.run(&["--config", "none.toml", "chat", "hello"]).await, 2, "none.toml", "--config");
    let output = home.run(&["config", "path", "--config", "none.toml"]).await.succeeded();
    assert_eq!(output.stdout, "none.toml\n");
}

#[tokio::test]
async fn a_log_filter_that_is_none_is_told() {
    let mut home = Home::new();
    home.env("GREENROOM_LOG", "greenroom=loud");
    assert_failed(&home.run(&["config", "path"]).await, 2, "GREENROOM_LOG", "debug");
}

#[tokio::test]
async fn verbose_says_more() {
    let provider = saying("ok").await;
    let home = home_of(&provider);
    let quiet = home.run(&["chat", "hello"]).await.succeeded();
    let loud = home.run(&["chat", "hello", "-vvv"]).await.succeeded();
    assert_eq!(quiet.stderr, "");
    assert_eq!(loud.stdout, quiet.stdout, "the log stays out of the answer");
    assert!(!loud.stderr.contains(KEY), "{}", loud.stderr);
}
