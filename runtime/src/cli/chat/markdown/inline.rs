//! Emphasis, code and links within a heading or a paragraph, shown as soon as it is known what they are.

use super::style::Style;

/// In bytes. What is not closed within so much is shown as it was written, so that words keep coming.
const MOST_HELD: usize = 500;
/// Of emphasis within emphasis; deeper it is shown as it was written.
const DEEPEST: usize = 8;

/// A text as far as it has come.
#[derive(Debug, Default)]
pub(super) struct Inline {
    style: Style,
    held: String,
    /// The letter before what is held.
    before: Option<char>,
}

/// What text begins with.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// More has to come before that is known.
    More,
    /// So many bytes that mean themselves.
    Text(usize),
    /// A backslash, and a letter of so many bytes that means itself.
    Escaped(usize),
    /// Code between marks of so many bytes; how many bytes it takes with them.
    Code { mark: usize, length: usize },
    /// The same of emphasis.
    Emphasis { mark: usize, length: usize },
    /// A link: where its text is, where its address is, and how many bytes it takes.
    Link { text: (usize, usize), address: (usize, usize), length: usize },
}

impl Inline {
    /// Begins a text that looks so.
    pub(super) fn begin(&mut self, style: Style) {
        *self = Self { style, ..Self::default() };
    }

    /// Takes a letter and shows what is known. A line end is one as well: what is open holds beyond it.
    pub(super) fn letter(&mut self, letter: char, show: &mut dyn FnMut(&str, Style)) {
        self.held.push(letter);
        self.settle(false, show);
    }

    /// Whether something is held back.
    pub(super) fn is_holding(&self) -> bool {
        !self.held.is_empty()
    }

    /// The text is over. Whether it ends with a line end that was held back, which is not shown.
    pub(super) fn end(&mut self, show: &mut dyn FnMut(&str, Style)) -> bool {
        let is_line_left = self.held.ends_with('\n');
        if is_line_left {
            self.held.pop();
        }
        self.settle(true, show);
        self.before = None;
        is_line_left
    }

    fn settle(&mut self, is_whole: bool, show: &mut dyn FnMut(&str, Style)) {
        let held = std::mem::take(&mut self.held);
        let taken = shown(&held, &mut self.before, self.style, is_whole, 0, show);
        self.held = held;
        self.held.drain(..taken);
    }
}

/// Shows a whole text.
pub(super) fn show_whole(text: &str, style: Style, show: &mut dyn FnMut(&str, Style)) {
    shown(text, &mut None, style, true, 0, show);
}

/// Shows what is known of a text: how many bytes that are.
fn shown(
    text: &str,
    before: &mut Option<char>,
    style: Style,
    is_whole: bool,
    depth: usize,
    show: &mut dyn FnMut(&str, Style),
) -> usize {
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        let length = match next(rest, *before, is_whole, depth) {
            Step::More if rest.len() <= MOST_HELD => return at,
            Step::More => {
                let length = run(rest);
                show(&rest[..length], style);
                length
            }
            Step::Text(length) => {
                show(&rest[..length], style);
                length
            }
            Step::Escaped(length) => {
                show(&rest[1..=length], style);
                1 + length
            }
            Step::Code { mark, length } => {
                show(&rest[mark..length - mark], Style { code: true, ..style });
                length
            }
            Step::Emphasis { mark, length } => {
                let style = match (&rest[..1], mark) {
                    ("~", _) => Style { strike: true, ..style },
                    (_, 1) => Style { italic: true, ..style },
                    (_, 2) => Style { bold: true, ..style },
                    _ => Style { bold: true, italic: true, ..style },
                };
                shown(&rest[mark..length - mark], &mut rest.chars().next(), style, true, depth + 1, show);
                length
            }
            Step::Link { text, address, length } => {
                let (text, address) = (&rest[text.0..text.1], &rest[address.0..address.1]);
                let linked = Style { underline: true, ..style };
                if text.is_empty() || text == address {
                    show(address, linked);
                } else {
                    shown(text, &mut Some('['), linked, true, depth + 1, show);
                    if !address.is_empty() {
                        show(" (", style);
                        show(address, Style { dim: true, ..style });
                        show(")", style);
                    }
                }
                length
            }
        };
        *before = rest[..length].chars().next_back();
        at += length;
    }
    at
}

/// What a text begins with; it is not empty.
fn next(text: &str, before: Option<char>, is_whole: bool, depth: usize) -> Step {
    let special = |letter: char| matches!(letter, '\\' | '`' | '*' | '_' | '~' | '[' | '!' | '<');
    match text.chars().next() {
        Some('\\') => escape(text, is_whole),
        Some('`') => code(text, is_whole),
        Some('*' | '_' | '~') if depth < DEEPEST => emphasis(text, before, is_whole),
        Some('[') if depth < DEEPEST => link(text, 0, is_whole),
        Some('!') => match text[1..].chars().next() {
            None if !is_whole => Step::More,
            Some('[') if depth < DEEPEST => link(text, 1, is_whole),
            _ => Step::Text(1),
        },
        Some('<') => autolink(text, is_whole),
        Some(first) => {
            let first = first.len_utf8();
            Step::Text(text[first..].find(special).map_or(text.len(), |at| first + at))
        }
        None => Step::More,
    }
}

