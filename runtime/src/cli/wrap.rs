//! Text in lines of so many columns, broken between words.

use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::UnicodeWidthStr as _;

use super::notes::harmless;

/// In columns.
const TAB: &str = "    ";

/// A line of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Line<'a> {
    /// Without the white space at its end.
    pub(crate) text: &'a str,
    /// Where in the text the next line begins, in bytes.
    pub(crate) next: usize,
}

/// How many columns a text on one line takes.
pub(crate) fn width_of(text: &str) -> usize {
    text.graphemes(true).map(columns).sum()
}

/// What of a text a terminal may be given in columns: nothing that it would act upon, that moves to an unknown column, or
/// that would have what stands beside it read from the other side.
pub(crate) fn presentable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for letter in harmless(text).chars() {
        match letter {
            '\t' => shown.push_str(TAB),
            '\u{2028}' | '\u{2029}' => shown.push('\n'),
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {}
            other => shown.push(other),
        }
    }
    shown
}

/// A [presentable] text in lines of at most `width` columns; there is always one. A word that is longer is broken. A letter
/// is never: one that is wider has a line of its own. When text is added at the end, all lines but the last stay as they are; and from where a line begins,
/// the rest is broken as it is here.
pub(crate) fn wrap(text: &str, width: usize) -> Vec<Line<'_>> {
    let mut lines = Vec::new();
    let mut start = 0;
    let mut taken = 0;
    // Where the white space before the current place begins, if there is any.
    let mut space = None;
    // Behind the last word that is whole: where it ends, where the next one begins, and how many columns are before that.
    let mut between: Option<(usize, usize, usize)> = None;
    for (at, letter) in text.grapheme_indices(true) {
        if letter == "\n" {
            lines.push(Line { text: text[start..at].trim_end(), next: at + letter.len() });
            (start, taken, space, between) = (at + letter.len(), 0, None, None);
            continue;
        }
        let wide = columns(letter);
        if letter == " " {
            // At the end of a line it takes no column.
            space = space.or(Some(at));
            taken += wide;
            continue;
        }
        if let Some(from) = space.take()
            && from > start
        {
            between = Some((from, at, taken));
        }
        while taken + wide > width && at > start {
            if let Some((end, next, before)) = between.take() {
                lines.push(Line { text: text[start..end].trim_end(), next });
                (start, taken) = (next, taken - before);
            } else {
                lines.push(Line { text: text[start..at].trim_end(), next: at });
                (start, taken) = (at, 0);
            }
        }
        taken += wide;
    }
    lines.push(Line { text: text[start..].trim_end(), next: text.len() });
    lines
}

fn columns(letter: &str) -> usize {
    letter.width()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use unicode_segmentation::UnicodeSegmentation as _;

    use super::{presentable, width_of, wrap};

    fn lines(text: &str, width: usize) -> Vec<&str> {
        wrap(text, width).iter().map(|line| line.text).collect()
    }

    #[test]
    fn lines_are_broken_between_words() {
        assert_eq!(lines("the quick brown fox", 9), ["the quick", "brown fox"]);
        assert_eq!(lines("the quick   brown", 10), ["the quick", "brown"]);
        assert_eq!(lines("a\n\nb\n", 9), ["a", "", "b", ""]);
        assert_eq!(lines("", 9), [""]);
    }

    #[test]
    fn code_keeps_its_indentation() {
        assert_eq!(lines("if x:\n    return  y", 14), ["if x:", "    return  y"]);
        assert_eq!(lines("    return yes", 10), ["    return", "yes"]);
    }

    #[test]
    fn a_word_that_is_too_long_is_broken_between_letters() {
        assert_eq!(lines("see abcdefghij", 4), ["see", "abcd", "efgh", "ij"]);
        assert_eq!(lines("日本語テキスト", 5), ["日本", "語テ", "キス", "ト"]);
        assert_eq!(lines("e\u{301}e\u{301}e\u{301}", 2), ["e\u{301}e\u{301}", "e\u{301}"]);
        assert_eq!(lines("👩‍👩‍👧👍🏽", 2), ["👩‍👩‍👧", "👍🏽"]);
        // What has no width is a word as well.
        assert_eq!(lines("\u{200d} 日本", 3), ["\u{200d}", "日", "本"]);
    }

    #[test]
    fn what_moves_a_cursor_or_turns_a_line_is_not_presented() {
        assert_eq!(presentable("a\tb\r\n\u{1b}[2J\u{202e}c\u{2028}d\u{7}"), "a    b\n\u{fffd}[2Jc\nd\u{fffd}");
    }

    fn text() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            Just(" "),
            Just("  "),
            Just("\n"),
            Just("word"),
            Just("longer-than-most-lines"),
            Just("日本"),
            Just("e\u{301}"),
            Just("\u{301}"),
            Just("👩‍👩‍👧"),
            Just("🇩"),
            Just("a"),
            Just("\u{200d}"),
        ];
        proptest::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn no_line_is_wider_and_nothing_but_white_space_is_lost(text in text(), width in 2usize..30) {
            let lines = wrap(&text, width);
            let fits = |text: &str| width_of(text) <= width || text.graphemes(true).count() == 1;
            prop_assert!(lines.iter().all(|line| fits(line.text)), "{lines:?}");
            let letters = |text: &str| text.chars().filter(|letter| !letter.is_whitespace()).collect::<String>();
            prop_assert_eq!(lines.iter().map(|line| letters(line.text)).collect::<String>(), letters(&text));
        }

        #[test]
        fn text_that_is_added_changes_the_last_line_alone(text in text(), more in text(), width in 2usize..30) {
            let whole = format!("{text}{more}");
            let (before, after) = (wrap(&text, width), wrap(&whole, width));
            let stay = before.len() - 1;
            prop_assert_eq!(&before[..stay], &after[..stay]);
        }

        #[test]
        fn the_rest_from_the_start_of_a_line_is_broken_the_same(text in text(), width in 2usize..30) {
            let lines = wrap(&text, width);
            for (index, line) in lines.iter().enumerate().take(lines.len() - 1) {
                let rest = wrap(&text[line.next..], width);
                let expected: Vec<&str> = lines[index + 1..].iter().map(|line| line.text).collect();
                prop_assert_eq!(rest.iter().map(|line| line.text).collect::<Vec<_>>(), expected);
            }
        }
    }
}
