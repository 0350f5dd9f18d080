//! Every error says where, what, and what was probably meant.

mod common;

use common::{complaints, try_load};
use greenroom_config::{Durability, ErrorKind, Origin, Source, load};

#[test]
fn an_unknown_key_has_its_place_and_a_suggestion() {
    assert_eq!(
        complaints("# settings\n\n  [provder]\nx = 1\n", &[], &[]),
        ["config.toml:3:4: unknown key \"provder\" | did you mean \"providers\"?"]
    );
    assert_eq!(
        complaints("[server]\nlisten = \"127.0.0.1:1\"\n  maxbody = 3\n", &[], &[]),
        ["config.toml:3:3: unknown key \"maxbody\" | did you mean \"max_body\"?"]
    );
    let inline = "[providers.demo]\nlimits = { concurrent = 1, concurent = 2 }\n";
    assert_eq!(
        complaints(inline, &[], &[]),
        ["config.toml:2:28: unknown key \"concurent\" | did you mean \"concurrent\"?"]
    );
    let nothing_near = complaints("[failover]\nbananas = 1\n", &[], &[]);
    assert_eq!(nothing_near.len(), 1);
    assert!(
        nothing_near[0].ends_with("| known here: max_wait, attempts, continuations, on_interrupt, hedge"),
        "{nothing_near:?}"
    );
}

#[test]
fn columns_count_characters_and_quoted_keys_are_only_keys() {
    assert_eq!(
        complaints("[server]\n\"ü\" = 1\n", &[], &[])[0].split(" | ").next().unwrap(),
        "config.toml:2:1: unknown key \"ü\""
    );
    assert_eq!(
        complaints("models = { aliases = { \"ü\" = \"m\", x = 1 } }\n", &[], &[]),
        [
            "config.toml:1:39: models.aliases.x: expected a model, a list of models, or a table with \"any\", found a number"
        ]
    );
    let dotted = complaints("\"server.listen\" = \"127.0.0.1:1\"\n", &[], &[]);
    assert!(dotted[0].starts_with("config.toml:1:1: unknown key \"server.listen\""), "{dotted:?}");
}

#[test]
fn everything_is_reported_at_once() {
    let text = "\
[server]
listen = 4747
grace = \"ten seconds\"
max_body = \"3 parsecs\"
[timeouts]
connect = 10
idle = \"0s\"
[failover]
attempts = 0
[nonsense]
";
    assert_eq!(
        complaints(text, &[], &[]),
        [
            "config.toml:2:10: server.listen: expected text, found a number",
            "config.toml:3:9: server.grace: \"ten seconds\" is not a duration, such as \"10s\" or \"1m 30s\"",
            "config.toml:4:12: server.max_body: \"3 parsecs\" is not a number of bytes of at least 1, such as \"32MiB\"",
            "config.toml:6:11: timeouts.connect: expected a duration in quotes, such as \"10s\", found a number",
            "config.toml:7:8: timeouts.idle: \"0s\" is not longer than nothing",
            "config.toml:9:12: failover.attempts: 0 is not a number from 1 to 4294967295",
            "config.toml:10:2: unknown key \"nonsense\" | known here: timeouts, server, providers, models, failover, sessions, usage, cache, store, credentials, sandbox",
        ]
    );
}

#[test]
fn what_is_not_toml_has_its_place_too() {
    let errors = complaints("[server]\nlisten = \"127.0.0.1:1\ngrace = 1\nx = = 2\n", &[], &[]);
    assert!(errors.len() >= 2, "{errors:?}");
    assert!(errors[0].starts_with("config.toml:2:"), "{errors:?}");
    assert!(errors.iter().any(|error| error.starts_with("config.toml:4:")), "{errors:?}");
    assert!(errors.iter().all(|error| !error.contains('\n')), "{errors:?}");

    let problems = try_load("[server]\nlisten = 1\nlisten = 2\n", &[], &[]).unwrap_err();
    assert!(matches!(problems.errors[0].kind, ErrorKind::Syntax { .. }));
    assert!(matches!(problems.errors[0].origin, Origin::File { line: 3, column: 1, .. }), "{problems}");
}

#[test]
fn what_is_not_utf8_has_its_place() {
    let directory = tempfile::TempDir::new().unwrap();
    let path = directory.path().join("config.toml");
    std::fs::write(&path, b"[server]\n# \xff\n").unwrap();
    let problems = load(&common::source(&path, &[], &[])).unwrap_err();
    assert!(matches!(problems.errors[0].origin, Origin::File { line: 2, column: 3, .. }), "{problems}");
}

#[test]
fn a_variable_and_a_flag_are_named() {
    let variables = [
        ("GREENROOM__SERVER__LISTEN", "nowhere"),
        ("GREENROOM__SERVR__GRACE", "1s"),
        ("GREENROOM__FAILOVER__ATTEMPTS", "many"),
        ("GREENROOM__SERVER____GRACE", "1s"),
    ];
    let overrides = [("--grace", "server.grace", "soon"), ("--set", "claude-*", "x")];
    assert_eq!(
        complaints("", &variables, &overrides),
        [
            "GREENROOM__SERVER____GRACE: this does not name a setting | two underscores stand between the names: GREENROOM__SERVER__LISTEN",
            "GREENROOM__SERVER__LISTEN: server.listen: \"nowhere\" is not an address with a port, such as \"127.0.0.1:4747\"",
            "GREENROOM__FAILOVER__ATTEMPTS: failover.attempts: \"many\" is not a whole number",
            "GREENROOM__SERVR__GRACE: unknown key \"servr\" | did you mean \"server\"?",
            "--set: this does not name a setting | a setting is named as in TOML: server.listen, models.aliases.\"claude-*\"",
            "--grace: server.grace: \"soon\" is not a duration, such as \"10s\" or \"1m 30s\"",
        ]
    );
}

