//! What is said beside the result: lines on standard error.
//!
//! Nothing here fails: where standard error is gone there is nobody left to tell.

use std::io::{self, IsTerminal, Write};

use greenroom::config::Environment;

/// Something went wrong.
pub(crate) fn error(text: &str) {
    say("error: ", text);
}

/// What to do about it.
pub(crate) fn hint(text: &str) {
    say("hint: ", text);
}

/// Something that works and deserves a second look.
pub(crate) fn warning(text: &str) {
    say("warning: ", text);
}

/// Something worth knowing.
pub(crate) fn note(text: &str) {
    say("note: ", text);
}

/// A detail of the line before.
pub(crate) fn below(text: &str) {
    say("  - ", text);
}

/// A line as it is, such as a problem that begins with its place, which editors read.
pub(crate) fn plain(text: &str) {
    say("", text);
}

fn say(label: &str, text: &str) {
    let _nobody_reads = writeln!(io::stderr().lock(), "{label}{}", one_line(text));
}

/// Whether standard error is a person's terminal that may be given colours.
pub(crate) fn may_style(environment: &Environment) -> bool {
    io::stderr().is_terminal() && wants_style(environment)
}

/// Whether the person wants a terminal to be given colours, and it can show them.
pub(crate) fn wants_style(environment: &Environment) -> bool {
    // https://no-color.org: any value that isn't empty turns colours off.
    environment.text("NO_COLOR").is_none() && environment.text("TERM") != Some("dumb")
}

/// Text on a single line, without what a terminal would act upon: parts of it may be a provider's words.
pub(crate) fn one_line(text: &str) -> String {
    let words = text.split(|letter: char| letter.is_whitespace() || letter.is_control());
    words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Text without what a terminal would act upon; line ends and tabs stay.
pub(crate) fn harmless(text: &str) -> String {
    let shown = |letter: char| match letter {
        '\n' | '\t' => Some(letter),
        '\r' => None,
        control if control.is_control() => Some(char::REPLACEMENT_CHARACTER),
        other => Some(other),
    };
    text.chars().filter_map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_reach_no_terminal() {
        assert_eq!(harmless("a\u{1b}[2J\tb\r\nc\u{9b}"), "a\u{fffd}[2J\tb\nc\u{fffd}");
        assert_eq!(one_line("two\nlines \u{1b}[31mred "), "two lines [31mred");
    }
}
