//! Words on lines of a width, with hanging indents.

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use super::style::{Piece, Style, push};

/// Below this many columns nothing is wrapped here: what remains beside indents is no place for words.
const NARROWEST: usize = 12;
/// What begins no line, and what ends none, where a line may be broken between any two letters.
const NEVER_FIRST: &str = "、。，．・：；！？）」』】〕〉》’”…ー々";
const NEVER_LAST: &str = "（「『【〔〈《‘“";
const JOINER: char = '\u{200d}';

/// Puts words on lines. A word is held back until its end is known, or that it is longer than a line.
#[derive(Debug, Default)]
pub(super) struct Layout {
    /// Of the terminal; 0 if it is not known.
    columns: usize,
    /// Whether a word that is longer than a line is broken, and not left to the terminal to break.
    breaks_words: bool,
    /// Where the next letter comes, in columns from the left.
    column: usize,
    /// What each line begins with that goes on with the one before.
    hanging: Vec<Piece>,
    /// Whether something stands on the line beside what it begins with.
    has_words: bool,
    gap: Vec<Piece>,
    word: Vec<Piece>,
    /// In columns; of joined letters it may be too many.
    word_width: usize,
    /// The word is longer than a line and is shown as it comes.
    spills: bool,
}

impl Layout {
    /// Lines of so many columns, in which every word is made to fit.
    pub(super) fn of_cell(columns: usize) -> Self {
        Self { columns, breaks_words: true, ..Self::default() }
    }

    pub(super) fn set_columns(&mut self, columns: usize) {
        self.columns = columns;
    }

    /// The columns that tables may have; none if that is not known.
    pub(super) fn columns(&self) -> Option<usize> {
        (self.columns > 0).then_some(self.columns)
    }

    /// The columns that are left of the line; none if that is not known.
    pub(super) fn room(&self) -> Option<usize> {
        self.columns().map(|columns| columns.saturating_sub(self.column))
    }

    /// Whether there is room for more than a word beside another.
    pub(super) fn is_narrow(&self) -> bool {
        self.columns > 0 && self.columns < NARROWEST
    }

    fn limit(&self) -> Option<usize> {
        (self.columns > 0 && (self.breaks_words || !self.is_narrow())).then_some(self.columns)
    }

    /// Begins a line with `first`; those that go on with it begin with `hanging`, unless that leaves too little room.
    pub(super) fn begin(&mut self, first: &[Piece], hanging: &[Piece], out: &mut Vec<Piece>) {
        self.hanging = match self.limit() {
            Some(limit) if width(hanging) * 2 > limit => Vec::new(),
            _ => hanging.to_vec(),
        };
        first.iter().for_each(|piece| push(out, &piece.text, piece.style));
        self.column = width(first);
        self.has_words = false;
    }

    /// Text of a line, wrapped.
    pub(super) fn text(&mut self, text: &str, style: Style, out: &mut Vec<Piece>) {
        for letter in text.chars() {
            self.letter(letter, style, out);
        }
    }

    fn letter(&mut self, letter: char, style: Style, out: &mut Vec<Piece>) {
        let mut buffer = [0; 4];
        let letter_width = letter.width().unwrap_or_default();
        let Some(limit) = self.limit() else {
            push(out, letter.encode_utf8(&mut buffer), style);
            self.column += letter_width;
            return;
        };
        if matches!(letter, ' ' | '\t') {
            self.end_word(out);
            push(&mut self.gap, " ", style);
            return;
        }
        let last = self.word.last().and_then(|piece| piece.text.chars().next_back());
        if last.is_some_and(|last| may_break(last, letter)) {
            self.end_word(out);
        }
        if self.spills {
            self.spill(letter.encode_utf8(&mut buffer), style, limit, out);
        }
        push(&mut self.word, letter.encode_utf8(&mut buffer), style);
        self.word_width += letter_width;
        if !self.spills && self.word_width > limit.saturating_sub(width(&self.hanging)) && width(&self.word) > limit {
            self.begin_spill(limit, out);
        }
    }

    /// Shows a word that is longer than a line, as far as it is known.
    fn begin_spill(&mut self, limit: usize, out: &mut Vec<Piece>) {
        if self.has_words {
            self.wrap(out);
        }
        self.gap.clear();
        self.spills = true;
        for piece in self.word.clone() {
            let mut buffer = [0; 4];
            for letter in piece.text.chars() {
                self.spill(letter.encode_utf8(&mut buffer), piece.style, limit, out);
            }
        }
    }

