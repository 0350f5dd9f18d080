//! What is read of a provider, and what is refused.

mod common;

use std::time::Duration;

use common::{complaints, loaded, try_load, warnings};
use greenroom_config::{
    ConfigError, CredentialError, Environment, ErrorKind, Kind, OpenAiWire, Profile, ProfileKey, Provider,
    SecretReference, Settings, WarningKind,
};

#[test]
fn a_provider_is_read_whole() {
    let text = "\
[timeouts]
idle = \"7s\"
[providers.openai]
profiles = [{ id = \"work\", key = \"env:A\" }, { id = \"home\", key = \"env:B\", weight = 2, limits = { concurrent = 1 } }]
limits = { requests_per_minute = 50, concurrent = 8 }
shared_limits = { tokens_per_minute = 40000 }
organization = \"org\"
headers = { X-Title = \"t\" }
defaults = { temperature = 1, max_tokens = 5 }
timeouts = { connect = \"3s\" }
queue = { max_waiting = 2 }
models = { \"m.1\" = { context = 10, prefill = true, cost = { input = 1, output = 2.5 } } }
";
    let settings = loaded(text, &[("A", "a"), ("B", "b")]).settings;
    let openai = settings.provider("openai").unwrap();
    assert_eq!((openai.kind, openai.base_url.as_ref()), (Kind::OpenAi, None));
    let [work, home] = openai.profiles.as_slice() else { panic!("two profiles") };
    assert_eq!((work.id.as_str(), work.weight, work.limits.concurrent.unwrap().get()), ("work", 1, 8));
    assert_eq!((home.id.as_str(), home.weight, home.limits.concurrent.unwrap().get()), ("home", 2, 1));
    assert_eq!(home.limits.requests_per_minute.unwrap().get(), 50);
    assert_eq!(openai.shared_limits.tokens_per_minute.unwrap().get(), 40000);
    assert_eq!(openai.organization.as_deref(), Some("org"));
    assert_eq!(openai.headers[0].name, "X-Title");
    assert_eq!(openai.defaults.temperature, Some(1.0));
    assert_eq!(openai.timeouts.connect, Duration::from_secs(3));
    assert_eq!(openai.timeouts.idle, Duration::from_secs(7), "what it doesn't say comes from [timeouts]");
    assert_eq!((openai.queue.max_waiting.get(), openai.queue.max_wait), (2, Duration::from_secs(30)));
    let model = &openai.models["m.1"];
    assert_eq!((model.context.unwrap().get(), model.prefill, model.tools), (10, Some(true), None));
    assert_eq!(model.cost.unwrap().output, 2.5);
}

#[test]
fn key_is_a_profile_and_no_key_is_one_too() {
    let text = "[providers.openai]\nkey = \"env:K\"\n[providers.lab]\nkind = \"openai-compatible\"\nbase_url = \"http://10.0.0.5/v1\"\n";
    let settings = loaded(text, &[("K", "k")]).settings;
    assert_eq!(settings.providers[0].profiles[0].id, "default");
    assert_eq!(
        settings.providers[0].profiles[0].key.reference(),
        Some(&SecretReference::Environment { variable: "K".into() })
    );
    assert_eq!(settings.providers[1].profiles[0].key, ProfileKey::None);
}

#[test]
fn what_is_added_is_a_way_in_that_needs_no_key_here() {
    let text = "[providers.anthropic]\nlimits = { concurrent = 3 }\n\
                [providers.openai]\nprofiles = [{ id = \"work\", weight = 2 }, { id = \"home\", key = \"env:K\" }]\n";
    let settings = loaded(text, &[("K", "k")]).settings;
    let (anthropic, openai) = (&settings.providers[0], &settings.providers[1]);
    assert!(anthropic.profiles.is_empty());
    assert_eq!(anthropic.limits.concurrent.unwrap().get(), 3, "what is added will have them");
    assert_eq!((&openai.profiles[0].key, openai.profiles[0].weight), (&ProfileKey::Added, 2));

    let environment = Environment::from_iter([("K", "k")]);
    let missing = openai.key(&openai.profiles[0], &environment).unwrap_err();
    assert_eq!(missing.to_string(), "no secret for the profile \"work\" of the provider \"openai\"");
    assert_eq!(missing.source.to_string(), "none was added");
    let none = CredentialError::none_for(anthropic);
    assert_eq!(none.to_string(), "no credential for the provider \"anthropic\"");
    assert_eq!(none.hint(), "`greenroom auth add anthropic` adds a key, or set key = \"env:ANTHROPIC_API_KEY\"");
    let open = complaints("[providers.openai]\nbase_url = \"http://10.0.0.5/v1\"\n", &[], &[]);
    assert!(open[0].contains("a key would be sent to 10.0.0.5 unencrypted"), "{open:?}");
}

#[test]
fn kinds_are_known_or_unknown_with_what_to_do() {
    assert_eq!(
        complaints("[providers.x]\nkind = \"opnai\"\n", &[], &[]),
        ["config.toml:2:8: providers.x.kind: there is no kind of provider \"opnai\" | did you mean \"openai\"?"]
    );
    assert_eq!(
        complaints("[providers.x]\nkind = \"bananas\"\n", &[], &[]),
        [
            "config.toml:2:8: providers.x.kind: there is no kind of provider \"bananas\" | this version has anthropic, openai, openai-compatible, azure, gemini, vertex, bedrock, copilot, openrouter, ollama, llamacpp, demo"
        ]
    );
    let missing = complaints("[providers.lab]\nbase_url = \"http://127.0.0.1/v1\"\n", &[], &[]);
    assert!(missing[0].starts_with("config.toml:1:12: providers.lab: \"kind\" is missing |"), "{missing:?}");
    let by_name = complaints("[providers.groq]\nkey = \"env:X\"\n", &[], &[]);
    assert!(
        by_name[0].starts_with(
            "config.toml:1:12: providers.groq: the kind \"groq\" is not supported by this version | it works as kind"
        ),
        "{by_name:?}"
    );
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let of = |body: &str| complaints(&format!("[providers.p]\nkind = \"openai-compatible\"\n{body}\n"), &[], &[]);
    let local = "base_url = \"http://127.0.0.1/v1\"";
    let cases = [
        ("".to_owned(), "config.toml:1:12: providers.p: \"base_url\" is missing"),
        (
            "base_url = \"ftp://x\"".to_owned(),
            "config.toml:3:12: providers.p.base_url: this is not an http or https address",
        ),
        (
            "base_url = \"https://x?key=1\"".to_owned(),
            "config.toml:3:12: providers.p.base_url: this is not an address without",
        ),
        (
            format!("{local}\nkey = \"env:A\"\nprofiles = [{{ id = \"a\", key = \"env:A\" }}]"),
            "config.toml:4:1: providers.p.key: \"key\" and \"profiles\" cannot both",
        ),
        (
            format!("{local}\nprofiles = []"),
            "config.toml:4:12: providers.p.profiles: this is not a list with at least one profile",
        ),
        (
            format!("{local}\nprofiles = [{{ id = \"a\", key = \"env:A\" }}, {{ id = \"a\", key = \"env:B\" }}]"),
            "config.toml:4:42: providers.p.profiles[1]: \"a\" is there twice",
        ),
        (
            format!("{local}\nprofiles = [{{ key = \"env:A\" }}]"),
            "config.toml:4:13: providers.p.profiles[0]: \"id\" is missing",
        ),
        (
            format!("{local}\nprofiles = [{{ id = \"a\", key = \"env:A\", weight = 0 }}]"),
            "config.toml:4:49: providers.p.profiles[0].weight: 0 is not a number from 1",
        ),
        (
            format!("{local}\nlimits = {{ concurrent = -1 }}"),
            "config.toml:4:25: providers.p.limits.concurrent: -1 is not a number from 1",
        ),
        (
            format!("{local}\ndefaults = {{ temperature = 3.5 }}"),
            "config.toml:4:28: providers.p.defaults.temperature: this is not a temperature",
        ),
        (
            format!("{local}\nmodels = {{ m = {{ cost = {{ input = 1 }} }} }}"),
            "config.toml:4:18: providers.p.models.m.cost: \"output\" is missing",
        ),
        (
            format!("{local}\nmodels = {{ m = {{ cost = {{ input = -1, output = 1 }} }} }}"),
            "config.toml:4:35: providers.p.models.m.cost.input: this is not a price",
        ),
        (
            format!("{local}\nheaders = {{ Host = \"x\" }}"),
            "config.toml:4:13: providers.p.headers.Host: \"Host\" is not a header that can be set",
        ),
        (
            format!("{local}\nheaders = {{ a = \"x\", A = \"y\" }}"),
            "config.toml:4:22: providers.p.headers.A: \"A\" is there twice",
        ),
        (
            format!("{local}\nallow_http = \"yes\""),
            "config.toml:4:14: providers.p.allow_http: expected true or false, found text",
        ),
    ];
    for (body, expected) in cases {
        let errors = of(&body);
        assert_eq!(errors.len(), 1, "{body}: {errors:?}");
        assert!(errors[0].starts_with(expected), "{body}: {errors:?}");
    }
    let name = complaints("[providers.\"a/b\"]\nkind = \"demo\"\n", &[], &[]);
    assert!(name[0].starts_with("config.toml:1:12: providers.\"a/b\": \"a/b\" is not a provider's name"), "{name:?}");
    let demo = complaints("[providers.demo]\nkey = \"env:A\"\n", &[], &[]);
    assert!(
        demo[0].starts_with("config.toml:2:1: providers.demo.key: a provider of the kind \"demo\" has no \"key\""),
        "{demo:?}"
    );
}

#[test]
fn a_key_does_not_travel_unencrypted() {
    let of = |url: &str, rest: &str| {
        let text = format!("[providers.p]\nkind = \"openai-compatible\"\nbase_url = \"{url}\"\n{rest}\n");
        try_load(&text, &[("A", "a")], &[])
    };
    let refused = of("http://10.0.0.5:8000/v1", "key = \"env:A\"").unwrap_err();
    assert!(
        matches!(&refused.errors[..], [error] if matches!(&error.kind, ErrorKind::InsecureTransport { host } if host == "10.0.0.5"))
    );
    assert!(refused.to_string().contains("config.toml:3:12: providers.p.base_url: "), "{refused}");
    assert!(of("http://example.com", "headers = { Authorization = \"x\" }").is_err());
    assert!(of("http://localhost.example.com", "key = \"env:A\"").is_err());

    let allowed = of("http://10.0.0.5:8000/v1", "key = \"env:A\"\nallow_http = true").unwrap();
    assert!(matches!(
        allowed.warnings[..],
        [greenroom_config::Warning { kind: WarningKind::InsecureTransport { .. }, .. }]
    ));
    for url in
        ["https://example.com", "http://127.0.0.1:1", "http://[::1]:1", "http://localhost:1", "http://a.localhost"]
    {
        assert_eq!(warnings(&of(url, "key = \"env:A\"").unwrap()), [""; 0], "{url}");
    }
    assert_eq!(warnings(&of("http://example.com", "headers = { X-Title = \"t\" }").unwrap()), [""; 0]);
}

#[test]
fn a_daemon_that_others_can_reach_is_pointed_out() {
    let open = loaded("[server]\nlisten = \"0.0.0.0:4747\"\nallow_plain = true\n", &[]);
    assert!(matches!(
        open.warnings[..],
        [greenroom_config::Warning { kind: WarningKind::ListenBeyondLoopback { .. }, .. }]
    ));
    assert_eq!(open.warnings[0].origin.to_string(), format!("{}:2:10", open.path.unwrap().display()));
}

#[test]
fn a_daemon_that_others_can_reach_wants_a_certificate() {
    let plain = try_load("[server]\nlisten = \"0.0.0.0:4747\"\n", &[], &[]).unwrap_err();
    assert!(matches!(plain.errors[..], [ConfigError { kind: ErrorKind::InsecureListen { .. }, .. }]), "{plain}");
    assert!(plain.errors[0].hint().unwrap().contains("[server.tls]"));
    let tls = "[server.tls]\ncertificate = \"a.pem\"\nkey = \"~/b.pem\"\n";
    let behind = loaded(&format!("[server]\nlisten = \"0.0.0.0:4747\"\n{tls}"), &[]);
    assert_eq!(warnings(&behind), [""; 0]);
    let files = behind.settings.server.tls.unwrap();
    assert_eq!(files.certificate, behind.path.unwrap().with_file_name("a.pem"), "beside the file that names it");
    let environment = Environment::from_iter([("HOME", "/home/me")]);
    assert_eq!(files.key_file(&environment), std::path::Path::new("/home/me/b.pem"));
    for half in ["[server.tls]\nkey = \"b\"\n", "[server.tls]\ncertificate = \"a\"\n", "[server.tls]\n"] {
        let problems = try_load(half, &[], &[]).unwrap_err();
        assert!(problems.errors.iter().all(|error| matches!(error.kind, ErrorKind::Missing { .. })), "{problems}");
    }
    loaded("[server]\nlisten = \"[::1]:4747\"\n", &[]);
}

#[test]
fn a_connect_that_can_never_run_out_is_pointed_out() {
    let odd = loaded("[timeouts]\nconnect = \"5m\"\n", &[]);
    assert_eq!(warnings(&odd).len(), 1);
    assert!(matches!(odd.warnings[0].kind, WarningKind::NoEffect { .. }));
}

#[test]
fn settings_made_in_code_are_held_to_the_same_rules() {
    let profile = |key: &str| Profile {
        key: Some(SecretReference::Environment { variable: key.into() }).into(),
        ..Provider::new("lab", Kind::OpenAi).profiles[0].clone()
    };
    let lab = Provider {
        base_url: Some("http://10.0.0.5/v1".parse().unwrap()),
        profiles: vec![profile("A")],
        ..Provider::new("lab", Kind::OpenAiCompatible)
    };
    let settings = |providers: Vec<Provider>| Settings { providers, ..Settings::default() };
    let environment = Environment::from_iter([("A", "a")]);

    let refused = settings(vec![lab.clone()]).validate(&environment).unwrap_err();
    assert_eq!(refused.errors[0].to_string(), "providers.lab.base_url: a key would be sent to 10.0.0.5 unencrypted");
    let allowed = Provider { allow_http: true, ..lab };
    assert_eq!(settings(vec![allowed.clone()]).validate(&environment).unwrap().len(), 1);

    let twice = settings(vec![allowed.clone(), allowed.clone()]).validate(&environment).unwrap_err();
    assert!(
        matches!(&twice.errors[..], [error] if matches!(&error.kind, ErrorKind::Duplicate { name } if name == "lab"))
    );
    let same_id = Provider { profiles: vec![profile("A"), profile("A")], ..allowed.clone() };
    assert!(matches!(
        settings(vec![same_id]).validate(&environment).unwrap_err().errors[0].kind,
        ErrorKind::Duplicate { .. }
    ));
    let no_way_in = Provider { profiles: Vec::new(), ..allowed.clone() };
    let missing = settings(vec![no_way_in]).validate(&environment).unwrap_err();
    assert!(matches!(missing.errors[0].kind, ErrorKind::Missing { key: "profiles" }));
    let waiting = Provider { profiles: Vec::new(), ..Provider::new("anthropic", Kind::Anthropic) };
    assert!(settings(vec![waiting]).validate(&environment).unwrap().is_empty(), "a key can be added to it");
    let nowhere = settings(vec![Provider { base_url: None, ..allowed }]).validate(&environment).unwrap_err();
    assert!(matches!(nowhere.errors[0].kind, ErrorKind::Missing { key: "base_url" }));
}

#[test]
fn a_wire_is_one_of_openais() {
    let text = "[providers.openai]\nkey = \"env:K\"\nwire = \"responses\"\n[providers.lab]\nkind = \"openai-compatible\"\nbase_url = \"http://127.0.0.1/v1\"\nwire = \"chat\"\n[providers.other]\nkind = \"openai-compatible\"\nbase_url = \"http://127.0.0.1/v1\"\n";
    let all = loaded(text, &[("K", "k")]);
    let wires: Vec<_> = all.settings.providers.iter().map(|provider| provider.wire).collect();
    assert_eq!(wires, [Some(OpenAiWire::Responses), Some(OpenAiWire::Chat), None]);
    assert!(all.show_toml().contains("wire = \"responses\"  # "), "{}", all.show_toml());

    let wrong = complaints("[providers.openai]\nkey = \"env:K\"\nwire = \"respones\"\n", &[("K", "k")], &[]);
    assert!(wrong[0].starts_with("config.toml:3:8: providers.openai.wire: "), "{wrong:?}");
    assert!(wrong[0].contains("responses"), "{wrong:?}");
    let other = complaints("[providers.ollama]\nwire = \"chat\"\n", &[], &[]);
    assert_eq!(
        other,
        [
            "config.toml:2:1: providers.ollama.wire: a provider of the kind \"ollama\" has no \"wire\" | take it out: it would have no effect"
        ]
    );
}

#[test]
fn a_wire_that_a_provider_cannot_have_is_refused_in_code_too() {
    let mut provider = Provider::new("demo", Kind::Demo);
    provider.wire = Some(OpenAiWire::Responses);
    let settings = Settings { providers: vec![provider], ..Settings::default() };
    let problems = settings.validate(&Environment::empty()).unwrap_err();
    assert!(problems.errors.iter().any(|error| matches!(error.kind, ErrorKind::NotApplicable { key: "wire", .. })));
}

#[test]
fn what_goes_with_every_request_to_openrouter_stays_as_it_was_written() {
    let text = "[providers.openrouter]\nkey = \"env:K\"\nrouting = { transforms = [], provider = { sort = \"price\", order = [\"a\", \"b\"], allow_fallbacks = false }, models = [\"x/y\"], top_k = 4, min_p = 0.5 }\n";
    let all = loaded(text, &[("K", "k")]);
    let routing = serde_json::to_string(&all.settings.providers[0].routing).unwrap();
    let want = r#"{"transforms":[],"provider":{"sort":"price","order":["a","b"],"allow_fallbacks":false},"models":["x/y"],"top_k":4,"min_p":0.5}"#;
    assert_eq!(routing, want, "byte for byte, since a prompt begins with it");
    let shown = all.show_toml();
    let again = loaded(&shown, &[("K", "k")]).settings;
    assert_eq!(again.providers[0].routing, all.settings.providers[0].routing, "{shown}");

    let wrong =
        |body: &str| complaints(&format!("[providers.openrouter]\nkey = \"env:K\"\n{body}\n"), &[("K", "k")], &[]);
    let own = wrong("routing = { model = \"x\" }");
    assert!(
        own[0].contains("providers.openrouter.routing.model: \"model\" is not a field that requests don't say"),
        "{own:?}"
    );
    assert!(wrong("routing = 3")[0].contains("providers.openrouter.routing"), "{:?}", wrong("routing = 3"));
    let elsewhere =
        complaints("[providers.openai]\nkey = \"env:K\"\nrouting = { route = \"fallback\" }\n", &[("K", "k")], &[]);
    assert!(elsewhere[0].contains("has no \"routing\""), "{elsewhere:?}");
}

#[test]
fn what_is_copilots_is_said_of_copilot_alone() {
    let text = "[providers.copilot]\ndomain = \"Corp.ghe.com\"\nexchange = true\nenable_models = true\noauth = { client_id = \"x\" }\n";
    let all = loaded(text, &[]);
    let copilot = &all.settings.providers[0];
    assert_eq!(copilot.copilot.domain.as_deref(), Some("corp.ghe.com"));
    assert!(copilot.copilot.exchange && copilot.copilot.enable_models && copilot.profiles.is_empty());
    let oauth = copilot.oauth.as_ref().unwrap();
    assert_eq!(oauth.preset, Some(greenroom_config::OAuthPreset::Copilot), "its logins are GitHub's");
    assert_eq!((oauth.domain.as_deref(), oauth.exchange), (Some("corp.ghe.com"), true), "of the same Enterprise");
    let again = loaded(&all.show_toml(), &[]).settings;
    assert_eq!((&again.providers[0].copilot, &again.providers[0].oauth), (&copilot.copilot, &copilot.oauth));

    let wrong = |body: &str| complaints(&format!("{body}\n"), &[("K", "k")], &[]);
    let elsewhere = wrong("[providers.openai]\nkey = \"env:K\"\nexchange = true");
    assert!(elsewhere[0].contains("has no \"exchange\""), "{elsewhere:?}");
    let unused = wrong("[providers.copilot]\nkey = \"env:K\"\nexchange_url = \"https://a.example/t\"");
    assert!(unused[0].contains("\"exchange_url\" means nothing without exchange = true"), "{unused:?}");
    let host = wrong("[providers.copilot]\nkey = \"env:K\"\ndomain = \"https://a/b\"");
    assert!(host[0].contains("is not the name of a host"), "{host:?}");
}
