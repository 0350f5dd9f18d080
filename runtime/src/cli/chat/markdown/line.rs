//! What the beginning of a line says of it.

/// In bytes. What is still not known to be more than text by then is text.
const MOST_HELD: usize = 300;
/// Of a row of a table.
const LONGEST_ROW: usize = 16 << 10;
/// Further in than this is code, where no list makes it the text of an item.
const INDENT_OF_CODE: usize = 4;

/// What a line begins with, or all of it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Start {
    /// Nothing stands on it.
    Blank,
    /// A mark of a quote of so many bytes; what follows begins again.
    Quote(usize),
    /// A mark of a list, which stands so many columns in; what follows begins again.
    Item { indent: usize, mark: String, length: usize },
    /// A heading; its text begins behind so many bytes.
    Heading { level: usize, length: usize },
    /// A line across.
    Rule,
    /// What begins code, and ends it.
    Fence(Fence),
    /// A row of a table.
    Row,
    /// Code, by how far in it stands.
    Indented,
    /// Text, which stands so many columns in and begins behind so many bytes.
    Text { indent: usize, length: usize },
}

/// What code is set off by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fence {
    /// How far it is set in, in columns.
    pub(super) indent: usize,
    mark: u8,
    length: usize,
}

/// Where the line stands.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Place {
    /// Whether it may be code by how far in it stands.
    pub(super) may_be_indented: bool,
    /// Whether it is the first of a list's item.
    pub(super) is_item: bool,
}

/// What a line begins with, as far as it has come; none if more has to come before that is known.
pub(super) fn start(line: &str, is_whole: bool, place: Place) -> Option<Start> {
    let (indent, length) = indentation(line);
    let rest = &line[length..];
    let text = Start::Text { indent, length };
    let Some(first) = rest.bytes().next() else {
        return match is_whole {
            true => Some(Start::Blank),
            false => (line.len() > MOST_HELD).then_some(text),
        };
    };
    if place.may_be_indented && indent >= INDENT_OF_CODE {
        return Some(Start::Indented);
    }
    let found = match first {
        b'#' => heading(rest, is_whole, indent, length),
        b'>' => match rest.as_bytes().get(1) {
            None if !is_whole => None,
            next => Some(Start::Quote(length + 1 + usize::from(next == Some(&b' ')))),
        },
        b'-' | b'*' | b'_' | b'+' => rule_or_item(rest, is_whole, indent, length),
        b'0'..=b'9' => numbered(rest, is_whole, indent, length),
        b'`' | b'~' => fence(rest, is_whole, indent, length),
        b'|' if !place.is_item => match is_whole {
            true => Some(Start::Row),
            false if rest.len() > LONGEST_ROW => Some(text.clone()),
            false => return None,
        },
        _ => Some(text.clone()),
    };
    match found {
        None if is_whole || rest.len() > MOST_HELD => Some(text),
        found => found,
    }
}

/// How far in a line stands, in columns, and how many bytes that takes.
pub(super) fn indentation(line: &str) -> (usize, usize) {
    let mut columns = 0;
    for (at, byte) in line.bytes().enumerate() {
        match byte {
            b' ' => columns += 1,
            b'\t' => columns += 4 - columns % 4,
            _ => return (columns, at),
        }
    }
    (columns, line.len())
}

fn heading(rest: &str, is_whole: bool, indent: usize, before: usize) -> Option<Start> {
    let level = run(rest);
    let text = Some(Start::Text { indent, length: before });
    match rest.as_bytes().get(level) {
        _ if level > 6 => text,
        Some(b' ') => {
            let spaces = rest[level..].len() - rest[level..].trim_start_matches(' ').len();
            let is_known = is_whole || level + spaces < rest.len();
            is_known.then_some(Start::Heading { level, length: before + level + spaces })
        }
        None if !is_whole => None,
        _ => text,
    }
}

fn rule_or_item(rest: &str, is_whole: bool, indent: usize, before: usize) -> Option<Start> {
    let mark = rest.as_bytes()[0];
    let is_all_marks = rest.bytes().all(|byte| byte == mark || byte == b' ');
    let item = || Start::Item { indent, mark: "•".to_owned(), length: before + 2 };
    let is_item = mark != b'_' && rest.as_bytes().get(1) == Some(&b' ');
    if is_all_marks && mark != b'+' {
        if !is_whole {
            return None;
        }
        if rest.bytes().filter(|byte| *byte == mark).count() >= 3 {
            return Some(Start::Rule);
        }
    }
    match rest.len() {
        1 if !is_whole => None,
        _ if is_item => Some(item()),
        _ => Some(Start::Text { indent, length: before }),
    }
}

