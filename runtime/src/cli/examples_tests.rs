//! Every example of a help text is one that the program takes.

use clap::{Command, CommandFactory as _, Parser as _};

use super::Cli;

/// What separates the words of one program from those of another in a line for a shell.
const BETWEEN: [&str; 4] = ["|", "<", ">", "&&"];

/// Each line of help that shows how the program is called, by the command it is shown for.
fn examples(command: &Command, name: &str, found: &mut Vec<(String, String)>) {
    let help = [command.get_after_help(), command.get_after_long_help()];
    for text in help.into_iter().flatten().map(ToString::to_string) {
        let lines = text.lines().filter(|line| line.starts_with("  ") && line.contains("greenroom "));
        found.extend(lines.map(|line| (name.to_owned(), line.trim().to_owned())));
    }
    for inner in command.get_subcommands() {
        examples(inner, format!("{name} {}", inner.get_name()).trim(), found);
    }
}

/// The words of each call of the program in a line.
fn calls(line: &str) -> Vec<Vec<String>> {
    let words = shell_words::split(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    let parts = words.split(|word| BETWEEN.contains(&word.as_str()));
    parts.filter(|part| part.first().is_some_and(|word| word == "greenroom")).map(<[String]>::to_vec).collect()
}

#[test]
fn every_example_of_a_help_text_is_understood() {
    let mut found = Vec::new();
    examples(&Cli::command(), "", &mut found);
    for (name, line) in &found {
        let calls = calls(line);
        assert!(!calls.is_empty(), "{line}");
        for call in calls {
            if let Err(error) = Cli::try_parse_from(&call) {
                panic!("the help of {name} shows {line:?}: {error}");
            }
        }
    }
    for taught in ["compare", "pull", "embed", "models", "tokens", "batch", "batch submit"] {
        let own = found.iter().filter(|(name, _)| name == taught).count();
        assert!(own > 0, "{taught} --help shows no example");
    }
}

#[test]
fn an_example_shows_the_command_that_it_is_of() {
    let mut found = Vec::new();
    examples(&Cli::command(), "", &mut found);
    for (name, line) in found {
        assert!(calls(&line).iter().any(|call| call[1..].join(" ").starts_with(&name)), "{name}: {line}");
    }
}
