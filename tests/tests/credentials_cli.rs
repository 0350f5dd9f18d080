//! Keys that are added, listed and removed at the command line: alone, beside a daemon, and beside a command that holds the
//! data directory.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

mod cli_support;
mod key_support;

use cli_support::running::Running;
use cli_support::terminal::{CTRL_C, Terminal};
use cli_support::{LIMIT, assert_failed, lines, run_well};
use greenroom_tests::harness::{Daemon, Home, Signal};
use greenroom_tests::openai::{Answer, CHAT};
use greenroom_tests::{Attempt, Route, Script, ScriptedProvider};
use key_support::{BAD, ONE, TWO, add, briefly, home_of, keys_of_chats, listed, name_of, taking, waiting};
use serde_json::json;

async fn stop(mut daemon: Daemon) {
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.wait(LIMIT).await.code(), Some(0), "{}", daemon.output());
}

/// Who has the store while commands are run.
#[derive(Debug, Clone, Copy)]
enum Beside {
    Nobody,
    Daemon,
    Chat,
}

/// What has the store, until it is dropped.
enum Holder {
    Nobody,
    Daemon(Box<Daemon>),
    Chat(Box<Running>, ScriptedProvider),
}

impl Holder {
    async fn begin(home: &Home, beside: Beside) -> Self {
        match beside {
            Beside::Nobody => Self::Nobody,
            Beside::Daemon => Self::Daemon(Box::new(home.serve(&[]).await)),
            Beside::Chat => {
                let stalled: Attempt = Answer::text(["some words", "never"]).stall_after(1).into();
                let other = ScriptedProvider::start(Script::new([Route::new("POST", CHAT, [stalled])])).await;
                let mut command = home.command(&["chat", "-m", "slow/m1", "hello"]);
                command.env("GREENROOM__PROVIDERS__SLOW__KIND", "openai-compatible");
                command.env("GREENROOM__PROVIDERS__SLOW__BASE_URL", format!("{}/v1", other.url()));
                let mut chat = Running::of(command);
                chat.wait_for("some words").await;
                Self::Chat(Box::new(chat), other)
            }
        }
    }

    async fn end(self) {
        match self {
            Self::Nobody => {}
            Self::Daemon(daemon) => stop(*daemon).await,
            Self::Chat(chat, _other) => {
                chat.signal(Signal::INT);
                let (code, _, errors) = chat.end().await;
                assert_eq!(code, Some(130), "{errors}");
            }
        }
    }
}

#[tokio::test]
async fn keys_are_added_listed_and_removed_whoever_has_the_store() {
    for beside in [Beside::Nobody, Beside::Daemon, Beside::Chat] {
        let lab = taking(&[ONE, TWO]).await;
        let home = home_of(&lab);
        let holder = Holder::begin(&home, beside).await;
        let added = add(&home, &["lab"], ONE).await.succeeded();
        assert!(
            added.stdout.starts_with("lab/default is added, sealed in the data directory"),
            "{beside:?}: {added:?}"
        );
        assert_eq!(added.stderr, "", "{beside:?}: it is verified");
        let named = add(&home, &["lab/work", "--json"], TWO).await.succeeded();
        let told = &lines(&named.stdout)[0];
        assert_eq!(
            (&told["provider"], &told["profile"], &told["kind"]),
            (&json!("lab"), &json!("work"), &json!("key"))
        );
        assert_eq!((&told["where"], &told["verified"]), (&json!("store"), &json!(true)), "{beside:?}: {told}");
        let asked = lab.requests().len();
        let unasked = add(&home, &["lab", "--profile", "third", "--no-verify", "--json"], BAD).await.succeeded();
        let told = &lines(&unasked.stdout)[0];
        assert_eq!((&told["verified"], told.get("unverified")), (&json!(false), None), "{beside:?}: {told}");
        assert_eq!((lab.requests().len(), unasked.stderr.as_str()), (asked, ""), "{beside:?}: nobody is asked");

        let list = listed(&home).await;
        let all = ["lab/default store", "lab/work store", "lab/third store"];
        let mut sorted = briefly(&list);
        sorted.sort_unstable();
        assert_eq!(sorted, ["lab/default store", "lab/third store", "lab/work store"], "{beside:?}");
        assert!(list.iter().all(|info| info["state"] == "ok" && info["added"].as_str().unwrap().ends_with('Z')));
        let table = home.run(&["auth", "list"]).await.succeeded().stdout;
        assert!(table.starts_with("PROVIDER  PROFILE") && table.lines().count() == 1 + all.len(), "{table}");

        // Added anew it is the same one, with another key.
        let again = add(&home, &["lab"], &format!("  {TWO}\r")).await.succeeded();
        assert_eq!(again.stdout, added.stdout, "{beside:?}");
        assert_eq!(listed(&home).await.len(), all.len());
        for profile in ["lab/third", "lab/work"] {
            run_well(&home, &["auth", "remove", profile], "").await;
        }
        let answered = home.run(&["chat", "-m", "lab/m1", "hi"]).await.succeeded();
        assert_eq!(answered.stdout.trim_end(), name_of(TWO), "{beside:?}: at once");
        let removed = home.run(&["auth", "remove", "lab", "--profile", "default"]).await.succeeded();
        assert_eq!((removed.stdout.as_str(), removed.stderr.as_str()), ("lab/default is removed\n", ""));
        assert!(listed(&home).await.is_empty(), "{beside:?}");
        let gone = home.run(&["auth", "remove", "lab"]).await;
        assert_failed(&gone, 2, "nothing was added as \"default\" of lab", "`greenroom auth list`");
        holder.end().await;
    }
}

