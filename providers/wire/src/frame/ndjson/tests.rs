use std::time::Instant;

use proptest::{collection::vec, prelude::*, sample::Index};

use super::*;

fn lines<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<Result<String, FrameError>> {
    let mut framer = NdjsonFramer::new();
    let mut lines = Vec::new();
    for piece in pieces {
        framer.push(piece);
        while let Some(line) = framer.next_line() {
            lines.push(line.map(str::to_owned));
        }
    }
    framer.end();
    while let Some(line) = framer.next_line() {
        lines.push(line.map(str::to_owned));
    }
    lines
}

fn said(text: &str) -> Vec<String> {
    let whole = lines([text.as_bytes()]);
    for at in 0..=text.len() {
        let (one, two) = text.as_bytes().split_at(at);
        assert_eq!(lines([one, two]), whole, "cut at {at}");
    }
    assert_eq!(lines(text.as_bytes().chunks(1)), whole, "byte by byte");
    whole.into_iter().map(|line| line.expect("the text is UTF-8")).collect()
}

#[test]
fn lines_end_at_lf_and_crlf_alone() {
    assert_eq!(said("{\"a\":1}\n{\"b\":2}\r\n{\"c\":3}\n"), ["{\"a\":1}", "{\"b\":2}", "{\"c\":3}"]);
    assert_eq!(
        said("\"a\u{2028}b\u{2029}c\u{85}d\"\n{\r\"x\":1}\n"),
        ["\"a\u{2028}b\u{2029}c\u{85}d\"", "{\r\"x\":1}"]
    );
}

#[test]
fn a_last_line_needs_no_end_and_blank_ones_are_nothing() {
    assert_eq!(said("\n\r\n  \n1\n\n2"), ["1", "2"]);
    assert_eq!(said("1\r"), ["1"]);
    assert!(said("").is_empty() && said("\n\n").is_empty());
}

#[test]
fn a_byte_order_mark_is_left_out_at_the_start_alone() {
    assert_eq!(said("\u{feff}1\n\u{feff}2\n"), ["1", "\u{feff}2"]);
}

#[test]
fn a_line_that_is_not_utf8_spoils_itself_alone() {
    let read = lines([&b"1\n\xff\n2\n"[..]]);
    assert_eq!(read, [Ok("1".into()), Err(FrameError::Utf8), Ok("2".into())]);
}

#[test]
fn a_line_has_a_bound_and_nothing_comes_after_it() {
    let mut framer = NdjsonFramer::new();
    framer.push(&vec![b' '; MAX_FRAME]);
    assert!(framer.next_line().is_none(), "a line of the bound is still taken");
    framer.push(b"xx\n1\n");
    assert_eq!(framer.next_line(), Some(Err(FrameError::TooLarge)));
    framer.push(b"1\n");
    framer.end();
    assert_eq!(framer.next_line(), None);
}

#[test]
fn time_is_linear_in_the_bytes() {
    let time = |bytes: usize| {
        let mut framer = NdjsonFramer::new();
        let start = Instant::now();
        for _ in 0..bytes / 64 {
            framer.push(&[b'x'; 64]);
            assert!(framer.next_line().is_none());
        }
        start.elapsed()
    };
    // Whatever the machine is doing, sixteen times the bytes must not take hundreds of times as long.
    let (short, long) = (time(1 << 18).max(std::time::Duration::from_millis(1)), time(1 << 22));
    assert!(long < short * 160, "{short:?} and {long:?}");
}

proptest! {
    #[test]
    fn cuts_change_nothing(bytes in vec(prop_oneof![Just(b'\n'), Just(b'\r'), Just(b'{'), any::<u8>()], 0..80), cuts in vec(any::<Index>(), 0..6)) {
        let mut places: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).chain([0, bytes.len()]).collect();
        places.sort_unstable();
        let pieces: Vec<_> = places.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
        prop_assert_eq!(lines(pieces), lines([&bytes[..]]));
    }
}
