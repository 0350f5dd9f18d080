//! A secret is never seen, and its absence is.

mod common;

use common::{complaints, loaded, restrict, source, warnings, write};
use greenroom_config::{Credential, Environment, Loaded, SecretError, SecretReference, WarningKind, load};
use secrecy::ExposeSecret;

const SENTINEL: &str = "sk-do-not-show-this-9f3b";

fn resolved(loaded: &Loaded, environment: &Environment) -> String {
    let provider = &loaded.settings.providers[0];
    let key = provider.key(&provider.profiles[0], environment).expect("the secret is there");
    key.expect("the profile has a key").expose_secret().to_owned()
}

#[test]
fn nothing_that_is_shown_has_a_secret_in_it() {
    let text = format!(
        "[providers.openai]\nprofiles = [{{ id = \"a\", key = \"{SENTINEL}\" }}, {{ id = \"b\", key = \"env:K\" }}]\nheaders = {{ X-Token = \"{SENTINEL}\", X-Title = \"{SENTINEL}\" }}\n"
    );
    let written = write(&text);
    let source = source(
        &written.path,
        &[("K", SENTINEL)],
        &[("--key", "providers.two.key", SENTINEL), ("--kind", "providers.two.kind", "openai")],
    );
    let loaded = load(&source).unwrap();
    let all = format!(
        "{source:?} {:?} {loaded:?} {loaded:#?} {} {} {} {}",
        loaded.settings,
        loaded.settings.to_toml(),
        loaded.settings.to_json(),
        loaded.show_toml(),
        loaded.show_json(),
    );
    assert!(!all.contains(SENTINEL), "{all}");
    assert!(!all.contains("do-not-show"), "{all}");
    assert!(loaded.settings.to_toml().contains("(literal, hidden)") && loaded.settings.to_toml().contains("env:K"));
    let texts: String =
        loaded.warnings.iter().map(|warning| format!("{warning} {warning:?} {:?}", warning.hint())).collect();
    assert!(!texts.contains(SENTINEL), "{texts}");
    assert_eq!(loaded.settings.providers[0].profiles.len(), 2);
    let openai = &loaded.settings.providers[0];
    assert_eq!(openai.key(&openai.profiles[0], &source.environment).unwrap().unwrap().expose_secret(), SENTINEL);
}

#[test]
fn no_error_has_a_secret_in_it() {
    let bodies = [
        format!("key = [\"{SENTINEL}\"]"),
        format!("key = \"evn:{SENTINEL}\""),
        format!("key = \"command:x '{SENTINEL}\""),
        format!("profiles = [{{ id = \"a\", key = \"{SENTINEL}\", wieght = 1 }}]"),
        format!("key = \"env:A\"\nbase_url = \"https://user:{SENTINEL}@host/v1\""),
        format!("key = \"env:A\"\nbase_url = \"https://host/v1?key={SENTINEL}\""),
        format!("key = \"{SENTINEL}"),
        format!("key = \"{SENTINEL}\" x"),
        format!("key = {SENTINEL}"),
        format!("headers = {{ Authorization = 1, X = [\"{SENTINEL}\"] }}\nkey = \"env:A\""),
    ];
    for body in bodies {
        let text = format!("[providers.openai]\n{body}\n");
        let problems = load(&source(&write(&text).path, &[], &[])).expect_err(&body);
        let shown = format!("{problems} {problems:?}");
        assert!(!shown.contains("do-not-show"), "{body}: {shown}");
    }
}

#[test]
fn references_are_resolved() {
    let written = write("");
    let directory = written.directory.path();
    let key = directory.join("key");
    std::fs::write(&key, " sk-from-file\r\n").unwrap();
    restrict(&key);
    let home = directory.display().to_string();
    for (reference, variables) in [
        (format!("file:{}", key.display()), vec![]),
        ("file:~/key".to_owned(), vec![("HOME", home.as_str())]),
        ("file:key".to_owned(), vec![]),
        ("env:K".to_owned(), vec![("K", "sk-from-file\n")]),
        ("sk-from-file".to_owned(), vec![]),
    ] {
        std::fs::write(&written.path, format!("[providers.openai]\nkey = \"{reference}\"\n")).unwrap();
        let source = source(&written.path, &variables, &[]);
        let loaded = load(&source).unwrap();
        assert_eq!(resolved(&loaded, &source.environment), "sk-from-file", "{reference}");
        let literal = loaded.warnings.iter().any(|warning| matches!(warning.kind, WarningKind::LiteralSecret));
        assert_eq!(literal, reference == "sk-from-file", "{:?}", loaded.warnings);
    }
}