#[tokio::test]
async fn what_cannot_be_added_or_removed_is_told_and_changes_nothing() {
    for beside in [Beside::Nobody, Beside::Daemon] {
        let lab = taking(&[ONE]).await;
        let mut home = Home::new();
        home.env("KEY", ONE);
        let written = waiting("lab", &lab.url()) + "profiles = [{ id = \"set\", key = \"env:KEY\" }]\n";
        home.config(&format!("{written}[providers.demo]\nkind = \"demo\"\n"));
        let holder = Holder::begin(&home, beside).await;
        let long = "k".repeat(1 << 20);
        for (arguments, key, error, hint) in [
            (&["lab"][..], "", "this can't be a key", "one line of text"),
            (&["lab"], " \t ", "this can't be a key", "one line of text"),
            (&["lab"], "one\ntwo", "this can't be a key", "one line of text"),
            (&["lab"], "sk-\u{1b}[31m", "this can't be a key", "one line of text"),
            (&["lab"], "sk-\u{0}x", "this can't be a key", "one line of text"),
            (&["lab"], &long, "this can't be a key", "one line of text"),
            (
                &["nobody"],
                ONE,
                "there is no provider \"nobody\"",
                "there are anthropic, bedrock, copilot, demo, gemini, lab, openai, openrouter",
            ),
            (&["demo"], ONE, "the provider \"demo\" wants no key", "nothing to add"),
            (&["lab/set"], ONE, "has the key of the profile \"set\" itself", "--profile"),
            (&["lab/"], ONE, "can't be the id of a profile", "1 to 64 characters"),
            (&["lab/a b"], ONE, "can't be the id of a profile", "1 to 64 characters"),
            (&["lab/a/b"], ONE, "can't be the id of a profile", "1 to 64 characters"),
            (&["lab", "--profile", &long[..65]], ONE, "can't be the id of a profile", "1 to 64 characters"),
            (&["lab/x", "--profile", "y"], ONE, "the profile is named twice", "--profile"),
            (&["/x"], ONE, "no provider is named", "PROVIDER/PROFILE"),
        ] {
            let output = add(&home, arguments, key).await;
            assert_failed(&output, 2, error, hint);
            assert_eq!((output.stderr.lines().count(), output.stdout.as_str()), (2, ""), "{beside:?} {output:?}");
            assert!(!output.stderr.contains(ONE) && !output.stderr.contains('\u{1b}'), "{output:?}");
        }
        let mut bytes = home.command(&["auth", "add", "lab"]);
        let file = home.path().join("bytes");
        std::fs::write(&file, [0xff, 0xfe, b'\n']).unwrap();
        bytes.stdin(std::fs::File::open(&file).unwrap());
        let output = bytes.output().await.unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(2) && said.contains("this can't be a key"), "{said}");
        for (name, error, hint) in [
            ("lab/set", "has the key of the profile \"set\" itself", "configuration file"),
            ("lab/none", "nothing was added as \"none\" of lab", "auth list"),
            ("nobody", "nothing was added as \"default\" of nobody", "auth list"),
            ("demo", "nothing was added as \"default\" of demo", "auth list"),
        ] {
            assert_failed(&home.run(&["auth", "remove", name]).await, 2, error, hint);
        }
        assert_eq!(briefly(&listed(&home).await), ["lab/set env:KEY"], "{beside:?}");
        assert!(lab.requests().is_empty(), "nobody is asked about what can't be");
        holder.end().await;
    }
}

