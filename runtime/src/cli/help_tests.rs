use clap::{Command, CommandFactory as _, Parser as _};

use super::Cli;

/// Every command below this one, with the words that lead to it.
fn walk(command: &Command, path: &[String], visit: &mut dyn FnMut(&Command, &[String])) {
    visit(command, path);
    for inner in command.get_subcommands().filter(|inner| inner.get_name() != "help") {
        let path: Vec<String> = path.iter().cloned().chain([inner.get_name().to_owned()]).collect();
        walk(inner, &path, visit);
    }
}

/// The calls of greenroom in what stands below the arguments, as a shell would cut them.
fn examples(command: &Command) -> Vec<String> {
    let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let mut is_example = false;
    let mut calls = Vec::new();
    for line in help.lines() {
        is_example = line == "Examples:" || (is_example && line.starts_with("  "));
        let Some(at) = line.find("greenroom ").filter(|_| is_example) else { continue };
        let call = [")\"", " | ", " > ", " < ", " && ", "    #"]
            .iter()
            .fold(&line[at..], |call, end| call.split_once(end).map_or(call, |(call, _)| call));
        calls.push(call.trim_end().to_owned());
    }
    calls
}

#[test]
fn every_command_has_examples_which_it_understands() {
    let mut seen = 0;
    walk(&Cli::command(), &[], &mut |command, path| {
        let is_leaf = command.get_subcommands().next().is_none();
        let examples = examples(command);
        assert!(!is_leaf || !examples.is_empty(), "{path:?} has no example");
        for example in examples {
            let words = shell_words::split(&example).expect("what a shell can read");
            let parsed = Cli::try_parse_from(&words);
            assert!(parsed.is_ok(), "{path:?}: {example}: {parsed:?}");
            assert_eq!(words[0], "greenroom");
            assert_eq!(&words[1..=path.len()], path, "an example of another command: {example}");
            seen += 1;
        }
    });
    assert!(seen > 40, "{seen} examples");
}

#[test]
fn every_command_says_what_it_does_and_what_it_takes() {
    walk(&Cli::command(), &[], &mut |command, path| {
        assert!(command.get_about().is_some(), "{path:?} does not say what it does");
        for argument in command.get_arguments() {
            assert!(argument.get_help().is_some(), "{path:?} does not say what {} is", argument.get_id());
        }
    });
    Cli::command().debug_assert();
}

/// What prints nothing but a protocol, or a script for a shell, has one form alone.
const OWN_FORM: [&str; 3] = ["completions", "ipc", "mcp"];

#[test]
fn every_command_that_prints_something_has_a_form_for_machines() {
    let mut whole = Cli::command();
    whole.build();
    walk(&whole, &[], &mut |command, path| {
        let is_leaf = command.get_subcommands().all(|inner| inner.get_name() == "help");
        if !is_leaf || path.first().is_none_or(|first| OWN_FORM.contains(&first.as_str())) {
            return;
        }
        let has_json = command.get_arguments().any(|argument| argument.get_long() == Some("json"));
        assert!(has_json, "{path:?} has no --json");
    });
}