#[test]
fn a_missing_secret_names_provider_profile_and_variable() {
    let loaded = loaded("[providers.openai]\nprofiles = [{ id = \"work\", key = \"env:WORK_KEY\" }]\n", &[]);
    let provider = &loaded.settings.providers[0];
    let error = provider.key(&provider.profiles[0], &Environment::empty()).unwrap_err();
    assert_eq!((error.provider.as_str(), &error.credential), ("openai", &Credential::Profile("work".into())));
    assert!(matches!(&error.source, SecretError::NotSet { variable } if variable == "WORK_KEY"));
    assert_eq!(
        warnings(&loaded),
        [
            "providers.openai.profiles[0].key: no secret for the profile \"work\" of the provider \"openai\": the variable WORK_KEY is not set"
        ]
    );
    assert_eq!(loaded.warnings[0].hint(), Some("set it where greenroom is started: export WORK_KEY=…"));
    assert_eq!(loaded.warnings[0].origin.to_string(), format!("{}:2:34", loaded.path.as_ref().unwrap().display()));
}

#[test]
fn what_cannot_be_a_key_is_not_one() {
    let written = write("");
    let file = written.directory.path().join("key");
    let reference = |text: &str| loaded(&format!("[providers.openai]\nkey = \"{text}\"\n"), &[]);
    let failure = |loaded: &Loaded, environment: &Environment| {
        let provider = &loaded.settings.providers[0];
        provider.key(&provider.profiles[0], environment).unwrap_err().source
    };
    let from_file = reference(&format!("file:{}", file.display()));
    assert!(matches!(failure(&from_file, &Environment::empty()), SecretError::Unreadable { .. }));
    for (bytes, empty) in [(b"\n".as_slice(), true), (b"a\nb", false), (b"\xff\xfe", false)] {
        std::fs::write(&file, bytes).unwrap();
        let error = failure(&from_file, &Environment::empty());
        assert_eq!(matches!(error, SecretError::Empty { .. }), empty, "{error:?}");
        assert_eq!(matches!(error, SecretError::NotOneLine { .. }), !empty, "{error:?}");
    }
    std::fs::write(&file, vec![b'a'; 70_000]).unwrap();
    assert!(matches!(failure(&from_file, &Environment::empty()), SecretError::Unreadable { .. }));
    let blank = Environment::from_iter([("K", "  ")]);
    assert!(matches!(failure(&reference("env:K"), &blank), SecretError::Empty { .. }));
}

#[test]
fn what_is_no_reference_is_refused() {
    let of = |text: &str| complaints(&format!("[providers.openai]\nkey = \"{text}\"\n"), &[], &[]).remove(0);
    assert_eq!(
        of("command:pass 'x"),
        "config.toml:2:7: providers.openai.key: this is not a command | write the program and its arguments; a quote that is opened is closed"
    );
    assert_eq!(
        of("evn:X"),
        "config.toml:2:7: providers.openai.key: this is not a reference to a secret | did you mean \"env:\"?"
    );
    for empty in ["env: ", "keyring:", "command: "] {
        assert_eq!(
            of(empty),
            "config.toml:2:7: providers.openai.key: this is not a reference to a secret | use \"env:NAME\", \"file:PATH\", \"keyring:ENTRY\" or \"command:PROGRAM ARGS\""
        );
    }
}

