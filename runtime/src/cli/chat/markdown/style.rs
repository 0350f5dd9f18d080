//! How a piece of text looks, and the codes by which a terminal shows it so.

use std::fmt::Write as _;

/// How text looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::cli) struct Style {
    pub(super) bold: bool,
    pub(super) dim: bool,
    pub(super) italic: bool,
    pub(super) underline: bool,
    pub(super) strike: bool,
    pub(super) code: bool,
}

impl Style {
    pub(super) const PLAIN: Self =
        Self { bold: false, dim: false, italic: false, underline: false, strike: false, code: false };
    pub(super) const DIM: Self = Self { dim: true, ..Self::PLAIN };
    pub(super) const CODE: Self = Self { code: true, ..Self::PLAIN };

    /// The parameters of its escape sequence, most general first (ECMA-48, 8.3.117).
    fn parameters(self) -> impl Iterator<Item = u8> {
        let all =
            [(self.bold, 1), (self.dim, 2), (self.italic, 3), (self.underline, 4), (self.strike, 9), (self.code, 36)];
        all.into_iter().filter_map(|(is_set, parameter)| is_set.then_some(parameter))
    }
}

/// Text that looks the same throughout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) struct Piece {
    pub(in crate::cli) text: String,
    pub(super) style: Style,
}

impl Piece {
    pub(super) fn new(text: impl Into<String>, style: Style) -> Self {
        Self { text: text.into(), style }
    }
}

/// Adds text to pieces, to the last one if that looks the same.
pub(super) fn push(pieces: &mut Vec<Piece>, text: &str, style: Style) {
    match pieces.last_mut() {
        _ if text.is_empty() => {}
        Some(last) if last.style == style => last.text.push_str(text),
        _ => pieces.push(Piece::new(text, style)),
    }
}

/// Pieces as a terminal takes them. Nothing is left set behind them, so that whatever comes next looks as it should.
pub(in crate::cli) fn painted(pieces: &[Piece]) -> String {
    let mut painted = String::new();
    for Piece { text, style } in pieces {
        if *style == Style::PLAIN {
            painted.push_str(text);
            continue;
        }
        painted.push_str("\u{1b}[");
        for (index, parameter) in style.parameters().enumerate() {
            let separator = if index == 0 { "" } else { ";" };
            write!(painted, "{separator}{parameter}").expect("writing to a String never fails");
        }
        write!(painted, "m{text}\u{1b}[0m").expect("writing to a String never fails");
    }
    painted
}

#[cfg(test)]
mod tests {
    use super::{Piece, Style, painted};

    #[test]
    fn what_is_styled_ends_by_itself() {
        let both = Style { bold: true, code: true, ..Style::PLAIN };
        let pieces = [Piece::new("a ", Style::PLAIN), Piece::new("b", both), Piece::new("\n", Style::PLAIN)];
        assert_eq!(painted(&pieces), "a \u{1b}[1;36mb\u{1b}[0m\n");
    }
}