#[test]
fn what_the_cache_keeps_is_read_strictly() {
    let text = "[cache]\nenabled = 1\nmodels = [\"\"]\nsize = \"0\"\nmax_age = \"long\"\ncolour = 1\n";
    let problems = try_load(text, &[], &[]).unwrap_err();
    let paths: Vec<&str> = problems.errors.iter().map(|error| error.path.as_str()).collect();
    assert_eq!(paths, ["cache.enabled", "cache.models[0]", "cache.size", "cache.max_age", "cache.colour"]);
    let text = "[cache]\nmodels = [\"smart\", \"openai/*\"]\nsize = \"1MiB\"\nmax_age = \"1d\"\n";
    let settings = try_load(text, &[], &[]).unwrap().settings;
    assert_eq!(settings.cache.models, ["smart", "openai/*"]);
    assert_eq!((settings.cache.enabled, settings.cache.size), (false, 1 << 20));
    assert_eq!(settings.cache.max_age, std::time::Duration::from_secs(24 * 60 * 60));
}

#[test]
fn a_named_file_has_to_exist_and_the_usual_one_has_not() {
    let directory = tempfile::TempDir::new().unwrap();
    let path = directory.path().join("none.toml");
    let problems = load(&common::source(&path, &[], &[])).unwrap_err();
    assert!(matches!(problems.errors[..], [greenroom_config::ConfigError { kind: ErrorKind::NoSuchFile, .. }]));
    assert_eq!(problems.errors[0].to_string(), format!("{}: there is no such file", path.display()));

    let loaded = load(&Source { explicit: false, ..common::source(&path, &[], &[]) }).unwrap();
    assert_eq!(loaded.path, None);

    let problems = load(&Source { explicit: false, ..common::source(directory.path(), &[], &[]) }).unwrap_err();
    assert!(matches!(problems.errors[0].kind, ErrorKind::Unreadable(_)), "{problems}");
    assert!(std::error::Error::source(&problems.errors[0]).is_some());
}

#[test]
fn server_names_are_names() {
    let text = "[server]\nallowed_hosts = [\"*\", \"ok.example:80\", \"http://x\"]\nallowed_origins = [\"null\", \"https://ok.example/path\", \"HTTPS://OK.example:443\", \"tauri://localhost\"]\n";
    let errors = complaints(text, &[], &[]);
    assert_eq!(errors.len(), 4, "{errors:?}");
    assert!(errors[0].starts_with("config.toml:2:18: server.allowed_hosts[0]: \"*\" is not a host name"), "{errors:?}");
    assert!(errors[1].starts_with("config.toml:2:40: server.allowed_hosts[2]"), "{errors:?}");
    assert!(errors[2].starts_with("config.toml:3:20: server.allowed_origins[0]"), "{errors:?}");
    assert!(errors[3].starts_with("config.toml:3:28: server.allowed_origins[1]"), "{errors:?}");

    let fine = common::loaded("[server]\nallowed_origins = [\"HTTPS://OK.example:443\", \"tauri://localhost\"]\n", &[]);
    assert_eq!(fine.settings.server.allowed_origins, ["https://ok.example", "tauri://localhost"]);
}

#[test]
fn durability_is_one_of_two_words() {
    let durability = |word: &str| try_load(&format!("[store]\ndurability = {word:?}\n"), &[], &[]);
    assert_eq!(durability("power").unwrap().settings.store.durability, Durability::Power);
    assert_eq!(durability("process").unwrap().settings.store.durability, Durability::Process);
    let problems = durability("powr").unwrap_err();
    assert_eq!(problems.errors[0].path, "store.durability");
    assert_eq!(problems.errors[0].hint(), Some("did you mean \"power\"?"));
}

#[test]
fn a_rule_of_sessions_that_makes_no_sense_says_what_would() {
    for (line, complaint) in [
        (
            "context = \"summarize\"",
            "\"summarize\" is not \"trim\" or \"summarise\" or \"fail\" | did you mean \"summarise\"?",
        ),
        ("on_crash = \"contine\"", "\"contine\" is not \"continue\" or \"mark\" | did you mean \"continue\"?"),
        ("hibernate_after = \"0s\"", "is not longer than nothing"),
        ("keep = \"200y\"", "is not a duration of at most a hundred years"),
        ("keep = 90", "expected a duration in quotes"),
        ("disk_quota = \"lots\"", "is not a number of bytes, such as \"10GiB\""),
        ("disk_quota = -1", "is not a number of bytes, such as \"10GiB\""),
        ("keeep = \"90d\"", "unknown key \"keeep\" | did you mean \"keep\"?"),
    ] {
        let said = complaints(&format!("[sessions]\n{line}\n"), &[], &[]);
        assert!(said.len() == 1 && said[0].contains(complaint), "{line}: {said:?}");
    }
}