#[test]
fn a_keyring_is_asked_by_who_has_one() {
    let loaded = loaded("[providers.openai]\nkey = \"keyring:openai/home\"\n", &[]);
    assert_eq!(warnings(&loaded), [""; 0], "a check asks no keyring");
    assert!(loaded.show_toml().contains("key = \"keyring:openai/home\""), "{}", loaded.show_toml());
    let openai = &loaded.settings.providers[0];
    let key = |environment: &Environment| openai.key(&openai.profiles[0], environment).map(Option::unwrap);
    let unasked = key(&Environment::empty()).unwrap_err();
    assert!(matches!(&unasked.source, SecretError::NotLookedUp { entry } if entry == "openai/home"), "{unasked:?}");

    let reference = loaded.settings.references().next().unwrap();
    assert!(reference.is_slow());
    let secret = SecretReference::of_entry("openai/home", &" sk-kept\n".into());
    let asked = Environment::empty().looked_up(reference, secret);
    assert_eq!(key(&asked).unwrap().expose_secret(), "sk-kept");
    assert!(!format!("{asked:?}").contains("sk-kept"));
    let absent = SecretError::NoEntry { entry: "openai/home".into() };
    let without = Environment::empty().looked_up(reference, Err(absent));
    assert_eq!(loaded.settings.validate(&without).unwrap().len(), 1, "what was looked up is told of");
    assert!(key(&without).unwrap_err().hint().contains("the user \"openai/home\""));
    assert!(SecretReference::of_entry("e", &"two\nlines".into()).is_err());
}

#[cfg(unix)]
#[test]
fn a_command_is_run_when_its_secret_is_wanted_and_not_before() {
    let written = write("");
    let directory = written.directory.path();
    let ran = directory.join("ran");
    let script = format!("touch {}; echo  {SENTINEL}; echo {SENTINEL} >&2; exit $CODE", ran.display());
    let text = format!("[providers.openai]\nkey = \"command:sh -c '{script}'\"\n");
    std::fs::write(&written.path, text).unwrap();
    let source = |code| source(&written.path, &[("PATH", "/usr/bin:/bin"), ("CODE", code)], &[]);
    let loaded = load(&source("0")).unwrap();
    assert_eq!(warnings(&loaded), [""; 0]);
    assert!(!ran.exists(), "a check runs nothing");
    assert_eq!(resolved(&loaded, &source("0").environment), SENTINEL);
    assert!(ran.exists());

    let openai = &loaded.settings.providers[0];
    let failed = openai.key(&openai.profiles[0], &source("3").environment).unwrap_err();
    let cause = std::error::Error::source(&failed.source).unwrap();
    assert_eq!(format!("{}: {cause}", failed.source), "the command sh does not give it: it ended with exit code 3");
    assert!(!format!("{failed:?} {}", failed.hint()).contains("do-not-show"));
}

#[cfg(unix)]
#[test]
fn a_file_that_others_can_read_is_pointed_out() {
    use std::os::unix::fs::PermissionsExt;

    let written = write("[providers.openai]\nkey = \"file:key\"\n");
    let key = written.directory.path().join("key");
    std::fs::write(&key, "sk").unwrap();
    for (mode, warned) in [(0o600, false), (0o640, true), (0o604, true), (0o400, false)] {
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(mode)).unwrap();
        let loaded = load(&source(&written.path, &[], &[])).unwrap();
        let found = loaded.warnings.iter().any(|warning| matches!(&warning.kind, WarningKind::ReadableByOthers { path, mode: seen } if *path == key && *seen == mode));
        assert_eq!(found, warned, "{mode:o}: {:?}", loaded.warnings);
    }
    std::fs::write(&written.path, "[providers.openai]\nkey = \"sk-literal\"\n").unwrap();
    std::fs::set_permissions(&written.path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let literal = load(&source(&written.path, &[], &[])).unwrap();
    assert_eq!(literal.warnings.len(), 2, "{:?}", literal.warnings);
}

#[test]
fn a_literal_in_a_variable_is_nothing_to_warn_of() {
    let loaded = loaded("[providers.openai]\n", &[("GREENROOM__PROVIDERS__OPENAI__KEY", "sk-1")]);
    assert_eq!(warnings(&loaded), [""; 0]);
}
