//! Standard output: the result of a command, and nothing else.

use std::io::{self, IsTerminal, StdoutLock, Write};

use serde::Serialize;

use super::{failure::Failure, notes::harmless};

/// Standard output, held for as long as the command writes.
pub(crate) struct Output {
    out: StdoutLock<'static>,
    terminal: bool,
}

impl Output {
    pub(crate) fn new() -> Self {
        let out = io::stdout();
        Self { terminal: out.is_terminal(), out: out.lock() }
    }

    pub(crate) fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// How many columns the terminal has by now; 0 where that is not known.
    pub(crate) fn columns(&self) -> usize {
        match terminal_size::terminal_size_of(&self.out) {
            Some((columns, _)) if self.terminal => columns.0.into(),
            _ => 0,
        }
    }

    /// Text that somebody else made, shown at once. A pipe gets it byte for byte, a terminal without escape sequences.
    pub(crate) fn text(&mut self, text: &str) -> Result<(), Failure> {
        if self.terminal { self.bytes(harmless(text).as_bytes()) } else { self.bytes(text.as_bytes()) }
    }

    /// Bytes as they are, shown at once.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.out.write_all(bytes).and_then(|()| self.out.flush()).map_err(|error| Failure::stdout(&error))
    }

    /// A line of our own.
    pub(crate) fn line(&mut self, line: &str) -> Result<(), Failure> {
        self.bytes(format!("{line}\n").as_bytes())
    }

    /// A value as one line of JSON.
    pub(crate) fn json<T: Serialize>(&mut self, value: &T) -> Result<(), Failure> {
        self.line(&json_line(value))
    }
}

/// A value as JSON that holds no line end of any kind, since readers that split at the Unicode ones would break it in two,
/// and no control character, which a terminal would act upon.
fn json_line<T: Serialize>(value: &T) -> String {
    let json = serde_json::to_string(value).expect("what commands print has string keys and no failing Serialize");
    // JSON itself lets them stand in strings, where an escape means the same.
    let is_unsafe = |letter: char| matches!(letter, '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}');
    if !json.contains(is_unsafe) {
        return json;
    }
    json.chars().fold(String::with_capacity(json.len()), |mut line, letter| {
        match is_unsafe(letter) {
            true => line.push_str(&format!("\\u{:04x}", u32::from(letter))),
            false => line.push(letter),
        }
        line
    })
}

#[cfg(test)]
mod tests {
    use super::json_line;

    #[test]
    fn no_line_of_json_breaks() {
        let text = "a\u{2028}b\u{2029}c\u{85}d\ne";
        let line = json_line(&text);
        assert!(!line.contains(['\u{2028}', '\u{2029}', '\u{85}', '\n']), "{line}");
        assert_eq!(serde_json::from_str::<String>(&line).unwrap(), text);
    }

    #[test]
    fn a_terminal_finds_nothing_to_act_upon_in_json() {
        let text = "\u{1b}[2J\u{7}\u{7f}\u{9b}2Jé";
        let line = json_line(&text);
        assert!(!line.contains(char::is_control), "{line}");
        assert_eq!(line, r#""\u001b[2J\u0007\u007f\u009b2Jé""#);
        assert_eq!(serde_json::from_str::<String>(&line).unwrap(), text);
    }
}