/// How many times the first letter is repeated, in bytes; the first letters of all that is held back are ASCII.
fn run(text: &str) -> usize {
    let first = text.as_bytes()[0];
    text.bytes().take_while(|byte| *byte == first).count()
}

/// What stands for itself behind a backslash is what would mean something here; all else, such as formulas, is left alone.
fn escape(text: &str, is_whole: bool) -> Step {
    match text[1..].chars().next() {
        None if !is_whole => Step::More,
        Some(letter) if "*_`~#|\\<>-+.!".contains(letter) => Step::Escaped(1),
        _ => Step::Text(1),
    }
}

fn code(text: &str, is_whole: bool) -> Step {
    match end_of_code(text) {
        // A longer run may be under way.
        Some(length) if length < text.len() || is_whole => Step::Code { mark: run(text), length },
        _ if is_whole => Step::Text(run(text)),
        _ => Step::More,
    }
}

/// Where code ends that a text begins with: behind a run of as many marks.
fn end_of_code(text: &str) -> Option<usize> {
    let mark = run(text);
    let mut at = mark;
    while let Some(found) = text[at..].find('`') {
        let length = run(&text[at + found..]);
        at += found + length;
        if length == mark {
            return Some(at);
        }
    }
    None
}

fn emphasis(text: &str, before: Option<char>, is_whole: bool) -> Step {
    let (mark, length) = (text.as_bytes()[0], run(text));
    let Some(after) = text[length..].chars().next() else {
        return if is_whole { Step::Text(length) } else { Step::More };
    };
    let is_mark = if mark == b'~' { length == 2 } else { length <= 3 };
    if !is_mark || !opens(mark, before, after) {
        return Step::Text(length);
    }
    let mut open = vec![length];
    let (mut at, mut last) = (length, char::from(mark));
    while let Some(letter) = text[at..].chars().next() {
        let rest = &text[at..];
        let width = match letter {
            '`' => end_of_code(rest).unwrap_or_else(|| run(rest)),
            '\\' => 1 + rest[1..].chars().next().map_or(0, char::len_utf8),
            _ if letter == char::from(mark) => {
                let run = run(rest);
                let after = rest[run..].chars().next();
                if after.is_none() && !is_whole {
                    return Step::More;
                }
                if closes(mark, last, after) {
                    if let Some((mark, used)) = close(&mut open, run) {
                        return Step::Emphasis { mark, length: at + used };
                    }
                } else if after.is_some_and(|after| opens(mark, Some(last), after)) {
                    open.push(run);
                }
                run
            }
            other => other.len_utf8(),
        };
        at += width;
        last = text[..at].chars().next_back().unwrap_or(last);
    }
    if is_whole { Step::Text(length) } else { Step::More }
}

/// Closes what is open by a run of so many marks. If that was the outermost: how long its mark is, and how much of the
/// run it takes.
fn close(open: &mut Vec<usize>, run: usize) -> Option<(usize, usize)> {
    let mut left = run;
    if open.iter().rev().take(2).sum::<usize>() != run
        && let Some(same) = open.iter().rposition(|length| *length == run)
    {
        // What was opened within and not closed means itself.
        open.truncate(same + 1);
    }
    while let Some(length) = open.pop() {
        if left < length {
            if left > 0 {
                open.push(length - left);
            } else {
                open.push(length);
            }
            return None;
        }
        left -= length;
        if open.is_empty() {
            return Some((length, run - left));
        }
    }
    None
}

/// Whether marks between these letters may open emphasis.
fn opens(mark: u8, before: Option<char>, after: char) -> bool {
    if after.is_whitespace() {
        return false;
    }
    match mark {
        b'_' => !before.is_some_and(char::is_alphanumeric),
        b'*' => {
            !after.is_ascii_punctuation()
                || before.is_none_or(|before| before.is_whitespace() || before.is_ascii_punctuation())
        }
        _ => true,
    }
}

/// Whether they may close it.
fn closes(mark: u8, before: char, after: Option<char>) -> bool {
    !before.is_whitespace() && (mark != b'_' || !after.is_some_and(char::is_alphanumeric))
}

