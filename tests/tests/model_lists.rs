//! The lists of models that are kept for the next run: they answer at once, and deny nothing.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

mod cli_support;

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use cli_support::{LIMIT, MODEL, home_of, run_well, saying};
use greenroom::Runtime;
use greenroom::config::{Kind, Provider, Settings};
use greenroom_tests::harness::Home;
use greenroom_tests::openai::{self, Answer};
use greenroom_tests::{Attempt, Route, Script, ScriptedProvider, When};

/// Less than the ten seconds for which a list is waited for.
const AT_ONCE: Duration = Duration::from_secs(5);

/// A list once, and then no answer to that question any more.
fn stalled_after(ids: &[&str]) -> Route {
    let mut route = openai::models(ids.iter().copied());
    route.attempts = vec![Attempt { always: false, ..route.attempts.remove(0) }, Attempt::silent().always()];
    route
}

/// One list, and from then on another.
fn changing(first: &[&str], then: &[&str]) -> Route {
    let mut route = openai::models(first.iter().copied());
    let then = openai::models(then.iter().copied()).attempts.remove(0);
    route.attempts = vec![Attempt { always: false, ..route.attempts.remove(0) }, then];
    route
}

async fn provider(models: Route) -> ScriptedProvider {
    // Slow enough that what goes on behind the answer is done before it.
    let answer = Answer::text(["Hi."]).first_token_after(Duration::from_millis(500)).stream().always();
    ScriptedProvider::start(Script::new([models, openai::chat([answer])])).await
}

/// A provider that lists [`MODEL`] to the runtime of the test.
fn settings(provider: &ScriptedProvider) -> Settings {
    let base_url = Some(format!("{}/v1", provider.url()).parse().unwrap());
    let lab = Provider { base_url, ..Provider::new("lab", Kind::OpenAiCompatible) };
    Settings { providers: vec![lab], ..Settings::default() }
}

async fn ids(runtime: &Runtime) -> Vec<String> {
    runtime.models().await.models.into_iter().map(|model| model.info.id).collect()
}

/// The models of the chats so far.
fn asked(provider: &ScriptedProvider) -> Vec<String> {
    let chats = provider.requests().into_iter().filter(|request| request.method == "POST");
    chats.map(|request| request.json()["model"].as_str().unwrap().to_owned()).collect()
}

fn list_file(home: &Home) -> PathBuf {
    home.data_dir().join("models").join("openai.json")
}

#[tokio::test]
async fn the_default_is_known_at_once_though_the_list_stalls() {
    let provider = provider(stalled_after(&[MODEL, "other"])).await;
    let home = home_of(&provider);
    run_well(&home, &["chat", "hi"], "").await;
    let begun = Instant::now();
    let output = home.run(&["chat", "hi"]).await.succeeded();
    assert!(begun.elapsed() < AT_ONCE, "{:?}", begun.elapsed());
    assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("Hi.\n", ""));
    assert_eq!(asked(&provider), [MODEL, MODEL]);
    assert_eq!(provider.stats().route(openai::MODELS).requests, 2, "the old list is renewed behind the answer");
}

#[tokio::test]
async fn an_old_list_is_renewed_behind_the_answer() {
    let provider = provider(changing(&["old"], &["new", "old"])).await;
    let home = home_of(&provider);
    for _ in 0..3 {
        run_well(&home, &["chat", "hi"], "").await;
    }
    assert_eq!(asked(&provider), ["old", "old", "new"]);
}

#[tokio::test]
async fn a_model_that_is_gone_is_replaced_by_one_of_the_new_list() {
    let gone = openai::error(404, "invalid_request_error", Some("model_not_found"), "no such model");
    let old = gone.when(When::model("old")).always();
    let new = Answer::text(["Hi."]).stream().when(When::model("new")).always();
    // The new list comes later than the refusal.
    let mut models = changing(&["old"], &["new"]);
    models.attempts[1] = models.attempts[1].clone().delayed(Duration::from_millis(500));
    let provider = ScriptedProvider::start(Script::new([models, openai::chat([old, new])])).await;
    let home = home_of(&provider);
    run_well(&home, &["models"], "").await;
    let output = home.run(&["chat", "hi"]).await.succeeded();
    assert_eq!(output.stdout, "Hi.\n");
    assert_eq!(asked(&provider), ["old", "new"]);
    assert!(fs::read_to_string(list_file(&home)).unwrap().contains("\"new\""));
}

