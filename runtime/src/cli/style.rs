//! What a stream may be given beside its text: decided here for every command.

use std::io::{self, IsTerminal as _};

use greenroom::config::Environment;

/// What a stream may be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// Text alone: it is no terminal, or one that can do nothing else.
    Text,
    /// Lines that are written over, without colours.
    Lines,
    /// Colours as well.
    Colours,
}

impl Style {
    /// Of standard output.
    pub(crate) fn of_output(environment: &Environment) -> Self {
        Self::decide(io::stdout().is_terminal(), environment)
    }

    /// Of standard error.
    pub(crate) fn of_errors(environment: &Environment) -> Self {
        Self::decide(io::stderr().is_terminal(), environment)
    }

    fn decide(is_terminal: bool, environment: &Environment) -> Self {
        if !is_terminal || environment.text("TERM") == Some("dumb") {
            return Self::Text;
        }
        // https://no-color.org: any value that isn't empty turns colours off.
        if environment.text("NO_COLOR").is_some() { Self::Lines } else { Self::Colours }
    }

    /// Whether a line may be written over.
    pub(crate) fn writes_over(self) -> bool {
        self != Self::Text
    }

    /// Text in a colour or weight, if there may be any. Text without a letter stays as it is.
    pub(crate) fn paint(self, paint: Paint, text: &str) -> String {
        match paint.code() {
            Some(code) if self == Self::Colours && !text.trim().is_empty() => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
            _ => text.to_owned(),
        }
    }
}

/// How a text is painted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Paint {
    Plain,
    /// A heading.
    Bold,
    /// What is beside the matter.
    Dim,
    /// What went wrong.
    Red,
}

impl Paint {
    /// The number of SGR (ECMA-48) that begins it.
    fn code(self) -> Option<u8> {
        match self {
            Self::Plain => None,
            Self::Bold => Some(1),
            Self::Dim => Some(2),
            Self::Red => Some(31),
        }
    }
}

/// Columns and rows of the terminal that standard output is; those of the oldest terminals where it does not say.
pub(crate) fn size() -> (usize, usize) {
    let told = terminal_size::terminal_size_of(io::stdout());
    let (columns, rows) = told.map_or((0, 0), |(columns, rows)| (usize::from(columns.0), usize::from(rows.0)));
    (if columns == 0 { 80 } else { columns }, if rows == 0 { 24 } else { rows })
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::{Paint, Style};
    use greenroom::config::Environment;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        variables.iter().map(|(name, value)| (OsString::from(name), OsString::from(value))).collect()
    }

    #[test]
    fn colours_are_for_terminals_of_people_who_do_not_mind() {
        let decide = |is_terminal, variables: &[(&str, &str)]| Style::decide(is_terminal, &environment(variables));
        assert_eq!(decide(true, &[("TERM", "xterm")]), Style::Colours);
        assert_eq!(decide(true, &[("NO_COLOR", "")]), Style::Colours);
        assert_eq!(decide(true, &[("NO_COLOR", "1")]), Style::Lines);
        assert_eq!(decide(true, &[("TERM", "dumb")]), Style::Text);
        assert_eq!(decide(false, &[("TERM", "xterm")]), Style::Text);
    }

    #[test]
    fn nothing_is_painted_where_colours_are_unwanted() {
        assert_eq!(Style::Colours.paint(Paint::Bold, "a"), "\u{1b}[1ma\u{1b}[0m");
        assert_eq!(Style::Colours.paint(Paint::Bold, "  "), "  ");
        assert_eq!(Style::Lines.paint(Paint::Red, "a"), "a");
        assert_eq!(Style::Text.paint(Paint::Dim, "a"), "a");
    }
}
