//! What there is: `models`, `providers` and `config`.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

mod cli_support;

use cli_support::{KEY, MODEL, assert_failed, home_of, lines, run_well, saying};
use greenroom_tests::harness::Home;
use greenroom_tests::openai;
use serde_json::{Value, json};

#[tokio::test]
async fn models_are_listed_for_people_and_for_programs() {
    let provider = saying("never asked").await;
    let home = home_of(&provider);
    let table = home.run(&["models"]).await.succeeded();
    assert!(table.stdout.lines().next().unwrap().starts_with("MODEL"), "{}", table.stdout);
    assert!(table.stdout.contains(&format!("openai/{MODEL}")), "{}", table.stdout);
    assert!(!table.stdout.contains('\u{1b}'));
    let listed = lines(&home.run(&["models", "--json"]).await.succeeded().stdout);
    assert_eq!(listed.len(), 3);
    assert_eq!((&listed[1]["id"], &listed[1]["provider"]), (&json!(MODEL), &json!("openai")));
    for field in ["name", "context", "max_output", "modalities", "tools", "reasoning", "prefill"] {
        assert_eq!(listed[1].get(field), Some(&Value::Null), "{field}");
    }
    for price in ["input", "output", "cache_read", "cache_write"] {
        assert_eq!(listed[1]["cost"].get(price), Some(&Value::Null), "{price}");
    }
}

#[tokio::test]
async fn what_was_configured_of_a_model_is_shown() {
    let provider = saying("never asked").await;
    let home = Home::new();
    home.config(&format!(
        "[providers.lab]\nkind = \"openai-compatible\"\nbase_url = \"{}/v1\"\n[providers.lab.models]\n\
         {MODEL} = {{ context = 32768, tools = true, cost = {{ input = 0.5, output = 1.5 }} }}\n\
         [models.aliases]\nsmart = \"lab/{MODEL}\"\n",
        provider.url()
    ));
    let listed = lines(&home.run(&["models", "--json"]).await.succeeded().stdout);
    let model = listed.iter().find(|model| model["id"] == MODEL).unwrap();
    assert_eq!((&model["context"], &model["tools"]), (&json!(32768), &json!(true)));
    assert_eq!((&model["cost"]["input"], &model["cost"]["output"]), (&json!(0.5), &json!(1.5)));
    let table = home.run(&["models"]).await.succeeded();
    assert!(table.stdout.contains("32768") && table.stdout.contains("smart"), "{}", table.stdout);
}

#[tokio::test]
async fn one_provider_that_fails_does_not_hide_the_others() {
    let good = saying("never asked").await;
    let gone = saying("gone").await;
    let home = Home::new();
    home.config(&format!(
        "[providers.gone]\nkind = \"openai-compatible\"\nbase_url = \"{}/v1\"\n\
         [providers.good]\nkind = \"openai-compatible\"\nbase_url = \"{}/v1\"\n",
        gone.url(),
        good.url()
    ));
    gone.stop().await;
    let output = home.run(&["models"]).await.succeeded();
    assert!(output.stdout.contains(&format!("good/{MODEL}")), "{}", output.stdout);
    assert!(output.stderr.contains("gone does not list its models"), "{}", output.stderr);
    assert_failed(&home.run(&["models", "--provider", "gone"]).await, 1, "gone does not list its models", "base_url");

    let listed = good.stats().route(openai::MODELS).requests;
    run_well(&home, &["models", "--provider", "good"], "").await;
    assert_eq!(good.stats().route(openai::MODELS).requests, listed + 1);
    assert_failed(&home.run(&["models", "--provider", "godo"]).await, 2, "no provider \"godo\"", "\"good\"");
}

