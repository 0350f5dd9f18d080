//! Providers that nobody wrote down.

mod common;

use common::{complaints, loaded};
use greenroom_config::{
    Discovery, Environment, Kind, Loaded, LocalServer, Origin, ProfileKey, SecretReference, Source, load, load_found,
    local_servers,
};

fn with(variables: &[(&str, &str)]) -> Loaded {
    load(&Source::new(variables.iter().copied().collect::<Environment>()))
        .unwrap_or_else(|problems| panic!("{problems}"))
}

#[test]
fn nothing_at_all_gives_the_demo() {
    let loaded = with(&[]);
    assert_eq!(loaded.settings.discovery, Discovery::Demo);
    let [demo] = loaded.settings.providers.as_slice() else { panic!("one provider") };
    assert_eq!((demo.name.as_str(), demo.kind, &demo.origin), ("demo", Kind::Demo, &Origin::BuiltIn));
    assert!(loaded.warnings.is_empty() && loaded.settings.ignored_variables.is_empty());
    assert_eq!(with(&[("OPENAI_API_KEY", "")]).settings.discovery, Discovery::Demo, "empty is not set");
}

#[test]
fn the_usual_variables_give_openai() {
    let loaded = with(&[
        ("OPENAI_API_KEY", "sk-1"),
        ("OPENAI_BASE_URL", "https://proxy.example/v1"),
        ("OPENAI_ORGANIZATION", "org"),
        ("OPENAI_PROJECT_ID", "proj"),
    ]);
    assert_eq!(loaded.settings.discovery, Discovery::Environment);
    let [openai] = loaded.settings.providers.as_slice() else { panic!("one provider") };
    assert_eq!((openai.name.as_str(), openai.kind), ("openai", Kind::OpenAi));
    assert_eq!(openai.origin, Origin::Environment { variable: "OPENAI_API_KEY".into() });
    assert_eq!(
        openai.profiles[0].key.reference(),
        Some(&SecretReference::Environment { variable: "OPENAI_API_KEY".into() })
    );
    assert_eq!(openai.base_url.as_ref().unwrap().as_str(), "https://proxy.example/v1");
    assert_eq!((openai.organization.as_deref(), openai.project.as_deref()), (Some("org"), Some("proj")));
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
}

#[test]
fn anthropic_is_found_first() {
    let loaded = with(&[
        ("OPENAI_API_KEY", "sk-1"),
        ("ANTHROPIC_API_KEY", "sk-2"),
        ("ANTHROPIC_BASE_URL", "https://proxy.example/anthropic"),
    ]);
    assert_eq!(loaded.settings.discovery, Discovery::Environment);
    let [anthropic, openai] = loaded.settings.providers.as_slice() else { panic!("two providers") };
    assert_eq!((anthropic.name.as_str(), anthropic.kind), ("anthropic", Kind::Anthropic));
    assert_eq!(anthropic.origin, Origin::Environment { variable: "ANTHROPIC_API_KEY".into() });
    assert_eq!(
        anthropic.profiles[0].key.reference(),
        Some(&SecretReference::Environment { variable: "ANTHROPIC_API_KEY".into() })
    );
    assert_eq!(anthropic.base_url.as_ref().unwrap().as_str(), "https://proxy.example/anthropic");
    assert_eq!((openai.name.as_str(), openai.kind, &openai.base_url), ("openai", Kind::OpenAi, &None));
    assert!(loaded.settings.ignored_variables.is_empty() && loaded.warnings.is_empty());
    // An address without a key leads nowhere.
    assert_eq!(with(&[("ANTHROPIC_BASE_URL", "https://proxy.example")]).settings.discovery, Discovery::Demo);
}

