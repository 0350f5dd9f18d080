//! Defaults < file < variables < flags.

mod common;

use std::time::Duration;

use common::{loaded, try_load};
use greenroom_config::{AliasTarget, ContextPolicy, Environment, OnCrash, Origin, Settings, Source, load};

#[test]
fn nothing_written_gives_the_defaults() {
    let settings = load(&Source::new(Environment::empty())).unwrap().settings;
    assert_eq!(settings.server.listen.to_string(), "127.0.0.1:4747");
    assert_eq!(settings.server.grace, Duration::from_secs(10));
    assert_eq!(settings.server.max_body, 32 * 1024 * 1024);
    assert_eq!(settings.timeouts.first_token_alone, Duration::from_secs(120));
    assert_eq!(settings.failover.attempts.get(), 8);
    assert_eq!(settings.sessions.max_turn_time, Duration::from_secs(3600));
    assert_eq!(settings.sessions.hibernate_after, Duration::from_secs(60));
    assert_eq!((settings.sessions.keep, settings.sessions.disk_quota), (Duration::ZERO, 0));
    assert_eq!((settings.sessions.on_crash, settings.sessions.context), (OnCrash::Continue, ContextPolicy::Trim));
    assert_eq!(settings.timeouts, Settings::default().timeouts);
}

#[test]
fn each_layer_goes_over_the_one_before() {
    let text = "[server]\nlisten = \"127.0.0.1:1\"\ngrace = \"1s\"\nmax_body = 1\n";
    let variables = [("GREENROOM__SERVER__LISTEN", "127.0.0.1:2"), ("GREENROOM__SERVER__GRACE", "2s")];
    let flags = [("--listen", "server.listen", "127.0.0.1:3"), ("--listen", "server.listen", "127.0.0.1:4")];
    let all = try_load(text, &variables, &flags).unwrap();
    assert_eq!(all.settings.server.listen.port(), 4);
    assert_eq!(all.settings.server.grace, Duration::from_secs(2));
    assert_eq!(all.settings.server.max_body, 1);

    assert_eq!(all.origins.get("server.listen"), &Origin::Flag { flag: "--listen".into() });
    assert_eq!(all.origins.get("server.grace"), &Origin::Environment { variable: "GREENROOM__SERVER__GRACE".into() });
    assert!(matches!(all.origins.get("server.max_body"), Origin::File { line: 4, column: 12, .. }));
    assert_eq!(all.origins.get("timeouts.idle"), &Origin::BuiltIn);
}

#[test]
fn variables_know_numbers_lists_and_tables() {
    let variables = [
        ("GREENROOM__FAILOVER__ATTEMPTS", "3"),
        ("GREENROOM__MODELS__ALIASES__SMART", "[\"demo/a\", \"demo/b\"]"),
        ("GREENROOM__PROVIDERS__DEMO__LIMITS", "{ concurrent = 3 }"),
        ("GREENROOM__PROVIDERS__DEMO__LIMITS__REQUESTS_PER_MINUTE", "9"),
        ("GREENROOM__SERVER__ALLOWED_HOSTS", "a.example, b.example"),
        ("GREENROOM__SERVER__LISTEN", "[::1]:4747"),
        ("GREENROOM_CONFIG", "not a setting"),
    ];
    let settings = loaded("", &variables).settings;
    assert_eq!(settings.failover.attempts.get(), 3);
    assert_eq!(settings.models.aliases[0].name, "smart");
    assert_eq!(settings.models.aliases[0].target, AliasTarget::Chain(vec!["demo/a".into(), "demo/b".into()]));
    let limits = settings.provider("demo").unwrap().profiles[0].limits;
    assert_eq!(limits.concurrent.unwrap().get(), 3);
    assert_eq!(limits.requests_per_minute.unwrap().get(), 9);
    assert_eq!(settings.server.allowed_hosts, ["a.example", "b.example"]);
    assert!(settings.server.listen.is_ipv6());
}

#[test]
fn a_variable_finds_names_that_it_cannot_spell() {
    let text = "[providers.\"My-Lab\"]\nkind = \"openai-compatible\"\nbase_url = \"http://127.0.0.1:1/v1\"\n";
    let settings = loaded(text, &[("GREENROOM__PROVIDERS__MY_LAB__BASE_URL", "http://127.0.0.1:2/v1")]).settings;
    assert_eq!(settings.providers.len(), 1);
    assert_eq!(settings.providers[0].name, "My-Lab");
    assert_eq!(settings.providers[0].base_url.as_ref().unwrap().port(), Some(2));
    assert!(matches!(settings.providers[0].origin, Origin::File { line: 1, .. }), "the file opened it");
}

#[test]
fn providers_and_aliases_keep_their_order() {
    let names = ["zeta", "alpha", "mid", "beta", "omega", "one", "two"];
    let mut text: String = names.iter().map(|name| format!("[providers.{name}]\nkind = \"demo\"\n")).collect();
    text.push_str("[models.aliases]\n");
    names.iter().for_each(|name| text.push_str(&format!("x-{name} = \"{name}/m\"\n")));
    let settings = loaded(&text, &[("GREENROOM__PROVIDERS__MID__LIMITS__CONCURRENT", "1")]).settings;
    assert_eq!(settings.providers.iter().map(|provider| provider.name.as_str()).collect::<Vec<_>>(), names);
    let aliases: Vec<&str> = settings.models.aliases.iter().map(|alias| &alias.name[2..]).collect();
    assert_eq!(aliases, names);
}

#[test]
fn a_flag_reaches_keys_with_quotes() {
    let flags = [("--alias", "models.aliases.\"gpt-*\"", "demo/m")];
    let settings = try_load("[providers.demo]\n", &[], &flags).unwrap().settings;
    assert_eq!(settings.models.alias("gpt-5").unwrap().name, "gpt-*");
}

#[cfg(unix)]
#[test]
fn a_variable_that_is_not_text_is_an_error() {
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt;

    let environment = Environment::from_iter([("GREENROOM__SERVER__GRACE", OsString::from_vec(vec![0xff]))]);
    let problems = load(&Source::new(environment)).unwrap_err();
    assert_eq!(problems.errors[0].to_string(), "GREENROOM__SERVER__GRACE: this is not UTF-8");
}
