//! Aliases, and whether they lead anywhere.

mod common;

use common::{complaints, loaded, try_load, warnings};
use greenroom_config::{AliasTarget, ErrorKind, Strategy, WarningKind};

const DEMO: &str = "[providers.demo]\n[models.aliases]\n";

#[test]
fn every_shape_of_an_alias_is_read() {
    let text = format!(
        "{DEMO}one = \"demo/a\"\nchain = [\"demo/a\", \"demo/b\"]\nany = {{ any = [\"demo/a\", {{ model = \"demo/b\", weight = 3 }}] }}\nquick = {{ any = [\"demo/a\"], strategy = \"latency\" }}\n"
    );
    let models = loaded(&text, &[]).settings.models;
    let target = |name: &str| models.alias(name).unwrap().target.clone();
    assert_eq!(target("one"), AliasTarget::Chain(vec!["demo/a".into()]));
    assert_eq!(target("chain").models().collect::<Vec<_>>(), ["demo/a", "demo/b"]);
    let AliasTarget::Any { models: choices, strategy } = target("any") else { panic!("a choice") };
    assert_eq!(strategy, Strategy::Weighted);
    assert_eq!(choices.iter().map(|choice| choice.weight).collect::<Vec<_>>(), [1, 3]);
    assert!(matches!(target("quick"), AliasTarget::Any { strategy: Strategy::Latency, .. }));
}

#[test]
fn a_circle_is_named_once() {
    let errors = complaints(&format!("{DEMO}x = \"a\"\na = [\"demo/m\", \"b\"]\nb = \"c\"\nc = \"a\"\n"), &[], &[]);
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(
        errors[0].starts_with("config.toml:4:5: models.aliases.a: these aliases lead in a circle: a -> b -> c -> a |"),
        "{errors:?}"
    );

    let itself = try_load(&format!("{DEMO}\"gpt-*\" = \"gpt-5\"\n"), &[], &[]).unwrap_err();
    let ErrorKind::AliasCycle { names } = &itself.errors[0].kind else { panic!("{itself}") };
    assert_eq!(names, &["gpt-*", "gpt-*"]);

    let two = complaints(&format!("{DEMO}a = \"b\"\nb = \"a\"\nc = \"d\"\nd = \"c\"\n"), &[], &[]);
    assert_eq!(two.len(), 2, "{two:?}");
    assert_eq!(warnings(&loaded(&format!("{DEMO}a = [\"b\", \"c\"]\nb = \"c\"\nc = \"demo/m\"\n"), &[])), [""; 0]);
}

#[test]
fn a_model_of_a_provider_that_is_not_there() {
    let openai = "[providers.openai]\nkey = \"env:K\"\n";
    let refused =
        complaints(&format!("{openai}[models.aliases]\na = [\"openai/m\", \"opnai/m\"]\n"), &[("K", "k")], &[]);
    assert_eq!(
        refused,
        [
            "config.toml:4:18: models.aliases.a[1]: \"opnai/m\" names no configured provider | did you mean \"openai/m\"?"
        ]
    );

    let lab = "[providers.lab]\nkind = \"openai-compatible\"\nbase_url = \"http://127.0.0.1/v1\"\n";
    let could_be = loaded(
        &format!(
            "{lab}models = {{ \"known/id\" = {{}} }}\n[models]\ndefault = \"meta/llama\"\naliases = {{ k = \"known/id\" }}\n"
        ),
        &[],
    );
    assert!(
        matches!(&could_be.warnings[..], [warning] if matches!(&warning.kind, WarningKind::UnknownProvider { model } if model == "meta/llama"))
    );

    let found = loaded("[models]\ndefault = \"openai/gpt-5.1\"\n", &[]);
    assert_eq!(found.warnings.len(), 1, "without a key the demo serves, and the default is only pointed out");
}

#[test]
fn a_provider_that_is_broken_is_there_all_the_same() {
    let errors = complaints("[providers.lab]\nkind = 1\n[models]\ndefault = \"lab/m\"\n", &[], &[]);
    assert_eq!(errors, ["config.toml:2:8: providers.lab.kind: expected text, found a number"]);
}

#[test]
fn slips_in_names_are_pointed_out() {
    let slip = loaded(
        &format!("[models]\ndefault = \"smrt\"\n{DEMO}smart = \"demo/m\"\ngpt-5 = \"demo/m\"\nx = \"gpt-4\"\n"),
        &[],
    );
    let shown: Vec<_> = slip.warnings.iter().map(|warning| (warning.path.as_str(), warning.hint().unwrap())).collect();
    assert_eq!(shown, [("models.default", "did you mean \"smart\"?")]);

    let shadowed = loaded(&format!("{DEMO}\"demo/m\" = \"demo/n\"\n"), &[]);
    assert!(matches!(shadowed.warnings[0].kind, WarningKind::ShadowedAlias { .. }));

    let weighted =
        loaded(&format!("{DEMO}a = {{ any = [{{ model = \"demo/m\", weight = 2 }}], strategy = \"cost\" }}\n"), &[]);
    assert!(matches!(weighted.warnings[0].kind, WarningKind::NoEffect { .. }));
}

#[test]
fn aliases_that_cannot_be_meant_are_refused() {
    for (alias, expected) in [
        ("a = []", "config.toml:3:5: models.aliases.a: this is not a list with at least one model"),
        ("a = [1]", "config.toml:3:6: models.aliases.a[0]: expected text, found a number"),
        ("a = \" \"", "config.toml:3:5: models.aliases.a: this is not a name"),
        ("a = { strategy = \"cost\" }", "config.toml:3:1: models.aliases.a: \"any\" is missing"),
        (
            "a = { any = [\"demo/m\"], strategy = \"luck\" }",
            "config.toml:3:36: models.aliases.a.strategy: \"luck\" is not",
        ),
        ("a = { any = [{ weight = 2 }] }", "config.toml:3:14: models.aliases.a.any[0]: \"model\" is missing"),
        (
            "a = { any = [\"demo/m\"], stratgy = 1 }",
            "config.toml:3:25: unknown key \"stratgy\" | did you mean \"strategy\"?",
        ),
    ] {
        let errors = complaints(&format!("{DEMO}{alias}\n"), &[], &[]);
        assert_eq!(errors.len(), 1, "{alias}: {errors:?}");
        assert!(errors[0].starts_with(expected), "{alias}: {errors:?}");
    }
}
