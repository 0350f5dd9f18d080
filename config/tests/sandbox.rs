//! `[sandbox]`, and the files that a sandbox has to let through.

mod common;

use std::path::PathBuf;

use common::{complaints, loaded, try_load, warnings, write};
use greenroom_config::{Environment, Sandbox, SandboxMode, Source, load};

fn with(text: &str, variables: &[(&str, &str)]) -> Sandbox {
    loaded(text, variables).settings.sandbox
}

#[test]
fn there_is_none_unless_it_is_asked_for() {
    assert_eq!(with("", &[]), Sandbox { mode: SandboxMode::Off, read: Vec::new(), write: Vec::new() });
    assert_eq!(with("[sandbox]\nmode = \"best-effort\"\n", &[]).mode, SandboxMode::BestEffort);
    assert_eq!(with("", &[("GREENROOM__SANDBOX__MODE", "required")]).mode, SandboxMode::Required);
}

#[test]
fn paths_start_from_the_file_the_home_or_the_root() {
    let written = write("[sandbox]\nread = [\"keys\", \"~/.keys\", \"/usr/bin/pass\"]\nwrite = [\"out\"]\n");
    let environment = Environment::from_iter([("HOME", "/home/ada")]);
    let source = Source { file: Some(written.path.clone()), explicit: true, environment, overrides: Vec::new() };
    let sandbox = load(&source).unwrap().settings.sandbox;
    let here = written.directory.path();
    let read = [here.join("keys"), "/home/ada/.keys".into(), "/usr/bin/pass".into()];
    assert_eq!(sandbox.read_paths(&source.environment), read);
    assert_eq!(sandbox.write_paths(&source.environment), [here.join("out")]);
    let variables = [("GREENROOM__SANDBOX__READ", "/a, /b")];
    assert_eq!(with("", &variables).read, [PathBuf::from("/a"), PathBuf::from("/b")]);
}

#[test]
fn what_is_wrong_has_its_place_and_a_suggestion() {
    let expected = "\"off\" or \"best-effort\" or \"required\"";
    let found = complaints("[sandbox]\nmode = \"requird\"\n", &[], &[]);
    assert_eq!(found.len(), 1);
    assert!(found[0].starts_with("config.toml:2:8: ") && found[0].contains(expected), "{found:?}");
    assert!(found[0].ends_with("| did you mean \"required\"?"), "{found:?}");
    let found = complaints("[sandbox]\nreed = [\"/a\"]\n", &[], &[]);
    assert_eq!(found, ["config.toml:2:1: unknown key \"reed\" | did you mean \"read\"?"]);
    for wrong in ["read = \"/a\"", "read = [3]", "read = [\"\"]", "write = [\"a\\nb\"]", "mode = true"] {
        let problems = try_load(&format!("[sandbox]\n{wrong}\n"), &[], &[]).expect_err(wrong);
        assert!(problems.errors[0].to_string().contains("config.toml:2:"), "{problems}");
    }
}

#[test]
fn paths_without_a_sandbox_deserve_a_second_look() {
    let text = "[sandbox]\nread = [\"/a\"]\nwrite = []\n";
    assert_eq!(warnings(&loaded(text, &[])), ["sandbox.read: this has no effect: there is no sandbox"]);
    assert!(warnings(&loaded(&format!("{text}mode = \"required\"\n"), &[])).is_empty());
}

#[test]
fn every_file_that_is_named_is_known() {
    let text = "[server.tls]\ncertificate = \"/tls/certificate.pem\"\nkey = \"~/key.pem\"\n\
                [providers.one]\nkind = \"openai-compatible\"\nbase_url = \"http://127.0.0.1:1/v1\"\n\
                profiles = [{ id = \"a\", key = \"file:/keys/a\" }, { id = \"b\", key = \"env:KEY\" }]\n\
                headers = { X-One = \"file:/keys/header\" }\n\
                [providers.two]\nkind = \"openai-compatible\"\nbase_url = \"http://127.0.0.1:1/v1\"\nkey = \"file:~/b\"\n";
    let environment = Environment::from_iter([("HOME", "/home/ada"), ("KEY", "x")]);
    let files = loaded(text, &[("KEY", "x")]).settings.files(&environment);
    let expected =
        ["/tls/certificate.pem", "/home/ada/key.pem", "/keys/a", "/keys/header", "/home/ada/b"].map(PathBuf::from);
    assert_eq!(files, expected);
}