    /// A letter of a word that is longer than a line. A terminal that breaks it itself has it whole when it is copied.
    fn spill(&mut self, letter: &str, style: Style, limit: usize, out: &mut Vec<Piece>) {
        let letter_width = letter.width();
        if self.column + letter_width > limit {
            if self.breaks_words {
                push(out, "\n", Style::PLAIN);
            }
            self.column = 0;
        }
        push(out, letter, style);
        self.column += letter_width;
        self.has_words = true;
    }

    /// The word is whole: it goes on this line, or on the next if there is no room.
    fn end_word(&mut self, out: &mut Vec<Piece>) {
        let word = std::mem::take(&mut self.word);
        self.word_width = 0;
        if std::mem::take(&mut self.spills) || word.is_empty() {
            return;
        }
        let (gap, word_width) = (width(&self.gap), width(&word));
        if self.limit().is_some_and(|limit| self.column + gap + word_width > limit) && self.has_words {
            self.wrap(out);
        }
        for piece in self.gap.drain(..).chain(word) {
            push(out, &piece.text, piece.style);
            self.column += piece.text.width();
        }
        self.has_words = true;
    }

    fn wrap(&mut self, out: &mut Vec<Piece>) {
        push(out, "\n", Style::PLAIN);
        self.hanging.iter().for_each(|piece| push(out, &piece.text, piece.style));
        self.column = width(&self.hanging);
        self.gap.clear();
    }

    /// Shows what is held back of the line.
    pub(super) fn settle(&mut self, out: &mut Vec<Piece>) {
        self.end_word(out);
        self.gap.clear();
    }

    /// Ends the line.
    pub(super) fn end(&mut self, out: &mut Vec<Piece>) {
        self.settle(out);
        push(out, "\n", Style::PLAIN);
        self.column = 0;
        self.has_words = false;
    }
}

/// In columns.
pub(super) fn width(pieces: &[Piece]) -> usize {
    match pieces {
        [] => 0,
        [one] => one.text.width(),
        // Together, since letters of one may join those of the next.
        several => several.iter().map(|piece| piece.text.as_str()).collect::<String>().width(),
    }
}

/// Whether a line may be broken between two letters of a word: beside a wide one, where nothing joins them.
fn may_break(last: char, next: char) -> bool {
    let is_wide = |letter: char| letter.width() == Some(2);
    let is_tone = ('\u{1f3fb}'..='\u{1f3ff}').contains(&next);
    let is_joined = last == JOINER || next.width().unwrap_or_default() == 0 || is_tone;
    (is_wide(last) || is_wide(next)) && !is_joined && !NEVER_FIRST.contains(next) && !NEVER_LAST.contains(last)
}

#[cfg(test)]
mod tests {
    use super::{Layout, Style};

    fn wrapped(columns: usize, text: &str) -> Vec<String> {
        let (mut layout, mut out) = (Layout::default(), Vec::new());
        layout.set_columns(columns);
        layout.text(text, Style::PLAIN, &mut out);
        layout.settle(&mut out);
        out.iter().map(|piece| piece.text.as_str()).collect::<String>().lines().map(str::to_owned).collect()
    }

    #[test]
    fn words_that_do_not_fit_go_on_the_next_line() {
        assert_eq!(wrapped(12, "one two three four"), ["one two", "three four"]);
        assert_eq!(wrapped(12, "twelve chars fit"), ["twelve chars", "fit"]);
        assert_eq!(wrapped(0, "no width is known"), ["no width is known"]);
        assert_eq!(wrapped(1, "none is of use"), ["none is of use"]);
    }

    #[test]
    fn lines_are_broken_between_wide_letters_but_not_before_their_stops() {
        assert_eq!(wrapped(12, "日本語の文章です。次"), ["日本語の文章", "です。次"]);
        assert_eq!(wrapped(12, "日本語の文章。次"), ["日本語の文", "章。次"]);
        assert_eq!(wrapped(12, "12345678901👩‍👩‍👧"), ["12345678901", "👩‍👩‍👧"]);
    }

    #[test]
    fn a_word_that_is_longer_than_a_line_is_the_terminals_to_break() {
        assert_eq!(wrapped(12, "see https://abc.org/a/b now"), ["see", "https://abc.org/a/b now"]);
    }
}
