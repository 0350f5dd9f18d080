//! The effective settings, shown.

mod common;

use std::time::Duration;

use common::{loaded, try_load};
use greenroom_config::{Environment, SAMPLE, Source, load};

/// The sample with every setting in effect: prose has a space behind its `#`, settings have none.
fn uncommented() -> String {
    let line = |line: &str| match line.strip_prefix('#') {
        Some(setting) if !setting.is_empty() && !setting.starts_with(' ') => setting.to_owned(),
        _ => line.to_owned(),
    };
    SAMPLE.lines().map(|text| line(text) + "\n").collect()
}

#[test]
fn the_sample_says_nothing_until_its_lines_are_uncommented() {
    assert!(SAMPLE.lines().all(|line| line.is_empty() || line.starts_with('#')));
    let nothing = load(&Source::new(Environment::empty())).unwrap().settings;
    assert_eq!(loaded(SAMPLE, &[]).settings, nothing);
}

#[test]
fn the_sample_is_valid_and_shows_the_defaults() {
    let all = loaded(&uncommented(), &[("OPENAI_API_KEY", "a"), ("OPENAI_API_KEY_HOME", "b")]).settings;
    let defaults = load(&Source::new(Environment::empty())).unwrap().settings;
    assert_eq!(all.timeouts, defaults.timeouts);
    assert_eq!(all.failover, defaults.failover);
    assert_eq!(all.sessions, defaults.sessions);
    assert_eq!(all.store, defaults.store);
    assert_eq!(all.credentials.store, defaults.credentials.store);
    assert_eq!(all.server.listen, defaults.server.listen);
    assert_eq!((all.server.grace, all.server.max_body), (defaults.server.grace, defaults.server.max_body));
    assert_eq!(all.providers[0].queue, defaults.providers[0].queue);
}

#[test]
fn the_sample_leaves_no_setting_out() {
    let all = loaded(&uncommented(), &[]);
    let shown = all.settings.to_json();
    let defaults = load(&Source::new(Environment::empty())).unwrap().settings.to_json();
    for (section, values) in defaults.as_object().unwrap().iter().filter(|(section, _)| *section != "providers") {
        for key in values.as_object().unwrap().keys() {
            let written = all.origins.get(&format!("{section}.{key}"));
            assert_ne!(written.to_string(), "default", "{section}.{key} is not in the sample");
        }
    }
    let mut keys: Vec<&String> =
        ["openai", "lab"].iter().flat_map(|name| shown["providers"][name].as_object().unwrap().keys()).collect();
    keys.sort_unstable();
    keys.dedup();
    let every = [
        "allow_http",
        "base_url",
        "defaults",
        "headers",
        "kind",
        "limits",
        "models",
        "oauth",
        "organization",
        "profiles",
        "project",
        "queue",
        "shared_limits",
        "timeouts",
        "wire",
    ];
    assert_eq!(keys, every);
    let every = ["audience", "authorize_url", "client_id", "client_secret", "device_url", "domain", "exchange", "flow"];
    let rest = ["exchange_url", "preset", "redirect_url", "scopes", "token_url"];
    for key in every.into_iter().chain(rest) {
        let written = |name: &str| all.origins.get(&format!("providers.{name}.oauth.{key}")).to_string();
        assert!(written("openai") != "default" || written("lab") != "default", "oauth.{key} is not in the sample");
    }
}

#[test]
fn what_is_shown_can_be_read_again() {
    let mut first = loaded(&uncommented(), &[("OPENAI_API_KEY", "a")]).settings;
    first.providers.iter_mut().for_each(|provider| provider.headers.clear());
    let text = first.to_toml();
    let mut second = loaded(&text, &[("OPENAI_API_KEY", "a")]).settings;
    for (one, other) in first.providers.iter().zip(&mut second.providers) {
        other.origin = one.origin.clone();
    }
    assert_eq!(first, second, "{text}");
}

#[test]
fn each_value_says_where_it_comes_from() {
    let text = "[server]\nlisten = \"127.0.0.1:1\"\n[providers.openai]\nkey = \"env:K\"\n[models.aliases]\n\"g*\" = [\"openai/a\"]\n";
    let all =
        try_load(text, &[("GREENROOM__SERVER__GRACE", "3s"), ("K", "k")], &[("--max-body", "server.max_body", "1KiB")])
            .unwrap();
    let path = all.path.as_ref().unwrap().display().to_string();
    let toml = all.show_toml();
    for line in [
        format!("listen = \"127.0.0.1:1\"  # {path}:2:10"),
        "grace = \"3s\"  # GREENROOM__SERVER__GRACE".to_owned(),
        "max_body = \"1KiB\"  # --max-body".to_owned(),
        "attempts = 8  # default".to_owned(),
        "[providers.openai]".to_owned(),
        format!("profiles = [{{ id = \"default\", key = \"env:K\", weight = 1 }}]  # {path}:4:7"),
        format!("\"g*\" = \"openai/a\"  # {path}:6:8"),
    ] {
        assert!(toml.lines().any(|shown| shown == line), "{line}\nis not in\n{toml}");
    }
    let json = all.show_json();
    assert_eq!(json["settings"]["server"]["grace"], "3s");
    assert_eq!(json["origins"]["server.max_body"], "--max-body");
    assert_eq!(json["origins"]["models.aliases.\"g*\"[0]"], format!("{path}:6:9"));
    assert_eq!(json["discovery"], "configured");
    assert!(json["origins"].get("server").is_none(), "tables are no values");
    assert!(json["settings"]["providers"]["openai"].get("timeouts").is_none(), "the same as [timeouts]");
}

#[test]
fn what_has_no_key_can_be_read_again_as_well() {
    let text = "[providers.lab]\nkind = \"openai-compatible\"\nbase_url = \"http://127.0.0.1:1/v1\"\n\
                limits = { concurrent = 2 }\n[providers.ollama]\n";
    let first = loaded(text, &[]).settings;
    let shown = first.to_toml();
    assert!(shown.contains("limits = { concurrent = 2 }") && !shown.contains("profiles"), "{shown}");
    let mut second = loaded(&shown, &[]).settings;
    for (one, other) in first.providers.iter().zip(&mut second.providers) {
        other.origin = one.origin.clone();
    }
    assert_eq!(first, second, "{shown}");
}

#[test]
fn the_rules_of_sessions_are_shown_as_they_were_written() {
    let text = "[sessions]\nhibernate_after = \"5m\"\nkeep = \"90d\"\ndisk_quota = \"10GiB\"\n\
                on_crash = \"mark\"\ncontext = \"summarise\"\n[providers.ollama]\n";
    let first = loaded(text, &[]).settings;
    let shown = first.to_toml();
    for line in text.lines() {
        assert!(shown.lines().any(|shown| shown == line), "{line}\nis not in\n{shown}");
    }
    assert_eq!(loaded(&shown, &[]).settings.sessions, first.sessions);
    let (variables, kept) = ([("GREENROOM__SESSIONS__KEEP", "2y")], Duration::from_secs(2 * 31_557_600));
    assert_eq!(try_load(text, &variables, &[]).unwrap().settings.sessions.keep, kept);
}