#[tokio::test]
async fn the_list_has_what_is_configured_and_looking_makes_nothing() {
    let mut home = Home::new();
    let none = home.run(&["auth", "list"]).await.succeeded();
    assert!(none.stdout.is_empty() && none.stderr.contains("`greenroom auth add PROVIDER`"), "{none:?}");
    assert_failed(&home.run(&["auth", "remove", "openai"]).await, 2, "nothing was added", "auth list");
    assert!(!home.data_dir().exists(), "looking makes nothing");
    let key = home.path().join("key");
    std::fs::write(&key, "sk-in-a-file\n").unwrap();
    let file = format!("file:{}", key.display());
    home.env("KEY", "sk-in-a-variable").config(&format!(
        "[providers.openai]\nprofiles = [{{ id = \"a\", key = \"env:KEY\" }}, {{ id = \"b\", key = \"{file}\" }}, \
         {{ id = \"c\", key = \"sk-literal-key\" }}, {{ id = \"d\" }}]\n\
         [providers.near]\nkind = \"openai-compatible\"\nbase_url = \"http://127.0.0.1:1/v1\"\n"
    ));
    let before = listed(&home).await;
    let b = format!("openai/b {file}");
    let all = ["openai/a env:KEY", &b, "openai/c configuration", "openai/d nowhere"];
    assert_eq!(briefly(&before), all);
    assert_eq!(
        before[0],
        json!({"provider": "openai", "profile": "a", "kind": "key", "where": "env:KEY", "state": "ok"})
    );
    assert_eq!((&before[3]["state"], before[3]["reason"].is_string()), (&json!("missing"), true));
    assert!(!home.data_dir().exists(), "looking makes nothing");

    let unverified = add(&home, &["near/me", "--no-verify"], ONE).await.succeeded();
    assert_eq!(unverified.stderr, "");
    run_well(&home, &["auth", "add", "openai/d", "--no-verify"], ONE).await;
    assert_eq!(briefly(&listed(&home).await)[3..], ["openai/d store", "near/me store"]);
    let text = home.run(&["auth", "list"]).await.succeeded().stdout;
    assert!(!text.contains("sk-"), "{text}");

    // What was added for a provider that is gone can still be seen, and removed.
    home.config("[providers.openai]\nkey = \"env:KEY\"\n");
    let left = listed(&home).await;
    assert_eq!(briefly(&left), ["openai/default env:KEY", "openai/d store", "near/me store"]);
    assert_eq!((&left[2]["state"], left[2]["reason"].as_str().unwrap().contains("near")), (&json!("unused"), true));
    run_well(&home, &["auth", "remove", "near/me"], "").await;
    assert_eq!(listed(&home).await.len(), 2);
}

#[tokio::test]
async fn nothing_that_is_typed_on_a_terminal_is_shown() {
    let lab = taking(&[ONE]).await;
    let home = home_of(&lab);
    let mut terminal = Terminal::open(&home, &["auth", "add", "lab"]);
    terminal.wait_for("Key for lab (is not shown): ").await;
    terminal.until_echo_is(false).await;
    terminal.press(&format!("{ONE}\r")).await;
    let (status, screen) = terminal.end().await;
    assert!(status.success() && screen.contains("lab/default is added"), "{screen}");
    assert!(!screen.contains("sk-") && !screen.contains('*'), "{screen}");
    run_well(&home, &["chat", "-m", "lab/m1", "hi"], "").await;
    assert_eq!(keys_of_chats(&lab), [ONE]);

    let mut terminal = Terminal::open(&home, &["auth", "add", "lab/empty"]);
    terminal.wait_for("shown): ").await;
    terminal.press("\r").await;
    let (status, screen) = terminal.end().await;
    assert!(status.code() == Some(2) && screen.contains("error: this can't be a key"), "{screen}");
    let mut terminal = Terminal::open(&home, &["auth", "add", "lab/left"]);
    terminal.wait_for("shown): ").await;
    terminal.until_echo_is(false).await;
    terminal.press("sk-half").await;
    terminal.press(CTRL_C).await;
    terminal.until_echo_is(true).await;
    let (status, screen) = terminal.end().await;
    assert_eq!(status.code(), Some(130), "{screen}");
    assert!(!screen.contains("sk-") && !screen.contains("error"), "{screen}");
    assert_eq!(briefly(&listed(&home).await), ["lab/default store"]);
}

#[tokio::test]
async fn another_configuration_is_not_heeded_beside_one_that_runs() {
    let lab = taking(&[ONE]).await;
    let home = home_of(&lab);
    let other = home.path().join("other.toml");
    std::fs::write(&other, waiting("other", &lab.url())).unwrap();
    let other = other.to_str().unwrap();
    let with = |rest: &[&'static str]| [&["--config", other], rest].concat();
    let daemon = home.serve(&[]).await;
    for rest in [&["auth", "add", "other"][..], &["auth", "list"], &["auth", "remove", "other"]] {
        let output = home.run_with_input(&with(rest), ONE).await;
        assert_failed(&output, 2, "--config can't be heeded", "leave --config out");
    }
    stop(daemon).await;
    run_well(&home, &with(&["auth", "add", "other"]), ONE).await;
    assert!(home.run(&with(&["auth", "list"])).await.succeeded().stdout.contains("other     default"));
}
