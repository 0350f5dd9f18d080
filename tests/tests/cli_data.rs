//! The data directory and its token: this user's alone, whoever comes first.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

mod cli_support;

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;

use cli_support::{assert_failed, run_well};
use greenroom_tests::harness::Home;

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().mode() & 0o777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

#[tokio::test]
async fn a_token_is_made_once_and_for_this_user_alone() {
    let home = Home::new();
    let first = home.run(&["auth", "token"]).await.succeeded();
    let token = first.stdout.trim_end();
    assert_eq!(first.stdout, format!("{token}\n"), "only the token");
    assert!(token.len() == 64 && token.bytes().all(|byte| byte.is_ascii_hexdigit()), "256 bits: {token}");
    assert_eq!(first.stderr, "");
    assert_eq!((mode(&home.data_dir()), mode(&home.data_dir().join("token"))), (0o700, 0o600));
    assert_eq!(home.run(&["auth", "token"]).await.succeeded().stdout, first.stdout);
    let other = home.run(&["--data-dir", "elsewhere", "auth", "token"]).await.succeeded();
    assert_ne!(other.stdout, first.stdout, "another directory has another token");
    assert!(home.path().join("elsewhere").join("token").is_file());
}

#[tokio::test]
async fn many_at_once_get_the_same_token() {
    for _ in 0..4 {
        let home = Home::new();
        let runs = (0..8).map(|_| home.run(&["auth", "token"]));
        let tokens: Vec<String> =
            futures::future::join_all(runs).await.into_iter().map(|output| output.succeeded().stdout).collect();
        assert!(tokens.iter().all(|token| token.len() == 65 && *token == tokens[0]), "{tokens:?}");
        let left: Vec<_> = fs::read_dir(home.data_dir()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["token"], "nothing else is left behind");
    }
}

#[tokio::test]
async fn what_others_could_read_is_closed_and_told() {
    let home = Home::new();
    let token = home.run(&["auth", "token"]).await.succeeded().stdout;
    set_mode(&home.data_dir(), 0o755);
    set_mode(&home.data_dir().join("token"), 0o644);
    let output = home.run(&["auth", "token"]).await.succeeded();
    assert_eq!(output.stdout, token);
    assert_eq!((mode(&home.data_dir()), mode(&home.data_dir().join("token"))), (0o700, 0o600));
    assert!(output.stderr.contains("was open to other users"), "{}", output.stderr);
}

#[tokio::test]
async fn what_others_could_write_is_refused() {
    let home = Home::new();
    fs::create_dir_all(home.data_dir()).unwrap();
    set_mode(&home.data_dir(), 0o777);
    let output = home.run(&["auth", "token"]).await;
    assert_failed(&output, 1, "other users can write", "chmod 700");
    assert_eq!(output.stdout, "");
    assert!(!home.data_dir().join("token").exists());
}

#[tokio::test]
async fn a_link_in_place_of_the_token_is_not_followed() {
    let home = Home::new();
    run_well(&home, &["auth", "token"], "").await;
    let token = home.data_dir().join("token");
    let target = home.path().join("target");
    for content in [None, Some("0123456789abcdef0123456789abcdef\n")] {
        fs::remove_file(&token).unwrap();
        if let Some(content) = content {
            fs::write(&target, content).unwrap();
        }
        symlink(&target, &token).unwrap();
        let output = home.run(&["auth", "token"]).await;
        assert_failed(&output, 1, "is a link", "remove");
        assert_eq!(output.stdout, "");
    }
    assert_eq!(fs::read_to_string(&target).unwrap().len(), 33, "what the link names is as it was");
}

#[tokio::test]
async fn a_token_file_that_holds_none_is_told() {
    let home = Home::new();
    run_well(&home, &["auth", "token"], "").await;
    for content in ["", "\n", "short\n", "two lines that are\nlong enough each\n"] {
        fs::write(home.data_dir().join("token"), content).unwrap();
        let output = home.run(&["auth", "token"]).await;
        assert_failed(&output, 1, "holds no token", "rm ");
        assert_eq!(output.stdout, "");
    }
}

#[tokio::test]
async fn a_place_that_cannot_hold_data_is_told() {
    let home = Home::new();
    fs::write(home.path().join("file"), "").unwrap();
    for place in ["file", "file/below", "/proc/nothing"] {
        for command in [&["auth", "token", "--data-dir", place][..], &["serve", "--data-dir", place]] {
            let output = home.run(command).await;
            assert_failed(&output, 1, place, "--data-dir");
            assert_eq!(output.stdout, "");
        }
    }
    let mut command = home.command(&["auth", "token"]);
    let output = command.env_remove("HOME").env_remove("XDG_DATA_HOME").output().await.unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("GREENROOM_DATA_DIR"), "{output:?}");
}
