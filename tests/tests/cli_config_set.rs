//! `config set`, `unset` and `get`: the file with one thing changed, or nothing at all.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

mod cli_support;

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::path::Path;

use cli_support::{assert_failed, lines, run_well};
use greenroom_tests::harness::{Daemon, Home};
use rustix::process::getuid;
use serde_json::json;

const SECRET: &str = "sk-literal-5d2c";

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().mode() & 0o777
}

fn written(home: &Home) -> String {
    fs::read_to_string(home.config_path()).unwrap()
}

/// The names in the directory of the configuration.
fn names(home: &Home) -> Vec<String> {
    let entries = fs::read_dir(home.config_path().parent().unwrap()).unwrap();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn the_first_setting_makes_a_file_of_this_users_alone() {
    let home = Home::new();
    let output = home.run(&["config", "set", "server.listen", "127.0.0.1:4848"]).await.succeeded();
    assert_eq!(output.stdout, format!("server.listen is set in {}\n", home.config_path().display()));
    assert_eq!(output.stderr, "");
    assert_eq!(written(&home), "[server]\nlisten = \"127.0.0.1:4848\"\n");
    assert_eq!((mode(&home.config_path()), mode(home.config_path().parent().unwrap())), (0o600, 0o700));
    assert_eq!(names(&home), ["config.toml"], "nothing else is left behind");
    let listen = home.run(&["config", "get", "server.listen"]).await.succeeded();
    assert_eq!(listen.stdout, "127.0.0.1:4848\n");
    let _ = home.run(&["config", "unset", "server.listen"]).await.succeeded();
    assert_eq!(home.run(&["config", "get", "server.listen"]).await.succeeded().stdout, "127.0.0.1:4747\n");
    assert_failed(
        &home.run(&["config", "unset", "server.listen"]).await,
        1,
        "server.listen is not in the file",
        "config get",
    );
}

#[tokio::test]
async fn what_else_the_file_says_stays_with_its_mode_and_the_link_to_it() {
    let home = Home::new();
    let real = home.path().join("dotfiles.toml");
    let text = "# Mine.\n[server]\nlisten = '127.0.0.1:1' # here\n\n[failover]   # below\nattempts = 3\n";
    fs::write(&real, text).unwrap();
    // Root may have given it away, and does so again.
    if getuid().is_root() {
        chown(&real, Some(65534), Some(65534)).unwrap();
    }
    let owner = fs::metadata(&real).unwrap().uid();
    fs::set_permissions(&real, Permissions::from_mode(0o640)).unwrap();
    fs::create_dir_all(home.config_path().parent().unwrap()).unwrap();
    symlink(&real, home.config_path()).unwrap();
    run_well(&home, &["config", "set", "failover.attempts", "5", "server.grace", "3s"], "").await;
    let expected = text.replace("attempts = 3", "attempts = 5").replace("# here\n", "# here\ngrace = \"3s\"\n");
    assert_eq!(fs::read_to_string(&real).unwrap(), expected);
    assert_eq!((mode(&real), fs::metadata(&real).unwrap().uid()), (0o640, owner));
    assert!(fs::symlink_metadata(home.config_path()).unwrap().is_symlink());
    run_well(&home, &["config", "unset", "server.grace"], "").await;
    assert_eq!(fs::read_to_string(&real).unwrap(), text.replace("attempts = 3", "attempts = 5"));
}

#[tokio::test]
async fn what_would_be_wrong_changes_nothing() {
    let home = Home::new();
    for (arguments, error, hint) in [
        (&["server.listn", "127.0.0.1:1"][..], "server.listn: unknown key", "did you mean \"listen\"?"),
        (&["server.listen", "nowhere"], "server.listen: \"nowhere\" is not an address", ""),
        (&["failover.attempts", "-1"], "failover.attempts: -1 is not", ""),
        (&["models.aliases.claude-*", "smart"], "does not name a setting", "in quotes"),
        (&["providers.lab.kind", "openai-compatible"], "providers.lab: \"base_url\" is missing", ""),
        (&["server.listen"], "", ""),
        (&["server.listen", "127.0.0.1:1", "server.grace"], "no value for server.grace", "pairs"),
    ] {
        let output = home.run(&[&["config", "set"], arguments].concat()).await;
        assert_eq!(output.code(), Some(2), "{output:?}");
        assert!(output.stderr.contains(error) && output.stderr.contains(hint), "{error}: {}", output.stderr);
        assert!(!home.config_path().parent().unwrap().exists(), "nothing is left of {arguments:?}");
    }
    home.config("[server]\nlisten = \"127.0.0.1:1\"\n");
    assert_failed(&home.run(&["config", "set", "server.listen", "1"]).await, 2, "nothing was changed", "");
    assert_eq!(written(&home), "[server]\nlisten = \"127.0.0.1:1\"\n");
    home.config("[server\n");
    let output = home.run(&["config", "set", "server.listen", "127.0.0.1:1"]).await;
    assert_failed(&output, 2, &format!("{}:1:", home.config_path().display()), "");
    assert_eq!(written(&home), "[server\n");
}

#[tokio::test]
async fn what_is_wrong_with_a_variable_is_told_by_its_name() {
    let mut home = Home::new();
    home.env("GREENROOM__SERVER__LISEN", "127.0.0.1:1");
    let output = home.run(&["config", "set", "failover.attempts", "3"]).await;
    assert_failed(&output, 2, "GREENROOM__SERVER__LISEN: unknown key \"lisen\"", "did you mean \"listen\"?");
    assert!(!home.config_path().exists());
}

#[tokio::test]
async fn a_secret_is_no_argument() {
    let home = Home::new();
    home.config("[providers.openai]\n");
    let output = home.run(&["config", "set", "providers.openai.key", SECRET]).await;
    assert_failed(&output, 2, "providers.openai.key is a secret", "env:NAME");
    assert!(!output.stderr.contains(SECRET), "{}", output.stderr);
    let profiles = format!("[{{ id = 'a', key = '{SECRET}' }}]");
    let output = home.run(&["config", "set", "providers.openai.profiles", &profiles]).await;
    assert_failed(&output, 2, "providers.openai.profiles[0].key is a secret", "`greenroom auth add`");
    assert_eq!(written(&home), "[providers.openai]\n");
    run_well(&home, &["config", "set", "providers.openai.key", "env:A_KEY"], "").await;
    assert_eq!(home.run(&["config", "get", "providers.openai.key"]).await.succeeded().stdout, "env:A_KEY\n");
    // By a pipe it is taken, and given back by nothing.
    let set = ["config", "set", "providers.openai.key", "-"];
    let output = home.run_with_input(&set, &format!("{SECRET}\n")).await.succeeded();
    assert_eq!(written(&home), format!("[providers.openai]\nkey = \"{SECRET}\"\n"));
    assert!(output.stderr.contains("a secret written out"), "{}", output.stderr);
    assert!(output.stderr.contains("chmod 600"), "the file was there, and others can read it: {}", output.stderr);
    for command in [&["config", "get", "providers.openai.key", "--json"][..], &["config", "get", "providers"]] {
        let got = home.run(command).await.succeeded();
        assert!(got.stdout.contains("(literal, hidden)") && !got.stdout.contains(SECRET), "{}", got.stdout);
    }
}

#[tokio::test]
async fn many_at_once_lose_nothing() {
    let home = Home::new();
    let keys: Vec<String> = (0..12).map(|index| format!("models.aliases.alias-{index}")).collect();
    let home = &home;
    let runs = keys.iter().map(|key| async move { home.run(&["config", "set", key, "demo/demo"]).await });
    for output in futures::future::join_all(runs).await {
        let _ = output.succeeded();
    }
    for key in &keys {
        assert_eq!(home.run(&["config", "get", key]).await.succeeded().stdout, "demo/demo\n");
    }
    assert_eq!(names(home), ["config.toml"]);
}

#[tokio::test]
async fn where_a_value_comes_from_is_told() {
    let mut home = Home::new();
    home.env("GREENROOM__FAILOVER__ATTEMPTS", "4");
    home.config("[server]\nlisten = \"127.0.0.1:1\"\nallowed_hosts = [\"a.example\"]\n");
    let get = async |key: &str| lines(&home.run(&["config", "get", key, "--json"]).await.succeeded().stdout).remove(0);
    let file = home.config_path().display().to_string();
    let listen = get("server.listen").await;
    assert_eq!(listen["origin"], format!("{file}:2:10"));
    let wanted = json!(["127.0.0.1:1", "file", file, 2]);
    assert_eq!(json!([listen["value"], listen["source"], listen["file"], listen["line"]]), wanted);
    let attempts = get("failover.attempts").await;
    assert_eq!((&attempts["value"], &attempts["source"]), (&json!(4), &json!("environment")));
    assert_eq!(get("server.grace").await["source"], "default");
    assert_eq!(home.run(&["config", "get", "server.allowed_hosts"]).await.succeeded().stdout, "[\"a.example\"]\n");
    assert_failed(&home.run(&["config", "get", "models.default"]).await, 1, "models.default is not set", "config set");
    assert_failed(&home.run(&["config", "get", "server.listn"]).await, 2, "unknown key", "listen");
    // What goes over the file is told of where the file is changed.
    let output = home.run(&["config", "set", "failover.attempts", "6"]).await.succeeded();
    assert!(output.stderr.contains("GREENROOM__FAILOVER__ATTEMPTS goes over failover.attempts"), "{}", output.stderr);
}

#[tokio::test]
async fn a_daemon_that_runs_is_told_of() {
    let home = Home::new();
    let daemon: Daemon = home.serve(&[]).await;
    let output = home.run(&["config", "set", "failover.attempts", "6", "--json"]).await.succeeded();
    assert!(output.stderr.contains(&format!("pid {}", daemon.pid())), "{}", output.stderr);
    let line = lines(&output.stdout).remove(0);
    assert_eq!(json!([line["key"], line["changed"], line["restart"]]), json!(["failover.attempts", true, true]));
    let again = home.run(&["config", "set", "failover.attempts", "6", "--json"]).await.succeeded();
    assert_eq!(lines(&again.stdout)[0]["changed"], false);
    assert_eq!(again.stderr, "", "what changes nothing wants no restart");
}

#[tokio::test]
async fn a_file_that_cannot_be_written_is_told_and_kept() {
    let home = Home::new();
    fs::create_dir_all(home.config_path().parent().unwrap()).unwrap();
    symlink(home.path().join("nowhere/else.toml"), home.config_path()).unwrap();
    let output = home.run(&["config", "set", "failover.attempts", "6"]).await;
    assert_failed(&output, 1, "is a link that leads nowhere", "remove the link");
    let output = home.run(&["--config", "/proc/greenroom.toml", "config", "set", "failover.attempts", "6"]).await;
    assert_failed(&output, 1, "can't change /proc/greenroom.toml", "--config");
}
