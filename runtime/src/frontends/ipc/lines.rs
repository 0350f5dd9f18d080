//! Lines out of bytes that come in any pieces.

/// The longest line, in bytes.
pub(super) const MOST: usize = 16 << 20;

/// A line of input.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// All of it, without its end.
    Whole(Vec<u8>),
    /// It is longer than [`MOST`]; nothing of it is kept.
    TooLong,
}

/// Splits bytes at CR and LF, and nowhere else: U+2028 and its like are plain characters of a JSON string. Blank lines are
/// left out, so that CR LF is one end.
///
/// It holds no more than one line, whatever is pushed.
#[derive(Debug, Default)]
pub(super) struct Lines {
    begun: Vec<u8>,
    /// What comes up to the next end is of a line that was told as too long.
    skipping: bool,
}

impl Lines {
    /// Takes bytes off the front of `input` up to the end of a line, and gives that line; `None` once all are taken.
    pub(super) fn next(&mut self, input: &mut &[u8]) -> Option<Line> {
        loop {
            let end = memchr::memchr2(b'\r', b'\n', input);
            let (piece, rest) = match end {
                Some(end) => (&input[..end], &input[end + 1..]),
                None => (*input, &input[input.len()..]),
            };
            *input = rest;
            if !self.skipping {
                if self.begun.len() + piece.len() > MOST {
                    self.begun = Vec::new();
                    self.skipping = end.is_none();
                    return Some(Line::TooLong);
                }
                self.begun.extend_from_slice(piece);
            }
            end?;
            if !std::mem::take(&mut self.skipping)
                && let Some(line) = self.end()
            {
                return Some(line);
            }
        }
    }

    /// What stands behind the last end of a line, if something does.
    pub(super) fn end(&mut self) -> Option<Line> {
        let line = std::mem::take(&mut self.begun);
        (!line.trim_ascii().is_empty()).then_some(Line::Whole(line))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The lines of these pieces, the last of them perhaps without an end.
    fn lines<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<Line> {
        let mut lines = Lines::default();
        let mut out = Vec::new();
        for mut piece in pieces {
            while let Some(line) = lines.next(&mut piece) {
                out.push(line);
            }
            assert!(piece.is_empty());
        }
        out.extend(lines.end());
        out
    }

    fn whole(text: &str) -> Line {
        Line::Whole(text.as_bytes().to_vec())
    }

    #[test]
    fn lines_end_at_cr_and_lf_alone_wherever_the_bytes_are_cut() {
        let text = "{\"a\":1}\r\n\n  \r{\"b\":\"\u{2028}\u{2029}\u{85}\u{b}\u{c}é\"}\r[]\nrest";
        let wanted =
            [whole("{\"a\":1}"), whole("{\"b\":\"\u{2028}\u{2029}\u{85}\u{b}\u{c}é\"}"), whole("[]"), whole("rest")];
        for cut in 0..=text.len() {
            let (head, tail) = text.as_bytes().split_at(cut);
            assert_eq!(lines([head, tail]), wanted, "cut at {cut}");
        }
        assert_eq!(lines(text.as_bytes().chunks(1)), wanted);
    }

    #[test]
    fn a_line_that_is_too_long_is_told_once_and_not_kept() {
        let long = vec![b'x'; MOST];
        assert_eq!(lines([&long[..], b"\na"]), [Line::Whole(long.clone()), whole("a")]);
        assert_eq!(lines([&long[..], b"x\na"]), [Line::TooLong, whole("a")]);
        assert_eq!(lines([&long[..], &long[..], &long[..], b"\r\na\n"]), [Line::TooLong, whole("a")]);
        let mut kept = Lines::default();
        assert_eq!(kept.next(&mut &long[..]), None);
        assert_eq!(kept.next(&mut &long[..]), Some(Line::TooLong));
        assert_eq!(kept.next(&mut &long[..]), None);
        assert_eq!(kept.begun.capacity(), 0);
        assert_eq!(kept.end(), None);
    }

    proptest! {
        #[test]
        fn the_lines_do_not_depend_on_how_the_bytes_come(
            bytes in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b'\r'), Just(b' '), any::<u8>()], 0..64),
            size in 1_usize..8,
        ) {
            let at_once: Vec<Vec<u8>> = bytes
                .split(|byte| matches!(byte, b'\r' | b'\n'))
                .filter(|line| !line.trim_ascii().is_empty())
                .map(<[u8]>::to_vec)
                .collect();
            let at_once: Vec<Line> = at_once.into_iter().map(Line::Whole).collect();
            prop_assert_eq!(lines(bytes.chunks(size)), at_once);
        }
    }
}
