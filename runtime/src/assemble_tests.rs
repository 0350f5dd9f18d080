use std::num::NonZeroU64;

use super::*;
use crate::{Model, Runtime};

fn written(kind: Kind, base: Option<&str>) -> config::Provider {
    let base_url = base.map(|base| base.parse().unwrap());
    config::Provider { base_url, ..config::Provider::new("lab", kind) }
}

#[test]
fn the_address_tells_whose_models_a_provider_has() {
    for (kind, base, catalogued_as) in [
        (Kind::OpenAi, None, "openai"),
        (Kind::OpenAi, Some("https://api.openai.com/v1"), "openai"),
        (Kind::OpenAi, Some("http://127.0.0.1:8000/v1"), "openai-compatible"),
        (Kind::OpenAi, Some("https://api.openai.com.example/v1"), "openai-compatible"),
        (Kind::OpenAiCompatible, Some("https://api.openai.com/v1"), "openai"),
        (Kind::OpenAiCompatible, Some("https://openrouter.ai/api/v1"), "openrouter"),
        (Kind::OpenAiCompatible, Some("https://generativelanguage.googleapis.com/v1beta/openai"), "gemini"),
        (Kind::OpenAiCompatible, Some("https://bedrock-mantle.us-east-1.api.aws/v1"), "bedrock-mantle"),
        (Kind::OpenAiCompatible, Some("https://mine.openai.azure.com/openai/v1"), "azure"),
        (Kind::Gemini, None, "gemini"),
        (Kind::Gemini, Some("https://generativelanguage.googleapis.com/v1beta"), "gemini"),
        (Kind::Gemini, Some("http://127.0.0.1:8000"), "gemini-compatible"),
        (Kind::Bedrock, None, "bedrock"),
        (Kind::Bedrock, Some("https://vpce-1.bedrock-runtime.us-east-1.vpce.amazonaws.com"), "bedrock"),
        (Kind::Bedrock, Some("http://127.0.0.1:8000"), "bedrock-compatible"),
        (Kind::OpenAi, Some("https://chatgpt.com/backend-api/codex"), "chatgpt"),
        (Kind::OpenRouter, None, "openrouter"),
        (Kind::OpenRouter, Some("https://openrouter.ai/api/v1"), "openrouter"),
        (Kind::OpenRouter, Some("https://gateway.example/v1"), "openai-compatible"),
        (Kind::Copilot, None, "copilot"),
        (Kind::Copilot, Some("https://copilot-api.corp.ghe.com"), "copilot"),
        (Kind::LlamaCpp, Some("http://127.0.0.1:8080"), "llamacpp"),
        (Kind::Demo, None, "demo"),
    ] {
        assert_eq!(catalogued(&written(kind, base)), catalogued_as, "{kind:?} {base:?}");
    }
}

#[tokio::test]
async fn models_are_listed_with_what_the_catalogue_knows_of_them() {
    let mut lab = written(Kind::OpenAiCompatible, Some("http://127.0.0.1:9/v1"));
    let context = NonZeroU64::new(5000);
    let cost = config::Cost { input: 0.5, output: 1.0, cache_read: None, cache_write: Some(0.25) };
    lab.models.insert("claude-opus-4-6".into(), ModelFacts { context, cost: Some(cost), ..ModelFacts::default() });
    lab.models.insert("nobody-knows".into(), ModelFacts::default());
    let settings = Settings { providers: vec![lab], ..Settings::default() };
    let runtime = Runtime::builder().settings(settings).start().await.unwrap();
    let listing = runtime.models().await;
    let [Model { info: known, .. }, Model { info: unknown, .. }] = &listing.models[..] else { panic!("{listing:?}") };
    assert_eq!((known.context, known.max_output, known.tools), (Some(5000), Some(128_000), Some(true)));
    let price = known.price.unwrap();
    assert_eq!((price.input, price.cache_read, price.cache_write), (0.5, None, Some(0.25)), "the price is as written");
    assert_eq!(*unknown, ModelInfo::named("nobody-knows"));
    runtime.shutdown(Duration::ZERO).await;
}

#[test]
fn sessions_have_the_rules_that_are_written() {
    assert_eq!(rules(&config::Sessions::default()), SessionRules::default());
    let written = config::Sessions {
        hibernate_after: Duration::from_secs(5),
        keep: Duration::from_secs(7),
        disk_quota: 1 << 30,
        on_crash: config::OnCrash::Mark,
        context: config::ContextPolicy::Summarise,
        ..config::Sessions::default()
    };
    let wanted = SessionRules {
        hibernate_after: Duration::from_secs(5),
        keep: Some(Duration::from_secs(7)),
        disk_quota: Some(1 << 30),
        on_crash: OnCrash::Mark,
        context: ContextPolicy::Summarise,
    };
    assert_eq!(rules(&written), wanted);
    let fails = config::Sessions { context: config::ContextPolicy::Fail, ..written };
    assert_eq!(rules(&fails).context, ContextPolicy::Fail);
}

#[test]
fn copilot_is_asked_at_github_or_at_the_enterprise_that_its_tokens_are_of() {
    let base = |written: &config::Provider| copilot_base_of(written).map(|url| url.to_string());
    let mut copilot = written(Kind::Copilot, None);
    assert_eq!(base(&copilot).unwrap(), "https://api.githubcopilot.com/");
    copilot.copilot.domain = Some("corp.ghe.com".into());
    assert_eq!(base(&copilot).unwrap(), "https://copilot-api.corp.ghe.com/");
    copilot.copilot.domain = Some("https://corp.ghe.com".into());
    let error = base(&copilot).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Config);
    assert!(error.details.hint.is_some());
    copilot.base_url = "http://127.0.0.1:9/".parse().ok();
    assert_eq!(base(&copilot).unwrap(), "http://127.0.0.1:9/", "what is written goes before");
}
