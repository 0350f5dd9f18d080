//! The program is built with the workspace's tests, and runs.
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

use std::process::{Command, Output};

/// Runs the program in an environment of these variables alone.
fn run(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_greenroom"));
    command.args(arguments).env_clear().envs(variables.iter().copied()).output().unwrap()
}

#[test]
fn it_names_its_version() {
    let output = run(&["--version"], &[]);
    assert!(output.status.success());
    assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("greenroom {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn it_looks_for_its_configuration_where_it_is_told() {
    let path = |variables: &[(&str, &str)]| {
        let output = run(&["config", "path"], variables);
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let home = ("XDG_CONFIG_HOME", "/home/ada/settings");
    assert_eq!(path(&[home]), (Some(0), "/home/ada/settings/greenroom/config.toml\n".to_owned()));
    assert_eq!(path(&[home, ("GREENROOM_CONFIG", "/elsewhere.toml")]), (Some(0), "/elsewhere.toml\n".to_owned()));
    assert_eq!(path(&[]), (Some(2), String::new()));
}