#[tokio::test]
async fn a_runtime_gives_the_list_of_the_one_before_it_and_then_the_new_one() {
    let mut models = changing(&["old"], &["new"]);
    models.attempts[1] = models.attempts[1].clone().delayed(Duration::from_secs(1));
    let provider = provider(models).await;
    let dir = tempfile::tempdir().unwrap();
    let start = || Runtime::builder().settings(settings(&provider)).data_dir(dir.path().join("data")).start();
    let first = start().await.unwrap();
    assert_eq!(ids(&first).await, ["old"]);
    first.shutdown(Duration::ZERO).await;
    let second = start().await.unwrap();
    for _ in 0..3 {
        assert_eq!(ids(&second).await, ["old"], "at once");
    }
    let renewed = async {
        while ids(&second).await != ["new"] {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(LIMIT, renewed).await.expect("the list is renewed");
    assert_eq!(provider.stats().route(openai::MODELS).requests, 2, "one question for all who asked");
    second.shutdown(Duration::ZERO).await;
}

#[tokio::test]
async fn an_id_that_only_the_new_list_has_is_found() {
    // The new list comes later than that of the other provider, so that only who waits for it finds the id.
    let mut models = changing(&["old"], &["old", "new"]);
    models.attempts[1] = models.attempts[1].clone().delayed(Duration::from_millis(500));
    let provider = provider(models).await;
    let other = saying("never asked").await;
    let home = home_of(&provider);
    // Of two providers, neither is given an id that no list has.
    home.config(&format!(
        "[providers.openai]\nbase_url = \"{}/v1\"\nkey = \"env:OPENAI_API_KEY\"\n\
         [providers.other]\nkind = \"openai-compatible\"\nbase_url = \"{}/v1\"\n",
        provider.url(),
        other.url()
    ));
    run_well(&home, &["chat", "hi"], "").await;
    run_well(&home, &["chat", "-m", "new", "hi"], "").await;
    assert_eq!(asked(&provider), ["old", "new"]);
    let unknown = home.run(&["chat", "-m", "nobody-has-it", "hi"]).await;
    assert!(unknown.stderr.contains("there is no model"), "{}", unknown.stderr);
}

#[tokio::test]
async fn what_was_listed_elsewhere_or_is_damaged_does_not_count() {
    let first = provider(openai::models(["of-the-first"])).await;
    let second = provider(openai::models(["of-the-second"])).await;
    let mut home = home_of(&first);
    run_well(&home, &["chat", "hi"], "").await;
    assert!(fs::read_to_string(list_file(&home)).unwrap().contains("of-the-first"));
    home.env("OPENAI_BASE_URL", &format!("{}/v1", second.url()));
    run_well(&home, &["chat", "hi"], "").await;
    fs::write(list_file(&home), "{\"version\":").unwrap();
    let output = home.run(&["chat", "hi"]).await.succeeded();
    assert_eq!(output.stderr, "");
    assert_eq!(asked(&second), ["of-the-second", "of-the-second"]);
    assert!(fs::read_to_string(list_file(&home)).unwrap().contains("of-the-second"));
}

#[tokio::test]
async fn models_shows_what_was_listed_before_and_says_so() {
    let provider = saying("never asked").await;
    let home = home_of(&provider);
    run_well(&home, &["models"], "").await;
    provider.stop().await;
    let output = home.run(&["models"]).await.succeeded();
    assert!(output.stdout.contains(&format!("openai/{MODEL}")), "{}", output.stdout);
    assert!(output.stderr.contains("openai does not list its models"), "{}", output.stderr);
    assert!(output.stderr.contains("those that it listed before"), "{}", output.stderr);
}

#[tokio::test]
async fn a_data_directory_that_others_can_read_is_left_alone() {
    use std::os::unix::fs::PermissionsExt as _;

    let provider = provider(openai::models([MODEL])).await;
    let home = home_of(&provider);
    fs::create_dir_all(home.data_dir()).unwrap();
    fs::set_permissions(home.data_dir(), fs::Permissions::from_mode(0o755)).unwrap();
    let output = home.run(&["chat", "hi"]).await.succeeded();
    assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("Hi.\n", ""));
    assert_eq!(fs::read_dir(home.data_dir()).unwrap().count(), 0);
}