/// A link, or a picture where something stands before its bracket.
fn link(text: &str, prefix: usize, is_whole: bool) -> Step {
    let plain = Step::Text(prefix + 1);
    let unknown = if is_whole { Step::Text(prefix + 1) } else { Step::More };
    let Some(close) = closing(&text[prefix..], b'[', b']') else { return unknown };
    let close = prefix + close;
    match text[close + 1..].chars().next() {
        None => return unknown,
        Some('(') => {}
        Some(_) => return plain,
    }
    let Some(end) = closing(&text[close + 1..], b'(', b')') else { return unknown };
    let (from, to) = (close + 2, close + 1 + end);
    let inside = &text[from..to];
    if inside.contains('\n') {
        return plain;
    }
    let address = inside.trim_start();
    let from = from + (inside.len() - address.len());
    // A title may follow, which is shown with it: it is part of what was said.
    let to = from + address.trim_end().len();
    Step::Link { text: (prefix + 1, close), address: (from, to), length: close + 1 + end + 1 }
}

/// Where the bracket is closed that a text begins with.
fn closing(text: &str, open: u8, close: u8) -> Option<usize> {
    let (mut depth, mut at) = (0_usize, 0);
    while let Some(byte) = text.as_bytes().get(at) {
        match byte {
            b'\\' => at += 1,
            b'`' => at += end_of_code(&text[at..]).unwrap_or_else(|| run(&text[at..])) - 1,
            byte if *byte == open => depth += 1,
            byte if *byte == close => {
                depth -= 1;
                if depth == 0 {
                    return Some(at);
                }
            }
            _ => {}
        }
        at += 1;
        while !text.is_char_boundary(at.min(text.len())) {
            at += 1;
        }
    }
    None
}

/// `<https://…>`; all else between such brackets is left as it was written.
fn autolink(text: &str, is_whole: bool) -> Step {
    let inside = &text[1..];
    let end = inside.find(|letter: char| letter.is_whitespace() || matches!(letter, '<' | '>'));
    let begins_so = |scheme: &str| inside.starts_with(scheme) || (!is_whole && scheme.starts_with(inside));
    match end {
        _ if !["https://", "http://", "mailto:"].iter().any(|scheme| begins_so(scheme)) => Step::Text(1),
        Some(end) if inside[end..].starts_with('>') => {
            Step::Link { text: (1, 1 + end), address: (1, 1 + end), length: end + 2 }
        }
        None if !is_whole => Step::More,
        _ => Step::Text(1),
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::style::{Piece, push},
        Style, show_whole,
    };

    /// Styled text in brackets of its style.
    fn shown(text: &str) -> String {
        let mut pieces = Vec::new();
        show_whole(text, Style::PLAIN, &mut |text, style| push(&mut pieces, text, style));
        let bracketed = |Piece { text, style }: Piece| {
            let styles = [
                (style.bold, "b"),
                (style.italic, "i"),
                (style.code, "c"),
                (style.strike, "s"),
                (style.underline, "u"),
                (style.dim, "d"),
            ];
            let name: String = styles.iter().filter(|(is_set, _)| *is_set).map(|(_, name)| *name).collect();
            if name.is_empty() { text } else { format!("{{{name} {text}}}") }
        };
        pieces.into_iter().map(bracketed).collect()
    }

    #[test]
    fn emphasis_nests() {
        assert_eq!(shown("a **b** c *d* __e__ _f_ ~~g~~"), "a {b b} c {i d} {b e} {i f} {s g}");
        assert_eq!(shown("***both***"), "{bi both}");
        assert_eq!(shown("**a *b***"), "{b a }{bi b}");
        assert_eq!(shown("***a* b**"), "{bi a}{b  b}");
        assert_eq!(shown("*a **b** c*"), "{i a }{bi b}{i  c}");
        assert_eq!(shown("**a *b** c"), "{b a *b} c");
        assert_eq!(shown("**「文」**は"), "{b 「文」}は");
    }

    #[test]
    fn what_is_no_mark_is_left_as_it_is() {
        for plain in
            ["5 * 3 * 2", "snake_case_name", "a ** b", "~5 or ~6", "**open", "`open", "[1] and [x](", "a < b > c"]
        {
            assert_eq!(shown(plain), plain);
        }
        assert_eq!(shown(r"\*not\* \( x \)"), r"*not* \( x \)");
    }

    #[test]
    fn code_is_not_looked_into() {
        assert_eq!(shown("`a *b* [c](d)` e"), "{c a *b* [c](d)} e");
        assert_eq!(shown("``a ` b``"), "{c a ` b}");
        assert_eq!(shown("**a `**` b**"), "{b a }{bc **}{b  b}");
    }

    #[test]
    fn links_have_text_and_address() {
        assert_eq!(
            shown("see [the *docs*](https://x.y/a_(b)) now"),
            "see {u the }{iu docs} ({d https://x.y/a_(b)}) now"
        );
        assert_eq!(shown("![a cat](cat.png)"), "{u a cat} ({d cat.png})");
        assert_eq!(shown("<https://x.y> [https://x.y](https://x.y)"), "{u https://x.y} {u https://x.y}");
        assert_eq!(shown("a <br> b"), "a <br> b");
    }
}
