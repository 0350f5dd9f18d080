//! Who is asked where several could be: by weight, by speed, by price; and which key of one provider.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

mod http_support;

use std::collections::BTreeMap;
use std::time::Duration;

use greenroom::config::{Environment, Source, load};
use greenroom_tests::ScriptedProvider;
use greenroom_tests::harness::{Home, Signal};
use greenroom_tests::openai::Answer;
use http_support::{Api, Greenroom, LIMIT, ask, ask_streamed, chats_asked, provider, scripted};

async fn answering(after: u64) -> ScriptedProvider {
    let answer = Answer::text(["ok"]).first_token_after(Duration::from_millis(after));
    scripted([answer.stream().always()]).await
}

/// How often each of these was asked.
fn asked(providers: &[ScriptedProvider]) -> Vec<usize> {
    providers.iter().map(|provider| chats_asked(provider).len()).collect()
}

async fn ask_at_once(api: &Api, model: &str, times: usize) {
    let asking = (0..times).map(|_| {
        let (api, model) = (api.clone(), model.to_owned());
        tokio::spawn(async move { assert_eq!(api.chat(&ask(&model)).await.status, 200) })
    });
    for one in asking.collect::<Vec<_>>() {
        one.await.unwrap();
    }
}

/// A daemon before two providers that answer after so many milliseconds, and how `any` of them is chosen.
async fn any(after: [u64; 2], any: &str) -> (Greenroom, [ScriptedProvider; 2]) {
    let providers = [answering(after[0]).await, answering(after[1]).await];
    let config =
        format!("{}{}[models.aliases]\nany = {any}\n", provider("a", &providers[0]), provider("b", &providers[1]));
    (Greenroom::start(&config).await, providers)
}

#[tokio::test]
async fn weights_decide_how_often_each_is_asked() {
    let weighted = "{ any = [{ model = \"a/m1\", weight = 1 }, { model = \"b/m1\", weight = 4 }] }";
    let (greenroom, providers) = any([0, 0], weighted).await;
    for _ in 0..10 {
        ask_at_once(&greenroom.api, "any", 40).await;
    }
    let asked = asked(&providers);
    // 80 are expected of 400, give or take 8; these are eight times that away.
    assert!((16..=144).contains(&asked[0]) && asked.iter().sum::<usize>() == 400, "{asked:?}");
}

#[tokio::test]
async fn the_quicker_one_is_asked_once_both_are_known() {
    let (greenroom, providers) = any([400, 0], "{ any = [\"a/m1\", \"b/m1\"], strategy = \"latency\" }").await;
    for _ in 0..12 {
        greenroom.api.events(&ask_streamed("any")).await;
    }
    assert_eq!(asked(&providers), [1, 11], "the slow one was asked until it was known");
}

#[tokio::test]
async fn the_cheaper_one_is_asked_and_the_other_when_it_fails() {
    let cheap = scripted([
        Answer::text(["ok"]).stream().times(3),
        greenroom_tests::openai::error(404, "invalid_request_error", Some("model_not_found"), "gone").always(),
    ])
    .await;
    let dear = answering(0).await;
    let config = format!(
        "{}{}[providers.dear.models.m1]\ncost = {{ input = 10, output = 30 }}\n\
         [providers.cheap.models.m1]\ncost = {{ input = 1, output = 2 }}\n\
         [models.aliases]\nany = {{ any = [\"dear/m1\", \"cheap/m1\"], strategy = \"cost\" }}\n",
        provider("dear", &dear),
        provider("cheap", &cheap)
    );
    let greenroom = Greenroom::start(&config).await;
    for _ in 0..3 {
        assert_eq!(greenroom.api.chat(&ask("any")).await.header("x-greenroom-provider"), Some("cheap"));
    }
    assert_eq!(greenroom.api.chat(&ask("any")).await.header("x-greenroom-provider"), Some("dear"));
}

/// Three keys, the last of which counts twice.
fn keys(lab: &ScriptedProvider) -> String {
    format!(
        "[providers.lab]\nkind = \"openai-compatible\"\nbase_url = \"{}/v1\"\nprofiles = [\
         {{ id = \"one\", key = \"key-one\" }}, {{ id = \"two\", key = \"key-two\" }},\
         {{ id = \"three\", key = \"key-three\", weight = 2 }}]\n",
        lab.url()
    )
}

fn by_key(lab: &ScriptedProvider) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for request in chats_asked(lab) {
        *counts.entry(request.headers.bearer().unwrap().to_owned()).or_default() += 1;
    }
    counts
}

#[tokio::test]
async fn keys_take_turns_under_load_exactly_by_their_weights_and_after_a_kill_as_well() {
    let lab = answering(5).await;
    let want = |times: usize| {
        BTreeMap::from(
            [("key-one", times), ("key-three", 2 * times), ("key-two", times)].map(|(key, n)| (key.to_owned(), n)),
        )
    };
    let Greenroom { api, mut daemon, home } = Greenroom::start(&keys(&lab)).await;
    ask_at_once(&api, "lab/m1", 80).await;
    assert_eq!(by_key(&lab), want(20));
    daemon.signal(Signal::KILL);
    daemon.wait(LIMIT).await;
    let greenroom = Greenroom::start_in(home, &keys(&lab)).await;
    ask_at_once(&greenroom.api, "lab/m1", 80).await;
    assert_eq!(by_key(&lab), want(40));
}

#[tokio::test]
async fn a_session_stays_with_its_key_while_that_is_good() {
    let lab = answering(0).await;
    let home = Home::new();
    home.config(&format!("{}[models]\ndefault = \"lab/m1\"\n", keys(&lab)));
    let settings = load(&Source::locate(Some(&home.config_path()), Environment::empty())).unwrap().settings;
    let runtime = greenroom::Runtime::builder().settings(settings).start().await.unwrap();
    for id in ["a", "b", "c"] {
        lab.reset();
        let session = runtime.session(id).await.unwrap();
        for _ in 0..5 {
            session.send("hi").await.unwrap().text().await.unwrap();
        }
        let keys = by_key(&lab);
        assert_eq!(keys.len(), 1, "a provider's prompt cache is its key's: {keys:?}");
    }
    runtime.shutdown(Duration::ZERO).await;
}