#[tokio::test]
async fn providers_are_shown_with_their_profiles_and_limits() {
    let mut home = Home::new();
    home.env("LAB_KEY", KEY);
    home.config(
        "[providers.lab]\nkind = \"openai-compatible\"\nbase_url = \"http://127.0.0.1:9/v1\"\n\
         profiles = [{ id = \"work\", key = \"env:LAB_KEY\", limits = { concurrent = 2 } }, { id = \"home\", key = \"env:UNSET\" }]\n\
         shared_limits = { requests_per_minute = 60 }\n\
         [providers.openai]\nkey = \"env:UNSET\"\n",
    );
    for command in [&["providers", "--json"][..], &["providers", "status", "--json"]] {
        let output = home.run(command).await.succeeded();
        let shown = lines(&output.stdout);
        assert_eq!(shown.len(), 2, "{output:?}");
        let (lab, openai) = (&shown[0], &shown[1]);
        assert_eq!(
            (&lab["provider"], &lab["kind"], &lab["state"]),
            (&json!("lab"), &json!("openai-compatible"), &json!("ok"))
        );
        assert_eq!(lab["limits"]["requests_per_minute"], 60);
        assert_eq!((&lab["profiles"][0]["id"], &lab["profiles"][0]["state"]), (&json!("work"), &json!("ok")));
        assert_eq!(lab["profiles"][0]["limits"]["concurrent"], 2);
        assert_eq!(lab["profiles"][0]["models"], json!([]));
        assert_eq!((&lab["profiles"][1]["id"], &lab["profiles"][1]["state"]), (&json!("home"), &json!("down")));
        assert!(lab["profiles"][1]["reason"].as_str().unwrap().contains("UNSET"), "{lab}");
        assert_eq!((&openai["provider"], &openai["state"]), (&json!("openai"), &json!("down")));
        assert!(!output.stdout.contains(KEY));
    }
    let table = home.run(&["providers"]).await.succeeded();
    assert!(table.stdout.contains("work") && table.stdout.contains("60 requests/min"), "{}", table.stdout);

    // Even if none can be used, they are shown.
    home.config("[providers.openai]\nkey = \"env:UNSET\"\n");
    let shown = lines(&home.run(&["providers", "--json"]).await.succeeded().stdout);
    assert_eq!((shown.len(), &shown[0]["state"]), (1, &json!("down")));
}

#[tokio::test]
async fn the_configuration_can_be_found_and_checked() {
    let home = Home::new();
    let path = home.run(&["config", "path"]).await.succeeded();
    assert_eq!(path.stdout, format!("{}\n", home.config_path().display()));
    assert!(path.stderr.contains("no such file"), "{}", path.stderr);
    let sample = home.run(&["config", "sample"]).await.succeeded().stdout;
    home.config(&sample);
    assert_eq!(home.run(&["config", "path"]).await.succeeded().stderr, "");
    let check = home.run(&["config", "check"]).await.succeeded();
    assert!(check.stdout.starts_with("ok"), "{check:?}");

    home.config(
        "[providers.lab]\nkind = \"openai-compatible\"\nbase_url = \"nonsense\"\nkye = \"x\"\n[timeouts]\nidle = 3\n",
    );
    let check = home.run(&["config", "check"]).await;
    assert_eq!(check.code(), Some(2));
    for line in [":3:", ":4:", ":6:"] {
        assert!(check.stderr.contains(&format!("{}{line}", home.config_path().display())), "{line} {}", check.stderr);
    }
    assert!(check.stderr.contains("\"key\""), "what was meant: {}", check.stderr);
    let problems = lines(&home.run(&["config", "check", "--json"]).await.stdout);
    let places: Vec<_> = problems.iter().map(|problem| (&problem["severity"], &problem["line"])).collect();
    assert_eq!(places, [(&json!("error"), &json!(3)), (&json!("error"), &json!(4)), (&json!("error"), &json!(6))]);
}

#[tokio::test]
async fn a_warning_is_told_and_is_no_error() {
    let home = Home::new();
    home.config(&format!("[providers.openai]\nkey = \"{KEY}\"\n"));
    let check = home.run(&["config", "check"]).await.succeeded();
    assert!(check.stdout.starts_with("ok"), "{check:?}");
    assert!(check.stderr.contains("warning: ") && check.stderr.contains(":2:"), "{}", check.stderr);
    assert!(!check.stderr.contains(KEY));
}

#[tokio::test]
async fn settings_are_shown_without_secrets() {
    let mut home = Home::new();
    home.env("OPENAI_API_KEY", KEY).env("GREENROOM__SERVER__LISTEN", "127.0.0.1:4848");
    home.config(&format!(
        "[providers.lab]\nkind = \"openai-compatible\"\nbase_url = \"http://127.0.0.1:9/v1\"\nkey = \"{KEY}\"\n"
    ));
    let toml = home.run(&["config", "show"]).await.succeeded().stdout;
    assert!(toml.contains("127.0.0.1:4848") && toml.contains("GREENROOM__SERVER__LISTEN"), "{toml}");
    let json = lines(&home.run(&["config", "show", "--json"]).await.succeeded().stdout);
    assert_eq!(json[0]["settings"]["server"]["listen"], "127.0.0.1:4848");
    assert!(!toml.contains(KEY) && !json[0].to_string().contains(KEY));
}