fn numbered(rest: &str, is_whole: bool, indent: usize, before: usize) -> Option<Start> {
    /// As many as CommonMark lets a number have.
    const DIGITS: usize = 9;
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let unknown = if is_whole { Some(Start::Text { indent, length: before }) } else { None };
    match (rest.as_bytes().get(digits), rest.as_bytes().get(digits + 1)) {
        _ if digits > DIGITS => Some(Start::Text { indent, length: before }),
        (None, _) | (Some(b'.' | b')'), None) => unknown,
        (Some(b'.' | b')'), Some(b' ')) => {
            Some(Start::Item { indent, mark: rest[..=digits].to_owned(), length: before + digits + 2 })
        }
        _ => Some(Start::Text { indent, length: before }),
    }
}

fn fence(rest: &str, is_whole: bool, indent: usize, before: usize) -> Option<Start> {
    let (mark, length) = (rest.as_bytes()[0], run(rest));
    let is_text = (length < 3 && (length < rest.len() || is_whole)) || (mark == b'`' && rest[length..].contains('`'));
    if is_text {
        return Some(Start::Text { indent, length: before });
    }
    is_whole.then_some(Start::Fence(Fence { indent, mark, length }))
}

fn run(text: &str) -> usize {
    let first = text.as_bytes()[0];
    text.bytes().take_while(|byte| *byte == first).count()
}

impl Fence {
    /// The same where so many columns were taken before it.
    pub(super) fn further_in(self, columns: usize) -> Self {
        Self { indent: self.indent + columns, ..self }
    }

    /// Whether a line ends the code, as far as it has come; none if more has to come before that is known.
    pub(super) fn ends(&self, line: &str, is_whole: bool) -> Option<bool> {
        let (indent, length) = indentation(line);
        let rest = &line[length..];
        let marks = rest.bytes().take_while(|byte| *byte == self.mark).count();
        let is_possible = indent < INDENT_OF_CODE + self.indent
            && rest[marks..].bytes().all(|byte| byte == b' ')
            && (marks >= self.length || marks == rest.len())
            && line.len() <= MOST_HELD;
        match (is_possible, is_whole) {
            (false, _) => Some(false),
            (true, true) => Some(marks >= self.length),
            (true, false) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Place, Start, start};

    fn begins(line: &str) -> Option<Start> {
        start(line, false, Place::default())
    }

    fn is(line: &str) -> Start {
        start(line, true, Place::default()).expect("a whole line is known")
    }

    #[test]
    fn it_is_told_as_soon_as_it_is_known() {
        assert_eq!(begins("Hello"), Some(Start::Text { indent: 0, length: 0 }));
        assert_eq!(begins("##"), None);
        assert_eq!(begins("## T"), Some(Start::Heading { level: 2, length: 3 }));
        assert_eq!(begins("#tag"), Some(Start::Text { indent: 0, length: 0 }));
        assert_eq!(begins("- "), None, "it may be a rule");
        assert_eq!(begins("- a"), Some(Start::Item { indent: 0, mark: "•".to_owned(), length: 2 }));
        assert_eq!(begins("**b"), Some(Start::Text { indent: 0, length: 0 }));
        assert_eq!(begins("  12. "), Some(Start::Item { indent: 2, mark: "12.".to_owned(), length: 6 }));
        assert_eq!(begins("12.5"), Some(Start::Text { indent: 0, length: 0 }));
        assert_eq!(begins("> "), Some(Start::Quote(2)));
        assert_eq!(begins("```rust"), None);
        assert_eq!(begins("| a |"), None);
    }

    #[test]
    fn a_whole_line_is_always_known() {
        assert_eq!(is(""), Start::Blank);
        assert_eq!(is("- - -"), Start::Rule);
        assert_eq!(is("***"), Start::Rule);
        assert_eq!(is("--"), Start::Text { indent: 0, length: 0 });
        assert_eq!(is("| a |"), Start::Row);
        assert!(matches!(is("```rust"), Start::Fence(_)));
        assert!(matches!(is("```a``` b"), Start::Text { .. }));
    }

    #[test]
    fn code_ends_with_as_many_marks_as_it_began_with() {
        let Start::Fence(fence) = is("````md") else { panic!("no fence") };
        assert_eq!(fence.ends("````", true), Some(true));
        assert_eq!(fence.ends("```", true), Some(false));
        assert_eq!(fence.ends("``", false), None);
        assert_eq!(fence.ends("```` x", false), Some(false));
        assert_eq!(fence.ends("a", false), Some(false));
    }
}