#[test]
fn gemini_is_found_by_either_of_its_keys() {
    let key = |variables: &[(&str, &str)]| {
        let loaded = with(variables);
        let [gemini] = loaded.settings.providers.as_slice() else { panic!("one provider") };
        assert_eq!((gemini.name.as_str(), gemini.kind), ("gemini", Kind::Gemini));
        assert!(loaded.settings.ignored_variables.is_empty() && loaded.warnings.is_empty());
        let base = gemini.base_url.as_ref().map(|url| url.as_str().to_owned());
        (gemini.profiles[0].key.reference().cloned(), base)
    };
    let of = |variable: &str| Some(SecretReference::Environment { variable: variable.into() });
    assert_eq!(key(&[("GEMINI_API_KEY", "a"), ("GOOGLE_API_KEY", "b")]), (of("GEMINI_API_KEY"), None));
    let proxy = "https://proxy.example/gemini";
    let both = [("GOOGLE_API_KEY", "b"), ("GOOGLE_GEMINI_BASE_URL", proxy)];
    assert_eq!(key(&both), (of("GOOGLE_API_KEY"), Some(proxy.to_owned())));
    let names =
        with(&[("GEMINI_API_KEY", "a"), ("OPENAI_API_KEY", "b"), ("ANTHROPIC_API_KEY", "c")]).settings.providers;
    assert_eq!(names.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["anthropic", "openai", "gemini"]);
}

