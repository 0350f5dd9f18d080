//! Settings that are changed in the file, and looked up.

mod common;

use std::path::PathBuf;

use common::{source, write};
use greenroom_config::{Change, EditError, Edited, NoValue, Origin, Source, edit, load};

fn change(key: &str, value: Option<&str>) -> Change {
    Change { key: key.parse().expect("a key"), value: value.map(str::to_owned) }
}

fn try_edit(text: &str, variables: &[(&str, &str)], changes: &[(&str, Option<&str>)]) -> Result<Edited, EditError> {
    let changes: Vec<Change> = changes.iter().map(|(key, value)| change(key, *value)).collect();
    let source = Source { explicit: false, ..source(&PathBuf::from("/none/config.toml"), variables, &[]) };
    edit(&source, Some(text), &changes)
}

fn set(text: &str, key: &str, value: &str) -> String {
    try_edit(text, &[], &[(key, Some(value))]).unwrap_or_else(|error| panic!("{error}: {error:?}")).text
}

/// What is wrong, as `path: what`.
fn wrong(text: &str, changes: &[(&str, Option<&str>)]) -> Vec<String> {
    match try_edit(text, &[], changes) {
        Err(EditError::Wrong(problems)) => {
            problems.errors.iter().map(|error| format!("{}: {}", error.path, error.kind)).collect()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_value_is_written_as_its_setting_wants_it() {
    for (key, value, written) in [
        ("server.allow_plain", "yes", "true"),
        ("server.allow_plain", "true", "true"),
        ("server.listen", "127.0.0.1:9", "\"127.0.0.1:9\""),
        ("server.grace", "1m 30s", "\"1m 30s\""),
        ("server.max_body", "32MiB", "\"32MiB\""),
        ("server.max_body", "1024", "1024"),
        ("server.allowed_hosts", "a.example, b.example", "[\"a.example\", \"b.example\"]"),
        ("server.allowed_hosts", "a.example", "[\"a.example\"]"),
        ("server.allowed_hosts", "['a.example']", "['a.example']"),
        ("failover.attempts", "3", "3"),
        ("models.default", "7", "\"7\""),
        ("models.aliases.x", "demo/demo, demo/other", "[\"demo/demo\", \"demo/other\"]"),
        ("models.aliases.x", "demo/demo", "\"demo/demo\""),
        ("cache.models", "demo/*", "[\"demo/*\"]"),
        ("providers.demo.defaults", "{ temperature = 0.5 }", "{ temperature = 0.5 }"),
        ("providers.demo.defaults.temperature", "1", "defaults = { temperature = 1 }"),
    ] {
        let changed = set("[providers.demo]\n", key, value);
        assert!(changed.ends_with(&format!("{written}\n")), "{key} {value}: {changed}");
    }
}

#[test]
fn several_changes_are_held_to_what_they_come_to() {
    let kind = ("providers.lab.kind", Some("openai-compatible"));
    let url = ("providers.lab.base_url", Some("http://127.0.0.1:8000/v1"));
    let written = "[providers.lab]\nkind = \"openai-compatible\"\nbase_url = \"http://127.0.0.1:8000/v1\"\n";
    assert_eq!(try_edit("", &[], &[kind, url]).expect("both make a provider").text, written);
    assert!(try_edit("", &[], &[url, kind]).is_ok(), "in whatever order");
    assert_eq!(wrong("", &[kind]), ["providers.lab: \"base_url\" is missing"]);
    assert_eq!(wrong(written, &[("providers.lab.base_url", None)]), ["providers.lab: \"base_url\" is missing"]);
}

#[test]
fn what_is_wrong_is_told_by_the_name_of_the_setting() {
    assert_eq!(wrong("", &[("server.listn", Some("x"))]), ["server.listn: unknown key \"listn\""]);
    assert_eq!(wrong("", &[("sever.listen", Some("x"))]), ["sever: unknown key \"sever\""]);
    let listen = "server.listen: \"nowhere\" is not an address with a port, such as \"127.0.0.1:4747\"";
    assert_eq!(wrong("", &[("server.listen", Some("nowhere"))]), [listen]);
    assert_eq!(wrong("", &[("sessions.keep", Some("5"))]).len(), 1);
    assert_eq!(
        wrong("", &[("failover.attempts", Some("many"))]),
        ["failover.attempts: expected a whole number, found text"]
    );
    let refused = try_edit("[server]\nlisten = \"127.0.0.1:1\"\n", &[], &[("server.listen.port", Some("1"))]);
    assert!(matches!(refused, Err(EditError::NotATable { path, .. }) if path == "server.listen"));
    assert!(matches!(try_edit("[server\n", &[], &[("usage.keep", Some("1d"))]), Err(EditError::Syntax(_))));
    assert!(matches!(try_edit("", &[], &[("usage.keep", None)]), Err(EditError::NotThere { .. })));
}

#[test]
fn a_variable_hides_a_value_and_not_what_is_wrong_with_it() {
    let variables = [("GREENROOM__SERVER__LISTEN", "127.0.0.1:2")];
    let edited = try_edit("", &variables, &[("server.listen", Some("127.0.0.1:1"))]).expect("it is right");
    let origin = Origin::Environment { variable: "GREENROOM__SERVER__LISTEN".to_owned() };
    assert_eq!(edited.hidden, [("server.listen".parse().expect("a key"), origin)]);
    assert!(try_edit("", &variables, &[("server.listen", Some("nowhere"))]).is_err());
}

#[test]
fn a_secret_that_is_written_out_is_told_of() {
    let with = |key: &str, value: &str| {
        try_edit("[providers.openai]\n", &[], &[(key, Some(value))]).expect("it is right").literals
    };
    assert_eq!(with("providers.openai.key", "sk-secret"), ["providers.openai.key"]);
    assert_eq!(with("providers.openai.key", "env:A_KEY"), [""; 0]);
    assert_eq!(with("providers.openai.profiles", "[{ id = 'a', key = 'sk-x' }]"), ["providers.openai.profiles[0].key"]);
    assert_eq!(with("providers.openai.headers.Authorization", "Bearer x"), ["providers.openai.headers.Authorization"]);
    assert_eq!(with("providers.openai.headers.X-Title", "greenroom"), [""; 0]);
}

#[test]
fn a_setting_is_found_with_the_place_it_was_written_at() {
    let file = write(
        "[server]\nlisten = \"127.0.0.1:1\"\n[providers.lab]\nkind = \"openai-compatible\"\nbase_url = \"http://127.0.0.1:2\"\n\
         key = \"sk-secret\"\n[models.aliases]\n\"a.b\" = [\"lab/x\", \"lab/y\"]\n",
    );
    let source = source(&file.path, &[("GREENROOM__FAILOVER__ATTEMPTS", "3")], &[]);
    let loaded = load(&source).expect("it is right");
    let get = |key: &str| loaded.get(&source, &key.parse().expect("a key"));
    let shown = |key: &str| {
        let found = get(key).unwrap_or_else(|error| panic!("{key}: {error}"));
        let origin = found.origin.to_string();
        (found.value.to_string(), origin.rsplit('/').next().unwrap_or_default().to_owned())
    };
    let expected = |value: &str, origin: &str| (value.to_owned(), origin.to_owned());
    assert_eq!(shown("server.listen"), expected("\"127.0.0.1:1\"", "config.toml:2:10"));
    assert_eq!(shown("server.grace"), expected("\"10s\"", "default"));
    assert_eq!(shown("failover.attempts"), expected("3", "GREENROOM__FAILOVER__ATTEMPTS"));
    assert_eq!(shown("models.aliases.\"a.b\".0"), expected("\"lab/x\"", "config.toml:8:10"));
    assert_eq!(shown("providers.lab.key"), expected("\"(literal, hidden)\"", "config.toml:6:7"));
    assert!(get("providers.lab").expect("it is there").origins.len() >= 3);
    assert!(matches!(get("models.default"), Err(NoValue::NotSet { .. })));
    for (key, message) in [
        ("server.listn", "server.listn: unknown key \"listn\""),
        ("sever", "sever: unknown key \"sever\""),
        ("providers.lba.key", "there is no provider \"lba\""),
    ] {
        assert_eq!(get(key).expect_err(key).to_string(), message);
    }
}