#[test]
fn bedrock_is_found_by_its_key_and_takes_the_region_along() {
    let found = |variables: &[(&str, &str)]| {
        let loaded = with(variables);
        let [bedrock] = loaded.settings.providers.as_slice() else { panic!("one provider") };
        assert_eq!((bedrock.name.as_str(), bedrock.kind, &bedrock.base_url), ("bedrock", Kind::Bedrock, &None));
        assert!(loaded.settings.ignored_variables.is_empty() && loaded.warnings.is_empty());
        let variable = "AWS_BEARER_TOKEN_BEDROCK".to_owned();
        assert_eq!(bedrock.profiles[0].key.reference(), Some(&SecretReference::Environment { variable }));
        bedrock.region.clone()
    };
    let key = ("AWS_BEARER_TOKEN_BEDROCK", "k");
    assert_eq!(found(&[key]), None);
    let regions = [("AWS_REGION", "us-east-1"), ("AWS_DEFAULT_REGION", "us-west-2")];
    assert_eq!(found(&[key, regions[0], regions[1]]).as_deref(), Some("us-east-1"));
    assert_eq!(found(&[key, regions[1]]).as_deref(), Some("us-west-2"));
    // AWS's own credentials are asked for by name alone.
    let aws = [("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "s"), ("AWS_REGION", "us-east-1")];
    assert_eq!(with(&aws).settings.discovery, Discovery::Demo);
    let written = loaded("[providers.bedrock]\nregion = \"eu-west-1\"\n", &[key, regions[0]]).settings;
    assert_eq!(written.providers[0].region.as_deref(), Some("eu-west-1"));
    assert!(written.providers[0].profiles[0].key.reference().is_some());
    let by_profile = loaded("[providers.bedrock]\naws_profile = \"team\"\n", &[key, regions[0]]).settings;
    assert_eq!((&by_profile.providers[0].profiles[0].key, &by_profile.providers[0].region), (&ProfileKey::None, &None));
}

#[test]
fn copilot_and_openrouter_are_found_by_their_own_variables() {
    let loaded = with(&[("OPENROUTER_API_KEY", "a"), ("COPILOT_GITHUB_TOKEN", "b"), ("GEMINI_API_KEY", "c")]);
    let found =
        loaded.settings.providers.iter().map(|one| (one.name.as_str(), one.kind, one.profiles[0].key.reference()));
    let of = |variable: &str| SecretReference::Environment { variable: variable.into() };
    let (gemini, copilot, openrouter) = (of("GEMINI_API_KEY"), of("COPILOT_GITHUB_TOKEN"), of("OPENROUTER_API_KEY"));
    let want = [
        ("gemini", Kind::Gemini, Some(&gemini)),
        ("copilot", Kind::Copilot, Some(&copilot)),
        ("openrouter", Kind::OpenRouter, Some(&openrouter)),
    ];
    assert_eq!(found.collect::<Vec<_>>(), want);
    assert!(loaded.settings.ignored_variables.is_empty() && loaded.warnings.is_empty());
    let other_ends = with(&[("GH_TOKEN", "a"), ("GITHUB_TOKEN", "b"), ("LLAMA_API_KEY", "c")]).settings;
    assert_eq!(other_ends.discovery, Discovery::Demo, "a token that is meant for other ends is not taken");
}

#[test]
fn an_address_alone_is_a_compatible_server() {
    let loaded = with(&[("OPENAI_BASE_URL", "http://10.0.0.5:8000/v1")]);
    let [lab] = loaded.settings.providers.as_slice() else { panic!("one provider") };
    assert_eq!((lab.kind, &lab.profiles[0].key), (Kind::OpenAiCompatible, &ProfileKey::None));
    assert_eq!(lab.origin, Origin::Environment { variable: "OPENAI_BASE_URL".into() });
    assert_eq!(with(&[("OPENAI_BASE_URL", "https://api.openai.com/v1")]).settings.discovery, Discovery::Demo);
}

#[test]
fn a_found_provider_is_checked_like_a_written_one() {
    let environment = [("OPENAI_API_KEY", "sk-1"), ("OPENAI_BASE_URL", "http://proxy.example/v1")];
    let errors = complaints("", &environment, &[]);
    assert!(
        errors[0].starts_with(
            "OPENAI_BASE_URL: providers.openai.base_url: a key would be sent to proxy.example unencrypted"
        ),
        "{errors:?}"
    );
    let allowed = [environment.as_slice(), &[("GREENROOM__PROVIDERS__OPENAI__ALLOW_HTTP", "true")]].concat();
    let openai = &loaded("", &allowed).settings.providers[0];
    assert!(openai.allow_http);
    assert_eq!(openai.base_url.as_ref().unwrap().host_str(), Some("proxy.example"));
}

#[test]
fn keys_that_cannot_be_used_are_listed() {
    let loaded = with(&[("MISTRAL_API_KEY", "m"), ("GROQ_API_KEY", "o"), ("GEMINI_API_KEY", "")]);
    assert_eq!(loaded.settings.discovery, Discovery::Demo);
    let ignored: Vec<_> = loaded.settings.ignored_variables.iter().map(|ignored| ignored.variable).collect();
    assert_eq!(ignored, ["GROQ_API_KEY", "MISTRAL_API_KEY"]);
    assert!(loaded.settings.ignored_variables[0].hint.unwrap().contains("https://api.groq.com/openai/v1"));
}

#[test]
fn a_written_provider_ends_the_search() {
    let lab = "[providers.lab]\nkind = \"openai-compatible\"\nbase_url = \"http://127.0.0.1/v1\"\n";
    let loaded = loaded(lab, &[("OPENAI_API_KEY", "sk-1"), ("ANTHROPIC_API_KEY", "a")]);
    assert_eq!(loaded.settings.discovery, Discovery::Configured);
    assert_eq!(loaded.settings.providers.len(), 1);
    assert!(loaded.settings.ignored_variables.is_empty());
}

#[test]
fn key_and_address_are_taken_together_or_not_at_all() {
    let variables = [("OPENAI_API_KEY", "sk-1"), ("OPENAI_BASE_URL", "https://proxy.example/v1")];
    let completed = loaded("[providers.openai]\nlimits = { concurrent = 2 }\n", &variables).settings;
    assert_eq!(completed.discovery, Discovery::Configured);
    assert_eq!(completed.providers[0].base_url.as_ref().unwrap().host_str(), Some("proxy.example"));
    assert!(matches!(completed.providers[0].origin, Origin::File { line: 1, column: 12, .. }));
    assert_eq!(completed.providers[0].profiles[0].limits.concurrent.unwrap().get(), 2);

    let organized = [variables.as_slice(), &[("OPENAI_ORG_ID", "theirs")]].concat();
    let written = loaded("[providers.openai]\norganization = \"mine\"\n", &organized).settings;
    assert_eq!(written.providers[0].organization.as_deref(), Some("mine"), "what is written goes over what is found");

    let elsewhere = loaded("[providers.openai]\nbase_url = \"https://other.example/v1\"\n", &variables).settings;
    assert!(elsewhere.providers[0].profiles.is_empty(), "the variable's key is not for another address");
    let own_key = loaded("[providers.openai]\nkey = \"env:OPENAI_API_KEY\"\n", &variables).settings;
    assert_eq!(own_key.providers[0].base_url, None);

    let both = [variables.as_slice(), &[("ANTHROPIC_API_KEY", "sk-2")]].concat();
    let claude = loaded("[providers.anthropic]\nlimits = { concurrent = 2 }\n", &both).settings;
    let [claude] = claude.providers.as_slice() else { panic!("one provider") };
    let key = SecretReference::Environment { variable: "ANTHROPIC_API_KEY".into() };
    assert_eq!((claude.kind, claude.profiles[0].key.reference()), (Kind::Anthropic, Some(&key)));
    let lacking = loaded("[providers.anthropic]\nlimits = { concurrent = 2 }\n", &variables).settings;
    assert!(lacking.providers[0].profiles.is_empty(), "another provider's variable says nothing of it");
}

fn answering(names: &[&str]) -> Vec<LocalServer> {
    let all = local_servers(&Default::default(), &Environment::empty());
    all.into_iter().filter(|server| names.contains(&server.name)).collect()
}

fn found(variables: &[(&str, &str)], names: &[&str]) -> Loaded {
    let source = Source::new(variables.iter().copied().collect::<Environment>());
    load_found(&source, &answering(names)).unwrap_or_else(|problems| panic!("{problems}"))
}

#[test]
fn servers_that_answer_serve_before_the_demo_does() {
    let both = found(&[], &["ollama", "llamacpp"]);
    assert_eq!(both.settings.discovery, Discovery::Local);
    let seen: Vec<_> = both
        .settings
        .providers
        .iter()
        .map(|provider| (provider.name.as_str(), provider.kind, provider.base_url.as_ref().unwrap().as_str()))
        .collect();
    let ollama = ("ollama", Kind::Ollama, "http://127.0.0.1:11434/");
    let llamacpp = ("llamacpp", Kind::LlamaCpp, "http://127.0.0.1:8080/");
    assert_eq!(seen, [ollama, llamacpp], "in the order of preference");
    assert_eq!(both.settings.providers[0].origin, Origin::Found { address: ollama.2.into() });
    assert!(both.show_toml().contains("found at http://127.0.0.1:11434/"), "{}", both.show_toml());
    assert!(both.warnings.is_empty(), "{:?}", both.warnings);
    assert_eq!(found(&[], &["llamacpp"]).settings.providers.len(), 1);
}

#[test]
fn a_variable_or_a_file_goes_before_what_was_found() {
    let keyed = found(&[("OPENAI_API_KEY", "sk-1")], &["ollama"]).settings;
    assert_eq!((keyed.discovery, keyed.providers.len()), (Discovery::Environment, 1));
    let written = common::write("[providers.ollama]\nbase_url = \"http://10.0.0.5:11434\"\n");
    let loaded = load_found(&common::source(&written.path, &[], &[]), &answering(&["llamacpp"]));
    let settings = loaded.unwrap_or_else(|problems| panic!("{problems}")).settings;
    assert_eq!((settings.discovery, settings.providers.len()), (Discovery::Configured, 1));
    assert_eq!((settings.providers[0].kind, &settings.providers[0].profiles[0].key), (Kind::Ollama, &ProfileKey::None));
}
